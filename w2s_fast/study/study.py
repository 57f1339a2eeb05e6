"""A study: a model or real features, a grid of n and N, further axes, and trials."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Literal, Self, cast

import numpy as np

from w2s_fast import _check
from w2s_fast._devices import CPU, TRIALS
from w2s_fast._frames import Library, data_frame
from w2s_fast._workers import Workers
from w2s_fast.gaussian.runners import Device
from w2s_fast.gaussian.simulate import Method
from w2s_fast.results.risks import Ceiling
from w2s_fast.study import runner, store
from w2s_fast.study.arrays import data_set_of
from w2s_fast.study.base import BaseStudy, PathLike
from w2s_fast.study.database import StudyFileError, require_no_logs
from w2s_fast.study.gaussian_source import GONE
from w2s_fast.study.scenarios import scenarios_of
from w2s_fast.study.series import with_overlap
from w2s_fast.study.spec import Spec
from w2s_fast.study.tables import Row, described, study_rows, write_csv, write_json


class Study(BaseStudy):
    """A grid of points (n, N) at each value of further axes, each run for a number of trials.

    Parameters
    ----------
    source : GaussianModel, Task or callable
        What to study: the Gaussian model, real features with labels, or a function that makes models of ``d_shared``
        and ``noise_variance``, such as ``GaussianModel.paper``. Of a Task of several teachers and students each pair is
        a scenario, on the axes ``teacher`` and ``student``, over the same rows trial by trial.
    n, N : int or array_like of int
        Labelled and pseudo-labelled rows; they broadcast to the points of the grid, each of which is run once.
    d_shared, noise_variance, ridge, label_noise, flips : float or array_like of float, optional
        Further axes, crossed with one another and the grid. Gaussian models have the first three, of which ``d_shared``
        needs a function for a source, real features the last three: every fit's ridge, and the noise of labels.
    ceiling : {"all", "pseudo"}, optional
        Whether the ceiling is fitted to all n + N rows or to the N alone; by default as a Task has it, else ``"all"``.
    method : {"auto", "invariants", "wishart", "direct"}
        How trials of Gaussian models are drawn, as :func:`w2s_fast.simulate` does; GPUs run ``"invariants"``. A file
        that is there goes on as it began where this is ``"auto"``.
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
        label_noise: Any = None,
        flips: Any = None,
        ceiling: Ceiling | None = None,
        method: Method = "auto",
        trials: int = 40,
        seed: int = 0,
        title: str = "study",
        path: PathLike | None = None,
        keep_trials: bool = False,
    ) -> None:
        _check.choice(method, "method", "auto", "invariants", "wishart", "direct")
        if method == "auto" and path is not None and os.path.exists(path):
            method = _method_in(path)
        axes = {"d_shared": d_shared, "noise_variance": noise_variance, "ridge": ridge}
        axes |= {"label_noise": label_noise, "flips": flips}
        scenarios = scenarios_of(source, method, ceiling, **axes)
        grid = _check.broadcast(n=np.atleast_1d(_check.sizes(n, "n")), N=_check.sizes(N, "N"))
        points = dict.fromkeys(zip(*(sizes.ravel().tolist() for sizes in grid), strict=True))  # each once
        seeds = {_check.integer(seed, "seed"): _check.integer(trials, "trials", minimum=1)}
        spec = Spec(
            title=str(title),
            n=[n for n, _ in points],
            N=[N for _, N in points],
            scenarios=[scenario.description for scenario in scenarios],
            columns=list(scenarios[0].columns),
            keep_trials=path is None or bool(keep_trials),
        )
        super().__init__(spec, scenarios, seeds, path)
        for scenario in scenarios:
            scenario.require(self.points, self.seed)

    @classmethod
    def open(cls, path: PathLike) -> Study:
        """Read a study from its file, with what it has measured so far.

        Gaussian models come with it, and :meth:`run` goes on; to go on with real features, give them to ``Study``
        again with the same path.
        """
        study = cls.__new__(cls)  # the file says what the arguments of the constructor would
        with store.opened(path) as file:
            BaseStudy.__init__(study, file.spec, file.scenarios(), file.seeds(), path)
            study.take_in(file)
        return study

    def run(
        self,
        progress: bool | Callable[[int, int], None] = True,
        *,
        device: Device = "cpu",
        workers: Workers = None,
    ) -> Self:
        """Run every trial that is missing and return ``self``.

        Parameters
        ----------
        progress : bool or callable
            Show a bar on standard error (where rich is installed), or call with (done, total).
        device : {"cpu", "cuda"}
            ``"cuda"`` runs Gaussian models with ``method="auto"`` or ``"invariants"`` on the current GPU. What one
            device began another may go on with: their trials agree to rounding.
        workers : int or pool, optional
            Threads; by default one a core. Or a client of Dask or a pool of processes, as in
            :func:`w2s_fast.simulate`. Results do not depend on it.

        Raises
        ------
        StudyFileError
            The file is damaged, no study, of a newer version, or in use by another run.
        ValueError
            The file holds another study, or this one with other seeds; the device does not run this study.
        RuntimeError
            What ``device="cuda"`` misses on this machine; this study is being run already; trials of which the workers
            of a cluster died, when all other points are done; workers of different versions or BLAS kernels.
        ConnectionError
            The scheduler of a cluster is gone.
        """
        if not isinstance(progress, bool):
            _check.callback(progress, "progress")
        _check.choice(device, "device", CPU, *TRIALS)
        workers = _check.workers(workers)
        runner.run(self, progress, device, workers)
        return self

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
        runner.merge(self, other)
        return self

    def table(self, medians: bool = False) -> list[Row]:
        """Tidy rows: one a scenario, point and metric, with mean, standard error, expectation, paper's bound.

        ``expected_order`` is 0 where the expectation is exact, else the order of its relative error. ``in_doubt`` says
        why a metric means nothing, or is empty. With ``medians`` there are also those, named ``..._median``: see
        :meth:`summary`.
        """
        return study_rows(self, medians)

    def describe(self) -> dict[str, Any]:
        """Everything needed to run the study again and to trust it, fit for JSON: spec, seeds, runs, table."""
        return described(self)

    def _beside(self, path: PathLike) -> PathLike:
        """Refuse to write over the study itself."""
        if self.path is not None and os.path.exists(path) and os.path.samefile(path, self.path):
            raise ValueError(f"{os.fsdecode(path)} is the study file: name another")
        return path

    def to_frame(self, library: Library = "pandas", medians: bool = False) -> Any:
        """:meth:`table` as a DataFrame of pandas or of polars, which must be installed."""
        rows = self.table(medians)
        return data_frame({name: [row[name] for row in rows] for name in rows[0]}, library)

    def to_xarray(self) -> Any:
        """Means, errors and theory as an xarray.Dataset, with an axis for n, for N and for each further one.

        Returns
        -------
        xarray.Dataset
            For each metric of :meth:`summary` its mean, and ``..._stderr`` beside it; ``..._expected``,
            ``..._expected_order`` and ``..._paper_bound`` where :meth:`table` has them; ``trials``, how many there
            are. Axes are those on which scenarios differ, then ``n`` and ``N``, rising; where not every n has every
            N there is one axis ``point`` with coordinates ``n`` and ``N``. Of a finished study that keeps its trials
            also every value, ``..._by_trial``, along ``trial``, of which ``seed`` is a coordinate.

        Raises
        ------
        ImportError
            xarray is not installed.
        RuntimeError
            Nothing was run yet.
        """
        return data_set_of(self)

    def to_csv(self, path: PathLike, medians: bool = False) -> Self:
        """Write :meth:`table` and return ``self``; the file appears whole or not at all."""
        write_csv(self.table(medians), self._beside(path))
        return self

    def to_json(self, path: PathLike) -> Self:
        """Write :meth:`describe` and return ``self``."""
        write_json(self.describe(), self._beside(path))
        return self

    def to_html(self, path: PathLike) -> Self:
        """Write one self-contained page: figures, tables, spec, versions, seeds (needs the extra ``plot``)."""
        from w2s_fast.study.page import write_html

        write_html([self], self._beside(path))
        return self

    def plot(self, path: PathLike) -> Self:
        """Draw risks, PGR and OPR along the grid (needs the extra ``plot``) and return ``self``.

        The suffix of ``path`` names the format: .png, .svg, .pdf.
        """
        from w2s_fast.study.figures import draw

        draw(self.series(), self._beside(path))
        return self

    def _repr_html_(self) -> str:
        from w2s_fast.study.notebook import shown_in_notebook

        return shown_in_notebook(self)

    def plot_comparison(
        self, path: PathLike, *, bars: Literal["error", "deviation"] = "error", overlap: bool = False
    ) -> Self:
        """Draw PGR and OPR of all scenarios in one panel for each axis, a line each, and return ``self``.

        Parameters
        ----------
        path : str or path-like
            Its suffix names the format: .png, .svg, .pdf.
        bars : {"error", "deviation"}
            Standard errors of the means, or standard deviations of trials, as the paper's figures have them.
        overlap : bool
            Name each line by d_sw / d_w too, the share of the teacher's dimensions that the student shares: for real
            features in sample space at 99 % of their energy, which reads them once.
        """
        from w2s_fast.study.figures import draw_comparison

        _check.choice(bars, "bars", "error", "deviation")
        many = with_overlap(self.series()) if _check.boolean(overlap, "overlap") else self.series()
        note = ""
        if bars == "deviation":
            many, note = [series.with_deviations() for series in many], "bars: standard deviation of trials"
        draw_comparison(many, self._beside(path), note)
        return self


def merge_files(paths: Sequence[PathLike], out: PathLike) -> Study:
    """Join study files of disjoint seeds in a new file, which appears whole and in no other's place."""
    require_no_logs(out)
    study, *others = map(Study.open, paths)
    study.path = None  # merged in memory
    for other in others:
        study.merge(other)
    store.create(out, study.spec, study.scenarios, study.seeds, study.measured, study.runs)
    return Study.open(out)


def _method_in(path: PathLike) -> Method:
    """The method of the study in a file; ``run`` says what is wrong with the file, or with another study in it."""
    with suppress(OSError, StudyFileError), store.opened(path) as file:
        found = getattr(file.spec.scenarios[0], "method", "auto")
        return "auto" if found == GONE else cast(Method, found)
    return "auto"
