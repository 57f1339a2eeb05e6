"""Minimum-norm least squares: factorisations, fits, and the one place that states the rank policy.

A Gram matrix squares the condition number, so it serves only where that is safe. ``min_norm_fit`` decides:

1. Form the smaller Gram matrix, X'X or XX', plus ridge; factor it by Cholesky; estimate its reciprocal condition.
2. At ``GRAM_RCOND`` or better, and clear of the caller's ``rcond``, no singular value is in doubt. Solve, and refine
   once with the residual of X itself, which brings the error down to that of an orthogonal factorisation.
3. Otherwise take the singular value decomposition, cut at ``rcond``: right at any rank.
"""

import numpy as np

from w2s_fast._jit import kernel

GRAM_RCOND = 1e-10  # of the Gram matrix: condition 1e5 of X, where one refinement still gains 6 digits
CUTOFF_MARGIN = 10.0  # the condition estimate is rarely off by more than 3 (Higham 2002, section 15.3)
SMALLEST_NORM = 1e-200  # of a Gram matrix whose small entries are not yet denormal
GRAM, SVD = 0, 1  # the routes


@kernel
def cholesky(gram):  # type: ignore[no-untyped-def]
    """Lower factor L, gram = L L', and whether ``gram`` is positive definite to working precision."""
    try:
        return np.linalg.cholesky(gram), True
    except Exception:  # noqa: BLE001  the only kind compiled code can catch
        return gram, False


@kernel
def solve_lower(lower, vector):  # type: ignore[no-untyped-def]
    """Overwrite ``vector`` with the inverse of ``lower`` times it."""
    for i in range(vector.size):
        vector[i] = (vector[i] - np.dot(lower[i, :i], vector[:i])) / lower[i, i]


@kernel
def solve_gram(lower, vector):  # type: ignore[no-untyped-def]
    """Overwrite ``vector`` with the inverse of L L' times it."""
    solve_lower(lower, vector)
    for i in range(vector.size - 1, -1, -1):
        vector[i] /= lower[i, i]
        weight, row = vector[i], lower[i]
        for j in range(i):
            vector[j] -= weight * row[j]


@kernel
def cholesky_solve(lower, rhs):  # type: ignore[no-untyped-def]
    """Solve (L L') x = rhs for the columns of ``rhs`` (d, k)."""
    columns = rhs.T.copy()
    for k in range(columns.shape[0]):
        solve_gram(lower, columns[k])
    return columns.T.copy()


@kernel
def inverse_norm(lower):  # type: ignore[no-untyped-def]
    """Estimate the 1-norm of (L L')^-1 from below: Hager's method as in LAPACK's xLACON (Higham 2002, alg. 15.1)."""
    d = lower.shape[0]
    vector = np.full(d, 1.0 / d)
    estimate, best = 0.0, -1
    for _ in range(5):
        solve_gram(lower, vector)
        size = np.abs(vector).sum()
        if size <= estimate:
            break
        estimate = size
        gradient = np.sign(vector)
        solve_gram(lower, gradient)
        steepest = np.argmax(np.abs(gradient))
        if steepest == best:
            break
        best = steepest
        vector[:] = 0.0
        vector[best] = 1.0
    alternating = np.empty(d)  # Higham's guard against cancellation in the method above
    for i in range(d):
        alternating[i] = (1.0 if i % 2 == 0 else -1.0) * (1.0 + i / max(d - 1, 1))
    solve_gram(lower, alternating)
    return max(estimate, 2.0 * np.abs(alternating).sum() / (3.0 * d))


@kernel
def factor_gram(gram, ridge):  # type: ignore[no-untyped-def]
    """Cholesky factor of ``gram + ridge I`` and its reciprocal condition number, 0 where it has no factor."""
    d = gram.shape[0]
    norm = 0.0
    shifted = gram.copy()
    for i in range(d):
        shifted[i, i] += ridge
        norm = max(norm, np.abs(shifted[i]).sum())
    if d == 0:
        return shifted, 1.0
    if not (SMALLEST_NORM < norm < np.inf):
        return shifted, 0.0
    lower, definite = cholesky(shifted)
    if not definite:
        return lower, 0.0
    inverse = inverse_norm(lower)
    return lower, 1.0 / (norm * inverse) if inverse < np.inf else 0.0


@kernel
def svd_fit(X, Y, rcond, ridge):  # type: ignore[no-untyped-def]
    """Minimum-norm solution (d, k), rank and singular values by the SVD, cut at ``rcond`` times the largest."""
    rows, columns = X.shape
    short = min(rows, columns)
    if short == 0:
        return np.zeros((columns, Y.shape[1])), 0, np.zeros(0)
    if rows > columns:  # the SVD of a triangle costs less than that of a tall matrix
        q, r = np.linalg.qr(X)
        u, s, vt = np.linalg.svd(r, False)
        projected = np.dot(u.T.copy(), np.dot(q.T.copy(), Y))
    else:
        u, s, vt = np.linalg.svd(X, False)
        projected = np.dot(u.T.copy(), Y)
    rank = 0
    for i in range(short):
        if s[i] > rcond * s[0]:
            rank += 1
            # s / (s^2 + ridge), in a form that neither overflows nor underflows
            projected[i] *= 1.0 / (s[i] + ridge / s[i])
        else:
            projected[i] = 0.0
    return np.dot(vt.T.copy(), projected), rank, s


@kernel
def gram_fit(X, Y, lower, ridge):  # type: ignore[no-untyped-def]
    """Solve by the Cholesky factor of X'X + ridge (tall) or XX' + ridge (wide), refined once."""
    Xt = X.T.copy()
    if X.shape[0] >= X.shape[1]:
        coef = cholesky_solve(lower, np.dot(Xt, Y))
        residual = Y - np.dot(X, coef)
        return coef + cholesky_solve(lower, np.dot(Xt, residual) - ridge * coef)
    dual = cholesky_solve(lower, Y)
    residual = Y - np.dot(X, np.dot(Xt, dual)) - ridge * dual
    return np.dot(Xt, dual + cholesky_solve(lower, residual))


@kernel
def min_norm_fit(X, Y, rcond, ridge):  # type: ignore[no-untyped-def]
    """Minimum-norm (ridge) solution of X coef ~ Y, (d, k), and the route taken."""
    Xt = X.T.copy()
    gram = np.dot(Xt, X) if X.shape[0] >= X.shape[1] else np.dot(X, Xt)
    lower, gram_rcond = factor_gram(gram, ridge)
    if gram_rcond > max(GRAM_RCOND, CUTOFF_MARGIN * rcond * rcond):
        return gram_fit(X, Y, lower, ridge), GRAM
    return svd_fit(X, Y, rcond, ridge)[0], SVD


@kernel
def min_norm_stack(X, Y, rcond, ridge, coef):  # type: ignore[no-untyped-def]
    """``min_norm_fit`` for every problem of the stacks X (b, m, n) and Y (b, m, k), into ``coef`` (b, n, k)."""
    for b in range(X.shape[0]):
        coef[b] = min_norm_fit(X[b], Y[b], rcond, ridge)[0]


@kernel
def svd_stack(X, Y, rcond, coef, ranks, singular_values):  # type: ignore[no-untyped-def]
    """``svd_fit`` without ridge for every problem of the stacks."""
    for b in range(X.shape[0]):
        coef[b], ranks[b], singular_values[b] = svd_fit(X[b], Y[b], rcond, 0.0)
