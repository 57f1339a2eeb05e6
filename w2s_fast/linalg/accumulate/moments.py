"""Streaming moments: count, mean and centred second moments, as values that merge."""

from __future__ import annotations

import math
from functools import cache
from types import SimpleNamespace
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from w2s_fast import _check
from w2s_fast._arrays import HERE, Home
from w2s_fast._check import FloatArray
from w2s_fast._display import GLANCE, Shown, spread
from w2s_fast._threads import ordered_map
from w2s_fast._types import ArrayLike, Blocks
from w2s_fast._workers import Workers
from w2s_fast.linalg.accumulate.weighting import NumberMoments, checked, summed
from w2s_fast.linalg.rows import cutting
from w2s_fast.linalg.rows.few import is_plain
from w2s_fast.linalg.rows.scale import SMALLEST_SUM, refuse_vanishing
from w2s_fast.linalg.rows.sources import elsewhere

Matrix = npt.NDArray[np.float64]
NO_SAMPLES: Matrix = np.zeros((4, 1))
NO_SAMPLES.flags.writeable = False  # as all share it
LARGEST_EXACT = 2**53  # counts stay exact in float64 up to here


def total_count(count: int, more: int) -> int:
    if count + more > LARGEST_EXACT:
        raise OverflowError(f"{count:,} samples and {more:,} more pass 2**53, where float64 loses track of one")
    return count + more


class Streaming(Shown):
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

    def _values(self) -> dict[str, Matrix]:
        """Return mean and standard deviation where looking at them takes no time."""
        raise NotImplementedError

    def told(self) -> dict[str, str]:
        if self._shape is None:
            return {"samples": "none yet"}
        shape = f"{self._shape}" if self._shape else ""
        return {"samples": f"{self.count:,}", "of shape": shape} | {n: spread(a) for n, a in self._values().items()}


def divisor(weights: Any, ddof: int) -> Any:
    """What sums of squares are divided by, ``weights`` less ``ddof``; NaN where nothing is left."""
    freedom = weights - _check.integer(ddof, "ddof")
    if isinstance(freedom, (int, float)):  # which goes with arrays of any library
        return float(freedom) if freedom > 0 else math.nan
    return np.where(freedom > 0.0, freedom, np.nan)


class Moments(Streaming):
    """Streaming mean and variance of scalars, vectors or whole arrays, by samples along the first axis.

    Reads each block once, accumulates in float64 whatever comes, and merges as an algebra: any split of the samples
    into blocks and partial results gives the same moments to rounding (Chan, Golub and LeVeque 1983).

    Attributes
    ----------
    count : int
        Samples seen.
    weights : ndarray
        Of the shape of a sample: the sum of the weights of each number, ``count`` where none was weighted or skipped.

    Examples
    --------
    >>> from w2s_fast import Moments
    >>> left, right = Moments().update([1.0, 2.0]), Moments().update([6.0])
    >>> both = left.merge(right)
    >>> both.count, float(both.mean), float(both.variance(ddof=1))
    (3, 3.0, 7.0)
    """

    __slots__ = ("_state", "_weights")

    def __init__(self) -> None:
        super().__init__()
        self._weights: Matrix | None = None  # of each number, where they are not the count
        self._state = NO_SAMPLES  # as kernels.moments has it, of samples laid flat

    # What a device does its own way.
    _place = "the host"
    _home_of = staticmethod(Home.of)
    _samples = staticmethod(_check.floats)

    @staticmethod
    def _add(rows: FloatArray, count: int, state: Matrix) -> bool:
        """Merge rows into a state; return whether its sums are known to be finite, and large enough to have digits."""
        return _add_rows(rows, count, state)

    @staticmethod
    def _merge(count: int, state: Matrix, more: int, other: Matrix) -> None:
        _kernels().merge_moments(count, state, 0, state.shape[1], more, other)

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
        mean = self._state[0].copy()
        if mean.shape != self._shape:
            mean = mean.reshape(self._shape or ())
        if not self.count:
            return self._home.give(np.full_like(mean, np.nan))
        if self._weights is not None:
            mean[self._weights.reshape(mean.shape) == 0.0] = np.nan
        return self._home.give(mean)

    @property
    def weights(self) -> Any:
        weights = np.full_like(self._state[0], self.count) if self._weights is None else self._weights.copy()
        return self._home.give(weights.reshape(self._shape or ()))

    @property
    def m2(self) -> Any:
        """Sum of squared deviations from the mean."""
        return self._home.give(self._state[2].reshape(self._shape or ()).copy())

    def update(
        self,
        block: Blocks,
        *,
        weights: ArrayLike | None = None,
        skip_nan: bool = False,
        finite: bool = True,
        workers: Workers = None,
    ) -> Self:
        """Add the samples ``block[0], block[1], ...`` and return ``self``.

        Parameters
        ----------
        block : (k, ...) array_like, or (k, d) Rows, Dask array, path or list of paths
            ``k >= 0`` samples of the shape seen before.
        weights : (k,) array_like, optional
            A sample of weight w counts as w equal ones; w may be a fraction, or 0.
        skip_nan : bool
            Leave out numbers that are NaN, each for itself: :attr:`weights` then tells how many counted of each.
        finite : bool
            Refuse NaN and infinity; ``False`` lets them through into the moments they touch.
        workers : Dask client or pool, optional
            Of paths: who reads and sums the rows, as docs/howto/clusters.md says; the same bits.
        """
        if weights is workers is None and skip_nan is False and finite is True and self._is_updated(block):
            return self
        finite, skip_nan = _check.boolean(finite, "finite"), _check.boolean(skip_nan, "skip_nan")
        if (lazy := elsewhere(block, "block", workers)) is not None:
            return self.merge(summed(lazy, type(self), (), weights, skip_nan=skip_nan, finite=finite))
        samples = self._samples(block, "block", finite=False)
        if samples.ndim == 0:
            raise ValueError("block must hold samples along its first axis, got a single number; wrap it in a list")
        shape, before = samples.shape[1:], self._state
        self._expect(shape, "block")
        if weights is not None or skip_nan:
            return self._add_weighted(samples, weights, skip_nan, finite, self._home_of(block))
        if self._weights is not None:
            return self.merge(type(self)().update(block, finite=finite))
        total = total_count(self.count, len(samples))
        state = self._copied(shape, samples)
        rows = samples.reshape(len(samples), state.shape[1])
        if rows.size:
            with np.errstate(over="ignore", invalid="ignore"):
                is_sound = self._add(rows, self.count, state)
            if finite and not is_sound:
                self._refuse_untold(rows, state)
        home = self._home_of(block) if self._shape is None else self._home
        if self._state is not before:  # another thread has added samples meanwhile
            return self.update(block, finite=finite)
        # A call from here on could let another thread in between.
        self._home, self._shape, self._state, self.count = home, shape, state, total
        return self

    def _is_updated(self, block: Any) -> bool:
        """Add plain samples in one compiled call, if they have the shape of those before and sums without a doubt."""
        seen, before, count, weights = self._shape, self._state, self.count, self._weights
        if not (is_plain(block) and 0 < block.size <= cutting.MOMENTS_SIZE and self._place == Moments._place):
            return False
        shape, more = block.shape[1:], len(block)
        if weights is not None or seen not in (None, shape):
            return False
        state = before.copy() if seen == shape else np.empty((4, block.size // more))
        rows, total = block if len(shape) == 1 else block.reshape(more, -1), total_count(count, more)
        if not _kernels().add_rows(rows, count, state, SMALLEST_SUM) or self._state is not before:
            return False  # not sound, or another thread has added samples meanwhile
        # A call from here on could let another thread in between.
        self._shape, self._state, self.count = shape, state, total
        return True

    def _add_weighted(self, samples: FloatArray, weights: Any, skip_nan: bool, finite: bool, home: Home) -> Self:
        if self._place != Moments._place:
            raise TypeError(f"weights and skip_nan are the host's alone, block is on {self._place}: copy it")
        added, shape = type(self)(), samples.shape[1:]
        rows = samples.reshape(len(samples), math.prod(shape))
        with np.errstate(over="ignore", invalid="ignore"):
            found = NumberMoments.of(rows, checked(weights, len(rows)), skip_nan)
        if finite and not np.isfinite(found.state[2]).all():
            _check.all_finite(np.where(np.isnan(rows), 0.0, rows) if skip_nan else rows, "block")
            raise ValueError("the squares of block overflow float64: scale it down first")
        added._shape, added._home, added.count = shape, home, len(rows)
        added._weights, added._state = found
        return self.merge(added)

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
            total = total_count(self.count, other.count)
            weights, state = self._merged(other)
            if self._state is not before:  # another thread has added samples meanwhile
                return self.merge(other)
            if self._shape is None:
                self._home = other._home
            self._shape, self._weights, self._state, self.count = other._shape, weights, state, total
        return self

    def _merged(self, other: Moments) -> tuple[Matrix | None, Matrix]:
        """Weights, where either has some, and state of both together."""
        if self._weights is not None or other._weights is not None:
            mine, theirs = (
                NumberMoments(np.full(some._state.shape[1], some.count, np.float64), some._state)
                if some._weights is None
                else NumberMoments(some._weights, some._state)
                for some in (self, other)
            )
            return mine.merged(theirs) if self.count else theirs
        state = self._copied(other._shape or (), other._state) if self.count else other._state.copy()
        if self.count and other.count:
            self._merge(self.count, state, other.count, other._state)
        return None, state

    def variance(self, ddof: int = 0) -> Any:
        """Variance with divisor ``weights - ddof``; NaN where that is not positive."""
        found = self._variance(ddof)
        return self._home.give(found if found.shape == self._shape else found.reshape(self._shape or ()))

    def _variance(self, ddof: int) -> Any:
        return self._state[2] / divisor(self.count if self._weights is None else self._weights, ddof)

    def _values(self) -> dict[str, Matrix]:
        if not isinstance(self._state, np.ndarray) or self._state.size > GLANCE:
            return {}
        return {"mean": self._state[0], "std": np.sqrt(self._variance(1))}


def _add_rows(rows: FloatArray, count: int, state: Matrix) -> bool:
    """Merge rows (k, d) into the state of ``count`` samples: tile by tile over threads, in an order of its own.

    Return whether all sums of squares are finite, and none too small to have all their digits.
    """
    if rows.size <= cutting.MOMENTS_SIZE:
        return bool(_kernels().add_rows(np.ascontiguousarray(rows), count, state, SMALLEST_SUM))
    tiles = cutting.moments_tiles(*rows.shape)
    for (tops, lefts), found in zip(tiles, ordered_map(_state_of, (rows[tile] for tile in tiles)), strict=True):
        more = min(tops.stop, len(rows)) - tops.start
        _kernels().merge_moments(count + tops.start, state, lefts.start, found.shape[1], more, found)
    return bool(((state[2] >= SMALLEST_SUM) & (state[2] < np.inf)).all())


def _state_of(tile: FloatArray) -> Matrix:
    found = np.zeros((4, tile.shape[1]))
    _kernels().add_rows(np.ascontiguousarray(tile), 0, found, SMALLEST_SUM)
    return found


@cache
def _kernels() -> Any:
    from w2s_fast.kernels.moments import add_rows, merge_moments

    return SimpleNamespace(add_rows=add_rows, merge_moments=merge_moments)
