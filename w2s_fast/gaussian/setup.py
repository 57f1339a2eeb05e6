"""How a study of a Gaussian model may be set up otherwise than the paper's."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from w2s_fast import _check
from w2s_fast.gaussian.coordinates import paired_directions
from w2s_fast.gaussian.model import LARGEST_SQUARE, GaussianModel
from w2s_fast.kernels.trials import Variant
from w2s_fast.results.risks import CEILINGS, Ceiling

Matrix = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Setup:
    """What the ceiling sees, and who teaches.

    Attributes
    ----------
    ceiling : {"all", "pseudo"}
        Whether the ceiling is fitted on all n + N rows, as the paper's, or on the N pseudo-labelled ones alone.
    pseudo_noise : float or None
        Variance of the noise of these rows' true labels, which the ceiling alone sees; None for that of the others.
    teacher : (r,) ndarray or None
        Latent weights of a teacher that is given; None for one that is fitted.
    """

    ceiling: Ceiling = "all"
    pseudo_noise: float | None = None
    teacher: Matrix | None = None

    @classmethod
    def of(cls, model: GaussianModel, ceiling: Any, pseudo_noise_variance: Any, teacher: Any) -> Self:
        """Check what a caller asks for."""
        _check.choice(ceiling, "ceiling", *CEILINGS)
        noise = pseudo_noise_variance
        if noise is not None:
            noise = _check.real(noise, "pseudo_noise_variance", maximum=LARGEST_SQUARE)
        if teacher is not None:
            teacher = _check.floats(teacher, "teacher", ndim=1).astype(np.float64)
            if teacher.shape != model.target.shape:
                raise ValueError(
                    f"teacher must have as many latent weights as target, {model.target.size:,}, got {teacher.size:,}: "
                    "weights of the weak features are model.weak @ weights"
                )
            if np.abs(teacher).max(initial=0.0) > LARGEST_SQUARE**0.5:
                raise ValueError(f"teacher has entries beyond {LARGEST_SQUARE**0.5:.0e}, whose risks overflow")
        return cls(ceiling, noise, teacher)

    @property
    def is_papers(self) -> bool:
        """Whether nothing departs from the paper."""
        return self.ceiling == "all" and self.pseudo_noise is None and self.teacher is None

    @property
    def has_ceiling_alone(self) -> bool:
        """Whether the ceiling on the N rows is all that departs from it."""
        return self.ceiling == "pseudo" and self.pseudo_noise is None and self.teacher is None

    def ceiling_rows(self, n: Matrix, N: Matrix) -> Matrix:
        """Rows of the ceiling."""
        return N if self.ceiling == "pseudo" else n + N

    def ceiling_noise(self, noise_variance: float, n: Matrix, N: Matrix) -> Matrix | float:
        """Mean variance of the noise of the ceiling's labels.

        It is all that an expectation knows of noise that differs from row to row, whatever the ridge: Gaussian rows are
        exchangeable, so that each row's noise weighs the same.
        """
        other = noise_variance if self.pseudo_noise is None else self.pseudo_noise
        if self.ceiling == "pseudo" or other == noise_variance:
            return other
        with np.errstate(invalid="ignore"):
            share = 1.0 / (1.0 + n / N)
        share = np.where(np.isnan(share), 0.5, share)  # of infinitely many rows no noise is left
        return (1.0 - share) * noise_variance + share * other

    def taught(self, model: GaussianModel) -> GaussianModel:
        """The model whose teacher sees nothing but what it says, where a teacher is given; else the model itself."""
        if self.teacher is None:
            return model
        said = self.teacher if self.teacher.any() else np.eye(self.teacher.size)[0]  # any direction, of weight 0
        return replace(model, weak=said[:, None])

    def variant(self, taught: GaussianModel) -> Variant:
        """What compiled trials of :meth:`taught` have to know."""
        noise = taught.noise_variance if self.pseudo_noise is None else self.pseudo_noise
        weights = np.zeros(0)
        if self.teacher is not None:
            weights = paired_directions(taught.strong_features, taught.weak_features)[1].T @ self.teacher
        return Variant(weights, float(np.sqrt(noise)), self.ceiling == "pseudo")
