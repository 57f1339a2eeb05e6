"""Metrics of weights in which the Hessian is near the identity: from X'X, or from the rows where that fails.

The Hessian of K classes is a sum over rows of (diag(p) - p p') x x'. Where chances do not hang on the features much it
is that of the first factor's mean and X'X (at equal chances exactly, and never above half of X'X: Böhning 1992), so one
p x p matrix serves all classes, whatever the condition of the features.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from w2s_fast._check import FloatArray
from w2s_fast.linalg.leastsq.policy import EPS64, GRAM_RCOND, Cutoff, column_norms
from w2s_fast.linalg.rows.products import Matrix


class Metric(NamedTuple):
    """M = (B B')^-1 on the directions that rows have.

    Attributes
    ----------
    root : (p, r) ndarray
        B, with B' M B = I.
    null : (p, p - r) ndarray
        Directions along which no row has anything, nor a penalty.
    """

    root: Matrix
    null: Matrix

    def inverse_times(self, gradient: Matrix) -> Matrix:
        return np.asarray(self.root @ (self.root.T @ gradient))


def by_gram(gram: Matrix) -> Metric | None:
    """Of a Gram matrix with its penalty, by Cholesky; None where that is not to be trusted."""
    from scipy.linalg.lapack import dtrtri

    squares = np.diagonal(gram)
    if not np.all(squares > 0.0):
        return None
    scale = 1.0 / np.sqrt(squares)
    scaled = gram * scale * scale[:, None]
    try:
        upper = np.linalg.cholesky(scaled).T
    except np.linalg.LinAlgError:
        return None
    root, _ = dtrtri(upper, lower=0)
    if not np.abs(scaled).sum(axis=0).max() * np.vdot(root, root) < 1.0 / GRAM_RCOND:
        return None
    return Metric(scale[:, None] * root, np.empty((len(gram), 0)))


def by_rows(rows: FloatArray, weights: Matrix, penalty: Matrix) -> Metric:
    """Of sum w_i x_i x_i' + diag(penalty) by orthogonal factorisations of the rows, which cut what is rounding."""
    penalised = penalty[:, 0] > 0.0
    stacked = np.vstack((rows * np.sqrt(weights)[:, None], np.diag(np.sqrt(penalty[:, 0]))[penalised]))
    norms = column_norms(stacked)
    scale = np.divide(1.0, norms, out=np.zeros_like(norms), where=norms > 0.0)
    stacked *= scale
    short = np.asarray(np.linalg.qr(stacked, mode="r")) if len(stacked) > stacked.shape[1] else stacked
    _, s, vt = np.linalg.svd(short, full_matrices=True)
    s = np.concatenate((s, np.zeros(len(vt) - len(s))))
    cut = Cutoff.of(rows.dtype, rows.shape, None, float(penalised.any()))
    keep = cut.of_values(rows.shape, float(penalised.any())).keeps(s, vt.T, np.ones(len(vt)))
    root = scale[:, None] * vt[keep].T / s[keep]
    unseen = np.where(norms > 0.0, scale, 1.0)[:, None] * vt[~keep].T
    return Metric(root, unseen / np.maximum(np.linalg.norm(unseen, axis=0), EPS64))
