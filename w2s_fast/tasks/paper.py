"""The paper's synthetic setting (section 4.1): all of its sweeps, and one far beyond them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from w2s_fast.gaussian.model import GaussianModel
from w2s_fast.study.study import Study

# Noise variance and the values of d_shared that the paper draws at it: risks, then groups of PGR and OPR.
RISKS = {1e-2: (10, 90), 4e-4: (90,)}
RATIOS = {1e-2: ((90, 50, 10), (80, 40, 0)), 0.1: ((90, 50, 10),)}


def sweep(points: int) -> npt.NDArray[np.int64]:
    """Sample sizes from 400 to 4,000, even and truncated, as the authors' code has them."""
    return np.linspace(400, 4000, points).astype(np.int64)


def synthetic(noise_variance: float, *, points: int = 20, trials: int = 40, seed: int = 0) -> Study:
    """Both sweeps, n at N = 4,000 and N at n = 2,000, at each d_shared that the paper draws with this noise."""
    sizes = sweep(points)
    groups = [RISKS.get(noise_variance, ()), *RATIOS.get(noise_variance, ())]
    shared = list(dict.fromkeys(d_shared for group in groups for d_shared in group))
    alone = f", d_shared = {shared[0]}" if len(shared) == 1 else ""
    return Study(
        GaussianModel.paper,
        n=np.concatenate((sizes, np.full(points, 2_000))),
        N=np.concatenate((np.full(points, 4_000), sizes)),
        d_shared=shared,
        noise_variance=noise_variance,
        trials=trials,
        seed=seed,
        title=f"synthetic, noise variance {noise_variance:g}{alone}",
    )


def far(*, points: int = 19, trials: int = 40, seed: int = 0) -> Study:
    """N from 1,000 to 10^12 at n = 2,000: where the pseudo-labels stop to matter."""
    return Study(
        GaussianModel.paper,
        n=2_000,
        N=np.geomspace(1e3, 1e12, points).round().astype(np.int64),
        d_shared=(90, 50, 10),
        trials=trials,
        seed=seed,
        title="N to 10^12",
    )
