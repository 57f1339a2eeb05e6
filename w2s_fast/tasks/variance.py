"""How much of each teacher's variance the student sheds, beside what the paper's theorem says of their overlap."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from w2s_fast.probing.data import Array, Matrix, Rows, part
from w2s_fast.probing.design import Design
from w2s_fast.probing.probe import run_design
from w2s_fast.probing.task import Task
from w2s_fast.results.summary import Estimate
from w2s_fast.results.trials import estimate
from w2s_fast.tasks.cache import ShowProgress
from w2s_fast.tasks.real import RealTask, Run, comparable

BLOCKS = 5  # of trials, each with a variance of its own: their spread is the error


class Shed(NamedTuple):
    """What becomes of one teacher's variance at the sizes that sweeps fix.

    Attributes
    ----------
    overlap : float
        d_shared / d_weak of all columns: fits without ridge use all, however little energy they have.
    expected : float
        By the theorem, for Gaussian features of these dimensions and teachers without bias, the student sheds the
        share (1 - overlap) (1 - d_strong / (N - d_strong - 1)) of its teacher's variance.
    measured : Estimate
        1 - (student's variance) / (teacher's variance), means over the test rows.
    variance_share : float
        Of the teacher's test error. Overlap says nothing of the rest, which is bias and noise.
    """

    overlap: float
    expected: float
    measured: Estimate
    variance_share: float


def shed(
    task: RealTask, runs: Sequence[Run], *, trials: int, seed: int, show_progress: ShowProgress, workers: int | None
) -> dict[str, Shed]:
    """Decompose the errors of the teachers that have one student, without added noise.

    Nothing is found for fits that classify: the theorem is one of linear regression.
    """
    if task.classifies:
        return {}
    same_student = comparable(task, runs)
    joint = _joint([run.task for run in same_student], [run.pair.teacher for run in same_student])
    n, N = task.fixed
    blocks = []
    with show_progress("bias and variance") as progress:
        for block in range(BLOCKS):
            design = Design.of(joint, n, N, BLOCKS * seed + block, decompose=True)
            pairs = run_design(design, max(2, trials // BLOCKS), workers=workers)
            blocks.append([pair.decomposition for pair in pairs.values()])
            if progress is not None:
                progress(block + 1, BLOCKS)
    names = ("weak_variance", "w2s_variance", "weak_bias")
    parts = np.array([[[getattr(pair, name) for name in names] for pair in block] for block in blocks])
    return {run.pair.teacher: _shed(run, N, *parts[:, place].T) for place, run in enumerate(same_student)}


def _joint(tasks: Sequence[Task], teachers: Sequence[str]) -> Task:
    """One task of many teachers, which share the student's work."""

    def arrays(rows: Sequence[Rows]) -> tuple[dict[str, Array], Array, Matrix]:
        weak = {name: part(mine.weak) for name, mine in zip(teachers, rows, strict=True)}
        return weak, part(rows[0].strong), rows[0].y

    held_out = [task.test for task in tasks if isinstance(task.test, Rows)]
    return Task.of(*arrays([task.rows for task in tasks]), arrays(held_out), tasks[0].ridge)


def _shed(run: Run, N: int, weak_variance: Matrix, w2s_variance: Matrix, weak_bias: Matrix) -> Shed:
    """Put one teacher's parts, of every block, beside the theorem."""
    overlap, d_strong = run.overlap, run.task.rows.widths[1]
    expected = (1 - overlap) * (1 - d_strong / (N - d_strong - 1))
    share = weak_variance.mean() / (weak_variance + weak_bias).mean()
    return Shed(overlap, expected, estimate(1 - w2s_variance / weak_variance), float(share))
