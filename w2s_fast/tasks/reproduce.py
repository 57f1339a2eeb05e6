"""The main job: a study on real features and all synthetic figures of the paper, written to a folder."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NamedTuple

import numpy as np

from w2s_fast._machine import versions
from w2s_fast.results.risks import Risks
from w2s_fast.study.figures import draw, draw_comparison
from w2s_fast.study.page import image, write_html
from w2s_fast.study.series import Series
from w2s_fast.study.study import Study
from w2s_fast.study.tables import Row, write_csv, write_json
from w2s_fast.study.wide_figures import draw_bounds, draw_descent, draw_growth
from w2s_fast.tasks import beyond, bounds, paper, valence
from w2s_fast.tasks.beyond import Growth

Draw = Callable[[Sequence[Series], Path], None]
DESCENT, GROWTH, BOUNDS = "double_descent.png", "dimensions.png", "bounds.png"
TABLES = ("valence.csv", "synthetic.csv", "double_descent.csv", "dimensions.csv", "bounds.csv")
BOUNDS_NOTE = (
    f"The paper's bounds at d_weak = {bounds.D_WEAK}, d_strong = {bounds.D_STRONG}, d_shared = {bounds.D_SHARED} and "
    f"noise variance {bounds.NOISE:g}, where nothing is simulated, beside the ratios of exact expectations. Both "
    "models miss the same part of the target, of squared length rho. The bounds have the student's variance on its own "
    "N rows: on new rows, and for few of them, what is exact lies below. What both miss lowers the bound of PGR and "
    "leaves PGR as it is."
)
GROWTH_TRIALS = 10  # times as many as of studies: a trial takes microseconds in any dimension
GROWTH_NOTE = (
    "All dimensions and sample sizes grow together, so that expectations have limits. What a single trial finds comes "
    "as close to them as 1 / sqrt(d)."
)
SHOWN = (10,)  # values of d_shared in the printed table; the files hold all
ShowProgress = Callable[[str], AbstractContextManager[Callable[[int, int], None] | None]]


class Job(NamedTuple):
    """Every study of the main job, and the dimensions to 10^6, which are a model each."""

    real: Study
    synthetic: list[Study]  # one a noise variance
    far: Study
    descent: Study
    growth: Growth

    @property
    def studies(self) -> list[Study]:
        return [self.real, *self.ridgeless, self.descent]

    @property
    def ridgeless(self) -> list[Study]:
        """Studies of the paper's setting, whose theory is exact."""
        return [*self.synthetic, self.far]


def job(*, trials: int = 40, seed: int = 0, quick: bool = False) -> Job:
    """Return the studies of the main job, unrun; ``quick`` takes fewer points and trials of each."""
    points, real_points, far_points = (5, 4, 4) if quick else (20, 12, 19)
    real_trials, trials = (min(trials, 5), min(trials, 10)) if quick else (trials, trials)
    real = Study(
        valence.load(),
        n=600,
        N=np.linspace(600, 6_000, real_points).astype(np.int64),
        trials=real_trials,
        seed=seed,
        title="sentence valence",
    )
    noises = dict.fromkeys((*paper.RISKS, *paper.RATIOS))
    synthetic = [paper.synthetic(noise, points=points, trials=trials, seed=seed) for noise in noises]
    far = paper.far(points=far_points, trials=trials, seed=seed)
    descent = beyond.descent(trials=trials, seed=seed, quick=quick)
    growth = beyond.Growth(points=4 if quick else 14, trials=GROWTH_TRIALS * trials, seed=seed)
    return Job(real, synthetic, far, descent, growth)


def run(work: Job, show_progress: ShowProgress, workers: int | None = None) -> None:
    """Run the studies one after the other, and the dimensions."""
    for study in work.studies:
        with show_progress(study.title) as callback:
            study.run(progress=callback if callback is not None else False, workers=workers)
    with show_progress(work.growth.title) as callback:
        work.growth.run(callback, workers)


def write(work: Job, folder: Path, started: float) -> Iterator[Path]:
    """Write figures, tables, the report and the JSON record; yield each path once it is there.

    ``started``: perf_counter.
    """
    drawn: list[list[Path]] = [[] for _ in work.studies]
    for number, study in enumerate(work.studies):
        for name, group, draw_series in figures(work, study):
            path = folder / f"{name}.png"
            draw_series(study.series() if group is None else _series(study, group), path)
            drawn[number].append(path)
            yield path
    draw_descent(work.descent, folder / DESCENT)
    drawn[-1].append(folder / DESCENT)
    yield folder / DESCENT
    draw_growth(work.growth.rows, folder / GROWTH)
    yield folder / GROWTH
    draw_bounds(bounds.rows(), folder / BOUNDS)
    yield folder / BOUNDS
    for name, rows in tables(work):
        write_csv(rows, folder / name)
        yield folder / name
    further = ((work.growth.title, GROWTH_NOTE, GROWTH), (bounds.TITLE, BOUNDS_NOTE, BOUNDS))
    afterword = "".join(f"<h2>{title}</h2><p>{note}</p>{image(folder / name)}" for title, note, name in further)
    heading = "Weak-to-strong generalization: the paper and beyond"
    write_html(work.studies, folder / "report.html", heading, drawn, afterword=afterword)
    yield folder / "report.html"
    record = {
        "versions": versions(),
        "seconds": {**{study.title: study.seconds for study in work.studies}, "total": time.perf_counter() - started},
        "studies": [study.describe() for study in work.studies],
        "growth": {"title": work.growth.title, "seed": work.growth.seed, "table": work.growth.rows},
    }
    write_json(record, folder / "reproduce.json")
    yield folder / "reproduce.json"


def files(work: Job) -> list[str]:
    """Names of all files that :func:`write` leaves."""
    drawn = [f"{name}.png" for study in work.studies for name, *_ in figures(work, study)]
    return [*drawn, DESCENT, GROWTH, BOUNDS, *TABLES, "report.html", "reproduce.json"]


def tables(work: Job) -> Iterator[tuple[str, list[Row]]]:
    """Names of the CSV files with their rows."""
    synthetic = [row for study in work.ridgeless for row in study.table()]
    rows = (work.real.table(), synthetic, beyond.descent_rows(work.descent), work.growth.rows, bounds.rows())
    return zip(TABLES, rows, strict=True)


def figures(work: Job, study: Study) -> Iterator[tuple[str, tuple[int, ...] | None, Draw]]:
    """Name the figures of a study, the values of d_shared they show (None for all there is) and how."""
    if study is work.real:
        yield "valence", None, draw
    elif study is work.far:
        yield "far", None, draw
    elif study in work.synthetic:
        noise = study.scenarios[0].description.axes["noise_variance"]
        for d_shared in paper.RISKS.get(noise, ()):
            yield f"risk_d{d_shared}_noise{noise:g}", (d_shared,), draw
        for group in paper.RATIOS.get(noise, ()):
            yield f"pgr_opr_d{'-'.join(map(str, group))}_noise{noise:g}", group, draw_comparison


class Agreement(NamedTuple):
    """How far mean risks lie from exact expectations, in standard errors."""

    means: int
    largest: float
    root_mean_square: float


def agreement(work: Job) -> Agreement:
    """Compare every mean risk of the synthetic studies with the theory."""
    rows = [row for study in work.ridgeless for row in study.table() if row["metric"] in Risks._fields]
    scores = np.array([(row["mean"] - row["expected"]) / row["stderr"] for row in rows])
    return Agreement(len(scores), float(np.abs(scores).max()), float(np.sqrt(np.mean(scores**2))))


def shown(work: Job) -> list[Series]:
    """Lines for the printed table: the real study, the paper's first figure and its continuation."""
    return work.real.series() + _series(work.synthetic[0], SHOWN) + _series(work.far, SHOWN)


def _series(study: Study, group: tuple[int, ...]) -> list[Series]:
    """Series of some values of d_shared, in the order given."""
    return [
        series
        for d_shared in group
        for series in study.series()
        if round(series.scenario.description.axes["d_shared"]) == d_shared
    ]
