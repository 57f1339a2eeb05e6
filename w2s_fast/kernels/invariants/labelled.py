"""The fits of the labelled rows off the shared block: baseline and teacher."""

import math

from w2s_fast._jit import Matrix, Vector, part, small_kernel
from w2s_fast.kernels.draws import Draws, fill_normals, next_chi, staircase
from w2s_fast.kernels.invariants.setting import (
    BASE,
    COS,
    NOISE,
    SIN,
    TARGET_P,
    TEACHER,
    Setting,
)
from w2s_fast.kernels.small import divide_by_root, multiply_upper, solve_lower, solve_upper, triangle


@small_kernel
def weights_on_block(draws: Draws, special: int, rest: float, known: float, chi: float, out: Vector) -> None:
    """Weights of a fit on isotropic columns: normals over ``chi`` (L2).

    They have coordinates on the ``special`` axes and, of the ``rest``, on the ``known`` ones that other fits singled
    out; what is orthogonal to all of these makes an axis of its own.
    """
    for i in range(out.size):
        out[i] = 0.0
    used = special + int(min(known, rest))
    fill_normals(draws, used, out)
    for i in range(used):
        out[i] /= chi
    if rest > known:
        out[used] = next_chi(draws, rest - known) / chi


@part
def baseline_fit(draws: Draws, rows: float, setting: Setting, weights: Matrix, labelled: Matrix) -> None:
    """Weights of the baseline for a label of unit length outside V_s, then the rows given these (L2).

    The last column of ``labelled`` is what the fit says on the rows.
    """
    special, axes, x = setting.special, setting.inside, weights[BASE]
    freedom = rows - setting.tilted.shape[1] - setting.strong_only + 1.0
    weights_on_block(draws, special, max(setting.strong_only - 1.0, 0.0), 0.0, next_chi(draws, freedom), x)
    staircase(draws, rows + 1.0, axes, labelled)
    divide_by_root(labelled, axes, axes, x)
    for i in range(axes):
        fitted = 0.0
        for j in range(i, axes):
            fitted += labelled[i, j] * x[j]
        labelled[i, axes] = fitted


@part
def labelled_columns(
    draws: Draws, rows: float, setting: Setting, labelled: Matrix, normals: Matrix, out: Matrix
) -> int:
    """Columns s_i, t | q_i, B1, u, e of the labelled rows in ``out``, in as few coordinates as they take."""
    special, axes, outside = setting.special, setting.inside, setting.outside.size
    frame = setting.frame
    residual = next_chi(draws, rows - setting.tilted.shape[1] - setting.strong_only)
    rest = residual * residual
    for i in range(special, axes):
        rest += labelled[i, axes] ** 2
    head = int(min(rows, special + 1.0))  # coordinates of s_i, t and the label
    for i in range(head):
        fill_normals(draws, outside - 1, normals[i])
    height = head + staircase(draws, rows - head, outside - 1, normals[head:])
    for i in range(height):
        for j in range(special):
            out[i, j] = labelled[i, j] if i <= j else 0.0
        label = 0.0
        if i <= special:
            label = labelled[i, axes] if i < special else math.sqrt(rest)
        for j in range(outside):
            value = label * frame[j, 0]
            for k in range(outside - 1):
                value += normals[i, k] * frame[j, k + 1]
            out[i, special + j] = value
    return height


@part
def teacher_columns(height: int, setting: Setting, columns: Matrix, out: Matrix) -> None:
    """Columns w_i, B1 | label, noise of the teacher's fit, from those above."""
    tilted, outside, special = setting.tilted, setting.outside, setting.special
    count, features = tilted.shape[1], outside.size - 2
    for i in range(height):
        noise = outside[features + 1] * columns[i, special + features + 1]
        label = noise + outside[features] * columns[i, special + features]
        for j in range(count):
            s, q = columns[i, j], columns[i, special + j]
            out[i, j] = tilted[COS, j] * s + tilted[SIN, j] * q
            label += tilted[TARGET_P, j] * (tilted[COS, j] * q - tilted[SIN, j] * s)
        if features > count:
            out[i, count] = columns[i, special + count]
        if special > count:
            label += setting.target_strong * columns[i, count]
        out[i, features], out[i, features + 1] = label, noise


@small_kernel
def haar_split(draws: Draws, rest: float, block: float, count: int, A: Matrix, B: Matrix, T: Matrix) -> int:
    """``count`` orthonormal vectors seen from a random subspace of ``block`` dimensions, beside ``rest`` others (L3).

    They are A T^-1 outside of it, in at most ``count`` coordinates, and B T^-1 in it. Returns the rows of A.
    """
    own, hidden = staircase(draws, rest, count, A), staircase(draws, block, count, B)
    for i in range(count):
        for j in range(i, count):
            value = 0.0
            for k in range(min(i + 1, own)):
                value += A[k, i] * A[k, j]
            for k in range(min(i + 1, hidden)):
                value += B[k, i] * B[k, j]
            for k in range(i):
                value -= T[k, i] * T[k, j]
            T[i, j] = math.sqrt(value) if i == j else value / T[i, i]
    return own


@small_kernel
def hidden_residuals(
    B: Matrix, block: float, height: int, X: Matrix, features: int, last: int, fitted: Matrix, out: Matrix
) -> int:
    """What fits leave of their labels in the subspace that B sees, in as few coordinates as it takes."""
    rows = int(min(block, float(height)))
    for i in range(rows):
        for k in range(features, last):
            total = 0.0
            for j in range(i, height):
                left = X[j, k]
                for m in range(features):
                    left -= X[j, m] * fitted[m, k]
                total += B[i, j] * left
            out[i, k - features] = total
    return triangle(out, rows, last - features)


@part
def fit_beside_block(
    draws: Draws,
    rest: float,
    block: float,
    height: int,
    features: int,
    last: int,
    A: Matrix,
    B: Matrix,
    T: Matrix,
    X: Matrix,
    Y: Matrix,
) -> None:
    """Least squares of labels in X, upper triangular, on its first columns, and on a block of others that B sees (L3).

    The weights on the first columns are the last columns of Y; what is left to the block is for ``hidden_residuals``.
    """
    if block > 0.0:
        own = haar_split(draws, rest, block, height, A, B, T)
        solve_upper(T, height, X, TEACHER, last)
        multiply_upper(A, own, height, X, TEACHER, last, Y)
        triangle(Y, own, last)
    else:
        for i in range(features):
            for j in range(last):
                Y[i, j] = X[i, j]
    solve_upper(Y, features, Y, features, last)


@part
def teacher_fit(
    draws: Draws,
    rows: float,
    height: int,
    setting: Setting,
    errors: Matrix,
    hidden: Matrix,
    A: Matrix,
    B: Matrix,
    T: Matrix,
    X: Matrix,
    Y: Matrix,
) -> int:
    """The errors of the teacher off the shared block, for its labels and for their noise alone.

    On w_i and B1 they are ``errors``, a column each. On all its other directions, which only the labelled
    rows know (L3, L4), they are ``hidden``; returns how many coordinates these take. ``Y`` has the columns.
    """
    features = setting.outside.size - 2
    last, unknown = features + 2, max(setting.weak_only - 1.0, 0.0)
    if features == 0:
        return 0
    teacher_columns(height, setting, Y, X)
    height = triangle(X, height, last)
    fit_beside_block(draws, rows - unknown, unknown, height, features, last, A, B, T, X, Y)
    for i in range(features):
        errors[i, TEACHER], errors[i, NOISE] = Y[i, features], Y[i, features + 1]
    if unknown == 0.0:
        return 0
    extra = hidden_residuals(B, unknown, height, X, features, last, Y, A)
    for i in range(extra):
        hidden[i, TEACHER], hidden[i, NOISE] = A[i, 0], A[i, 1]
    staircase(draws, rows - unknown + extra, extra, T)
    solve_lower(T, extra, hidden, TEACHER, BASE)
    return extra


@part
def teacher_residuals(extra: int, setting: Setting, errors: Matrix, hidden: Matrix, residuals: Matrix) -> None:
    """What the teachers leave of their labels, as combinations of axes: two columns of ``residuals``."""
    tilted, outside, special, inside = setting.tilted, setting.outside, setting.special, setting.inside
    count, features = tilted.shape[1], outside.size - 2
    first = inside + features
    for k in range(NOISE + 1):
        for i in range(first + extra + 3):
            residuals[i, k] = 0.0
        for i in range(count):
            missed, error = tilted[TARGET_P, i] if k == TEACHER else 0.0, errors[i, k]
            residuals[i, k] = -tilted[SIN, i] * missed - tilted[COS, i] * error
            residuals[inside + i, k] = tilted[COS, i] * missed - tilted[SIN, i] * error
        if features > count:
            residuals[inside + count, k] = -errors[count, k]
        for i in range(extra):
            residuals[first + i, k] = -hidden[i, k]
        residuals[first + extra + 1, k] = outside[features + 1]
    if special > count:
        residuals[count, TEACHER] = setting.target_strong
    residuals[first + extra, TEACHER] = outside[features]
