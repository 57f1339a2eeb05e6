"""Truncated SVD of rows that stay where they are: a pass over them an iteration, and U made of them at last.

V <- orth(X'(X V)) from Gaussian columns, once more than the peer iterates, since it starts from a sketch of the rows,
then the SVD of X V by the tree of its triangles. Beside X there are V and s alone.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from w2s_fast._check import FloatArray
from w2s_fast.linalg.leastsq.by_qr import reduced, reduced_both
from w2s_fast.linalg.rows.base import Rows
from w2s_fast.linalg.rows.products import gram_times, gram_times_pass
from w2s_fast.linalg.rows.scale import PRODUCTS
from w2s_fast.linalg.spectral.orthonormal import householder


def svd(
    rows: Rows, k: int, width: int, iterations: int, key: int, flip_sign: bool
) -> tuple[Any, FloatArray, FloatArray]:
    """U, s and Vt of k components, found in a block of ``width``; U is what :meth:`Rows.images` makes."""
    columns, dtype, _ = rows.opened()
    V: FloatArray = np.random.default_rng(key).standard_normal((columns, width))
    for iteration in range(iterations + 1):
        V = householder(_checked_image(rows, V, dtype) if iteration == 0 else gram_times(rows, V))
    _, s, vt = np.linalg.svd(rows.total(partial(_triangle, V), reduced_both))
    s, right = s[:k], vt[:k] @ V.T
    resolved = s > columns * np.finfo(float).eps * s[0]
    # Columns of U that would be rounding are zero.
    left = right.T * np.where(resolved, 1.0 / np.where(resolved, s, 1.0), 0.0)
    if flip_sign:
        low, high = rows.total(partial(_extremes, left), _extremes_of_both)
        signs = np.where(high < -low, -1.0, 1.0)
        left, right = left * signs, right * signs[:, None]
    return rows.images(left.astype(dtype)), s.astype(dtype), right.astype(dtype)


def _checked_image(rows: Rows, V: FloatArray, dtype: Any) -> FloatArray:
    found = gram_times_pass(rows, V, energy=True, progress=None)
    rows.refuse_not_finite(found.product)
    rows.refuse_vanishing(found.energy, any(found.nonzero), *PRODUCTS[np.dtype(dtype)])
    return found.product


def _triangle(V: FloatArray, block: FloatArray) -> FloatArray:
    return reduced(block.astype(np.float64, copy=False) @ V)


def _extremes(W: FloatArray, block: FloatArray) -> FloatArray:
    images = block.astype(np.float64, copy=False) @ W
    return np.stack((images.min(axis=0), images.max(axis=0)))


def _extremes_of_both(a: FloatArray, b: FloatArray) -> FloatArray:
    return np.stack((np.minimum(a[0], b[0]), np.maximum(a[1], b[1])))
