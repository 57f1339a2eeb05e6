"""One Monte Carlo trial of the Gaussian model, drawn from its sufficient statistics.

A least-squares fit sees its rows only up to a rotation of the rows. ``dof`` Gaussian rows are therefore as good as the
staircase that a QR factorisation makes of them: chi variables on the diagonal, standard normals to the right of it,
zeros elsewhere, at most as many rows as columns (Bartlett 1933). Its cost does not depend on ``dof``.

Latent coordinates (:mod:`w2s_fast.gaussian.coordinates` finds them), all independent standard normal, in column order:

    w_i      the teacher's directions that matter; w_i = cos_i s_i + sin_i q_i, s_i in V_s, q_i outside it
    p_i      completes the plane of a w_i that is neither inside V_s nor orthogonal to it
    t        the direction of the target within the part of V_s that is orthogonal to V_w
    u        the direction of the target outside V_w + V_s
    e        label noise
    s_rest   the other directions of V_s, of which neither the target nor the teacher knows

The teacher's other directions, ``hidden`` in number, are orthogonal to V_s and to the target, so that their columns
are independent of everything above. Given them, ``hidden`` of the rotated rows belong to their span, and the teacher
fits the rest: its weights on the columns above use n - hidden rows only, and its weights on the hidden columns have
squared length |g|^2 / chi^2(n - hidden + 1), where g is the residual on the hidden rows, by |g|^2 / g'W^-1 g ~ chi^2
for a Wishart W independent of g (Muirhead 1982, theorem 3.2.12). With ridge, or with fewer labelled rows than d_weak,
no direction can hide: scales matter then, and the teacher is fitted as it stands.
"""

import numpy as np
from numpy.random import Generator

from w2s_fast._jit import Matrix, Vector, calling_kernel, kernel, part
from w2s_fast.kernels.generator import Fields, generator_at
from w2s_fast.kernels.leastsq import cholesky, solve_gram, solve_lower
from w2s_fast.kernels.trials import (
    BASELINE,
    CEILING,
    INHERITED,
    INHERITED_NEW,
    REDUCED,
    REDUCED_NEW,
    W2S,
    WEAK,
    Canonical,
    Variant,
)

GRAM_ASPECT = 2  # with this many rows a column, Gaussian rows have condition ~6: their Gram matrix is safe


@kernel
def staircase(rng: Generator, dof: int, width: int, out: Matrix) -> None:
    """Fill the last ``width`` columns of ``out``, which has at most ``dof`` rows, and the others with zeros."""
    columns = out.shape[1]
    for i in range(out.shape[0]):
        diagonal = columns - width + i
        out[i, :diagonal] = 0.0
        out[i, diagonal] = np.sqrt(rng.chisquare(float(dof - i)))
        for j in range(diagonal + 1, columns):
            out[i, j] = rng.standard_normal()


@kernel
def solve_upper(upper: Matrix, vector: Vector) -> None:
    """Overwrite ``vector`` (d,) with the inverse of the leading d x d block of ``upper`` times it."""
    d = vector.size
    for i in range(d - 1, -1, -1):
        vector[i] = (vector[i] - np.dot(upper[i, i + 1 : d], vector[i + 1 :])) / upper[i, i]


@part
def shortest_fit(rows: Matrix, labels: Vector, root: Matrix) -> Vector:
    """Latent weights of the minimum-norm fit to fewer rows than columns, where the features are ``rows @ root``."""
    q, r = np.linalg.qr(np.dot(rows, root).T.copy())
    dual = labels.copy()
    solve_lower(r.T.copy(), dual)
    return np.dot(root, np.dot(q.copy(), dual))


@part
def orthogonal_error(rows: Matrix, residual: Vector) -> Vector:
    """Least-squares weights for ``residual`` where the rows are too few for their Gram matrix to be safe."""
    q, r = np.linalg.qr(rows)
    error = np.dot(q.T.copy(), residual)
    solve_upper(r.copy(), error)
    return error


@part
def gram_error(gram: Matrix, moment: Vector) -> Vector:
    """Least-squares weights for a residual from the Gram matrix and X' residual."""
    lower, _ = cholesky(gram)  # at GRAM_ASPECT it has a factor
    solve_gram(lower, moment)
    return moment


@part
def stack(X: Matrix, x: Vector, Y: Matrix, y: Vector) -> tuple[Matrix, Vector]:
    """Rows of X over rows of Y, x over y. Loops, because np.concatenate takes a second to compile."""
    above = X.shape[0]
    Z, z = np.empty((above + Y.shape[0], X.shape[1])), np.empty(above + Y.shape[0])
    for i in range(z.size):
        for j in range(Z.shape[1]):
            Z[i, j] = X[i, j] if i < above else Y[i - above, j]
        z[i] = x[i] if i < above else y[i - above]
    return Z, z


@kernel
def squared_norm(vector: Vector) -> float:
    return np.dot(vector, vector)


@part
def ridge_fit(rows: Matrix, labels: Vector, root: Matrix, ridge: float) -> Vector:
    """Latent weights of the ridge fit to features ``rows @ root``: least squares with sqrt(ridge) I below them."""
    features = np.dot(rows, root)
    m, d = features.shape
    tall = np.zeros((m + d, d))
    for i in range(m):
        for j in range(d):
            tall[i, j] = features[i, j]
    for j in range(d):
        tall[m + j, j] = np.sqrt(ridge)
    q, r = np.linalg.qr(tall)
    weights = np.dot(q[:m].T.copy(), labels)
    solve_upper(r.copy(), weights)
    return np.dot(root, weights)


@calling_kernel
def fit_error(
    rows: Matrix,
    unexplained: Vector,
    gram: Matrix,
    dof: int,
    target: Vector,
    root: Matrix,
    ridge: float | None,
    few: bool | None,
) -> Vector:
    """Fitted weights less ``target`` on labels ``rows @ target + unexplained``; ``dof`` rows were compressed."""
    if ridge is not None:
        return ridge_fit(rows, np.dot(rows, target) + unexplained, root, ridge) - target
    if few is not None:
        if rows.shape[0] < rows.shape[1]:
            return shortest_fit(rows, np.dot(rows, target) + unexplained, root) - target
        if dof < GRAM_ASPECT * rows.shape[1]:
            return orthogonal_error(rows, unexplained)
    return gram_error(gram, np.dot(rows.T, unexplained))


@part
def labelled_rows(rng: Generator, n: int, hidden: int, kept: int, rest: int) -> tuple[Matrix, int, int]:
    """Columns w, p, t, u, e, s_rest of the labelled rows in three groups, and the numbers of rows of the first two.

    Rows orthogonal to the hidden columns, rows in their span, and rows on which only s_rest has anything left.
    """
    own_rows, hidden_rows = min(n - hidden, kept), min(hidden, kept)
    seen_rows, width = own_rows + hidden_rows, kept + rest
    rest_dof = n - seen_rows
    X = np.empty((seen_rows + min(rest_dof, rest), width))
    staircase(rng, n - hidden, width, X[:own_rows])
    staircase(rng, hidden, width, X[own_rows:seen_rows])
    staircase(rng, rest_dof, rest, X[seen_rows:])
    return X, own_rows, hidden_rows


@calling_kernel
def teacher_fit(
    X: Matrix,
    labels: Vector,
    own_rows: int,
    hidden_rows: int,
    hidden_chi2: float,
    root: Matrix,
    ridge: float | None,
    few: bool | None,
) -> tuple[Vector, float]:
    """Weights on the w_i, one for each row of ``root``, and the squared length of those on the hidden directions."""
    directions = root.shape[0]
    if ridge is not None:
        return ridge_fit(X[:, :directions].copy(), labels, root, ridge), 0.0
    if few is not None:  # noqa: SIM102  Numba leaves out what is behind a comparison with None alone
        if own_rows < directions:
            return shortest_fit(X[:own_rows, :directions].copy(), labels[:own_rows].copy(), root), 0.0
    weights = labels[:directions].copy()
    solve_upper(X, weights)
    residual = 0.0
    for i in range(own_rows, own_rows + hidden_rows):
        residual += (labels[i] - np.dot(X[i, :directions], weights)) ** 2
    return weights, residual / hidden_chi2


@part
def strong_features(X: Matrix, cos: Vector, sin: Vector, inside: int, touching: int, kept: int, strong: int) -> Matrix:
    """Columns s_i, t, s_rest of V_s from the columns w, p, t, u, e, s_rest of ``X``."""
    S = np.empty((X.shape[0], strong))
    directions = cos.size
    with_t = kept - directions - (touching - inside) - 2
    for r in range(X.shape[0]):
        for i in range(touching):
            S[r, i] = cos[i] * X[r, i]
        for i in range(inside, touching):
            S[r, i] -= sin[i] * X[r, directions + i - inside]
        for i in range(with_t):
            S[r, touching + i] = X[r, kept - 3]
        for i in range(strong - touching - with_t):
            S[r, touching + with_t + i] = X[r, kept + i]
    return S


@part
def pseudo_rows(rng: Generator, N: int, strong: int) -> tuple[Matrix, Vector, Vector]:
    """V_s columns of the pseudo-labelled rows, and two independent normals a row for what lies outside V_s."""
    T = np.empty((min(N, strong), strong))
    staircase(rng, N, strong, T)
    h, g = np.empty(T.shape[0]), np.empty(T.shape[0])
    for i in range(T.shape[0]):
        h[i], g[i] = rng.standard_normal(), rng.standard_normal()
    return T, h, g


@part
def said_inside(weights: Vector, cos: Vector, touching: int, strong: int) -> Vector:
    """What a teacher with these weights says within V_s."""
    said = np.zeros(strong)
    for i in range(touching):
        said[i] = cos[i] * weights[i]
    return said


@calling_kernel
def run_trial(
    fields: Fields,
    n: int,
    N: int,
    ridge: float | None,
    few: bool | None,
    model: Canonical,
    variant: Variant,
    out: Vector,
) -> None:
    """Draw one trial; fill ``out`` with the risks of weak, baseline, ceiling and w2s, and the parts of w2s's variance.

    Risks are those inside the span of the coordinates above. The parts are what label noise alone makes the student
    say, squared: inherited and reduced on the pseudo-labelled rows, then inherited and reduced on new rows.

    ``fields``: of the random generator. ``ridge``: None for none. ``few``: None where n >= d_weak and both n and N are
    at least GRAM_ASPECT d_strong, or with ridge, else True. To compile with None takes a second less.
    """
    rng = generator_at(fields)
    hidden, cos, sin, inside, touching, target, target_strong, target_outside, weak_root, strong_root = model
    directions, kept, strong = cos.size, target.size, target_strong.size
    rest = strong - touching - (kept - directions - (touching - inside) - 2)
    X, own_rows, hidden_rows = labelled_rows(rng, n, hidden, kept, rest)
    chi2 = rng.chisquare(float(n - hidden + 1))
    noise = target[kept - 1] * X[:, kept - 1]
    labels = np.dot(X[:, :kept].copy(), target)
    weights, hidden_energy = teacher_fit(X, labels, own_rows, hidden_rows, chi2, weak_root, ridge, few)
    noise_weights, noise_hidden = teacher_fit(X, noise, own_rows, hidden_rows, chi2, weak_root, ridge, few)
    if variant.weights.size > 0:  # a teacher that is given, and has no noise
        weights, hidden_energy = variant.weights.copy(), 0.0
        noise_weights, noise_hidden = 0.0 * weights, 0.0
    out[WEAK] = squared_norm(weights - target[:directions]) + hidden_energy

    S = strong_features(X, cos, sin, inside, touching, kept, strong)
    unexplained = labels - np.dot(S, target_strong)
    gram = np.dot(S.T, S)
    out[BASELINE] = squared_norm(fit_error(S, unexplained, gram, n, target_strong, strong_root, ridge, few))

    # On a pseudo-labelled row the teacher says <s, said> + outside * h, the truth <s, target_strong> + truth_outside.
    T, h, g = pseudo_rows(rng, N, strong)
    said = said_inside(weights, cos, touching, strong)
    outside = np.sqrt(squared_norm(sin * weights) + hidden_energy)
    along = np.dot(sin * weights, target_outside) / outside if outside > 0.0 else 0.0
    beyond = squared_norm(target_outside) - along * along + target[kept - 2] ** 2 + variant.noise**2
    truth_outside = along * h + np.sqrt(max(beyond, 0.0)) * g
    gram_pseudo = np.dot(T.T, T)
    if variant.ceiling_apart:
        ceiling = fit_error(T, truth_outside, gram_pseudo, N, target_strong, strong_root, ridge, few)
    else:
        rows, rows_unexplained = stack(S, unexplained, T, truth_outside)
        ceiling = fit_error(rows, rows_unexplained, gram + gram_pseudo, n + N, target_strong, strong_root, ridge, few)
    out[CEILING] = squared_norm(ceiling)

    noise_said = said_inside(noise_weights, cos, touching, strong)
    noise_outside = np.sqrt(squared_norm(sin * noise_weights) + noise_hidden)
    out[INHERITED] = squared_norm(np.dot(T, noise_said)) / N
    out[INHERITED_NEW] = squared_norm(noise_said)
    if ridge is not None or N < strong:
        student = fit_error(T, outside * h, gram_pseudo, N, said, strong_root, ridge, few)
        noise_student = noise_said + fit_error(
            T, noise_outside * h, gram_pseudo, N, noise_said, strong_root, ridge, few
        )
        out[REDUCED] = squared_norm(np.dot(T, noise_student)) / N - out[INHERITED]
        out[REDUCED_NEW] = squared_norm(noise_student) - out[INHERITED_NEW]
    else:  # the parts are uncorrelated: leave out their product, which has mean zero and would drown the smaller one
        out[REDUCED] = noise_outside**2 * squared_norm(h) / N
        solve_upper(T, h)
        student = outside * h
        out[REDUCED_NEW] = noise_outside**2 * squared_norm(h)
    out[W2S] = squared_norm(said - target_strong + student)
