"""Slow, obvious oracles: plain loops, sums rounded once, the singular value decomposition."""

import math

import numpy as np
from scipy import special

# Linear algebra


def mean(X):
    """Mean of the rows of X (n, d)."""
    return np.array([math.fsum(column) / len(X) for column in X.T])


def covariance(X, ddof=0):
    """Covariance matrix of the rows of X (n, d)."""
    deviations = X - mean(X)
    return gram(deviations, deviations) / (len(X) - ddof)


def variance(X, ddof=0):
    """Variance of each column of X (n, d)."""
    return np.diagonal(covariance(X, ddof))


def gram(A, B):
    """A'B for A (n, d) and B (n, k), in float64."""
    A, B = np.asarray(A, np.float64), np.asarray(B, np.float64)
    return np.array([[math.fsum(a * b) for b in B.T] for a in A.T]).reshape(A.shape[1], B.shape[1])


def min_norm(X, Y, rcond=1e-12, ridge=0.0, stored=0.0, came=None):
    """Shortest least-squares (ridge) weights, singular values up to ``rcond`` times the largest cut.

    Cut too is what an error of ``stored`` times each column (row, if there are fewer) of ``came``, by default X, makes.
    """
    u, s, vt = np.linalg.svd(np.asarray(X, np.float64), full_matrices=False)
    wide, came = np.shape(X)[0] < np.shape(X)[1], np.asarray(X if came is None else came, np.float64)
    weights = np.zeros((np.shape(X)[1], *np.shape(Y)[1:]))
    for i in range(len(s)):
        blurred = np.linalg.norm(u[:, i][:, None] * came if wide else vt[i] * came)
        if s[i] > max(rcond * s[0], stored * blurred):
            weights += np.multiply.outer(vt[i], (u[:, i] @ Y) / (s[i] + ridge / s[i]))
    return weights


def sparse_sign_matrix(key, width, rows, nonzeros=8):
    """The sparse sign matrix S (width, rows), column by column, in whole numbers modulo 2**64."""
    S = np.zeros((width, rows))
    nonzeros = min(nonzeros, width)
    golden = 0x9E3779B97F4A7C15
    for row in range(rows):
        word = _mix(key ^ _mix((row + golden) % 2**64))
        places = []
        while len(places) < nonzeros:
            word = _mix((word + golden) % 2**64)
            place = (word >> 32) * width >> 32
            if place not in places:
                places.append(place)
                S[place, row] = (1 if word % 2 else -1) / math.sqrt(nonzeros)
    return S


def _mix(x):
    """Output function of splitmix64."""
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
    x = (x ^ (x >> 27)) * 0x94D049BB133111EB % 2**64
    return x ^ (x >> 31)


def intrinsic_dimension(X, energy):
    """Count the squared singular values that it takes to reach ``energy`` times their sum."""
    squares = np.linalg.svd(X, compute_uv=False) ** 2
    total, k = math.fsum(squares), 0
    while math.fsum(squares[:k]) < energy * total:
        k += 1
    return k


def three_sketches(X, rank, width, rng):
    """Leading right singular vectors from one look (Tropp, Yurtsever, Udell and Cevher 2019, algorithms 4.1, 5.1)."""
    m, n = X.shape
    core = 2 * width + 1
    Y, Z = X @ rng.standard_normal((n, width)), rng.standard_normal((width, m)) @ X
    left, right = rng.standard_normal((core, m)), rng.standard_normal((core, n))
    Q, P = np.linalg.qr(Y)[0], np.linalg.qr(Z.T)[0]
    C = np.linalg.pinv(left @ Q) @ (left @ X @ right.T) @ np.linalg.pinv(right @ P).T
    return P @ np.linalg.svd(C)[2].T[:, :rank]


def principal_angles(A, B):
    """Arc cosines of the singular values of Q_A' Q_B, falling."""
    cosines = np.linalg.svd(_span(A).T @ _span(B), compute_uv=False)
    return np.arccos(np.minimum(cosines, 1.0))[::-1]


def _span(A):
    u, s, _ = np.linalg.svd(A, full_matrices=False)
    return u[:, s > 1e-12 * s[0]]


def layouts(array):
    """Yield the numbers of ``array`` as every kind of array a caller may hold."""
    padded = np.zeros([2 * size for size in array.shape], array.dtype)
    padded[tuple(slice(None, None, 2) for _ in array.shape)] = array
    yield "list", array.tolist()
    yield "C", array.copy()
    yield "Fortran", np.asfortranarray(array)
    yield "strided", padded[tuple(slice(None, None, 2) for _ in array.shape)]
    yield "backward", array[::-1].copy()[::-1]
    yield "byte-swapped", array.astype(array.dtype.newbyteorder())
    frozen = array.copy()
    frozen.flags.writeable = False
    yield "read-only", frozen


# Studies


def trial(model, n, N, rng, ridge=0.0):
    """Excess risks of weak, baseline, ceiling, w2s: draw every row, solve, measure the distance to the target."""
    z = rng.standard_normal((n + N, len(model.target)))
    y = z @ model.target + np.sqrt(model.noise_variance) * rng.standard_normal(n + N)
    weak, strong = z @ model.weak, z @ model.strong
    teacher = min_norm(weak[:n], y[:n], ridge=ridge)
    fits = [
        model.weak @ teacher,
        model.strong @ min_norm(strong[:n], y[:n], ridge=ridge),
        model.strong @ min_norm(strong, y, ridge=ridge),
        model.strong @ min_norm(strong[n:], weak[n:] @ teacher, ridge=ridge),
    ]
    return [float(np.sum((fit - model.target) ** 2)) for fit in fits]


def probe_errors(weak, strong, y, labelled, pseudo, test, ridge, rcond=0.0, intercept=False, stored=0.0):
    """Test mean squared errors of the four fits on given rows, in float64, from explicit residuals."""
    weak, strong, y = (np.asarray(a, np.float64) for a in (weak, strong, y))
    both = np.concatenate([labelled, pseudo])

    def fitted(features, rows, labels):
        X, mean = features[rows], np.zeros(features.shape[1])
        shift = 0.0
        if intercept:
            mean, shift = X.mean(axis=0), labels.mean()
        weights = min_norm(X - mean, labels - shift, rcond, ridge, stored, X)
        return (features - mean) @ weights + shift

    teacher = fitted(weak, labelled, y[labelled])
    fits = [
        teacher,
        fitted(strong, labelled, y[labelled]),
        fitted(strong, both, y[both]),
        fitted(strong, pseudo, teacher[pseudo]),
    ]
    return [float(np.mean((y[test] - said[test]) ** 2)) for said in fits]


# Counter-based draws, and trials made of them


def philox_words(key, trial, strand, count, row=0):
    """Raw words of a strand, by NumPy's own Philox."""
    return np.random.Philox(key=key, counter=[0, row, strand, trial]).random_raw(count)


def normals(words):
    """Normal quantiles at the centres of the cells that the upper 53 bits name."""
    below = (np.asarray(words, np.uint64) >> np.uint64(11)).astype(np.float64) - 2.0**52 + 0.5
    return np.copysign(special.ndtri((2.0**52 - np.abs(below)) / 2.0**53), below)


def chi_square(key, trial, strand, row, dof):
    """Marsaglia and Tsang's algorithm as they wrote it; the square of a normal for one degree of freedom."""
    attempts = iter(philox_words(key, trial, strand, 400, row + 1).reshape(100, 4))
    d = dof / 2 - 1 / 3
    while True:
        words = next(attempts)
        (x,), u = normals(words[:1]), (int(words[1] >> np.uint64(11)) + 0.5) / 2**53
        if dof == 1:
            return x * x
        v = (1 + x / math.sqrt(9 * d)) ** 3
        if v > 0 and math.log(u) < 0.5 * x * x + d - d * v + d * math.log(v):
            return 2 * d * v


def staircase(key, trial, strand, rows, width, dof):
    """Upper trapezoid of normals, chi variables on its diagonal, as ``kernels.lanes`` draws it."""
    out = np.zeros((rows, width))
    on_and_right = np.triu_indices(rows, 0, width)
    out[on_and_right] = normals(philox_words(key, trial, strand, len(on_and_right[0])))
    for i in range(rows):
        out[i, i] = math.sqrt(chi_square(key, trial, 5 + strand, i, dof - i))
    return out


def lane_trial(c, key, trial, n, N):
    """The eight values of a trial in canonical coordinates ``c``, less what no feature sees: full rows, min_norm."""
    directions, kept, strong = len(c.cos), len(c.target), len(c.target_strong)
    tilted = c.touching - c.inside
    with_t = kept - directions - tilted - 2
    rest = strong - c.touching - with_t
    own, below = min(n - c.hidden, kept), min(c.hidden, kept)
    dof = n - own - below
    X = np.zeros((own + below + min(dof, rest), kept + rest))
    X[:own] = staircase(key, trial, 0, own, kept + rest, n - c.hidden)
    X[own : own + below] = staircase(key, trial, 1, below, kept + rest, c.hidden)
    X[own + below :, kept:] = staircase(key, trial, 2, min(dof, rest), rest + 1, dof)[:, :rest]
    square = staircase(key, trial, 3, strong, strong + 1, N)
    T, h = square[:, :strong], square[:, strong]
    g = normals(philox_words(key, trial, 4, strong))
    chi2 = chi_square(key, trial, 9, 0, n - c.hidden + 1)

    def teacher(labels):
        weights = min_norm(X[:own, :directions], labels[:own])
        left = labels[own : own + below] - X[own : own + below, :directions] @ weights
        return weights, left @ left / chi2

    def said_by(weights, left):
        said = np.zeros(strong)
        said[: c.touching] = (c.cos * weights)[: c.touching]
        return said, math.sqrt(np.sum((c.sin * weights) ** 2) + left)

    S = np.zeros((len(X), strong))
    S[:, : c.touching] = X[:, : c.touching] * c.cos[: c.touching]
    S[:, c.inside : c.touching] -= X[:, directions : directions + tilted] * c.sin[c.inside : c.touching]
    S[:, c.touching : c.touching + with_t] = X[:, [kept - 3] * with_t]
    S[:, c.touching + with_t :] = X[:, kept:]
    labels, noise = X[:, :kept] @ c.target, X[:, kept - 1] * c.target[-1]

    weights, left = teacher(labels)
    said, outside = said_by(weights, left)
    along = (c.sin * weights) @ c.target_outside / outside if outside else 0.0
    beyond = c.target_outside @ c.target_outside + c.target[-2] ** 2 + c.target[-1] ** 2 - along**2
    truth = T @ c.target_strong + along * h + math.sqrt(max(beyond, 0.0)) * g
    baseline = min_norm(S, labels)
    ceiling = min_norm(np.vstack((S, T)), np.concatenate((labels, truth)))
    student = min_norm(T, T @ said + outside * h)
    noise_said, noise_outside = said_by(*teacher(noise))
    added = noise_outside * min_norm(T, h)
    return [
        float(np.sum((weights - c.target[:directions]) ** 2) + left),
        *(float(np.sum((fit - c.target_strong) ** 2)) for fit in (baseline, ceiling, student)),
        float(np.sum((T @ noise_said) ** 2) / N),
        float(noise_outside**2 * (h @ h) / N),
        float(noise_said @ noise_said),
        float(added @ added),
    ]
