"""Weak-to-strong studies on real features: linear probes in place of the Gaussian model."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from w2s_fast import _check
from w2s_fast._check import FloatArray
from w2s_fast._random import stream
from w2s_fast._threads import ordered_map
from w2s_fast.linalg.gram import Gram, solve_gram
from w2s_fast.linalg.leastsq import min_norm
from w2s_fast.model.trials import Trials

Matrix = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]
SPLITS, TEST = (0,), (1,)  # coordinates of the random streams: a permutation a trial, and the test split


@dataclass(frozen=True, eq=False)
class Task:
    """Real features with labels: what a study on real data is about.

    Parameters
    ----------
    weak, strong : (rows, d_weak) and (rows, d_strong) array_like
        Features of the teacher and of the student. No intercept is added.
    y : (rows,) array_like
        Labels; centre them first.
    test : float, int, or (weak, strong, y)
        Test rows: a share of the rows in (0, 1), a number of rows, or arrays of their own.
    ridge : float
        Added to every fit, absolute as scikit-learn's ``Ridge(alpha)``.
    """

    weak: FloatArray
    strong: FloatArray
    y: FloatArray
    test: Any = 0.2
    ridge: float = 1e-6

    def __post_init__(self) -> None:
        self._take(self.weak, self.strong, self.y, "")
        object.__setattr__(self, "ridge", _check.real(self.ridge, "ridge"))
        if isinstance(self.test, tuple | list):
            if len(self.test) != 3:
                raise ValueError(f"test must be (weak, strong, y), a share or a number of rows, got {len(self.test)} items")
            held = Task.__new__(Task)
            held._take(*self.test, " of test")
            widths = [(a.shape[1], b.shape[1]) for a, b in ((self.weak, held.weak), (self.strong, held.strong))]
            if any(mine != theirs for mine, theirs in widths):
                raise ValueError(f"test features must be as wide as the others: (others, test) widths are {widths}")
            object.__setattr__(self, "test", (held.weak, held.strong, held.y))

    def _take(self, weak: Any, strong: Any, y: Any, suffix: str) -> None:
        arrays = {
            "weak" + suffix: _check.floats(weak, "weak" + suffix, ndim=2),
            "strong" + suffix: _check.floats(strong, "strong" + suffix, ndim=2),
            "y" + suffix: _check.floats(y, "y" + suffix, ndim=1),
        }
        _check.same_rows(**arrays)
        for name, array in zip(("weak", "strong", "y"), arrays.values(), strict=True):
            if array.size == 0:
                raise ValueError(f"{name}{suffix} must not be empty, got shape {array.shape}")
            object.__setattr__(self, name, array)

    def rows(self, index: Rows | slice) -> Matrix:
        """Joint rows [weak | strong | y] in float64."""
        return np.concatenate(
            [np.asarray(a[index], np.float64) for a in (self.weak, self.strong, self.y[:, None])], axis=1
        )

    def split(self, seed: int) -> tuple[Rows, Gram]:
        """Rows that trials may draw from, and the joint Gram matrix of the test rows."""
        total = len(self.y)
        if isinstance(self.test, tuple):
            held = Task(*self.test, ridge=self.ridge, test=1)
            return np.arange(total), _joint_gram(held, [np.arange(len(held.y))])[0]
        if isinstance(self.test, float | np.floating):
            share = _check.real(self.test, "test", maximum=1.0, open_left=True)
            count = max(1, round(share * total))
        else:
            count = _check.integer(self.test, "test", minimum=1)
        if count >= total:
            raise ValueError(f"test takes {count:,} rows of {total:,}, which leaves none to train on")
        order = stream(seed, TEST, 0).permutation(total)
        return np.sort(order[count:]), _joint_gram(self, [np.sort(order[:count])])[0]


def _joint_gram(task: Task, segments: Iterable[Rows]) -> list[Gram]:
    """Gram matrices of the joint rows of the first, the first two, ... segments, in one pass."""
    prefixes: list[Gram] = []
    running = Gram()
    for segment in segments:
        running = Gram().merge(running)
        for start in range(0, len(segment), 4096):
            running.update(task.rows(segment[start : start + 4096]))
        prefixes.append(running)
    return prefixes


def probe(
    weak: Any,
    strong: Any,
    y: Any,
    *,
    n: Any,
    N: Any,
    trials: int,
    test: Any = 0.2,
    ridge: float = 1e-6,
    seed: int = 0,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Trials:
    """Run the four fits on random subsets of real features; return their test mean squared errors.

    A trial shuffles the rows outside the test set: the first n rows of the first max(n) are labelled, the first N of
    those that follow are pseudo-labelled by the teacher. Subsets are nested within a trial, so that one pass over the
    rows serves every point: all fits and errors come from joint Gram matrices of [weak | strong | y]. Fits to fewer
    rows than columns, and those whose Gram matrix is too ill-conditioned, are solved from their rows instead.

    Parameters
    ----------
    weak, strong : (rows, d_weak) and (rows, d_strong) array_like
        Features of the teacher and of the student. No intercept is added.
    y : (rows,) array_like
        Labels; centre them first.
    n, N : int or array_like of int
        Labelled and pseudo-labelled rows; they broadcast.
    trials : int
        Random splits, at least 1.
    test : float, int, or (weak, strong, y)
        Test rows, the same in every trial: a share of the rows, a number of rows, or arrays of their own.
    ridge : float
        Absolute, as scikit-learn's ``Ridge(alpha)``; 0 for ridgeless, minimum-norm fits.
    seed : int
        The same seed gives the same splits and results at any number of workers.
    workers : int, optional
        Threads; by default one a core. Each holds one joint Gram matrix a point.
    progress : callable, optional
        Called with (trials done, trials) after each.

    Returns
    -------
    Trials

    Raises
    ------
    ValueError, TypeError
        Rows that do not match, NaN or infinity, more rows asked for than there are.

    Examples
    --------
    >>> import numpy as np
    >>> from w2s_fast import probe
    >>> rng = np.random.default_rng(0)
    >>> z = rng.standard_normal((3000, 12))
    >>> y = z[:, 0] + rng.standard_normal(3000)
    >>> result = probe(z[:, :10], z[:, [0, 10, 11]], y, n=50, N=[100, 2000], trials=5)
    >>> result.w2s.shape, bool(result.pgr[1].mean() > 0.5)
    ((2, 5), True)
    """
    task = Task(weak, strong, y, test, ridge)
    return probe_task(task, n=n, N=N, trials=trials, seed=seed, workers=workers, progress=progress)


def probe_task(
    task: Task,
    *,
    n: Any,
    N: Any,
    trials: int,
    seed: int = 0,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Trials:
    """:func:`probe` on a task already checked."""
    labelled, pseudo = np.broadcast_arrays(_check.sizes(n, "n"), _check.sizes(N, "N"))
    trials = _check.integer(trials, "trials", minimum=1)
    seed = _check.integer(seed, "seed")
    workers = None if workers is None else _check.integer(workers, "workers", minimum=1, maximum=1024)
    pool, test_gram = task.split(seed)
    wanted = int(labelled.max()) + int(pseudo.max())
    if wanted > len(pool):
        raise ValueError(
            f"n + N asks for up to {wanted:,} rows a trial, but {len(pool):,} are left beside the test rows"
        )
    points = list(zip(labelled.ravel().tolist(), pseudo.ravel().tolist(), strict=True))

    def run_trial(trial: int) -> Matrix:
        return _trial(task, stream(seed, SPLITS, trial).permutation(pool), points, test_gram)

    errors = np.empty((4, len(points), trials))
    for trial, block in enumerate(ordered_map(run_trial, range(trials), workers)):
        errors[:, :, trial] = block.T
        if progress is not None:
            progress(trial + 1, trials)
    by_fit = errors.reshape(4, *labelled.shape, trials)
    return Trials(labelled.copy(), pseudo.copy(), *by_fit, seed=seed)


def _trial(task: Task, order: Rows, points: list[tuple[int, int]], test_gram: Gram) -> Matrix:
    """Test errors (points, 4) of one random order of the rows."""
    split = max(n for n, _ in points)
    labelled, pseudo = order[:split], order[split:]
    labelled_grams = _prefix_grams(task, labelled, sorted({n for n, _ in points}))
    pseudo_grams = _prefix_grams(task, pseudo, sorted({N for _, N in points}))
    d_weak, d_strong = task.weak.shape[1], task.strong.shape[1]
    W, S, y = slice(0, d_weak), slice(d_weak, d_weak + d_strong), d_weak + d_strong
    errors = np.empty((len(points), 4))
    for point, (n, N) in enumerate(points):
        few, many = labelled_grams[n], pseudo_grams[N]
        both = few + many
        mine, theirs = labelled[:n], pseudo[:N]
        everything = np.concatenate((mine, theirs))

        def fit(gram: Matrix, moment: Matrix, X: FloatArray, rows: Rows, labels: Callable[[], Matrix]) -> Matrix:
            if len(rows) >= len(gram):
                try:
                    return solve_gram(gram, moment, task.ridge)
                except np.linalg.LinAlgError:
                    pass
            return np.asarray(min_norm(np.asarray(X[rows], np.float64), labels(), ridge=task.ridge))

        def truth(rows: Rows) -> Callable[[], Matrix]:
            return lambda: np.asarray(task.y[rows], np.float64)

        teacher = fit(few[W, W], few[W, y], task.weak, mine, truth(mine))

        def pseudo_labels(rows: Rows = theirs, weights: Matrix = teacher) -> Matrix:
            return np.asarray(task.weak[rows] @ weights)

        fits = (
            (W, teacher),
            (S, fit(few[S, S], few[S, y], task.strong, mine, truth(mine))),
            (S, fit(both[S, S], both[S, y], task.strong, everything, truth(everything))),
            (S, fit(many[S, S], many[S, W] @ teacher, task.strong, theirs, pseudo_labels)),
        )
        errors[point] = [_mean_squared_error(test_gram, columns, y, weights) for columns, weights in fits]
    return errors


def _prefix_grams(task: Task, rows: Rows, sizes: list[int]) -> dict[int, Matrix]:
    cuts = [0, *sizes]
    segments = [rows[start:stop] for start, stop in zip(cuts, cuts[1:], strict=False)]
    grams = _joint_gram(task, segments)
    return {size: gram.xtx for size, gram in zip(sizes, grams, strict=True) if gram.xtx is not None}


def _mean_squared_error(gram: Gram, columns: slice, y: int, weights: Matrix) -> float:
    assert gram.xtx is not None
    G = gram.xtx
    return float((weights @ (G[columns, columns] @ weights) - 2 * (weights @ G[columns, y]) + G[y, y]) / gram.n_rows)
