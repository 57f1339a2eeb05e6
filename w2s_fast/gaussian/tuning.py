"""The best ridges of teacher and student, by their expected risks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from w2s_fast import _check
from w2s_fast._display import html_record, record
from w2s_fast.gaussian.equivalents import Spectrum, Stage
from w2s_fast.gaussian.model import GaussianModel
from w2s_fast.gaussian.stages import Spaces

Matrix = npt.NDArray[np.float64]
GRID = 193  # ridges at which a minimum is looked for first, three a decade and more
ZOOMS, ZOOM_GRID = 5, 17  # Each narrows the range eightfold, to a ten-thousandth in all: risks are flat there.
BEYOND = 1e6  # Ridges so far from all that matters make no difference.


class BestRidge(NamedTuple):
    """Ridges of the least expected risks, in squared units of the features, and these risks.

    ``teacher`` minimises ``weak``; ``student`` minimises ``w2s`` given that teacher. 0 and infinity are among them:
    a ridge may never help, and features may be better left alone.
    """

    teacher: Matrix
    student: Matrix
    weak: Matrix
    w2s: Matrix

    def __repr__(self) -> str:
        return record(self)

    def _repr_html_(self) -> str:
        return html_record(self)


def best_ridge(model: GaussianModel, n: Any, N: Any) -> BestRidge:
    """Ridge of the teacher and of the student, each for itself, that minimise their expected risks.

    Parameters
    ----------
    model : GaussianModel
    n, N : int or array_like of int
        Labelled and pseudo-labelled rows; they broadcast. ``numpy.inf`` gives the limit.

    Returns
    -------
    BestRidge
        Arrays of the broadcast shape. The teacher's ridge minimises its own expected risk on n labelled rows; the
        student's the expected risk of the student on N rows labelled by that teacher, which another teacher could
        still lower. Risks are those of :func:`expected_risks`, with its errors; the ridges are within some 0.1 % of
        their minimum, where risks are flat.

    See Also
    --------
    expected_risks : risks where all fits have one ridge

    Examples
    --------
    >>> from w2s_fast import GaussianModel, best_ridge, expected_risks
    >>> model = GaussianModel.paper(noise_variance=1e-4)
    >>> best = best_ridge(model, n=300, N=400)
    >>> f"{best.teacher:.0f} {best.student:.0f}"
    '1220 899'
    >>> f"{best.w2s:.2e} instead of {expected_risks(model, 300, 400).w2s:.2e}"
    '3.14e-04 instead of 5.91e-04'
    """
    _check.instance(model, GaussianModel, "model")
    labelled, pseudo = _check.broadcast(n=_check.sizes_or_limit(n, "n"), N=_check.sizes_or_limit(N, "N"))
    spaces = Spaces.of(model)
    found = np.empty((4, *labelled.shape))
    teachers: dict[float, tuple[float, float, Stage]] = {}
    for place in np.ndindex(labelled.shape):
        rows, new_rows = float(labelled[place]), float(pseudo[place])
        if rows not in teachers:
            teachers[rows] = _best_teacher(spaces, rows)
        teacher_ridge, weak, teacher = teachers[rows]
        student_ridge, w2s = _best_student(spaces, teacher, new_rows)
        found[:, *place] = teacher_ridge, student_ridge, model.rho_weak + weak, model.rho_strong + w2s
    return BestRidge(*(values[()] for values in found))


def _best_teacher(spaces: Spaces, rows: float) -> tuple[float, float, Stage]:
    """Return the teacher's ridge, its risk within V_w and its fit."""

    def risk(ridges: Matrix) -> Matrix:
        return spaces.teacher_risk(spaces.teacher(np.full(ridges.size, rows), ridges))

    energy = spaces.target_weak.sum()
    best, least = _least(risk, *_range(spaces.weak, rows, spaces.noise_weak, energy))
    return best, least, spaces.teacher(np.array([rows]), np.array([best]))


def _best_student(spaces: Spaces, teacher: Stage, rows: float) -> tuple[float, float]:
    """Return the student's ridge and its risk within V_s."""

    def risk(ridges: Matrix) -> Matrix:
        student = spaces.student(np.full(ridges.size, rows), ridges)
        return spaces.student_risk(teacher.at(np.zeros(ridges.size, np.intp)), student)

    learnable = float(spaces.target_strong @ spaces.target_strong)
    noise = float(spaces.teacher_risk(teacher)[0]) + float(spaces.target_weak.sum())
    return _least(risk, *_range(spaces.strong, rows, noise, learnable))


def _range(spectrum: Spectrum, rows: float, noise: float, energy: float) -> tuple[float, float]:
    """Ridges below and above which nothing changes, in squared units of the features."""
    smallest, d = float(spectrum.values[0]), spectrum.dimension
    needed = d * noise / energy if energy > 0 else 0.0  # by features that are all alike
    low, high = smallest / BEYOND, BEYOND * (min(rows, 1e12) + min(needed, 1e12))
    return low * spectrum.scale**2, high * spectrum.scale**2


def _least(risk: Callable[[Matrix], Matrix], low: float, high: float) -> tuple[float, float]:
    """Minimise over all ridges: the lowest of a grid, then of ever finer ones around it, against 0 and infinity."""
    ends = np.array([0.0, np.inf])
    at_ends = risk(ends)
    grid = np.geomspace(low, high, GRID)
    for zoom in range(ZOOMS + 1):
        values = risk(grid)
        lowest = int(np.argmin(values))
        best, least = float(grid[lowest]), float(values[lowest])
        if zoom < ZOOMS:
            grid = np.geomspace(grid[max(lowest - 1, 0)], grid[min(lowest + 1, grid.size - 1)], ZOOM_GRID)
    end = int(np.argmin(at_ends))
    return (float(ends[end]), float(at_ends[end])) if at_ends[end] <= least else (best, least)
