"""Files of a real task: figures, tables, the claims beside what came out, one page with everything, and a record."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from w2s_fast._display import with_error
from w2s_fast._machine import versions
from w2s_fast.results.metrics import column_name
from w2s_fast.results.summary import Estimate
from w2s_fast.results.trials import estimate
from w2s_fast.study.figures import draw, draw_comparison
from w2s_fast.study.page import image, table, write_html
from w2s_fast.study.series import Series
from w2s_fast.study.tables import Row, write_csv, write_json
from w2s_fast.study.wide_figures import Panel, draw_against
from w2s_fast.tasks.claims import SURE, Claim
from w2s_fast.tasks.real import GAP, RealTask, Run, comparable
from w2s_fast.tasks.variance import Shed

OVERLAP = "d_shared / d_weak"
CLAIM_HEAD = ("the paper claims", "measured here", "mean ± standard error", "verdict")
DIMENSION_HEAD = ("pair", "d_weak", "d_strong", "d_shared", OVERLAP)
VARIANCE_HEAD = ("teacher", "variance in its error", f"{OVERLAP}, all columns", "student sheds", "by the theorem")


FIGURES = ("risks", "teachers", "others", "noise", "overlap")
TABLES = ("studies", "dimensions", "variance", "claims")


def files(task: RealTask) -> list[str]:
    """Names of all files that :func:`write` may leave."""
    tables = [name for name in TABLES if name != "variance" or not task.classifies]
    parts = [f"-{name}.png" for name in FIGURES] + [f"-{name}.csv" for name in tables]
    return [f"{task.name}{part}" for part in (*parts, ".html", ".json")]


def write(
    task: RealTask,
    runs: Sequence[Run],
    variances: Mapping[str, Shed],
    found: Sequence[Claim],
    folder: Path,
    started: float,
) -> Iterator[Path]:
    """Write all files; yield each path once it is there. ``started``: perf_counter."""
    figures = []
    for path in _draw(task, runs, variances, folder):
        figures.append(path)
        yield path
    for name, rows in (("studies", [row for run in runs for row in run.study.table()]),
                       ("dimensions", dimension_rows(task, runs)), ("variance", variance_rows(variances)),
                       ("claims", claim_rows(found))):  # fmt: skip
        if rows:
            write_csv(rows, folder / f"{task.name}-{name}.csv")
            yield folder / f"{task.name}-{name}.csv"
    studies = [run.study for run in runs]
    page = folder / f"{task.name}.html"
    preface = _preface(task, runs, variances, found, figures)
    write_html(studies, page, task.title, [[] for _ in studies], preface)
    yield page
    record = {
        "versions": versions(),
        "seconds": {**{study.title: study.seconds for study in studies}, "total": time.perf_counter() - started},
        "dimensions": dimension_rows(task, runs),
        "variance": variance_rows(variances),
        "claims": claim_rows(found),
        "studies": [study.describe() for study in studies],
    }
    write_json(record, folder / f"{task.name}.json")
    yield folder / f"{task.name}.json"


def _preface(
    task: RealTask, runs: Sequence[Run], variances: Mapping[str, Shed], found: Sequence[Claim], figures: Sequence[Path]
) -> str:
    """What the page has before its studies."""
    of_classes = "Errors are Brier scores; by accuracy, what it lacks counts as error. " if task.classifies else ""
    variance = (
        f"<h2>Variance</h2><p>The share of a teacher's variance that its student sheds.</p>"
        f"{table(VARIANCE_HEAD, variance_cells(variances))}"
    )
    return (
        f"<h2>Claims</h2><p>{of_classes}A claim holds where its sign is sure by {SURE:g} standard errors. PGR counts "
        f"only where the teacher's mean error is {GAP:.0%} or more above the ceiling's.</p>"
        f"{table(CLAIM_HEAD, claim_cells(found))}"
        f"<h2>Dimensions</h2><p>Of 99 % of the energy.</p>{table(dimension_head(task), dimension_cells(task, runs))}"
        f"{variance if variances else ''}<h2>Figures</h2>{''.join(map(image, figures))}"
    )


def _draw(task: RealTask, runs: Sequence[Run], variances: Mapping[str, Shed], folder: Path) -> Iterator[Path]:
    def path(name: str) -> Path:
        return folder / f"{task.name}-{name}.png"

    clean = [run for run in runs if not run.noise]
    same_student = comparable(task, runs)
    draw(clean[0].series(clean[0].study.title, ""), path("risks"))
    yield path("risks")
    teachers = [(run, run.pair.teacher) for run in same_student]
    draw_comparison(_lines(teachers, f"{task.title}, to {task.pairs[0].student}"), path("teachers"))
    yield path("teachers")
    others = [run for run in clean if run not in same_student]
    if others:
        draw_comparison(_lines([(run, str(run.pair)) for run in others], task.title), path("others"))
        yield path("others")
    noises = [(run, f"{task.noise_name} {run.noise:.2g}") for run in runs if run.pair == runs[0].pair]
    draw_comparison(_lines(noises, str(runs[0].pair)), path("noise"))
    yield path("noise")
    overlaps = {run.pair.teacher: run.overlap for run in same_student}
    sheds = {name: shed.measured for name, shed in variances.items()}, {n: s.expected for n, s in variances.items()}
    panels = [Panel("share of variance shed", *sheds)] if variances else []
    panels += [
        Panel(column_name(name), {run.pair.teacher: _estimate(task, run, name) for run in same_student})
        for name in task.ratios
    ]
    draw_against(overlaps, f"{OVERLAP}, all columns", panels, path("overlap"))
    yield path("overlap")


def _lines(runs: Sequence[tuple[Run, str]], title: str) -> list[Series]:
    """Lines of several runs, each under a name."""
    return [series for run, label in runs for series in run.series(title, label)]


def _estimate(task: RealTask, run: Run, metric: str) -> Estimate:
    return estimate(run.trials(metric)[run.study.points.index(task.fixed)])


def dimension_rows(task: RealTask, runs: Sequence[Run]) -> list[Row]:
    """One row a pair: its dimensions, and PGR and OPR at the sizes that sweeps fix."""
    rows = []
    for run in runs:
        if not run.noise:
            row: dict[str, Any] = {"pair": str(run.pair)}
            row |= {name: getattr(run.dimensions, name) for name in ("weak", "strong", "shared", "overlap")}
            for metric in task.ratios:
                mean, stderr = _estimate(task, run, metric)
                row |= {metric: float(mean), f"{metric}_stderr": float(stderr)}
            rows.append(row | {"overlap_of_all": run.overlap})
    return rows


def dimension_head(task: RealTask) -> list[str]:
    """Names above :func:`dimension_cells`."""
    return [*DIMENSION_HEAD, *map(column_name, task.ratios)]


def dimension_cells(task: RealTask, runs: Sequence[Run]) -> list[list[str]]:
    """:func:`dimension_rows` as text."""
    return [
        [row["pair"], str(row["weak"]), str(row["strong"]), f"{row['shared']:.1f}", f"{row['overlap']:.2f}",
         *(with_error(row[metric], row[f"{metric}_stderr"]) for metric in task.ratios)]
        for row in dimension_rows(task, runs)
    ]  # fmt: skip


def variance_rows(variances: Mapping[str, Shed]) -> list[Row]:
    """One row a teacher."""
    return [
        {"teacher": teacher, "variance_share": shed.variance_share, "overlap": shed.overlap,
         "shed": float(shed.measured.mean), "shed_stderr": float(shed.measured.stderr), "expected": shed.expected}
        for teacher, shed in variances.items()
    ]  # fmt: skip


def variance_cells(variances: Mapping[str, Shed]) -> list[list[str]]:
    """:func:`variance_rows` as text."""
    return [
        [row["teacher"], f"{row['variance_share']:.2f}", f"{row['overlap']:.3f}",
         with_error(row["shed"], row["shed_stderr"]), f"{row['expected']:.3f}"]
        for row in variance_rows(variances)
    ]  # fmt: skip


def claim_rows(found: Sequence[Claim]) -> list[Row]:
    """One row a claim and pair."""
    return [
        {"claim": claim.claim, "measured": claim.measured, "of": whom, "mean": float(mean), "stderr": float(stderr),
         "verdict": claim.verdict}
        for claim in found
        for whom, (mean, stderr) in claim.found.items()
    ]  # fmt: skip


def claim_cells(found: Sequence[Claim]) -> list[list[str]]:
    """Claims as text."""
    return [[claim.claim, claim.measured, claim.found_in_words, claim.verdict] for claim in found]
