"""One Monte Carlo trial of the Gaussian model, drawn from its sufficient statistics.

A least-squares fit sees its rows only up to a rotation of the rows. ``dof`` Gaussian rows are therefore as good as the
staircase that a QR factorisation makes of them: chi variables on the diagonal, standard normals to the right of it,
zeros elsewhere, at most as many rows as columns (Bartlett 1933). Its cost does not depend on ``dof``.

Latent coordinates (:mod:`w2s_fast.model.canonical` finds them), all independent standard normal, in column order:

    w_i      the teacher's directions that matter; w_i = cos_i s_i + sin_i q_i, s_i in V_s, q_i outside it
    p_i      completes the plane of a w_i that is neither inside V_s nor orthogonal to it
    t        the direction of the target within the part of V_s that is orthogonal to V_w
    e        label noise, with what the target has outside V_w + V_s
    s_rest   the other directions of V_s, of which neither the target nor the teacher knows

The teacher's other directions, ``hidden`` in number, are orthogonal to V_s and to the target, so that their columns
are independent of everything above. Given them, ``hidden`` of the rotated rows belong to their span, and the teacher
fits the rest: its weights on the columns above use n - hidden rows only, and its weights on the hidden columns have
squared length |g|^2 / chi^2(n - hidden + 1), where g is the residual on the hidden rows, by |g|^2 / g'W^-1 g ~ chi^2
for a Wishart W independent of g (Muirhead 1982, theorem 3.2.12).
"""

import numpy as np

from w2s_fast._jit import kernel
from w2s_fast.kernels.leastsq import cholesky, solve_gram, solve_lower

GRAM_ASPECT = 2  # with this many rows a column, Gaussian rows have condition ~6: their Gram matrix is safe


@kernel
def staircase(rng, dof, top, left, rows, out):  # type: ignore[no-untyped-def]
    """Fill ``rows`` <= ``dof`` rows of ``out`` from ``top`` on; the diagonal starts at column ``left``."""
    for i in range(rows):
        diagonal = left + i
        out[top + i, :diagonal] = 0.0
        out[top + i, diagonal] = np.sqrt(rng.chisquare(float(dof - i)))
        for j in range(diagonal + 1, out.shape[1]):
            out[top + i, j] = rng.standard_normal()


@kernel
def solve_upper(upper, vector):  # type: ignore[no-untyped-def]
    """Overwrite ``vector`` (d,) with the inverse of the leading d x d block of ``upper`` times it."""
    d = vector.size
    for i in range(d - 1, -1, -1):
        vector[i] = (vector[i] - np.dot(upper[i, i + 1 : d], vector[i + 1 :])) / upper[i, i]


@kernel
def shortest_fit(rows, labels, root):  # type: ignore[no-untyped-def]
    """Latent weights of the minimum-norm fit to fewer rows than columns, where the features are ``rows @ root``."""
    q, r = np.linalg.qr(np.dot(rows, root).T.copy())
    dual = labels.copy()
    solve_lower(r.T.copy(), dual)
    return np.dot(root, np.dot(q.copy(), dual))


@kernel
def orthogonal_error(rows, residual):  # type: ignore[no-untyped-def]
    """Least-squares weights for ``residual`` where the rows are too few for their Gram matrix to be safe."""
    q, r = np.linalg.qr(rows)
    error = np.dot(q.T.copy(), residual)
    solve_upper(r.copy(), error)
    return error


@kernel
def gram_error(gram, moment):  # type: ignore[no-untyped-def]
    """Least-squares weights for a residual from the Gram matrix and X' residual."""
    lower, _ = cholesky(gram)
    solve_gram(lower, moment)
    return moment


@kernel
def stack(X, x, Y, y):  # type: ignore[no-untyped-def]
    """Rows of X over rows of Y, x over y. Loops, because np.concatenate takes a second to compile."""
    above = X.shape[0]
    Z, z = np.empty((above + Y.shape[0], X.shape[1])), np.empty(above + Y.shape[0])
    for i in range(z.size):
        for j in range(Z.shape[1]):
            Z[i, j] = X[i, j] if i < above else Y[i - above, j]
        z[i] = x[i] if i < above else y[i - above]
    return Z, z


@kernel
def squared_norm(vector):  # type: ignore[no-untyped-def]
    return np.dot(vector, vector)


@kernel
def teacher_fit(rng, X, labels, n, hidden, directions, own_rows, hidden_rows, root):  # type: ignore[no-untyped-def]
    """Weights on the w_i and the squared length of those on the hidden directions.

    The first ``own_rows`` of ``X`` are orthogonal to the hidden columns, the next ``hidden_rows`` lie in their span.
    """
    if n < directions + hidden:
        weights = shortest_fit(X[:own_rows, :directions].copy(), labels[:own_rows], root)
        return weights, 0.0
    weights = labels[:directions].copy()
    solve_upper(X, weights)
    if hidden == 0:
        return weights, 0.0
    residual = 0.0
    for i in range(own_rows, own_rows + hidden_rows):
        residual += (labels[i] - np.dot(X[i, :directions], weights)) ** 2
    return weights, residual / rng.chisquare(float(n - hidden + 1))


@kernel
def trial_risks(  # type: ignore[no-untyped-def]
    rng, n, N, hidden, cos, sin, partial, target, target_strong, target_outside, weak_root, strong_root
):
    """Draw one trial; return the risks of weak, baseline, ceiling and w2s inside the span of the coordinates above.

    ``cos``, ``sin``: of the w_i to V_s, in falling order of ``cos``; ``partial``: index of the first w_i with a p_i and
    of the first beyond. ``target``: label weights of the columns w, p, t, e. ``target_strong``: of the directions of
    V_s (s_i, t, s_rest); ``target_outside``: of the q_i.
    ``weak_root``, ``strong_root``: features are latent coordinates times these; they matter for fewer rows than columns.
    """
    directions, kept, strong = cos.size, target.size, target_strong.size
    touching = partial[1]  # w_i with a component in V_s
    paired = kept - directions - (partial[1] - partial[0]) - 1  # 1 if there is a t
    rest = strong - touching - paired

    # Labelled rows, in three groups: orthogonal to the hidden columns, in their span, and what only s_rest has left.
    own_rows, hidden_rows = min(n - hidden, kept), min(hidden, kept)
    rest_rows = min(n - own_rows - hidden_rows, rest)
    used = own_rows + hidden_rows + rest_rows
    X = np.empty((used, kept + rest))
    staircase(rng, n - hidden, 0, 0, own_rows, X)
    staircase(rng, hidden, own_rows, 0, hidden_rows, X)
    staircase(rng, n - own_rows - hidden_rows, own_rows + hidden_rows, kept, rest_rows, X)
    labels = np.dot(X[:, :kept].copy(), target)
    weights, hidden_energy = teacher_fit(rng, X, labels, n, hidden, directions, own_rows, hidden_rows, weak_root)
    weak_risk = squared_norm(weights - target[:directions]) + hidden_energy

    # The strong features of the labelled rows, and their labels less what the target says.
    S = np.empty((used, strong))
    for r in range(used):
        for i in range(touching):
            S[r, i] = cos[i] * X[r, i]
            if i >= partial[0]:
                S[r, i] -= sin[i] * X[r, directions + i - partial[0]]
        for i in range(paired):
            S[r, touching + i] = X[r, kept - 2]
        for i in range(rest):
            S[r, touching + paired + i] = X[r, kept + i]
    unexplained = labels - np.dot(S, target_strong)

    gram_labelled = np.dot(S.T, S)
    moment_labelled = np.dot(S.T, unexplained)
    if used < strong:
        baseline = shortest_fit(S, labels, strong_root) - target_strong
    elif n < GRAM_ASPECT * strong:
        baseline = orthogonal_error(S, unexplained)
    else:
        baseline = gram_error(gram_labelled, moment_labelled.copy())

    # Pseudo-labelled rows: the teacher says S weights_strong + outside h, the truth S target_strong + ... h + ... g.
    T = np.empty((min(N, strong), strong))
    staircase(rng, N, 0, 0, T.shape[0], T)
    h, g = np.empty(T.shape[0]), np.empty(T.shape[0])
    for i in range(T.shape[0]):
        h[i], g[i] = rng.standard_normal(), rng.standard_normal()
    weights_strong = np.zeros(strong)
    for i in range(touching):
        weights_strong[i] = cos[i] * weights[i]
    weights_outside = sin * weights
    outside = np.sqrt(squared_norm(weights_outside) + hidden_energy)
    along = np.dot(weights_outside, target_outside) / outside if outside > 0.0 else 0.0
    across = np.sqrt(max(squared_norm(target_outside) - along * along, 0.0) + target[kept - 1] ** 2)
    truth_outside = along * h + across * g
    if N < strong:
        w2s = shortest_fit(T, np.dot(T, weights_strong) + outside * h, strong_root) - target_strong
    else:
        student = outside * h
        solve_upper(T, student)
        w2s = weights_strong - target_strong + student

    if n + N >= GRAM_ASPECT * strong:
        ceiling = gram_error(gram_labelled + np.dot(T.T, T), moment_labelled + np.dot(T.T, truth_outside))
    else:
        rows, noise = stack(S, unexplained, T, truth_outside)
        if rows.shape[0] < strong:
            truth = np.dot(rows, target_strong) + noise
            ceiling = shortest_fit(rows, truth, strong_root) - target_strong
        else:
            ceiling = orthogonal_error(rows, noise)
    return weak_risk, squared_norm(baseline), squared_norm(ceiling), squared_norm(w2s)
