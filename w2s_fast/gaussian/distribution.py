"""Whole distributions of the risks of ridgeless fits, where :mod:`w2s_fast.gaussian.theory` has their means."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from w2s_fast import _check
from w2s_fast._cached import cached_property
from w2s_fast._display import facts, html_facts, number
from w2s_fast.gaussian.coordinates import geometry
from w2s_fast.gaussian.covariance import covariances
from w2s_fast.gaussian.laws import Law, NumericalLaw, PointMass, scaled_f
from w2s_fast.gaussian.model import GaussianModel
from w2s_fast.gaussian.student import (
    Scalars,
    ScalarSampler,
    chance_by_shared,
    chance_by_spread,
    chance_of_pgr,
    chance_to_beat,
    pgr_of,
)
from w2s_fast.gaussian.theory import expected_risks

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False, repr=False)
class RiskDistribution:
    """Laws of the excess risks of a trial at n labelled and N pseudo-labelled rows, as scipy.stats' frozen ones.

    Every law has ``cdf``, ``sf``, ``ppf``, ``interval``, ``median``, ``mean``, ``var``, ``std`` and ``rvs``. A risk
    that does not vary, for want of noise or in the limit of rows, has the law of a constant.

    Attributes
    ----------
    model : GaussianModel
    n, N : float
        Numbers of rows, or infinity.
    """

    model: GaussianModel
    n: float
    N: float

    @property
    def weak(self) -> Law:
        """Teacher, in closed form: rho_weak + (noise_variance + rho_weak) d / k F(d, k), k = n - d + 1, d = d_weak."""
        return scaled_f(self.model.rho_weak, self.sampler.variance, self.model.d_weak, self.sampler.freedom)

    @property
    def baseline(self) -> Law:
        """Strong model on the n rows, in closed form: as the teacher, of d_strong and rho_strong."""
        return self._strong(self.n)

    @property
    def ceiling(self) -> Law:
        """Strong model on all n + N rows with true labels, in closed form."""
        return self._strong(self.n + self.N)

    @cached_property
    def w2s(self) -> Law:
        """The student: a closed form in the limit N = infinity at principal angles of 0 and 90 degrees.

        Elsewhere an integral over seven scalars and one for each other angle, by randomised quasi-Monte Carlo: ``cdf``
        to 1e-4 or so where the shared directions or the student's own rows make most of the risk vary, to 1e-3
        elsewhere. ``w2s.stderr(x)`` is the standard error of ``w2s.cdf(x)``. Mean and variance are closed forms, draws
        are exact.
        """
        own, sampler, floor = self.sampler.geometry, self.sampler, self.model.rho_strong
        without_rows = math.isinf(sampler.student_freedom) or own.weak_only == 0  # its own rows add nothing
        if own.cos.size == 0 and without_rows:
            return scaled_f(floor + own.target_strong**2, sampler.variance, own.shared, sampler.freedom)
        sample = floor + self._scalars.student
        if np.ptp(sample) == 0.0:
            return PointMass(float(sample[0, 0]))
        mean = float(expected_risks(self.model, self.n, self.N).w2s)
        return NumericalLaw(
            support=(floor, math.inf),
            moments=(mean, float(self.covariance[3, 3])),
            chance=lambda risk: self._chance_of_student(risk - floor),
            sample=sample,
            draw=lambda rng, count: floor + sampler.drawn(rng, count).student,
        )

    @cached_property
    def pgr(self) -> Law:
        """Performance gap recovery (weak - w2s) / (weak - ceiling) of a trial in the limit N = infinity.

        Beta((d_weak - d_shared) / 2, d_shared / 2) for principal angles of 0 and 90 degrees and a target in both
        spaces, whatever n and the noise; elsewhere numerical, to 1e-3 or so (``pgr.stderr``).

        Raises
        ------
        ValueError
            For finite N, where the ceiling varies too: use ``simulate``. Where no trial has a gap to recover.
        """
        if math.isfinite(self.N):
            raise ValueError(
                f"PGR has a law of its own at N = infinity alone, got N = {self.N:,.0f}: take simulate(...).pgr"
            )
        own, sampler = self.sampler.geometry, self.sampler
        lead = sampler.lead
        if not sampler.has_noisy_teacher and lead == 0.0:
            raise ValueError("there is no gap to recover: teacher and ceiling reach the same risk in every trial")
        if own.cos.size == 0 and own.weak_only == 0:
            return PointMass(0.0)  # the student says what the teacher said
        if not sampler.has_noisy_teacher:
            return PointMass(1.0 - float(self._scalars.student[0, 0]) / lead)
        if self._target_in_both and own.shared == 0:
            return PointMass(1.0)
        if self._target_in_both:
            from scipy import stats

            return stats.beta(0.5 * own.weak_only, 0.5 * own.shared)
        sample = pgr_of(self._scalars, lead)
        bounded = lead > 0 or self.model.rho_weak == self.model.rho_strong == 0
        return NumericalLaw(
            # Where the teacher may beat the ceiling, gaps pass through zero, and PGR has no moments.
            support=(-math.inf, 1.0 if bounded else math.inf),
            moments=(float(sample.mean()), float(sample.var())) if bounded else (math.nan, math.nan),
            chance=lambda pgr: chance_of_pgr(self._scalars, own.shared, lead, pgr),
            sample=sample,
            draw=lambda rng, count: pgr_of(sampler.drawn(rng, count), lead),
        )

    @cached_property
    def covariance(self) -> Array:
        """(4, 4) exact covariances of weak, baseline, ceiling and w2s, in this order; NaN without a closed form.

        Known are all variances, those of weak with w2s and of baseline with ceiling, and for principal angles of 0 and
        90 degrees with a target in both spaces that of weak with baseline. Infinite where tails are too heavy for one.
        """
        strong_variance = self.model.noise_variance + self.model.rho_strong
        return covariances(self.sampler, strong_variance, self.n, self.N)

    @cached_property
    def p_student_beats_teacher(self) -> float:
        """Probability that a trial's student has a smaller risk than its teacher.

        To 1e-8 for principal angles of 0 and 90 degrees and a target in both spaces, where it depends on the dimensions
        and N alone; elsewhere an integral over the scalars of ``w2s``, to 1e-3 or better.
        """
        own, sampler = self.sampler.geometry, self.sampler
        if own.cos.size == 0 and own.weak_only == 0:
            return 0.0  # the student says what the teacher said
        if self._target_in_both:
            if not sampler.has_noisy_teacher:
                return 0.0  # neither errs
            return chance_to_beat(own.shared, own.weak_only, own.d_strong, sampler.student_freedom)
        scalars = self._scalars
        allowed = sampler.lead + scalars.error + scalars.shared
        return float(chance_by_spread(scalars, allowed, own.d_strong, sampler.student_freedom).mean())

    @property
    def _name(self) -> str:
        return f"{type(self).__name__} at n = {self.n:,.0f}, N = {self.N:,.0f}"

    def __repr__(self) -> str:
        return facts(self._name, self.model.told())

    def _repr_html_(self) -> str:
        means = expected_risks(self.model, self.n, self.N)._asdict()
        stds = dict(zip(means, np.sqrt(np.diagonal(self.covariance)).tolist(), strict=True))
        risks = {name: f"mean {number(means[name])}, std {number(stds[name])}" for name in means}
        return html_facts(self._name, self.model.told() | risks)

    @cached_property
    def sampler(self) -> ScalarSampler:
        """What makes the scalars of the student's law."""
        model = self.model
        own = geometry(model)
        target_weak, target_strong = (
            length if model.energy(np.array(length)) else 0.0 for length in (own.target_weak, own.target_strong)
        )
        own = own._replace(target_weak=target_weak, target_strong=target_strong)
        freedoms = self.n - model.d_weak + 1, self.N - model.d_strong + 1
        return ScalarSampler(own, model.noise_variance + model.rho_weak, *freedoms)

    @cached_property
    def _scalars(self) -> Scalars:
        return self.sampler.spaced()

    @property
    def _target_in_both(self) -> bool:
        own = self.sampler.geometry
        return own.cos.size == 0 and own.target_weak == 0.0 and own.target_strong == 0.0

    def _strong(self, rows: float) -> Law:
        rho, d = self.model.rho_strong, self.model.d_strong
        return scaled_f(rho, self.model.noise_variance + rho, d, rows - d + 1)

    def _chance_of_student(self, excess: float) -> Array:
        """Integrate over the scalar that moves the risk most: the teacher's shared error, or the student's |x|^2."""
        own, freedom = self.sampler.geometry, self.sampler.student_freedom
        by_shared = float(np.median(self._scalars.unit)) * math.sqrt(2.0 * own.shared)
        by_spread = float(np.median(self._scalars.outside * self._scalars.spread))
        by_spread *= math.sqrt(2.0 / own.d_strong + 2.0 / freedom)
        if by_shared > by_spread:
            return chance_by_shared(self._scalars, excess, own.shared)
        return chance_by_spread(self._scalars, excess, own.d_strong, freedom)


def risk_distribution(model: GaussianModel, n: int, N: float) -> RiskDistribution:
    """Laws of the four excess risks of ridgeless fits, for any principal angles: not only their means.

    Parameters
    ----------
    model : GaussianModel
    n, N : int or numpy.inf
        Labelled and pseudo-labelled rows, as many as every fit has features or more; infinity gives the limit.

    Returns
    -------
    RiskDistribution
        ``weak``, ``baseline``, ``ceiling``, ``w2s`` and ``pgr`` are laws with the interface of SciPy's frozen
        distributions; ``covariance`` and ``p_student_beats_teacher`` say how the risks of a trial go together. Each
        says what is a closed form and what is numerical, and to which error. Laws are worked out when asked for.

    Raises
    ------
    ValueError
        Fewer rows than features, where fits interpolate and the laws are others: use ``simulate``.

    Notes
    -----
    Derivations are in docs/explanation/distributions.md.

    Examples
    --------
    >>> import numpy as np
    >>> from w2s_fast import GaussianModel, risk_distribution
    >>> risks = risk_distribution(GaussianModel.paper(), n=2000, N=4000)
    >>> [f"{risk:.2e}" for risk in risks.weak.interval(0.9)]
    ['1.21e-03', '1.60e-03']
    >>> bool(risks.w2s.ppf(0.95) < risks.weak.ppf(0.05))
    True
    >>> axes = np.eye(5)
    >>> model = GaussianModel(axes[0], axes[:, :4], axes[:, [0, 4]], noise_variance=1.0)  # one shared direction
    >>> np.round(risk_distribution(model, n=20, N=np.inf).pgr.interval(0.9), 3)  # of Beta(3 / 2, 1 / 2)
    array([0.229, 0.998])
    """
    _check.instance(model, GaussianModel, "model")
    rows = _rows(n, "n", max(model.d_weak, model.d_strong)), _rows(N, "N", model.d_strong)
    return RiskDistribution(model, *rows)


def _rows(value: Any, name: str, features: int) -> float:
    sizes = _check.sizes_or_limit(value, name)
    if sizes.ndim:
        raise ValueError(f"{name} must be one number or infinity, got an array of shape {sizes.shape}")
    if sizes < features:
        raise ValueError(
            f"{name} must be at least {features:,}, as many rows as features, got {int(sizes):,}: with fewer, fits "
            "interpolate and risks have other laws; use simulate"
        )
    return float(sizes)
