"""The one table of metrics: what a trial is measured by, how tables and figures name it, and what makes it doubtful.

A new metric is one more entry of ``METRICS``: every trial has it, summaries, studies, tables, CSV files, figures, pages
and commands show it, and study files keep it from then on. What probes measure on test rows beside the risks is in a
table of its own, :mod:`w2s_fast.results.measures`; the ratios of ``METRICS`` are made of every measure, too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from w2s_fast.results.measures import MEASURES

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
    measure : str
        What it is measured by, a name of ``MEASURES``; empty for the risks.
    """

    label: str
    fits: tuple[str, ...]
    value: Callable[[Risks], Matrix] | None = None
    needs_gap: bool = False
    unit: Literal["ratio", "risk", "share"] = "ratio"
    measure: str = ""

    @property
    def quotient(self) -> Quotient | None:
        return self.value if isinstance(self.value, Quotient) else None


METRICS = {
    **{fit: Metric(fit, (fit,), unit="risk") for fit in FITS},
    "pgr": Metric("PGR", ("weak", "ceiling", "w2s"), Quotient("recovered", "gap", "missed"), needs_gap=True),
    "opr": Metric("OPR", ("baseline", "w2s"), Quotient("baseline", "w2s", "outperformed")),
}
CHOSEN_RIDGE = {fit: f"chosen_ridge_{fit}" for fit in FITS}  # columns of probes whose fits choose it from a grid
OF_MEANS = "_of_means"  # ends the name of a ratio of mean risks
MEDIAN = "_median"  # ends the name of a median over trials


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


def metric_of(name: str) -> str:
    """Name of the metric that a column shows, which may be that of a ratio of means, or of a median."""
    return name.removesuffix(OF_MEANS).removesuffix(MEDIAN)


def fit_columns(measure: str) -> list[str]:
    """Names of a measure of the four fits."""
    return [f"{measure}_{fit}" for fit in FITS]


def ratio_columns(measure: str) -> list[str]:
    """Names of its ratios, and of the differences that their errors are made of; none of what is neither good nor bad.

    Differences of risks and measures alike are positive where the better fit is better.
    """
    if MEASURES[measure].better == "neither":
        return []
    return [f"{measure}_{name}" for name in (*_quotients(), *DIFFERENCES)]


def measured_columns(measure: str, fits: Risks, with_ratios: bool) -> dict[str, Matrix]:
    """A measure of the four fits, and what :func:`ratio_columns` names, of trials."""
    found = {f"{measure}_{fit}": fits[fit] for fit in FITS}
    if with_ratios and ratio_columns(measure):
        signed = _signed(measure, fits)
        found |= {f"{measure}_{name}": ratio_of(measure, name, fits) for name in _quotients()}
        found |= {f"{measure}_{name}": term(name, signed) for name in DIFFERENCES}
    return found


def ratio_of(measure: str, name: str, fits: Risks) -> Matrix:
    """PGR, OPR or another ratio of ``METRICS``, of a measure: above 1 where that of risks would be."""
    return _turned(_quotients()[name], MEASURES[measure].rises)(fits)


def _quotients() -> dict[str, Quotient]:
    return {name: metric.quotient for name, metric in METRICS.items() if metric.quotient is not None}


def _signed(measure: str, fits: Risks) -> Risks:
    """Values that fall with quality, as risks do."""
    return {fit: -fits[fit] for fit in FITS} if MEASURES[measure].rises else fits


def _turned(quotient: Quotient, rises: bool) -> Quotient:
    """Of two values that rise with quality the better is above; a ratio of differences has no side."""
    is_plain = quotient.above in FITS and quotient.below in FITS
    return Quotient(quotient.below, quotient.above, quotient.apart) if rises and is_plain else quotient


def measures_in(names: Iterable[str]) -> list[str]:
    """Measures that were asked for, by the columns that there are; an accuracy without ratios was not."""
    present = set(names)
    signs = {name: "weak" if measure.better == "neither" else "pgr" for name, measure in MEASURES.items()}
    return [name for name, part in signs.items() if f"{name}_{part}" in present]


def quotients_of_means(measures: Iterable[str] = ()) -> dict[str, Quotient]:
    """Ratios of means by their names, those of measures too; of the columns that these are made of."""
    found = {name + OF_MEANS: quotient for name, quotient in _quotients().items()}
    for measure in measures:
        if ratio_columns(measure):
            for name, quotient in _quotients().items():
                turned = _turned(quotient, MEASURES[measure].rises)
                parts = (f"{measure}_{part}" for part in (turned.above, turned.below, turned.apart))
                found[f"{measure}_{name}{OF_MEANS}"] = Quotient(*parts)
    return found


def is_difference(name: str) -> bool:
    """Whether a column is a difference of risks or of a measure, kept for what is made of it."""
    measure, part = measure_and_part(name)
    return part in DIFFERENCES and (not measure or measure in MEASURES)


def of_name(name: str) -> Metric | None:
    """The metric that a column shows."""
    measure, part = measure_and_part(metric_of(name))
    if not measure or measure not in MEASURES:
        return METRICS.get(metric_of(name))
    about, risk = MEASURES[measure], METRICS.get(part)
    if risk is None or (part not in FITS and risk.quotient is None):
        return None
    taught = ("weak",) * (about.needs_teacher and part != "weak")
    unit = about.unit if part in FITS else risk.unit
    return replace(risk, label=f"{about.label} {risk.label}", fits=(*taught, *risk.fits), unit=unit, measure=measure)


def measure_and_part(name: str) -> tuple[str, str]:
    """Measure and part of ``log_loss_gap``; of the columns of risks no measure."""
    if name in METRICS or name in DIFFERENCES:
        return "", name
    measure, _, part = name.rpartition("_")
    return measure, part


def table_columns(measures: Iterable[str] | None = None) -> list[str]:
    """What tables for people show: metrics, and measures of the four fits with their ratios."""
    found = list(METRICS)
    for measure in MEASURES if measures is None else measures:
        found += fit_columns(measure) + [name for name in ratio_columns(measure) if not is_difference(name)]
    return found


def column_name(metric: str) -> str:
    """Name a metric above its column."""
    found = of_name(metric)
    return metric.replace("_", " ") if found is None else found.label
