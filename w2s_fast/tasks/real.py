"""A real task: features of several models over the same items, each teaching a student at several sizes and noises."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from w2s_fast._random import stream
from w2s_fast.linalg.spectral.angles import correlation_dimension
from w2s_fast.linalg.spectral.joint import Dimensions
from w2s_fast.probing.options import PseudoLabels
from w2s_fast.probing.task import Task
from w2s_fast.results.doubts import Doubts
from w2s_fast.results.measures import MEASURES
from w2s_fast.results.metrics import measure_and_part, of_name
from w2s_fast.results.summary import Estimate
from w2s_fast.study.features_source import FeaturesSource
from w2s_fast.study.series import Series, series_of
from w2s_fast.study.study import Study
from w2s_fast.tasks.cache import Extractor, Features, ShowProgress

Labels = npt.NDArray[np.float64]
GAP = 0.1  # of the ceiling's error: a teacher closer to the ceiling than this leaves no gap to recover
HELD_OUT = (2,)  # coordinate of the random stream that draws the test rows


class Pair(NamedTuple):
    """A teacher and a student, by the names of their features, and how the one teaches the other."""

    teacher: str
    student: str
    ridge: float = 1e-6
    pseudo_labels: PseudoLabels = "soft"
    confident: float = 1.0

    def __str__(self) -> str:
        ridge = f", ridge {self.ridge:g}" if self.ridge > 1e-6 else ""
        kind = f", {self.pseudo_labels}" if self.pseudo_labels != "soft" else ""
        surest = f", surest {self.confident:g}" if self.confident < 1.0 else ""
        return f"{self.teacher} to {self.student}{ridge}{kind}{surest}"


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
        Those of the first one's student, ridge and pseudo-labels are compared by the overlap of teacher and student.
    noisy : tuple of Pair
        Those that run with noisy labels too.
    n, N : tuple of int
        Sizes swept, the other one fixed.
    fixed : (int, int)
        n and N where the other one is swept; both lie on the sweeps.
    test : int
        Held-out rows, whose labels have no added noise.
    fit : str
        Kind of fit. Those that classify have an intercept, the others centred labels.
    metrics : tuple of str
        Claims are confronted with the errors, and with each of these measures.
    flips : tuple of float
        Shares of labels that become another class in every trial, as further noise.
    features_of : str
        The task whose features these are, empty for its own.
    also : tuple of RealTask
        Further tasks with the same features, that run with this one.
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
    fit: str = "ridge"
    metrics: tuple[str, ...] = ()
    flips: tuple[float, ...] = ()
    features_of: str = ""
    also: tuple[RealTask, ...] = ()

    def quick(self) -> RealTask:
        """Return the same with fewer teachers and points."""
        n, N = ((sizes[0], fixed, sizes[-1]) for sizes, fixed in zip((self.n, self.N), self.fixed, strict=True))
        also = tuple(task.quick() for task in self.also)
        return replace(self, pairs=self.pairs[:3], noisy=self.pairs[:1], n=n, N=N, also=also)

    @property
    def classifies(self) -> bool:
        """Whether labels are classes, and fits predict their probabilities."""
        return self.fit == "softmax"

    @property
    def measures(self) -> tuple[str, ...]:
        """What PGR and OPR are made of: errors, under no name, and each metric."""
        return ("", *self.metrics)

    @property
    def ratios(self) -> list[str]:
        """Names of PGR and OPR of each measure."""
        return [of_measure(measure, ratio) for measure in self.measures for ratio in ("pgr", "opr")]

    @property
    def noise_name(self) -> str:
        return "share of labels changed" if self.classifies else "noise variance"


class Run(NamedTuple):
    """A pair at one level of label noise.

    Attributes
    ----------
    noise : float
        Its variance, or of classes the share of labels that it changes.
    dimensions : Dimensions
        Of 99 % of the energy, over all rows.
    overlap : float
        Share of all of the teacher's columns that the student has too, over the training rows.
    """

    pair: Pair
    noise: float
    dimensions: Dimensions
    overlap: float
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
        doubts = self.study.doubts
        gapless = {measure: flags | self._is_small(measure) for measure, flags in doubts.no_gap_in.items()}
        return doubts._replace(no_gap=doubts.no_gap | self._is_small(""), no_gap_in=gapless)

    def _is_small(self, measure: str) -> npt.NDArray[np.bool_]:
        """Where the teacher comes too close to the ceiling; of what is better high, such as accuracy, by what lacks."""
        summary = self.study.summary()
        weak, ceiling = (summary[of_measure(measure, fit)].mean for fit in ("weak", "ceiling"))
        if measure and MEASURES[measure].rises:
            weak, ceiling = 1.0 - weak, 1.0 - ceiling
        return np.asarray(weak <= (1 + GAP) * ceiling)

    def trials(self, metric: str) -> npt.NDArray[np.float64]:
        """Every trial of a metric, (points, trials); NaN at points in doubt."""
        measure, part = measure_and_part(metric)
        result = self.study.result
        values = getattr(result.scores[measure] if measure else result, part)
        return np.where(self.doubts.of(metric)[:, None], np.nan, values)

    def series(self, title: str, label: str) -> list[Series]:
        """Results along n and along N under names of their own; ratios in doubt are NaN."""
        study, summary, doubts = self.study, dict(self.study.summary()), self.doubts
        for name in [name for name in summary if (metric := of_name(name)) is not None and metric.value is not None]:
            summary[name] = Estimate(*(np.where(doubts.of(name), np.nan, part) for part in summary[name]))
        found = series_of(title, [], study.scenarios, study.points, study.counts, summary, doubts)
        return [replace(series, label=label) for series in found]


def of_measure(measure: str, part: str) -> str:
    """Name of a fit or a ratio of a measure, or of errors."""
    return f"{measure}_{part}" if measure else part


def plan(task: RealTask, features: Mapping[str, Features], *, trials: int, seed: int) -> list[Run]:
    """Return all runs of a task, unrun: every pair without added noise, then the noisy ones."""
    clean, *noisier = task.labels(features)
    order = stream(seed, HELD_OUT, 0).permutation(len(clean))
    test, pool = np.sort(order[: task.test]), np.sort(order[task.test :])
    parts = {name: (features[name][pool], features[name][test]) for pair in task.pairs for name in pair[:2]}
    dimensions, overlaps = {}, {}
    for teacher, student in dict.fromkeys(pair[:2] for pair in task.pairs):
        dimensions[teacher, student] = Dimensions.of(features[teacher], features[student])
        weak, strong = parts[teacher][0], parts[student][0]
        overlaps[teacher, student] = correlation_dimension(weak, strong) / weak.shape[1]
    centre = 0.0 if task.classifies else clean[pool].mean()
    n = np.array([*task.n, *[task.fixed[0]] * len(task.N)])
    N = np.array([*[task.fixed[1]] * len(task.n), *task.N])
    runs = []
    levels = [(task.pairs, clean, 0.0), *((task.noisy, y, 0.0) for y in noisier)]
    for pairs, y, flips in (*levels, *((task.noisy, clean, flips) for flips in task.flips)):
        noise = flips or float(np.mean(y != clean) if task.classifies else np.mean((y - clean) ** 2))
        for pair in pairs:
            (weak, weak_test), (strong, strong_test) = parts[pair.teacher], parts[pair.student]
            held_out = (weak_test, strong_test, clean[test] - centre)
            source = Task.of(weak, strong, y[pool] - centre, held_out, pair.ridge, flips=flips, **_how(task, pair))
            title = f"{pair}, {task.noise_name} {noise:.2g}" if noise else str(pair)
            study = Study(source, n=n, N=N, trials=trials, seed=seed, title=title)
            runs.append(Run(pair, noise, dimensions[pair[:2]], overlaps[pair[:2]], study))
    return runs


def _how(task: RealTask, pair: Pair) -> dict[str, Any]:
    """Options of the fits of a pair."""
    how = {"fit": task.fit, "pseudo_labels": pair.pseudo_labels, "confident": pair.confident}
    return how | {"intercept": task.classifies, "metrics": task.metrics}


def run(runs: Sequence[Run], show_progress: ShowProgress, workers: int | None = None) -> None:
    """Run all, one after the other."""
    for one in runs:
        with show_progress(one.study.title) as callback:
            one.study.run(progress=callback if callback is not None else False, workers=workers)


def comparable(task: RealTask, runs: Sequence[Run]) -> list[Run]:
    """Runs without added noise that have the student, ridge and pseudo-labels of the first."""
    return [run for run in runs if not run.noise and run.pair[1:] == task.pairs[0][1:]]
