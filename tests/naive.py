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


def fits(model, n, N, rng, ridge=0.0, ceiling="all", pseudo_noise_variance=None, teacher=None):
    """Latent rows, and latent weights of weak, baseline, ceiling and w2s: draw every row and solve."""
    z = rng.standard_normal((n + N, len(model.target)))
    other = model.noise_variance if pseudo_noise_variance is None else pseudo_noise_variance
    variances = np.r_[np.full(n, model.noise_variance), np.full(N, other)]
    y = z @ model.target + np.sqrt(variances) * rng.standard_normal(n + N)
    weak, strong = z @ model.weak, z @ model.strong
    if teacher is None:
        teacher = model.weak @ min_norm(weak[:n], y[:n], ridge=ridge)
    first = n if ceiling == "pseudo" else 0
    return z, [
        teacher,
        model.strong @ min_norm(strong[:n], y[:n], ridge=ridge),
        model.strong @ min_norm(strong[first:], y[first:], ridge=ridge),
        model.strong @ min_norm(strong[n:], z[n:] @ teacher, ridge=ridge),
    ]


def trial(model, n, N, rng, ridge=0.0, **setup):
    """Excess risks of weak, baseline, ceiling, w2s: the distance of fits to the target."""
    return [float(np.sum((fit - model.target) ** 2)) for fit in fits(model, n, N, rng, ridge, **setup)[1]]


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


# Counter-based draws


def philox_words(key, trial, strand, count, row=0):
    """Raw words of a strand, by NumPy's own Philox."""
    return np.random.Philox(key=key, counter=[0, row, strand, trial]).random_raw(count)


def normals(words):
    """Normal quantiles at the centres of the cells that the upper 53 bits name."""
    below = (np.asarray(words, np.uint64) >> np.uint64(11)).astype(np.float64) - 2.0**52 + 0.5
    return np.copysign(special.ndtri((2.0**52 - np.abs(below)) / 2.0**53), below)


def mixed_word(x):
    """Finaliser of splitmix64, of Python's integers."""
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
    x = (x ^ (x >> 27)) * 0x94D049BB133111EB % 2**64
    return x ^ (x >> 31)


def bucket_and_sign(key, coordinate, buckets):
    """Where a sketch in runs adds a coordinate, and with which sign."""
    golden, segment = 0x9E3779B97F4A7C15, buckets // 8
    stretch, place, lane = coordinate // 256, coordinate % 256 // 32, coordinate % 32
    of_stretch = mixed_word(key ^ mixed_word((stretch + golden) % 2**64))
    word = mixed_word((of_stretch + (place + 1) * golden) % 2**64)
    start = (word >> 32) * segment >> 32
    turned = (lane - start % 16) % 32
    bucket = (place + (of_stretch >> 61)) % 8 * segment + (start // 16 * 16 + turned) % segment
    return bucket, -1 if word >> turned & 1 else 1


def signs_of_row(key, row, width):
    """Places of the nonzeros of a column of the sparse-sign sketch, and their signs."""
    golden = 0x9E3779B97F4A7C15
    word, found = mixed_word(key ^ mixed_word((row + golden) % 2**64)), {}
    while len(found) < min(8, width):
        word = mixed_word((word + golden) % 2**64)
        found.setdefault((word >> 32) * width >> 32, 1 if word & 1 else -1)
    return found


def sketch_in_runs(keys, buckets, width, coordinates):
    """The map of gradient sketches (coordinates, width), entry by entry."""
    found = np.zeros((len(coordinates), width))
    for i, coordinate in enumerate(coordinates):
        bucket, sign = bucket_and_sign(int(keys[0]), int(coordinate), buckets)
        nonzeros = signs_of_row(int(keys[1]), bucket, width)
        for place, other in nonzeros.items():
            found[i, place] = sign * other / len(nonzeros) ** 0.5
    return found


def shuffled(order, x):
    """The number in place ``x`` of an order, by a Feistel network on two digits with cycle walking."""
    bits = (order.size - 1).bit_length() // 2
    lefts = -(-order.size // 2**bits)
    spare = 64 - lefts.bit_length()
    while True:
        left, right = divmod(x, 2**bits)
        for turn in range(6):
            word = _philox32(order.key, (left if turn % 2 else right, turn, order.trial % 2**32, order.trial >> 32))
            if turn % 2:
                right ^= word % 2**bits
            else:
                left = (left + ((word >> (64 - spare)) * lefts >> spare)) % lefts
        x = left * 2**bits + right
        if x < order.size:
            return x


def _philox32(key, counter):
    """The lower 64 of the 128 bits of Philox 4x32-10."""
    (k0, k1), (c0, c1, c2, c3) = key, counter
    for _ in range(10):
        p0, p1 = 0xD2511F53 * c0, 0xCD9E8D57 * c2
        c0, c1, c2, c3 = (p1 >> 32) ^ c1 ^ k0, p1 % 2**32, (p0 >> 32) ^ c3 ^ k1, p0 % 2**32
        k0, k1 = (k0 + 0x9E3779B9) % 2**32, (k1 + 0xBB67AE85) % 2**32
    return c1 << 32 | c0
