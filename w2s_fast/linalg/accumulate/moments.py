"""Streaming moments: count, mean and centred second moments, as values that merge."""

from __future__ import annotations

import math
from functools import partial
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from w2s_fast import _check
from w2s_fast._arrays import HERE, Home
from w2s_fast._check import FloatArray
from w2s_fast._display import GLANCE, Shown, spread
from w2s_fast._threads import ordered_map
from w2s_fast.linalg.rows import cutting
from w2s_fast.linalg.rows.scale import SMALLEST_SUM, refuse_vanishing
from w2s_fast.linalg.rows.scatter import merge_scatter, scatter
from w2s_fast.linalg.rows.sources import elsewhere

Matrix = npt.NDArray[np.float64]
LARGEST_EXACT = 2**53  # counts stay exact in float64 up to here


def _total(count: int, more: int) -> int:
    if count + more > LARGEST_EXACT:
        raise OverflowError(f"{count:,} samples and {more:,} more pass 2**53, where float64 loses track of one")
    return count + more


class _Streaming(Shown):
    """Count and shape of the samples; what :class:`Moments` and :class:`CoMoments` share."""

    __slots__ = ("_home", "_shape", "count")

    def __init__(self) -> None:
        self.count = 0
        self._home = HERE  # of the first samples: where results go
        self._shape: tuple[int, ...] | None = None  # of a sample, once one was seen

    def _expect(self, shape: tuple[int, ...], what: str) -> None:
        """Refuse samples of another shape than the first ones had."""
        if self._shape not in (None, shape):
            raise ValueError(f"{what} has samples of shape {shape}, the ones before have shape {self._shape}")

    def _divisor(self, ddof: int) -> float:
        freedom = self.count - _check.integer(ddof, "ddof")
        return float(freedom) if freedom > 0 else np.nan

    def _values(self) -> dict[str, Matrix]:
        """Return mean and standard deviation where looking at them takes no time."""
        raise NotImplementedError

    def told(self) -> dict[str, str]:
        if self._shape is None:
            return {"samples": "none yet"}
        shape = f"{self._shape}" if self._shape else ""
        return {"samples": f"{self.count:,}", "of shape": shape} | {n: spread(a) for n, a in self._values().items()}


def _of_block(kind: Any, block: FloatArray, **how: bool) -> Any:
    return kind().update(block, **how)


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

    __slots__ = ("_state",)

    def __init__(self) -> None:
        super().__init__()
        self._state: Matrix = np.zeros((4, 1))  # as kernels.moments has it, of samples laid flat

    # What a device does its own way.
    _place = "the host"
    _home_of = staticmethod(Home.of)
    _samples = staticmethod(_check.floats)

    @staticmethod
    def _add(rows: FloatArray, count: int, state: Matrix) -> None:
        _add_rows(rows, count, state)

    @staticmethod
    def _merge(count: int, state: Matrix, more: int, other: Matrix) -> None:
        from w2s_fast.kernels.moments import merge_moments

        merge_moments(count, state, 0, state.shape[1], more, other)

    def _copied(self, shape: tuple[int, ...], like: FloatArray) -> Matrix:
        """A state to add samples of a shape to; zeros before the first."""
        if self._shape is None:
            return np.zeros_like(like, np.float64, shape=(4, math.prod(shape)))
        return self._state.copy()

    @classmethod
    def of_state(cls, count: int, mean: Matrix, m2: Matrix) -> Self:
        """Take up moments where ``count``, ``mean`` and ``m2`` of others left them, to the last digit of these."""
        moments = cls()
        moments.count, moments._shape = count, mean.shape
        nothing = np.zeros(mean.size)
        moments._state = np.stack((mean.reshape(-1), nothing, m2.reshape(-1), nothing)).astype(np.float64)
        return moments

    @classmethod
    def of_few(cls, samples: Matrix) -> Self:
        """Moments of samples (k, d) by NumPy's two passes: a second less than :meth:`update` where it is compiled."""
        with np.errstate(over="ignore", invalid="ignore"):
            mean = samples.mean(axis=0)
            moments = cls.of_state(len(samples), mean, ((samples - mean) ** 2).sum(axis=0))
        moments._refuse_untold(samples, moments._state)
        return moments

    @property
    def mean(self) -> Any:
        """Mean of the samples; NaN before the first one."""
        mean = self._state[0].reshape(self._shape or ()).copy()
        return self._home.give(mean if self.count else np.full_like(mean, np.nan))

    @property
    def m2(self) -> Any:
        """Sum of squared deviations from the mean."""
        return self._home.give(self._state[2].reshape(self._shape or ()).copy())

    def update(self, block: Any, *, finite: bool = True) -> Self:
        """Add the samples ``block[0], block[1], ...`` and return ``self``.

        Parameters
        ----------
        block : (k, ...) array_like, or Rows
            ``k >= 0`` samples of the shape seen before.
        finite : bool
            Refuse NaN and infinity; ``False`` lets them through into the moments they touch.
        """
        finite = _check.boolean(finite, "finite")
        if (lazy := elsewhere(block, "block")) is not None:
            return self.merge(lazy.total(partial(_of_block, type(self), finite=finite), Moments.merge))
        samples = self._samples(block, "block", finite=False)
        if samples.ndim == 0:
            raise ValueError("block must hold samples along its first axis, got a single number; wrap it in a list")
        shape, before = samples.shape[1:], self._state
        self._expect(shape, "block")
        total = _total(self.count, len(samples))
        state = self._copied(shape, samples)
        rows = samples.reshape(len(samples), state.shape[1])
        if rows.size:
            with np.errstate(over="ignore", invalid="ignore"):
                self._add(rows, self.count, state)
            if finite:
                self._refuse_untold(rows, state)
        if self._state is not before:  # another thread has added samples meanwhile
            return self.update(block, finite=finite)
        if self._shape is None:
            self._home = self._home_of(block)
        self._shape, self._state, self.count = shape, state, total
        return self

    def _refuse_untold(self, rows: FloatArray, state: Matrix) -> None:
        """Refuse NaN and infinity, and rows whose squares overflow or vanish, as the new state tells of them."""
        mean, m2 = state[0], state[2]
        if not np.isfinite(m2).all():  # tells of any NaN or infinity without a pass of its own
            _check.all_finite(rows, "block")
            raise ValueError("the squares of block overflow float64: scale it down first")
        if (m2 < SMALLEST_SUM).any():
            seen = np.concatenate((rows, self._state[:1])) if self.count else rows
            refuse_vanishing(seen, m2, mean, "block")

    def merge(self, other: Moments) -> Self:
        """Add the samples that ``other`` has seen and return ``self``; ``other`` stays as it is."""
        if not isinstance(other, Moments):
            raise TypeError(f"other must be Moments, got {type(other).__name__}")
        _check.same_place(self._place, other._place)
        if other._shape is not None:
            before = self._state
            self._expect(other._shape, "other")
            total = _total(self.count, other.count)
            state = self._copied(other._shape, other._state) if self.count else other._state.copy()
            if self.count and other.count:
                self._merge(self.count, state, other.count, other._state)
            if self._state is not before:  # another thread has added samples meanwhile
                return self.merge(other)
            if self._shape is None:
                self._home = other._home
            self._shape, self._state, self.count = other._shape, state, total
        return self

    def variance(self, ddof: int = 0) -> Any:
        """Variance with divisor ``count - ddof``; NaN where that is not positive."""
        variance = self._state[2] / self._divisor(ddof)
        return self._home.give(variance.reshape(self._shape or ()))

    def _values(self) -> dict[str, Matrix]:
        if not isinstance(self._state, np.ndarray) or self._state.size > GLANCE:
            return {}
        return {"mean": self._state[0], "std": np.sqrt(self._state[2] / self._divisor(1))}


def _add_rows(rows: FloatArray, count: int, state: Matrix) -> None:
    """Merge rows (k, d) into the state of ``count`` samples: tile by tile over threads, in an order of its own."""
    from w2s_fast.kernels.moments import add_rows, merge_moments

    if rows.size <= cutting.MOMENTS_SIZE:
        add_rows(np.ascontiguousarray(rows), count, state)
        return
    tiles = cutting.moments_tiles(*rows.shape)
    for (tops, lefts), found in zip(tiles, ordered_map(_state_of, (rows[tile] for tile in tiles)), strict=True):
        more = min(tops.stop, len(rows)) - tops.start
        merge_moments(count + tops.start, state, lefts.start, found.shape[1], more, found)


def _state_of(tile: FloatArray) -> Matrix:
    from w2s_fast.kernels.moments import add_rows

    found = np.zeros((4, tile.shape[1]))
    add_rows(np.ascontiguousarray(tile), 0, found)
    return found


# Rows are merged as in Gram(centred=True), by the one function for that. There are two classes since what they keep and
# refuse differs: Gram has labels, files and rows to take away, whose rounding it tracks, and takes 1.2 to 1.3 times as
# long for the small blocks that studies add; here counts end at 2**53.
class CoMoments(_Streaming):
    """Streaming mean and covariance matrix of vectors, by rows.

    Examples
    --------
    >>> from w2s_fast import CoMoments
    >>> pairs = CoMoments().update([[1.0, 2.0], [3.0, 6.0]])
    >>> pairs.covariance(ddof=1)
    array([[2., 4.],
           [4., 8.]])
    """

    __slots__ = ("_mean", "_scatter")

    def __init__(self) -> None:
        super().__init__()
        self._mean: Matrix = np.zeros((2,))  # and what rounding left of it
        self._scatter: Matrix = np.zeros(())

    @property
    def mean(self) -> Any:
        """Mean of the rows; NaN before the first one."""
        return self._home.give(self._mean[0].copy() if self.count else np.full_like(self._mean[0], np.nan))

    def update(self, block: Any) -> Self:
        """Add the rows of ``block`` (k, d), k >= 0, an array or Rows, and return ``self``."""
        if (lazy := elsewhere(block, "block")) is not None:
            return self.merge(lazy.total(partial(_of_block, type(self)), CoMoments.merge))
        rows = _check.floats(block, "block", ndim=2, finite=False)
        self._expect(rows.shape[1:], "block")
        if len(rows):
            mean, product = scatter(rows)
            refuse_vanishing(rows, np.diagonal(product), mean[0], "block")
            if not np.isfinite(np.diagonal(product)).all():  # tells of any NaN or infinity without a pass of its own
                _check.all_finite(rows, "block")
                raise ValueError("the squares of block overflow float64: scale it down first")
        else:
            mean, product = np.zeros((2, rows.shape[1])), np.zeros(2 * rows.shape[1:])
        self._join(len(rows), mean, product, Home.of(block))
        return self

    def merge(self, other: CoMoments) -> Self:
        """Add the rows that ``other`` has seen and return ``self``; ``other`` stays as it is."""
        if not isinstance(other, CoMoments):
            raise TypeError(f"other must be CoMoments, got {type(other).__name__}")
        if other._shape is not None:
            self._expect(other._shape, "other")
            self._join(other.count, other._mean, other._scatter, other._home)
        return self

    def _join(self, more: int, its_mean: Matrix, its_product: Matrix, home: Home) -> None:
        before, mean, product = self._mean, its_mean, its_product
        total = _total(self.count, more)
        if more:
            with np.errstate(over="ignore", invalid="ignore"):
                mean, product = merge_scatter(self.count, self._mean, self._scatter, more, mean, product)
            if not np.isfinite(np.diagonal(product)).all():
                raise ValueError("the squares of all rows together overflow float64: scale them down first")
        elif self.count:
            mean, product = self._mean, self._scatter
        if self._mean is not before:  # another thread has added rows meanwhile
            return self._join(more, its_mean, its_product, home)
        if self._shape is None:
            self._home = home
        self._shape, self._mean, self._scatter, self.count = mean.shape[1:], mean, product, total

    def covariance(self, ddof: int = 0) -> Any:
        """Covariance matrix with divisor ``count - ddof``; NaN where that is not positive."""
        return self._home.give(self._covariance(ddof))

    def _covariance(self, ddof: int) -> Matrix:
        return np.asarray(self._scatter / self._divisor(ddof))

    def _values(self) -> dict[str, Matrix]:
        return {"mean": self._mean[0], "std": np.sqrt(np.diagonal(self._scatter) / self._divisor(1))}

    def ratio(self, numerator: Any, denominator: Any) -> tuple[float, float]:
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
            variance = tangent @ self._covariance(ddof=1) @ tangent / self.count
            return float(ratio), float(np.sqrt(np.maximum(variance, 0.0)) / abs(size))
