"""A study: a model or real features, a grid of n and N, and trials."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any, Self

import numpy as np

from w2s_fast import _check
from w2s_fast.model.gaussian import GaussianModel
from w2s_fast.model.probe import Task, probe_task
from w2s_fast.model.risks import Risks
from w2s_fast.model.simulate import simulate
from w2s_fast.model.theory import expected_risks, paper_bounds
from w2s_fast.model.trials import Trials
from w2s_fast.study.progress import progress_bar


class Study:
    """A grid of points (n, N), each run for a number of trials.

    Parameters
    ----------
    source : GaussianModel or Task
        What to study: the Gaussian model, or real features with labels.
    n, N : int or array_like of int
        Labelled and pseudo-labelled rows; they broadcast to the points of the grid.
    trials : int
    seed : int
    title : str
        Names the study in tables, figures and progress bars.

    Attributes
    ----------
    result : Trials
        Of the last run.
    seconds : float
        How long it took.

    Notes
    -----
    Results are kept in memory; a study stored in a file, that resumes and merges, is not there yet.

    Examples
    --------
    >>> from w2s_fast import GaussianModel, Study
    >>> model = GaussianModel.paper(d_weak=20, d_strong=10, d_shared=2, d_target=30)
    >>> study = Study(model, n=100, N=[100, 1000], trials=20).run(progress=False)
    >>> [row["N"] for row in study.table() if row["metric"] == "pgr"]
    [100, 1000]
    """

    def __init__(
        self, source: GaussianModel | Task, *, n: Any, N: Any, trials: int = 40, seed: int = 0, title: str = "study"
    ) -> None:
        if not isinstance(source, GaussianModel | Task):
            raise TypeError(f"source must be a GaussianModel or a Task, got {type(source).__name__}")
        self.source = source
        grid = _check.broadcast(n=np.atleast_1d(_check.sizes(n, "n")), N=_check.sizes(N, "N"))
        self.n, self.N = (sizes.ravel() for sizes in grid)
        self.trials = _check.integer(trials, "trials", minimum=1)
        self.seed = _check.integer(seed, "seed")
        self.title = title
        self.seconds = 0.0
        self._result: Trials | None = None

    @property
    def result(self) -> Trials:
        if self._result is None:
            raise RuntimeError("this study has no results yet: call run() first")
        return self._result

    @property
    def is_synthetic(self) -> bool:
        return isinstance(self.source, GaussianModel)

    def run(self, progress: bool | Callable[[int, int], None] = True, *, workers: int | None = None) -> Self:
        """Run every trial at every point and return ``self``.

        Parameters
        ----------
        progress : bool or callable
            Show a bar on standard error (where rich is installed), or call with (done, total).
        workers : int, optional
            Threads; by default one a core. Results do not depend on it.
        """
        if not isinstance(progress, bool):
            _check.callback(progress, "progress")
        started = time.perf_counter()
        with progress_bar(self.title, progress is True) as bar:
            options: dict[str, Any] = {
                "n": self.n,
                "N": self.N,
                "trials": self.trials,
                "seed": self.seed,
                "workers": workers,
                "progress": progress if callable(progress) else bar,
            }
            if isinstance(self.source, GaussianModel):
                self._result = simulate(self.source, **options)
            else:
                self._result = probe_task(self.source, **options)
        self.seconds = time.perf_counter() - started
        return self

    def expected(self) -> Risks | None:
        """Exact expectations at the points; None for real features."""
        return expected_risks(self.source, self.n, self.N) if isinstance(self.source, GaussianModel) else None

    def bounds(self) -> Risks | None:
        """Bounds as the paper draws them at the points; None for real features."""
        return paper_bounds(self.source, self.n, self.N) if isinstance(self.source, GaussianModel) else None

    def table(self) -> list[dict[str, Any]]:
        """Tidy rows: one a point and metric, with mean, standard error, exact expectation and the paper's bound."""
        summary, expected, bounds = self.result.summary(), self.expected(), self.bounds()
        rows = []
        for point, (n, N) in enumerate(zip(self.n.tolist(), self.N.tolist(), strict=True)):
            for metric, (mean, stderr) in summary.items():
                row = {"study": self.title, "n": n, "N": N, "metric": metric, "trials": self.trials}
                row |= {"mean": float(mean[point]), "stderr": float(stderr[point])}
                for name, theory in (("expected", expected), ("paper_bound", bounds)):
                    row[name] = None if theory is None else float(getattr(theory, metric)[point])
                rows.append(row)
        return rows

    def to_csv(self, path: str | os.PathLike[str]) -> Self:
        """Write :meth:`table` and return ``self``; the file appears whole or not at all."""
        from w2s_fast.study.report import write_csv

        write_csv(self.table(), path)
        return self

    def plot(self, path: str | os.PathLike[str]) -> Self:
        """Draw risks, PGR and OPR along the grid (needs the extra ``plot``) and return ``self``.

        The suffix of ``path`` names the format: .png, .svg, .pdf.
        """
        from w2s_fast.study.plot import draw

        draw([self], path)
        return self
