"""A small study that attacks are made on, and what it must give."""

from __future__ import annotations

import functools
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from w2s_fast import GaussianModel, Study
from w2s_fast.results.metrics import METRICS
from w2s_fast.study.tables import finite

TRIALS = 300  # several chunks a point
FILES = ("study.sqlite", "study.sqlite-wal", "study.sqlite-shm", "study.sqlite-journal")  # of a run that was killed


def family(d_shared: float = 2, noise_variance: float = 0.5) -> GaussianModel:
    return GaussianModel.paper(6, 4, d_shared, noise_variance, d_target=9)


def study(path: Path | None = None, keep_trials: bool = True, trials: int = TRIALS, seed: int = 3) -> Study:
    sizes: dict[str, Any] = {"n": [[12], [20]], "N": [9, 30]}
    return Study(family, **sizes, ridge=[0.0, 0.5], trials=trials, seed=seed, path=path, keep_trials=keep_trials)


def table(found: Study) -> Any:
    """Rows that compare: NaN, which is not itself, as None."""
    return finite(found.table())


class Expected(NamedTuple):
    table: Any
    trials: Any
    seconds: float  # that a run takes


@functools.cache
def expected() -> Expected:
    """Run the study, without a thread that is left over and that forks would lose."""
    study(trials=1).run(progress=False, workers=1)
    began = time.perf_counter()
    found = study().run(progress=False, workers=1)
    return Expected(table(found), every_trial(found), time.perf_counter() - began)


def every_trial(found: Study) -> Any:
    return np.stack([getattr(found.result, name) for name in METRICS])


def require_expected(path: Path, keep_trials: bool) -> None:
    """Finish the study in its file, and compare all that it says."""
    done = study(path, keep_trials).run(progress=False, workers=1)
    for found in (done, Study.open(path)):
        assert found.is_complete, "trials are missing"
        assert table(found) == expected().table, "other numbers"
        assert not keep_trials or np.array_equal(every_trial(found), expected().trials, equal_nan=True), "other trials"
