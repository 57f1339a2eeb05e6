"""Runs and saves that are killed, at random moments and in the midst of a write."""

from __future__ import annotations

import resource
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tests.campaign.children import Child, require_only
from tests.campaign.studies import FILES, expected, require_expected, study
from w2s_fast import Gram, Study

LARGEST = 10**5.7  # bytes of the study's files, and somewhat more


def limited(work: Callable[[], Any], size: float, handler: signal.Handlers) -> Callable[[], Any]:
    """Work during which no file grows beyond ``size`` bytes; the handler decides what the write that would does."""

    def inner() -> Any:
        signal.signal(signal.SIGXFSZ, handler)
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(size), resource.RLIM_INFINITY))
        return work()

    return inner


def killed_runs(rng: np.random.Generator, folder: Path) -> str:
    """Kill a run up to four times, read what there is each time, finish it, and compare every bit."""
    path, keep_trials, kills = folder / FILES[0], bool(rng.integers(2)), 0
    seconds = expected().seconds
    for _ in range(rng.integers(1, 5)):
        workers = int(rng.integers(1, 4))

        def run(workers: int = workers) -> None:
            study(path, keep_trials).run(progress=False, workers=workers)

        if rng.random() < 0.5:
            kills += bool(Child(limited(run, 10 ** rng.uniform(2.5, np.log10(LARGEST)), signal.SIG_DFL)).end().signal)
        else:
            child = Child(run)
            time.sleep(rng.uniform(0.0, 1.5 * seconds))
            child.kill()
            kills += bool(child.end().signal)
        require_only(folder, *FILES)
        if path.exists():
            Study.open(path)
    require_expected(path, keep_trials)
    require_only(folder, FILES[0])
    return f"the same bits after {kills} kills"


def grams(seed: int) -> tuple[Gram, Gram]:
    rng = np.random.default_rng(seed)
    columns = int(rng.integers(1, 400))
    X = rng.standard_normal((2, 500, columns))
    return Gram().update(X[0], X[0, :, 0]), Gram().update(X[1], X[1, :, 0])


def killed_saves(rng: np.random.Generator, folder: Path) -> str:
    """Kill a process that saves the one and the other again and again: the file is one of them, whole."""
    path, pair = folder / "gram.npz", grams(int(rng.integers(1000)))
    before = bool(rng.integers(2))
    if before:
        pair[0].save(path)

    def save() -> None:
        for _ in range(20):
            for gram in pair:
                gram.save(path)

    if rng.random() < 0.5:
        Child(limited(save, 10 ** rng.uniform(2, 6.2), signal.SIG_DFL)).end()
    else:
        child = Child(save)
        time.sleep(rng.uniform(0, 0.05))
        child.kill()
        child.end()
    is_there = path.exists()
    if is_there:
        found = Gram.load(path).xtx
        assert any(np.array_equal(found, gram.xtx) for gram in pair), "neither save"
    else:
        assert not before, "the save before is lost"
    amid_the_change = len(list(folder.iterdir())) > is_there  # when a file has a name of its own, for a moment
    pair[0].save(path)
    require_only(folder, path.name)
    state = "whole" if is_there else "nothing saved yet"
    return f"{state}, killed as it took its place" if amid_the_change else state


ATTACKS = {"killed runs": killed_runs, "killed saves": killed_saves}
