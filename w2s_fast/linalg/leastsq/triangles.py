"""What the triangles that factorisations leave say of singular values."""

from __future__ import annotations

import math

import numpy as np

from w2s_fast._check import FloatArray
from w2s_fast.linalg.leastsq.policy import CUTOFF_MARGIN, Cutoff

BLOCK, POWER_STEPS = 4, 4  # columns and steps, which underrate a square by n^(1 / 9): 2.2 (Halko et al. 2011)


def clears(lower: FloatArray, cut: Cutoff) -> bool:
    """Whether every singular value of a triangle, of which rows have the norms of columns, is surely above the cut."""
    if not np.diagonal(lower).all():
        return False
    lower = lower / np.abs(lower).max()
    if not _surely_above(lower, cut.relative * float(np.linalg.norm(lower))):
        return False
    # Squares of rows, which may be of any scale in float64, vanish in none of float32, which ``stored`` is for.
    return not cut.stored or _surely_above(lower / np.sqrt(np.einsum("ij,ij->i", lower, lower))[:, None], cut.stored)


def _surely_above(lower: FloatArray, least: float) -> bool:
    """Whether the smallest singular value of a triangle is."""
    inverse = CUTOFF_MARGIN * _inverse_squared(lower)
    return math.isfinite(inverse) and 1.0 / math.sqrt(inverse) > least


def _inverse_squared(lower: FloatArray) -> float:
    """|L^-1|^2 by steps of a block power method: too small by a factor of two at most, but for bad luck."""
    from scipy.linalg.blas import dtrsm

    lower = np.asfortranarray(lower)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        image = np.random.default_rng(0).standard_normal((len(lower), BLOCK))
        for _ in range(POWER_STEPS):
            if not np.isfinite(image).all():
                return math.inf
            basis = np.linalg.qr(image)[0]
            image = dtrsm(1.0, lower, dtrsm(1.0, lower, basis, lower=1), lower=1, trans_a=1)
        return float(np.linalg.norm(image, 2)) if np.isfinite(image).all() else math.inf
