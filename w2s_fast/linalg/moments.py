"""Streaming moments: count, mean and centred second moments, as values that merge."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import numpy.typing as npt

from w2s_fast import _check
from w2s_fast._check import FloatArray
from w2s_fast.linalg.blocks import rows_per_block

Matrix = npt.NDArray[np.float64]
LARGEST_EXACT = 2**53  # counts stay exact in float64 up to here


def _total(count: int, more: int) -> int:
    if count + more > LARGEST_EXACT:
        raise OverflowError(f"{count:,} samples and {more:,} more pass 2**53, where float64 loses track of one")
    return count + more


class _Streaming:
    """Count and mean; what :class:`Moments` and :class:`CoMoments` share."""

    __slots__ = ("_mean", "_shape", "count")

    def __init__(self) -> None:
        self.count = 0
        self._shape: tuple[int, ...] | None = None  # of a sample, once one was seen
        self._mean: Matrix = np.zeros(())

    @property
    def mean(self) -> Matrix:
        """Mean of the samples; NaN before the first one."""
        return self._mean.copy() if self.count else np.full(self._mean.shape, np.nan)

    def _adopt(self, shape: tuple[int, ...], what: str) -> bool:
        """Whether ``shape`` is the first seen; refuse another one later."""
        if self._shape is None:
            self._shape, self._mean = shape, np.zeros(shape)
            return True
        if shape != self._shape:
            raise ValueError(f"{what} has samples of shape {shape}, the ones before have shape {self._shape}")
        return False

    def _divisor(self, ddof: int) -> float:
        freedom = self.count - _check.integer(ddof, "ddof")
        return float(freedom) if freedom > 0 else np.nan


class Moments(_Streaming):
    """Streaming mean and variance of scalars, vectors or whole arrays, by samples along the first axis.

    Reads each block once, accumulates in float64 whatever comes, and merges as an algebra: any split of the samples
    into blocks and partial results gives the same moments to rounding (Chan, Golub and LeVeque 1983).

    Attributes
    ----------
    count : int
        Samples seen.

    Examples
    --------
    >>> from w2s_fast import Moments
    >>> left, right = Moments().update([1.0, 2.0]), Moments().update([6.0])
    >>> both = left.merge(right)
    >>> both.count, float(both.mean), float(both.variance(ddof=1))
    (3, 3.0, 7.0)
    """

    __slots__ = ("_m2",)

    def __init__(self) -> None:
        super().__init__()
        self._m2: Matrix = np.zeros(())

    @classmethod
    def of_state(cls, count: int, mean: Matrix, m2: Matrix) -> Self:
        """Take up moments where ``count``, ``mean`` and ``m2`` of others left them, bit for bit."""
        moments = cls()
        moments.count, moments._shape = count, mean.shape
        moments._mean, moments._m2 = mean.astype(np.float64), m2.astype(np.float64)
        return moments

    @property
    def m2(self) -> Matrix:
        """Sum of squared deviations from the mean."""
        return self._m2.copy()

    def update(self, block: Any, *, finite: bool = True) -> Self:
        """Add the samples ``block[0], block[1], ...`` and return ``self``.

        Parameters
        ----------
        block : (k, ...) array_like
            ``k >= 0`` samples of the shape seen before.
        finite : bool
            Refuse NaN and infinity; ``False`` lets them through into the moments they touch.
        """
        samples = _check.floats(block, "block", finite=False)
        if samples.ndim == 0:
            raise ValueError("block must hold samples along its first axis, got a single number; wrap it in a list")
        if self._adopt(samples.shape[1:], "block"):
            self._m2 = np.zeros(samples.shape[1:])
        if len(samples):
            from w2s_fast.kernels.moments import add_rows

            total = _total(self.count, len(samples))
            rows = np.ascontiguousarray(samples).reshape(len(samples), self._mean.size)
            mean, m2 = self._mean.copy(), self._m2.copy()
            with np.errstate(over="ignore", invalid="ignore"):
                add_rows(rows, self.count, mean.reshape(-1), m2.reshape(-1))
            if finite and not np.isfinite(m2).all():  # tells of any NaN or infinity without a pass of its own
                _check.all_finite(samples, "block")
                raise ValueError("the squares of block overflow float64: scale it down first")
            self._mean, self._m2, self.count = mean, m2, total
        return self

    def merge(self, other: Moments) -> Self:
        """Add the samples that ``other`` has seen and return ``self``; ``other`` stays as it is."""
        if not isinstance(other, Moments):
            raise TypeError(f"other must be Moments, got {type(other).__name__}")
        if other._shape is not None:
            if self._adopt(other._shape, "other"):
                self._m2 = np.zeros(other._shape)
            if other.count:
                from w2s_fast.kernels.moments import merge_moments

                total = _total(self.count, other.count)
                mine = self._mean.reshape(-1), self._m2.reshape(-1)
                merge_moments(self.count, *mine, other.count, other._mean.reshape(-1), other._m2.reshape(-1))
                self.count = total
        return self

    def variance(self, ddof: int = 0) -> Matrix:
        """Variance with divisor ``count - ddof``; NaN where that is not positive."""
        return np.asarray(self._m2 / self._divisor(ddof))


class CoMoments(_Streaming):
    """Streaming mean and covariance matrix of vectors, by rows.

    Examples
    --------
    >>> from w2s_fast import CoMoments
    >>> CoMoments().update([[1.0, 2.0], [3.0, 6.0]]).covariance(ddof=1)
    array([[2., 4.],
           [4., 8.]])
    """

    __slots__ = ("_scatter",)

    def __init__(self) -> None:
        super().__init__()
        self._scatter: Matrix = np.zeros((0, 0))

    def update(self, block: Any) -> Self:
        """Add the rows of ``block`` (k, d), k >= 0, and return ``self``."""
        rows = _check.floats(block, "block", ndim=2)
        if self._adopt(rows.shape[1:], "block"):
            self._scatter = np.zeros(2 * rows.shape[1:])
        step = rows_per_block(rows.shape[1])
        for start in range(0, len(rows), step):
            self._add(rows[start : start + step])
        return self

    def _add(self, rows: FloatArray) -> None:
        moments = Moments().update(rows, finite=False)
        deviations = rows - moments.mean
        self._join(len(rows), moments.mean, deviations.T @ deviations)

    def _join(self, count: int, mean: Matrix, scatter: Matrix) -> None:
        total = _total(self.count, count)
        delta = mean - self._mean
        self._scatter += scatter + np.outer(delta, delta * (self.count * (count / total)))
        self._mean += delta * (count / total)
        self.count = total

    def merge(self, other: CoMoments) -> Self:
        """Add the rows that ``other`` has seen and return ``self``; ``other`` stays as it is."""
        if not isinstance(other, CoMoments):
            raise TypeError(f"other must be CoMoments, got {type(other).__name__}")
        if other._shape is not None:
            if self._adopt(other._shape, "other"):
                self._scatter = np.zeros_like(other._scatter)
            if other.count:
                self._join(other.count, other._mean, other._scatter)
        return self

    def covariance(self, ddof: int = 0) -> Matrix:
        """Covariance matrix with divisor ``count - ddof``; NaN where that is not positive."""
        return np.asarray(self._scatter / self._divisor(ddof))
