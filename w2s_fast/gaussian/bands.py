"""Bands of the laws of the risks along many sizes, as pictures show them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from w2s_fast.gaussian.distribution import RiskDistribution
from w2s_fast.gaussian.model import GaussianModel
from w2s_fast.gaussian.setup import Setup
from w2s_fast.gaussian.student import ratio_quantiles
from w2s_fast.results.risks import Ceiling

Array = npt.NDArray[np.float64]
POINTS_LOG2 = 10  # of the student's scalars, the same at every size: bands are smooth, their ends good to 1 % or so


def risk_bands(
    model: GaussianModel, n: Any, N: Any, share: float, ceiling: Ceiling = "all"
) -> dict[str, tuple[Array, Array]]:
    """Ends of the equal-tailed interval that holds a share of all trials, for each risk at broadcast sizes.

    NaN where a fit has fewer rows than features. Those of the student are quantiles of Sobol points.
    """
    tails = np.array([0.5 - share / 2, 0.5 + share / 2])
    n, N = np.broadcast_arrays(np.asarray(n, dtype=np.float64), np.asarray(N, dtype=np.float64))
    points = None

    def strong(rows: float) -> Array:
        rho, d = model.rho_strong, model.d_strong
        return rho + (model.noise_variance + rho) * _ratios(d, rows - d + 1, tails)

    def student(labelled: float, pseudo: float) -> Array:
        nonlocal points
        if labelled < model.d_weak or pseudo < model.d_strong:
            return np.full(2, np.nan)
        sampler = RiskDistribution(model, labelled, pseudo).sampler
        points = sampler.points(0, POINTS_LOG2) if points is None else points
        return model.rho_strong + np.quantile(sampler.at(points).student, tails)

    noise = model.noise_variance + model.rho_weak
    bands = {
        "weak": [model.rho_weak + noise * _ratios(model.d_weak, rows - model.d_weak + 1, tails) for rows in n.flat],
        "baseline": [strong(rows) for rows in n.flat],
        "ceiling": [strong(rows) for rows in Setup(ceiling).ceiling_rows(n, N).flat],
        "w2s": [student(*rows) for rows in zip(n.flat, N.flat, strict=True)],
    }
    ends = {name: np.reshape(band, (*n.shape, 2)) for name, band in bands.items()}
    return {name: (band[..., 0], band[..., 1]) for name, band in ends.items()}


def _ratios(d: int, freedom: float, tails: Array) -> Array:
    return ratio_quantiles(d, freedom, tails) if freedom >= 1 else np.full(2, np.nan)
