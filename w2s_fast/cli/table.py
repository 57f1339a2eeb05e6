"""Tables of results for the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.measure import Measurement
from rich.table import Table

from w2s_fast.model.trials import METRICS, RISKS, Decomposition, Trials
from w2s_fast.study.lines import Line
from w2s_fast.study.report import cell, probe_rows, scale_of, whole

SHOWN = 6  # points of a line; files hold all
UNLIMITED = 10_000  # characters


def print_lines(lines: Sequence[Line], title: str) -> None:
    """Print each line's risks and ratios, mean ± standard error, the exact theory beneath where there is one."""
    grid = Table(
        title=f"{escape(title)}: mean±standard error; risks of synthetic rows times 1000",
        caption="exact: expected risks in closed form, and ratios of them. Files hold every point.",
        box=SIMPLE_HEAD,
        pad_edge=False,
        collapse_padding=True,
    )
    grid.add_column("study", no_wrap=True)
    for heading in ("n", "N", *METRICS):
        grid.add_column(heading.upper() if heading in ("pgr", "opr") else heading, justify="right", no_wrap=True)
    for line in lines:
        step = max(1, (len(line.sizes) - 1) / (SHOWN - 1))
        shown = sorted({round(i * step) for i in range(SHOWN) if round(i * step) < len(line.sizes)})
        exact, _ = line.theory(line.sizes)
        for number, index in enumerate(shown):
            _add_point(
                grid, line, index, exact, escape(line.label.replace(" = ", "=") or line.title) if number == 0 else ""
            )
        grid.add_section()
    _print_whole(grid)


def print_trials(found: Mapping[tuple[str, str], Trials]) -> None:
    """Print every point of every pair: test errors, ratios of mean errors, and which points are in doubt."""
    rows = [row for pair, trials in found.items() for row in probe_rows(trials, *pair)]
    metrics = [name for name in (*RISKS, "pgr_of_means", "opr_of_means") if name in rows[0]]
    metrics += [name for name in rows[0] if name.startswith("accuracy_") and not name.endswith("_stderr")]
    parts = [name for name in (*Decomposition._fields, "reduced", "discrepant") if name in rows[0]]
    leading = ["weak_model", "strong_model", "n", "N", *(["column"] if "column" in rows[0] else [])]
    grid = Table(
        title="test errors and ratios of their means: mean±standard error",
        caption="no gap: the ceiling is not better than the teacher by 3 standard errors, so that PGR means nothing.",
        box=SIMPLE_HEAD,
        pad_edge=False,
        collapse_padding=True,
    )
    for heading in (*leading, *metrics, *parts, "in doubt"):
        grid.add_column(heading.replace("_of_means", "").replace("_", " "), justify="right")
    for row in rows:
        doubts = ["no gap"] * row["no_gap"] + [f"{fit} ill-conditioned" for fit in row["ill_conditioned"]]
        cells = [cell(row[name], row[f"{name}_stderr"]) for name in metrics]
        grid.add_row(
            *(escape(str(row[name])) for name in leading), *cells, *(f"{row[p]:.4g}" for p in parts), ", ".join(doubts)
        )
    _print_whole(grid)


def print_cells(head: Sequence[str], rows: Sequence[Sequence[str]], title: str) -> None:
    """Print text in columns, folded where the terminal is narrow."""
    grid = Table(title=title, box=SIMPLE_HEAD, pad_edge=False, show_lines=False)
    for heading in head:
        grid.add_column(heading, overflow="fold")
    for row in rows:
        grid.add_row(*map(escape, row))
    Console().print(grid)


def _print_whole(grid: Table) -> None:
    """Print with all digits; a narrower terminal wraps the lines."""
    console = Console()
    needed = Measurement.get(console, console.options.update(width=UNLIMITED), grid).maximum
    console.width = max(console.width, needed)
    console.print(grid)


def _add_point(grid: Table, line: Line, index: int, exact: dict[str, Any], title: str) -> None:
    scales = [scale_of(line.setting.is_synthetic, metric) for metric in METRICS]
    values = [(line.summary[metric].mean[index], line.summary[metric].stderr[index]) for metric in METRICS]
    cells = [cell(mean * scale, stderr * scale) for (mean, stderr), scale in zip(values, scales, strict=True)]
    n, N = (line.sizes[index], line.fixed) if line.axis == "n" else (line.fixed, line.sizes[index])
    grid.add_row(title, whole(int(n)), whole(int(N)), *cells)
    if exact:
        theory = [f"{exact[metric][index] * scale:.4g}" for metric, scale in zip(METRICS, scales, strict=True)]
        grid.add_row("", "", "exact", *theory, style="dim")
