"""Streaming covariances of vectors, and ratios of means."""

from __future__ import annotations

from typing import Any, Self

import numpy as np

from w2s_fast import _check
from w2s_fast._arrays import Home
from w2s_fast._types import ArrayLike, Blocks
from w2s_fast._workers import Workers
from w2s_fast.linalg.accumulate.moments import Matrix, Streaming, divisor, total_count
from w2s_fast.linalg.accumulate.weighting import Counted, summed
from w2s_fast.linalg.rows.scale import refuse_vanishing
from w2s_fast.linalg.rows.scatter import merge_few, merge_scatter, scatter
from w2s_fast.linalg.rows.sources import elsewhere


# Rows are merged as in Gram(centred=True), by the one function for that. There are two classes since what they keep and
# refuse differs: Gram has labels, files and rows to take away, whose rounding it tracks; here counts end at 2**53.
class CoMoments(Streaming):
    """Streaming mean and covariance matrix of vectors, by rows.

    Attributes
    ----------
    count : int
        Rows that counted.
    weight : float
        The sum of their weights, ``count`` where none were given.

    Examples
    --------
    >>> from w2s_fast import CoMoments
    >>> pairs = CoMoments().update([[1.0, 2.0], [3.0, 6.0]])
    >>> pairs.covariance(ddof=1)
    array([[2., 4.],
           [4., 8.]])
    """

    __slots__ = ("_mean", "_scatter", "weight")

    def __init__(self) -> None:
        super().__init__()
        self.weight = 0.0
        self._mean: Matrix = np.zeros((2,))  # and what rounding left of it
        self._scatter: Matrix = np.zeros(())

    @property
    def mean(self) -> Any:
        """Mean of the rows; NaN before the first one."""
        return self._home.give(self._mean[0].copy() if self.count else np.full_like(self._mean[0], np.nan))

    def update(
        self, block: Blocks, *, weights: ArrayLike | None = None, skip_nan: bool = False, workers: Workers = None
    ) -> Self:
        """Add rows and return ``self``.

        Parameters
        ----------
        block : (k, d) array_like, Rows, Dask array, path or list of paths
            ``k >= 0`` rows.
        weights : (k,) array_like, optional
            A row of weight w counts as w equal ones; w may be a fraction, or 0.
        skip_nan : bool
            Leave out rows with a NaN in them.
        workers : Dask client or pool, optional
            Of paths: who reads and sums the rows, as docs/howto/clusters.md says; the same bits.
        """
        if weights is workers is None and skip_nan is False and self._is_updated(block):
            return self
        skip_nan = _check.boolean(skip_nan, "skip_nan")
        if (lazy := elsewhere(block, "block", workers)) is not None:
            return self.merge(summed(lazy, type(self), (), weights, skip_nan=skip_nan))
        rows = _check.floats(block, "block", ndim=2, finite=False)
        self._expect(rows.shape[1:], "block")
        counted = Counted.of((rows,), weights, skip_nan) if weights is not None or skip_nan else None
        if counted is not None:
            (rows,) = counted.parts
        if len(rows):
            with np.errstate(over="ignore", invalid="ignore"):
                mean, product = scatter(rows) if counted is None else counted.scatter()
            refuse_vanishing(rows, np.diagonal(product), mean[0], "block")
            if not np.isfinite(np.diagonal(product)).all():  # tells of any NaN or infinity without a pass of its own
                _check.all_finite(rows, "block")
                raise ValueError("the squares of block overflow float64: scale it down first")
        else:
            mean, product = np.zeros((2, rows.shape[1])), np.zeros(2 * rows.shape[1:])
        weight = float(len(rows)) if counted is None else counted.weight
        self._join(len(rows), weight, mean, product, Home.of(block))
        return self

    def _is_updated(self, block: Any) -> bool:
        """Add a few plain rows without the questions of general routes, if they have the columns of those before."""
        if type(block) is not np.ndarray:
            return False
        shape, before, scatter, count, weight = self._shape, self._mean, self._scatter, self.count, self.weight
        found = merge_few(weight, before, scatter, block) if shape in (None, block.shape[1:]) else None
        if found is None:
            return False
        more, shape = len(block), block.shape[1:]
        total, weight = total_count(count, more), weight + more
        if self._mean is not before:  # another thread has added rows meanwhile
            return False
        # A call from here on could let another thread in between.
        self._shape, self.count, self.weight = shape, total, weight
        self._mean, self._scatter = found
        return True

    def merge(self, other: CoMoments) -> Self:
        """Add the rows that ``other`` has seen and return ``self``; ``other`` stays as it is."""
        if not isinstance(other, CoMoments):
            raise TypeError(f"other must be CoMoments, got {type(other).__name__}")
        if other._shape is not None:
            self._expect(other._shape, "other")
            self._join(other.count, other.weight, other._mean, other._scatter, other._home)
        return self

    def _join(self, more: int, weight: float, its_mean: Matrix, its_product: Matrix, home: Home) -> None:
        before, mean, product = self._mean, its_mean, its_product
        total = total_count(self.count, more)
        if more:
            with np.errstate(over="ignore", invalid="ignore"):
                mean, product = merge_scatter(self.weight, self._mean, self._scatter, weight, mean, product)
            if not np.isfinite(np.diagonal(product)).all():
                raise ValueError("the squares of all rows together overflow float64: scale them down first")
        elif self.count:
            mean, product = self._mean, self._scatter
        if self._mean is not before:  # another thread has added rows meanwhile
            return self._join(more, weight, its_mean, its_product, home)
        if self._shape is None:
            self._home = home
        self._shape, self._mean, self._scatter, self.count = mean.shape[1:], mean, product, total
        self.weight += weight

    def covariance(self, ddof: int = 0) -> Any:
        """Covariance matrix with divisor ``weight - ddof``; NaN where that is not positive."""
        return self._home.give(self._covariance(ddof))

    def _covariance(self, ddof: int) -> Matrix:
        return np.asarray(self._scatter / divisor(self.weight, ddof))

    def _values(self) -> dict[str, Matrix]:
        return {"mean": self._mean[0], "std": np.sqrt(np.diagonal(self._covariance(1)))}

    def ratio(self, numerator: ArrayLike, denominator: ArrayLike) -> tuple[float, float]:
        """Ratio of the means of two linear combinations, and its standard error by the delta method.

        Parameters
        ----------
        numerator, denominator : (d,) array_like
            Weights of the combinations: with trials as rows (weak, baseline, ceiling, w2s), the performance gap
            recovered is ``ratio([1, 0, 0, -1], [1, 0, -1, 0])``.

        Returns
        -------
        ratio : float
        stderr : float
            To first order in the spread of the means (Casella and Berger 2002, section 5.5.4), with ddof 1; NaN for
            fewer than two rows. It means little where the denominator is within a few of its own standard errors of
            zero.

        Examples
        --------
        >>> from w2s_fast import CoMoments
        >>> trials = CoMoments().update([[2.0, 1.0], [4.0, 2.0], [6.0, 3.0]])
        >>> trials.ratio([1, 0], [0, 1])
        (2.0, 0.0)
        """
        above, below = (
            _check.floats(a, name, ndim=1) for a, name in ((numerator, "numerator"), (denominator, "denominator"))
        )
        for name, weights in (("numerator", above), ("denominator", below)):
            if weights.shape != self._shape:
                raise ValueError(f"{name} must have one weight for each of {self._shape} columns, got {weights.shape}")
        if self.count == 0:
            return np.nan, np.nan
        size = float(below @ self._mean[0])
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = np.float64(above @ self._mean[0]) / size
            tangent = above - ratio * below
            variance = tangent @ self._covariance(ddof=1) @ tangent / self.weight
            return float(ratio), float(np.sqrt(np.maximum(variance, 0.0)) / abs(size))
