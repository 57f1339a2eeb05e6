"""Trials whose rows fit no worker: linear fits, from sums that are made where the rows are.

A trial takes one pass over the rows, in which blocks are summed by the sets that rows are in; the fits of a trial in
memory then run from these. Labelled rows and test rows that fit a worker are gathered all the same: few of them have no
Gram matrix that serves, and test errors come from residuals. Test errors by sums have the rounding of sums, relative to
what these are made of.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Any, Self

import numpy as np

from w2s_fast.linalg.leastsq.policy import EPS64
from w2s_fast.linalg.rows.products import LEAF_SIZES
from w2s_fast.probing.data import Features, Matrix
from w2s_fast.probing.design import Design, Pair, Points, most
from w2s_fast.probing.drawing import Rest
from w2s_fast.probing.estimators.ridge import CONSTANT, Ridge
from w2s_fast.probing.fits import Fit, Learner, Sums
from w2s_fast.probing.gathering import BeyondRoomError, Elsewhere
from w2s_fast.probing.joint import NONE, Joint, JointSums, Sets, SetsOfNumbers, as_they_are, joined
from w2s_fast.probing.scores import Scores, Taught
from w2s_fast.probing.splits import Indices
from w2s_fast.probing.trial import NestedFits, Tops
from w2s_fast.probing.trial_results import TrialResult
from w2s_fast.probing.trial_results import joined as joined_results

DIGITS = 100  # times its rounding, a test error by sums has two of them
TESTED = 1  # the set of the test rows; those of trials follow
NO_ROWS = np.empty(0, np.int64)


class TrialsOfSums:
    """Trials of a design whose rows fit no worker.

    Parameters
    ----------
    beyond : BeyondRoomError
        Says that they do not.
    """

    def __init__(self, design: Design, beyond: BeyondRoomError) -> None:
        _require_sums_to_serve(design, beyond)
        self.design, self.columns = design, Columns.of(design)
        tested = design.bytes_of_test()
        self.tests_here = tested <= beyond.room
        left = beyond.room - tested * self.tests_here
        self.labels_here = design.bytes_of(sum(most(points)[0] for points in design.nested_points)) <= left
        if not self.tests_here and design.scoring.measures:
            raise ValueError(f"{beyond}. By sums there is no {' and no '.join(design.scoring.measures)}: lower test")
        self.tested = design.with_test_at_hand() if self.tests_here else design

    def __call__(self, trial: int) -> tuple[int, dict[Pair, TrialResult]]:
        design, groups = self.design, self.design.nested_points
        labels = design.labels_of(trial)
        sums = self._pass(trial, labels)
        labelled = [design.labelled(trial, points) if self.labels_here else NO_ROWS for points in groups]
        fitted = self.tested.with_labelled_at_hand(labelled) if self.labels_here else self.tested
        parts = []
        for points, order, sets in zip(groups, labelled, self._sets(), strict=True):
            n = len({n for n, _ in points})
            few, many = (_running(sums, part) for part in (() if self.labels_here else sets[:n], sets[n:]))
            parts.append(FitsOfSums(fitted, points, order, labels, self.columns, few, many, sums.get(TESTED)).results())
        return trial, {pair: joined_results([results[pair] for results in parts]) for pair in design.pairs}

    def _sets(self) -> list[range]:
        """Numbers of the sets of each order: labelled rows from one n to the next, and pseudo-labelled ones."""
        counts = [len(_ends(points)) for points in self.design.nested_points]
        first = TESTED + 1 + np.cumsum([0, *counts])
        return [range(start, start + count) for start, count in zip(first.tolist(), counts, strict=False)]

    def _pass(self, trial: int, labels: tuple[Matrix, Matrix]) -> dict[int, Joint]:
        """Sums over each set of a trial."""
        design = self.design
        tests = TESTED if design.test is design.task.rows and not self.tests_here else NONE
        learners = self.columns.learners
        sets, beside = self._membership(trial, tests)
        known = self._labels_beside(labels, tests)
        found = self._total([learner.train for learner in learners], known, sets, beside)
        if not (self.tests_here or tests):
            every = np.full((len(design.test), 1), TESTED, np.uint16)
            noise = design.task.noise
            stay = None if noise and noise.on_test else design.test.labels_elsewhere
            tested = labels[1] if stay is None else stay
            found |= self._total([learner.test for learner in learners], tested, as_they_are, every)
        return found

    def _labels_beside(self, labels: tuple[Matrix, Matrix], tests: int) -> Any:
        """Labels of all rows: where they are if they are as they came; with noise, that test labels may not have."""
        design = self.design
        if not design.task.noise:
            stay = design.task.rows.labels_elsewhere
            return labels[0] if stay is None else stay
        if not tests:
            return labels[0]
        found = labels[0].copy()
        found[design.test_index] = labels[1]
        return found

    def _membership(self, trial: int, tests: int) -> tuple[Callable[[Any], Sets], Sets | None]:
        """What tells the sets of rows from what lies beside them, and that: None for the numbers of the rows."""
        design, numbers, groups = self.design, self._sets(), self.design.nested_points
        ends, named = [_ends(points) for points in groups], [np.array(one, np.uint16) for one in numbers]
        if self.labels_here:
            for points, sets in zip(groups, named, strict=True):
                sets[: len({n for n, _ in points})] = NONE
        if isinstance(rest := design.pools[0], Rest):
            orders = [design.shuffle(0, trial, points) for points in groups]
            return SetsOfNumbers(rest, orders, ends, named, tests), None
        found = np.full((len(design.task.rows), len(groups)), NONE, np.uint16)
        for place, (points, stops, sets) in enumerate(zip(groups, ends, named, strict=True)):
            rows = design.order_of(trial, points)[: stops[-1]]
            found[rows, place] = np.repeat(sets, np.diff(stops, prepend=0))
        if tests:
            found[design.test_index, 0] = tests
        return as_they_are, found

    def _total(
        self, models: Sequence[Features], labels: Any, sets: Callable[[Any], Sets], beside: Sets | None
    ) -> dict[int, Joint]:
        """One pass over the rows of all models, led by the first of them that is in a cluster."""
        values: list[Any] = [
            model.values.rows if isinstance(model.values, Elsewhere) else model.values for model in models
        ]
        lead = next(place for place, model in enumerate(models) if isinstance(model.values, Elsewhere))
        rows = values.pop(lead)
        part = JointSums([learner.view for learner in self.columns.learners], sets, lead)
        least = (
            LEAF_SIZES * 8 * self._sets()[-1].stop * self.columns.labels.stop**2
        )  # lest sums take more room than rows
        found = rows.total(part, joined, *values, labels, rows.numbers() if beside is None else beside, least=least)
        return dict(found)


def _ends(points: Points) -> Indices:
    """Places in an order that its sets end before: up to each n, and behind the last of them up to each N."""
    ns, Ns = (sorted(set(sizes)) for sizes in zip(*points, strict=True))
    return np.array([*ns, *(ns[-1] + N for N in Ns)])


def _running(sums: Mapping[int, Joint], sets: Sequence[int]) -> list[Joint]:
    """Sums over the rows of the first set, of the first two, and so on."""
    return [*accumulate((sums[which] for which in sets), Joint.plus)]


def _require_sums_to_serve(design: Design, beyond: BeyondRoomError) -> None:
    """Refuse what sums over rows do not tell, and features that cannot be summed where others are."""
    task = design.task
    fits = zip(task.fits, task.ridges, task.estimators, strict=True)
    wrong = [f"fit={name!r} with ridge={ridge!s}" for name, ridge, found in fits if not isinstance(found, Ridge)]
    wrong += [f"pseudo_labels={task.pseudo_labels!r}"] * (task.pseudo_labels != "soft")
    wrong += [f"confident={task.confident:g}"] * (task.confident < 1.0)
    wrong += ["decompose=True"] * (design.projections is not None)
    if any(learner.train.are_predictions for learner in design.teachers.values()):
        wrong.append("a teacher given by its Predictions")
    if wrong:
        raise ValueError(f"{beyond}. By sums alone there are fits of one ridge each, and not {' and '.join(wrong)}")
    for name, learner in (*design.teachers.items(), *design.students.items()):
        for features in (learner.train, learner.test):
            if not isinstance(features.values, Elsewhere | np.ndarray):
                kind = type(features.values).__name__
                raise ValueError(f"{beyond}. To be summed, {name} must be a Dask array or in memory, got {kind}")


@dataclass(frozen=True, eq=False)
class Columns:
    """Where the columns of each teacher, of each student, and of the labels, are in joint sums."""

    learners: Sequence[Learner]  # in the order of their columns
    teachers: Mapping[str, slice]
    students: Mapping[str, slice]
    labels: slice

    @classmethod
    def of(cls, design: Design) -> Self:
        end, found = 0, []
        for learners in (design.teachers, design.students):
            places = {}
            for name, learner in learners.items():
                places[name] = slice(end, end + learner.columns)
                end += learner.columns
            found.append(places)
        teachers, students = found
        labels = slice(end, end + design.task.rows.labels.shape[1])
        return cls([*design.teachers.values(), *design.students.values()], teachers, students, labels)


class Unseen:
    """Stands for labels of rows that are only known by sums: who asks for them is told what to do."""

    def __getitem__(self, rows: Any) -> Any:
        raise ValueError(
            "these trials are fitted by sums over rows that fit no worker, and one of the fits needs the rows: it has "
            "fewer of them than columns, or is too ill-conditioned for a Gram matrix. Raise n, N or ridge, leave "
            "columns out that say the same, or lower n, N and test until the rows of a trial fit a worker"
        )


class FitsOfSums(NestedFits):
    """One order of the rows, of which sums are known.

    Parameters
    ----------
    labelled, pseudo : sequence of Joint
        Sums over the labelled rows of every n, and the pseudo-labelled ones of every N; none of the former where
        ``order`` has the rows that are labelled.
    test : Joint or None
        Over the test rows, None where these are at hand.
    """

    def __init__(
        self,
        design: Design,
        points: Points,
        order: Indices,
        labels: tuple[Matrix, Matrix],
        columns: Columns,
        labelled: Sequence[Joint],
        pseudo: Sequence[Joint],
        test: Joint | None,
    ) -> None:
        known, test_labels = labels
        self._begin(design, points, test_labels)
        self.columns, self.few, self.many, self.tested = columns, labelled, pseudo, test
        self.k = known.shape[1]
        self.labelled, self.pseudo = order.copy(), NO_ROWS
        for start, stop in pairwise((0, *self.ns)):
            self.labelled[start:stop].sort()
        self.both, self.hidden = self.labelled, _unseen()
        self.known = _unseen() if labelled else known[self.labelled]
        self.shown = _unseen()

    def _labelled_sums(self, learner: Learner, most: int) -> Tops:
        if not self.few:
            return super()._labelled_sums(learner, most)
        place = self._place(learner)
        return [joint.of(place, self.columns.labels) for joint in self.few]

    def _label(self, taught: Mapping[str, list[Fit]]) -> None:
        """Keep what teachers are: their labels are known by X_s'X_w a."""
        self.taught = [
            (self.columns.teachers[name], np.hstack([fit.weights for fit in fits])) for name, fits in taught.items()
        ]

    def _pseudo_labelled_sums(self, student: Learner) -> Tops:
        place = self._place(student)
        for joint in self.many:
            said = [joint.gram[place, teacher] @ weights for teacher, weights in self.taught]
            moments = np.hstack([joint.gram[place, self.columns.labels], *said])
            yield Sums(joint.gram[place, place], moments, joint.n_rows)

    def _with_moments(self, student: Learner, sums: Sums, index: Indices, labels: Matrix, taught: Fit) -> Sums:
        return sums._replace(moments=sums.gram @ taught.weights)

    def _place(self, learner: Learner) -> slice:
        design, columns = self.design, self.columns
        kinds = (design.teachers, columns.teachers), (design.students, columns.students)
        (place,) = [places[name] for learners, places in kinds for name, one in learners.items() if one is learner]
        return place

    def _test(
        self, learner: Learner, fits: Sequence[Fit], compared: bool = False, taught: Taught | None = None
    ) -> Scores:
        if self.tested is None:
            return super()._test(learner, fits, compared, taught)
        sums = self.tested.of(self._place(learner), self.columns.labels)
        labels = np.diagonal(self.tested.gram[self.columns.labels, self.columns.labels])
        squares = np.stack([_squared_residuals(sums, labels, fit.weights) for fit in fits])
        size = self.design.scoring.columns
        errors = squares.reshape(len(fits), -1, size).sum(axis=2) if size > 1 else squares
        return Scores(errors / sums.n_rows, {}, None)


def _unseen() -> Any:
    return Unseen()


def _squared_residuals(sums: Sums, labels: Matrix, weights: Matrix) -> Matrix:
    """|X w - y|^2 of each column of weights and labels, or ValueError where rounding leaves less than two digits.

    X'X, X'y and y'y are off by some eps sqrt(m) of the sums of magnitudes, at the most and not on average eps m
    (Higham and Mary 2019), and of these |w|'|X'X||w| + 2 |w|'|X'y| + y'y is a bound of each term that the result has.
    """
    gram, moments, m = sums
    found = np.einsum("ik,ik->k", weights, gram @ weights - 2 * moments) + labels
    size, norms = np.abs(weights), np.sqrt(np.diagonal(gram))
    rounding = CONSTANT * EPS64 * math.sqrt(m) * (norms @ size + np.sqrt(labels)) ** 2
    if np.any(found <= DIGITS * rounding):
        raise ValueError(
            f"test errors by sums over {m:,} rows are down to {float((found / m).min()):.1e}, where rounding is "
            f"{float((rounding / m).max()):.1e}: lower test until its rows fit a worker, and errors come from residuals"
        )
    return np.asarray(found)
