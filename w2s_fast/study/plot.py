"""Figures of studies. The only file that imports matplotlib."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from w2s_fast.model.risks import Risks
from w2s_fast.model.trials import Trials
from w2s_fast.study.store import whole_file


class Drawable(Protocol):
    """What a figure needs to know of a study that has run."""

    title: str
    n: npt.NDArray[np.int64]
    N: npt.NDArray[np.int64]

    @property
    def result(self) -> Trials: ...

    def expected(self) -> Risks | None: ...

    def bounds(self) -> Risks | None: ...


# Okabe and Ito's colours, which colour-blind readers can tell apart.
FITS = {
    "weak": ("#D55E00", "weak teacher"),
    "baseline": ("#999999", "strong baseline"),
    "ceiling": ("#009E73", "strong ceiling"),
    "w2s": ("#0072B2", "W2S student"),
}
RATIOS = {"pgr": ("#0072B2", "PGR"), "opr": ("#CC79A7", "OPR")}


def require_matplotlib() -> None:
    """Raise ImportError with the way to mend it where matplotlib is missing: before long work, not after."""
    if importlib.util.find_spec("matplotlib") is None:
        raise ImportError('figures need matplotlib: python -m pip install "w2s_fast[plot]"')


def draw(studies: Sequence[Drawable], path: str | os.PathLike[str]) -> None:
    """Draw a column of panels a study, risks above ratios, into a PNG, SVG or PDF file."""
    require_matplotlib()
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.6 * len(studies), 6.8), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(2, len(studies), squeeze=False, height_ratios=(3, 2))
    for column, study in enumerate(studies):
        _draw_risks(axes[0, column], study)
        _draw_ratios(axes[1, column], study)
    _add_legend(figure, axes[0, 0], any(study.expected() is not None for study in studies))
    suffix = os.path.splitext(path)[1].lstrip(".").lower()
    if suffix not in figure.canvas.get_supported_filetypes():
        raise ValueError(f"cannot draw {os.fspath(path)!r}: end it in .png, .svg or .pdf")
    with whole_file(path) as temporary:
        figure.savefig(temporary, dpi=150)


def _axis(study: Drawable) -> tuple[Any, str]:
    """Return what varies along the grid and its name."""
    if np.ptp(study.n) > 0 and np.ptp(study.N) == 0:
        return study.n, f"labelled rows n   (N = {study.N[0]:,})"
    fixed = f"   (n = {study.n[0]:,})" if np.ptp(study.n) == 0 else ""
    return study.N, f"pseudo-labelled rows N{fixed}"


def _draw_curves(axes: Any, study: Drawable, styles: dict[str, tuple[str, str]]) -> None:
    x, label = _axis(study)
    order = np.argsort(x, kind="stable")
    summary, expected, bounds = study.result.summary(), study.expected(), study.bounds()
    for metric, (colour, name) in styles.items():
        mean, stderr = summary[metric]
        axes.errorbar(
            x[order], mean[order], yerr=stderr[order], color=colour, fmt="o", ms=3.5, lw=1.2, capsize=2, label=name
        )
        if expected is None:
            axes.plot(x[order], mean[order], color=colour, lw=1.0)
        else:
            axes.plot(x[order], getattr(expected, metric)[order], color=colour, lw=1.4)
        if bounds is not None:
            axes.plot(x[order], getattr(bounds, metric)[order], color=colour, lw=1.2, ls=":")
    axes.set_xlabel(label)
    if x.min() > 0 and x.max() > 100 * x.min():
        axes.set_xscale("log")
    axes.grid(alpha=0.25, lw=0.6)
    axes.spines[["top", "right"]].set_visible(False)


def _draw_risks(axes: Any, study: Drawable) -> None:
    _draw_curves(axes, study, FITS)
    axes.set_title(study.title, fontsize=11)
    synthetic = study.expected() is not None
    axes.set_ylabel("excess risk" if synthetic else "test mean squared error")
    if synthetic and any(np.nanmax(study.result.summary()[fit].mean) > 0 for fit in FITS):
        axes.set_yscale("log")


def _draw_ratios(axes: Any, study: Drawable) -> None:
    _draw_curves(axes, study, RATIOS)
    axes.axhline(1.0, color="black", lw=0.8, alpha=0.5)
    axes.set_ylabel("PGR, OPR")
    low = float(np.nanmin(np.append(study.result.summary()["pgr"].mean, 0.0)))
    axes.set_ylim(bottom=max(low - 0.1, -1.0))
    axes.legend(frameon=False, fontsize=8, ncols=2, loc="best")


def _add_legend(figure: Any, axes: Any, with_theory: bool) -> None:
    """Name the curves once, above the panels, where no data can lie under the names."""
    from matplotlib.lines import Line2D

    handles, labels = axes.get_legend_handles_labels()
    if with_theory:
        handles += [Line2D([], [], color="black", lw=1.4), Line2D([], [], color="black", lw=1.2, ls=":")]
        labels += ["exact expectation", "bound of the paper"]
    figure.legend(handles, labels, frameon=False, fontsize=9, ncols=len(labels), loc="outside upper center")
