"""Blocks of rows, cut from what is read and joined from it."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from w2s_fast.linalg.files.header import Chunked

Array = npt.NDArray[Any]


def cuts(rows: int, step: int, first: int = 0) -> list[slice]:
    """Cut rows from the first on, of which there may be none, into blocks of ``step``."""
    return [slice(top, min(top + step, rows)) for top in range(first, max(rows, first + 1), step)]


def chunks(array: Chunked, step: int, first: int, rows: int) -> Generator[Array, None, None]:
    """Read blocks of ``step`` rows."""
    for cut in cuts(rows, step, first):
        found = np.asarray(array.read(cut))
        if len(found) != cut.stop - cut.start:
            raise came_as(cut, found)
        yield found


def came_as(rows: slice, found: Array) -> ValueError:
    return ValueError(f"rows {rows.start:,} to {rows.stop:,} came as {found.dtype} of shape {found.shape}")


def regrouped(pieces: Iterable[Array], step: int) -> Iterator[Array]:
    """Join and cut pieces of any heights to blocks of ``step`` rows, the last one of fewer."""
    held: list[Array] = []
    height = 0
    for piece in pieces:
        left = piece
        while height + len(left) >= step:
            held.append(left[: step - height])
            left = left[step - height :]
            yield held[0] if len(held) == 1 else np.concatenate(held)
            held, height = [], 0
        if len(left):
            held.append(left)
            height += len(left)
    if held:
        yield held[0] if len(held) == 1 else np.concatenate(held)
