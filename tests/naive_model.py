"""Slow, obvious oracles of the model layer."""

import numpy as np


def min_norm(X, y, rcond=1e-12, ridge=0.0):
    """Shortest least-squares (ridge) weights by the singular value decomposition."""
    u, s, vt = np.linalg.svd(X, full_matrices=False)
    weights = np.zeros(X.shape[1])
    for i in range(len(s)):
        if s[i] > rcond * s[0]:
            weights += vt[i] * (u[:, i] @ y) * s[i] / (s[i] ** 2 + ridge)
    return weights


def trial(model, n, N, rng, ridge=0.0):
    """Excess risks of weak, baseline, ceiling, w2s: draw every row, solve, measure the distance to the target."""
    z = rng.standard_normal((n + N, len(model.target)))
    y = z @ model.target + np.sqrt(model.noise_variance) * rng.standard_normal(n + N)
    weak, strong = z @ model.weak, z @ model.strong
    teacher = min_norm(weak[:n], y[:n], 1e-12, ridge)
    fits = [
        model.weak @ teacher,
        model.strong @ min_norm(strong[:n], y[:n], 1e-12, ridge),
        model.strong @ min_norm(strong, y, 1e-12, ridge),
        model.strong @ min_norm(strong[n:], weak[n:] @ teacher, 1e-12, ridge),
    ]
    return [float(np.sum((fit - model.target) ** 2)) for fit in fits]


def probe_errors(weak, strong, y, labelled, pseudo, test, ridge):
    """Test mean squared errors of the four fits on given rows, in float64, from explicit residuals."""
    weak, strong, y = (np.asarray(a, np.float64) for a in (weak, strong, y))
    both = np.concatenate([labelled, pseudo])
    teacher = min_norm(weak[labelled], y[labelled], 0.0, ridge)
    fits = [
        (weak, teacher),
        (strong, min_norm(strong[labelled], y[labelled], 0.0, ridge)),
        (strong, min_norm(strong[both], y[both], 0.0, ridge)),
        (strong, min_norm(strong[pseudo], weak[pseudo] @ teacher, 0.0, ridge)),
    ]
    return [float(np.mean((y[test] - X[test] @ weights) ** 2)) for X, weights in fits]
