"""A real task: features of several models over the same items, each teaching a student at several sizes and noises."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from w2s_fast._random import stream
from w2s_fast.linalg.spectral.joint import Dimensions
from w2s_fast.probing.task import Task
from w2s_fast.results.doubts import Doubts
from w2s_fast.results.metrics import quotients_of_means, ratios
from w2s_fast.results.summary import Estimate
from w2s_fast.study.features_source import FeaturesSource
from w2s_fast.study.series import Series, series_of
from w2s_fast.study.study import Study
from w2s_fast.tasks.cache import Extractor, Features, ShowProgress

Labels = npt.NDArray[np.float64]
GAP = 0.1  # of the ceiling's error: a teacher closer to the ceiling than this leaves no gap to recover
HELD_OUT = (2,)  # coordinate of the random stream that draws the test rows


class Pair(NamedTuple):
    """A teacher and a student, by the names of their features."""

    teacher: str
    student: str
    ridge: float = 1e-6

    def __str__(self) -> str:
        ridge = f", ridge {self.ridge:g}" if self.ridge > 1e-6 else ""
        return f"{self.teacher} to {self.student}{ridge}"


@dataclass(frozen=True)
class RealTask:
    """What a task is made of.

    Attributes
    ----------
    name, title : str
        In files, and for people.
    extractors : tuple of Extractor
        All features, labels among them.
    read_items : callable
        From the cache folder to the items that features are made of.
    labels : callable
        From the features to label vectors: without added noise first, then noisier ones.
    pairs : tuple of Pair
        Those of the first one's student and ridge are compared by the overlap of teacher and student.
    noisy : tuple of Pair
        Those that run with noisy labels too.
    n, N : tuple of int
        Sizes swept, the other one fixed.
    fixed : (int, int)
        n and N where the other one is swept; both lie on the sweeps.
    test : int
        Held-out rows, whose labels have no added noise.
    """

    name: str
    title: str
    extractors: tuple[Extractor, ...]
    read_items: Callable[[Path], Sequence[Any]]
    labels: Callable[[Mapping[str, Features]], Sequence[Labels]]
    pairs: tuple[Pair, ...]
    noisy: tuple[Pair, ...]
    n: tuple[int, ...]
    N: tuple[int, ...]
    fixed: tuple[int, int]
    test: int

    def quick(self) -> RealTask:
        """Return the same with fewer teachers and points."""
        n, N = ((sizes[0], fixed, sizes[-1]) for sizes, fixed in zip((self.n, self.N), self.fixed, strict=True))
        return replace(self, pairs=self.pairs[:3], noisy=self.pairs[:1], n=n, N=N)


class Run(NamedTuple):
    """A pair at one level of label noise."""

    pair: Pair
    noise_variance: float
    dimensions: Dimensions
    study: Study

    @property
    def task(self) -> Task:
        """Features and labels, held-out rows among them."""
        (source,) = self.study.scenarios
        assert isinstance(source, FeaturesSource)
        assert source.task is not None
        return source.task

    @property
    def doubts(self) -> Doubts:
        """Those of the study, at each point; a gap below ``GAP`` counts as none."""
        summary, doubts = self.study.summary(), self.study.doubts
        small = summary["weak"].mean <= (1 + GAP) * summary["ceiling"].mean
        return doubts._replace(no_gap=doubts.no_gap | small)

    def trials(self, metric: str) -> npt.NDArray[np.float64]:
        """Every trial of a metric, (points, trials); NaN at points in doubt."""
        return np.where(self.doubts.of(metric)[:, None], np.nan, getattr(self.study.result, metric))

    def series(self, title: str, label: str) -> list[Series]:
        """Results along n and along N under names of their own; ratios in doubt are NaN."""
        study, summary, doubts = self.study, dict(self.study.summary()), self.doubts
        for name in (*ratios(), *quotients_of_means()):
            summary[name] = Estimate(*(np.where(doubts.of(name), np.nan, part) for part in summary[name]))
        found = series_of(title, [], study.scenarios, study.points, study.counts, summary, doubts)
        return [replace(series, label=label) for series in found]


def plan(task: RealTask, features: Mapping[str, Features], *, trials: int, seed: int) -> list[Run]:
    """Return all runs of a task, unrun: every pair without added noise, then the noisy ones."""
    clean, *noisier = task.labels(features)
    order = stream(seed, HELD_OUT, 0).permutation(len(clean))
    test, pool = np.sort(order[: task.test]), np.sort(order[task.test :])
    parts = {name: (features[name][pool], features[name][test]) for pair in task.pairs for name in pair[:2]}
    dimensions = {pair: Dimensions.of(features[pair.teacher], features[pair.student]) for pair in task.pairs}
    centre = clean[pool].mean()
    n = np.array([*task.n, *[task.fixed[0]] * len(task.N)])
    N = np.array([*[task.fixed[1]] * len(task.n), *task.N])
    runs = []
    for pairs, y in ((task.pairs, clean), *((task.noisy, noisy) for noisy in noisier)):
        noise = float(np.mean((y - clean) ** 2))
        for pair in pairs:
            (weak, weak_test), (strong, strong_test) = parts[pair.teacher], parts[pair.student]
            held_out = (weak_test, strong_test, clean[test] - centre)
            source = Task.of(weak, strong, y[pool] - centre, held_out, pair.ridge)
            title = f"{pair}, noise variance {noise:.2g}" if noise else str(pair)
            study = Study(source, n=n, N=N, trials=trials, seed=seed, title=title)
            runs.append(Run(pair, noise, dimensions[pair], study))
    return runs


def run(runs: Sequence[Run], show_progress: ShowProgress, workers: int | None = None) -> None:
    """Run all, one after the other."""
    for one in runs:
        with show_progress(one.study.title) as callback:
            one.study.run(progress=callback if callback is not None else False, workers=workers)


def comparable(task: RealTask, runs: Sequence[Run]) -> list[Run]:
    """Runs without added noise that have the student and ridge of the first."""
    return [run for run in runs if not run.noise_variance and run.pair[1:] == task.pairs[0][1:]]
