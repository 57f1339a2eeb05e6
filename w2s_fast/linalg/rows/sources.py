"""Rows of what callers hold: arrays, memory maps, files, iterables of blocks, and Rows of their own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from w2s_fast import _arrays, _check, _devices
from w2s_fast._check import FloatArray
from w2s_fast._workers import Workers, pool_of_processes
from w2s_fast.linalg.rows.base import Rows
from w2s_fast.linalg.rows.sparse import SparseMatrix, SparseRows, is_sparse

FEW_ROWS = 128  # of a wide matrix, which are held: sketches of its columns would take more room than they do


def rows_of(X: Any, name: str, workers: Workers = None) -> Rows:
    """Look at ``X`` without reading its rows, which workers do if there are some."""
    if _check.is_path(X):
        return _in_files(X, name, workers, few=FEW_ROWS)
    found = elsewhere(X, name, workers)
    if found is not None:
        return found
    if _is_array(X):
        return ArrayRows(_check.floats(X, name, ndim=2, finite=False), name)
    if not isinstance(X, Iterable) or isinstance(X, bytes | dict):
        raise TypeError(f"{name} must be a 2-D array, a path or an iterable of row blocks, got {type(X).__name__}")
    return StreamRows(X, name)


def elsewhere(X: Any, name: str, workers: Workers = None) -> Rows | None:
    """Rows that callers hold as such, sparse, in files or in a cluster; None for an array or an iterable of blocks."""
    if _check.is_path(X):
        return _in_files(X, name, workers)
    if workers is not None:
        raise TypeError(
            f"workers read files, got {name} of type {type(X).__name__}: give a path or a list of paths, or leave them "
            "out (a Dask array is summed where it is)"
        )
    if isinstance(X, Rows):
        return X.named(name)
    return SparseRows(SparseMatrix.of(X, name), name) if is_sparse(X) else _devices.cluster_rows(X, name)


def _in_files(where: Any, name: str, workers: Workers, few: int = 0) -> Rows:
    """Rows that are read when they are asked for; those of a wide matrix of at most ``few`` at once."""
    from w2s_fast.linalg.rows.file_rows import FileRows, Files

    files = Files.opened(where, name)
    if len(files) <= min(few, files.shape[1]):
        return ArrayRows(files[0 : len(files)], name)
    return FileRows(files, name, pool_of_processes(workers))


def _is_array(X: Any) -> bool:
    """Tell a matrix, held or mapped, from an iterable of blocks."""
    return _arrays.is_array(X) or (isinstance(X, list | tuple) and len(X) > 0 and np.ndim(_arrays.as_numpy(X[0])) < 2)


@dataclass(eq=False)
class ArrayRows(Rows):
    """Rows of an array in memory, or mapped."""

    array: FloatArray
    name: str

    def __post_init__(self) -> None:
        self.shape = self.array.shape[0], self.array.shape[1]

    def read(self, step: int) -> Iterator[FloatArray]:
        for start in range(0, max(len(self.array), 1), step):
            yield self.array[start : start + step]

    def held(self) -> FloatArray | None:
        return self.array if self.exponent == 0 else np.ldexp(self.array, -self.exponent)


@dataclass(eq=False)
class StreamRows(Rows):
    """Rows of an iterable of blocks. Each must be finite: an iterator is gone when sums show that one was not."""

    source: Iterable[Any]
    name: str

    def __post_init__(self) -> None:
        self.once = isinstance(self.source, Iterator)

    def read(self, step: int) -> Iterator[FloatArray]:
        kept = isinstance(self.source, list | tuple)
        for number, source in enumerate(self.source):
            block = _check.floats(source, f"block {number} of {self.name}", ndim=2)
            # Threads still read a block when the next one is asked for, which may come in the same memory.
            yield block if kept else block.copy()
