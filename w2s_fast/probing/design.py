"""What all trials of a probe share: the points, the rows they may draw, the test rows, the models."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from w2s_fast import _check, _devices
from w2s_fast._cached import cached_property
from w2s_fast._random import stream
from w2s_fast._threads import single_threaded_blas
from w2s_fast.linalg.rows.cutting import gathered
from w2s_fast.probing import drawing
from w2s_fast.probing.data import Features, Matrix, Rows
from w2s_fast.probing.drawing import ORDERS, Pool, Shuffle, listed
from w2s_fast.probing.estimators.given import Given
from w2s_fast.probing.fits import Estimator, Learner, Sums
from w2s_fast.probing.gathering import BeyondRoomError, gathered_rows, least_bytes_a_row
from w2s_fast.probing.scores import Scoring, require_both
from w2s_fast.probing.splits import Indices
from w2s_fast.probing.task import Task

Points = Sequence[tuple[int, int]]
Pair = tuple[str, str]  # names of a teacher and a student
SPLITS = (0,)  # coordinate of the random stream: a permutation a trial
KINDS = ("labelled", "pseudo_labelled")  # of pools, where there are two


@dataclass(frozen=True, eq=False)
class Design:
    """A task at given points.

    Attributes
    ----------
    n, N : ndarray of int64
        Sizes of the points, of one shape.
    pools : tuple of ndarray of int64, or of Rest
        Rows that trials draw from: one pool, or one of labelled and one of pseudo-labelled rows.
    test, test_index : Rows, ndarray of int64
        What the test rows are rows of, and which.
    teachers, students : mapping of str to Learner
    projections : mapping of Pair to ndarray, or None
        For a decomposition: the matrix C (p_strong, p_weak) that takes a teacher's weights to those of the student's
        closest fit to it over the pool.
    """

    task: Task
    n: Indices
    N: Indices
    seed: int
    pools: tuple[Pool, ...]
    test: Rows
    test_index: Indices
    teachers: Mapping[str, Learner]
    students: Mapping[str, Learner]
    projections: Mapping[Pair, Matrix] | None

    @classmethod
    def of(cls, task: Task, n: Any, N: Any, seed: int, decompose: bool = False) -> Design:
        """Split the rows; refuse points that ask for more of them than there are."""
        seed = _check.integer(seed, "seed")
        decompose = _check.boolean(decompose, "decompose")
        pools, test, index = task.split(seed)
        n, N = (_all_rows(pools, kind, size) for kind, size in (("n", n), ("N", N)))
        labelled, pseudo = _check.broadcast(n=_check.sizes(n, "n"), N=_check.sizes(N, "N"))
        require_both(task.metrics, test.labels[index])
        teaching, learning = task.estimators
        teachers = {
            name: _teacher(features, test.teachers[name], teaching, task)
            for name, features in task.rows.teachers.items()
        }
        students = {
            name: Learner(features, test.students[name], learning, task.intercept)
            for name, features in task.rows.students.items()
        }
        found = cls(task, labelled.copy(), pseudo.copy(), seed, pools, test, index, teachers, students, None)
        found._require_enough_rows()
        found._require_predictions()
        if decompose:
            found._require_linear()
        if not decompose:
            return found
        every = np.concatenate([*map(listed, pools)])
        projections = {(t, s): _projection(teachers[t], students[s], every) for t in teachers for s in students}
        return replace(found, projections=projections)

    def _require_enough_rows(self) -> None:
        sizes = [most(group) for group in self.nested_points]
        if len(self.pools) > 1:
            largest = map(max, zip(*sizes, strict=True))
            for name, kind, pool, asked in zip("nN", KINDS, self.pools, largest, strict=True):
                if asked > len(pool):
                    raise ValueError(f"{name} asks for up to {asked:,} rows, {kind} has {len(pool):,}: lower {name}")
        elif max(map(sum, sizes)) > len(self.pools[0]):
            (n, N), left = max(sizes, key=sum), len(self.pools[0])
            raise ValueError(
                f"n + N asks for up to {n + N:,} rows a trial ({n:,} + {N:,}), but {left:,} are left beside the test "
                "rows: lower n, N or test"
            )

    def _require_predictions(self) -> None:
        """Refuse rows to be pseudo-labelled or tested on of which a teacher that is given says nothing."""
        kinds = {"to be pseudo-labelled": (self.task.rows, None), "to test on": (self.test, self.test_index)}
        for kind, (rows, some) in kinds.items():
            for name, features in rows.teachers.items():
                if not features.are_predictions:
                    continue
                index = listed(self.pools[-1]) if some is None else some
                missing = index[np.isnan(features.take(index)).any(axis=1)]
                if missing.size:
                    raise ValueError(
                        f"weak[{name!r}] has no predictions for {missing.size:,} of the rows {kind}, the first is row "
                        f"{missing[0]}: set the rows that it has apart with pseudo_labelled and test"
                    )

    def _require_linear(self) -> None:
        """Refuse to decompose what is not linear in the labels, or has test labels that change."""
        task = self.task
        for name, estimator in zip(task.fits, task.estimators, strict=True):
            if not estimator.is_linear:
                raise ValueError(f"decompose takes fits that are linear in their labels, got {name!r}")
        if task.pseudo_labels != "soft" or task.confident < 1.0 or task.rounds > 1:
            raise ValueError("decompose takes pseudo-labels as the teacher says them: soft, all of them, in one round")
        if not task.noise.is_fixed_on_test:
            raise ValueError("decompose takes test labels that stay: noise_on_test goes with noise_once=True alone")

    def labels_of(self, trial: int) -> tuple[Matrix, Matrix]:
        """Labels of all rows, and of the test rows, with the noise of a trial."""
        task, noise = self.task, self.task.noise
        labels = noise.of_training(task.rows.labels, task.coding, self.seed, trial) if noise else task.rows.labels
        if not (noise and noise.on_test):
            return labels, self.test.labels[self.test_index]
        if self.test is task.rows:
            return labels, labels[self.test_index]
        return labels, noise.of_test(self.test.labels, task.coding, self.seed, trial)[self.test_index]

    def drawn(self, rng: np.random.Generator, points: Points) -> Indices:
        """Rows in the order of a trial: those that may be labelled, and behind the last of them the pseudo-labelled."""
        first, *others = (rng.permutation(listed(pool)) for pool in self.pools)
        return np.concatenate((first[: most(points)[0]], *others)) if others else first

    def order_of(self, trial: int, points: Points) -> Indices:
        """Rows of a trial in its order, as many as these points use, or more."""
        place = () if self.task.nested else points[0]
        if not self.is_too_long_to_list:
            return self.drawn(stream(self.seed, (*SPLITS, *place), trial), points)
        sizes = most(points) if len(self.pools) > 1 else (sum(most(points)),)
        shuffles = (self.shuffle(pool, trial, points) for pool in range(len(sizes)))
        found = (
            pool[shuffle.numbers(np.arange(size))]
            for pool, shuffle, size in zip(self.pools, shuffles, sizes, strict=True)
        )
        return np.concatenate([*found])

    def shuffle(self, pool: int, trial: int, points: Points) -> Shuffle:
        """The order of a pool in a trial, where it is a bijection."""
        place = () if self.task.nested else points[0]
        return Shuffle.of(len(self.pools[pool]), self.seed, (ORDERS, pool, *place), trial)

    @property
    def is_too_long_to_list(self) -> bool:
        """Whether trials draw from more rows than they permute lists of."""
        return max(map(len, self.pools)) > drawing.LISTED

    def labelled(self, trial: int, points: Points) -> Indices:
        """Rows of a trial that are labelled, in its order."""
        n, _ = most(points)
        if self.is_too_long_to_list:
            return self.pools[0][self.shuffle(0, trial, points).numbers(np.arange(n))]
        return self.order_of(trial, points)[:n]

    def bytes_of(self, count: int) -> int:
        """Bytes of so many rows that may be drawn and are in a cluster, of those that have the fewest."""
        return count * least_bytes_a_row(self.task.rows)

    def bytes_of_test(self) -> int:
        """Bytes of the rows that are tested on and are in a cluster, likewise."""
        return len(self.test_index) * least_bytes_a_row(self.test)

    def beyond_room(self) -> BeyondRoomError | None:
        """An error that says so, if the rows of one trial fit no worker."""
        count = max(sum(most(points)) for points in self.nested_points)
        alone = self.test is self.task.rows
        sizes = [self.bytes_of(count + len(self.test_index) * alone), self.bytes_of_test()]
        if not any(sizes) or max(sizes) <= (room := _devices.room_in_cluster()):
            return None
        told = f"one trial uses {count:,} rows, and {len(self.test_index):,} are tested on, of features in a cluster"
        return BeyondRoomError(f"{told}: {max(sizes):,} bytes, and a worker has room for {room:,}", room)

    def with_rows_at_hand(self, orders: Iterable[Indices]) -> Design:
        """The design with all rows in memory that are in a cluster, and are in these orders or tested on."""
        alone = self.test is self.task.rows
        found = gathered_rows(self.task.rows, orders, self.test_index if alone else None)
        return self._of_rows(found, found if alone else gathered_rows(self.test, [], self.test_index))

    def with_test_at_hand(self) -> Design:
        """The same of the rows that are tested on alone."""
        return self._of_rows(self.task.rows, gathered_rows(self.test, [], self.test_index))

    def with_labelled_at_hand(self, labelled: Iterable[Indices]) -> Design:
        """The same of some rows that are labelled, and not of those that are tested on."""
        return self._of_rows(gathered_rows(self.task.rows, labelled, None), self.test)

    def _of_rows(self, found: Rows, test: Rows) -> Design:
        if found is self.task.rows and test is self.test:
            return self
        task = replace(self.task, rows=found, test=test if isinstance(self.task.test, Rows) else self.task.test)
        teachers = {
            name: replace(learner, train=found.teachers[name], test=test.teachers[name])
            for name, learner in self.teachers.items()
        }
        students = {
            name: replace(learner, train=found.students[name], test=test.students[name])
            for name, learner in self.students.items()
        }
        return replace(self, task=task, test=test, teachers=teachers, students=students)

    @property
    def points(self) -> Points:
        return list(zip(self.n.ravel().tolist(), self.N.ravel().tolist(), strict=True))

    @property
    def nested_points(self) -> list[Points]:
        """Points that share the rows of a trial."""
        return [self.points] if self.task.nested else [[point] for point in self.points]

    @property
    def pairs(self) -> list[Pair]:
        return [(teacher, student) for teacher in self.teachers for student in self.students]

    @cached_property
    def scoring(self) -> Scoring:
        return self.task.scoring

    @property
    def targets(self) -> int:
        """How many problems the columns of labels are."""
        return self.task.rows.labels.shape[1] // self.scoring.columns

    @property
    def has_targets(self) -> bool:
        """Whether results have an axis of them."""
        return not self.task.has_one_target

    @property
    def test_labels(self) -> Matrix:
        """Labels (m, k) of the test rows, of the first trial where their noise changes."""
        return self.labels_of(0)[1]


def most(points: Points) -> tuple[int, int]:
    """The largest n, and the largest N."""
    n, N = (max(sizes) for sizes in zip(*points, strict=True))
    return n, N


def _all_rows(pools: tuple[Pool, ...], name: str, size: Any) -> Any:
    """A size, or where none is given that of the rows which are set apart for it."""
    if size is not None:
        return size
    if len(pools) < 2:
        raise ValueError(f"{name} may be left out where labelled or pseudo_labelled rows are given, else say how many")
    return len(pools["nN".index(name)])


def _teacher(features: Features, test: Features, estimator: Estimator, task: Task) -> Learner:
    """A teacher that is fitted, or one that is given."""
    if features.are_predictions:
        return Learner(features, test, Given(task.coding), False)
    return Learner(features, test, estimator, task.intercept)


def _projection(teacher: Learner, student: Learner, pool: Indices) -> Matrix:
    with single_threaded_blas():
        total = None
        for block in gathered(len(pool), max(teacher.columns, student.columns)):
            sums = Sums.of(student.rows(pool[block]), teacher.rows(pool[block]))
            total = sums if total is None else total.plus(sums)
        return student.fit(pool, lambda: teacher.rows(pool), total).weights
