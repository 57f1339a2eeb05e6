"""What a trial is drawn for, and the room that it takes."""

from typing import Any, NamedTuple

import numpy as np

from w2s_fast.kernels.trials import Matrix, Vector

FRESH = 3  # axes of V_s that the weights of baseline, student and noise's student single out, one each
COS, SIN, TARGET_S, TARGET_W, TARGET_P = range(5)  # rows of ``tilted``
# Columns of what fits leave of their labels, and rows of weights: the teacher, the teacher of noise alone, baseline,
# the students of the unit directions along and across what the teacher says outside V_s, and the ceiling.
# They are NumPy's integers, since a function is compiled anew for every literal that it is called with.
PLACES: Any = map(np.int64, range(7))
TEACHER, NOISE, BASE, ALONG, ACROSS, CEIL, FITS = PLACES


class Setting(NamedTuple):
    """A :class:`~w2s_fast.kernels.trials.Geometry` with what follows from it.

    Attributes
    ----------
    shared, weak_only, strong_only : float
        Dimensions of the blocks.
    special, inside : int
        Axes of V_s off the shared block: the s_i and t, and those that fits single out as well.
    target_strong : float
    tilted : (5, t) ndarray
        Cosines and sines of the tilted angles; the target on the s_i, on w_i = cos_i s_i + sin_i q_i and on
        p_i = cos_i q_i - sin_i s_i.
    outside : (t + 2 or t + 3,) ndarray
        What V_s cannot say of a label: on the q_i, on B1 if there is one, on u and on e.
    spread : float
        Its length.
    frame : ndarray
        Orthogonal, its first column along ``outside``.
    """

    shared: float
    weak_only: float
    strong_only: float
    special: int
    inside: int
    target_strong: float
    tilted: Matrix
    outside: Vector
    spread: float
    frame: Matrix


class Room(NamedTuple):
    """Where a trial works.

    Attributes
    ----------
    labelled, pseudo, contrast : ndarray
        Rows off the shared block, and the contrast of both groups on it.
    errors, hidden : ndarray
        Of the teachers' weights.
    weights : ndarray
        Of all other fits off the shared block, a row each.
    said : (5, axes) ndarray
        Outside V_s: the truth, the two teachers, and the two unit directions.
    residuals, gram : ndarray
        What fits leave of their labels, a column each, and inner products of their errors on the shared block.
    A, B, T, X, Y : ndarray
        For anything.
    """

    labelled: Matrix
    pseudo: Matrix
    contrast: Matrix
    errors: Matrix
    hidden: Matrix
    weights: Matrix
    said: Matrix
    residuals: Matrix
    gram: Matrix
    A: Matrix
    B: Matrix
    T: Matrix
    X: Matrix
    Y: Matrix


def shapes(tilted: int) -> list[tuple[int, int]]:
    """Shapes of what is in a :class:`Room`."""
    inside, outside = tilted + 1 + FRESH, tilted + 5
    axes = inside + outside + 1
    rows, block, tall = (inside + 1, inside + 1), (axes, axes), (2 * inside + 2 + axes, axes)
    return [
        *(rows, rows, block),
        *((tilted + 1, 2), (2, 2), (int(FITS), axes), (5, outside + 1)),
        *((axes, int(FITS)), (int(FITS), int(FITS))),
        *(block, block, block, tall, tall),
    ]
