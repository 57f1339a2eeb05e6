"""Indices behind names, ``path#hidden[:,12]``: whole numbers and slices over the axes after the first, the rows."""

from __future__ import annotations

import re

from w2s_fast.linalg.files.header import Index, shown

EACH = "*"  # stands for every index of an axis, one after the other
BEHIND_NAME = re.compile(r"\[\s*(:[^\[\]]*)\]$")
PART = re.compile(r"(?P<place>[+-]?\d+)|(?P<start>[+-]?\d+)?:(?P<stop>[+-]?\d+)?(:(?P<step>\+?\d+)?)?")


def split_index(entry: str) -> tuple[str, str]:
    """Split what follows a path into the name of an array and its index, '' where there is none.

    >>> split_index("hidden[:,12]"), split_index("hidden"), split_index("a[0]")
    (('hidden', '[:,12]'), ('hidden', ''), ('a[0]', ''))
    """
    found = BEHIND_NAME.search(entry)
    return (entry[: found.start()], found[0]) if found else (entry, "")


def parsed(text: str, shape: tuple[int, ...]) -> Index:
    """Read an index of an array of ``shape``; ValueError where it does not fit.

    >>> parsed("[:, -1, ::2]", (9, 5, 4))
    (4, slice(0, 4, 2))
    """
    if not text:
        return ()
    first, *others = (part.strip() for part in text.strip("[]").split(","))
    if first != ":":
        raise ValueError(f"its index {shown(text)} must begin with a colon, for all rows: write [:,12], say")
    if len(others) >= len(shape):
        raise ValueError(f"its index {shown(text)} has {len(others) + 1} axes, the array {len(shape)}: {shape}")
    return tuple(_part(part, size, text) for part, size in zip(others, shape[1:], strict=False))


def _part(part: str, size: int, text: str) -> int | slice:
    found = PART.fullmatch(part)
    if found is None or (found["step"] is not None and int(found["step"]) == 0):
        hint = ": * is for the models of a probe" if part == EACH else ""
        raise ValueError(f"its index {shown(text)} must have whole numbers and slices such as 2:8, got {part!r}{hint}")
    if found["place"] is None:
        start, stop, step = (None if found[name] is None else int(found[name]) for name in ("start", "stop", "step"))
        start, stop, step = slice(start, stop, step).indices(size)
        return slice(start, max(start, stop), step)
    place = int(found["place"])
    if not -size <= place < size:
        raise ValueError(f"its index {shown(text)} asks for {shown(place)} of an axis of {size:,}")
    return place % size


def sizes(shape: tuple[int, ...], index: Index) -> tuple[int, ...]:
    """Shape of what an index leaves.

    >>> sizes((9, 5, 4), (4, slice(0, 4, 2)))
    (9, 2)
    """
    left = [
        len(range(*part.indices(size))) for part, size in zip(index, shape[1:], strict=False) if isinstance(part, slice)
    ]
    return *shape[:1], *left, *shape[1 + len(index) :]


def steps(strides: tuple[int, ...], index: Index) -> tuple[int, tuple[int, ...]]:
    """How far an index moves the first number, and the strides that it leaves.

    >>> steps((80, 16, 4), (4, slice(1, 4, 2)))
    (68, (80, 8))
    """
    moved, left = 0, [*strides[:1]]
    for part, stride in zip(index, strides[1:], strict=False):
        moved += (part.start if isinstance(part, slice) else part) * stride
        if isinstance(part, slice):
            left.append(part.step * stride)
    return moved, (*left, *strides[1 + len(index) :])
