"""What ``simulate`` and ``probe`` return: the risks of every trial, and their summary."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from w2s_fast.linalg.moments import CoMoments, Moments
from w2s_fast.model.risks import outperforming_ratio, performance_gap_recovery

Matrix = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
RISKS = ("weak", "baseline", "ceiling", "w2s")
OF_MEANS = {"pgr_of_means": ([1, 0, 0, -1], [1, 0, -1, 0]), "opr_of_means": ([0, 1, 0, 0], [0, 0, 0, 1])}
FITS_OF = {"pgr": ("weak", "ceiling", "w2s"), "opr": ("baseline", "w2s")}
GAP_ERRORS = 3.0  # standard errors that a gap must keep from zero for a share of it to mean something
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


class IllConditioned(NamedTuple):
    """Whether each fit's weights hang on rounding: booleans of shape points + (trials,)."""

    weak: Flags
    baseline: Flags
    ceiling: Flags
    w2s: Flags


class Accuracy(NamedTuple):
    """Shares of test rows whose label, +1 or -1, has the sign of the prediction; of the shape of the risks."""

    weak: Matrix
    baseline: Matrix
    ceiling: Matrix
    w2s: Matrix

    @property
    def pgr(self) -> Matrix:
        """Performance gap recovery in accuracy, (w2s - weak) / (ceiling - weak)."""
        return performance_gap_recovery(self.weak, self.ceiling, self.w2s)


class Decomposition(NamedTuple):
    """Bias and variance over trials of teacher and student, means over the test rows, of the shape of the points.

    At a test row, variance is that of the prediction over trials (ddof = 1), and squared bias is (mean prediction -
    label)^2 less variance / trials, which is its own error; so bias and variance add up to the mean test error. The
    bias holds the noise of the test labels, which no repetition of the training tells apart. Trials draw from one
    pool: where n or N is a large share of it, their subsets overlap, and the variance of fresh samples is larger.

    ``inherited`` is the variance of what the student can say of its teacher: of the teacher's predictions projected,
    over all rows of the pool, on the span of the student's features (least squares, with the ridge and the intercept
    of the study). ``reduced``, the rest of the student's variance, is what it picks up from the teacher's variance
    outside that span, ``discrepant``, and more rows N reduce. For Gaussian features, targets that both models can
    represent, and a pool much larger than d_strong, these are the two terms of the paper's theorem 3.1 on new rows,
    ``w2s_variance(model, n, N, population=True)``: v d_shared and v (d_weak - d_shared) d_strong / (N - d_strong - 1),
    v = noise_variance / (n - d_weak - 1). A pool of M rows lends the student's span about d_strong / M of what lies
    outside it.
    """

    weak_bias: Matrix
    weak_variance: Matrix
    w2s_bias: Matrix
    w2s_variance: Matrix
    inherited: Matrix

    @property
    def reduced(self) -> Matrix:
        """The student's variance beyond what it inherits."""
        return self.w2s_variance - self.inherited

    @property
    def discrepant(self) -> Matrix:
        """The teacher's variance outside the span of the student's features."""
        return self.weak_variance - self.inherited


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
    ill_conditioned : IllConditioned or None
        Which fits of which trials are not to be trusted to six digits; ``probe`` only.
    accuracy : Accuracy or None
        For labels all +1 or -1; ``probe`` only.
    decomposition : Decomposition or None
        Bias and variance, where ``probe`` was asked for them.

    Risks and accuracies of ``probe`` with labels (rows, k) have an axis of k before that of trials.
    """

    n: npt.NDArray[np.int64]
    N: npt.NDArray[np.int64]
    weak: Matrix
    baseline: Matrix
    ceiling: Matrix
    w2s: Matrix
    seed: int
    variance: StudentVariance | None = None
    ill_conditioned: IllConditioned | None = None
    accuracy: Accuracy | None = None
    decomposition: Decomposition | None = None

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

    @property
    def no_gap(self) -> Flags:
        """Points whose ceiling is not better than the teacher by three standard errors: a share of that is noise."""
        mean, stderr = estimate(self.weak - self.ceiling)
        return np.asarray(~(mean > GAP_ERRORS * np.nan_to_num(stderr)))

    def doubtful(self, ratio: str) -> Flags:
        """Points where ``"pgr"`` or ``"opr"`` means nothing: a fit it stands on is ill-conditioned, or no gap."""
        flags = self.no_gap if ratio == "pgr" else np.zeros(self.weak.shape[:-1], np.bool_)
        if self.ill_conditioned is not None:
            ill = np.any([getattr(self.ill_conditioned, fit) for fit in FITS_OF[ratio]], axis=(0, -1))
            flags = flags | ill.reshape(ill.shape + (1,) * (flags.ndim - ill.ndim))
        return flags

    def summary(self) -> dict[str, Estimate]:
        """Mean and standard error of each metric at each point.

        ``pgr`` and ``opr`` are means of the trials' ratios; ``pgr_of_means`` and ``opr_of_means`` ratios of mean
        risks, with errors by the delta method, which have no heavy tails. All four are NaN where :meth:`doubtful`,
        and the first two where a trial's ratio is undefined. With ``accuracy`` there is ``accuracy_weak`` and so on.
        """
        found = {name: estimate(getattr(self, name)) for name in METRICS}
        found |= {name: self._ratio_of_means(*weights) for name, weights in OF_MEANS.items()}
        for name in ("pgr", "opr", *OF_MEANS):
            doubtful = self.doubtful(name[:3])
            found[name] = Estimate(*(np.where(doubtful, np.nan, part) for part in found[name]))
        if self.accuracy is not None:
            found |= {f"accuracy_{name}": estimate(getattr(self.accuracy, name)) for name in RISKS}
        return found

    def _ratio_of_means(self, numerator: list[int], denominator: list[int]) -> Estimate:
        risks = np.stack([getattr(self, name) for name in RISKS], axis=-1)
        points = [
            CoMoments().update(trials).ratio(numerator, denominator) for trials in risks.reshape(-1, *risks.shape[-2:])
        ]
        return Estimate(*np.array(points).T.reshape(2, *risks.shape[:-2]))


def estimate(values: Matrix) -> Estimate:
    """Mean and standard error over the last axis."""
    return estimate_of(Moments().update(np.moveaxis(values, -1, 0), finite=False))


def estimate_of(moments: Moments) -> Estimate:
    """Mean and standard error of streamed moments."""
    return Estimate(moments.mean, np.sqrt(moments.variance(ddof=1) / moments.count))
