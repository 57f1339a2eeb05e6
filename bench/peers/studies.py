"""Whole trials, against the paper's procedure as it reads: draw or gather rows, solve least-squares problems, measure.

Trials are random, so that their means are compared, on sizes where plain trials are many: |z| is the largest
difference of the four mean risks in standard errors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from bench.peers.cases import LIBRARIES, OURS, Call, Case
from bench.workloads import EMBEDDINGS, WORKLOADS, Embeddings, Floats, embeddings
from w2s_fast import GaussianModel, probe, simulate

PROCEDURE = LIBRARIES[-1]
RISKS = ("weak", "baseline", "ceiling", "w2s")
RIDGE = 1e-6
LARGEST_Z = 5.0
Solver = Callable[[Floats, Floats], Floats]


def cases(quick: bool) -> Iterator[Case]:
    size = WORKLOADS["tiny" if quick else "large"]
    agreement = simulations_agree(100 if quick else 400)
    for N in (4_000, 40_000):
        yield synthetic(
            size.model, size.simulate["n"], N // (1_000 if quick else 1), size.simulate["trials"], agreement
        )
    agreement = probes_agree(10 if quick else 100)
    for name, what in EMBEDDINGS.items():
        if (name == "tiny") == quick:
            yield features(name, what, agreement)


def numpy_lstsq(X: Floats, y: Floats) -> Floats:
    return np.linalg.lstsq(X, y)[0]


def torch_lstsq(X: Floats, y: Floats) -> Floats:
    import torch

    return torch.linalg.lstsq(torch.from_numpy(X), torch.from_numpy(y[:, None])).solution[:, 0].numpy()


def plain_trial(model: GaussianModel, n: int, N: int, rng: np.random.Generator, solve: Solver) -> list[float]:
    """Draw rows, solve four least-squares problems, measure distances to the target."""
    z = rng.standard_normal((n + N, model.target.size))
    y = z @ model.target + np.sqrt(model.noise_variance) * rng.standard_normal(n + N)
    weak, strong = z @ model.weak, z @ model.strong
    teacher = solve(weak[:n], y[:n])
    problems = ((strong[:n], y[:n]), (strong, y), (strong[n:], weak[n:] @ teacher))
    fits = [model.weak @ teacher, *(model.strong @ solve(X, labels) for X, labels in problems)]
    return [float(np.sum((fit - model.target) ** 2)) for fit in fits]


def synthetic(settings: dict[str, int], n: int, N: int, trials: int, agreement: str) -> Case:
    model, rng = GaussianModel.paper(**settings), np.random.default_rng(0)
    calls = [
        Call(OURS, "simulate", lambda: simulate(model, n, N, trials=trials), trials),
        Call(PROCEDURE, "NumPy", lambda: plain_trial(model, n, N, rng, numpy_lstsq)),
        Call("torch", "the paper's procedure", lambda: plain_trial(model, n, N, rng, torch_lstsq)),
    ]
    return Case(f"one trial of the paper's setting, n = {n:,}, N = {N:,}", "float64", calls, note=agreement)


def ridge_by_svd(X: Floats, y: Floats) -> Floats:
    u, s, vt = np.linalg.svd(X.astype(np.float64), full_matrices=False)
    return vt.T @ (s / (s * s + RIDGE) * (u.T @ y))


def ridge_by_sklearn(X: Floats, y: Floats) -> Floats:
    from sklearn.linear_model import Ridge

    return Ridge(RIDGE, fit_intercept=False, solver="cholesky").fit(X.astype(np.float64), y).coef_


def plain_probe(
    data: tuple[Floats, Floats, Floats], what: Embeddings, rng: np.random.Generator, solve: Solver
) -> list[list[float]]:
    """One trial at every N: gather rows, four ridge fits, mean squared errors on the last rows."""
    weak, strong, y = data
    pool, n, tested = what.rows - what.test, what.probe["n"], slice(what.rows - what.test, None)
    order = rng.permutation(pool)
    known = order[:n]
    teacher, baseline = solve(weak[known], y[known]), solve(strong[known], y[known])
    errors = []
    for N in what.probe["N"]:
        pseudo, both = order[n : n + N], order[: n + N]
        fits = baseline, solve(strong[both], y[both]), solve(strong[pseudo], weak[pseudo] @ teacher)
        said = [weak[tested] @ teacher, *(strong[tested] @ fit for fit in fits)]
        errors.append([float(np.mean((labels - y[tested]) ** 2)) for labels in said])
    return errors


def ours_on(data: tuple[Floats, Floats, Floats], what: Embeddings, **settings: Any) -> Any:
    train, test = ([array[part] for array in data] for part in (slice(-what.test), slice(-what.test, None)))
    return probe(*train, test=tuple(test), ridge=RIDGE, **what.probe | settings)


def features(name: str, what: Embeddings, agreement: str) -> Case:
    data, rng = embeddings(what), np.random.default_rng(0)
    points, trials = len(what.probe["N"]), what.probe["trials"]
    calls = [
        Call(OURS, "probe", lambda: ours_on(data, what), trials),
        Call(PROCEDURE, "SVD", lambda: plain_probe(data, what, rng, ridge_by_svd)),
        Call("scikit-learn", "Ridge, cholesky", lambda: plain_probe(data, what, rng, ridge_by_sklearn)),
    ]
    what_of = f"one probe trial, {name}, n = {what.probe['n']:,}, {points} values of N to {what.probe['N'][-1]:,}"
    return Case(what_of, "float32", calls, note=agreement)


def simulations_agree(trials: int) -> str:
    settings = {"d_weak": 8, "d_strong": 5, "d_shared": 2, "d_target": 12, "ambient": 100}
    model, rng = GaussianModel.paper(**settings), np.random.default_rng(1)
    ours = simulate(model, 30, 40, trials=trials)
    return agreement(ours, [plain_trial(model, 30, 40, rng, numpy_lstsq) for _ in range(trials)])


def probes_agree(trials: int) -> str:
    what = Embeddings(400, 12, 8, {"n": 40, "N": [80], "trials": trials}, 100)
    data, rng = embeddings(what), np.random.default_rng(1)
    plain = [plain_probe(data, what, rng, ridge_by_svd)[0] for _ in range(trials)]
    return agreement(ours_on(data, what), plain)


def agreement(ours: Any, plain: list[list[float]]) -> str:
    """Compare mean risks; refuse to go on where they differ."""
    worst = 0.0
    for name, theirs in zip(RISKS, np.transpose(plain), strict=True):
        mine = getattr(ours, name).ravel()
        error = np.hypot(mine.std(ddof=1) / mine.size**0.5, theirs.std(ddof=1) / theirs.size**0.5)
        worst = max(worst, abs(float((mine.mean() - theirs.mean()) / error)))
    if worst > LARGEST_Z:
        raise AssertionError(f"mean risks differ by {worst:.1f} standard errors: nothing here is worth timing")
    return f"mean risks agree, |z| <= {worst:.1f}"
