"""Products X'X and X'Y by blocks of rows over threads: the same bits for any number of them.

Each block is one BLAS call on one thread, cast in cache to the precision asked for; blocks are cut by shape alone and
their results added in order. NumPy makes X'X a symmetric rank-k update, half the work of a general product.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from w2s_fast._check import FloatArray
from w2s_fast._threads import ordered_map, single_threaded_blas

SMALLEST_BLOCK = 512  # rows: below, adding n x n results shows beside making them
MOST_BLOCKS = 32  # enough for the cores of one machine, few enough that adding their results stays cheap
BLOCK_WORK = 10**7  # multiplications, 0.2 ms: below, handing a block to a thread costs more than it saves
SERIAL_SIZE = 8_000  # elements: below, BLAS takes one thread by itself and need not be told


def blocks_of(rows: int, columns: int) -> list[slice]:
    """Cut rows into blocks whose products cost more than adding them up."""
    step = max(SMALLEST_BLOCK, columns, -(-rows // MOST_BLOCKS), -(-BLOCK_WORK // max(columns, 1) ** 2))
    return [slice(start, start + step) for start in range(0, max(rows, 1), step)]


def gram(X: FloatArray, precision: npt.DTypeLike = np.float64) -> FloatArray:
    """X'X of X (m, n)."""

    def of(block: slice) -> FloatArray:
        rows = X[block].astype(precision, copy=False)
        return rows.T @ rows

    return _total(of, X.shape)


def cross(X: FloatArray, Y: FloatArray, precision: npt.DTypeLike = np.float64) -> FloatArray:
    """X'Y of X (m, n) and Y (m, k)."""

    def of(block: slice) -> FloatArray:
        return X[block].T.astype(precision, copy=False) @ Y[block].astype(precision, copy=False)

    return _total(of, X.shape)


def gram_times(X: FloatArray, V: FloatArray, Y: FloatArray | None = None) -> FloatArray:
    """X'(X V), or X'(X V - Y), in the precision of V: one read of X, whose blocks stay in cache between products."""

    def of(block: slice) -> FloatArray:
        rows = X[block].astype(V.dtype, copy=False)
        image = rows @ V
        if Y is not None:
            image -= Y[block]
        return rows.T @ image

    return _total(of, X.shape)


def misfit(X: FloatArray, V: FloatArray, Y: FloatArray) -> float:
    """Sum of squares of X V - Y."""

    def of(block: slice) -> FloatArray:
        image = X[block] @ V
        image -= Y[block]
        return np.einsum("ij,ij->", image, image, dtype=np.float64)

    return float(_total(of, X.shape))


def _total(product: Callable[[slice], FloatArray], shape: tuple[int, ...]) -> FloatArray:
    """Sum the product over the blocks of X; overflow is left to the caller, who looks at the result."""

    def quietly(block: slice) -> Any:
        with np.errstate(over="ignore", invalid="ignore"):
            return product(block)

    rows, columns = shape
    if rows * columns <= SERIAL_SIZE:
        return quietly(slice(0, rows))
    blocks = blocks_of(rows, columns)
    if len(blocks) == 1:
        with single_threaded_blas():
            return quietly(blocks[0])
    results = ordered_map(quietly, blocks)
    total = next(results)
    with np.errstate(over="ignore", invalid="ignore"):
        for result in results:
            total += result
    return total
