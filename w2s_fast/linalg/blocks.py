"""Row blocks of anything: arrays, memory maps, iterables of blocks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from w2s_fast import _check
from w2s_fast._check import FloatArray

BLOCK_BYTES = 16 << 20  # of float64: past the caches, yet little beside the data


def is_array(X: Any) -> bool:
    """Tell a matrix, held or mapped, from an iterable of blocks."""
    return hasattr(X, "shape") or (isinstance(X, list | tuple) and len(X) > 0 and np.ndim(X[0]) < 2)


def rows_per_block(columns: int) -> int:
    return max(1, BLOCK_BYTES // (8 * max(columns, 1)))


def row_blocks(X: Any, name: str) -> Iterator[FloatArray]:
    """Yield float32 or float64 blocks of one width with the rows of ``X`` in order, checked for NaN and infinity."""
    if is_array(X):
        X = _check.floats(X, name, ndim=2, finite=False)
        step = rows_per_block(X.shape[1])
        sources: Iterable[Any] = (X[start : start + step] for start in range(0, max(len(X), 1), step))
    elif isinstance(X, Iterable) and not isinstance(X, str | bytes | dict):
        sources = X
    else:
        raise TypeError(f"{name} must be a 2-D array or an iterable of row blocks, got {type(X).__name__}")
    width = None
    for number, source in enumerate(sources):
        block = _check.floats(source, name if is_array(X) else f"block {number} of {name}", ndim=2)
        if width is not None and block.shape[1] != width:
            raise ValueError(f"block {number} of {name} has {block.shape[1]} columns, the ones before have {width}")
        width = block.shape[1]
        yield block
    if width is None:
        raise ValueError(f"{name} holds no row blocks")
