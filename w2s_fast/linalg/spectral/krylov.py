"""Eigenpairs of X'X that is met only through products X'(X V), and from one look at the rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from w2s_fast._check import FloatArray
from w2s_fast.linalg.rows.products import Matrix, cross, times
from w2s_fast.linalg.spectral.orthonormal import span_basis


@dataclass(frozen=True, eq=False)
class Ritz:
    """Ritz pairs of a positive semidefinite matrix G: values (r,) falling, vectors (D, r), residuals G v - v theta."""

    values: Matrix
    vectors: Matrix
    residuals: Matrix


def block_krylov(
    apply: Callable[[FloatArray], Matrix], start: FloatArray, applications: int, precision: npt.DTypeLike
) -> Ritz:
    """Ritz pairs of G = ``apply`` in the span of V, G V, ..., for V = ``start`` (Musco and Musco 2015)."""
    basis = start
    images = grown = apply(start)
    for _ in range(applications - 1):
        newest = expansion(basis, grown, precision)
        if newest.shape[1] == 0:
            break
        grown = apply(newest)
        basis, images = np.hstack((basis, newest)), np.hstack((images, grown))
    compressed = cross(basis, images)
    values, rotation = np.linalg.eigh((compressed + compressed.T) / 2)
    values, rotation = values[::-1], rotation[:, ::-1]
    vectors = times(basis, rotation)
    residuals = np.asarray(times(images, rotation) - vectors * values, np.float64)
    return Ritz(np.maximum(values, 0.0), np.asarray(vectors, np.float64), residuals)


def expansion(basis: FloatArray, image: FloatArray, precision: npt.DTypeLike) -> FloatArray:
    """What ``image``, in the given precision, adds to the span of ``basis``: orthonormal columns, some or none."""
    norms = np.linalg.norm(image.astype(np.float64, copy=False), axis=0)  # squares of float32 may underflow
    units = image / np.maximum(norms, np.finfo(float).tiny)
    return span_basis(units.astype(basis.dtype, copy=False), precision, against=basis)


def nystrom(test: FloatArray, image: Matrix, precision: npt.DTypeLike) -> tuple[Matrix, Matrix]:
    """Eigenpairs of the Nystrom approximation of G, from G times ``test`` alone, known in the given precision.

    What of test' G test is rounding in that precision is left out (Nakatsukasa 2020): pairs may be fewer than columns.
    """
    core = cross(test, image)
    values, vectors = np.linalg.eigh((core + core.T) / 2)
    keep = values > max(10 * np.finfo(precision).eps * values[-1], np.finfo(float).tiny)
    pairs, roots, _ = np.linalg.svd(times(image, vectors[:, keep] / np.sqrt(values[keep])), full_matrices=False)
    return roots**2, pairs
