"""The fits of one trial to points that share one random order of the rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from itertools import repeat
from typing import Any

import numpy as np

from w2s_fast.probing.data import Matrix
from w2s_fast.probing.design import Design, Pair, Points
from w2s_fast.probing.fits import Fit, Learner, Sums
from w2s_fast.probing.scores import Predicted, Scores, Taught, score
from w2s_fast.probing.splits import Indices
from w2s_fast.probing.trial_results import TrialResult

Tops = Iterable[Sums | None]  # sums over the first rows, for each of several sizes; None where no sums can serve


class NestedFits:
    """One order of the rows: the first ones are labelled, those behind them pseudo-labelled."""

    def __init__(self, design: Design, points: Points, order: Indices, labels: Matrix) -> None:
        self.design, self.points = design, points
        self.ns, self.Ns = (sorted(set(sizes)) for sizes in zip(*points, strict=True))
        most = self.ns[-1], self.Ns[-1]
        self.labelled = _in_file_order(order[: most[0]], self.ns)
        self.pseudo = _in_file_order(order[most[0] : sum(most)], self.Ns)
        self.known, self.hidden = labels[self.labelled], labels[self.pseudo]
        self.k = labels.shape[1]

    def results(self) -> dict[Pair, TrialResult]:
        """Fit teachers, let them label, fit students, and test."""
        taught = {
            name: self._labelled_fits(learner, self._labelled_sums(learner, self.ns[-1]))
            for name, learner in self.design.teachers.items()
        }
        pseudo_labels = [self._pseudo_labels(learner, taught[name]) for name, learner in self.design.teachers.items()]
        labels = np.hstack([self.hidden, *pseudo_labels])
        compared = self.design.scoring.needs_teacher
        tested = {name: self._test(teacher, taught[name], compared) for name, teacher in self.design.teachers.items()}
        teachers = self._taught(list(tested.values())) if compared else None
        found = {}
        for name, learner in self.design.students.items():
            fits = self._student_fits(learner, labels)
            inherited = self._inherited(name, taught)
            scores = self._test(learner, fits + inherited, taught=teachers)
            for place, teacher in enumerate(self.design.teachers):
                found[teacher, name] = self._result(place, taught[teacher], tested[teacher], fits, scores)
        return found

    def _labelled_sums(self, learner: Learner, most: int) -> Tops:
        """Sums over the labelled rows of every n, unless no fit uses them, or ``most`` rows are too few for it."""
        if not learner.estimator.uses_sums or most < learner.columns:
            return repeat(None, len(self.ns))
        return learner.prefix_sums(self.labelled, self.known, self.ns)

    def _labelled_fits(self, learner: Learner, tops: Tops) -> list[Fit]:
        """Fits to the labelled rows of every n."""
        return [
            learner.fit(self.labelled[:n], partial(self.known.__getitem__, slice(n)), sums)
            for n, sums in zip(self.ns, tops, strict=True)
        ]

    def _pseudo_labels(self, teacher: Learner, fits: Sequence[Fit]) -> Matrix:
        """Pseudo-labels (N, n times k) of the teacher of every n."""
        return teacher.predict(self.pseudo, np.hstack([fit.weights for fit in fits]))

    def _student_fits(self, student: Learner, labels: Matrix) -> list[Fit]:
        """Baseline of every n; ceiling of every point; for every teacher, w2s of every point."""
        few = list(self._labelled_sums(student, self.ns[-1] + self.Ns[-1]))
        many: Tops = repeat(None) if few[0] is None else student.prefix_sums(self.pseudo, labels, self.Ns)
        ceilings: dict[tuple[int, int], Fit] = {}
        w2s: dict[tuple[int, tuple[int, int]], Fit] = {}
        for N, sums in zip(self.Ns, many, strict=False):
            points = [(n, N) for n in self.ns if (n, N) in self.points]
            for n, _ in points:
                ceilings[n, N] = self._ceiling(student, few[self.ns.index(n)], sums, n, N)
            places = [(t, point) for t in range(len(self.design.teachers)) for point in points]
            columns = np.concatenate([self._columns_of_teacher(t, n) for t, (n, _) in places])
            fit = student.fit(
                self.pseudo[:N],
                partial(labels.__getitem__, (slice(N), columns)),
                None if sums is None else sums.of_labels(columns),
            )
            for place, weights in zip(places, np.split(fit.weights, len(places), axis=1), strict=True):
                w2s[place] = fit._replace(weights=weights)
        teachers = range(len(self.design.teachers))
        baselines = self._labelled_fits(student, few)
        return baselines + [ceilings[p] for p in self.points] + [w2s[t, p] for t in teachers for p in self.points]

    def _columns_of_teacher(self, teacher: int, n: int) -> Indices:
        """Columns of [hidden | those of the first teacher for every n | ...]."""
        return self.k * (1 + teacher * len(self.ns) + self.ns.index(n)) + np.arange(self.k)

    def _ceiling(self, student: Learner, few: Sums | None, many: Sums | None, n: int, N: int) -> Fit:
        if many is not None:
            many = many.of_labels(np.arange(self.k))
        if self.design.task.ceiling == "pseudo":
            return student.fit(self.pseudo[:N], lambda: self.hidden[:N], many)
        sums = None if few is None or many is None else few.plus(many)
        index = np.concatenate((self.labelled[:n], self.pseudo[:N]))
        return student.fit(index, lambda: np.vstack((self.known[:n], self.hidden[:N])), sums)

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
        return score(predicted, len(fits), design.test_labels, design.scoring, keep=keep, taught=taught)

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
        flags = of(*(np.array([fit.ill_conditioned for fit in found]) for found in (taught, fits)))
        flags[:, 3] |= flags[:, 0]  # labels that hang on rounding make a student that does
        measured = {
            name: of(tested.values[name][0], values[teacher if len(values) > 1 else 0])
            for name, values in scores.values.items()
        }
        return TrialResult(of(tested.errors, scores.errors), measured, flags, predictions)


def _in_file_order(index: Indices, sizes: Sequence[int]) -> Indices:
    """Sort the rows between one size and the next: the same subsets, gathered front to back."""
    for start, stop in zip((0, *sizes), sizes, strict=False):
        index[start:stop].sort()
    return index
