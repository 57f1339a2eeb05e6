"""Tables of results for the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from w2s_fast._display import number, whole, with_error
from w2s_fast.cli.layout import Column, print_columns, print_line, print_rows
from w2s_fast.results.metrics import CHOSEN_RIDGE, MEDIAN, METRICS, OF_MEANS, column_name, of_name, table_columns
from w2s_fast.results.trials import Decomposition, Trials
from w2s_fast.study.series import Series
from w2s_fast.study.tables import EQUIVALENT, NO_GAP, Row, cells, chosen_ridges, probe_rows, scale_of, shown_metrics

SHOWN = 6  # points of a series; files hold all


def print_series(many: Sequence[Series], title: str) -> None:
    """Print risks and ratios, mean ± standard error, the theory beneath where there is one."""
    metrics, doubtful = shown_metrics(many), any(series.doubtful.any() for series in many)
    scaled = "; risks of synthetic rows times 1000" * any(series.scenario.risk_scale != 1.0 for series in many)
    print_line(f"{title}: mean±standard error{scaled}", "bold")
    told: set[str] = set()
    for series in many:
        print_line(f"{series.label.replace(' = ', '=') or series.title}, {series.where}")
        rows, kinds = _series_rows(series, metrics, doubtful)
        told.update(kinds)
        names = (series.axis, *map(column_name, metrics), *["in doubt"] * doubtful)
        print_columns(_columns(names, rows), 1, dim=[bool(kind) for kind in kinds])
    chosen = " Chosen ridges: median [lower quartile, upper quartile]." * any(series.chosen for series in many)
    exact = "exact: expected risks in closed form, and ratios of them. " * ("exact" in told)
    print_line(f"{exact}Files hold every point.{NO_GAP * doubtful}{EQUIVALENT * ('equivalent' in told)}{chosen}", "dim")
    print_line("")


def _series_rows(series: Series, metrics: Sequence[str], doubtful: bool) -> tuple[list[list[str]], list[str]]:
    """Rows of some points, and of each what kind of theory it is, or nothing where it is measured."""
    step = max(1, (len(series.sizes) - 1) / (SHOWN - 1))
    shown = sorted({round(i * step) for i in range(SHOWN) if round(i * step) < len(series.sizes)})
    theory, rows, kinds = series.theory(series.sizes), [], []
    for index in shown:
        doubts = [series.doubts.in_words(index)] * doubtful
        rows.append([whole(int(series.sizes[index])), *cells(series, index, metrics), *doubts])
        kinds.append("")
        if theory.expected:
            scaled = {x: number(theory.expected[x][index] * scale_of(series, x)) for x in METRICS}
            rows.append([theory.kind(index), *(scaled.get(x, "") for x in metrics), *[""] * doubtful])
            kinds.append(theory.kind(index))
    return rows, kinds


def print_trials(found: Mapping[tuple[str, str], Trials], medians: bool = False) -> None:
    """Print every point of every pair: test errors, ratios of means, or medians, and which points are in doubt."""
    how = "test errors and ratios: median" if medians else "test errors and ratios of their means: mean"
    chosen = any(trials.chosen_ridge is not None for trials in found.values())
    ridges = "; chosen ridges: median [lower quartile, upper quartile]" * chosen
    print_line(f"{how}±standard error{ridges}", "bold")
    for (weak, strong), trials in found.items():
        print_line(f"teacher {weak}, student {strong}")
        rows = [
            row | {name: quartiles.in_words(place) for name, quartiles in chosen_ridges(trials).items()}
            for place, row in zip(
                np.ndindex(trials.weak.shape[:-1]), probe_rows(trials, weak, strong, medians), strict=True
            )
        ]
        leading = ["n", "N", *(["column"] if "column" in rows[0] else [])]
        written = [_trial_cells(row, leading) for row in rows]
        print_columns(_columns(tuple(written[0]), [list(row.values()) for row in written]), len(leading))
    if any(trials.doubts.has_gapless for trials in found.values()):
        print_line(NO_GAP.strip(), "dim")


def _trial_cells(row: Row, leading: Sequence[str]) -> dict[str, str]:
    """One point in words, by the names of the columns."""
    metrics = [name for name in map(_shown, table_columns()) if name in row]
    metrics = [name + MEDIAN for name in table_columns() if name + MEDIAN in row] or metrics
    parts = [name for name in (*Decomposition._fields, "reduced", "discrepant") if name in row]
    return {
        **{name: str(row[name]) for name in leading},
        **{column_name(name): with_error(row[name], row[f"{name}_stderr"]) for name in metrics},
        **{column_name(name): number(row[name]) for name in parts},
        **{column_name(name): row[name] for name in CHOSEN_RIDGE.values() if name in row},
        "in doubt": row["in_doubt"],
    }


def _shown(name: str) -> str:
    """Name of the column that people are shown of a metric: ratios of means have no heavy tails."""
    metric = of_name(name)
    return name + OF_MEANS if metric is not None and metric.quotient else name


def print_cells(head: Sequence[str], rows: Sequence[Sequence[str]], title: str) -> None:
    """Print text in columns under a title, of which the first names the rows."""
    print_line(title, "bold")
    print_columns(_columns(head, rows), 1)


def print_words(head: Sequence[str], rows: Sequence[Sequence[str]], title: str) -> None:
    """Print rows of words under a title, one value a line."""
    print_line(title, "bold")
    print_rows(_columns(head, rows))


def _columns(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[Column]:
    return [Column(name, [row[place] for row in rows]) for place, name in enumerate(head)]
