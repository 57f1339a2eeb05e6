"""Products X'X and X'Y by blocks of rows over threads: the same bits for any number of them.

Each block is one BLAS call on one thread, cast in cache to the precision asked for; blocks are cut by shape alone and
their results added in order. NumPy makes X'X a symmetric rank-k update, half the work of a general product.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
import numpy.typing as npt

from w2s_fast._check import FloatArray
from w2s_fast._threads import ordered_map, single_threaded_blas

Matrix = npt.NDArray[np.float64]
SMALLEST_BLOCK = 512  # rows: below, adding n x n results shows beside making them
MOST_BLOCKS = 32  # enough for the cores of one machine, few enough that adding their results stays cheap
READING = 16  # multiplications that BLAS does on one thread in the time it takes to read an element
BLOCK_WORK = 10**7  # multiplications, 0.2 ms: below, handing a block to a thread costs more than it saves
SERIAL_SIZE = 8_000  # elements: of a product with a vector, up to where BLAS takes one thread by itself
SERIAL_WORK = 200_000  # multiplications: of a product of matrices, likewise


def blocks_of(rows: int, columns: int, factors: int) -> list[slice]:
    """Cut rows into blocks whose products with ``factors`` columns cost more than adding up the results.

    Into two at least where threads save more than they cost; reading an element costs what ``READING`` products do.
    """
    least = -(-BLOCK_WORK // max(columns * max(factors, READING), 1))
    step = max(SMALLEST_BLOCK, columns, -(-rows // MOST_BLOCKS))
    step = max(least, min(step, -(-rows // 2)))
    return [slice(start, start + step) for start in range(0, max(rows, 1), step)]


def gram(X: FloatArray, precision: npt.DTypeLike = np.float64) -> Matrix:
    """X'X of X (m, n), its products taken in a precision of their own."""

    def of(block: slice) -> FloatArray:
        rows = X[block].astype(precision, copy=False)
        return rows.T @ rows

    return np.asarray(_total(of, X, X.shape[1]), np.float64)


def joint_gram(X: FloatArray, Y: FloatArray) -> Matrix:
    """[X Y]'[X Y] of X (m, n) and Y (m, k), without joining them."""
    n, width = X.shape[1], X.shape[1] + Y.shape[1]

    def of(block: slice) -> FloatArray:
        rows, labels = (array[block].astype(np.float64, copy=False) for array in (X, Y))
        product = np.zeros((width, width))
        product[:n, :n] = rows.T @ rows
        product[:n, n:] = rows.T @ labels
        product[n:, n:] = labels.T @ labels
        return product

    product = _total(of, X, width)
    product[n:, :n] = product[:n, n:].T
    return product


def cross(X: FloatArray, Y: FloatArray, precision: npt.DTypeLike = np.float64) -> FloatArray:
    """X'Y of X (m, n) and Y (m, k)."""

    def of(block: slice) -> FloatArray:
        return X[block].T.astype(precision, copy=False) @ Y[block].astype(precision, copy=False)

    return _total(of, X, Y.shape[1])


def times(X: FloatArray, V: FloatArray) -> FloatArray:
    """X V of X (m, n) and V (n, k), in the precision of V."""

    def of(block: slice) -> FloatArray:
        return X[block].astype(V.dtype, copy=False) @ V

    return np.concatenate(list(_results(of, X.shape[0], X.shape[1], V.shape[1])))


def residual_moment(X: FloatArray, V: FloatArray, Y: FloatArray) -> FloatArray:
    """X'(Y - X V) in the precision of V: one read of X, whose blocks stay in cache between products."""

    def of(block: slice) -> FloatArray:
        rows = X[block].astype(V.dtype, copy=False)
        return rows.T @ (Y[block] - rows @ V)

    return _total(of, X, V.shape[1])


def misfit(X: FloatArray, V: FloatArray, Y: FloatArray) -> float:
    """Sum of squares of X V - Y."""

    def of(block: slice) -> FloatArray:
        image = X[block] @ V
        image -= Y[block]
        return np.einsum("ij,ij->", image, image, dtype=np.float64)

    return float(_total(of, X, V.shape[1]))


def scatter(*arrays: FloatArray) -> tuple[Matrix, Matrix]:
    """Mean of the joint rows of arrays (m, n_i), m >= 1, and Z'Z of their deviations Z from it."""

    def of(block: slice) -> tuple[int, Matrix, Matrix]:
        rows = np.concatenate([array[block].astype(np.float64, copy=False) for array in arrays], axis=1)
        return len(rows), *scatter_of_block(rows)

    width = sum(array.shape[1] for array in arrays)
    count, mean, product = 0, np.zeros(()), np.zeros(())
    for more, *moments in _results(of, len(arrays[0]), width, width):
        mean, product = merge_scatter(count, mean, product, more, *moments) if count else moments
        count += more
    return mean, product


def scatter_of_block(rows: Matrix) -> tuple[Matrix, Matrix]:
    """Mean of ``rows`` (m, n), m >= 1, and Z'Z of their deviations Z from it, which take their place."""
    mean = rows.mean(axis=0)
    rows -= mean
    drift = rows.mean(axis=0)  # what rounding left in the mean
    return mean + drift, rows.T @ rows - len(rows) * np.outer(drift, drift)


def merge_scatter(
    count: int, mean: Matrix, product: Matrix, more: int, its_mean: Matrix, its_product: Matrix
) -> tuple[Matrix, Matrix]:
    """Mean and scatter of two sets of rows together, or, with ``more`` < 0, of the first without the second.

    Chan, Golub and LeVeque (1983).
    """
    delta, share = its_mean - mean, more / (count + more)
    added = its_product if more > 0 else -its_product
    return mean + delta * share, product + added + np.outer(delta, delta * (count * share))


def serial_blas(work: int) -> AbstractContextManager[None]:
    """Hold BLAS to one thread for so many multiplications, unless it keeps to one anyway."""
    return nullcontext() if work <= SERIAL_WORK else single_threaded_blas()


def _total(product: Callable[[slice], Any], X: FloatArray, factors: int) -> Any:
    """Sum the product over blocks of the rows of X; overflow is left to the caller, who looks at the result."""
    results = _results(product, X.shape[0], X.shape[1], factors)
    total = next(results)
    with np.errstate(over="ignore", invalid="ignore"):
        for result in results:
            total += result
    return total


def _results(product: Callable[[slice], Any], rows: int, columns: int, factors: int) -> Iterator[Any]:
    """Yield the product of each block of rows, in order."""

    def quietly(block: slice) -> Any:
        with np.errstate(over="ignore", invalid="ignore"):
            return product(block)

    if rows * columns <= SERIAL_SIZE and rows * columns * factors <= SERIAL_WORK:
        yield quietly(slice(0, rows))
        return
    blocks = blocks_of(rows, columns, factors)
    if len(blocks) > 1:
        yield from ordered_map(quietly, blocks)
        return
    with single_threaded_blas():
        result = quietly(blocks[0])
    yield result
