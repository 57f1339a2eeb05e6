"""The four risks of a weak-to-strong study and the two ratios derived from them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.float64]


def performance_gap_recovery(weak: Matrix, ceiling: Matrix, w2s: Matrix) -> Matrix:
    """PGR: the share of the gap between teacher and ceiling that the student recovers; NaN where there is no gap."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = (weak - w2s) / (weak - ceiling)
    return np.where(np.isfinite(ratio), ratio, np.nan)


def outperforming_ratio(baseline: Matrix, w2s: Matrix) -> Matrix:
    """OPR: the risk of the strong model on the teacher's labelled data over the student's; NaN where undefined."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = baseline / w2s
    return np.where(np.isfinite(ratio), ratio, np.nan)


class Risks(NamedTuple):
    """Excess risks of the four fits, in squared units of the label.

    ``weak``: the teacher, on n labelled rows; ``baseline``: the strong model on the same rows; ``ceiling``: the
    strong model on all n + N rows with true labels; ``w2s``: the strong model on N rows that the teacher labelled.
    """

    weak: Matrix
    baseline: Matrix
    ceiling: Matrix
    w2s: Matrix

    @property
    def pgr(self) -> Matrix:
        """Performance gap recovery (weak - w2s) / (weak - ceiling)."""
        return performance_gap_recovery(self.weak, self.ceiling, self.w2s)

    @property
    def opr(self) -> Matrix:
        """Outperforming ratio baseline / w2s."""
        return outperforming_ratio(self.baseline, self.w2s)
