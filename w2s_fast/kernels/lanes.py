"""One ridgeless Monte Carlo trial of the Gaussian model, by lanes that share the work.

The trial of :mod:`w2s_fast.kernels.wishart`, whose text says what is drawn and why, where every fit has at least as
many rows as columns. Draws come from :mod:`w2s_fast.kernels.philox`, factorisations are Householder's at any condition,
and sums run in one order whoever does them: the same source runs on the CPU as one lane and on a GPU as many, and the
numbers do not depend on how many.

A staircase of some width keeps what is on and right of its diagonal, row after row; its rows from any one on are a
staircase too. A triangle has d rows and d + 1 columns, the last for labels.
"""

import math

from w2s_fast._jit import Matrix, Vector, kernel
from w2s_fast.kernels.philox import Key, chi_square, fill_normals

OWN, HIDDEN, REST, PSEUDO, BEYOND = range(5)  # strands of normals
CHI = 5  # the first strand of chi-squares: one a staircase, in the same order, and one for the hidden weights


@kernel
def wait() -> None:
    """Make the lanes wait for one another. There is one on the CPU; GPUs have their own for this."""


@kernel
def place(row: int, column: int, width: int) -> int:
    """Of an entry in a staircase; that of entry (rows, rows) is also the size of its first rows."""
    return row * width + column - row * (row + 1) // 2


@kernel
def labelled_row_counts(n: int, hidden: int, kept: int) -> tuple[int, int]:
    """Rows orthogonal to the hidden columns and rows in their span that the kept columns see."""
    return min(n - hidden, kept), min(hidden, kept)


@kernel
def row_width(directions: int, inside: int, touching: int, kept: int, strong: int) -> int:
    """Columns w, p, t, u, e, s_rest."""
    with_t = kept - directions - (touching - inside) - 2
    return kept + strong - touching - with_t


@kernel
def work_size(
    n: int,
    hidden: int,
    cos: Vector,
    sin: Vector,
    inside: int,
    touching: int,
    target: Vector,
    noise: Vector,
    unseen: Vector,
    target_strong: Vector,
    target_outside: Vector,
) -> int:
    """Numbers that a trial needs room for; the arguments are those of :func:`run_trial`."""
    kept, strong = target.size, target_strong.size
    own_rows, hidden_rows = labelled_row_counts(n, hidden, kept)
    width = row_width(cos.size, inside, touching, kept, strong)
    labelled = place(own_rows, own_rows, width) + place(hidden_rows, hidden_rows, width)
    return labelled + 2 * place(strong, strong, strong + 1) + 3 * kept + 3 * strong


@kernel
def draw_staircase(
    key: Key, trial: int, strand: int, out: Vector, rows: int, width: int, dof: int, lane: int, lanes: int
) -> None:
    """Draw ``rows`` rows that are as good as ``dof`` >= ``rows`` Gaussian ones."""
    fill_normals(key, trial, strand, out, place(rows, rows, width), lane, lanes)
    wait()
    for row in range(lane, rows, lanes):
        out[place(row, row, width)] = math.sqrt(chi_square(key, trial, CHI + strand, row, dof - row))
    wait()


@kernel
def solve_upper(upper: Vector, width: int, x: Vector, size: int, lane: int, lanes: int) -> None:
    """Overwrite the first ``size`` of ``x`` by the inverse of the staircase's leading block times them."""
    for i in range(size - 1, -1, -1):
        value = x[i] / upper[place(i, i, width)]
        for row in range(lane, i, lanes):
            x[row] -= upper[place(row, i, width)] * value
        wait()
        if lane == 0:
            x[i] = value
    wait()


@kernel
def absorb(R: Vector, B: Vector, rows: int, is_staircase: int, d: int, lane: int, lanes: int) -> None:
    """Make R the triangle of the QR factorisation of R over ``rows`` more rows B, which are lost.

    B has d + 1 columns and is a staircase (1) or full (0). A reflection a column; lanes share the columns to its right.
    """
    width = d + 1
    for k in range(d):
        height = min(rows, k + 1) if is_staircase else rows
        alpha, squares, at = R[place(k, k, width)], 0.0, k
        for i in range(height):
            squares += B[at] * B[at]
            at += width - is_staircase * (i + 1)
        beta = -math.copysign(math.sqrt(alpha * alpha + squares), alpha)
        if squares > 0.0:
            gain = 1.0 / (alpha - beta)
            for j in range(k + 1 + lane, width, lanes):
                pivot = place(k, j, width)
                inner, at = 0.0, k
                for i in range(height):
                    inner += B[at] * B[at + j - k]
                    at += width - is_staircase * (i + 1)
                step = (1.0 - alpha / beta) * (R[pivot] + gain * inner)
                R[pivot] -= step
                step *= gain
                at = k
                for i in range(height):
                    B[at + j - k] -= step * B[at]
                    at += width - is_staircase * (i + 1)
        wait()
        if lane == 0 and squares > 0.0:
            R[place(k, k, width)] = beta
    wait()


@kernel
def combine(X: Vector, width: int, rows: int, weights: Vector, out: Vector, lane: int, lanes: int) -> None:
    """Write a staircase's rows times ``weights`` of its first columns to ``out``."""
    for row in range(lane, rows, lanes):
        total = 0.0
        for j in range(row, weights.size):
            total += X[place(row, j, width)] * weights[j]
        out[row] = total
    wait()


@kernel
def fit_teacher(
    own: Vector,
    below: Vector,
    hidden_rows: int,
    width: int,
    directions: int,
    target: Vector,
    error: Vector,
    labels: Vector,
    lane: int,
    lanes: int,
) -> float:
    """Fit labels that the kept columns make with weights ``target``; return squares left for the hidden columns.

    ``error`` becomes ``target`` less the weights fitted. ``labels`` is room.
    """
    combine(own, width, directions, target, labels, lane, lanes)
    solve_upper(own, width, labels, directions, lane, lanes)
    for j in range(lane, target.size, lanes):
        error[j] = target[j] - (labels[j] if j < directions else 0.0)
    wait()
    combine(below, width, hidden_rows, error, labels, lane, lanes)
    left = squares_of(labels[:hidden_rows])
    wait()
    return left


@kernel
def squares_of(vector: Vector) -> float:
    total = 0.0
    for i in range(vector.size):
        total += vector[i] * vector[i]
    return total


@kernel
def entry(X: Vector, row: int, column: int, width: int) -> float:
    return X[place(row, column, width)] if column >= row else 0.0


@kernel
def strong_rows(
    X: Vector,
    first: int,
    rows: int,
    width: int,
    cos: Vector,
    sin: Vector,
    inside: int,
    touching: int,
    strong: int,
    unseen: Vector,
    out: Vector,
    lane: int,
    lanes: int,
) -> None:
    """Columns s_i, t, s_rest of V_s from ``rows`` rows of the staircase X, and labels less what V_s says of them."""
    directions, kept = cos.size, unseen.size
    shift = width - strong  # of s_rest
    for at in range(lane, rows * strong, lanes):
        row, column = at // strong, at % strong
        value = 0.0
        if column < touching:
            value = cos[column] * entry(X, first + row, column, width)
            if column >= inside:
                value -= sin[column] * entry(X, first + row, directions + column - inside, width)
        elif shift + column < kept:
            value = entry(X, first + row, kept - 3, width)
        else:
            value = entry(X, first + row, shift + column, width)
        out[row * (strong + 1) + column] = value
    for row in range(lane, rows, lanes):
        total = 0.0
        for j in range(first + row, kept):
            total += X[place(first + row, j, width)] * unseen[j]
        out[row * (strong + 1) + strong] = total
    wait()


@kernel
def solve_labels(R: Vector, d: int, x: Vector, lane: int, lanes: int) -> None:
    """Least-squares weights of the labels that a triangle carries."""
    for row in range(lane, d, lanes):
        x[row] = R[place(row, d, d + 1)]
    wait()
    solve_upper(R, d + 1, x, d, lane, lanes)


@kernel
def run_trial(
    key: Key,
    trial: int,
    n: int,
    N: int,
    hidden: int,
    cos: Vector,
    sin: Vector,
    inside: int,
    touching: int,
    target: Vector,
    noise: Vector,
    unseen: Vector,
    target_strong: Vector,
    target_outside: Vector,
    work: Vector,
    out: Vector,
    lane: int,
    lanes: int,
) -> None:
    """Fill ``out`` (8,) as :func:`w2s_fast.kernels.wishart.run_trial` does.

    Arguments up to ``target_outside`` are those there; in coordinates of ``target``, ``noise`` is what label noise
    alone says and ``unseen`` what V_s cannot say of the label.
    """
    directions, kept, strong = cos.size, target.size, target_strong.size
    width = row_width(directions, inside, touching, kept, strong)
    rest = width - kept
    own_rows, hidden_rows = labelled_row_counts(n, hidden, kept)
    triangle = place(strong, strong, strong + 1)

    start = place(own_rows, own_rows, width)
    own, end = work[:start], start + place(hidden_rows, hidden_rows, width)
    below, start, end = work[start:end], end, end + triangle
    R, start, end = work[start:end], end, end + triangle
    T, start, end = work[start:end], end, end + kept
    labels, start, end = work[start:end], end, end + kept
    error, start, end = work[start:end], end, end + kept
    noise_error, start, end = work[start:end], end, end + strong
    x, start, end = work[start:end], end, end + strong
    h, g = work[start:end], work[end : end + strong]

    draw_staircase(key, trial, OWN, own, own_rows, width, n - hidden, lane, lanes)
    draw_staircase(key, trial, HIDDEN, below, hidden_rows, width, hidden, lane, lanes)
    chi2 = chi_square(key, trial, CHI + BEYOND, 0, n - hidden + 1)
    hidden_energy = fit_teacher(own, below, hidden_rows, width, directions, target, error, labels, lane, lanes)
    noise_hidden = fit_teacher(own, below, hidden_rows, width, directions, noise, noise_error, labels, lane, lanes)
    hidden_energy /= chi2
    noise_hidden /= chi2
    risk_weak = squares_of(error[:directions]) + hidden_energy

    for i in range(lane, triangle, lanes):
        R[i] = 0.0
    wait()
    seen = strong - rest
    dof = n - own_rows - hidden_rows
    rest_rows = min(dof, rest)
    draw_staircase(key, trial, REST, R[place(seen, seen, strong + 1) :], rest_rows, rest + 1, dof, lane, lanes)
    for i in range(lane, rest_rows, lanes):
        R[place(seen + i, strong, strong + 1)] = 0.0
    wait()
    step = triangle // (strong + 1)  # full rows that fit where T will be
    for block in range(2):
        X, rows = (own, own_rows) if block == 0 else (below, hidden_rows)
        for first in range(0, rows, step):
            count = min(step, rows - first)
            strong_rows(X, first, count, width, cos, sin, inside, touching, strong, unseen, T, lane, lanes)
            absorb(R, T, count, 0, strong, lane, lanes)
    solve_labels(R, strong, x, lane, lanes)
    risk_baseline = squares_of(x)
    wait()

    # On a pseudo-labelled row the teacher says <s, said> + outside * h, the truth <s, target_strong> + truth_outside.
    draw_staircase(key, trial, PSEUDO, T, strong, strong + 1, N, lane, lanes)
    fill_normals(key, trial, BEYOND, g, strong, lane, lanes)
    for i in range(lane, strong, lanes):
        h[i] = T[place(i, strong, strong + 1)]
    solve_labels(T, strong, x, lane, lanes)
    outside2, noise_outside2, along, beyond = hidden_energy, noise_hidden, 0.0, 0.0
    for i in range(directions):
        beside = sin[i] * (target[i] - error[i])
        outside2 += beside * beside
        noise_outside2 += (sin[i] * noise_error[i]) ** 2
        along += beside * target_outside[i]
        beyond += target_outside[i] ** 2
    outside = math.sqrt(outside2)
    along = along / outside if outside > 0.0 else 0.0
    beyond += target[kept - 2] ** 2 + target[kept - 1] ** 2 - along * along
    beyond = math.sqrt(max(beyond, 0.0))
    risk_student, noise_said = 0.0, 0.0
    for i in range(strong):
        missed = outside * x[i] - target_strong[i]
        if i < touching:
            missed += cos[i] * (target[i] - error[i])
            noise_said += (cos[i] * noise_error[i]) ** 2
        risk_student += missed * missed
    reduced, reduced_new = noise_outside2 * squares_of(h), noise_outside2 * squares_of(x)
    for i in range(lane, touching, lanes):
        labels[i] = cos[i] * noise_error[i]
    wait()
    combine(T, strong + 1, touching, labels[:touching], x, lane, lanes)
    inherited = squares_of(x[:touching])

    for i in range(lane, strong, lanes):
        T[place(i, strong, strong + 1)] = along * h[i] + beyond * g[i]
    wait()
    absorb(R, T, strong, 1, strong, lane, lanes)
    solve_labels(R, strong, x, lane, lanes)
    if lane == 0:
        out[0], out[1], out[2], out[3] = risk_weak, risk_baseline, squares_of(x), risk_student
        out[4], out[5], out[6], out[7] = inherited / N, reduced / N, noise_said, reduced_new
    wait()


@kernel
def run_trials(
    key: Key,
    first: int,
    n: int,
    N: int,
    hidden: int,
    cos: Vector,
    sin: Vector,
    inside: int,
    touching: int,
    target: Vector,
    noise: Vector,
    unseen: Vector,
    target_strong: Vector,
    target_outside: Vector,
    work: Vector,
    out: Matrix,
) -> None:
    """Run trials ``first``, ``first + 1``, ... one after the other, one a row of ``out`` (k, 8)."""
    for i in range(out.shape[0]):
        run_trial(
            key,
            first + i,
            n,
            N,
            hidden,
            cos,
            sin,
            inside,
            touching,
            target,
            noise,
            unseen,
            target_strong,
            target_outside,
            work,
            out[i],
            0,
            1,
        )
