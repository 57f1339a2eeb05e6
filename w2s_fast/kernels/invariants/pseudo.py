"""The fits that see pseudo-labelled rows, off the shared block: student and ceiling."""

import math

from w2s_fast._jit import Matrix, Vector, part
from w2s_fast.kernels.draws import Draws, next_chi, staircase
from w2s_fast.kernels.invariants.labelled import fit_beside_block, hidden_residuals, weights_on_block
from w2s_fast.kernels.invariants.setting import (
    ACROSS,
    ALONG,
    CEIL,
    FRESH,
    NOISE,
    SIN,
    TARGET_W,
    TEACHER,
    Setting,
)
from w2s_fast.kernels.small import divide_by_root, inner, multiply_by_root, triangle

# Rows of ``said``: outside V_s, the truth, the teachers, and two unit directions that span what these say.
TRUTH, LABEL_SAID, NOISE_SAID, UNIT_ALONG, UNIT_ACROSS = range(5)
ROUNDING = 1e-8  # relative length of what noise says across the teacher, below which its square is rounding


@part
def fill_said(extra: int, setting: Setting, errors: Matrix, hidden: Matrix, said: Matrix) -> int:
    """Write what truth and teachers say outside V_s, and return the number of axes there."""
    tilted, outside = setting.tilted, setting.outside
    count, features = tilted.shape[1], outside.size - 2
    for i in range(said.shape[0]):
        for j in range(said.shape[1]):
            said[i, j] = 0.0
    for i in range(features):
        said[TRUTH, i] = outside[i]
        if i < count:
            said[LABEL_SAID, i] = tilted[SIN, i] * (tilted[TARGET_W, i] + errors[i, TEACHER])
            said[NOISE_SAID, i] = tilted[SIN, i] * errors[i, NOISE]
        else:
            said[LABEL_SAID, i], said[NOISE_SAID, i] = outside[i] + errors[i, TEACHER], errors[i, NOISE]
    for i in range(extra):
        said[LABEL_SAID, features + i], said[NOISE_SAID, features + i] = hidden[i, TEACHER], hidden[i, NOISE]
    said[TRUTH, features + extra], said[TRUTH, features + extra + 1] = outside[features], outside[features + 1]
    return features + extra + 2


@part
def directions(axes: int, said: Matrix) -> tuple[float, float, float]:
    """Write the unit directions; return the length of what the teacher says, and noise's part along and across it."""
    label, noise, along, across = said[LABEL_SAID], said[NOISE_SAID], said[UNIT_ALONG], said[UNIT_ACROSS]
    size = math.sqrt(inner(label, label, axes))
    for i in range(axes):
        along[i] = label[i] / size if size > 0.0 else 0.0
    if size == 0.0:
        along[0] = 1.0  # nothing depends on it
    shared, smallest = inner(noise, along, axes), 0
    for i in range(axes):
        across[i] = noise[i] - shared * along[i]
        if abs(along[i]) < abs(along[smallest]):
            smallest = i
    length = math.sqrt(inner(across, across, axes))
    if length <= ROUNDING * math.sqrt(inner(noise, noise, axes)):
        length = 0.0
        for i in range(axes):
            across[i] = 0.0
        across[smallest] = 1.0  # any direction will do that is not the first
    for _ in range(2):  # since rounding is left the first time
        product = inner(across, along, axes)
        for i in range(axes):
            across[i] -= product * along[i]
        norm = math.sqrt(inner(across, across, axes))
        for i in range(axes):
            across[i] /= norm
    return size, shared, length


@part
def student_fit(
    draws: Draws, rows: float, outside: int, setting: Setting, said: Matrix, weights: Matrix, pseudo: Matrix
) -> None:
    """Weights of the students of the two unit directions, then the rows given these (L2 twice).

    The second ones are U y for the root U of the first, and y normals over a chi. The last column of ``pseudo`` is the
    true label of what lies outside V_s.
    """
    special, axes, rest = setting.special, setting.inside, max(setting.strong_only - 1.0, 0.0)
    freedom = rows - setting.tilted.shape[1] - setting.strong_only + 1.0
    first, second, y = weights[ALONG], weights[ACROSS], weights[CEIL]
    weights_on_block(draws, special, rest, 1.0, next_chi(draws, freedom), first)
    weights_on_block(draws, special, rest, 2.0, next_chi(draws, freedom + 1.0), y)
    multiply_by_root(first, axes, y, second)
    staircase(draws, rows + 2.0, axes + 1, pseudo)
    divide_by_root(pseudo, axes, axes, y)
    divide_by_root(pseudo, axes, axes, first)
    truth = said[TRUTH]
    along, across = inner(truth, said[UNIT_ALONG], outside), inner(truth, said[UNIT_ACROSS], outside)
    beyond = 0.0
    for i in range(outside):
        beyond += (truth[i] - along * said[UNIT_ALONG, i] - across * said[UNIT_ACROSS, i]) ** 2
    for i in range(axes + 1):
        label = math.sqrt(beyond) * pseudo[i, axes]
        for j in range(i, axes):
            label += pseudo[i, j] * (along * first[j] + across * second[j])
        pseudo[i, axes] = label


@part
def stack(
    axes: int,
    outside: int,
    contrasts: int,
    spread: float,
    labelled: Matrix,
    pseudo: Matrix,
    contrast: Matrix,
    truth: Vector,
    out: Matrix,
) -> int:
    """Rows of V_s, and what lies outside it of their labels, of both groups and of their contrast."""
    for i in range(axes):
        for j in range(axes):
            out[i, j] = labelled[i, j]
        out[i, axes] = spread * labelled[i, axes]
    for i in range(axes + 1):
        for j in range(axes + 1):
            out[axes + i, j] = pseudo[i, j]
    first = 2 * axes + 1
    for i in range(contrasts):
        label = 0.0
        for j in range(axes):
            out[first + i, j] = contrast[i, j]
        for j in range(outside):
            label += contrast[i, axes + j] * truth[j]
        out[first + i, axes] = label
    return first + contrasts


@part
def ceiling_fit(
    draws: Draws,
    rows: float,
    height: int,
    setting: Setting,
    weights: Matrix,
    A: Matrix,
    B: Matrix,
    T: Matrix,
    X: Matrix,
    Y: Matrix,
) -> float:
    """Weights of the ceiling off the shared block, from the stack in ``X``.

    Returns their length on the axes of V_s that no other fit knows of (L3, L4).
    """
    axes, unknown = setting.inside, max(setting.strong_only - 1.0 - FRESH, 0.0)
    last = axes + 1
    height = triangle(X, height, last)
    fit_beside_block(draws, rows - unknown, unknown, height, axes, last, A, B, T, X, Y)
    for i in range(axes):
        weights[CEIL, i] = Y[i, axes]
    if unknown == 0.0:
        return 0.0
    left = hidden_residuals(B, unknown, height, X, axes, last, Y, A)
    return (abs(A[0, 0]) if left > 0 else 0.0) / next_chi(draws, rows - unknown + 1.0)
