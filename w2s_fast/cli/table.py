"""Tables of results for the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.measure import Measurement
from rich.table import Table

from w2s_fast.model.trials import METRICS
from w2s_fast.study.lines import Line
from w2s_fast.study.report import cell, scale_of, whole

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
    console = Console()
    needed = Measurement.get(console, console.options.update(width=UNLIMITED), grid).maximum
    console.width = max(console.width, needed)  # a narrower terminal wraps lines rather than lose digits
    console.print(grid)


def print_cells(head: Sequence[str], rows: Sequence[Sequence[str]], title: str) -> None:
    """Print text in columns, folded where the terminal is narrow."""
    grid = Table(title=title, box=SIMPLE_HEAD, pad_edge=False, show_lines=False)
    for heading in head:
        grid.add_column(heading, overflow="fold")
    for row in rows:
        grid.add_row(*map(escape, row))
    Console().print(grid)


def _add_point(grid: Table, line: Line, index: int, exact: dict[str, Any], title: str) -> None:
    scales = [scale_of(line.setting.is_synthetic, metric) for metric in METRICS]
    values = [(line.summary[metric].mean[index], line.summary[metric].stderr[index]) for metric in METRICS]
    cells = [cell(mean * scale, stderr * scale) for (mean, stderr), scale in zip(values, scales, strict=True)]
    n, N = (line.sizes[index], line.fixed) if line.axis == "n" else (line.fixed, line.sizes[index])
    grid.add_row(title, whole(int(n)), whole(int(N)), *cells)
    if exact:
        theory = [f"{exact[metric][index] * scale:.4g}" for metric, scale in zip(METRICS, scales, strict=True)]
        grid.add_row("", "", "exact", *theory, style="dim")
