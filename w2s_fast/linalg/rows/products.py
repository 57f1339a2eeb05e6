"""Products X'X, X V, X'Y and X'(X V) by blocks of rows over threads: the same bits for any number of them.

Each block is one or two BLAS calls on one thread, cast in cache to the precision asked for. Arrays are cut by shape
alone, streams come in blocks; results are added in order and in float64, whatever the products are. NumPy makes X'X a
symmetric rank-k update, half the work of a general product. NaN and infinity are left to the caller, who finds them in
the sums: finite numbers with finite squares cannot make them.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from w2s_fast._check import FloatArray
from w2s_fast._threads import ordered_map, single_threaded_blas

Matrix = npt.NDArray[np.float64]
GRAM_ROWS = 4_096  # of a block in X'X; fewer leave BLAS too short a sum, 10 % slower at 2,048
PRODUCT_ROWS = 2_048  # of a block in other products; 4 % more of BLAS's speed than 1,024
UNTILED = 2_048  # columns of X'X made whole: more at a time, and adding the blocks up shows beside making them
TILE_COLUMNS = 512  # of X'X beyond: 6 % over BLAS's time for all of it at 4,096, against 26 % in one piece
READING = 16  # multiplications that BLAS does on one thread in the time it takes to read an element
BLOCK_WORK = 10**7  # multiplications, 0.2 ms: below, handing a block to a thread costs more than it saves
SERIAL_SIZE = 8_000  # elements: of a product with a vector, up to where BLAS takes one thread by itself
SERIAL_WORK = 200_000  # multiplications: of a product of matrices, likewise
SERIAL_FACTORS = 1_000  # elements of a matrix to be factored: older OpenBLAS shares its triangular products from there
LARGEST_SERIAL = 500  # smaller side: LAPACK's SVD gains nothing from BLAS threads up to here


def cuts(rows: int, columns: int, factors: int, longest: int = PRODUCT_ROWS) -> list[slice]:
    """Cut rows evenly, into an even number of blocks where their products with ``factors`` columns are worth threads.

    Reading an element costs what ``READING`` products do.
    """
    least = -(-BLOCK_WORK // max(columns * max(factors, READING), 1))
    if rows <= least:
        return [slice(0, rows)]
    count = -(-rows // max(least, longest))
    step = -(-rows // (count + count % 2))
    return [slice(start, min(start + step, rows)) for start in range(0, rows, step)]


def gram(X: FloatArray, precision: npt.DTypeLike = np.float64) -> Matrix:
    """X'X of X (m, n), its products taken in a precision of their own."""
    n = X.shape[1]
    if n > UNTILED:
        return gram_of((X[cut] for cut in cuts(len(X), n, n, GRAM_ROWS)), n, precision)

    def product(cut: slice) -> FloatArray:
        rows = X[cut].astype(precision, copy=False)
        return rows.T @ rows

    return _total(product, X, n, GRAM_ROWS)


def gram_of(blocks: Iterable[FloatArray], columns: int, precision: npt.DTypeLike = np.float64) -> Matrix:
    """X'X from the row blocks of X, in one pass."""
    count = 1 if columns <= UNTILED else -(-columns // TILE_COLUMNS)
    edges = np.linspace(0, columns, count + 1).astype(int)
    tiles = [slice(a, b) for a, b in pairwise(edges)]
    pairs = [(a, b) for i, a in enumerate(tiles) for b in tiles[i:]]

    def product(item: tuple[FloatArray, slice, slice]) -> tuple[slice, slice, FloatArray]:
        block, a, b = item
        left = block[:, a].astype(precision, copy=False)
        return a, b, left.T @ (left if a == b else block[:, b].astype(precision, copy=False))

    total = np.zeros((columns, columns))
    for a, b, part in ordered_map(_quiet(product), ((block, *pair) for block in blocks for pair in pairs)):
        _add(total[a, b], part)
    for a, b in pairs:
        if a != b:
            total[b, a] = total[a, b].T
    return total


def joint_gram(X: FloatArray, Y: FloatArray) -> Matrix:
    """[X Y]'[X Y] of X (m, n) and Y (m, k), without joining them."""
    n, width = X.shape[1], X.shape[1] + Y.shape[1]

    def product(cut: slice) -> FloatArray:
        rows, labels = (array[cut].astype(np.float64, copy=False) for array in (X, Y))
        part = np.zeros((width, width))
        part[:n, :n] = rows.T @ rows
        part[:n, n:] = rows.T @ labels
        part[n:, n:] = labels.T @ labels
        return part

    total = _total(product, X, width, GRAM_ROWS)
    total[n:, :n] = total[:n, n:].T
    return total


def cross(X: FloatArray, Y: FloatArray, precision: npt.DTypeLike = np.float64) -> Matrix:
    """X'Y of X (m, n) and Y (m, k)."""

    def product(cut: slice) -> FloatArray:
        return X[cut].T.astype(precision, copy=False) @ Y[cut].astype(precision, copy=False)

    return _total(product, X, Y.shape[1])


def times(X: FloatArray, V: FloatArray, out: FloatArray | None = None) -> FloatArray:
    """X V of X (m, n) and V (n, k), in the precision of V; ``out`` may be X itself."""
    result = np.empty((len(X), V.shape[1]), V.dtype) if out is None else out

    def product(cut: slice) -> None:
        np.matmul(X[cut].astype(V.dtype, copy=False), V, out=result[cut])

    for _ in _over_rows(product, X, V.shape[1]):
        pass
    return result


def joined_times(parts: Sequence[FloatArray], V: FloatArray) -> FloatArray:
    """[X1 X2 ...] V of parts (m, n_i) and V (n, k) in one precision, without joining them."""
    result = np.empty((len(parts[0]), V.shape[1]), V.dtype)

    def product(cut: slice) -> None:
        np.matmul(np.concatenate([part[cut] for part in parts], axis=1), V, out=result[cut])

    for _ in _over_rows(product, parts[0], V.size // parts[0].shape[1]):
        pass
    return result


def gram_times(X: FloatArray, V: FloatArray, keep: FloatArray | None = None) -> Matrix:
    """X'(X V) of X (m, n) and V (n, k), in the precision of V; X V goes to ``keep`` (m, k) where that is given."""

    def product(cut: slice) -> FloatArray:
        rows = X[cut].astype(V.dtype, copy=False)
        return rows.T @ np.matmul(rows, V, out=None if keep is None else keep[cut])

    return _total(product, X, V.shape[1])


def gram_times_of(blocks: Iterable[FloatArray], V: FloatArray) -> Matrix:
    """X'(X V) from the row blocks of X, in one pass without a tall temporary."""

    def product(block: FloatArray) -> FloatArray:
        rows = block.astype(V.dtype, copy=False)
        return rows.T @ (rows @ V)

    return _sum(ordered_map(_quiet(product), blocks))


def residual_moment(X: FloatArray, V: FloatArray, Y: FloatArray) -> Matrix:
    """X'(Y - X V) in the precision of V: one read of X, whose blocks stay in cache between products."""

    def product(cut: slice) -> FloatArray:
        rows = X[cut].astype(V.dtype, copy=False)
        return rows.T @ (Y[cut] - rows @ V)

    return _total(product, X, V.shape[1])


def misfit(X: FloatArray, V: FloatArray, Y: FloatArray) -> Matrix:
    """Norms (k,) of the columns of X V - Y, in float64."""

    def product(cut: slice) -> FloatArray:
        image = X[cut].astype(np.float64, copy=False) @ V
        image -= Y[cut]
        return np.einsum("ij,ij->j", image, image)

    return np.asarray(np.sqrt(_total(product, X, V.shape[1])))


def scatter(*arrays: FloatArray) -> tuple[Matrix, Matrix]:
    """Mean, as a sum (2, n) of two numbers, of the rows of arrays (m, n_i) joined, and Z'Z of their deviations Z."""

    def moments(cut: slice) -> tuple[int, Matrix, Matrix]:
        rows = np.concatenate([array[cut].astype(np.float64, copy=False) for array in arrays], axis=1)
        return len(rows), *scatter_of_block(rows)

    width = sum(array.shape[1] for array in arrays)
    factors = -(-(width**2) // max(1, arrays[0].shape[1]))  # of the first of them, in a product of all with all
    count, mean, product = 0, np.zeros(()), np.zeros(())
    for more, *part in _over_rows(moments, arrays[0], factors, GRAM_ROWS):
        mean, product = merge_scatter(count, mean, product, more, *part)
        count += more
    return mean, product


def scatter_of_block(rows: Matrix) -> tuple[Matrix, Matrix]:
    """Mean of ``rows`` (m, n), m >= 1, and Z'Z of their deviations Z from it, which take their place."""
    mean = rows.mean(axis=0)
    rows -= mean
    drift = rows.mean(axis=0)  # what rounding left of the mean
    return np.stack(two_sum(mean, drift)), rows.T @ rows - len(rows) * np.outer(drift, drift)


def merge_scatter(
    count: int, mean: Matrix, product: Matrix, more: int, its_mean: Matrix, its_product: Matrix
) -> tuple[Matrix, Matrix]:
    """Mean and scatter of two sets of rows together, or, with ``more`` < 0, of the first without the second.

    Chan, Golub and LeVeque (1983). Means are sums (2, n) of two numbers, as in :mod:`w2s_fast.kernels.moments`.
    """
    if count == 0:
        return its_mean, its_product
    share = more / (count + more)
    apart, rest = two_sum(its_mean[0], -mean[0])
    delta = apart + (rest + (its_mean[1] - mean[1]))
    added = its_product if more > 0 else -its_product
    moved, left = two_sum(mean[0], delta * share)
    together = np.stack(two_sum(moved, left + mean[1]))
    return together, product + added + np.outer(delta, delta * (count * share))


def two_sum(a: Matrix, b: Matrix) -> tuple[Matrix, Matrix]:
    """A + b as a float64 and what rounding took from it (Knuth 1969)."""
    total = a + b
    of_b = total - a
    return total, (a - (total - of_b)) + (b - of_b)


def blas_threads(a: FloatArray, *labels: FloatArray) -> AbstractContextManager[None]:
    """One BLAS thread, for equal bits in all circumstances, unless BLAS keeps to one anyway or that costs too much."""
    alone = max(array.size for array in (a, *labels)) <= SERIAL_FACTORS or min(a.shape) > LARGEST_SERIAL
    return nullcontext() if alone else single_threaded_blas()


def serial_blas(work: int) -> AbstractContextManager[None]:
    """Hold BLAS to one thread for so many multiplications, unless it keeps to one anyway."""
    return nullcontext() if work <= SERIAL_WORK else single_threaded_blas()


def _total(product: Callable[[slice], Any], X: FloatArray, factors: int, longest: int = PRODUCT_ROWS) -> Any:
    """Sum the product over blocks of the rows of X; overflow is left to the caller, who looks at the result."""
    return _sum(_over_rows(product, X, factors, longest))


def _over_rows(
    product: Callable[[slice], Any], X: FloatArray, factors: int, longest: int = PRODUCT_ROWS
) -> Generator[Any, None, None]:
    """Yield the product of each block of rows of X with ``factors`` columns, in order."""
    m, n = X.shape
    pieces = cuts(m, n, factors, longest)
    if len(pieces) > 1:
        yield from ordered_map(_quiet(product), pieces)
        return
    with serial_blas(m * n * factors) if m * n <= SERIAL_SIZE else single_threaded_blas():
        result = _quiet(product)(pieces[0])
    yield result


def _sum(parts: Generator[Any, None, None]) -> Any:
    try:
        total = np.asarray(next(parts), np.float64)
        for part in parts:
            _add(total, part)
    finally:
        parts.close()  # else the traceback of an interrupt would keep it, and BLAS on one thread
    return total


def _add(total: Matrix, part: FloatArray) -> None:
    with np.errstate(over="ignore", invalid="ignore"):
        np.add(total, part, out=total)


def _quiet(product: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def quietly(item: Any) -> Any:
        with np.errstate(over="ignore", invalid="ignore"):
            return product(item)

    return quietly
