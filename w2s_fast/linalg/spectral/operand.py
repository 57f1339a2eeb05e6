"""What is decomposed: an array, centred or not, or a sparse matrix; its products, and its scale.

Rows have passes instead.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from w2s_fast import _check
from w2s_fast._check import FloatArray
from w2s_fast._threads import ordered_map
from w2s_fast._workers import Workers
from w2s_fast.linalg.rows.base import ScaleError
from w2s_fast.linalg.rows.centred import Centred
from w2s_fast.linalg.rows.cutting import cuts
from w2s_fast.linalg.rows.products import SERIAL_WORK, cross, gram_times, times
from w2s_fast.linalg.rows.scale import PRODUCTS
from w2s_fast.linalg.rows.sketches import sketched
from w2s_fast.linalg.rows.sources import elsewhere
from w2s_fast.linalg.rows.sparse import SparseMatrix, SparseRows, is_sparse

SPARSE_COLUMNS = 32  # of a product: their rows then stay in cache, which halves its time on one thread


def checked(M: Any, workers: Workers = None) -> Any:
    """View ``M`` as a matrix of float32 or float64."""
    if isinstance(M, Centred):
        return M
    if is_sparse(M):
        return _sparse_floats(M)
    if (rows := elsewhere(M, "M", workers)) is not None:
        if rows.shape is None or rows.once:
            raise ValueError("M must have a known shape and be readable again: it is read once an iteration, and more")
        return rows
    return _check.floats(M, "M", ndim=2, finite=False)


def is_dense(X: Any) -> bool:
    return isinstance(X, np.ndarray | Centred)


def _sparse_floats(M: Any) -> Any:
    if M.ndim != 2:
        raise ValueError(f"M must have 2 dimension(s), got shape {M.shape}")
    dtype = _check.floats(np.zeros(0, M.dtype), "M").dtype
    M = M.astype(dtype, copy=False)  # before entries of equal place are added up: short integers would overflow
    M = M if M.format in ("csr", "csc") else M.tocsr()
    if not M.has_canonical_format:  # else entries of equal place would count apart in sums of squares
        M = M.copy()
        M.sum_duplicates()
    if not np.isfinite(M.data).all():
        SparseRows(SparseMatrix.of(M, "M"), "M").refuse_not_finite(M.data)
    return M


def sketch(X: Any, width: int, key: int) -> FloatArray:
    """(S X)' for a random S of ``width`` rows, in the dtype of X: the columns that start the iteration.

    S is Gaussian for sparse matrices, and has sparse signs for arrays.
    """
    if not is_dense(X):
        gaussian = np.random.default_rng(key).standard_normal((X.shape[0], width))
        return transposed_image(X, gaussian.astype(X.dtype))
    return sketched(X, width, key, X.dtype).T


def image(X: Any, V: FloatArray, out: FloatArray | None = None) -> FloatArray:
    """X V in the dtype of V."""
    if is_sparse(X):
        return _sparse_times(X, V, out)
    return times(X, V, out) if out is not None or isinstance(X, Centred) else np.asarray(X @ V)


def transposed_image(X: Any, Q: FloatArray) -> FloatArray:
    """X'Q in the dtype of Q."""
    return _sparse_times(X.T, Q) if is_sparse(X) else cross(X, Q, Q.dtype).astype(Q.dtype)


def gram_image(X: Any, V: FloatArray, keep: FloatArray | None = None) -> FloatArray:
    """X'(X V), of an array as its blocks add up; X V goes to ``keep`` where that is given."""
    return _sparse_times(X.T, _sparse_times(X, V, keep)) if is_sparse(X) else gram_times(X, V, keep)


def _sparse_times(X: Any, V: FloatArray, out: FloatArray | None = None) -> FloatArray:
    """X V by SciPy, which lets go of the GIL, some columns of V at a time on each thread."""
    columns = V.shape[1]
    width = SPARSE_COLUMNS if X.nnz * columns > SERIAL_WORK else columns
    if out is None:
        out = np.empty((X.shape[0], columns), V.dtype)

    def multiply(some: slice) -> None:
        out[:, some] = X @ V[:, some]

    pieces = [slice(first, first + width) for first in range(0, columns, width)]
    for _ in ordered_map(multiply, pieces) if len(pieces) > 1 else map(multiply, pieces):
        pass
    return out


def energy(X: Any, precision: npt.DTypeLike | None = None) -> float:
    """Sum of squares; ScaleError at scales at which they overflow or vanish, NaN and infinity among them."""
    numbers = _numbers(X)
    found = sum(_over_cuts(partial(_energy_of_rows, precision or X.dtype), numbers))
    require_moderate(found, numbers)
    return found


def _energy_of_rows(precision: npt.DTypeLike, rows: FloatArray) -> float:
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        return float(np.linalg.norm(rows.astype(precision, copy=False)) ** 2)


def _magnitude(rows: FloatArray) -> float:
    return max(float(rows.max()), -float(rows.min()))


def _over_cuts(function: Callable[[FloatArray], float], numbers: FloatArray) -> Iterator[float]:
    return ordered_map(function, (numbers[cut] for cut in cuts(len(numbers), numbers.shape[1], 1)))


def require_moderate(energy: float, X: FloatArray) -> None:
    """Raise ScaleError for rows whose sum of squares tells that squares overflow or vanish, or are of NaN."""
    smallest, largest = PRODUCTS[X.dtype]
    if not smallest < energy < largest and (energy or np.asarray(X).any()):
        raise ScaleError("the squares of M overflow or vanish")


def refuse_not_finite(X: Any) -> None:
    """Say where NaN or infinity is in a matrix as it came; sparse ones were checked before."""
    if is_dense(X):
        _check.all_finite(np.asarray(X), "M")


def rescaled(X: Any) -> tuple[Any, int]:
    """The matrix with its largest number brought near to 1, and the exponent of two that this took."""
    X = np.asarray(X) if isinstance(X, Centred) else X
    exponent = math.frexp(max(_over_cuts(_magnitude, _numbers(X))))[1]
    if not is_sparse(X):
        return np.ldexp(X, -exponent), exponent
    copy = X.copy()
    copy.data = np.ldexp(copy.data, -exponent)
    return copy, exponent


def _numbers(X: Any) -> FloatArray:
    """The entries of a dense matrix, or those that a sparse one holds, as a column."""
    return np.asarray(X.data)[:, None] if is_sparse(X) else X
