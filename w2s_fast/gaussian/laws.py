"""Laws of one number in the interface of SciPy's frozen distributions: closed forms, and integrals over scalars."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from w2s_fast._display import number

Array = npt.NDArray[np.float64]
# SciPy's quantiles of beta primes go wrong from some 1e17 degrees of freedom on; there chi2 is as good as a ratio.
LARGEST_FREEDOM = 1e13
NEIGHBOURHOOD = 0.01  # A quantile is looked for between those of the sample that are so much lower and higher.


class Law(Protocol):
    """What every law has: the interface of ``scipy.stats.rv_frozen``."""

    def cdf(self, x: Any) -> Any:
        """Probability of at most ``x``."""

    def sf(self, x: Any) -> Any:
        """Probability of more than ``x``."""

    def ppf(self, q: Any) -> Any:
        """Quantile."""

    def interval(self, confidence: float) -> tuple[Any, Any]:
        """Range between two quantiles, with equal tails on both sides."""

    def median(self) -> Any:
        """Median."""

    def mean(self) -> Any:
        """Expectation: infinite or NaN where there is none."""

    def var(self) -> Any:
        """Variance: infinite or NaN where there is none."""

    def std(self) -> Any:
        """Standard deviation."""

    def rvs(self, size: Any = None, random_state: Any = None) -> Any:
        """Draw independent values."""


def scaled_f(loc: float, scale: float, d: int, freedom: float) -> Law:
    """Law of loc + scale |g|^2 / chi2_freedom, g ~ N(0, I_d): a scaled F, its limit chi2, or a point.

    The scaled F comes as a beta prime, which it is. Before version 1.16 SciPy's F has six digits at 1e12 degrees of
    freedom, and its beta prime fourteen.
    """
    from scipy import stats

    if scale == 0.0 or d == 0 or math.isinf(freedom):
        return PointMass(loc)
    if freedom > LARGEST_FREEDOM:
        return stats.chi2(d, loc=loc, scale=scale / freedom)
    return stats.betaprime(0.5 * d, 0.5 * freedom, loc=loc, scale=scale)


@dataclass(frozen=True)
class PointMass:
    """The law of a constant."""

    value: float

    def cdf(self, x: Any) -> Any:
        return np.where(np.asarray(x) >= self.value, 1.0, 0.0)[()]

    def sf(self, x: Any) -> Any:
        return 1.0 - self.cdf(x)

    def ppf(self, q: Any) -> Any:
        q = np.asarray(q, dtype=np.float64)
        return np.where((q >= 0) & (q <= 1), self.value, np.nan)[()]

    def interval(self, confidence: float) -> tuple[Any, Any]:
        return self.ppf(0.5 - confidence / 2), self.ppf(0.5 + confidence / 2)

    def median(self) -> float:
        return self.value

    def mean(self) -> float:
        return self.value

    def var(self) -> float:
        return 0.0

    def std(self) -> float:
        return 0.0

    def rvs(self, size: Any = None, random_state: Any = None) -> Any:
        return np.full(() if size is None else size, self.value)[()]


@dataclass(frozen=True, eq=False)
class NumericalLaw:
    """A law by randomised quasi-Monte Carlo over scalars, one of which is integrated in closed form where it can be.

    Attributes
    ----------
    support : tuple of float
        Values that it cannot pass.
    moments : tuple of float
        Mean and variance.
    chance : callable
        x -> (replicates, points) probabilities of at most x, given all scalars but one.
    sample : (replicates, points) ndarray
        A value at each point: where quantiles are looked for.
    draw : callable
        (generator, count) -> values drawn at random, exact in law.
    """

    support: tuple[float, float]
    moments: tuple[float, float]
    chance: Callable[[float], Array]
    sample: Array
    draw: Callable[[np.random.Generator, int], Array]

    def __repr__(self) -> str:
        support, told = " to ".join(map(number, self.support)), f"mean {number(self.mean())}, std {number(self.std())}"
        return f"<{type(self).__name__} on {support}: {told}>"

    def cdf(self, x: Any) -> Any:
        """Probability of at most ``x``, to about :meth:`stderr`."""
        return self._each(self._cdf, x)

    def sf(self, x: Any) -> Any:
        return 1.0 - self.cdf(x)

    def stderr(self, x: Any) -> Any:
        """Standard error of :meth:`cdf`, from its replicates, which are independent."""
        return self._each(self._stderr, x)

    def ppf(self, q: Any) -> Any:
        """Quantile: where :meth:`cdf` takes the value q."""
        return self._each(self._ppf, q)

    def interval(self, confidence: float) -> tuple[Any, Any]:
        return self.ppf(0.5 - confidence / 2), self.ppf(0.5 + confidence / 2)

    def median(self) -> Any:
        return self.ppf(0.5)

    def mean(self) -> float:
        return self.moments[0]

    def var(self) -> float:
        return self.moments[1]

    def std(self) -> float:
        return math.sqrt(self.moments[1])

    def rvs(self, size: Any = None, random_state: Any = None) -> Any:
        shape = () if size is None else (size,) if np.ndim(size) == 0 else tuple(size)
        rng = np.random.default_rng(random_state)
        return self.draw(rng, math.prod(shape)).reshape(shape)[()]

    @staticmethod
    def _each(function: Callable[[float], float], x: Any) -> Any:
        values = np.asarray(x, dtype=np.float64)
        return np.array([function(value) for value in values.ravel().tolist()]).reshape(values.shape)[()]

    def _cdf(self, x: float) -> float:
        low, high = self.support
        if math.isnan(x) or x < low or x >= high:
            return math.nan if math.isnan(x) else float(x >= high)
        return float(np.mean(self.chance(x)))

    def _stderr(self, x: float) -> float:
        replicates = self.chance(x).mean(axis=1)
        return float(replicates.std(ddof=1) / math.sqrt(replicates.size))

    def _ppf(self, q: float) -> float:
        from scipy.optimize import brentq

        if not 0.0 < q < 1.0:
            return {0.0: self.support[0], 1.0: self.support[1]}.get(q, math.nan)
        ends = np.clip([q - NEIGHBOURHOOD, q + NEIGHBOURHOOD], 0.0, 1.0)
        low, high = np.quantile(self.sample, ends).tolist()
        low = self._beyond(low, low - high, lambda x: self._cdf(x) <= q)
        high = self._beyond(high, high - low, lambda x: self._cdf(x) >= q)
        if low == high:
            return low
        return float(brentq(lambda x: self._cdf(x) - q, low, high, xtol=1e-9 * (high - low)))

    def _beyond(self, x: float, step: float, enough: Callable[[float], bool]) -> float:
        """Go from ``x`` by ever longer steps to where ``enough`` holds, no further than the support."""
        step = step or math.copysign(max(abs(x), 1.0), step)
        while not enough(x) and self.support[0] < x < self.support[1]:
            x, step = min(max(x + step, self.support[0]), self.support[1]), 2.0 * step
        return x
