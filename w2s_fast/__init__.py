"""w2s_fast: the fast engine for weak-to-strong generalization studies.

Names load when they are first used, so that importing the package costs little more than importing NumPy.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from w2s_fast import _fork  # noqa: F401  before any first call

__version__ = "0.2.0"

if TYPE_CHECKING:
    from w2s_fast.gaussian.distribution import risk_distribution
    from w2s_fast.gaussian.misfit import expected_misfit
    from w2s_fast.gaussian.model import GaussianModel
    from w2s_fast.gaussian.planning import best_labels, required_labels, required_pseudo_labels
    from w2s_fast.gaussian.simulate import simulate
    from w2s_fast.gaussian.theory import expected_risks, paper_bounds, paper_ratio_bounds, w2s_variance
    from w2s_fast.gaussian.tuning import BestRidge, best_ridge
    from w2s_fast.linalg.accumulate.co_moments import CoMoments
    from w2s_fast.linalg.accumulate.gram import Gram
    from w2s_fast.linalg.accumulate.moments import Moments
    from w2s_fast.linalg.leastsq.lstsq import lstsq
    from w2s_fast.linalg.leastsq.min_norm import MinNorm, min_norm
    from w2s_fast.linalg.spectral.angles import correlation_dimension, principal_angles
    from w2s_fast.linalg.spectral.gap import PredictedGap, predict_gap
    from w2s_fast.linalg.spectral.intrinsic import intrinsic_dimension
    from w2s_fast.linalg.spectral.published import padded_correlation_dimension, projected_correlation_dimension
    from w2s_fast.linalg.spectral.randomized import randomized_svd
    from w2s_fast.linalg.spectral.subspace import Subspace
    from w2s_fast.patched import patched
    from w2s_fast.probing.given import Predictions
    from w2s_fast.probing.probe import probe
    from w2s_fast.probing.task import Task
    from w2s_fast.results.risks import ExpectedRisks, Risks
    from w2s_fast.results.trials import Trials
    from w2s_fast.study.study import Study

_HOME = {
    "BestRidge": "gaussian.tuning",
    "CoMoments": "linalg.accumulate.co_moments",
    "ExpectedRisks": "results.risks",
    "GaussianModel": "gaussian.model",
    "Gram": "linalg.accumulate.gram",
    "MinNorm": "linalg.leastsq.min_norm",
    "Moments": "linalg.accumulate.moments",
    "PredictedGap": "linalg.spectral.gap",
    "Predictions": "probing.given",
    "Risks": "results.risks",
    "Study": "study.study",
    "Subspace": "linalg.spectral.subspace",
    "Task": "probing.task",
    "Trials": "results.trials",
    "best_labels": "gaussian.planning",
    "best_ridge": "gaussian.tuning",
    "correlation_dimension": "linalg.spectral.angles",
    "expected_misfit": "gaussian.misfit",
    "expected_risks": "gaussian.theory",
    "intrinsic_dimension": "linalg.spectral.intrinsic",
    "lstsq": "linalg.leastsq.lstsq",
    "min_norm": "linalg.leastsq.min_norm",
    "padded_correlation_dimension": "linalg.spectral.published",
    "paper_bounds": "gaussian.theory",
    "paper_ratio_bounds": "gaussian.theory",
    "patched": "patched",
    "predict_gap": "linalg.spectral.gap",
    "principal_angles": "linalg.spectral.angles",
    "probe": "probing.probe",
    "projected_correlation_dimension": "linalg.spectral.published",
    "randomized_svd": "linalg.spectral.randomized",
    "required_labels": "gaussian.planning",
    "required_pseudo_labels": "gaussian.planning",
    "risk_distribution": "gaussian.distribution",
    "simulate": "gaussian.simulate",
    "w2s_variance": "gaussian.theory",
}

__all__ = [
    "BestRidge",
    "CoMoments",
    "ExpectedRisks",
    "GaussianModel",
    "Gram",
    "MinNorm",
    "Moments",
    "PredictedGap",
    "Predictions",
    "Risks",
    "Study",
    "Subspace",
    "Task",
    "Trials",
    "best_labels",
    "best_ridge",
    "correlation_dimension",
    "expected_misfit",
    "expected_risks",
    "intrinsic_dimension",
    "lstsq",
    "min_norm",
    "padded_correlation_dimension",
    "paper_bounds",
    "paper_ratio_bounds",
    "patched",
    "predict_gap",
    "principal_angles",
    "probe",
    "projected_correlation_dimension",
    "randomized_svd",
    "required_labels",
    "required_pseudo_labels",
    "risk_distribution",
    "simulate",
    "w2s_variance",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'w2s_fast' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"w2s_fast.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
