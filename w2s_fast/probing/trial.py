"""The fits of one trial to points that share one random order of the rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from w2s_fast.probing.data import Matrix
from w2s_fast.probing.design import Design, Pair, Points
from w2s_fast.probing.fits import FLAWS, Fit, Learner, Sums
from w2s_fast.probing.scores import Predicted, Scores, Taught, score
from w2s_fast.probing.splits import Indices
from w2s_fast.probing.trial_results import TrialResult

Tops = Iterable[Sums | None]  # sums over the first rows, for each of several sizes; None where no sums can serve


class NestedFits:
    """One order of the rows: the first ones are labelled, those behind them pseudo-labelled."""

    def __init__(self, design: Design, points: Points, order: Indices, labels: Matrix, test_labels: Matrix) -> None:
        self._begin(design, points, test_labels)
        most = self.ns[-1], self.Ns[-1]
        self.both = order[: sum(most)].copy()
        self.labelled = _in_file_order(self.both[: most[0]], self.ns)
        self.pseudo = _in_file_order(self.both[most[0] :], self.Ns)
        self.known, self.hidden = labels[self.labelled], labels[self.pseudo]
        self.k = labels.shape[1]

    def _begin(self, design: Design, points: Points, test_labels: Matrix) -> None:
        self.design, self.task, self.points, self.test_labels = design, design.task, points, test_labels
        self.ns, self.Ns = (sorted(set(sizes)) for sizes in zip(*points, strict=True))

    def results(self) -> dict[Pair, TrialResult]:
        """Fit teachers, let them label, fit students, and test."""
        taught = {
            name: self._labelled_fits(learner, self._labelled_sums(learner, self.ns[-1]))
            for name, learner in self.design.teachers.items()
        }
        self._label(taught)
        compared = self.design.scoring.needs_teacher
        tested = {name: self._test(teacher, taught[name], compared) for name, teacher in self.design.teachers.items()}
        teachers = self._taught(list(tested.values())) if compared else None
        found = {}
        for name, learner in self.design.students.items():
            fits = self._student_fits(learner)
            inherited = self._inherited(name, taught)
            scores = self._test(learner, fits + inherited, taught=teachers)
            for place, teacher in enumerate(self.design.teachers):
                found[teacher, name] = self._result(place, taught[teacher], tested[teacher], fits, scores)
        return found

    def _labelled_sums(self, learner: Learner, most: int) -> Tops:
        """Sums over the labelled rows of every n, unless no fit uses them, or ``most`` rows are too few for it."""
        if not learner.estimator.uses_sums or most < learner.columns:
            return [None] * len(self.ns)
        return learner.prefix_sums(self.labelled, self.known, self.ns)

    def _labelled_fits(self, learner: Learner, tops: Tops) -> list[Fit]:
        """Fits to the labelled rows of every n."""
        return learner.nested_fits(self.labelled, lambda: self.known, self.ns, tops)

    def _predictions(self, teacher: Learner, fits: Sequence[Fit]) -> Matrix:
        """What the teacher of every n says of the pseudo-labelled rows, (N, n times k)."""
        return teacher.predict(self.pseudo, np.hstack([fit.weights for fit in fits]))

    def _label(self, taught: Mapping[str, list[Fit]]) -> None:
        """Have every teacher of every n label the pseudo-labelled rows."""
        self.said = [self._predictions(learner, taught[name]) for name, learner in self.design.teachers.items()]
        self.shown = np.hstack([self.hidden, *map(self.task.pseudo_labels_of, self.said)])

    def _pseudo_labelled_sums(self, student: Learner) -> Tops:
        """Sums over the pseudo-labelled rows of every N, with their true labels and those of every teacher."""
        return student.prefix_sums(self.pseudo, self.shown, self.Ns)

    def _student_fits(self, student: Learner) -> list[Fit]:
        """Baseline of every n; ceiling of every point; for every teacher, w2s of every point."""
        student = student.holding(self.both)
        few = list(self._labelled_sums(student, self.ns[-1] + self.Ns[-1]))
        many = [None] * len(self.Ns) if few[0] is None else list(self._pseudo_labelled_sums(student))
        known = dict(zip(self.Ns, many, strict=True))
        ceilings: dict[tuple[int, int], Fit] = {}
        for n, sums in zip(self.ns, few, strict=True):
            Ns = [N for N in self.Ns if (n, N) in self.points]
            fits = self._ceilings(student, n, Ns, sums, [known[N] for N in Ns])
            ceilings.update(((n, N), fit) for N, fit in zip(Ns, fits, strict=True))
        w2s: dict[tuple[int, tuple[int, int]], Fit] = {}
        for ns, Ns in self._grids():
            places = [(teacher, n) for teacher in range(len(self.design.teachers)) for n in ns]
            for N, fit in zip(Ns, self._fits_to_teachers(student, Ns, known, places), strict=True):
                parts = fit.split(len(places))
                w2s.update(((teacher, (n, N)), part) for (teacher, n), part in zip(places, parts, strict=True))
        teachers = range(len(self.design.teachers))
        baselines = self._labelled_fits(student, few)
        return baselines + [ceilings[p] for p in self.points] + [w2s[t, p] for t in teachers for p in self.points]

    def _grids(self) -> list[tuple[list[int], list[int]]]:
        """The points as grids of n by N: the N that have the same n."""
        found: dict[tuple[int, ...], list[int]] = {}
        for N in self.Ns:
            found.setdefault(tuple(n for n in self.ns if (n, N) in self.points), []).append(N)
        return [(list(ns), Ns) for ns, Ns in found.items()]

    def _fits_to_teachers(
        self, student: Learner, Ns: list[int], known: Mapping[int, Sums | None], teachers: list[tuple[int, int]]
    ) -> list[Fit]:
        """Fit what teachers of some n said of the first rows, side by side, for each N."""
        fits: list[Fit]
        if self.task.confident < 1.0:
            fits = []
            for N in Ns:
                said = np.hstack([self.said[t][:N, self._columns_of_n(n)] for t, n in teachers])
                fits.append(self._fit_to_surest(student, said, fits[-1].weights if fits else None))
        else:
            columns = np.concatenate([self._columns_of_teacher(t, n) for t, n in teachers])
            sums = (of_all and of_all.of_labels(columns) for of_all in map(known.__getitem__, Ns))
            fits = student.nested_fits(self.pseudo, lambda: self.shown[:, columns], Ns, sums)
        for _ in range(1, self.task.rounds):
            fits = [self._fit_to_students(student, known[N], N, fit) for N, fit in zip(Ns, fits, strict=True)]
        return fits

    def _fit_to_students(self, student: Learner, sums: Sums | None, N: int, taught: Fit) -> Fit:
        """Fit what students of the last round say of the first N rows; what they have of flaws stays."""
        index, targets = self.pseudo[:N], taught.weights.shape[1] // self.task.coding.columns
        said = student.predict(index, taught.weights)
        labels = self.task.pseudo_labels_of(said)
        if self.task.confident < 1.0:
            fit = self._fit_to_surest(student, said, taught.weights)
        else:
            told = None if sums is None else self._with_moments(student, sums, index, labels, taught)
            fit = student.fit(index, lambda: labels, told, taught.weights)
        flaws = zip(taught.flaws(targets), fit.flaws(targets), strict=True)
        return fit._replace(flaw=tuple(max(both, key=FLAWS.index) for both in flaws))

    def _with_moments(self, student: Learner, sums: Sums, index: Indices, labels: Matrix, taught: Fit) -> Sums:
        """The same sums with labels that students said, ``taught`` being their fits."""
        return sums._replace(moments=student.moments(index, labels))

    def _fit_to_surest(self, student: Learner, said: Matrix, start: Matrix | None) -> Fit:
        """Fit each target, of predictions side by side, on the rows that these are surest of."""
        labels, coding = self.task.pseudo_labels_of(said), self.task.coding
        fits = []
        for target, confidence in enumerate(coding.confidence(said).T):
            own = slice(target * coding.columns, (target + 1) * coding.columns)
            kept = _surest(confidence, self.task.confident)
            index, shown = self.pseudo[kept], labels[kept, own]
            begun = None if start is None else start[:, own]
            fits.append(student.fit(index, partial(np.asarray, shown), student.sums_of(index, shown), begun))
        flaws = tuple(flaw for fit in fits for flaw in fit.flaws(1))
        chosen = tuple(ridge for fit in fits for ridge in fit.chosen)
        return Fit(np.hstack([fit.weights for fit in fits]), flaws, chosen)

    def _columns_of_n(self, n: int) -> slice:
        """Columns of what a teacher said, of all n."""
        place = self.k * self.ns.index(n)
        return slice(place, place + self.k)

    def _columns_of_teacher(self, teacher: int, n: int) -> Indices:
        """Columns of [hidden | those of the first teacher for every n | ...]."""
        return self.k * (1 + teacher * len(self.ns) + self.ns.index(n)) + np.arange(self.k)

    def _ceilings(
        self, student: Learner, n: int, Ns: list[int], few: Sums | None, many: Sequence[Sums | None]
    ) -> list[Fit]:
        """The ceilings of one n."""
        of_truth = [None if sums is None else sums.of_labels(np.arange(self.k)) for sums in many]
        if self.task.ceiling == "pseudo":
            return student.nested_fits(self.pseudo, lambda: self.hidden, Ns, of_truth)
        sums = [None if few is None or others is None else few.plus(others) for others in of_truth]
        last = n == self.ns[-1]  # whose rows lie before the pseudo-labelled ones
        index = self.both if last else np.concatenate((self.labelled[:n], self.pseudo[: Ns[-1]]))

        def labels() -> Matrix:
            return np.vstack((self.known[:n], self.hidden[: Ns[-1]]))

        return student.nested_fits(index, labels, [n + N for N in Ns], sums)

    def _inherited(self, student: str, taught: Mapping[str, list[Fit]]) -> list[Fit]:
        """What the student can say of every teacher of every n, if asked for."""
        if self.design.projections is None:
            return []
        return [
            fit._replace(weights=self.design.projections[teacher, student] @ fit.weights)
            for teacher, fits in taught.items()
            for fit in fits
        ]

    def _test(
        self, learner: Learner, fits: Sequence[Fit], compared: bool = False, taught: Taught | None = None
    ) -> Scores:
        """Score fits, and keep their predictions where others are ``compared`` with them."""
        design = self.design
        weights = np.stack([fit.weights for fit in fits])

        def predicted(some: slice) -> Predicted:
            return learner.test_predictions(weights[some], design.test_index)

        keep = compared or design.projections is not None
        return score(predicted, len(fits), self.test_labels, design.scoring, keep=keep, taught=taught)

    def _taught(self, tested: Sequence[Scores]) -> Taught:
        """What every teacher predicts, and by which of the n each of a student's fits was taught."""
        own = list(range(len(self.ns)))
        of_point = [self.ns.index(n) for n, _ in self.points]
        teachers = len(tested)
        of_fit = own + of_point * (1 + teachers) + own * teachers
        return Taught(np.stack([scores.predictions for scores in tested if scores.predictions is not None]), of_fit)

    def _result(
        self, teacher: int, taught: Sequence[Fit], tested: Scores, fits: Sequence[Fit], scores: Scores
    ) -> TrialResult:
        """Put together what belongs to each point."""
        first, teachers = len(self.ns), len(self.design.teachers)
        weak = np.array([self.ns.index(n) for n, _ in self.points])
        ceiling = first + np.arange(len(self.points))
        w2s = ceiling + len(self.points) * (1 + teacher)

        def of(teachers: Any, students: Any) -> Any:
            return np.stack((teachers[weak], students[weak], students[ceiling], students[w2s]), axis=1)

        predictions = None
        if self.design.projections is not None and tested.predictions is not None and scores.predictions is not None:
            inherited = first + len(self.points) * (1 + teachers) + first * teacher + weak
            kept = tested.predictions[weak], scores.predictions[w2s], scores.predictions[inherited]
            predictions = np.stack(kept, axis=1)
        flaws = [[fit.worst_flaw for fit in found] for found in (taught, fits)]
        flags = of(*(np.array([flaw != "" for flaw in found]) for found in flaws))
        separable = of(*(np.array([flaw == "separable" for flaw in found]) for found in flaws))
        ridges = of(*(np.array([fit.ridges(self.design.targets) for fit in found]) for found in (taught, fits)))
        flags[:, 3] |= flags[:, 0]  # labels that hang on rounding make a student that does
        measured = {
            name: of(tested.values[name][0], values[teacher if len(values) > 1 else 0])
            for name, values in scores.values.items()
        }
        return TrialResult(of(tested.errors, scores.errors), measured, flags, separable, ridges, predictions)


def _surest(confidence: Matrix, share: float) -> Indices:
    """Places of the share of predictions that are surest, at least one, in order; of equal ones the first."""
    kept = max(1, round(share * len(confidence)))
    return np.sort(np.argsort(-confidence, kind="stable")[:kept])


def _joined(weights: Sequence[Matrix | None]) -> Matrix | None:
    """Weights side by side, where all are known."""
    known = [each for each in weights if each is not None]
    return np.hstack(known) if len(known) == len(weights) else None


def _in_file_order(index: Indices, sizes: Sequence[int]) -> Indices:
    """Sort the rows between one size and the next: the same subsets, gathered front to back."""
    for start, stop in zip((0, *sizes), sizes, strict=False):
        index[start:stop].sort()
    return index
