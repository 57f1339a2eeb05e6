"""The main job: a study on real features and the paper's first synthetic figure, written to a folder."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np

from w2s_fast.model.gaussian import GaussianModel
from w2s_fast.model.probe import Rows
from w2s_fast.study.plot import draw
from w2s_fast.study.report import versions, write_csv, write_json
from w2s_fast.study.run import Study
from w2s_fast.tasks import paper, valence

ShowProgress = Callable[[str], AbstractContextManager[Callable[[int, int], None] | None]]


def studies(*, trials: int = 40, seed: int = 0, quick: bool = False) -> list[Study]:
    """Return the studies of the main job, unrun; ``quick`` takes fewer points and trials of each."""
    points, real_points, real_trials = (5, 4, min(trials, 5)) if quick else (20, 12, trials)
    real = Study(
        valence.load(),
        n=600,
        N=np.linspace(600, 6_000, real_points).astype(np.int64),
        trials=real_trials,
        seed=seed,
        title="sentence valence",
    )
    return [real, *paper.synthetic(points=points, trials=min(trials, 10) if quick else trials, seed=seed)]


def run(all_studies: list[Study], show_progress: ShowProgress, workers: int | None = None) -> None:
    """Run the studies one after the other."""
    for study in all_studies:
        with show_progress(study.title) as callback:
            study.run(progress=callback if callback is not None else False, workers=workers)


def write(all_studies: list[Study], folder: Path, started: float) -> Iterator[Path]:
    """Write figures, tables and the JSON record; yield each path once it is there. ``started``: perf_counter."""
    real, *synthetic = all_studies
    for name, group in (("valence", [real]), ("synthetic", synthetic)):
        draw(group, folder / f"{name}.png")
        yield folder / f"{name}.png"
        write_csv([row for study in group for row in study.table()], folder / f"{name}.csv")
        yield folder / f"{name}.csv"
    record = {
        "versions": versions(),
        "seconds": {**{study.title: study.seconds for study in all_studies}, "total": time.perf_counter() - started},
        "studies": [describe(study) for study in all_studies],
    }
    write_json(record, folder / "reproduce.json")
    yield folder / "reproduce.json"


def describe(study: Study) -> dict[str, Any]:
    """Everything needed to run a study again, and its table."""
    source = study.source
    if isinstance(source, GaussianModel):
        names = ("d_weak", "d_strong", "d_shared", "rho_weak", "rho_strong", "noise_variance")
        about = {"kind": "gaussian", **{name: getattr(source, name) for name in names}}
    else:
        test = len(source.test) if isinstance(source.test, Rows) else source.test
        shape = dict(zip(("d_weak", "d_strong"), source.rows.widths, strict=True))
        about = {"kind": "features", "rows": len(source.rows), **shape, "test": test, "ridge": source.ridge}
    grid = {"n": study.n.tolist(), "N": study.N.tolist(), "trials": study.trials, "seed": study.seed}
    return {"title": study.title, "source": about, **grid, "table": study.table()}
