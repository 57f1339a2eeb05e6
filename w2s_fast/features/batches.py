"""Rows of a chunk in batches: short ones together, over threads, and fewer at a time where memory runs out."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from w2s_fast._threads import ordered_map
from w2s_fast.features.models.base import Array, Features, Loaded

Notify = Callable[[str], None]
SIGNS = ("out of memory", "can't allocate memory", "not enough memory", "cannot allocate memory")  # of torch's errors


class Batches:
    """Runs a model over chunks of rows.

    Attributes
    ----------
    size : int
        Rows of a batch now; half of what it was before, each time that memory ran out.
    """

    def __init__(self, model: Loaded, size: int | None, workers: int | None, notify: Notify) -> None:
        self.model, self.size, self.workers, self._notify = model, size or model.batch, workers, notify

    def run(self, items: list[Any], advance: Callable[[int], None] | None = None) -> Features:
        """Features of all items, in their order; ``advance`` is told how many are done."""
        lengths = self.model.lengths(items) if self.model.lengths else None
        if lengths is not None and not self.model.one_at_a_time:  # a GPU says by itself when its memory runs out
            self._fit(max(lengths) * self.model.unit_bytes, len(items))
        while True:
            try:
                return self._run(items, lengths, advance)
            except (MemoryError, RuntimeError) as error:
                if not is_out_of_memory(error):
                    raise
                if min(self.size, len(items)) == 1:
                    raise MemoryError(f"memory runs out with a single row at a time: {_said(error)}") from None
            before, self.size = min(self.size, len(items)), max(1, min(self.size, len(items)) // 2)
            free_cache()
            self._notify(f"out of memory with {before} rows at a time: goes on with {self.size}")

    def _fit(self, bytes_of_row: int, rows: int) -> None:
        """Halve the batch while those under way would take more than half of the memory that is free."""
        room = free_memory() // 2 // (self.workers or 1)
        before = size = min(self.size, rows)
        while size > 1 and size * bytes_of_row > room:
            size //= 2
        if size < before:
            self.size = size
            self._notify(f"memory would run out with {before} rows at a time: goes on with {size}")

    def _run(self, items: list[Any], lengths: Sequence[int] | None, advance: Callable[[int], None] | None) -> Features:
        parts = cuts(lengths, len(items), self.size)
        found: Features = {}
        done = 0
        made = ordered_map(lambda places: self.model.embed([items[place] for place in places]), parts, self.workers)
        for places, features in zip(parts, made, strict=True):
            for name, values in features.items():
                if name not in found:
                    found[name] = np.empty((len(items), *values.shape[1:]), values.dtype)
                found[name][places] = _checked(values, len(places), found[name], name)
            done += len(places)
            if advance is not None:
                advance(done)
        return found


def cuts(lengths: Sequence[int] | None, count: int, size: int) -> list[Array]:
    """Places of rows in batches of at most ``size``, the longest first so that what fits then fits on.

    >>> [part.tolist() for part in cuts([3, 9, 4, 8], 4, 2)], [part.tolist() for part in cuts(None, 3, 2)]
    ([[1, 3], [2, 0]], [[0, 1], [2]])
    """
    order = np.arange(count) if lengths is None else np.argsort(-np.asarray(lengths, np.int64), kind="stable")
    return [order[start : start + size] for start in range(0, count, size)]


def free_memory() -> int:
    """Bytes of memory that the system would give; as many as can be where it does not say."""
    try:
        with open("/proc/meminfo", encoding="ascii") as file:
            lines = dict(line.split(":") for line in file)
        return 1024 * int(lines["MemAvailable"].split()[0])
    except (OSError, KeyError, ValueError):  # not Linux
        return sys.maxsize


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error of Python or of torch says that memory ran out, of the host or of a device."""
    return isinstance(error, MemoryError) or any(sign in str(error).lower() for sign in SIGNS)


def free_cache() -> None:
    """Give back what torch keeps of a GPU's memory, if it is loaded."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()


def _checked(values: Array, rows: int, whole: Array, name: str) -> Array:
    if len(values) != rows or values.shape[1:] != whole.shape[1:]:
        raise ValueError(
            f"the model made {name} of shape {values.shape} for {rows} rows, others of {whole.shape[1:]} each"
        )
    return values


def _said(error: BaseException) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
