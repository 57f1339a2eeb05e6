"""The one table of metrics: what a trial is measured by, how tables and figures name it, and what makes it doubtful.

A new metric is one more entry of ``METRICS``: every trial has it, summaries, studies, tables, CSV files, figures, pages
and commands show it, and study files keep it from then on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.float64]
Risks = Mapping[str, Matrix]
FITS = {"weak": "weak teacher", "baseline": "strong baseline", "ceiling": "strong ceiling", "w2s": "W2S student"}
# Differences of risks are kept beside the risks, since they tell how these vary together: var(a - b) holds cov(a, b).
DIFFERENCES = {
    "gap": ("weak", "ceiling"),
    "recovered": ("weak", "w2s"),
    "missed": ("w2s", "ceiling"),
    "outperformed": ("baseline", "w2s"),
}


@dataclass(frozen=True)
class Quotient:
    """A ratio of two risks, or differences of risks, and the difference of the two up to its sign."""

    above: str
    below: str
    apart: str

    def __call__(self, risks: Risks) -> Matrix:
        """Divide; NaN where the ratio is undefined."""
        with np.errstate(divide="ignore", invalid="ignore"):  # also of differences of infinite risks
            ratio = np.asarray(term(self.above, risks)) / term(self.below, risks)
        return np.where(np.isfinite(ratio), ratio, np.nan)


@dataclass(frozen=True)
class Metric:
    """One number of a trial.

    Attributes
    ----------
    label : str
        Heads its columns in tables, and names it in figures.
    fits : tuple of str
        What it stands on: where one of them is ill-conditioned it is in doubt.
    value : callable or None
        Makes it of the four risks, by name; a :class:`Quotient` has a ratio of means too. None where it is measured.
    needs_gap : bool
        It means nothing where the ceiling is not better than the teacher.
    unit : {"ratio", "risk", "share"}
        Risks are in squared units of the label, shares between 0 and 1.
    """

    label: str
    fits: tuple[str, ...]
    value: Callable[[Risks], Matrix] | None = None
    needs_gap: bool = False
    unit: Literal["ratio", "risk", "share"] = "ratio"

    @property
    def quotient(self) -> Quotient | None:
        return self.value if isinstance(self.value, Quotient) else None


METRICS = {
    **{fit: Metric(fit, (fit,), unit="risk") for fit in FITS},
    "pgr": Metric("PGR", ("weak", "ceiling", "w2s"), Quotient("recovered", "gap", "missed"), needs_gap=True),
    "opr": Metric("OPR", ("baseline", "w2s"), Quotient("baseline", "w2s", "outperformed")),
}
# Of probes alone, where every label is +1 or -1: shares of test rows whose label has the sign of the prediction.
ACCURACIES = {f"accuracy_{fit}": Metric(f"accuracy {fit}", (fit,), unit="share") for fit in FITS}
OF_MEANS = "_of_means"  # ends the name of a ratio of mean risks


def term(name: str, risks: Risks) -> Matrix:
    """A risk, or a difference of two."""
    if name in DIFFERENCES:
        more, less = DIFFERENCES[name]
        return risks[more] - risks[less]
    return risks[name]


def value_of(name: str, risks: Risks) -> Matrix:
    """One metric, of the risks of trials or of their expectations."""
    value = METRICS[name].value
    return risks[name] if value is None else value(risks)


def values_of(risks: Risks) -> dict[str, Matrix]:
    """Every metric."""
    return {name: value_of(name, risks) for name in METRICS}


def columns_of(risks: Risks) -> dict[str, Matrix]:
    """What every trial has: metrics, and differences of risks."""
    return values_of(risks) | {name: term(name, risks) for name in DIFFERENCES}


def ratios() -> list[str]:
    """Names of the metrics that are made of risks."""
    return [name for name, metric in METRICS.items() if metric.value is not None]


def quotients_of_means() -> dict[str, Quotient]:
    """Ratios of means by their names."""
    return {name + OF_MEANS: metric.quotient for name, metric in METRICS.items() if metric.quotient is not None}


def metric_of(name: str) -> str:
    """Name of the metric that a column shows, which may be that of a ratio of means."""
    return name.removesuffix(OF_MEANS)


def of_name(name: str) -> Metric | None:
    """The metric that a column shows."""
    return ACCURACIES.get(name) or METRICS.get(metric_of(name))


def column_name(metric: str) -> str:
    """Name a metric above its column."""
    found = of_name(metric)
    return metric.replace("_", " ") if found is None else found.label
