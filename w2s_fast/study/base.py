"""What a study is and has measured, to be read: the part of ``Study`` that neither runs nor writes anything."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from w2s_fast._display import facts, shortened, spread
from w2s_fast._text import printable
from w2s_fast.results.doubts import ILL_CONDITIONED, Doubts, doubts_of
from w2s_fast.results.measures import MEASURES
from w2s_fast.results.metrics import CHOSEN_RIDGE, FITS, METRICS, fit_columns, measures_in
from w2s_fast.results.scores import Fits, Score
from w2s_fast.results.summary import Estimate, Quartiles, Summary, in_brief
from w2s_fast.results.trials import IllConditioned, Trials, summary_of
from w2s_fast.study.measured import Measured
from w2s_fast.study.scenarios import varied_axes
from w2s_fast.study.series import Series, series_of
from w2s_fast.study.source import Source
from w2s_fast.study.spec import Spec
from w2s_fast.study.store import Store

PathLike = str | os.PathLike[str]
MOST_PLACES = 500  # that are summed up for a glance, some 10 ms


class BaseStudy:
    """A study's spec, its scenarios, the trials wanted of each seed, and what the runs so far measured."""

    def __init__(
        self, spec: Spec, scenarios: Sequence[Source], seeds: Mapping[int, int], path: PathLike | None
    ) -> None:
        self.title = printable(spec.title)
        self.spec = spec
        self.scenarios = list(scenarios)
        self.path = path
        self.seeds = dict(seeds)
        self.seed = min(self.seeds)
        self.n, self.N = np.array(spec.n), np.array(spec.N)
        self.runs: list[dict[str, Any]] = []
        self.measured = self.nothing()

    def nothing(self) -> Measured:
        """Room for what is to be measured."""
        return Measured(self.spec.places, self.spec.columns, self.spec.keep_trials)

    def take_in(self, file: Store) -> None:
        """Take over what the study's file holds."""
        self.runs, self.measured = file.runs(), file.measured()

    def require_same(self, other: Spec, what: str) -> None:
        """Refuse another study, naming where it differs."""
        differences = self.spec.differences(other)
        if differences:
            raise ValueError(f"{what}: not the same {', '.join(differences)}; nothing was changed")

    @property
    def settings(self) -> list[Source]:
        """An earlier name of ``scenarios``."""
        return self.scenarios

    @property
    def points(self) -> list[tuple[int, int]]:
        return list(zip(self.spec.n, self.spec.N, strict=True))

    @property
    def trials(self) -> int:
        """Trials wanted at each point, over all seeds."""
        return sum(self.seeds.values())

    @property
    def axes(self) -> list[str]:
        """Further axes on which scenarios differ."""
        return varied_axes(self.scenarios)

    @property
    def counts(self) -> npt.NDArray[np.int64]:
        """Trials done at each point, over all seeds: scenarios, then points."""
        return self.measured.counts()

    @property
    def is_complete(self) -> bool:
        return bool(np.all(self.counts >= self.trials))

    @property
    def seconds(self) -> float:
        """How long the runs took together."""
        return sum(run["seconds"] for run in self.runs)

    def summary(self, medians: bool = False) -> Summary:
        """Mean and standard error of each metric, arrays over scenarios, then points.

        As ``Trials.summary``; NaN where nothing was run, and ratios where :attr:`doubts` has them. Medians are of
        studies that are finished and keep their trials.
        """
        estimates = self._estimates()
        trials = np.moveaxis(self.measured.trials(), -1, 0) if medians else ()
        return summary_of(estimates, dict(zip(self.measured.columns, trials, strict=medians)))

    @property
    def doubts(self) -> Doubts:
        """Where ratios mean nothing, no gap to recover or an ill-conditioned fit: over scenarios, then points."""
        return doubts_of(self._estimates())

    def _estimates(self) -> Mapping[str, Estimate]:
        if not self.counts.any():
            raise RuntimeError("this study has no results yet: call run() first")
        return self.measured.summary()

    @property
    def result(self) -> Trials:
        """Every trial, of shape (points, trials), or (scenarios, points, trials) where there are several scenarios."""
        shape = (len(self.scenarios),) * (len(self.scenarios) > 1) + (len(self.n), -1)
        columns = np.moveaxis(self.measured.trials(), -1, 0)
        values = {name: column.reshape(shape) for name, column in zip(self.measured.columns, columns, strict=True)}
        n, N = (np.broadcast_to(sizes, shape[:-1]).copy() for sizes in (self.n, self.N))
        flags = [values[name] > 0 for name in ILL_CONDITIONED.values() if name in values]
        ridges = [values[name] for name in CHOSEN_RIDGE.values() if name in values]
        measures = {name: fit_columns(name) for name in MEASURES if fit_columns(name)[0] in values}
        return Trials(
            n,
            N,
            **{name: values[name] for name in FITS},
            seed=self.seed,
            ill_conditioned=IllConditioned(*flags) if flags else None,
            scores={name: Score.of(name, *(values[column] for column in found)) for name, found in measures.items()},
            metrics=tuple(measures_in(values)),
            chosen_ridge=Fits(*ridges) if ridges else None,
        )

    @property
    def chosen_ridges(self) -> dict[str, Quartiles]:
        """Quartiles over trials of the ridge that each fit chose from a grid, over scenarios, then points.

        Of studies that are finished and keep their trials; empty for others, and where no fit has a choice.
        """
        none_chose = CHOSEN_RIDGE["w2s"] not in self.measured.columns
        if none_chose or self.measured.kept is None or not self.is_complete:
            return {}
        columns = zip(self.measured.columns, np.moveaxis(self.measured.trials(), -1, 0), strict=True)
        return {name: Quartiles.of(values) for name, values in columns if name in CHOSEN_RIDGE.values()}

    def lines(self) -> list[Series]:
        """An earlier name of :meth:`series`."""
        return self.series()

    def series(self) -> list[Series]:
        """Results along n and along N, scenario by scenario."""
        measured = self.counts, self.summary(), self.doubts
        return series_of(self.title, self.axes, self.scenarios, self.points, *measured, self.chosen_ridges)

    @property
    def progress_in_words(self) -> str:
        """How far the study is."""
        done, wanted = int(self.counts.sum()), self.trials * self.counts.size
        points = f"{self.spec.places:,} point{'s' * (self.spec.places > 1)}"
        if done >= wanted and self.is_complete:
            return f"{points}, {self.trials:,} trials each; complete"
        return f"not finished: {done:,} of {wanted:,} trials of {points}"

    @property
    def is_at_a_glance(self) -> bool:
        """Whether there are results, and so few that summing them up takes no time: moments, not trials."""
        return self.spec.places <= MOST_PLACES and bool(self.counts.any())

    def __repr__(self) -> str:
        path = "" if self.path is None else shortened(os.path.basename(os.fsdecode(self.path)))
        summary = self.summary() if self.is_at_a_glance else {}
        told = {"n": spread(self.n), "N": spread(self.N), "axes": ", ".join(self.axes), "in": path}
        shown = {name: in_brief(summary[name]) for name in METRICS if name in summary}
        head = f"{type(self).__name__} '{shortened(self.title)}', {self.progress_in_words}"
        return facts(head, told | shown)
