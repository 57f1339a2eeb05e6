"""What all trials of a probe share: the points, the rows they may draw, the test rows, the models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from w2s_fast import _check
from w2s_fast._threads import single_threaded_blas
from w2s_fast.linalg.rows.cutting import gathered
from w2s_fast.probing.data import Indices, Matrix, Rows, Task
from w2s_fast.probing.estimators.registry import ESTIMATORS
from w2s_fast.probing.fits import Learner, Sums

Points = Sequence[tuple[int, int]]
Pair = tuple[str, str]  # names of a teacher and a student


@dataclass(frozen=True, eq=False)
class Design:
    """A task at given points.

    Attributes
    ----------
    n, N : ndarray of int64
        Sizes of the points, of one shape.
    pool : ndarray of int64
        Rows that trials draw from.
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
    pool: Indices
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
        labelled, pseudo = _check.broadcast(n=_check.sizes(n, "n"), N=_check.sizes(N, "N"))
        pool, test, index = task.split(seed)
        estimator = ESTIMATORS[task.fit](task.ridge)
        if decompose and not estimator.is_linear:
            raise ValueError(f"decompose takes fits that are linear in their labels, got {task.fit!r}")
        teachers, students = (
            {name: Learner(mine[name], theirs[name], estimator, task.intercept) for name in mine}
            for mine, theirs in ((task.rows.teachers, test.teachers), (task.rows.students, test.students))
        )
        found = cls(task, labelled.copy(), pseudo.copy(), seed, pool, test, index, teachers, students, None)
        found._require_enough_rows()
        if not decompose:
            return found
        projections = {(t, s): _projection(teachers[t], students[s], pool) for t in teachers for s in students}
        return cls(task, found.n, found.N, seed, pool, test, index, teachers, students, projections)

    def _require_enough_rows(self) -> None:
        sizes = [tuple(max(size) for size in zip(*group, strict=True)) for group in self.nested_points]
        if max(map(sum, sizes)) > len(self.pool):
            n, N = max(sizes, key=sum)
            raise ValueError(
                f"n + N asks for up to {n + N:,} rows a trial ({n:,} + {N:,}), but {len(self.pool):,} are left beside "
                "the test rows: lower n, N or test"
            )

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

    @property
    def test_labels(self) -> Matrix:
        """Labels (m, k) of the test rows."""
        return self.test.labels[self.test_index]


def _projection(teacher: Learner, student: Learner, pool: Indices) -> Matrix:
    with single_threaded_blas():
        total = None
        for block in gathered(len(pool), max(teacher.columns, student.columns)):
            sums = Sums.of(student.rows(pool[block]), teacher.rows(pool[block]))
            total = sums if total is None else total.plus(sums)
        return student.fit(pool, lambda: teacher.rows(pool), total).weights
