"""Exact second moments of the four risks, without differences of large numbers: docs/explanation/distributions.md."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from w2s_fast.gaussian.student import Lines, ScalarSampler
from w2s_fast.kernels.trials import BASELINE, CEILING, W2S, WEAK, Geometry

Array = npt.NDArray[np.float64]


class InverseChi2(NamedTuple):
    """Moments of 1 / chi2: its mean, mean square and variance, infinite where there are none."""

    mean: float
    square: float
    variance: float

    @classmethod
    def of(cls, freedom: float) -> InverseChi2:
        if math.isinf(freedom):
            return cls(0.0, 0.0, 0.0)
        mean = 1.0 / (freedom - 2) if freedom > 2 else math.inf
        if freedom <= 4:
            return cls(mean, math.inf, math.inf)
        return cls(mean, mean / (freedom - 4), 2.0 * mean * mean / (freedom - 4))


class Quadratic(NamedTuple):
    """start + 2 s <line, g> + s^2 sum_i curve_i g_i^2, with g of independent normals and s^2 = v / chi2.

    ``counts`` says how many g_i are alike; of those the lines are 0.
    """

    start: float
    line: Array
    curve: Array
    counts: Array

    def mean(self, v: float, inverse: InverseChi2) -> float:
        return self.start + _product(v, inverse.mean, float(self.counts @ self.curve))

    def covariance(self, other: Quadratic, v: float, inverse: InverseChi2) -> float:
        return (
            _product(4.0 * v, inverse.mean, float(self.line @ other.line))
            + _product(v * v, inverse.variance, float(self.counts @ self.curve) * float(self.counts @ other.curve))
            + _product(2.0 * v * v, inverse.square, float((self.counts * self.curve) @ other.curve))
        )


def _product(*factors: float) -> float:
    """Zero if a factor is, even where another is infinite: a thing that has no weight need not have moments."""
    return 0.0 if 0.0 in factors else math.prod(factors)


def spread_variance(d: int, freedom: float) -> float:
    """Variance of |g|^2 / chi2_freedom, g ~ N(0, I_d)."""
    inverse = InverseChi2.of(freedom)
    return _product(float(d), float(d + freedom - 2), inverse.variance) if math.isfinite(freedom) else 0.0


def _quadratics(geometry: Geometry) -> tuple[Quadratic, Quadratic, Quadratic]:
    """|v|^2, |beta|^2 and |delta|^2 of the teacher's error delta: what the student takes over, relearns, and all."""
    m, b = Lines.of(geometry)
    # The shared directions, those in between, and of the teacher's own that along the target and all others.
    alone, others = float(geometry.weak_only > 0), max(geometry.weak_only - 1.0, 0.0)
    counts = np.array([geometry.shared, *np.ones(m.size), alone, others])
    cos, sin = np.array([1.0, *geometry.cos, 0.0, 0.0]), np.array([0.0, *geometry.sin, 1.0, 1.0])
    inside, outside = np.array([0.0, *m, 0.0, 0.0]), np.array([0.0, *b, geometry.target_weak, 0.0])
    return (
        Quadratic(float(inside @ inside) + geometry.target_strong**2, inside * cos, cos**2, counts),
        Quadratic(float(outside @ outside), outside * sin, sin**2, counts),
        Quadratic(0.0, np.zeros(cos.size), np.ones(cos.size), counts),
    )


def student_moments(sampler: ScalarSampler) -> tuple[float, float]:
    """Variance of the student's risk, and its covariance with the teacher's."""
    own, v = sampler.geometry, sampler.variance
    teacher, student = InverseChi2.of(sampler.freedom), InverseChi2.of(sampler.student_freedom)
    inside, outside, error = _quadratics(own)
    spread = own.d_strong * student.mean
    mean, variance = outside.mean(v, teacher), outside.covariance(outside, v, teacher)
    together = inside.covariance(outside, v, teacher)
    # Of |v|^2 + 2 |beta| <v, x> + |beta|^2 |x|^2, whose middle term has no mean and is uncorrelated with the others.
    student_variance = (
        inside.covariance(inside, v, teacher)
        + _product(2.0 * spread, together)
        + _product(4.0 * student.mean, together + _product(inside.mean(v, teacher), mean))
        + _product(spread * spread, variance)
        + _product(spread_variance(own.d_strong, sampler.student_freedom), variance + mean * mean)
    )
    shared = error.covariance(inside, v, teacher) + _product(spread, error.covariance(outside, v, teacher))
    return student_variance, shared


def baseline_and_ceiling(d: int, n: float, N: float, ceiling_variance: float) -> float:
    """Covariance of the risks of two fits of which one has the other's n rows and N more."""
    if math.isinf(n) or math.isinf(N) or ceiling_variance == 0.0:
        return 0.0
    if n <= d + 1:
        return math.nan  # the baseline has no mean
    return ceiling_variance * ((n - d) / (n - d - 1)) * ((n + N - d - 1) / (n + N - d))


def weak_and_baseline(geometry: Geometry, v: float, n: float) -> float:
    """Covariance of teacher and baseline, NaN but for angles of 0 and 90 degrees and a target in no one's own part."""
    a, b, c = geometry.shared, geometry.weak_only, geometry.strong_only
    if v == 0.0 or math.isinf(n):
        return 0.0
    if geometry.cos.size or geometry.target_weak or geometry.target_strong:
        return math.nan
    if n - a <= 3 or n <= max(geometry.d_weak, geometry.d_strong) + 1:
        return math.nan
    m = n - a  # degrees of freedom left beside the shared directions
    trace = a / (m - 1)  # of the inverse Wishart of these: mean, then covariances of the trace and of the matrix
    of_matrix = a * (a + m - 1) / (m * (m - 1) * (m - 3))
    of_trace = 2.0 * of_matrix / (m - 1)
    weak, strong = b / (m - b - 1), c / (m - c - 1)  # errors in the directions that one alone sees
    unshared = weak * strong * 2.0 / m * ((1 + trace) ** 2 + of_trace)
    return v * v * ((1 + weak) * (1 + strong) * of_trace + 2.0 * of_matrix + unshared)


def covariances(sampler: ScalarSampler, strong_variance: float, n: float, N: float) -> Array:
    """Covariance matrix of weak, baseline, ceiling and w2s, in squared units of a risk; NaN where none is known."""
    own, v = sampler.geometry, sampler.variance
    found = np.full((4, 4), np.nan)
    student, with_teacher = student_moments(sampler)
    found[WEAK, WEAK] = _product(v * v, spread_variance(own.d_weak, sampler.freedom))
    found[W2S, W2S], found[WEAK, W2S] = student, with_teacher
    for place, rows in ((BASELINE, n), (CEILING, n + N)):
        found[place, place] = _product(strong_variance**2, spread_variance(own.d_strong, rows - own.d_strong + 1))
    found[BASELINE, CEILING] = baseline_and_ceiling(own.d_strong, n, N, found[CEILING, CEILING])
    found[WEAK, BASELINE] = weak_and_baseline(own, v, n)
    for place in range(4):
        if found[place, place] == 0.0:
            found[place, place + 1 :] = found[:place, place] = 0.0  # a constant
    return np.where(np.isnan(found), found.T, found)
