"""Whether a direction separates rows: whoever goes along it lowers the loss for ever."""

from __future__ import annotations

import numpy as np

from w2s_fast._check import FloatArray
from w2s_fast.linalg.rows.products import Matrix, times

ROUNDING = 1e-9  # of the largest logit: lags up to that are rounding
SHARE = 1e-3  # of what the direction does to a logit before: less is what rounding left of it
SETTLED = 1e-4  # p (1 - p) of rows that no direction of separation may change


def separates(rows: FloatArray, targets: Matrix, direction: Matrix, curvature: Matrix) -> bool:
    """Whether what the direction is beside the rows that have settled separates the others.

    Rows of which a separating direction changes the logits end with a curvature of 0; along it all others stand still.
    What is left of ``direction`` (p, K) after projection on that is looked at row by row: that no row loses by it, and
    that one wins, is proof.
    """
    whole = float(np.abs(times(rows, direction)).max())
    settled = rows[curvature > SETTLED].astype(np.float64, copy=False)
    if len(settled):
        direction = direction - np.linalg.lstsq(settled, settled @ direction)[0]
    logits = times(rows, direction)
    if logits.shape[1] == 1:
        high, low = np.maximum(logits[:, 0], 0.0), np.minimum(logits[:, 0], 0.0)
    else:
        high, low = logits.max(axis=1), logits.min(axis=1)
    lag, spread = high - np.einsum("mk,mk->m", logits, targets), high - low
    return bool(spread.max() > SHARE * whole and lag.max() <= ROUNDING * spread.max())
