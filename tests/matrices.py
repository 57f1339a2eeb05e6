"""Matrices that the tests of several modules are made of."""

import numpy as np


def random(*shape, seed=1):
    return np.random.default_rng(seed).standard_normal(shape)


def spectrum(singular_values, m, n, seed=0):
    """A matrix (m, n) with the given singular values and random singular vectors."""
    rng = np.random.default_rng(seed)
    k = len(singular_values)
    left, right = (np.linalg.qr(rng.standard_normal((size, k)))[0] for size in (m, n))
    return (left * singular_values) @ right.T


def matrix(singular_values, m=60, seed=0):
    """A matrix (m, n) of n given singular values."""
    return spectrum(singular_values, m, len(singular_values), seed)
