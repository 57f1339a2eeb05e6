"""Gaussian models of every geometry, and how simulated trials of them are compared."""

import numpy as np
from scipy import stats

from tests import naive
from w2s_fast import GaussianModel, simulate
from w2s_fast.gaussian.runners import Span
from w2s_fast.gaussian.simulate import run_spans

RISKS = ("weak", "baseline", "ceiling", "w2s")
SHAPES = {  # n, N against d_weak = 4, d_strong = 3
    "plenty": (20, 15),
    "teacher barely fits": (5, 12),
    "teacher interpolates": (4, 12),
    "student interpolates": (12, 3),
    "fewest rows": (4, 3),
    "far more rows than matter": (10**6, 10**12),
}


def random_model(rng, r=8, d_weak=4, d_strong=3, noise_variance=0.5):
    maps = rng.standard_normal((r, d_weak)), rng.standard_normal((r, d_strong))
    return GaussianModel(rng.standard_normal(r), *maps, noise_variance)


def random_models(count, seed):
    """Models of every shape: any angles, shared, disjoint and nested spaces, redundant features, any noise."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        r = int(rng.integers(3, 14))
        d_weak, d_strong = (int(rng.integers(1, r + 1)) for _ in range(2))
        weak, strong = rng.standard_normal((r, d_weak)), rng.standard_normal((r, d_strong))
        if rng.random() < 0.3:  # coordinate subspaces: shared and disjoint directions
            axes = np.eye(r)
            weak, strong = axes[:, rng.permutation(r)[:d_weak]], axes[:, rng.permutation(r)[:d_strong]]
        if rng.random() < 0.2:
            weak = weak @ rng.standard_normal((d_weak, d_weak + 2))  # rank deficient
        yield GaussianModel(rng.standard_normal(r), weak, strong, float(rng.choice([0.0, 0.1, 3.0]))), rng


def geometries():
    """Models of d_weak = 4, d_strong = 3 whose principal angles and feature scales differ in kind."""
    rng = np.random.default_rng(5)
    r, axes = 9, np.eye(9)
    maps = {
        "any angles": (rng.standard_normal((r, 4)), rng.standard_normal((r, 3))),
        "coordinates": (axes[:, 1:5] * [1.0, 3.0, 0.2, 1.0], axes[:, :3] * [1.0, 0.5, 2.0]),
        "nested": (axes[:, :4], axes[:, :3]),
        "rank deficient": (rng.standard_normal((r, 4)) @ rng.standard_normal((4, 6)), axes[:, [0, 1, 2, 2]]),
    }
    return {name: GaussianModel(rng.standard_normal(r), weak, strong, 0.7) for name, (weak, strong) in maps.items()}


def tilted(angles, seed=0):
    """A model with the given principal angles, its bases turned at random."""
    rng = np.random.default_rng(seed)
    k = len(angles)
    Q, turn, other = (np.linalg.qr(rng.standard_normal((d, d)))[0] for d in (2 * k + 2, k, k))
    weak = Q[:, :k] * np.cos(angles) + Q[:, k : 2 * k] * np.sin(angles)
    return GaussianModel(Q @ rng.standard_normal(2 * k + 2), weak @ turn, Q[:, :k] @ other, 0.01)


GEOMETRIES = geometries()
MODELS = GEOMETRIES | {
    "no shared direction": GaussianModel.paper(d_weak=4, d_strong=3, d_shared=0, d_target=9),
    "many hidden": GaussianModel.paper(d_weak=12, d_strong=3, d_shared=2, d_target=20),
    "no noise": GaussianModel.paper(d_weak=4, d_strong=3, d_shared=2, noise_variance=0.0, d_target=5),
    "small angles": tilted(np.array([0.0, 1e-7, 1e-3, 0.5])),
    "one dimension": GaussianModel([1.0, 2.0], [[1.0], [1.0]], [[1.0], [0.0]], 0.5),
}


def values_of(model, n, N, trials, seed, device="cpu"):
    """Values of the trials less what no feature sees."""
    spans = run_spans(model, [Span(n, N, 0, trials)], seed=seed, method="invariants", device=device)
    values = np.concatenate([block for _, _, block in spans])
    return values - np.array([model.rho_weak, *(model.rho_strong,) * 3, 0, 0, 0, 0])


def same_distribution(model, n, N, trials, seed, ridge=0.0, method="auto"):
    """Smallest p-value of two-sample tests of every metric, and of the correlations of the log risks."""
    ours = simulate(model, n, N, trials=trials, seed=seed, ridge=ridge, method=method)
    rng = np.random.default_rng(seed + 1)
    oracle = np.array([naive.trial(model, n, N, rng, ridge) for _ in range(trials)]).T
    pvalues = [stats.ks_2samp(getattr(ours, name), theirs).pvalue for name, theirs in zip(RISKS, oracle, strict=True)]
    pgr = (oracle[0] - oracle[3]) / (oracle[0] - oracle[2])
    pvalues += [stats.ks_2samp(ours.pgr, pgr).pvalue, stats.ks_2samp(ours.opr, oracle[1] / oracle[3]).pvalue]
    mine, theirs = (
        np.arctanh(np.clip(np.corrcoef(np.log(risks))[np.triu_indices(4, 1)], -0.999999, 0.999999))
        for risks in (np.array([getattr(ours, name) for name in RISKS]), oracle)
    )
    difference = np.abs(mine - theirs).max() / np.sqrt(2 / (trials - 3))
    return min(pvalues), difference
