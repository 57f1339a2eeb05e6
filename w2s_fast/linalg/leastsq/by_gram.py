"""Minimum-norm least squares by the smaller Gram matrix, in a precision that its first rows or a sample decide.

Rank-deficient features go the same way where some of their columns (of their rows, if there are fewer) are
well-conditioned and span the others to rounding.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from w2s_fast._check import FloatArray
from w2s_fast._threads import single_threaded_blas
from w2s_fast.linalg.leastsq.cholesky import factor_gram
from w2s_fast.linalg.leastsq.gram_factor import GramFactor, Matrix, factor_safe
from w2s_fast.linalg.leastsq.policy import GRAM_RCOND, GRAM_RCOND_FLOAT32, Cutoff, least_refined_rcond
from w2s_fast.linalg.leastsq.spanned import SpannedFactor, factor_spanned, independent
from w2s_fast.linalg.rows.products import gram

MIXED_SIDE = 400  # smaller side of float64 features: above, float32 saves more than the refinements it asks for
SAMPLED_WORK = 5 * 10**8  # multiplications of X'X: a part of its rows is looked at first where there are more,
SAMPLED_ROWS = 16  # and a sample is where there are so many rows a column: it then costs an eighth of X'X,
SAMPLED_ROWS_LATER = 6  # or so many once float32 has failed: float64 is then likely to fail, too
SAMPLE_MARGIN = 100.0  # by which a sample may underrate the reciprocal condition
FIRST_ROWS = 2  # a column: where there are twice as many they are looked at before the others are multiplied
FIRST_MARGIN = 30.0  # by which they may underrate it: of independent columns they do 12 times
FLOAT32_RESOLVES = 1e-6  # reciprocal condition: no smaller one is sure where products are in float32
SMALLEST_IN_FLOAT32 = 1e-28  # square of a column: of smaller ones float32 has not all digits of all products


def factor(X: FloatArray, ridge: float, cut: Cutoff) -> GramFactor | SpannedFactor | None:
    """Factor X in the lowest precision that its condition allows.

    None where none does, or where singular values come near the cut.
    """
    Z = X if X.shape[0] >= X.shape[1] else X.T
    with single_threaded_blas():
        sample = _sampled(Z, ridge) if _is_long(Z, SAMPLED_ROWS) else None
        if gains_by_float32(X) and (sample is None or sample.allows(GRAM_RCOND_FLOAT32)):
            product, rcond = _gram_in_float32(Z, ridge, sample is not None)
            if product is not None and (found := factor_safe(X, product, GRAM_RCOND_FLOAT32, ridge, cut)):
                return found
            if sample is None and rcond < FLOAT32_RESOLVES and _is_long(Z, SAMPLED_ROWS_LATER):
                sample = _sampled(Z, ridge)
        limit, spans = least_refined_rcond(cut, ridge), not ridge and (sample is None or sample.spans)
        if not spans and not (sample is None or sample.allows(limit)):
            return None
        product = gram(Z)
        found = factor_safe(X, product, limit, ridge, cut)
        return factor_spanned(X, product, cut) if found is None and spans else found


def gains_by_float32(X: FloatArray) -> bool:
    """Whether products in float32 save more than the refinements they ask for."""
    return X.dtype == np.float32 or min(X.shape) >= MIXED_SIDE


def _is_long(Z: FloatArray, least: int) -> bool:
    """Whether a sample of rows, of which there are so many a column, costs little beside X'X."""
    rows, columns = Z.shape
    return rows >= least * columns and rows * columns**2 >= SAMPLED_WORK


def _gram_in_float32(Z: FloatArray, ridge: float, sampled: bool) -> tuple[Matrix | None, float]:
    """Z'Z by products in float32, and what :func:`gram_if_worth` tells, unless a sample has told.

    None where the condition, or the scale of a column, is too little for float32.
    """
    least = 0.0 if sampled else GRAM_RCOND_FLOAT32
    product, rcond = gram_if_worth(Z, ridge, least, np.float32)
    if product is not None and not np.diagonal(product).min(initial=1.0) > SMALLEST_IN_FLOAT32:
        product = None
    return product, rcond


def gram_if_worth(
    Z: FloatArray, ridge: float, least: float, precision: npt.DTypeLike = np.float64
) -> tuple[Matrix | None, float]:
    """Z'Z of a reciprocal condition that is not surely below ``least``, and that of its first rows, 0 if not asked for.

    It is asked for where these are few of many, so that little is lost with them.
    """
    if not least or not _is_long(Z, 2 * FIRST_ROWS):
        return gram(Z, precision), 0.0
    first = FIRST_ROWS * Z.shape[1]
    product = gram(Z[:first], precision)
    rcond = factor_gram(product, ridge)[2]
    if FIRST_MARGIN * rcond <= least:
        return None, rcond
    product += gram(Z[first:], precision)
    return product, rcond


class _Sample(NamedTuple):
    """What the Gram matrix of a sample of rows hints at, which costs speed where it errs."""

    rcond: float  # reciprocal condition
    spans: bool  # whether that of independent columns, which span the others, may serve

    def allows(self, limit: float) -> bool:
        return SAMPLE_MARGIN * self.rcond > limit


def _sampled(Z: FloatArray, ridge: float) -> _Sample:
    rows, columns = Z.shape
    product = gram(Z[:: rows // (2 * columns)])
    rcond = factor_gram(product, ridge)[2]
    if SAMPLE_MARGIN * rcond > GRAM_RCOND or not np.isfinite(np.diagonal(product)).all():
        return _Sample(rcond, False)
    some = independent(product)
    among = factor_gram(product[np.ix_(some, some)], ridge)[2]
    return _Sample(rcond, len(some) < columns and SAMPLE_MARGIN * among > GRAM_RCOND)
