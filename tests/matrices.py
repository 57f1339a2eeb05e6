"""Matrices that the tests of several modules are made of, how they are saved, and what bases of them must be."""

import json

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


def save_safetensors(path, **arrays):
    """Write the format by hand, bfloat16 for arrays of uint16."""
    names = {"f8": "F64", "f4": "F32", "f2": "F16", "u2": "BF16", "i4": "I32"}
    header, data = {"__metadata__": {"format": "np"}}, b""
    for name, array in arrays.items():
        offsets = [len(data), len(data) + array.nbytes]
        header[name] = {"dtype": names[array.dtype.str[1:]], "shape": list(array.shape), "data_offsets": offsets}
        data += array.tobytes()
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)


def assert_orthonormal(columns, atol=1e-13):
    np.testing.assert_allclose(columns.T @ columns, np.eye(columns.shape[1]), atol=atol)


def assert_leading(found, X, k):
    """The subspace is that of the leading k right singular vectors of X."""
    _, s, vt = np.linalg.svd(np.asarray(X, np.float64))
    assert (found.rank, found.basis.shape) == (k, (X.shape[1], k))
    assert_orthonormal(found.basis)
    np.testing.assert_allclose(found.eigenvalues, s[:k] ** 2, rtol=1e-9)
    np.testing.assert_allclose(found.energy, np.sum(s[:k] ** 2) / np.sum(s**2), rtol=1e-12)
    np.testing.assert_allclose(found.basis @ (found.basis.T @ vt[:k].T), vt[:k].T, atol=1e-9)
