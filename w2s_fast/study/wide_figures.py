"""Figures across what no single series holds: bounds alone, growing dimensions, and interpolation peaks."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from w2s_fast.results.metrics import FITS, METRICS, metric_of
from w2s_fast.results.summary import Estimate
from w2s_fast.study.figures import (
    COLOURS,
    LABELS,
    LOWEST_PGR,
    add_legend,
    axis_label,
    curve_sizes,
    draw_theory,
    new_figure,
    styled,
    write,
)
from w2s_fast.study.series import Matrix, Series
from w2s_fast.study.study import Study
from w2s_fast.study.tables import Row

POINTS = "points"  # marks the lines that hold simulated points
BAND_STYLE: dict[str, Any] = {"alpha": 0.15, "lw": 0}
HIGHEST_PGR = 1.5  # of bounds beside what is exact, which has no end where there is hardly a gap
MARGIN = 0.6, 2.5  # of the axis of risks, below the lowest point and above the highest


class Panel(NamedTuple):
    """A quantity of several names, to be drawn against another; with a value that theory expects of each."""

    title: str
    found: Mapping[str, Estimate]
    expected: Mapping[str, float] | None = None


@styled
def draw_against(x: Mapping[str, float], label: str, panels: Sequence[Panel], path: str | os.PathLike[str]) -> None:
    """Draw panels side by side, a point a name, into a PNG, SVG or PDF file; what theory expects as a line."""
    figure, axes = new_figure((5.0 * len(panels), 4.4), 1, len(panels))
    for drawn, panel in zip(axes[0], panels, strict=True):
        if panel.expected is not None:
            names = sorted(x, key=x.__getitem__)
            expected = [panel.expected[name] for name in names]
            drawn.plot([x[name] for name in names], expected, color="black", lw=1.0, label="theorem")
        for name, colour in zip(panel.found, LABELS * len(x), strict=False):
            mean, stderr = panel.found[name]
            drawn.errorbar(x[name], mean, yerr=stderr, color=colour, fmt="o", ms=6, capsize=3, label=name)
        drawn.set(xlabel=label, ylabel=panel.title)
        drawn.grid(alpha=0.25, lw=0.6)
        drawn.spines[["top", "right"]].set_visible(False)
    add_legend(figure, axes[0, 0], [])
    write(figure, path)


@styled
def draw_bounds(rows: Sequence[Row], path: str | os.PathLike[str]) -> None:
    """Draw bounds of ratios and what is exact along n and N, into a PNG, SVG or PDF file.

    ``rows`` as :func:`w2s_fast.tasks.bounds.rows` has them: a colour for each part of the target that nobody sees.
    """
    metrics, along = (list(dict.fromkeys(row[name] for row in rows)) for name in ("metric", "axis"))
    figure, axes = new_figure((5.4 * len(along), 3.1 * len(metrics) + 0.4), len(metrics), len(along), sharey="row")
    for place, axis in enumerate(along):
        other = "N" if axis == "n" else "n"
        for panel, metric in zip(axes[:, place], metrics, strict=True):
            members = [row for row in rows if (row["axis"], row["metric"]) == (axis, metric)]
            _draw_bounds(panel, members, axis)
            panel.set(xscale="log", ylabel=METRICS[metric].label, xlabel=f"{axis}   ({other} = {members[0][other]:,})")
            panel.axhline(1.0, color="black", lw=0.8, alpha=0.5)
            if metric == "pgr":
                panel.set_ylim(LOWEST_PGR, HIGHEST_PGR)
            _tidy(panel)
    axes[0, 0].plot([], [], color="black", lw=1.3, ls=":", label="the paper's bound")
    axes[0, 0].plot([], [], color="black", lw=1.3, label="exact")
    add_legend(figure, axes[0, 0], [])
    write(figure, path)


def _draw_bounds(axes: Any, rows: Sequence[Row], axis: str) -> None:
    for unseen, colour in zip(dict.fromkeys(row["unseen"] for row in rows), LABELS, strict=False):
        members = [row for row in rows if row["unseen"] == unseen]
        sizes, bound, expected = (
            np.array([row[name] for row in members]) for name in (axis, "paper_bound", "expected")
        )
        axes.plot(sizes, bound, color=colour, lw=1.3, ls=":")
        axes.plot(sizes, expected, color=colour, lw=1.3, label=f"rho = {unseen:g}")


@styled
def draw_growth(rows: Sequence[Row], path: str | os.PathLike[str]) -> None:
    """Draw ratios against d_weak, a panel each and a colour for each N / n, into a PNG, SVG or PDF file.

    ``rows`` as :class:`w2s_fast.tasks.beyond.Growth` has them.
    """
    metrics = list(dict.fromkeys(row["metric"] for row in rows))
    figure, axes = new_figure((5.4 * len(metrics), 4.9), 1, len(metrics))
    for drawn, metric in zip(axes[0], metrics, strict=True):
        _draw_ratio(drawn, [row for row in rows if row["metric"] == metric])
        drawn.set(xscale="log", xlabel="teacher's dimension d_weak", ylabel=METRICS[metric_of(metric)].label)
        drawn.axhline(1.0, color="black", lw=0.8, alpha=0.5)
        _tidy(drawn)
        if metric_of(metric) == "pgr":
            drawn.set_ylim(LOWEST_PGR, 1.2)
        else:
            drawn.set_yscale("log")
    _add_key(axes[0, 0])
    for drawn, words in zip(axes[0], _what_grows(rows[-1]), strict=False):
        drawn.set_title(words, fontsize=11)
    add_legend(figure, axes[0, 0], [])
    write(figure, path)


def _draw_ratio(axes: Any, rows: Sequence[Row]) -> None:
    """Means with standard errors over what is exact, and the bands of single trials: a colour for each N / n."""
    for share, colour in zip(dict.fromkeys(row["N"] / row["n"] for row in rows), LABELS, strict=False):
        members = [row for row in rows if row["N"] == share * row["n"]]
        d, mean, stderr, expected, low, high = (
            np.array([row[name] for row in members], np.float64)
            for name in ("d_weak", "mean", "stderr", "expected", "trials_5_percent", "trials_95_percent")
        )
        name = f"N = {share:g} n" if share != 1 else "N = n"
        axes.fill_between(d, low, high, color=colour, **BAND_STYLE)
        axes.plot(d, expected, color=colour, lw=1.3)
        axes.errorbar(d, mean, yerr=stderr, color=colour, fmt="o", ms=3.5, capsize=2, label=name)


def _add_key(axes: Any) -> None:
    axes.errorbar([], [], yerr=[], color="black", fmt="o", ms=3.5, capsize=2, label="ratio of mean risks")
    axes.plot([], [], color="black", lw=1.3, label="ratio of exact expectations")
    axes.fill_between([], [], [], color="black", **BAND_STYLE, label="90 % of single trials")


def _what_grows(row: Row) -> tuple[str, str]:
    names = ("d_weak", "d_strong", "d_shared", "n")
    parts = " : ".join(f"{row[name] / row['d_shared']:g}" for name in names)
    return f"{' : '.join(names)} = {parts}", "target and noise as in the paper's first figure"


@styled
def draw_descent(study: Study, path: str | os.PathLike[str]) -> None:
    """Draw the four risks of a model's study, ridges in rows and sizes in columns, into a PNG, SVG or PDF file.

    Points are means with their standard errors, or hollow medians where there is no mean: at as many rows as
    directions without ridge. The axis of risks is cut a little above the highest point, since risks rise without end.
    """
    many = study.series()
    rows, columns = list(dict.fromkeys(s.label for s in many)), list(dict.fromkeys(s.axis for s in many))
    figure, axes = new_figure((5.4 * len(columns), 3.4 * len(rows) + 0.6), len(rows), len(columns), sharey=True)
    for series in many:
        panel = axes[rows.index(series.label), columns.index(series.axis)]
        _draw_risks(panel, series, _medians(study, series))
    shown = [line for panel in axes.flat for line in panel.get_lines() if line.get_gid() == POINTS]
    heights = np.concatenate([np.asarray(line.get_ydata()) for line in shown])
    axes[0, 0].set_yscale("log")
    axes[0, 0].set_ylim(MARGIN[0] * np.nanmin(heights), MARGIN[1] * np.nanmax(heights))
    axes[0, 0].errorbar([], [], yerr=[], color="black", fmt="o", ms=3.5, capsize=2, label="mean of trials")
    axes[0, 0].plot([], [], "D", color="black", mfc="white", ms=5, label="median of trials, where no mean exists")
    add_legend(figure, axes[0, 0], many, risks_alone=True)
    write(figure, path)


def _medians(study: Study, series: Series) -> dict[str, Matrix]:
    """Median risks over the trials at the sizes of a series."""
    sizes = series.sizes.tolist()
    pairs = [(size, series.fixed) if series.axis == "n" else (series.fixed, size) for size in sizes]
    first = study.scenarios.index(series.scenario) * len(study.points)
    places = [first + study.points.index(pair) for pair in pairs]
    result = study.result
    return {fit: np.median(getattr(result, fit), axis=-1).ravel()[places] for fit in FITS}


def _draw_risks(axes: Any, series: Series, medians: dict[str, Matrix]) -> None:
    curve = curve_sizes(series.sizes)
    smooth, at_points = series.theory(curve), series.theory(series.sizes)
    for fit, name in FITS.items():
        draw_theory(axes, curve, smooth, fit, COLOURS[fit], bounded=False)
        has_mean = np.isfinite(at_points.expected[fit])
        sizes, (mean, stderr) = series.sizes, series.summary[fit]
        bars = axes.errorbar(
            sizes[has_mean],
            mean[has_mean],
            yerr=stderr[has_mean],
            color=COLOURS[fit],
            fmt="o",
            ms=3.5,
            lw=1.2,
            capsize=2,
            label=name,
        )
        at_peak = axes.plot(
            sizes[~has_mean], medians[fit][~has_mean], "D", color=COLOURS[fit], mfc="white", ms=5, zorder=3
        )
        for line in (bars.lines[0], *at_peak):
            line.set_gid(POINTS)
    _mark_peaks(axes, series)
    axes.set(xlabel=axis_label(series), ylabel=series.scenario.risk_name)
    axes.set_title("ridgeless" if series.scenario.description.axes["ridge"] == 0 else series.label, fontsize=11)
    _tidy(axes)


def _mark_peaks(axes: Any, series: Series) -> None:
    """Name the sizes at which some fit has as many rows as directions."""
    about = series.scenario.description.as_dict()
    for name in ("d_weak", "d_strong") if series.axis == "n" else ("d_strong",):
        axes.axvline(about[name], color="black", lw=0.8, ls=":", alpha=0.6, zorder=0)
        axes.annotate(
            f" {series.axis} = {name}", (about[name], 1.0), xycoords=("data", "axes fraction"), fontsize=8, va="top"
        )


def _tidy(axes: Any) -> None:
    axes.grid(alpha=0.25, lw=0.6)
    axes.spines[["top", "right"]].set_visible(False)
