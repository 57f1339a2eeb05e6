"""Streaming sums on the GPU: the accumulators of :mod:`w2s_fast.linalg`, their state and results in its memory.

Update, merge and downdate, checks and messages are those of the CPU classes; what differs is how a block is read.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from w2s_fast._arrays import HERE, Home
from w2s_fast._check import FloatArray
from w2s_fast.cuda import arrays, kernels
from w2s_fast.cuda._shim import array_library, explained, to_host
from w2s_fast.linalg.accumulate import gram, moments
from w2s_fast.linalg.leastsq.gram_solve import require_trusted
from w2s_fast.linalg.rows.scatter import merge_scatter, scatter_of_block

Matrix = Any  # float64 on the GPU
THREADS = 128
PART_ROWS, MOST_PARTS = 256, 128  # of the rows that one thread reads: cut by shape alone, so that bits repeat


def parts_of(rows: int, least: int, most: int) -> tuple[int, int]:
    """Rows of a part and the number of parts."""
    step = max(least, -(-rows // most))
    return step, -(-rows // step)


def _here(*values: Any) -> Home:
    """Results are CuPy's, whatever library the first block came from."""
    return HERE


class Moments(moments.Moments):
    """Streaming mean and variance of blocks on the GPU: :class:`w2s_fast.Moments`, results on the GPU.

    One read of memory a block, sums in float64 in an order of their own: the same bits every time.
    """

    __slots__ = ()

    _place = "the GPU"
    _home_of = staticmethod(_here)
    _samples = staticmethod(arrays.floats)

    @staticmethod
    def _add(rows: FloatArray, count: int, state: Matrix) -> bool:
        xp = array_library()
        step, parts = parts_of(len(rows), PART_ROWS, MOST_PARTS)
        blocks = -(-rows.shape[1] // THREADS)
        with explained():
            states = xp.empty((parts, 4, rows.shape[1]))
            kernels.part_moments[(blocks, parts), THREADS](xp.ascontiguousarray(rows), step, states)
            kernels.merge_parts[blocks, THREADS](len(rows), step, states, count, state)
        return False  # nothing is known of sums that have not come to the host

    @staticmethod
    def _merge(count: int, state: Matrix, more: int, other: Matrix) -> None:
        blocks = -(-state.shape[1] // THREADS)
        kernels.merge_parts[blocks, THREADS](more, more, other[None], count, state)

    def to_host(self) -> moments.Moments:
        """Copy to the CPU's class."""
        copy = moments.Moments()
        if self._shape is not None:
            copy.count, copy._shape, copy._state = self.count, self._shape, to_host(self._state)
        return copy


@dataclass(frozen=True, eq=False)
class ScaledFactor:
    """Eigendecomposition of D (G + ridge) D, D = diag(scale) making its diagonal 1."""

    scale: Matrix
    values: Matrix
    vectors: Matrix

    @classmethod
    def of(cls, product: Matrix, ridge: float) -> ScaledFactor:
        diagonal = np.diagonal(product) + ridge
        scale = 1.0 / np.sqrt(np.where(diagonal > 0.0, diagonal, 1.0))
        scaled = (product + ridge * array_library().eye(len(product))) * np.outer(scale, scale)
        return cls(scale, *np.linalg.eigh(scaled))

    @property
    def rcond(self) -> float:
        """Reciprocal condition, 0 or less where there is no factor."""
        return float(self.values[0] / self.values[-1]) if len(self.values) else 1.0

    def solve(self, rhs: Matrix) -> Matrix:
        """Multiply the inverse of G + ridge and ``rhs`` (d, k)."""
        scale = self.scale[:, None]
        return scale * (self.vectors @ ((self.vectors.T @ (scale * rhs)) / self.values[:, None]))


class Gram(gram.Gram):
    """Streaming X'X, X'Y and Y'Y of blocks on the GPU: :class:`w2s_fast.Gram`, results and weights on the GPU.

    Products are CuPy's, in float64 whatever comes, a row block of 256 MB at a time. ``product_dtype`` is the CPU's.
    """

    __slots__ = ()

    _place = "the GPU"
    _home_of = staticmethod(_here)
    _floats = staticmethod(arrays.floats)

    @staticmethod
    def _products(rows: FloatArray, *labels: FloatArray) -> Matrix:
        with explained():
            return sum(block.T @ block for block in _joint_blocks(rows, *labels))

    @staticmethod
    def _scatter(*parts: FloatArray) -> tuple[Matrix, Matrix]:
        blocks = _joint_blocks(*parts)
        with explained():
            first = next(blocks)
            count, (mean, product) = len(first), scatter_of_block(first)
            for block in blocks:
                mean, product = merge_scatter(count, mean, product, len(block), *scatter_of_block(block))
                count += len(block)
        return mean, product

    @staticmethod
    def _solve(xtx: Matrix, xty: Matrix, ridge: float, peak: Matrix, single: bool = False) -> Matrix:
        factor = ScaledFactor.of(xtx, ridge)
        require_trusted(factor.rcond, factor.scale, peak, single)
        return factor.solve(xty.reshape(len(xtx), -1)).reshape(xty.shape)

    def save(self, path: Any) -> None:
        """Write what :meth:`w2s_fast.Gram.save` writes."""
        self.to_host().save(path)

    @classmethod
    def load(cls, path: Any) -> Self:
        """Read what either class saved."""
        return _copied(gram.Gram.load(path), cls, array_library().asarray)

    def to_host(self) -> gram.Gram:
        """Copy to the CPU's class."""
        return _copied(self, gram.Gram, to_host)


def _copied(source: gram.Gram, kind: Any, move: Any) -> Any:
    copy = kind(centred=source.centred)
    copy._columns, copy._label_shape, sums = source._columns, source._label_shape, source._sums
    copy._take(sums._replace(joint=move(sums.joint), mean=move(sums.mean), peak=move(sums.peak)))
    return copy


def _joint_blocks(*parts: FloatArray) -> Iterator[Matrix]:
    """Yield row blocks of [X Y] in float64, as copies."""
    step = arrays.height(sum(part.shape[1] for part in parts))
    for start in range(0, max(len(parts[0]), 1), step):
        copies = [part[start : start + step].astype(np.float64) for part in parts]
        yield np.concatenate(copies, axis=1) if len(copies) > 1 else copies[0]
