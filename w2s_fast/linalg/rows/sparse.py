"""Sparse matrices of SciPy as rows that are made dense a block at a time: memory for a block, whatever the columns."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from w2s_fast import _check
from w2s_fast.linalg.rows.base import Rows

ALL = slice(None)


def is_sparse(X: Any) -> bool:
    return hasattr(X, "tocsr")


@dataclass(frozen=True, eq=False)
class SparseMatrix:
    """A sparse matrix by rows, of which parts are taken as arrays."""

    csr: Any

    has_columns_together = False

    @classmethod
    def of(cls, X: Any, name: str) -> Self:
        if X.ndim != 2:
            raise ValueError(f"{name} must have 2 dimension(s), got shape {X.shape}")
        _check.numbers(np.zeros(0, X.dtype), name)
        if X.dtype.kind in "biu" and X.dtype.itemsize < 8 and not getattr(X, "has_canonical_format", True):
            X = X.astype(np.int64)  # before entries of one place are added up: short integers would overflow
        return cls(X.tocsr())

    @property
    def shape(self) -> tuple[int, int]:
        rows, columns = self.csr.shape
        return rows, columns

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(self.csr.dtype)

    def __len__(self) -> int:
        return self.shape[0]

    def read(self, rows: slice = ALL, columns: slice = ALL) -> npt.NDArray[Any]:
        """A part of it, entries of one place added up."""
        return np.asarray(self.csr[rows, columns].toarray())

    def take(self, index: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
        """Rows of it."""
        return np.asarray(self.csr[index].toarray())


class SparseRows(Rows):
    """Rows of a sparse matrix."""

    def __init__(self, matrix: SparseMatrix, name: str) -> None:
        self.matrix, self.name, self.shape = matrix, name, matrix.shape

    def read(self, step: int) -> Iterator[npt.NDArray[Any]]:
        for start in range(0, max(len(self.matrix), 1), step):
            yield self.matrix.read(slice(start, start + step))
