"""What ``simulate`` and ``probe`` return: the risks of every trial, and their summary."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from w2s_fast._display import GLANCE, Cell, facts, html_facts, html_record, record, spread, whole
from w2s_fast._frames import Library, data_frame
from w2s_fast.linalg.accumulate.moments import Moments
from w2s_fast.results.doubts import ILL_CONDITIONED, Doubts, Flags, doubts_of
from w2s_fast.results.metrics import (
    CHOSEN_RIDGE,
    FITS,
    MEDIAN,
    METRICS,
    columns_of,
    is_difference,
    measured_columns,
    measures_in,
    of_name,
    quotients_of_means,
    ratios,
    table_columns,
    value_of,
)
from w2s_fast.results.scores import Fits, Score
from w2s_fast.results.summary import Estimate, Summary, estimates, html_estimates, in_brief, trial_columns

Matrix = npt.NDArray[np.float64]


class VarianceParts(NamedTuple):
    """The student's variance from label noise: what it inherits within V_s, and what N reduces outside V_s."""

    inherited: Estimate
    reduced: Estimate

    def __repr__(self) -> str:
        return estimates(type(self).__name__, self._asdict())

    def _repr_html_(self) -> str:
        return html_estimates(type(self).__name__, self._asdict())


class StudentVariance(NamedTuple):
    """Parts measured on the pseudo-labelled rows, as the paper's theorem has them, and on new rows."""

    in_sample: VarianceParts
    population: VarianceParts

    def __repr__(self) -> str:
        return estimates(type(self).__name__, self._all)

    def _repr_html_(self) -> str:
        return html_estimates(type(self).__name__, self._all)

    @property
    def _all(self) -> dict[str, Estimate]:
        new = {f"{name} on new rows": part for name, part in self.population._asdict().items()}
        return self.in_sample._asdict() | new


class IllConditioned(NamedTuple):
    """Whether each fit's weights hang on rounding: booleans of shape points + (trials,)."""

    weak: Flags
    baseline: Flags
    ceiling: Flags
    w2s: Flags

    def __repr__(self) -> str:
        return record(self)


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

    def __repr__(self) -> str:
        return record(self)

    def _repr_html_(self) -> str:
        return html_record(self)


class Separable(NamedTuple):
    """Whether no weights of a fit are best, since features separate its classes and nothing penalises weights.

    Booleans of shape points + (trials,).
    """

    weak: Flags
    baseline: Flags
    ceiling: Flags
    w2s: Flags

    def __repr__(self) -> str:
        return record(self)


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
        Which fits of which trials are not to be trusted to six digits; ``probe`` only. Of fits that classify also
        those that ended short of the best, or have none.
    separable : Separable or None
        Those of them that have none; of fits that classify.
    scores : mapping of str to Score
        What else fits are measured by on test rows, of ``probe`` only: the accuracy, for labels all +1 or -1, or 1 or
        0, and the ``metrics`` that were asked for; ``trials.scores["brier"].w2s``, ``.pgr``, ``.opr``.
    chosen_ridge : Fits or None
        The ridge that each fit chose, shaped as the risks, where ``probe`` was given several to choose from; NaN of
        those that had no choice.
    metrics : tuple of str
        Those that were asked for, of which summaries and frames have PGR and OPR too.
    decomposition : Decomposition or None
        Bias and variance, where ``probe`` was asked for them.

    Risks and scores of ``probe`` with labels (rows, k) have an axis of k before that of trials.
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
    separable: Separable | None = None
    scores: Mapping[str, Score] = field(default_factory=dict)
    metrics: tuple[str, ...] = ()
    decomposition: Decomposition | None = None
    chosen_ridge: Fits | None = None

    def __getattr__(self, name: str) -> Matrix:
        """Make a metric of each trial: ``pgr``, ``opr`` and whatever else the table of metrics has."""
        if name not in ratios():
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        return value_of(name, self._risks)

    @property
    def pgr(self) -> Matrix:
        """Performance gap recovery of each trial."""
        return value_of("pgr", self._risks)

    @property
    def opr(self) -> Matrix:
        """Outperforming ratio of each trial."""
        return value_of("opr", self._risks)

    @property
    def accuracy(self) -> Score | None:
        """Shares of test rows whose class is the predicted one, where labels are of classes."""
        return self.scores.get("accuracy")

    @property
    def _risks(self) -> dict[str, Matrix]:
        return {fit: getattr(self, fit) for fit in FITS}

    @property
    def trials(self) -> int:
        return self.weak.shape[-1]

    @property
    def columns(self) -> dict[str, Matrix]:
        """Every value of every trial, of the shape of the risks."""
        columns = columns_of(self._risks)
        if self.ill_conditioned is not None:
            extra = self.weak.ndim - self.ill_conditioned.weak.ndim  # the axis of label columns
            for name, flags in zip(ILL_CONDITIONED.values(), self.ill_conditioned, strict=True):
                each = flags.reshape(*flags.shape[:-1], *(1,) * extra, flags.shape[-1])
                columns[name] = np.broadcast_to(each, self.weak.shape).astype(np.float64)
        for name, score in self.scores.items():
            columns |= measured_columns(name, score._asdict(), name in self.metrics)
        if self.chosen_ridge is not None:
            columns |= dict(zip(CHOSEN_RIDGE.values(), self.chosen_ridge, strict=True))
        return columns

    @property
    def doubts(self) -> Doubts:
        """Points where ratios mean nothing: no gap to recover, or an ill-conditioned fit."""
        return doubts_of(self._estimates())

    def summary(self, medians: bool = False) -> Summary:
        """Mean and standard error of each metric at each point.

        ``pgr`` and ``opr`` are means of the trials' ratios; ``pgr_of_means`` and ``opr_of_means`` ratios of mean
        risks, with errors by the delta method, which have no heavy tails. All four are NaN where :attr:`doubts` has
        them, and the first two where a trial's ratio is undefined. Of each of :attr:`scores` there is
        ``accuracy_weak`` and so on, and of those in :attr:`metrics` ``brier_pgr``, ``brier_pgr_of_means`` and the same
        of OPR. With ``medians`` there are also medians over trials, ``pgr_median`` and so on, each with its standard
        error by the exact bootstrap (Efron 1979).
        """
        values = self.columns
        return summary_of({name: estimate(each) for name, each in values.items()}, values if medians else {})

    def to_frame(self, library: Library = "pandas") -> Any:
        """Every trial in a row of a DataFrame of pandas or of polars, which must be installed.

        Columns are n, N, trial, the label's ``column`` where there are several, risks, metrics made of them, flags of
        ill-conditioned fits, accuracies, and ridges that were chosen from several. ImportError where the library is
        missing.

        Examples
        --------
        >>> from w2s_fast import GaussianModel, simulate
        >>> simulate(GaussianModel.paper(), n=2000, N=[4000, 8000], trials=3).to_frame().shape
        (6, 9)
        """
        return data_frame(trial_columns(self.n, self.N, self.columns), library)

    def _estimates(self) -> dict[str, Estimate]:
        return {name: estimate(values) for name, values in self.columns.items()}

    def _glance(self) -> Mapping[str, Estimate]:
        """Summarise what takes no time to read; nothing of more."""
        summary = self.summary() if 0 < self.weak.size <= GLANCE else {}
        return {name: summary[name] for name in table_columns() if name in summary}

    def __repr__(self) -> str:
        where = f"at each of points {self.n.shape}" if self.n.ndim else "at one point"
        told = {f"{self.trials:,}": where, "seed": f"{self.seed}", "n": spread(self.n), "N": spread(self.N)}
        return facts(type(self).__name__, told | {name: in_brief(found) for name, found in self._glance().items()})

    def _repr_html_(self) -> str:
        if not (found := self._glance()):
            return html_facts(type(self).__name__, {"risks": f"of shape {self.weak.shape}: too many to look at here"})

        def size(sizes: npt.NDArray[np.int64]) -> Cell:
            return lambda place: whole(int(sizes[place[: sizes.ndim]]))

        title = f"{type(self).__name__}: mean ± standard error of {self.trials:,}, seed {self.seed}"
        return html_estimates(title, found, {"n": size(self.n), "N": size(self.N)}, by_label=True)


def summary_of(columns: Mapping[str, Estimate], values: Mapping[str, Matrix] | None = None) -> Summary:
    """Metrics and ratios of means from means over trials, and medians of values (..., trials); NaN if in doubt."""
    doubts = doubts_of(columns)
    shown = {
        name: columns[name] for name in columns if name not in ILL_CONDITIONED.values() and not is_difference(name)
    }
    found = {name: shown[name] for name in METRICS if name in shown}
    of_means = {
        name: _ratio_of_means(columns[quotient.above], columns[quotient.below], columns[quotient.apart])
        for name, quotient in quotients_of_means(measures_in(columns)).items()
    }
    found |= {name: of_means[name] for name in quotients_of_means()}
    found |= {name: shown[name] for name in shown if name not in found} | of_means
    found |= {name + MEDIAN: median(values[name]) for name in shown if values}
    for name in found:
        metric = of_name(name)
        if metric is not None and metric.value is not None:
            found[name] = Estimate(*(np.where(doubts.of(name), np.nan, part) for part in found[name]))
    return Summary(found)


def _ratio_of_means(above: Estimate, below: Estimate, difference: Estimate) -> Estimate:
    """Ratio of two means, and its error to first order in their spread (the delta method)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = above.mean / below.mean
        twice_covariance = above.stderr**2 + below.stderr**2 - difference.stderr**2
        variance = above.stderr**2 - ratio * twice_covariance + ratio**2 * below.stderr**2
        stderr = np.sqrt(np.maximum(variance, 0.0)) / np.abs(below.mean)
    return Estimate(np.where(np.isfinite(ratio), ratio, np.nan), stderr)


def estimate(values: Matrix) -> Estimate:
    """Mean and standard error over the last axis."""
    return estimate_of(Moments().update(np.moveaxis(values, -1, 0), finite=False))


def estimate_of(moments: Moments) -> Estimate:
    """Mean and standard error of streamed moments."""
    return Estimate(moments.mean, np.sqrt(moments.variance(ddof=1) / moments.count))


def median(values: Matrix) -> Estimate:
    """Median over the last axis, and its standard error by the exact bootstrap; NaN of a single trial.

    A resampled median is the i-th smallest value with a probability that is a difference of beta distributions (Maritz
    and Jarrett 1978); for an even number of values, whose median is between two, as Harrell and Davis 1982 have them.
    """
    from scipy.special import betainc

    m = values.shape[-1]
    half, ordered = (m + 1) / 2, np.sort(values, axis=-1)
    shares = np.diff(betainc(half, half, np.arange(m + 1) / m))
    with np.errstate(invalid="ignore"):  # of infinite values
        centre = ordered @ shares
        error = np.sqrt(np.square(ordered - centre[..., None]) @ shares) if m > 1 else np.full(centre.shape, np.nan)
    return Estimate(np.median(values, axis=-1), error)
