"""Expected risks as two fits in a row: any ridge, any numbers of rows.

The student's squared error is a quadratic form in what the teacher says, by the moments of the student's fit; so the
mean and the second moment of the teacher's fit are all that its expectation needs (Ildiz et al. 2024 have the same
conditioning). Where both fits are exact, the result is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt

from w2s_fast.gaussian.equivalents import Spectrum, Stage, stage, times
from w2s_fast.gaussian.model import ROUNDING, GaussianModel
from w2s_fast.gaussian.setup import Setup
from w2s_fast.gaussian.target import split_target, teacher_risk
from w2s_fast.results.risks import Risks

Matrix = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Spaces:
    """A model as its two fits see it, in the directions of the features' covariances; g and h count their groups.

    Attributes
    ----------
    weak, strong : Spectrum
    target_weak, target_strong : ndarray
        Energies (g,) of the target in V_w; its coordinates (d_strong,) in V_s.
    noise_weak : float
        Variance of the label outside V_w, noise included.
    inside : (g, d_strong) ndarray
        What the parts of the target in each group of V_w have in V_s.
    outside : (g, g) ndarray
        Inner products of what they have outside it.
    overlaps : (h, g) ndarray
        Summed squared cosines between groups of V_s and of V_w.
    sines : (g,) ndarray
        Summed squared lengths of the directions of V_w outside V_s.
    """

    weak: Spectrum
    strong: Spectrum
    target_weak: Matrix
    target_strong: Matrix
    noise_weak: float
    inside: Matrix
    outside: Matrix
    overlaps: Matrix
    sines: Matrix

    @classmethod
    def of(cls, model: GaussianModel) -> Self:
        """Find them, or recall them."""
        if model not in _known:
            _known[model] = cls._find(model)
        found = _known[model]
        assert isinstance(found, cls)
        return found

    @classmethod
    def _find(cls, model: GaussianModel) -> Self:
        V_w, V_s = model.weak_features.basis, model.strong_features.basis
        weak, strong = Spectrum.of(model.weak_features), Spectrum.of(model.strong_features)
        along = V_w.T @ model.target
        parts = np.zeros((weak.counts.size, model.target.size))  # of the target, in each group of V_w
        np.add.at(parts, weak.groups, (V_w * along).T)
        beyond = model.strong_features.outside(parts.T)
        outside = beyond.T @ beyond
        outside[np.abs(outside) <= ROUNDING**2 * float(model.target @ model.target)] = 0.0
        sines = np.sum(model.strong_features.outside(V_w) ** 2, axis=0)
        sines[sines <= ROUNDING**2] = 0.0
        cosines = np.zeros((strong.counts.size, weak.counts.size))
        np.add.at(cosines, (strong.groups[:, None], weak.groups), (V_s.T @ V_w) ** 2)
        cosines[cosines <= ROUNDING**2] = 0.0
        return cls(
            weak=weak,
            strong=strong,
            target_weak=weak.summed(along**2),
            target_strong=V_s.T @ model.target,
            noise_weak=model.noise_variance + model.rho_weak,
            inside=parts @ V_s,
            outside=outside,
            overlaps=cosines,
            sines=weak.summed(sines),
        )

    def teacher(self, rows: Matrix, ridge: Matrix) -> Stage:
        return stage(self.weak, rows, ridge)

    def student(self, rows: Matrix, ridge: Matrix) -> Stage:
        """The fit on V_s, whoever labels the rows."""
        return stage(self.strong, rows, ridge)

    def teacher_risk(self, teacher: Stage) -> Matrix:
        """Expected squared error (k,) within V_w."""
        return teacher.risk(self.target_weak, self.noise_weak)

    def labelled_risk(self, fit: Stage, noise: Matrix | float) -> Matrix:
        """Expected squared error (k,) within V_s of a fit to true labels, of which V_s leaves ``noise`` unexplained."""
        return fit.risk(self.strong.summed(self.target_strong**2), noise)

    def taught_risk(self, said: Matrix, outside: float, student: Stage) -> Matrix:
        """Expected squared error (k,) within V_s of a fit to a given teacher's labels.

        It has coordinates ``said`` (d_strong,) in V_s, and what it says outside has the squared length ``outside``.
        """
        learnt = (1 - student.lost)[:, self.strong.groups]
        scatter = (student.bias - student.lost**2)[:, self.strong.groups]
        error = (learnt * said - self.target_strong) ** 2 + scatter * said**2
        return error.sum(axis=1) + times(student.variance, outside)

    def student_risk(self, teacher: Stage, student: Stage) -> Matrix:
        """Expected squared error (k,) within V_s of a fit to the teacher's labels."""
        kept = 1 - teacher.lost
        spread = self._spread(teacher)
        learnt = (1 - student.lost)[:, self.strong.groups]
        scatter = (student.bias - student.lost**2)[:, self.strong.groups]
        said, crossed = kept @ self.inside, teacher.crossed @ self.inside
        error = (learnt * said - self.target_strong) ** 2 + scatter * said**2 + (learnt**2 + scatter) * crossed**2
        group_gain = (1 - student.lost) ** 2 + student.bias - student.lost**2
        varied = times((group_gain @ self.overlaps) * teacher.shape, spread[:, None]).sum(axis=1)
        fixed = _form(self.outside, kept) + _form(self.outside, teacher.crossed)
        unseen = fixed + times(teacher.shape @ self.sines, spread)
        return error.sum(axis=1) + varied + times(unseen, student.variance)

    def _spread(self, teacher: Stage) -> Matrix:
        """Squared error (k,) of the teacher that is shared out by ``Stage.shape``: of noise, and of spilt target."""
        spilt = (teacher.bias - teacher.lost**2 - teacher.crossed**2) @ self.target_weak
        return np.maximum(spilt, 0.0) + times(teacher.variance, self.noise_weak)


def risks_by_stages(model: GaussianModel, n: Matrix, N: Matrix, ridge: Matrix, setup: Setup) -> tuple[Risks, Risks]:
    """Expected risks at points (k,), and the order of their relative errors: 0 where exact."""
    spaces, rho, noise = Spaces.of(model), model.rho_strong, model.noise_variance
    student, baseline = spaces.student(N, ridge), spaces.student(n, ridge)
    ceiling = spaces.student(setup.ceiling_rows(n, N), ridge)
    if setup.teacher is None:
        teacher = spaces.teacher(n, ridge)
        weak, w2s = model.rho_weak + spaces.teacher_risk(teacher), rho + spaces.student_risk(teacher, student)
        weak_order = teacher.order
    else:
        weak, weak_order = np.full(n.shape, teacher_risk(model, setup.teacher)), np.zeros(n.shape)
        said = model.strong_features.basis.T @ setup.teacher
        w2s = rho + spaces.taught_risk(said, split_target(model, setup.teacher).unseen, student)
    risks = Risks(
        weak=weak,
        baseline=rho + spaces.labelled_risk(baseline, rho + noise),
        ceiling=rho + spaces.labelled_risk(ceiling, rho + setup.ceiling_noise(noise, n, N)),
        w2s=w2s,
    )
    return risks, Risks(weak_order, baseline.order, ceiling.order, weak_order + student.order)


def _form(gram: Matrix, vectors: Matrix) -> Matrix:
    """Quadratic form of each row of ``vectors``."""
    values: Matrix = np.maximum(np.sum((vectors @ gram) * vectors, axis=1), 0.0)
    return values


_known: WeakKeyDictionary[GaussianModel, Spaces] = WeakKeyDictionary()
