"""One path for every layer: ``path#hidden[:,*]`` stands for ``path#hidden[:,0]``, ``path#hidden[:,1]`` and so on."""

from __future__ import annotations

from typing import Any

from w2s_fast.linalg.files.index import EACH, parsed, split_index
from w2s_fast.linalg.files.matrix import ANY, MatrixFile
from w2s_fast.linalg.files.place import split_name


def layers(where: Any, name: str) -> list[tuple[str, str]]:
    """Index and path of each array that a path with ``*`` in its index stands for; none for all else."""
    if not isinstance(where, str):
        return []
    path, entry = split_name(where)
    array, brackets = split_index(entry)
    parts = [part.strip() for part in brackets.strip("[]").split(",")]
    if EACH not in parts:
        return []
    if parts.count(EACH) > 1:
        raise ValueError(f"{name} must have one * in its index, got {where!r}")
    axis = parts.index(EACH)
    whole = f"{path}#{array}"
    shape = MatrixFile.open(whole, name, ANY).shape
    try:
        parsed(brackets.replace(EACH, ":"), shape)
    except ValueError as error:
        raise ValueError(f"{name}: {error} in {where!r}") from None
    found = []
    for place in range(shape[axis]):
        index = f"[{','.join([*parts[:axis], str(place), *parts[axis + 1 :]])}]"
        found.append((index, whole + index))
    return found
