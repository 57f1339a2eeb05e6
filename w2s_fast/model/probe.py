"""Weak-to-strong studies on real features: linear probes in place of the Gaussian model."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Self

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
Indices = npt.NDArray[np.int64]
SPLITS, TEST = (0,), (1,)  # coordinates of the random streams: a permutation a trial, and the test split
BLOCK_ROWS = 4096  # joint rows gathered at a time: some 16 MiB at 512 features


@dataclass(frozen=True, eq=False)
class Rows:
    """Features of the teacher (rows, d_weak) and of the student (rows, d_strong) with labels (rows,)."""

    weak: FloatArray
    strong: FloatArray
    y: FloatArray

    @classmethod
    def checked(cls, weak: Any, strong: Any, y: Any, whose: str = "") -> Self:
        """Check and name the arrays in messages ``weak``, ``strong`` and ``y``, with ``whose`` behind."""
        arrays = {
            f"weak{whose}": _check.floats(weak, f"weak{whose}", ndim=2),
            f"strong{whose}": _check.floats(strong, f"strong{whose}", ndim=2),
            f"y{whose}": _check.floats(y, f"y{whose}", ndim=1),
        }
        _check.same_rows(**arrays)
        for name, array in arrays.items():
            if array.size == 0:
                raise ValueError(f"{name} must not be empty, got shape {array.shape}")
        return cls(*arrays.values())

    def __len__(self) -> int:
        return len(self.y)

    @property
    def widths(self) -> tuple[int, int]:
        return self.weak.shape[1], self.strong.shape[1]

    def joint(self, index: Indices) -> Matrix:
        """Rows [weak | strong | y] in float64."""
        arrays = (self.weak, self.strong, self.y[:, None])
        return np.concatenate([np.asarray(array[index], np.float64) for array in arrays], axis=1)

    def prefix_grams(self, order: Indices, sizes: Iterable[int]) -> dict[int, Gram]:
        """Joint Gram matrices of the first ``size`` rows of ``order`` for each of the rising sizes, in one pass."""
        grams: dict[int, Gram] = {}
        running, start = Gram(), 0
        for size in sizes:
            running = Gram().merge(running)
            for top in range(start, size, BLOCK_ROWS):
                running.update(self.joint(order[top : min(top + BLOCK_ROWS, size)]))
            grams[size], start = running, size
        return grams


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Rows held out for testing, by index."""

    rows: Rows
    index: Indices

    def errors(self, teachers: Matrix, students: Matrix) -> tuple[Matrix, Matrix]:
        """Mean squared errors of weights given as columns, from residuals: a Gram matrix would cancel small ones."""
        d_weak = self.rows.widths[0]
        of_teachers, of_students = np.zeros(teachers.shape[1]), np.zeros(students.shape[1])
        for top in range(0, len(self.index), BLOCK_ROWS):
            block = self.rows.joint(self.index[top : top + BLOCK_ROWS])
            labels = block[:, -1:]
            of_teachers += np.sum((block[:, :d_weak] @ teachers - labels) ** 2, axis=0)
            of_students += np.sum((block[:, d_weak:-1] @ students - labels) ** 2, axis=0)
        return of_teachers / len(self.index), of_students / len(self.index)


@dataclass(frozen=True, eq=False)
class Task:
    """A study on real data: rows to train on, what to test on, and the ridge. Made by :meth:`Task.of`."""

    rows: Rows
    test: Rows | float | int
    ridge: float

    @classmethod
    def of(cls, weak: Any, strong: Any, y: Any, test: Any = 0.2, ridge: float = 1e-6) -> Self:
        """Check the arguments of :func:`probe` that describe the data."""
        rows = Rows.checked(weak, strong, y)
        if isinstance(test, tuple | list):
            if len(test) != 3:
                raise ValueError(f"test must be (weak, strong, y), a share or a number of rows, got {len(test)} items")
            weak, strong, y = test
            test = Rows.checked(weak, strong, y, " of test")
            if test.widths != rows.widths:
                raise ValueError(f"test features have widths {test.widths}, the others {rows.widths}")
        elif isinstance(test, float | np.floating):
            test = _check.real(test, "test", maximum=1.0, open_left=True)
        elif isinstance(test, int | np.integer):
            test = _check.integer(test, "test", minimum=1)
        else:
            raise TypeError(f"test must be (weak, strong, y), a share or a number of rows, got {test!r}")
        return cls(rows, test, _check.real(ridge, "ridge"))

    def split(self, seed: int) -> tuple[Indices, HeldOut]:
        """Rows that trials may draw from, and the test rows."""
        total = len(self.rows)
        if isinstance(self.test, Rows):
            return np.arange(total), HeldOut(self.test, np.arange(len(self.test)))
        count = max(1, round(self.test * total)) if isinstance(self.test, float) else self.test
        if count >= total:
            raise ValueError(f"test takes {count:,} rows of {total:,}, which leaves none to train on")
        order = stream(seed, TEST, 0).permutation(total)
        return np.sort(order[count:]), HeldOut(self.rows, np.sort(order[:count]))


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
    task = Task.of(weak, strong, y, test, ridge)
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
    _check.callback(progress, "progress")
    labelled, pseudo = _check.broadcast(n=_check.sizes(n, "n"), N=_check.sizes(N, "N"))
    trials = _check.integer(trials, "trials", minimum=1)
    seed = _check.integer(seed, "seed")
    workers = _check.workers(workers)
    points = list(zip(labelled.ravel().tolist(), pseudo.ravel().tolist(), strict=True))
    errors = np.empty((4, len(points), trials))
    for trial, block in run_trials(task, points, range(trials), seed=seed, workers=workers):
        errors[:, :, trial] = block.T
        if progress is not None:
            progress(trial + 1, trials)
    weak, baseline, ceiling, w2s = errors.reshape(4, *labelled.shape, trials)
    return Trials(labelled.copy(), pseudo.copy(), weak, baseline, ceiling, w2s, seed)


def split_for(task: Task, points: Sequence[tuple[int, int]], seed: int) -> tuple[Indices, HeldOut]:
    """Split the rows, and refuse points that ask for more of them than there are."""
    pool, test = task.split(seed)
    wanted = max(n for n, _ in points) + max(N for _, N in points)
    if wanted > len(pool):
        raise ValueError(
            f"n + N asks for up to {wanted:,} rows a trial, but {len(pool):,} are left beside the test rows"
        )
    return pool, test


def run_trials(
    task: Task, points: Sequence[tuple[int, int]], trials: Iterable[int], *, seed: int, workers: int | None = None
) -> Iterator[tuple[int, Matrix]]:
    """Run the given trials of all points together; yield (trial, test errors (points, 4)) in order."""
    pool, test = split_for(task, points, seed)

    def run_trial(trial: int) -> tuple[int, Matrix]:
        return trial, _trial(task, stream(seed, SPLITS, trial).permutation(pool), points, test)

    return ordered_map(run_trial, trials, workers)


def _trial(task: Task, order: Indices, points: Sequence[tuple[int, int]], test: HeldOut) -> Matrix:
    """Test errors (points, 4) of one random order of the rows."""
    split = max(n for n, _ in points)
    labelled, pseudo = order[:split], order[split:]
    labelled_grams = task.rows.prefix_grams(labelled, sorted({n for n, _ in points}))
    pseudo_grams = task.rows.prefix_grams(pseudo, sorted({N for _, N in points}))
    teachers, students = [], []
    for n, N in points:
        few = _Sample(task, labelled[:n], labelled_grams[n].xtx)
        many = _Sample(task, pseudo[:N], pseudo_grams[N].xtx)
        everything = _Sample(task, np.concatenate((few.index, many.index)), few.gram + many.gram)
        teachers.append(few.fit_weak())
        students += [few.fit_strong(), everything.fit_strong(), many.fit_strong(teachers[-1])]
    of_teachers, of_students = test.errors(np.column_stack(teachers), np.column_stack(students))
    return np.column_stack((of_teachers, of_students.reshape(len(points), 3)))


class _Sample:
    """Rows of a task by index, with their joint Gram matrix; fits by the Gram matrix where that is safe."""

    def __init__(self, task: Task, index: Indices, gram: Matrix) -> None:
        self.task, self.index, self.gram = task, index, gram
        d_weak, d_strong = task.rows.widths
        self.weak, self.strong, self.label = slice(0, d_weak), slice(d_weak, d_weak + d_strong), d_weak + d_strong

    def fit_weak(self) -> Matrix:
        moment = self.gram[self.weak, self.label]
        return self._fit(self.weak, moment, lambda rows: (rows[:, self.weak], rows[:, self.label]))

    def fit_strong(self, teacher: Matrix | None = None) -> Matrix:
        """Fit the student to the true labels, or to those of a teacher with these weights."""
        if teacher is None:
            moment = self.gram[self.strong, self.label]
            return self._fit(self.strong, moment, lambda rows: (rows[:, self.strong], rows[:, self.label]))
        moment = self.gram[self.strong, self.weak] @ teacher
        return self._fit(self.strong, moment, lambda rows: (rows[:, self.strong], rows[:, self.weak] @ teacher))

    def _fit(self, columns: slice, moment: Matrix, problem: Callable[[Matrix], tuple[Matrix, Matrix]]) -> Matrix:
        gram = self.gram[columns, columns]
        if len(self.index) >= len(gram):
            try:
                return solve_gram(gram, moment, self.task.ridge)
            except np.linalg.LinAlgError:
                pass  # the rows themselves can still be trusted
        X, y = problem(self.task.rows.joint(self.index))
        return np.asarray(min_norm(X, y, ridge=self.task.ridge))
