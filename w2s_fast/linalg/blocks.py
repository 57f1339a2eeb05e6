"""Row blocks of anything: arrays, memory maps, files, iterables of blocks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from os import PathLike
from typing import Any

import numpy as np

from w2s_fast import _check
from w2s_fast._check import FloatArray
from w2s_fast.linalg import files

BLOCK_BYTES = 16 << 20  # of float64: past the caches, yet little beside the data


def is_array(X: Any) -> bool:
    """Tell a matrix, held or mapped, from an iterable of blocks."""
    return hasattr(X, "shape") or (isinstance(X, list | tuple) and len(X) > 0 and np.ndim(X[0]) < 2)


def rows_per_block(columns: int) -> int:
    return max(1, BLOCK_BYTES // (8 * max(columns, 1)))


@dataclass(frozen=True)
class Rows:
    """A matrix that is read by row blocks, as often as its source allows.

    Attributes
    ----------
    source : array, path, or iterable of row blocks
    shape : (int, int) or None
        Where it is known before reading.
    once : bool
        Whether the source is an iterator, gone after one pass.
    """

    source: Any
    name: str
    shape: tuple[int, int] | None
    once: bool = False

    @classmethod
    def of(cls, X: Any, name: str) -> Rows:
        """Look at ``X`` without reading its rows."""
        if isinstance(X, str | PathLike):
            file = files.MatrixFile.open(X, name)
            return cls(file, name, file.shape)
        if is_array(X):
            array = _check.floats(X, name, ndim=2, finite=False)
            return cls(array, name, (array.shape[0], array.shape[1]))
        if not isinstance(X, Iterable) or isinstance(X, bytes | dict):
            raise TypeError(
                f"{name} must be a 2-D array, a path or an iterable of row blocks, got {type(X).__name__}"
            )
        return cls(X, name, None, once=isinstance(X, Iterator))

    def blocks(self) -> Iterator[FloatArray]:
        """Yield float32 or float64 blocks of one width in order; NaN and infinity are for the reader to find."""
        if self.shape is not None:
            step = rows_per_block(self.shape[1])
            if isinstance(self.source, files.MatrixFile):
                yield from self.source.blocks(step)
            else:
                for start in range(0, max(self.shape[0], 1), step):
                    yield self.source[start : start + step]
            return
        width = None
        for number, source in enumerate(self.source):
            block = _check.floats(source, f"block {number} of {self.name}", ndim=2)
            if width is not None and block.shape[1] != width:
                raise ValueError(
                    f"block {number} of {self.name} has {block.shape[1]} columns, the ones before have {width}"
                )
            width = block.shape[1]
            yield block
        if width is None:
            raise ValueError(f"{self.name} holds no row blocks")


def row_blocks(X: Any, name: str) -> Iterator[FloatArray]:
    """Yield float32 or float64 blocks of one width with the rows of ``X`` in order, checked for NaN and infinity."""
    rows = Rows.of(X, name)
    for block in rows.blocks():
        if rows.shape is not None:  # blocks of iterables were checked, by number
            _check.all_finite(block, name)
        yield block
