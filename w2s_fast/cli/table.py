"""Tables of results for the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich import markup
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

from w2s_fast._display import number, whole, with_error
from w2s_fast._text import printable
from w2s_fast.results.metrics import ACCURACIES, METRICS, OF_MEANS, column_name
from w2s_fast.results.trials import Decomposition, Trials
from w2s_fast.study.series import Series
from w2s_fast.study.tables import (
    EQUIVALENT,
    NO_GAP,
    cells,
    probe_rows,
    scale_of,
    shown_metrics,
)

SHOWN = 6  # points of a series; files hold all
UNLIMITED = 10_000  # characters


def escape(text: str) -> str:
    """Take brackets for no markup, and steer no terminal."""
    return markup.escape(printable(text))


def print_series(many: Sequence[Series], title: str) -> None:
    """Print risks and ratios, mean ± standard error, the theory beneath where there is one."""
    metrics, doubtful = shown_metrics(many), any(series.doubtful.any() for series in many)
    equivalent = False
    grid = Table(
        title=f"{escape(title)}: mean±standard error; risks of synthetic rows times 1000",
        caption="exact: expected risks in closed form, and ratios of them. Files hold every point." + NO_GAP * doubtful,
        box=SIMPLE_HEAD,
        pad_edge=False,
        collapse_padding=True,
    )
    grid.add_column("study", no_wrap=True)
    for name in ("n", "N", *map(column_name, metrics), *["in doubt"] * doubtful):
        grid.add_column(name, justify="right", no_wrap=True)
    for series in many:
        step = max(1, (len(series.sizes) - 1) / (SHOWN - 1))
        shown = sorted({round(i * step) for i in range(SHOWN) if round(i * step) < len(series.sizes)})
        theory = series.theory(series.sizes)
        for row, index in enumerate(shown):
            name = escape(series.label.replace(" = ", "=") or series.title) if row == 0 else ""
            n, N = (series.sizes[index], series.fixed) if series.axis == "n" else (series.fixed, series.sizes[index])
            doubts = [series.doubts.in_words(index)] * doubtful
            grid.add_row(name, whole(int(n)), whole(int(N)), *cells(series, index, metrics), *doubts)
            if theory.expected:
                scaled = [theory.expected[x][index] * scale_of(series, x) for x in METRICS]
                equivalent |= theory.kind(index) != "exact"
                grid.add_row("", "", theory.kind(index), *map(number, scaled), style="dim")
        grid.add_section()
    grid.caption = f"{grid.caption}{EQUIVALENT * equivalent}"
    _print_whole(grid)


def print_trials(found: Mapping[tuple[str, str], Trials]) -> None:
    """Print every point of every pair: test errors, ratios of mean errors, and which points are in doubt."""
    rows = [row for pair, trials in found.items() for row in probe_rows(trials, *pair)]
    of_means = [f"{name}{OF_MEANS}" if metric.quotient else name for name, metric in METRICS.items()]
    metrics = [name for name in (*of_means, *ACCURACIES) if name in rows[0]]
    parts = [name for name in (*Decomposition._fields, "reduced", "discrepant") if name in rows[0]]
    leading = ["weak_model", "strong_model", "n", "N", *(["column"] if "column" in rows[0] else [])]
    grid = Table(
        title="test errors and ratios of their means: mean±standard error",
        caption=NO_GAP.strip(),
        box=SIMPLE_HEAD,
        pad_edge=False,
        collapse_padding=True,
    )
    for name in (*leading, *metrics, *parts, "in doubt"):
        grid.add_column(column_name(name), justify="right")
    for row in rows:
        measured = [with_error(row[name], row[f"{name}_stderr"]) for name in metrics]
        grid.add_row(
            *(escape(str(row[name])) for name in leading),
            *measured,
            *(number(row[p]) for p in parts),
            row["in_doubt"],
        )
    _print_whole(grid)


def print_cells(head: Sequence[str], rows: Sequence[Sequence[str]], title: str) -> None:
    """Print text in columns, folded where the terminal is narrow."""
    grid = Table(title=title, box=SIMPLE_HEAD, pad_edge=False, show_lines=False)
    for name in head:
        grid.add_column(name, overflow="fold")
    for row in rows:
        grid.add_row(*map(escape, row))
    Console().print(grid)


def _print_whole(grid: Table) -> None:
    """Print with all digits; a narrower terminal wraps the lines."""
    console = Console()
    needed = Measurement.get(console, console.options.update(width=UNLIMITED), grid).maximum
    console.width = max(console.width, needed)
    console.print(grid)
