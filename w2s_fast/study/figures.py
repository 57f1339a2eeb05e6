"""Figures of studies. The only file that imports matplotlib."""

from __future__ import annotations

import importlib.util
import io
import math
import os
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import numpy as np
import numpy.typing as npt

from w2s_fast._files import whole_file
from w2s_fast.results.measures import MEASURES
from w2s_fast.results.metrics import FITS, column_name, measures_in, of_name, ratio_columns, ratios
from w2s_fast.study.series import Series
from w2s_fast.study.source import Theory

P = ParamSpec("P")
R = TypeVar("R")
# Okabe and Ito's colours, which colour-blind readers can tell apart.
COLOURS = {"weak": "#D55E00", "baseline": "#999999", "ceiling": "#009E73", "w2s": "#0072B2"}
RATIOS = ("#0072B2", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
LABELS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#882255")
CURVE_POINTS, LARGEST_ORDER = 240, 0.1  # Equivalents whose relative error may be larger are not drawn.
BAND_POINTS, BAND = 60, 0.9  # A band is worked out at so many sizes, and holds such a share of all trials.
BAND_STYLE: dict[str, Any] = {"alpha": 0.12, "lw": 0.8}
DOUBT_BAND = 0.03, 0.15  # The crosses of ratios in doubt lie between these shares of a panel's height.
ENTRY_WIDTH, LETTER_WIDTH = 0.5, 0.075  # Inches that an entry of a legend takes, and each letter of it.
LOWEST_PGR = -1.0  # An axis that went below it would show nothing else.
# A fixed salt: the same study, the same file. TeX, where a user has chosen it, would read titles as its own.
STYLE = {"svg.hashsalt": "w2s_fast", "font.size": 10, "text.usetex": False}
METADATA = {"svg": {"Date": None, "Title": "w2s_fast"}, "png": {"Software": "w2s_fast"}}  # the maker, not the time
BACKEND = "MPLBACKEND"


def require_matplotlib() -> None:
    """Raise ImportError with the way to mend it where matplotlib is missing: before long work, not after."""
    if importlib.util.find_spec("matplotlib") is None:
        raise ImportError('figures need matplotlib: python -m pip install "w2s_fast[plot]"')


def draw(many: Sequence[Series], path: str | os.PathLike[str]) -> None:
    """Draw a column of panels a series, risks above ratios, and measures likewise, into a PNG, SVG or PDF file."""
    write(panels(many), path)


def draw_comparison(many: Sequence[Series], path: str | os.PathLike[str], note: str = "") -> None:
    """Draw PGR above OPR, and those of measures, with all scenarios in one panel for each axis, into a file."""
    write(comparison(many, note), path)


def styled(function: Callable[P, R]) -> Callable[P, R]:
    """Let a function make or write a figure in our style."""

    @wraps(function)
    def in_style(*arguments: P.args, **options: P.kwargs) -> R:
        with _matplotlib().rc_context(STYLE), warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Glyph .* missing")  # of a title: a box stands for it
            return function(*arguments, **options)

    return in_style


def _matplotlib() -> Any:
    """Import matplotlib, also where the environment names a backend that is not installed: we use none.

    A notebook hands its own down to the commands that it starts.
    """
    require_matplotlib()
    named = os.environ.pop(BACKEND, None) if "matplotlib" not in sys.modules else None
    try:
        import matplotlib as mpl
    finally:
        if named is not None:
            os.environ[BACKEND] = named
    if named:
        with suppress(ValueError):
            mpl.rcParams["backend"] = named  # for whoever else draws
    return mpl


@styled
def panels(many: Sequence[Series]) -> Any:
    """Figure with a column of panels a series, risks above ratios, and below them each measure above its ratios."""
    columns = len(many) if len(many) <= 3 else 2
    bands = math.ceil(len(many) / columns)
    drawn = _panels(many)
    heights, rows = [height for height, _, _ in drawn] * bands, len(drawn)
    figure, axes = new_figure((5.4 * columns, 6.6 * sum(heights) / 5), rows * bands, columns, height_ratios=heights)
    for index, series in enumerate(many):
        band, column = divmod(index, columns)
        for row, (_, draw_panel, measure) in enumerate(drawn):
            draw_panel(axes[rows * band + row, column], series, measure)
    for index in range(len(many), bands * columns):
        for row in range(rows):
            axes[-1 - row, index % columns].set_visible(False)
    add_legend(figure, axes[0, 0], many, banded=True)
    return figure


def _panels(many: Sequence[Series]) -> list[tuple[int, Callable[[Any, Series, str], None], str]]:
    """What is drawn of each series, from above: how high, by which function, and of which measure; none for risks."""
    found: list[tuple[int, Callable[[Any, Series, str], None], str]] = []
    for measure in ("", *_measures(many)):
        found.append((3, _draw_fits, measure))
        if not measure or ratio_columns(measure):
            found.append((2, _draw_ratios, measure))
    return found


def _measures(many: Sequence[Series]) -> list[str]:
    return measures_in(name for series in many for name in series.summary)


def _ratios(series: Series, measure: str = "") -> list[str]:
    """Names of the ratios of risks, or of a measure, that a series has."""
    return [name for name in (f"{measure}_{ratio}".lstrip("_") for ratio in ratios()) if name in series.summary]


@styled
def comparison(many: Sequence[Series], note: str = "") -> Any:
    """Figure of PGR above OPR, and of those of measures, a colour a scenario, a column an axis."""
    columns: dict[str, list[Series]] = {}
    for series in many:
        columns.setdefault(axis_label(series), []).append(series)
    metrics = list(dict.fromkeys(name for _, name in _all_ratios(many)))
    figure, axes = new_figure((5.4 * len(columns), 3.1 * len(metrics)), len(metrics), len(columns))
    colours = dict(zip(dict.fromkeys(series.label for series in many), LABELS * len(many), strict=False))
    for column, members in enumerate(columns.values()):
        for row, metric in enumerate(metrics):
            measured = [series for series in members if metric in series.summary]
            for level, series in enumerate(measured):
                name, at = series.label, level / len(measured)
                _draw_metric(axes[row, column], series, metric, colours[name], name, at)
            _finish(axes[row, column], members[0])
            axes[row, column].axhline(1.0, color="black", lw=0.8, alpha=0.5)
            axes[row, column].set_ylabel(column_name(metric))
            if metric.endswith("pgr"):
                _keep_pgr_readable(axes[row, column], measured, metric)
        axes[0, column].set_title(members[0].title, fontsize=11)
    if note:
        axes[0, 0].plot([], [], " ", label=note)
    add_legend(figure, axes[0, 0], many)
    return figure


@styled
def svg(figure: Any) -> str:
    """Render a figure as SVG text."""
    buffer = io.StringIO()
    _take_words_as_they_are(figure)
    figure.savefig(buffer, format="svg", metadata=METADATA["svg"])
    return buffer.getvalue()


def _take_words_as_they_are(figure: Any) -> None:
    """Keep titles and names from being read as formulas, which a pair of dollars would make of them."""
    legends = [*figure.legends, *(axes.get_legend() for axes in figure.axes)]
    words = [text for legend in legends if legend is not None for text in legend.get_texts()]
    for axes in figure.axes:
        words += [axes.title, axes.xaxis.label, axes.yaxis.label]
    for text in words:
        text.set_parse_math(False)


def new_figure(size: tuple[float, float], rows: int, columns: int, **options: Any) -> tuple[Any, Any]:
    """Figure of a size in inches and its panels."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots(rows, columns, squeeze=False, **options)


@styled
def write(figure: Any, path: str | os.PathLike[str]) -> None:
    """Write a figure into a PNG, SVG or PDF file, which appears whole or not at all."""
    _take_words_as_they_are(figure)
    suffix = os.path.splitext(path)[1].lstrip(".").lower()
    if suffix not in figure.canvas.get_supported_filetypes():
        raise ValueError(f"cannot draw {os.fspath(path)!r}: end it in .png, .svg or .pdf")
    with whole_file(path) as file:
        figure.savefig(file, format=suffix, dpi=150, metadata=METADATA.get(suffix))


def axis_label(series: Series) -> str:
    """Name the axis of sizes, with the size that is fixed."""
    name = "labelled rows n" if series.axis == "n" else "pseudo-labelled rows N"
    return f"{name}   ({series.where})"


def _is_wide(sizes: npt.NDArray[np.int64]) -> bool:
    return bool(sizes.max() > 100 * sizes.min())


def curve_sizes(sizes: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Sizes at which to draw a smooth curve, those of the points among them."""
    space = np.geomspace if _is_wide(sizes) else np.linspace
    dense = space(sizes.min(), sizes.max(), CURVE_POINTS).round().astype(np.int64)
    return np.union1d(dense, sizes)


def _draw_metric(axes: Any, series: Series, metric: str, colour: str, name: str, level: float = 0.0) -> None:
    """Points with error bars, what is expected (or a thin line between points), and the paper's bound dotted.

    Risks in doubt are hollow points; ratios in doubt crosses at the foot of the panel, of which ``level`` is a share.
    """
    mean, stderr = series.summary[metric]
    axes.errorbar(series.sizes, mean, yerr=stderr, color=colour, fmt="o", ms=3.5, lw=1.2, capsize=2, label=name)
    doubtful = series.doubts.of(metric)
    found = of_name(metric)
    if found is not None and found.value is None:  # of a fit, not a ratio
        axes.plot(series.sizes[doubtful], mean[doubtful], "o", color=colour, mfc="white", ms=3.5, zorder=3)
    else:  # there is no value to draw
        low = DOUBT_BAND[0] + level * (DOUBT_BAND[1] - DOUBT_BAND[0])
        axes.plot(
            series.sizes[doubtful],
            np.full(doubtful.sum(), low),
            "x",
            color=colour,
            ms=5,
            transform=axes.get_xaxis_transform(),
        )
    curve = curve_sizes(series.sizes)
    theory = series.theory(curve)
    if metric in theory.expected:
        draw_theory(axes, curve, theory, metric, colour)
    else:
        axes.plot(series.sizes, mean, color=colour, lw=1.0)


def draw_theory(
    axes: Any, curve: npt.NDArray[np.int64], theory: Theory, metric: str, colour: str, bounded: bool = True
) -> None:
    """Draw what is expected along a curve, where it is known: exact solid, equivalents dashed, bounds dotted."""
    expected, order = theory.expected[metric], theory.order[metric]
    drawn = [(expected, order == 0, "-"), (expected, (order > 0) & (order < LARGEST_ORDER), "--")]
    if bounded and metric in theory.bounds:
        drawn.append((theory.bounds[metric], np.ones(curve.shape, np.bool_), ":"))
    for values, there, style in drawn:
        if (there & np.isfinite(values)).any():
            axes.plot(curve, np.where(there & np.isfinite(values), values, np.nan), color=colour, lw=1.3, ls=style)


def _finish(axes: Any, series: Series) -> None:
    axes.set_xlabel(axis_label(series))
    if _is_wide(series.sizes):
        axes.set_xscale("log")
    axes.grid(alpha=0.25, lw=0.6)
    axes.spines[["top", "right"]].set_visible(False)


def _draw_fits(axes: Any, series: Series, measure: str) -> None:
    """A measure of the four fits with its standard errors; nothing where a series does not have it."""
    if not measure:
        _draw_risks(axes, series)
        return
    if f"{measure}_w2s" not in series.summary:
        axes.set_visible(False)
        return
    for fit, name in FITS.items():
        if fit != "weak" or not MEASURES[measure].needs_teacher:  # no teacher differs from itself
            _draw_metric(axes, series, f"{measure}_{fit}", COLOURS[fit], name)
    _finish(axes, series)
    axes.set_ylabel(MEASURES[measure].label)


def _draw_risks(axes: Any, series: Series) -> None:
    """Risks with their standard errors, over the bands that hold most trials where the laws are known."""
    sizes = curve_sizes(series.sizes)
    sizes = sizes[np.unique(np.linspace(0, len(sizes) - 1, BAND_POINTS).astype(int))]
    for fit, (low, high) in series.bands(sizes, BAND).items():
        axes.fill_between(sizes, low, high, color=COLOURS[fit], **BAND_STYLE)
    for fit, name in FITS.items():
        _draw_metric(axes, series, fit, COLOURS[fit], name)
    _finish(axes, series)
    axes.set_title(", ".join(filter(None, (series.title, series.label))), fontsize=11)
    axes.set_ylabel(series.scenario.risk_name)
    if series.scenario.has_log_risks and any(np.any(series.summary[fit].mean > 0) for fit in FITS):
        axes.set_yscale("log")


def _draw_ratios(axes: Any, series: Series, measure: str) -> None:
    drawn = _ratios(series, measure)
    if not drawn:
        axes.set_visible(False)
        return
    for level, (name, colour) in enumerate(zip(drawn, RATIOS * len(drawn), strict=False)):
        _draw_metric(axes, series, name, colour, column_name(name), level / len(drawn))
    _finish(axes, series)
    axes.axhline(1.0, color="black", lw=0.8, alpha=0.5)
    axes.set_ylabel(", ".join(map(column_name, drawn)))
    _keep_pgr_readable(axes, [series], f"{measure}_pgr".lstrip("_"))
    axes.legend(frameon=False, fontsize=8, ncols=2, loc="best")


def _keep_pgr_readable(axes: Any, many: Iterable[Series], metric: str) -> None:
    """Cut the axis a little below the lowest mean: bounds and error bars may fall without end."""
    means = np.concatenate([np.zeros(0), *(series.summary[metric].mean for series in many)])
    low = float(np.min(means[np.isfinite(means)], initial=0.0))
    axes.set_ylim(bottom=max(low - 0.1, LOWEST_PGR))


def _all_ratios(many: Iterable[Series]) -> Iterator[tuple[Series, str]]:
    """Every series with each of its ratios, those of measures too."""
    for series in many:
        for measure in ("", *_measures([series])):
            yield from ((series, name) for name in _ratios(series, measure))


def add_legend(figure: Any, axes: Any, many: Sequence[Series], banded: bool = False, risks_alone: bool = False) -> None:
    """Name the curves once, above the panels, where no data can lie under the names.

    ``risks_alone``: neither bounds nor ratios are drawn.
    """
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles, labels = axes.get_legend_handles_labels()
    if banded and any(series.bands(series.sizes[:1], BAND) for series in many):
        handles.append(Patch(color="black", **BAND_STYLE))
        labels.append(f"{100 * BAND:g} % of trials (bars: standard error of means)")
    theories = [series.theory(series.sizes) for series in many]
    for name, style, shown in (
        ("exact expectation", "-", any(np.any(x == 0) for theory in theories for x in theory.order.values())),
        ("expectation by equivalents", "--", any(np.any(x > 0) for theory in theories for x in theory.order.values())),
        ("bound of the paper", ":", not risks_alone and any(theory.bounds for theory in theories)),
    ):
        if shown:
            handles.append(Line2D([], [], color="black", lw=1.3, ls=style))
            labels.append(name)
    if not risks_alone and any(series.doubts.of(metric).any() for series, metric in _all_ratios(many)):
        handles.append(Line2D([], [], color="black", marker="x", ms=5, ls=""))
        labels.append("ratio in doubt")
    if any(series.doubts.of(fit).any() for series in many for fit in FITS):
        handles.append(Line2D([], [], color="black", marker="o", mfc="white", ms=3.5, ls=""))
        labels.append("ill-conditioned")
    width = figure.get_figwidth()
    longest = ENTRY_WIDTH + LETTER_WIDTH * max(map(len, labels), default=0)
    rows = max(1, math.ceil(len(labels) / min(max(1, int(width / longest)), max(2, round(width / 1.9)))))
    even = math.ceil(len(labels) / rows)
    figure.legend(handles, labels, frameon=False, fontsize=9, ncols=even, loc="outside upper center")
