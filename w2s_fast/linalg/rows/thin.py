"""Products of one block of rows with a few vectors, on the thread that calls, while others go on."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

Float = TypeVar("Float", bound=np.floating[Any])
Array = npt.NDArray[Float]
LEAST_RELEASED = 500  # numbers of a result: NumPy's matmul stops all other threads while it makes fewer
SMALL_PRODUCT = 10**6  # multiplications: up to here some kernels of OpenBLAS have code of their own for thin matrices


def inner_products(a: Array[Float], b: Array[Float]) -> Array[Float]:
    """Products (n, k) of the columns of a (m, n) with those of b (m, k)."""
    if not _lies_together(a):
        return a.T @ b
    if _one_by_one(a, b):
        return np.stack([np.dot(a.T, column) for column in b.T], axis=1)
    return np.dot(a.T, b) if a.shape[1] * b.shape[1] < LEAST_RELEASED else a.T @ b


def images(rows: Array[Float], V: Array[Float], out: Array[Float] | None = None) -> Array[Float]:
    """Rows (m, n) times V (n, k); ``out`` may be the rows themselves."""
    if _lies_together(rows) and _one_by_one(rows, V):
        columns = [np.dot(rows, column) for column in V.T]
        return np.stack(columns).T if out is None else np.stack(columns, axis=1, out=out)
    return np.matmul(rows, V, out=out)


def _lies_together(array: Array[Any]) -> bool:
    """Whether NumPy holds an array in one piece, which ``np.dot`` does not copy: others may be on a GPU."""
    return isinstance(array, np.ndarray) and array.flags.forc


def _one_by_one(rows: Array[Any], factors: Array[Any]) -> bool:
    """Whether BLAS takes single vectors in half the time of their matrix: two or three, but for small products."""
    return factors.shape[1] in (2, 3) and rows.size * factors.shape[1] > SMALL_PRODUCT
