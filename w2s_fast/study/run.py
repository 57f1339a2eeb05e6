"""A study: a model or real features, a grid of n and N, further axes, and trials."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Literal, Self
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt

from w2s_fast import _check
from w2s_fast._devices import CPU, TRIALS
from w2s_fast._text import printable
from w2s_fast._threads import default_workers
from w2s_fast.gaussian.simulate import Device
from w2s_fast.results.metrics import ACCURACIES, FITS
from w2s_fast.results.trials import (
    ILL_CONDITIONED,
    Accuracy,
    Doubts,
    Estimate,
    IllConditioned,
    Trials,
    doubts_of,
    summary_of,
)
from w2s_fast.study import store
from w2s_fast.study.database import require_no_logs
from w2s_fast.study.lines import Line, lines_of
from w2s_fast.study.progress import progress_bar
from w2s_fast.study.record import Record
from w2s_fast.study.report import Row, data_frame, versions, write_csv, write_json
from w2s_fast.study.scenarios import scenarios_of, varied_axes
from w2s_fast.study.source import AXES, Chunk, Source
from w2s_fast.study.spec import Spec

PathLike = str | os.PathLike[str]
_beginning = threading.Lock()
_last_begun: WeakKeyDictionary[Study, threading.Lock] = WeakKeyDictionary()  # held until the run or merge ends


class Study:
    """A grid of points (n, N) at each value of further axes, each run for a number of trials.

    Parameters
    ----------
    source : GaussianModel, Task or callable
        What to study: the Gaussian model, real features with labels, or a function that makes models of ``d_shared``
        and ``noise_variance``, such as ``GaussianModel.paper``.
    n, N : int or array_like of int
        Labelled and pseudo-labelled rows; they broadcast to the points of the grid, each of which is run once.
    d_shared, noise_variance, ridge : float or array_like of float, optional
        Further axes, crossed with one another and the grid. Real features have only ``ridge``; ``d_shared`` needs a
        function for a source.
    method : {"wishart", "philox", "direct"}
        How trials of Gaussian models are drawn, as :func:`w2s_fast.simulate` does; GPUs run ``"philox"``.
    trials : int
        At each point.
    seed : int
        The same seed gives the same results at any number of workers, however often a run was cut.
    title : str
        Names the study in tables, figures and progress bars.
    path : str or path-like, optional
        An SQLite file to stream results to, made if missing. Where it holds this study, :meth:`run` goes on where it
        stopped; where it holds anything else, that is an error. Without a path results live in memory.
    keep_trials : bool
        Store every trial, not only moments; in memory they are always kept.

    Attributes
    ----------
    n, N : ndarray of int64
        Sizes at each point of the grid.
    seeds : dict of int to int
        Trials wanted of each seed; more than one after :meth:`merge`.
    runs : list of dict
        Start, seconds, trials and versions of each run that led to the results.

    Examples
    --------
    >>> from w2s_fast import GaussianModel, Study
    >>> model = GaussianModel.paper(d_weak=20, d_strong=10, d_shared=2, d_target=30)
    >>> study = Study(model, n=100, N=[100, 1000], trials=20).run(progress=False)
    >>> [row["N"] for row in study.table() if row["metric"] == "pgr"]
    [100, 1000]
    """

    def __init__(
        self,
        source: Any,
        *,
        n: Any,
        N: Any,
        d_shared: Any = None,
        noise_variance: Any = None,
        ridge: Any = None,
        method: Literal["wishart", "philox", "direct"] = "wishart",
        trials: int = 40,
        seed: int = 0,
        title: str = "study",
        path: PathLike | None = None,
        keep_trials: bool = False,
    ) -> None:
        _check.choice(method, "method", "wishart", "philox", "direct")
        scenarios = scenarios_of(source, method, d_shared=d_shared, noise_variance=noise_variance, ridge=ridge)
        grid = _check.broadcast(n=np.atleast_1d(_check.sizes(n, "n")), N=_check.sizes(N, "N"))
        points = dict.fromkeys(zip(*(sizes.ravel().tolist() for sizes in grid), strict=True))  # each once
        self.path = path
        self.seed = _check.integer(seed, "seed")
        self.seeds = {self.seed: _check.integer(trials, "trials", minimum=1)}
        spec = Spec(
            title=str(title),
            n=[n for n, _ in points],
            N=[N for _, N in points],
            scenarios=[scenario.description for scenario in scenarios],
            columns=list(scenarios[0].columns),
            keep_trials=path is None or bool(keep_trials),
        )
        self._set_up(spec, scenarios)
        for scenario in scenarios:
            scenario.require(self.points, self.seed)

    def _set_up(self, spec: Spec, scenarios: list[Source]) -> None:
        self.title, self.scenarios, self._spec = printable(spec.title), scenarios, spec
        self.n, self.N = np.array(spec.n), np.array(spec.N)
        self.runs: list[dict[str, Any]] = []
        self._record = self._nothing()

    def _nothing(self) -> Record:
        return Record(self._spec.places, self._spec.columns, self._spec.keep_trials)

    @classmethod
    def open(cls, path: PathLike) -> Study:
        """Read a study from its file, with what it has measured so far.

        Gaussian models come with it, and :meth:`run` goes on; to go on with real features, give them to ``Study``
        again with the same path.
        """
        study = cls.__new__(cls)
        study.path = path
        with store.opened(path) as file:
            study._set_up(file.spec, file.scenarios())
            study.seeds = file.seeds()
            study.seed = min(study.seeds)
            study._read(file)
        return study

    def _read(self, file: store.Store) -> None:
        self.runs, self._record = file.runs(), file.record()

    @property
    def settings(self) -> list[Source]:
        """An earlier name of ``scenarios``."""
        return self.scenarios

    @property
    def points(self) -> list[tuple[int, int]]:
        return list(zip(self._spec.n, self._spec.N, strict=True))

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
        return self._record.counts()

    @property
    def is_complete(self) -> bool:
        return bool(np.all(self.counts >= self.trials))

    @property
    def seconds(self) -> float:
        """How long the runs took together."""
        return sum(run["seconds"] for run in self.runs)

    def run(
        self,
        progress: bool | Callable[[int, int], None] = True,
        *,
        device: Device = "cpu",
        workers: int | None = None,
    ) -> Self:
        """Run every trial that is missing and return ``self``.

        Parameters
        ----------
        progress : bool or callable
            Show a bar on standard error (where rich is installed), or call with (done, total).
        device : {"cpu", "cuda"}
            ``"cuda"`` runs Gaussian models with ``method="philox"`` on the current GPU. What one device began another
            may go on with: their trials agree to rounding.
        workers : int, optional
            Threads; by default one a core. Results do not depend on it.

        Raises
        ------
        StudyFileError
            The file is damaged, no study, of a newer version, or in use by another run.
        ValueError
            The file holds another study, or this one with other seeds; the device does not run this study.
        RuntimeError
            What ``device="cuda"`` misses on this machine; this study is being run already.
        """
        if not isinstance(progress, bool):
            _check.callback(progress, "progress")
        _check.choice(device, "device", CPU, *TRIALS)
        workers = _check.workers(workers)
        for scenario in self.scenarios:
            scenario.require_device(device)
        alone = threading.Lock()
        with alone, self._file_alone(alone) as file, progress_bar(self.title, progress is True) as bar:
            self._run(file, progress if callable(progress) else bar or _silent, device, workers)
        return self

    def _file_alone(self, alone: threading.Lock) -> AbstractContextManager[store.Store | None]:
        """Give this study's file to a run or merge that holds ``alone``; an error while another holds its own."""
        with _beginning:
            last = _last_begun.get(self)
            if last is not None and last.locked():
                raise RuntimeError(
                    f"study {self.title!r} is being run or merged already, by another thread or around the callback "
                    "progress: wait for that to end, or make a second study"
                )
            _last_begun[self] = alone
        return self._file()

    @contextmanager
    def _file(self) -> Iterator[store.Store | None]:
        """Yield this study's file, held alone, with what it says read in; None in memory."""
        if self.path is None:
            yield None
            return
        if not os.path.exists(self.path):
            store.create(self.path, self._spec, self.scenarios, self.seeds, self._nothing(), ())
        with store.opened(self.path, write=True) as file:
            self._require_same(file.spec, f"{os.fsdecode(self.path)} holds another study")
            file.scenarios()  # refuses models that are damaged, though it has its own
            there = file.seeds()
            if not self.seeds.keys() <= there.keys():
                raise ValueError(
                    f"{os.fsdecode(self.path)} holds seed {', '.join(map(str, there))}, asked for {self.seed}: "
                    "run another seed in a file of its own, then merge the two"
                )
            self.seeds = there | {seed: max(trials, there.get(seed, 0)) for seed, trials in self.seeds.items()}
            self._read(file)
            yield file

    def _require_same(self, other: Spec, what: str) -> None:
        differences = self._spec.differences(other)
        if differences:
            raise ValueError(f"{what}: not the same {', '.join(differences)}; nothing was changed")

    def _run(
        self, file: store.Store | None, report: Callable[[int, int], None], device: Device, workers: int | None
    ) -> None:
        before, total = int(self.counts.sum()), self.trials * self._record.places
        done, started = before, time.perf_counter()
        run: dict[str, Any] = {"started": datetime.now(UTC).isoformat(timespec="seconds"), "versions": versions()}
        run |= {"device": device, "workers": workers or default_workers()}
        report(done, total)
        if file is not None and file.seeds() != self.seeds:
            file.save_seeds(self.seeds)
        chunks = self._missing(device, workers)
        try:
            for seed, chunk in chunks:
                first = done == before
                done += sum(len(values) for _, _, values in chunk)
                run |= {"seconds": time.perf_counter() - started, "trials": done - before}
                self._record.add(seed, chunk)
                if first:
                    self.runs.append(run)
                if file is not None:
                    file.save_chunk(seed, chunk, self._record, self.runs)
                report(done, total)
        finally:
            chunks.close()  # by C code, which no interrupt keeps from it

    def _missing(self, device: Device, workers: int | None) -> Generator[tuple[int, Chunk], None, None]:
        """Run what is missing; yield each seed's chunks, with places for points."""
        points = self.points
        for index, scenario in enumerate(self.scenarios):
            first_place = index * len(points)
            kept = [scenario.columns.index(name) for name in self._record.columns]  # a file may be older than a metric
            for seed, trials in self.seeds.items():
                done = self._record.done(seed)[first_place : first_place + len(points)]
                if min(done) < trials:
                    for chunk in scenario.run(points, done, trials, seed=seed, device=device, workers=workers):
                        yield seed, [(first_place + point, first, values[:, kept]) for point, first, values in chunk]

    def merge(self, other: Study) -> Self:
        """Add the trials of the same study run with other seeds, and return ``self``.

        Parameters
        ----------
        other : Study
            Of the same source, grid and axes. It stays as it is.

        Raises
        ------
        ValueError
            It is another study, or both hold trials of a seed.
        """
        _check.instance(other, Study, "other")
        leaves_out = other._spec.keep_trials and not self._spec.keep_trials
        spec = replace(other._spec, keep_trials=False) if leaves_out else other._spec
        self._require_same(spec, "other is another study")
        alone = threading.Lock()
        with alone, self._file_alone(alone) as file:
            shared = sorted(self.seeds.keys() & other.seeds.keys())
            if shared:
                raise ValueError(
                    f"both studies hold seed {', '.join(map(str, shared))}, whose trials would count twice: "
                    "run one of them with another seed"
                )
            self.seeds |= other.seeds
            self.runs += other.runs
            self._record.adopt(other._record)
            if file is not None:
                file.save_merged(other.seeds, other._record, self.runs)
        return self

    def summary(self) -> Mapping[str, Estimate]:
        """Mean and standard error of each metric, arrays over scenarios, then points.

        As ``Trials.summary``; NaN where nothing was run, and ratios where :attr:`doubts` has them.
        """
        return summary_of(self._estimates())

    @property
    def doubts(self) -> Doubts:
        """Where ratios mean nothing, no gap to recover or an ill-conditioned fit: over scenarios, then points."""
        return doubts_of(self._estimates())

    def _estimates(self) -> Mapping[str, Estimate]:
        if not self.counts.any():
            raise RuntimeError("this study has no results yet: call run() first")
        return self._record.summary()

    @property
    def result(self) -> Trials:
        """Every trial, of shape (points, trials), or (scenarios, points, trials) where there are several scenarios."""
        shape = (len(self.scenarios),) * (len(self.scenarios) > 1) + (len(self.n), -1)
        columns = np.moveaxis(self._record.trials(), -1, 0)
        values = {name: column.reshape(shape) for name, column in zip(self._record.columns, columns, strict=True)}
        n, N = (np.broadcast_to(sizes, shape[:-1]).copy() for sizes in (self.n, self.N))
        flags = [values[name] > 0 for name in ILL_CONDITIONED.values() if name in values]
        hits = [values[name] for name in ACCURACIES if name in values]
        return Trials(
            n,
            N,
            **{name: values[name] for name in FITS},
            seed=self.seed,
            ill_conditioned=IllConditioned(*flags) if flags else None,
            accuracy=Accuracy(*hits) if hits else None,
        )

    def lines(self) -> list[Line]:
        """Results along n and along N, scenario by scenario."""
        measured = self.counts, self.summary(), self.doubts
        return lines_of(self.title, self.axes, self.scenarios, self.points, *measured)

    def table(self) -> list[Row]:
        """Tidy rows: one a scenario, point and metric, with mean, standard error, exact expectation, paper's bound.

        ``in_doubt`` says why a metric means nothing, or is empty.
        """
        summary, doubts, counts = self.summary(), self.doubts, self.counts.tolist()
        doubtful = {metric: doubts.of(metric) for metric in summary}
        rows = []
        for index, scenario in enumerate(self.scenarios):
            exact, bounds = scenario.theory(self.n, self.N)
            axes = {axis: scenario.description.axes.get(axis) for axis in AXES}
            for point, (n, N) in enumerate(self.points):
                place = index * len(self.points) + point
                for metric, (mean, stderr) in summary.items():
                    row = {"study": self.title, **axes, "n": n, "N": N, "metric": metric, "trials": counts[place]}
                    row |= {"mean": float(mean[place]), "stderr": float(stderr[place])}
                    for name, theory in (("expected", exact), ("paper_bound", bounds)):
                        row[name] = float(theory[metric][point]) if metric in theory else None
                    row["in_doubt"] = doubts.in_words(place) if doubtful[metric][place] else ""
                    rows.append(row)
        return rows

    def describe(self) -> dict[str, Any]:
        """Everything needed to run the study again and to trust it, fit for JSON: spec, seeds, runs, table."""
        return {
            "title": self.title,
            "settings": [scenario.description.as_dict() for scenario in self.scenarios],
            "n": self.n.tolist(),
            "N": self.N.tolist(),
            "seeds": {str(seed): trials for seed, trials in self.seeds.items()},
            "complete": self.is_complete,
            "runs": self.runs,
            "table": self.table(),
        }

    def _beside(self, path: PathLike) -> PathLike:
        """Refuse to write over the study itself."""
        if self.path is not None and os.path.exists(path) and os.path.samefile(path, self.path):
            raise ValueError(f"{os.fsdecode(path)} is the study file: name another")
        return path

    def to_frame(self) -> Any:
        """:meth:`table` as a pandas DataFrame; pandas must be installed."""
        return data_frame(self.table())

    def to_csv(self, path: PathLike) -> Self:
        """Write :meth:`table` and return ``self``; the file appears whole or not at all."""
        write_csv(self.table(), self._beside(path))
        return self

    def to_json(self, path: PathLike) -> Self:
        """Write :meth:`describe` and return ``self``."""
        write_json(self.describe(), self._beside(path))
        return self

    def to_html(self, path: PathLike) -> Self:
        """Write one self-contained page: figures, tables, spec, versions, seeds (needs the extra ``plot``)."""
        from w2s_fast.study.html import write_html

        write_html([self], self._beside(path))
        return self

    def plot(self, path: PathLike) -> Self:
        """Draw risks, PGR and OPR along the grid (needs the extra ``plot``) and return ``self``.

        The suffix of ``path`` names the format: .png, .svg, .pdf.
        """
        from w2s_fast.study.plot import draw

        draw(self.lines(), self._beside(path))
        return self

    def plot_comparison(self, path: PathLike) -> Self:
        """Draw PGR and OPR of all scenarios in one panel for each axis, and return ``self``."""
        from w2s_fast.study.plot import draw_comparison

        draw_comparison(self.lines(), self._beside(path))
        return self


def merge_files(paths: Sequence[PathLike], out: PathLike) -> Study:
    """Join study files of disjoint seeds in a new file, which appears whole and in no other's place."""
    require_no_logs(out)
    study, *others = map(Study.open, paths)
    study.path = None  # merged in memory
    for other in others:
        study.merge(other)
    store.create(out, study._spec, study.scenarios, study.seeds, study._record, study.runs)
    return Study.open(out)


def _silent(done: int, total: int) -> None:
    """Report nothing."""
