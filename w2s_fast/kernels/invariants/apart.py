"""Trials whose ceiling sees the pseudo-labelled rows alone, as the student does."""

import math

from w2s_fast._jit import Matrix, part, small_kernel
from w2s_fast.kernels.draws import TAKEN, TRIAL, Draws, next_chi, staircase
from w2s_fast.kernels.invariants.labelled import (
    baseline_fit,
    labelled_columns,
    teacher_fit,
    teacher_residuals,
    weights_on_block,
)
from w2s_fast.kernels.invariants.pseudo import TRUTH, UNIT_ACROSS, UNIT_ALONG, directions, fill_said
from w2s_fast.kernels.invariants.setting import ACROSS, ALONG, CEIL, FITS, FRESH, NOISE, TEACHER, Room, Setting
from w2s_fast.kernels.invariants.shared import fill_residuals, shared_errors
from w2s_fast.kernels.invariants.trial import risks, variance_parts
from w2s_fast.kernels.small import inner, multiply_by_root


@small_kernel
def run_trials_apart(first: int, n: float, N: float, draws: Draws, setting: Setting, room: Room, out: Matrix) -> None:
    """The same as :func:`w2s_fast.kernels.invariants.trial.run_trials`, of the other ceiling.

    A kernel of its own, since a branch in that one would be compiled for those who never take it, and on GPUs.
    """
    labelled, _, contrast, errors, hidden, weights, said, residuals, gram, A, B, T, X, Y = room
    shared = setting.shared
    rows, more = n - shared, N - shared  # off the shared block
    for trial in range(out.shape[0]):
        draws.at[TAKEN], draws.at[TRIAL] = 0, first + trial
        baseline_fit(draws, rows, setting, weights, labelled)
        height = labelled_columns(draws, rows, setting, labelled, A, Y)
        extra = teacher_fit(draws, rows, height, setting, errors, hidden, A, B, T, X, Y)
        teacher_residuals(extra, setting, errors, hidden, residuals)
        outside = fill_said(extra, setting, errors, hidden, said)
        size, along, across = directions(outside, said)
        rest = fits_of_pseudo_labelled_rows(draws, more, outside, setting, said, weights)
        axes = fill_residuals(outside, rest, setting, weights, said, residuals)
        staircase(draws, shared, axes, contrast)
        shared_errors(draws, n, N, shared, axes, axes, FITS, contrast, residuals, said[0], gram, A, B, T, X, Y)
        risks(size, extra, rest, setting, errors, hidden, weights, gram, out[trial])
        variance_parts(draws, N, along, across, setting, errors, weights, gram, out[trial])


@part
def fits_of_pseudo_labelled_rows(
    draws: Draws, rows: float, outside: int, setting: Setting, said: Matrix, weights: Matrix
) -> float:
    """Weights of the students of the two unit directions, and of the ceiling (L2 three times).

    The truth lies along the two directions and along a third one; of unit labels along these the weights are x,
    U y and U V z, where U is the root of x and V that of y, and y and z are normals over chis of one degree of freedom
    more each. Returns the ceiling's length on the axes of V_s that no other fit knows of.
    """
    special, axes, rest = setting.special, setting.inside, max(setting.strong_only - 1.0, 0.0)
    freedom = rows - setting.tilted.shape[1] - setting.strong_only + 1.0
    first, second, ceiling = weights[ALONG], weights[ACROSS], weights[CEIL]
    y, z = weights[TEACHER], weights[NOISE]  # which no fit of V_s has
    weights_on_block(draws, special, rest, 1.0, next_chi(draws, freedom), first)
    weights_on_block(draws, special, rest, 2.0, next_chi(draws, freedom + 1.0), y)
    weights_on_block(draws, special, rest, float(FRESH), next_chi(draws, freedom + 2.0), z)
    own = z[axes]
    multiply_by_root(first, axes, y, second)
    multiply_by_root(y, axes, z, ceiling)
    multiply_by_root(first, axes, ceiling, z)
    truth = said[TRUTH]
    along, across = inner(truth, said[UNIT_ALONG], outside), inner(truth, said[UNIT_ACROSS], outside)
    beyond = 0.0
    for i in range(outside):
        beyond += (truth[i] - along * said[UNIT_ALONG, i] - across * said[UNIT_ACROSS, i]) ** 2
    beyond = math.sqrt(beyond)
    for i in range(axes):
        ceiling[i] = along * first[i] + across * second[i] + beyond * z[i]
    return beyond * own
