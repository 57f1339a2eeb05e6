"""Passes over row blocks: X'X, X V and X'(X V), each block read once, products on threads, sums in fixed order.

What a pass returns does not depend on the number of threads: the cuts are those of the data, and BLAS works on one
thread a product. Sums are float64 whatever the products are. NaN and infinity are found in the sums, not by a pass of
their own: finite numbers with finite squares cannot make them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from w2s_fast._check import FloatArray
from w2s_fast._threads import ordered_map

Matrix = npt.NDArray[np.float64]
Progress = Callable[[int, int], object]
GRAM_ROWS = 4_096  # of a block in X'X; fewer leave BLAS too short a sum, 10 % slower at 2,048
PRODUCT_ROWS = 1_024  # of a block in X V and X'(X V); within 3 % of BLAS's best
INNER_COLUMNS = 64  # of a block in A'B
TILE_COLUMNS = 512  # of X'X: D = 4,096 then runs at BLAS's speed, D = 768 at 90 % of it


def slices(length: int, step: int) -> list[slice]:
    return [slice(start, min(start + step, length)) for start in range(0, length, step)]


def tall_blocks(X: FloatArray, rows: int = GRAM_ROWS) -> Iterator[FloatArray]:
    """Row blocks of an array in memory, as views."""
    return (X[cut] for cut in slices(len(X), rows))


def gram(blocks: Iterable[FloatArray], columns: int, dtype: Any = np.float64) -> Matrix:
    """X'X (D, D) from row blocks, products in ``dtype``."""
    total = np.zeros((columns, columns))
    tiles = np.linspace(0, columns, -(-columns // TILE_COLUMNS) + 1).astype(int)
    cuts = [slice(a, b) for a, b in pairwise(tiles)]
    pairs = [(a, b) for i, a in enumerate(cuts) for b in cuts[i:]]

    def product(item: tuple[FloatArray, slice, slice]) -> tuple[slice, slice, FloatArray]:
        block, a, b = item
        left = block[:, a].astype(dtype, copy=False)
        with np.errstate(over="ignore", invalid="ignore"):
            return a, b, left.T @ (left if a == b else block[:, b].astype(dtype, copy=False))

    for a, b, part in ordered_map(product, ((block, *pair) for block in blocks for pair in pairs)):
        with np.errstate(over="ignore", invalid="ignore"):
            total[a, b] += part
    for a, b in pairs:
        if a != b:
            total[b, a] = total[a, b].T
    return total


def inner(A: FloatArray, B: FloatArray) -> FloatArray:
    """A'B for tall A and B, column blocks of B at a time."""
    result = np.empty((A.shape[1], B.shape[1]), B.dtype)

    def fill(cut: slice) -> None:
        np.matmul(A.T, B[:, cut], out=result[:, cut])

    for _ in ordered_map(fill, slices(B.shape[1], INNER_COLUMNS)):
        pass
    return result


def product(X: FloatArray, V: FloatArray, out: FloatArray | None = None) -> FloatArray:
    """X V (N, l) in the wider of their dtypes; ``out`` may be X."""
    result = np.empty((len(X), V.shape[1]), np.result_type(X, V)) if out is None else out

    def fill(cut: slice) -> None:
        np.matmul(X[cut].astype(result.dtype, copy=False), V, out=result[cut])

    for _ in ordered_map(fill, slices(len(X), PRODUCT_ROWS)):
        pass
    return result


def gram_product(blocks: Iterable[FloatArray], V: FloatArray, keep: FloatArray | None = None) -> Matrix:
    """X'(X V) (D, l), in one pass without a tall temporary, products in the dtype of V.

    X V goes to ``keep`` (N, l) where it is given.
    """
    total = np.zeros(V.shape)

    def multiply(item: tuple[int, FloatArray]) -> FloatArray:
        first, block = item
        block = block.astype(V.dtype, copy=False)
        image = block @ V
        if keep is not None:
            keep[first : first + len(block)] = image
        return block.T @ image

    for part in ordered_map(multiply, _numbered(blocks)):
        total += part
    return total


def adjoint_product(X: FloatArray, images: FloatArray) -> Matrix:
    """X' times ``images`` (N, l)."""
    total = np.zeros((X.shape[1], images.shape[1]))
    for part in ordered_map(lambda cut: X[cut].T @ images[cut], slices(len(X), PRODUCT_ROWS)):
        total += part
    return total


def _numbered(blocks: Iterable[FloatArray]) -> Iterator[tuple[int, FloatArray]]:
    first = 0
    for block in blocks:
        yield first, block
        first += len(block)


class Tally:
    """Counts the rows and the energy of the blocks that pass, and tells ``progress`` of the rows so far.

    ``total`` is 0 where the number of rows is not known.
    """

    def __init__(self, progress: Progress | None = None, total: int = 0) -> None:
        self.rows, self.energy = 0, 0.0
        self._progress, self._total = progress, total

    def count(self, blocks: Iterable[FloatArray], energy: bool = False) -> Iterator[FloatArray]:
        for block in blocks:
            if energy:
                with np.errstate(over="ignore", invalid="ignore"):
                    self.energy += float(np.einsum("ij,ij->", block, block, dtype=np.float64))
            yield block
            self.rows += len(block)
            if self._progress is not None:
                self._progress(self.rows, self._total)
