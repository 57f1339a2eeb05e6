"""A trial, from its draws to its values."""

import math

from w2s_fast._jit import Matrix, Vector, part, small_kernel
from w2s_fast.kernels.draws import TAKEN, TRIAL, Draws, next_chi, next_normal, staircase
from w2s_fast.kernels.invariants.labelled import baseline_fit, labelled_columns, teacher_fit, teacher_residuals
from w2s_fast.kernels.invariants.pseudo import TRUTH, ceiling_fit, directions, fill_said, stack, student_fit
from w2s_fast.kernels.invariants.setting import (
    ACROSS,
    ALONG,
    BASE,
    CEIL,
    COS,
    NOISE,
    TARGET_S,
    TARGET_W,
    TEACHER,
    Room,
    Setting,
)
from w2s_fast.kernels.invariants.shared import fill_residuals, shared_errors
from w2s_fast.kernels.small import inner
from w2s_fast.kernels.trials import (
    BASELINE,
    CEILING,
    INHERITED,
    INHERITED_NEW,
    REDUCED,
    REDUCED_NEW,
    W2S,
    WEAK,
)


@small_kernel
def run_trials(first: int, n: float, N: float, draws: Draws, setting: Setting, room: Room, out: Matrix) -> None:
    """Fill the rows of ``out`` with the values of :mod:`w2s_fast.kernels.trials`, trial ``first`` and those after it.

    n >= d_weak, d_strong and N >= d_strong. The loop holds what a trial is, since a function of its own would take as
    long again to compile.
    """
    labelled, pseudo, contrast, errors, hidden, weights, said, residuals, gram, A, B, T, X, Y = room
    shared, inside = setting.shared, setting.inside
    rows, more = n - shared, N - shared  # off the shared block
    for trial in range(out.shape[0]):
        draws.at[TAKEN], draws.at[TRIAL] = 0, first + trial
        baseline_fit(draws, rows, setting, weights, labelled)
        height = labelled_columns(draws, rows, setting, labelled, A, Y)
        extra = teacher_fit(draws, rows, height, setting, errors, hidden, A, B, T, X, Y)
        teacher_residuals(extra, setting, errors, hidden, residuals)
        outside = fill_said(extra, setting, errors, hidden, said)
        size, along, across = directions(outside, said)
        student_fit(draws, more, outside, setting, said, weights, pseudo)
        contrasts = staircase(draws, shared, inside + outside, contrast)
        height = stack(inside, outside, contrasts, setting.spread, labelled, pseudo, contrast, said[TRUTH], X)
        rest = ceiling_fit(draws, rows + more + 3.0 + shared, height, setting, weights, A, B, T, X, Y)
        axes = fill_residuals(outside, rest, setting, weights, said, residuals)
        known = axes - 1
        shared_errors(draws, n, N, shared, axes, known, CEIL, contrast, residuals, said[0], gram, A, B, T, X, Y)
        risks(size, extra, rest, setting, errors, hidden, weights, gram, out[trial])
        variance_parts(draws, N, along, across, setting, errors, weights, gram, out[trial])


@part
def risks(
    size: float,
    extra: int,
    rest: float,
    setting: Setting,
    errors: Matrix,
    hidden: Matrix,
    weights: Matrix,
    gram: Matrix,
    out: Vector,
) -> None:
    """The four risks above what no fit can avoid."""
    tilted, special = setting.tilted, setting.special
    weak, student = gram[TEACHER, TEACHER], gram[TEACHER, TEACHER]
    student += 2.0 * size * gram[TEACHER, ALONG] + size * size * gram[ALONG, ALONG]
    for i in range(setting.outside.size - 2):
        weak += errors[i, TEACHER] ** 2
    for i in range(extra):
        weak += hidden[i, TEACHER] ** 2
    baseline, ceiling = gram[BASE, BASE], gram[CEIL, CEIL] + rest * rest
    for i in range(setting.inside):
        baseline += (setting.spread * weights[BASE, i]) ** 2
        ceiling += weights[CEIL, i] ** 2
        believed = 0.0
        if i < tilted.shape[1]:
            believed = tilted[COS, i] * (tilted[TARGET_W, i] + errors[i, TEACHER]) - tilted[TARGET_S, i]
        elif i < special:
            believed = -setting.target_strong
        student += (believed + size * weights[ALONG, i]) ** 2
    out[WEAK], out[BASELINE], out[CEILING], out[W2S] = weak, baseline, ceiling, student


@part
def variance_parts(
    draws: Draws,
    N: float,
    along: float,
    across: float,
    setting: Setting,
    errors: Matrix,
    weights: Matrix,
    gram: Matrix,
    out: Vector,
) -> None:
    """What noise alone makes the student say: v repeats its teacher, y it adds; on new rows, and on its own.

    With X = [x, x'] the weights of the two unit directions, y = X c, and the pseudo-labelled rows' Gram matrix given X
    is Wishart(N + 2, (I + XX')^-1) (L2 twice): only the Gram matrix of (I + XX')^-1/2 [y, v] matters.
    """
    first, second, tilted, axes = weights[ALONG], weights[ACROSS], setting.tilted, setting.inside
    k00 = gram[ALONG, ALONG] + inner(first, first, axes)
    k01 = gram[ALONG, ACROSS] + inner(first, second, axes)
    k11 = gram[ACROSS, ACROSS] + inner(second, second, axes)
    vv, v0, v1 = gram[NOISE, NOISE], gram[NOISE, ALONG], gram[NOISE, ACROSS]
    for i in range(tilted.shape[1]):
        repeated = tilted[COS, i] * errors[i, NOISE]
        vv += repeated * repeated
        v0 += repeated * first[i]
        v1 += repeated * second[i]
    out[INHERITED_NEW] = vv
    out[REDUCED_NEW] = along * along * k00 + 2.0 * along * across * k01 + across * across * k11
    # By (I + XX')^-1 = I - X (I + K)^-1 X' and (I + XX')^-1 X = X (I + K)^-1, K = X'X.
    determinant = 1.0 + k00 + k11 + max(k00 * k11 - k01 * k01, 0.0)
    c0, c1 = ((1.0 + k11) * along - k01 * across) / determinant, ((1.0 + k00) * across - k01 * along) / determinant
    z0, z1 = ((1.0 + k11) * v0 - k01 * v1) / determinant, ((1.0 + k00) * v1 - k01 * v0) / determinant
    yy = c0 * (along * k00 + across * k01) + c1 * (along * k01 + across * k11)
    yv, rest = c0 * v0 + c1 * v1, vv - v0 * z0 - v1 * z1
    aligned = yv / math.sqrt(yy) if yy > 0.0 else 0.0
    apart = math.sqrt(max(rest - aligned * aligned, 0.0))
    length, normal, other = next_chi(draws, N + 2.0), next_normal(draws), next_chi(draws, N + 1.0)
    out[INHERITED] = ((length * aligned + normal * apart) ** 2 + (other * apart) ** 2) / N
    out[REDUCED] = length * length * yy / N
