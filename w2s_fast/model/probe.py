"""Weak-to-strong studies on real features: linear probes in place of the Gaussian model."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from w2s_fast import _check
from w2s_fast._random import stream
from w2s_fast._threads import ordered_map, single_threaded_blas
from w2s_fast.linalg.moments import Moments
from w2s_fast.model.features import Indices, Matrix, Rows, Task, blocks
from w2s_fast.model.fits import Fit, Learner, Scores, Sums
from w2s_fast.model.trials import Accuracy, Decomposition, IllConditioned, Trials

Points = Sequence[tuple[int, int]]
Pair = tuple[str, str]  # names of a teacher and a student
SPLITS, NOISE = (0,), (2,)  # coordinates of the random streams: a permutation a trial, and its label noise


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
    intercept: bool = False,
    nested: bool = True,
    label_noise: float = 0.0,
    decompose: bool = False,
    seed: int = 0,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Any:
    """Run the four fits on random subsets of real features; return their test mean squared errors.

    A trial shuffles the rows outside the test set: the first n rows of the first max(n) are labelled, the first N of
    those that follow are pseudo-labelled by the teacher. Subsets are nested within a trial, so that one pass over the
    rows serves every point: fits come from running sums of x x' and x y. Fits to fewer rows than columns, and those
    whose sums are too ill-conditioned, are solved from their rows instead.

    Parameters
    ----------
    weak, strong : (rows, d_weak) and (rows, d_strong) array_like, or path, or mapping of names to either
        Features of the teacher and of the student, or of several: every teacher is paired with every student. Arrays
        and memory maps stay where they are, in their own precision; a path names an .npy, .npz or .safetensors file,
        or ``file#array`` where it holds several. Files that need no decoding are mapped, not read.
    y : (rows,) or (rows, k) array_like, or path
        Labels. Columns are problems of their own, with errors of their own, that share all work on the features.
    n, N : int or array_like of int
        Labelled and pseudo-labelled rows; they broadcast.
    trials : int
        Random splits, at least 1.
    test : float, int, or (weak, strong, y)
        Test rows, the same in every trial: a share of the rows, a number of rows, or arrays of their own.
    ridge : float
        Absolute, as scikit-learn's ``Ridge(alpha)``; 0 for ridgeless, minimum-norm fits.
    intercept : bool
        Give every fit an unpenalised intercept, by centring features and labels on its own training rows. Without,
        centre the labels first.
    nested : bool
        False draws the rows of every point anew, which makes points of a trial independent, and costs a pass each.
    label_noise : float
        Standard deviation of Gaussian noise added to the training labels, drawn anew in every trial; test labels
        stay clean.
    decompose : bool
        Also measure bias and variance: see ``Trials.decomposition``.
    seed : int
        The same seed gives the same splits, noise and results at any number of workers.
    workers : int, optional
        Threads; by default one a core. Each holds a few Gram matrices of the student.
    progress : callable, optional
        Called with (trials done, trials) after each.

    Returns
    -------
    Trials, or dict of (teacher, student) to Trials where ``weak`` or ``strong`` is a mapping
        Fits whose weights hang on rounding are marked in ``ill_conditioned``; for labels all +1 or -1 there is
        ``accuracy``. With y of shape (rows, k) errors have an axis of k before that of trials.

    Raises
    ------
    ValueError, TypeError
        Rows that do not match, NaN or infinity, constant features or labels, more rows asked for than there are,
        files that cannot be read or hold pickled objects.

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
    >>> pairs = probe({"ten": z[:, :10], "four": z[:, :4]}, z[:, [0, 10, 11]], y, n=50, N=100, trials=5)
    >>> sorted(pairs)
    [('four', 'strong'), ('ten', 'strong')]
    """
    task = Task.of(weak, strong, y, test, ridge, intercept=intercept, nested=nested, label_noise=label_noise)
    found = probe_pairs(
        task, n=n, N=N, trials=trials, decompose=decompose, seed=seed, workers=workers, progress=progress
    )
    return found if isinstance(weak, Mapping) or isinstance(strong, Mapping) else found["weak", "strong"]


def probe_task(task: Task, **arguments: Any) -> Trials:
    """:func:`probe` on a task already checked, of one teacher and one student."""
    (result,) = probe_pairs(task, **arguments).values()
    return result


def probe_pairs(
    task: Task,
    *,
    n: Any,
    N: Any,
    trials: int,
    decompose: bool = False,
    seed: int = 0,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> dict[Pair, Trials]:
    """:func:`probe` on a task already checked, for every pair of a teacher and a student."""
    _check.callback(progress, "progress")
    labelled, pseudo = _check.broadcast(n=_check.sizes(n, "n"), N=_check.sizes(N, "N"))
    trials = _check.integer(trials, "trials", minimum=1)
    seed = _check.integer(seed, "seed")
    workers = _check.workers(workers)
    _check.instance(decompose, bool, "decompose")
    points = list(zip(labelled.ravel().tolist(), pseudo.ravel().tolist(), strict=True))
    plan = Plan.of(task, points, seed, decompose)
    found = {pair: _Collected(plan, trials) for pair in plan.pairs}
    for trial, outcomes in run_trials(plan, range(trials), workers=workers):
        for pair, outcome in outcomes.items():
            found[pair].add(trial, outcome)
        if progress is not None:
            progress(trial + 1, trials)
    return {pair: collected.trials(labelled, pseudo) for pair, collected in found.items()}


class Outcome(NamedTuple):
    """One trial of one pair; fits are weak, baseline, ceiling, w2s."""

    errors: Matrix  # (points, 4, k)
    hits: Matrix  # (points, 4, k)
    ill_conditioned: Matrix  # (points, 4)
    predictions: Matrix | None  # (points, 3, k, test rows): teacher, student, and what the student inherits


@dataclass(frozen=True, eq=False)
class Plan:
    """What is the same in every trial: points, learners, test rows, and which part of a teacher students can say."""

    task: Task
    points: Points
    seed: int
    pool: Indices
    test: Rows
    test_index: Indices
    teachers: Mapping[str, Learner]
    students: Mapping[str, Learner]
    spoken: Mapping[Pair, Matrix] | None

    @classmethod
    def of(cls, task: Task, points: Points, seed: int, decompose: bool = False) -> Plan:
        """Split the rows; refuse points that ask for more of them than there are."""
        pool, test, index = task.split(seed)
        sizes = [(max(n for n, _ in group), max(N for _, N in group)) for group in _groups(points, task.nested)]
        if max(map(sum, sizes)) > len(pool):
            n, N = max(sizes, key=sum)
            raise ValueError(
                f"n + N asks for up to {n + N:,} rows a trial ({n:,} + {N:,}), but {len(pool):,} are left beside the "
                "test rows: lower n, N or test"
            )
        teachers, students = (
            {name: Learner(mine[name], theirs[name], task.ridge, task.intercept) for name in mine}
            for mine, theirs in ((task.rows.teachers, test.teachers), (task.rows.students, test.students))
        )
        spoken = None
        if decompose:
            spoken = {(t, s): _spoken(teachers[t], students[s], pool) for t in teachers for s in students}
        return cls(task, points, seed, pool, test, index, teachers, students, spoken)

    @property
    def pairs(self) -> list[Pair]:
        return [(teacher, student) for teacher in self.teachers for student in self.students]


def _groups(points: Points, nested: bool) -> list[Points]:
    """Points that share the rows of a trial."""
    return [points] if nested else [[point] for point in points]


def _spoken(teacher: Learner, student: Learner, pool: Indices) -> Matrix:
    """Matrix C (p_strong, p_weak): the student's closest fit, over the pool, to a teacher of weights a is C a."""
    with single_threaded_blas():
        total = None
        for block in blocks(len(pool), max(teacher.columns, student.columns)):
            sums = Sums.of(student.rows(pool[block]), teacher.rows(pool[block]))
            total = sums if total is None else total.plus(sums)
        return student.fit(pool, lambda: teacher.rows(pool), total).weights


def run_trials(
    plan: Plan, trials: Iterable[int], *, workers: int | None = None
) -> Iterator[tuple[int, dict[Pair, Outcome]]]:
    """Run the given trials of all points together; yield (trial, outcome of each pair) in order."""

    def run_trial(trial: int) -> tuple[int, dict[Pair, Outcome]]:
        labels = plan.task.rows.labels
        if plan.task.label_noise:
            labels = labels + plan.task.label_noise * stream(plan.seed, NOISE, trial).standard_normal(labels.shape)
        groups = []
        for points in _groups(plan.points, plan.task.nested):
            place = SPLITS if plan.task.nested else (*SPLITS, *points[0])
            order = stream(plan.seed, place, trial).permutation(plan.pool)
            groups.append(_Group(plan, points, order, labels).outcomes())
        return trial, {pair: _joined([outcomes[pair] for outcomes in groups]) for pair in plan.pairs}

    return ordered_map(run_trial, trials, workers)


def _joined(outcomes: Sequence[Outcome]) -> Outcome:
    """Join outcomes along points."""
    fields: Iterator[Any] = zip(*outcomes, strict=True)
    joined: list[Any] = [None if parts[0] is None else np.concatenate(parts) for parts in fields]
    return Outcome(*joined)


class _Group:
    """Points that share one random order of the rows."""

    def __init__(self, plan: Plan, points: Points, order: Indices, labels: Matrix) -> None:
        self.plan, self.points = plan, points
        self.ns, self.Ns = (sorted(set(sizes)) for sizes in zip(*points, strict=True))
        most = self.ns[-1], self.Ns[-1]
        self.labelled = _in_file_order(order[: most[0]], self.ns)
        self.pseudo = _in_file_order(order[most[0] : sum(most)], self.Ns)
        self.known, self.hidden = labels[self.labelled], labels[self.pseudo]
        self.k = labels.shape[1]

    def outcomes(self) -> dict[Pair, Outcome]:
        """Fit teachers, let them label, fit students, and test."""
        taught = {name: self._few(learner, self.ns[-1])[1] for name, learner in self.plan.teachers.items()}
        said = [self._said(learner, taught[name]) for name, learner in self.plan.teachers.items()]
        labels = np.hstack([self.hidden, *said])
        tested = {name: self._test(learner, taught[name]) for name, learner in self.plan.teachers.items()}
        found = {}
        for name, learner in self.plan.students.items():
            fits = self._student_fits(learner, labels)
            inherited = self._inherited(name, taught)
            scores = self._test(learner, fits + inherited)
            for place, teacher in enumerate(self.plan.teachers):
                found[teacher, name] = self._outcome(place, taught[teacher], tested[teacher], fits, scores)
        return found

    def _few(self, learner: Learner, most: int) -> tuple[list[Sums] | None, list[Fit]]:
        """Sums over the labelled rows, if ``most`` rows are enough for sums to serve, and their fits, for every n."""
        sums = learner.prefix_sums(self.labelled, self.known, self.ns) if most >= learner.columns else None
        fits = []
        for place, n in enumerate(self.ns):
            known = partial(self.known.__getitem__, slice(n))
            fits.append(learner.fit(self.labelled[:n], known, sums[place] if sums else None))
        return sums, fits

    def _said(self, teacher: Learner, fits: Sequence[Fit]) -> Matrix:
        """Pseudo-labels (N, n times k) of the teacher of every n."""
        weights = np.hstack([fit.weights for fit in fits])
        said = np.empty((len(self.pseudo), weights.shape[1]))
        for block in blocks(len(said), teacher.columns):
            said[block] = teacher.rows(self.pseudo[block]) @ weights
        return said

    def _student_fits(self, student: Learner, labels: Matrix) -> list[Fit]:
        """Baseline of every n; ceiling of every point; for every teacher, w2s of every point."""
        few, baselines = self._few(student, self.ns[-1] + self.Ns[-1])
        many = student.prefix_sums(self.pseudo, labels, self.Ns) if few else None
        ceilings: dict[tuple[int, int], Fit] = {}
        w2s: dict[tuple[int, tuple[int, int]], Fit] = {}
        for number, N in enumerate(self.Ns):
            points = [(n, N) for n in self.ns if (n, N) in self.points]
            for n, _ in points:
                ceilings[n, N] = self._ceiling(student, few, many[number] if many else None, n, N)
            places = [(t, point) for t in range(len(self.plan.teachers)) for point in points]
            columns = np.concatenate([self._columns_said(t, n) for t, (n, _) in places])
            fit = student.fit(
                self.pseudo[:N],
                partial(labels.__getitem__, (slice(N), columns)),
                many[number].of_labels(columns) if many else None,
            )
            for place, weights in zip(places, np.split(fit.weights, len(places), axis=1), strict=True):
                w2s[place] = fit._replace(weights=weights)
        teachers = range(len(self.plan.teachers))
        return baselines + [ceilings[p] for p in self.points] + [w2s[t, p] for t in teachers for p in self.points]

    def _columns_said(self, teacher: int, n: int) -> Indices:
        """Columns of [hidden | said by the first teacher for every n | ...]."""
        return self.k * (1 + teacher * len(self.ns) + self.ns.index(n)) + np.arange(self.k)

    def _ceiling(self, student: Learner, few: list[Sums] | None, many: Sums | None, n: int, N: int) -> Fit:
        sums = None
        if few is not None and many is not None:
            sums = few[self.ns.index(n)].plus(many.of_labels(np.arange(self.k)))
        index = np.concatenate((self.labelled[:n], self.pseudo[:N]))
        return student.fit(index, lambda: np.vstack((self.known[:n], self.hidden[:N])), sums)

    def _inherited(self, student: str, taught: Mapping[str, list[Fit]]) -> list[Fit]:
        """What the student can say of every teacher of every n, if asked for."""
        if self.plan.spoken is None:
            return []
        return [
            fit._replace(weights=self.plan.spoken[teacher, student] @ fit.weights)
            for teacher, fits in taught.items()
            for fit in fits
        ]

    def _test(self, learner: Learner, fits: Sequence[Fit]) -> Scores:
        weights = np.stack([fit.weights for fit in fits])
        labels = self.plan.test.labels[self.plan.test_index]
        return learner.scores(weights, self.plan.test_index, labels, self.plan.spoken is not None)

    def _outcome(
        self, teacher: int, taught: Sequence[Fit], tested: Scores, fits: Sequence[Fit], scores: Scores
    ) -> Outcome:
        """Put together what belongs to each point."""
        first, teachers = len(self.ns), len(self.plan.teachers)
        weak = np.array([self.ns.index(n) for n, _ in self.points])
        ceiling = first + np.arange(len(self.points))
        w2s = ceiling + len(self.points) * (1 + teacher)

        def of(teachers: Matrix, students: Matrix) -> Matrix:
            return np.stack((teachers[weak], students[weak], students[ceiling], students[w2s]), axis=1)

        predictions = None
        if tested.predictions is not None and scores.predictions is not None:
            inherited = first + len(self.points) * (1 + teachers) + first * teacher + weak
            said = tested.predictions[weak], scores.predictions[w2s], scores.predictions[inherited]
            predictions = np.stack(said, axis=1)
        flags = of(*(np.array([fit.ill_conditioned for fit in found]) for found in (taught, fits)))
        return Outcome(of(tested.errors, scores.errors), of(tested.hits, scores.hits), flags, predictions)


def _in_file_order(index: Indices, sizes: Sequence[int]) -> Indices:
    """Sort the rows between one size and the next: the same subsets, gathered front to back."""
    for start, stop in zip((0, *sizes), sizes, strict=False):
        index[start:stop].sort()
    return index


class _Collected:
    """Outcomes of one pair over trials; predictions as moments alone."""

    def __init__(self, plan: Plan, trials: int) -> None:
        self.plan = plan
        shape = len(plan.points), 4, plan.task.rows.labels.shape[1], trials
        self.errors, self.hits = np.empty(shape), np.empty(shape)
        self.ill_conditioned = np.empty((len(plan.points), 4, trials), np.bool_)
        self.predictions = Moments() if plan.spoken is not None else None

    def add(self, trial: int, outcome: Outcome) -> None:
        self.errors[..., trial], self.hits[..., trial] = outcome.errors, outcome.hits
        self.ill_conditioned[..., trial] = outcome.ill_conditioned
        if self.predictions is not None and outcome.predictions is not None:
            self.predictions.update(outcome.predictions[None])

    def trials(self, n: Indices, N: Indices) -> Trials:
        """Results in the shape of the points, without the axis of label columns where the labels had none."""
        rows, test = self.plan.task.rows, self.plan.test
        k = (rows.labels.shape[1],) * rows.has_columns
        trials = self.errors.shape[-1]

        def shaped(values: Any, *rest: int) -> Iterator[Any]:
            return (values[:, fit].reshape(*n.shape, *rest) for fit in range(values.shape[1]))

        signs = rows.has_signs and test.has_signs
        decomposition = None
        if self.predictions is not None:
            labels = test.labels[self.plan.test_index].T
            parts = _decomposed(self.predictions, labels)
            decomposition = Decomposition(*(part.reshape((*n.shape, *k)) for part in parts))
        weak, baseline, ceiling, w2s = shaped(self.errors, *k, trials)
        return Trials(
            n.copy(),
            N.copy(),
            weak,
            baseline,
            ceiling,
            w2s,
            self.plan.seed,
            ill_conditioned=IllConditioned(*shaped(self.ill_conditioned, trials)),
            accuracy=Accuracy(*shaped(self.hits, *k, trials)) if signs else None,
            decomposition=decomposition,
        )


def _decomposed(predictions: Moments, labels: Matrix) -> Iterator[Matrix]:
    """Means over test rows of squared bias and variance of teacher and student, and of the inherited variance."""
    variance = predictions.variance(ddof=1)  # (points, 3, k, test rows)
    bias = (predictions.mean - labels) ** 2 - variance / predictions.count
    for model in (0, 1):
        yield bias[:, model].mean(axis=-1)
        yield variance[:, model].mean(axis=-1)
    yield variance[:, 2].mean(axis=-1)
