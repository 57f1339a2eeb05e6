"""Tables of studies: tidy rows, CSV and JSON files of them, and cells of text."""

from __future__ import annotations

import csv
import io
import json
import math
import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from w2s_fast._display import with_error
from w2s_fast._files import whole_file
from w2s_fast.results.metrics import CHOSEN_RIDGE, MEDIAN, of_name, table_columns
from w2s_fast.results.summary import Estimate, Quartiles
from w2s_fast.results.trials import Trials
from w2s_fast.study.base import BaseStudy
from w2s_fast.study.series import Series
from w2s_fast.study.source import COMMON_AXES

Row = dict[str, Any]
FORMULAS = ("=", "+", "-", "@", "\t", "\r")  # begin one
EQUIVALENT = " Equivalent: expected risks by deterministic equivalents; files hold the order of their relative error."
NO_GAP = " No gap: the ceiling is not better than the teacher by 3 standard errors, so that PGR means nothing."


def write_csv(rows: Sequence[Row], path: str | os.PathLike[str]) -> None:
    """Write rows under the header of the first one."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, fieldnames=list(rows[0]))
    writer.writeheader()
    writer.writerows({name: _as_text(value) for name, value in row.items()} for row in rows)
    with whole_file(path) as file:
        file.write(text.getvalue().encode())


def _as_text(value: Any) -> Any:
    """Keep a spreadsheet from reading words as a formula."""
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULAS) else value


def study_rows(study: BaseStudy, medians: bool = False) -> list[Row]:
    """Tidy rows of a study: one a scenario, point and metric, medians among them if asked for.

    Of ridges that fits chose there are quartiles too, where trials are kept.
    """
    summary, doubts, counts = dict(study.summary(medians)), study.doubts, study.counts.tolist()
    for name, found in study.chosen_ridges.items():
        summary |= {of: Estimate(part, np.full_like(part, np.nan)) for of, part in _quartiles(name, found).items()}
    doubtful = {metric: doubts.of(metric) for metric in summary}
    rows = []
    further = [axis for axis in study.axes if axis not in COMMON_AXES]
    for index, scenario in enumerate(study.scenarios):
        theory = scenario.theory(study.n, study.N)
        told = {"expected": theory.expected, "expected_order": theory.order, "paper_bound": theory.bounds}
        axes = {axis: scenario.description.axes.get(axis) for axis in COMMON_AXES}
        axes |= {axis: scenario.description.axes.get(axis, 0.0) for axis in further}
        for point, (n, N) in enumerate(study.points):
            place = index * len(study.points) + point
            for metric, (mean, stderr) in summary.items():
                row = {"study": study.title, **axes, "n": n, "N": N, "metric": metric, "trials": counts[place]}
                row |= {"mean": float(mean[place]), "stderr": float(stderr[place])}
                for name, by_metric in told.items():
                    row[name] = float(by_metric[metric][point]) if metric in by_metric else None
                row["in_doubt"] = doubts.in_words(place) if doubtful[metric][place] else ""
                rows.append(row)
    return rows


def _quartiles(name: str, found: Quartiles) -> dict[str, Any]:
    """Quartiles by the names that tables have for them."""
    return {f"{name}_lower_quartile": found.lower, name + MEDIAN: found.median, f"{name}_upper_quartile": found.upper}


def described(study: BaseStudy) -> dict[str, Any]:
    """Return spec, seeds, runs and table of a study, fit for JSON, in which scenarios are called settings."""
    return {
        "title": study.title,
        "settings": [scenario.description.as_dict() for scenario in study.scenarios],
        "n": study.n.tolist(),
        "N": study.N.tolist(),
        "seeds": {str(seed): trials for seed, trials in study.seeds.items()},
        "complete": study.is_complete,
        "runs": study.runs,
        "table": study_rows(study),
    }


def probe_rows(trials: Trials, weak: str, strong: str, medians: bool = False) -> list[Row]:
    """Tidy rows of one pair of models: one a point and label column, with every metric, its error, and doubts."""
    summary, doubts, rows = trials.summary(medians), trials.doubts, []
    parts, ridges = trials.decomposition, chosen_ridges(trials)
    for place in np.ndindex(trials.weak.shape[:-1]):
        point = place[: trials.n.ndim]
        row: Row = {"weak_model": weak, "strong_model": strong, "n": int(trials.n[point]), "N": int(trials.N[point])}
        if len(place) > len(point):
            row["column"] = place[-1]
        row["in_doubt"] = doubts.in_words(place)
        for metric, (mean, stderr) in summary.items():
            row |= {metric: float(mean[place]), f"{metric}_stderr": float(stderr[place])}
        row |= {of: float(part[place]) for name in ridges for of, part in _quartiles(name, ridges[name]).items()}
        for part in (*parts._fields, "reduced", "discrepant") if parts is not None else ():
            row[part] = float(getattr(parts, part)[place])
        rows.append(row)
    return rows


def chosen_ridges(trials: Trials) -> dict[str, Quartiles]:
    """Quartiles over trials of the ridge that each fit chose from a grid; empty where none had a choice."""
    chosen = trials.chosen_ridge or ()
    return {name: Quartiles.of(values) for name, values in zip(CHOSEN_RIDGE.values(), chosen, strict=False)}


def write_json(content: Any, path: str | os.PathLike[str]) -> None:
    """Write strict JSON: NaN and infinity become null."""
    with whole_file(path) as file:
        file.write(json.dumps(finite(content), indent=1, allow_nan=False).encode() + b"\n")


def finite(content: Any) -> Any:
    """Replace NaN and infinity by None, which JSON can hold."""
    if isinstance(content, dict):
        return {key: finite(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [finite(value) for value in content]
    return None if isinstance(content, float) and not math.isfinite(content) else content


def scale_of(series: Series, metric: str) -> float:
    """Factor by which tables for people show a metric."""
    found = of_name(metric)
    return series.scenario.risk_scale if found is not None and found.unit == "risk" else 1.0


def shown_metrics(many: Sequence[Series]) -> list[str]:
    """Columns of tables for people: the metrics that some series has, and ridges that fits chose."""
    return [
        name for name in (*table_columns(), *CHOSEN_RIDGE.values()) if any(name in series.summary for series in many)
    ]


def cells(series: Series, index: int, metrics: Sequence[str]) -> list[str]:
    """Write metrics at one size; those the series does not have are empty.

    Of ridges that fits chose it is the median with its quartiles, or the mean where single trials are not kept.
    """
    found = []
    for metric in metrics:
        if metric in CHOSEN_RIDGE.values():
            found.append(_ridge_in_words(series, index, metric))
            continue
        scale = scale_of(series, metric)
        values = [float(part[index]) * scale for part in series.summary.get(metric, ())]
        found.append(with_error(*values) if values else "")
    return found


def _ridge_in_words(series: Series, index: int, name: str) -> str:
    if name in series.chosen:
        return series.chosen[name].in_words(index)
    mean = float(series.summary[name].mean[index]) if name in series.summary else math.nan
    return "" if math.isnan(mean) else f"mean {mean:.4g}"
