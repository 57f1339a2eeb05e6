"""The student's risk from a few scalars of the teacher and of the student's own rows.

In principal coordinates the teacher errs by delta = sqrt(v) g / chi, v the variance of what it cannot say. It then says
v_i = m_i + cos_i delta_i too much within V_s and beta_i = b_i + sin_i delta_i outside, and the student's excess risk
is |v + |beta| x|^2 with x = g' / chi' in R^d_strong: through the lengths |v|, |beta|, |x| and one cosine alone.
See docs/explanation/distributions.md.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from w2s_fast.gaussian.laws import LARGEST_FREEDOM
from w2s_fast.kernels.trials import Geometry

Array = npt.NDArray[np.float64]
REPLICATES, POINTS_LOG2 = 8, 11  # scrambled Sobol sequences, and the logarithm of their length
NORMAL_STEP, NORMAL_END = 0.125, 8.5  # of a trapezoidal rule over normal scores, beyond which there is 1e-17
SOBOL_DIMENSIONS = 21_201  # of SciPy's direction numbers


class Lines(NamedTuple):
    """Where the target puts the teacher's error without noise, in principal coordinates of the angles in between.

    ``inside`` and ``outside`` are the m_i and the b_i.
    """

    inside: Array
    outside: Array

    @classmethod
    def of(cls, geometry: Geometry) -> Lines:
        along = geometry.cos * geometry.target_s + geometry.sin * geometry.target_q
        return cls(geometry.cos * along - geometry.target_s, geometry.sin * along)


class Scalars(NamedTuple):
    """Scalars of trials, an entry each.

    Attributes
    ----------
    unit : ndarray
        v / chi2 of the teacher's fit.
    shared : ndarray
        ``unit`` times chi2: the squared error in directions that both see.
    inside, outside : ndarray
        |v|^2 without ``shared``, and |beta|^2.
    error : ndarray
        |delta|^2 without ``shared``.
    spread, slope : ndarray
        |x|^2, and the cosine between v and x.
    """

    unit: Array
    shared: Array
    inside: Array
    outside: Array
    error: Array
    spread: Array
    slope: Array

    @property
    def student(self) -> Array:
        """Excess of the student's risk over the floor."""
        inside, learnt = self.inside + self.shared, self.outside * self.spread
        return inside + 2.0 * np.sqrt(inside) * np.sqrt(learnt) * self.slope + learnt


@dataclass(frozen=True, eq=False)
class ScalarSampler:
    """Makes scalars of uniform numbers.

    Attributes
    ----------
    variance : float
        v: that of the label noise and of what the teacher cannot say.
    freedom : float
        n - d_weak + 1 for the teacher's fit, infinity for a teacher that knows all it can say.
    student_freedom : float
        N - d_strong + 1 for the student's fit.
    """

    geometry: Geometry
    variance: float
    freedom: float
    student_freedom: float

    @property
    def has_noisy_teacher(self) -> bool:
        return self.variance > 0.0 and math.isfinite(self.freedom)

    @property
    def lead(self) -> float:
        """The teacher's floor less the student's."""
        own = self.geometry
        beyond_weak = own.cos * own.target_q - own.sin * own.target_s
        tilted = float(np.sum(beyond_weak**2 - own.target_q**2))
        return own.target_strong**2 - own.target_weak**2 + tilted

    @property
    def dimensions(self) -> int:
        """How many uniform numbers a trial takes."""
        own = self.geometry
        teacher = 1 + min(own.shared, 1) + min(own.weak_only, 2) + own.cos.size
        return teacher * self.has_noisy_teacher + 2 * math.isfinite(self.student_freedom)

    def spaced(self) -> Scalars:
        """Scalars at the points of each scrambled Sobol sequence: (replicates, points)."""
        found = [self.at(self.points(replicate, POINTS_LOG2)) for replicate in range(REPLICATES)]
        return Scalars(*map(np.stack, zip(*found, strict=True)))

    def points(self, replicate: int, count_log2: int) -> Array:
        """A scrambled Sobol sequence: (count, dimensions), or random numbers in more dimensions than SciPy has."""
        from scipy.stats import qmc

        rng, dimensions = np.random.default_rng(replicate), max(self.dimensions, 1)
        if dimensions > SOBOL_DIMENSIONS:
            return rng.random((2**count_log2, dimensions)) + 2.0**-54
        # To the middle of a cell of its grid, off 0.
        return qmc.Sobol(dimensions, seed=rng).random_base2(count_log2) + 2.0**-31

    def drawn(self, rng: np.random.Generator, count: int) -> Scalars:
        """Scalars of independent trials."""
        return self.at(rng.random((count, max(self.dimensions, 1))) + 2.0**-54)

    def at(self, uniform: Array) -> Scalars:
        """Scalars at (count, dimensions) numbers between 0 and 1, each through its quantile function."""
        columns, count = list(uniform.T), len(uniform)
        teacher = self._noisy(columns, count) if self.has_noisy_teacher else self._still(count)
        if math.isinf(self.student_freedom):
            return Scalars(*teacher, np.zeros(count), np.zeros(count))
        d, freedom = self.geometry.d_strong, self.student_freedom
        return Scalars(*teacher, ratio_quantiles(d, freedom, columns.pop()), _cosine(d, columns.pop()))

    def _still(self, count: int) -> tuple[Array, Array, Array, Array, Array]:
        """Of a teacher without error."""
        own, lines = self.geometry, Lines.of(self.geometry)
        inside = own.target_strong**2 + float(np.sum(lines.inside**2))
        outside = own.target_weak**2 + float(np.sum(lines.outside**2))
        zeros = np.zeros(count)
        return zeros, zeros, zeros + inside, zeros + outside, zeros

    def _noisy(self, columns: list[Array], count: int) -> tuple[Array, Array, Array, Array, Array]:
        from scipy.special import ndtri

        own, lines = self.geometry, Lines.of(self.geometry)
        unit = self.variance / _chi2(self.freedom, columns.pop())
        shared = unit * _chi2(own.shared, columns.pop()) if own.shared else np.zeros(count)
        outside, error = np.zeros(count), np.zeros(count)
        if own.weak_only:  # the target has one coordinate there
            along = np.sqrt(unit) * ndtri(columns.pop())
            rest = unit * _chi2(own.weak_only - 1, columns.pop()) if own.weak_only > 1 else 0.0
            outside, error = (own.target_weak + along) ** 2 + rest, along**2 + rest
        inside = np.full(count, own.target_strong**2)
        for cos, sin, m, b in zip(own.cos, own.sin, *lines, strict=True):
            delta = np.sqrt(unit) * ndtri(columns.pop())
            inside += (m + cos * delta) ** 2
            outside += (b + sin * delta) ** 2
            error += delta**2
        return unit, shared, inside, outside, error


def _chi2(freedom: float, uniform: Array) -> Array:
    from scipy.special import gammaincinv

    return 2.0 * gammaincinv(0.5 * freedom, uniform)


def ratio_quantiles(d: int, freedom: float, uniform: Array) -> Array:
    """Quantiles of |g|^2 / chi2_freedom, g ~ N(0, I_d)."""
    from scipy.stats import betaprime

    if freedom > LARGEST_FREEDOM:
        return _chi2(d, uniform) / freedom
    quantiles: Array = betaprime.ppf(uniform, 0.5 * d, 0.5 * freedom)
    return quantiles


def _cosine(d: int, uniform: Array) -> Array:
    """Quantiles of a coordinate of a direction drawn at random in R^d."""
    from scipy.special import betaincinv

    half = 0.5 * (d - 1)
    return 2.0 * betaincinv(half, half, uniform) - 1.0 if d > 1 else np.where(uniform < 0.5, -1.0, 1.0)


def chance_by_spread(scalars: Scalars, excess: float | Array, d: int, freedom: float) -> Array:
    """Probability that the student's excess is at most ``excess``, given all but |x|^2."""
    inside = scalars.inside + scalars.shared
    if math.isinf(freedom):
        return np.where(inside <= excess, 1.0, 0.0)
    # |v|^2 + 2 |v| slope r + r^2 <= excess for r = |beta| |x| between the roots
    centre = -np.sqrt(inside) * scalars.slope
    square = centre**2 - inside + excess
    root = np.sqrt(np.maximum(square, 0.0))
    outside = np.where(scalars.outside > 0.0, scalars.outside, 1.0)
    low, high = (np.maximum(end, 0.0) ** 2 / outside for end in (centre - root, centre + root))
    if not np.all(scalars.outside > 0.0):  # the student's rows add nothing
        always = np.where(inside <= excess, np.inf, 0.0)
        low, high = (np.where(scalars.outside > 0.0, end, limit) for end, limit in ((low, 0.0), (high, always)))
    high = np.where(square < 0, low, high)
    return _share_of_ratio(d, freedom, high) - _share_of_ratio(d, freedom, low)


def _share_of_ratio(d: int, freedom: float, x: Array) -> Array:
    """Probability that |g|^2 / chi2_freedom is at most x."""
    from scipy.special import chdtr
    from scipy.stats import betaprime

    share = np.zeros_like(x)
    some = x > 0.0  # often few, and each takes some 0.3 us
    many_rows = freedom > LARGEST_FREEDOM
    share[some] = chdtr(d, x[some] * freedom) if many_rows else betaprime.cdf(x[some], 0.5 * d, 0.5 * freedom)
    return share


def chance_by_shared(scalars: Scalars, excess: float, a: int) -> Array:
    """Probability that the student's excess is at most ``excess``, given all but ``shared``, of ``a`` directions."""
    # y^2 + 2 y slope r + r^2 <= excess for y = |v| between the roots
    r2 = scalars.outside * scalars.spread
    centre = -np.sqrt(r2) * scalars.slope
    square = centre**2 - r2 + excess
    root = np.sqrt(np.maximum(square, 0.0))
    low, high = (np.maximum(end, 0.0) ** 2 - scalars.inside for end in (centre - root, centre + root))
    return np.where(square < 0, 0.0, share_of_shared(scalars, a, high) - share_of_shared(scalars, a, low))


def share_of_shared(scalars: Scalars, a: int, x: Array) -> Array:
    """Probability that ``shared``, of ``a`` directions, is at most x given ``unit``."""
    from scipy.special import chdtr

    return chdtr(a, np.maximum(x, 0.0) / scalars.unit)


def pgr_of(scalars: Scalars, lead: float) -> Array:
    """PGR at N = infinity, where the ceiling is at its floor."""
    return 1.0 - scalars.student / (lead + scalars.error + scalars.shared)


def chance_of_pgr(scalars: Scalars, a: int, lead: float, pgr: float) -> Array:
    """Probability of at most ``pgr`` at N = infinity, given all but ``shared``, of ``a`` directions."""
    rest = lead + scalars.error  # the gap is rest + shared
    if a == 0:
        return np.where(1.0 - scalars.inside / rest <= pgr, 1.0, 0.0)
    # Where there is a gap, (1 - pgr) (rest + shared) <= inside + shared; where it is below zero, the other way round.
    missing = (1.0 - pgr) * rest - scalars.inside  # at most pgr * shared
    no_gap = share_of_shared(scalars, a, -rest)
    if pgr == 0.0:
        return np.where(missing <= 0, 1.0 - no_gap, no_gap)
    turn = share_of_shared(scalars, a, missing / pgr)
    if pgr > 0.0:
        return 1.0 - np.maximum(turn, no_gap) + np.minimum(turn, no_gap)
    return np.abs(turn - no_gap)


def chance_to_beat(a: int, b: int, d_strong: int, freedom: float) -> float:
    """Probability that |v + |beta| x|^2 < |v|^2 + |beta|^2, v and beta of noise in a and b dimensions.

    Given z = |v| / |beta| times the cosine of v and x, |x| must be less than sqrt(1 + z^2) - z. The lengths of both
    factors are integrated over by the trapezoidal rule in normal scores, which converges exponentially.
    """
    if math.isinf(freedom):
        return 1.0
    v, beta, weight = _beta_scores(0.5 * a, 0.5 * b)
    along, across, cosine_weight = _beta_scores(0.5, 0.5 * (d_strong - 1))
    z = np.sqrt(v / beta)[:, None] * np.sqrt(along / (along + across))
    long = np.sqrt(1.0 + z**2) + z  # for z below zero; the other is its inverse
    chance = 0.5 * (_share_of_ratio(d_strong, freedom, long**2) + _share_of_ratio(d_strong, freedom, long**-2))
    return min(float(weight @ chance @ cosine_weight), 1.0)


def _beta_scores(p: float, q: float) -> tuple[Array, Array, Array]:
    """Quantiles of Beta(p, q) at normal scores, one less these, both to full relative precision, and weights."""
    from scipy.special import betaincinv, ndtr

    if p == 0.0 or q == 0.0:
        return np.array([float(q == 0.0)]), np.array([float(p == 0.0)]), np.ones(1)
    score = np.arange(-NORMAL_END, NORMAL_END + 0.5 * NORMAL_STEP, NORMAL_STEP)
    lower, upper = betaincinv(p, q, ndtr(score)), betaincinv(q, p, ndtr(-score))
    is_low = score < 0.0
    weight = NORMAL_STEP * np.exp(-0.5 * score**2) / math.sqrt(2.0 * math.pi)
    return np.where(is_low, lower, 1.0 - upper), np.where(is_low, 1.0 - lower, upper), weight
