"""The paper's synthetic setting (section 4.1): both of its sweeps."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from w2s_fast.model.gaussian import GaussianModel
from w2s_fast.study.run import Study


def sweep(points: int) -> npt.NDArray[np.int64]:
    """Sample sizes from 400 to 4,000, even and truncated, as the authors' code has them."""
    return np.linspace(400, 4000, points).astype(np.int64)


def synthetic(d_shared: int = 10, *, points: int = 20, trials: int = 40, seed: int = 0) -> list[Study]:
    """Excess risk against n at N = 4,000, and against N at n = 2,000."""
    model = GaussianModel.paper(d_shared=d_shared)
    setting = f"synthetic d_shared={d_shared}"
    return [
        Study(model, n=sweep(points), N=4_000, trials=trials, seed=seed, title=f"{setting}, along n"),
        Study(model, n=2_000, N=sweep(points), trials=trials, seed=seed, title=f"{setting}, along N"),
    ]
