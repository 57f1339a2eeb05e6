"""What ``simulate`` and ``probe`` return: the risks of every trial, and their summary."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from w2s_fast.linalg.moments import Moments
from w2s_fast.model.risks import outperforming_ratio, performance_gap_recovery

Matrix = npt.NDArray[np.float64]
METRICS = ("weak", "baseline", "ceiling", "w2s", "pgr", "opr")


class Estimate(NamedTuple):
    """A mean over trials and its standard error (ddof = 1), NaN for a single trial."""

    mean: Matrix
    stderr: Matrix


class VarianceParts(NamedTuple):
    """The student's variance from label noise: what it inherits within V_s, and what N reduces outside V_s."""

    inherited: Estimate
    reduced: Estimate


class StudentVariance(NamedTuple):
    """Parts measured on the pseudo-labelled rows, as the paper's theorem has them, and on new rows."""

    in_sample: VarianceParts
    population: VarianceParts


@dataclass(frozen=True, eq=False)
class Trials:
    """Risks of the four fits in every trial.

    Attributes
    ----------
    n, N : ndarray of int64
        Labelled and pseudo-labelled rows of each point, of one shape ``points`` (empty for a single point).
    weak, baseline, ceiling, w2s : ndarray, shape points + (trials,)
        Excess risk (``simulate``) or test mean squared error (``probe``).
    seed : int
        The seed that drew them.
    variance : StudentVariance or None
        Measured parts of the student's variance at each point, in squared units of the label; ``simulate`` only.
    """

    n: npt.NDArray[np.int64]
    N: npt.NDArray[np.int64]
    weak: Matrix
    baseline: Matrix
    ceiling: Matrix
    w2s: Matrix
    seed: int
    variance: StudentVariance | None = None

    @property
    def pgr(self) -> Matrix:
        """Performance gap recovery of each trial."""
        return performance_gap_recovery(self.weak, self.ceiling, self.w2s)

    @property
    def opr(self) -> Matrix:
        """Outperforming ratio of each trial."""
        return outperforming_ratio(self.baseline, self.w2s)

    @property
    def trials(self) -> int:
        return self.weak.shape[-1]

    def summary(self) -> dict[str, Estimate]:
        """Mean and standard error of each metric at each point; NaN where a trial's ratio is undefined."""
        return {name: estimate(getattr(self, name)) for name in METRICS}


def estimate(values: Matrix) -> Estimate:
    """Mean and standard error over the last axis."""
    return estimate_of(Moments().update(np.moveaxis(values, -1, 0), finite=False))


def estimate_of(moments: Moments) -> Estimate:
    """Mean and standard error of streamed moments."""
    return Estimate(moments.mean, np.sqrt(moments.variance(ddof=1) / moments.count))
