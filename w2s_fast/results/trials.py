"""What ``simulate`` and ``probe`` return: the risks of every trial, and their summary."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from w2s_fast._display import GLANCE, Cell, facts, html_facts, html_record, record, spread, whole
from w2s_fast._frames import Library, data_frame
from w2s_fast.linalg.accumulate.moments import Moments
from w2s_fast.results.metrics import (
    ACCURACIES,
    DIFFERENCES,
    FITS,
    METRICS,
    columns_of,
    of_name,
    quotients_of_means,
    ratios,
    value_of,
)
from w2s_fast.results.summary import Estimate, Summary, estimates, html_estimates, in_brief, trial_columns

Matrix = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
GAP_ERRORS = 3.0  # standard errors that a gap must keep from zero for a share of it to mean something
ILL_CONDITIONED = {fit: f"ill_conditioned_{fit}" for fit in FITS}  # columns of 0 or 1, of probes


class Doubts(NamedTuple):
    """Points that mean nothing, and why.

    Attributes
    ----------
    no_gap : ndarray of bool, shape points
        The ceiling is not better than the teacher by three standard errors: a share of that gap is noise.
    ill_conditioned : mapping of str to ndarray, shape points
        For each fit the share of trials in which its weights hang on rounding; empty for simulated trials.
    """

    no_gap: Flags
    ill_conditioned: Mapping[str, Matrix]

    def of(self, metric: str) -> Flags:
        """Points where a metric is in doubt: for PGR no gap, for all an ill-conditioned fit that they stand on."""
        found = of_name(metric)
        needs_gap = found is not None and found.needs_gap
        flags = self.no_gap if needs_gap else np.zeros(self.no_gap.shape, np.bool_)
        for fit in found.fits if found is not None else ():
            if fit in self.ill_conditioned:
                flags = flags | (self.ill_conditioned[fit] > 0)
        return flags

    def at(self, places: Any) -> Doubts:
        """Doubts at some of the points."""
        return Doubts(self.no_gap[places], {fit: share[places] for fit, share in self.ill_conditioned.items()})

    def in_words(self, place: Any) -> str:
        """Say what is in doubt at one point; nothing if nothing is.

        >>> Doubts(np.array([True]), {"weak": np.array([0.25]), "w2s": np.array([1.0])}).in_words(0)
        'no gap, weak ill-conditioned in 25 % of trials, w2s ill-conditioned'
        """
        words = ["no gap"] if self.no_gap[place] else []
        for fit, shares in self.ill_conditioned.items():
            share = shares[place]
            if share > 0:
                words.append(f"{fit} ill-conditioned" + (f" in {100 * share:.2g} % of trials" if share < 1 else ""))
        return ", ".join(words)

    def __repr__(self) -> str:
        return record(self)


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


class Accuracy(NamedTuple):
    """Shares of test rows whose label, one of two, is on the prediction's side of their middle, shaped as the risks."""

    weak: Matrix
    baseline: Matrix
    ceiling: Matrix
    w2s: Matrix

    @property
    def pgr(self) -> Matrix:
        """Performance gap recovery in accuracy, (w2s - weak) / (ceiling - weak)."""
        return value_of("pgr", self._asdict())

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
        For labels all +1 or -1, or 1 or 0; ``probe`` only.
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
        if self.accuracy is not None:
            columns |= zip(ACCURACIES, self.accuracy, strict=True)
        return columns

    @property
    def doubts(self) -> Doubts:
        """Points where ratios mean nothing: no gap to recover, or an ill-conditioned fit."""
        return doubts_of(self._estimates())

    def summary(self) -> Summary:
        """Mean and standard error of each metric at each point.

        ``pgr`` and ``opr`` are means of the trials' ratios; ``pgr_of_means`` and ``opr_of_means`` ratios of mean
        risks, with errors by the delta method, which have no heavy tails. All four are NaN where :attr:`doubts` has
        them, and the first two where a trial's ratio is undefined. With ``accuracy`` there is ``accuracy_weak`` and
        so on.
        """
        return summary_of(self._estimates())

    def to_frame(self, library: Library = "pandas") -> Any:
        """Every trial in a row of a DataFrame of pandas or of polars, which must be installed.

        Columns are n, N, trial, the label's ``column`` where there are several, risks, metrics made of them, flags of
        ill-conditioned fits and accuracies. ImportError where the library is missing.

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
        return {name: summary[name] for name in (*METRICS, *ACCURACIES) if name in summary}

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


def doubts_of(columns: Mapping[str, Estimate]) -> Doubts:
    """Find doubts from means over trials."""
    mean, stderr = columns["gap"]
    shares = {fit: columns[name].mean for fit, name in ILL_CONDITIONED.items() if name in columns}
    return Doubts(np.asarray(mean <= GAP_ERRORS * np.nan_to_num(stderr)), shares)


def summary_of(columns: Mapping[str, Estimate]) -> Summary:
    """Metrics and ratios of means from means over trials; ratios in doubt are NaN."""
    doubts = doubts_of(columns)
    found = {name: columns[name] for name in METRICS if name in columns}
    for name, quotient in quotients_of_means().items():
        found[name] = _ratio_of_means(columns[quotient.above], columns[quotient.below], columns[quotient.apart])
    for name in found.keys() & {*ratios(), *quotients_of_means()}:
        found[name] = Estimate(*(np.where(doubts.of(name), np.nan, part) for part in found[name]))
    kept = {name: columns[name] for name in columns if name not in (*DIFFERENCES, *ILL_CONDITIONED.values())}
    return Summary(found | {name: kept[name] for name in kept if name not in found})


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
