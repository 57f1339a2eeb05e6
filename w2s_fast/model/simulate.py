"""Monte Carlo trials of the Gaussian model."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from w2s_fast import _check
from w2s_fast._random import stream
from w2s_fast._threads import ordered_map
from w2s_fast.model.canonical import canonical
from w2s_fast.model.gaussian import GaussianModel
from w2s_fast.model.trials import Trials

Matrix = npt.NDArray[np.float64]
Method = Literal["auto", "direct", "wishart"]
TrialRunner = Callable[[np.random.Generator, int, int], Matrix]
CHUNK = 16  # trials a work item: some milliseconds, so that threads stay busy and an interrupt is answered at once
DIRECT_ROWS = 10**7  # rows a direct trial may draw; beyond, it would take minutes and gigabytes


def simulate(
    model: GaussianModel,
    n: Any,
    N: Any,
    *,
    trials: int,
    seed: int = 0,
    method: Method = "auto",
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Trials:
    """Draw trials of the four ridgeless fits and return their excess risks.

    Parameters
    ----------
    model : GaussianModel
    n, N : int or array_like of int
        Labelled and pseudo-labelled rows, from 1 to 2**62; they broadcast.
    trials : int
        Independent trials at each point, at least 1.
    seed : int
        The same seed gives the same trials, bit for bit, at any number of workers. Trial t at a point (n, N) is the
        same whatever else is asked for beside it.
    method : {"auto", "direct", "wishart"}
        ``"wishart"`` draws sufficient statistics: exact in distribution, jointly for the four risks, at a cost that
        depends on neither n nor N. ``"direct"`` draws rows and solves; it is there to check against. ``"auto"``
        means ``"wishart"``.
    workers : int, optional
        Threads; by default one a core.
    progress : callable, optional
        Called with (trials done, trials in all) as they come in.

    Returns
    -------
    Trials

    Raises
    ------
    ValueError, TypeError
        Sample sizes or trials below 1, an unknown method, more than 10 million rows for ``"direct"``.

    Examples
    --------
    >>> from w2s_fast import GaussianModel, expected_risks, simulate
    >>> model = GaussianModel.paper(d_weak=20, d_strong=10, d_shared=2, d_target=30)
    >>> result = simulate(model, n=200, N=10**9, trials=400)
    >>> mean, stderr = result.summary()["w2s"]
    >>> bool(abs(mean - expected_risks(model, 200, 10**9).w2s) < 4 * stderr)
    True
    """
    labelled, pseudo = np.broadcast_arrays(_check.sizes(n, "n"), _check.sizes(N, "N"))
    trials = _check.integer(trials, "trials", minimum=1)
    seed = _check.integer(seed, "seed")
    workers = _check.workers(workers)
    _check.choice(method, "method", "auto", "direct", "wishart")
    if method == "direct" and int(labelled.max()) + int(pseudo.max()) > DIRECT_ROWS:
        raise ValueError(f'method="direct" draws every row, at most {DIRECT_ROWS:,} of them; use method="wishart"')
    runner = _direct_trials(model) if method == "direct" else _wishart_trials(model)
    points = list(zip(labelled.ravel().tolist(), pseudo.ravel().tolist(), strict=True))

    def run_chunk(chunk: tuple[int, int, int]) -> Matrix:
        point, start, stop = chunk
        n_rows, N_rows = points[point]
        return np.stack([runner(stream(seed, points[point], trial), n_rows, N_rows) for trial in range(start, stop)])

    risks = np.empty((len(points), trials, 4))
    chunks = list(_chunks(len(points), trials))
    for (point, start, stop), block in zip(chunks, ordered_map(run_chunk, chunks, workers), strict=True):
        risks[point, start:stop] = block
        if progress is not None:
            progress(point * trials + stop, len(points) * trials)
    risks += [model.rho_weak, *(model.rho_strong,) * 3]
    weak, baseline, ceiling, w2s = np.moveaxis(risks.reshape(*labelled.shape, trials, 4), -1, 0).copy()
    return Trials(labelled.copy(), pseudo.copy(), weak, baseline, ceiling, w2s, seed)


def _chunks(points: int, trials: int) -> Iterator[tuple[int, int, int]]:
    for point in range(points):
        for start in range(0, trials, CHUNK):
            yield point, start, min(start + CHUNK, trials)


def _wishart_trials(model: GaussianModel) -> TrialRunner:
    """Trials by sufficient statistics; risks less what the features cannot see."""
    from w2s_fast.kernels.wishart import trial_risks

    coordinates = {interpolates: canonical(model, interpolates) for interpolates in (False, True)}

    def run(rng: np.random.Generator, n: int, N: int) -> Matrix:
        return np.array(trial_risks(rng, n, N, *coordinates[n < model.d_weak]))

    return run


def _direct_trials(model: GaussianModel) -> TrialRunner:
    """Trials by drawing every row and solving with the features as given; risks less what they cannot see."""
    from w2s_fast.linalg.leastsq import min_norm

    def draw(rng: np.random.Generator, rows: int) -> tuple[Matrix, Matrix, Matrix]:
        z = rng.standard_normal((rows, model.target.size))
        noise = np.sqrt(model.noise_variance) * rng.standard_normal(rows)
        return z @ model.weak, z @ model.strong, z @ model.target + noise

    def run(rng: np.random.Generator, n: int, N: int) -> Matrix:
        weak, strong, y = draw(rng, n)
        weak_unlabelled, strong_unlabelled, y_unlabelled = draw(rng, N)
        teacher = min_norm(weak, y)
        fits = (
            model.weak @ teacher,
            model.strong @ min_norm(strong, y),
            model.strong @ min_norm(np.vstack((strong, strong_unlabelled)), np.concatenate((y, y_unlabelled))),
            model.strong @ min_norm(strong_unlabelled, weak_unlabelled @ teacher),
        )
        floors = (model.rho_weak, *(model.rho_strong,) * 3)
        return np.array([np.sum((fit - model.target) ** 2) - floor for fit, floor in zip(fits, floors, strict=True)])

    return run
