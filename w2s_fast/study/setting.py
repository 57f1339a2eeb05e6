"""One value of every further axis of a study: what is run at each (n, N), and what theory says of it."""

from __future__ import annotations

import hashlib
import itertools
import json
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from w2s_fast import _check
from w2s_fast._devices import CPU
from w2s_fast.gaussian.model import GaussianModel
from w2s_fast.gaussian.simulate import Device, Method, Span, require_device, require_method, run_spans
from w2s_fast.gaussian.theory import expected_risks, paper_bounds, w2s_variance
from w2s_fast.linalg.rows.cutting import gathered
from w2s_fast.probing.data import Rows, Task, let_go
from w2s_fast.probing.design import Design, Points
from w2s_fast.probing.outcomes import Outcome
from w2s_fast.probing.probe import run_trials
from w2s_fast.results.metrics import (
    ACCURACIES,
    DIFFERENCES,
    FITS,
    METRICS,
    columns_of,
    metric_of,
    quotients_of_means,
    values_of,
)
from w2s_fast.results.risks import Risks
from w2s_fast.results.trials import ILL_CONDITIONED

Matrix = npt.NDArray[np.float64]
Source = GaussianModel | Task | Callable[..., GaussianModel]
Theory = dict[str, Matrix]
# Values of some trials at some points, that belong together: (point, first trial, (trials, columns)).
Chunk = list[tuple[int, int, Matrix]]

# Parts of the student's variance, on the pseudo-labelled rows and on new ones.
PARTS = ("inherited", "reduced", "inherited_new", "reduced_new")
AXES = ("d_shared", "noise_variance", "ridge")
USUAL: Method = "wishart"  # of a Gaussian model's trials


@dataclass(frozen=True, eq=False)
class Setting:
    """What is run at each point.

    Attributes
    ----------
    source : GaussianModel, Task or None
        None for real features of a study read from its file, which does not hold them.
    about : dict
        Kind, dimensions, axis values and the SHA-256 of the data, fit for JSON.
    """

    source: GaussianModel | Task | None
    about: dict[str, Any]

    @classmethod
    def of_model(cls, model: GaussianModel, ridge: float, method: Method) -> Setting:
        names = ("d_weak", "d_strong", "d_shared", "rho_weak", "rho_strong", "noise_variance")
        arrays = (model.target, model.weak, model.strong, np.array(model.noise_variance))
        about = {"kind": "gaussian", **{name: getattr(model, name) for name in names}}
        how = {"ridge": ridge} | ({"method": method} if method != USUAL else {})
        return cls(model, about | how | {"sha256": fingerprint(arrays)})

    @classmethod
    def of_task(cls, task: Task) -> Setting:
        rows, test = task.rows, task.test
        if not rows.is_single:
            raise ValueError("a study takes one teacher, one student and one label a row: run several, or use probe")
        arrays = [rows.weak, rows.strong, rows.y]
        if isinstance(test, Rows):
            arrays += [test.weak, test.strong, test.y]
            test = len(test)
        else:
            arrays.append(np.array(test))  # a share or a number: its type tells which
        options = {"intercept": task.intercept, "nested": task.nested, "label_noise": task.label_noise}
        if options != {"intercept": False, "nested": True, "label_noise": 0.0}:
            arrays.append(np.array(list(options.values()), np.float64))
        d_weak, d_strong = rows.widths
        about = {"kind": "features", "rows": len(rows), "d_weak": d_weak, "d_strong": d_strong, "test": test, **options}
        return cls(task, about | {"ridge": task.ridge, "sha256": fingerprint(arrays)})

    @property
    def is_synthetic(self) -> bool:
        return bool(self.about["kind"] == "gaussian")

    @property
    def has_theory(self) -> bool:
        """Whether risks have a closed form: neither those of real features nor of ridge do."""
        return isinstance(self.source, GaussianModel) and self.about["ridge"] == 0

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the values that a trial has; real features tell them only where they are at hand."""
        columns = (*METRICS, *DIFFERENCES)
        if self.is_synthetic:
            return (*columns, *PARTS)
        signs = isinstance(self.source, Task) and self.source.has_signs
        return (*columns, *ILL_CONDITIONED.values(), *(ACCURACIES if signs else ()))

    def label(self, axes: Sequence[str]) -> str:
        """Name the setting by its values on the given axes."""
        return ", ".join(f"{axis} = {self.about[axis]:g}" for axis in axes if axis in self.about)

    def require(self, points: Points, seed: int) -> None:
        """Refuse points that cannot be run: before anything is written."""
        if isinstance(self.source, GaussianModel):
            spans = [Span(*point, 0, 1) for point in points]
            require_method(self.source, spans, self._method, self.about["ridge"])
        if isinstance(self.source, Task):
            self._design(self.source, points, seed)

    def require_device(self, device: Device) -> None:
        """Refuse a device that cannot run the setting: before anything is written."""
        if isinstance(self.source, Task) and device != CPU:
            raise ValueError(f"studies of real features run on the CPU, got device={device!r}")
        require_device(self._method, device)

    @property
    def _method(self) -> Method:
        method: Method = self.about.get("method", USUAL)
        return method

    def _design(self, task: Task, points: Points, seed: int) -> Design:
        n, N = np.transpose(points)
        return Design.of(task, n, N, seed)

    def run(
        self,
        points: Points,
        done: Sequence[int],
        trials: int,
        *,
        seed: int,
        device: Device = "cpu",
        workers: int | None,
    ) -> Iterator[Chunk]:
        """Run trials ``done[point]`` to ``trials - 1`` of every point."""
        if isinstance(self.source, GaussianModel):
            missing = [point for point in range(len(points)) if done[point] < trials]
            spans = [Span(*points[point], done[point], trials) for point in missing]
            how: dict[str, Any] = {"method": self._method, "ridge": self.about["ridge"], "device": device}
            for index, first, values in run_spans(self.source, spans, seed=seed, workers=workers, **how):
                columns = columns_of(dict(zip(FITS, values[:, :4].T, strict=True))).values()
                yield [(missing[index], first, np.column_stack((*columns, values[:, 4:])))]
        elif self.source is not None:
            # Points of real features share each trial's rows, and so come and go together.
            design = self._design(self.source, points, seed)
            for trial, outcomes in run_trials(design, range(min(done), trials), workers=workers):
                (outcome,) = outcomes.values()
                values = _values_of(outcome, self.source.has_signs)
                yield [(point, trial, values[point : point + 1]) for point in range(len(points))]
        else:
            raise ValueError("a study file does not hold real features: give them again, as Study(task, ..., path=...)")

    def theory(self, n: Any, N: Any) -> tuple[Theory, Theory]:
        """Exact expectations and the paper's bounds by metric; empty where there are none: real features, ridge."""
        if not (self.has_theory and isinstance(self.source, GaussianModel)):
            return {}, {}
        exact, bounds = expected_risks(self.source, n, N), paper_bounds(self.source, n, N)
        parts = (*w2s_variance(self.source, n, N), *w2s_variance(self.source, n, N, population=True))
        # The paper bounds what its risks have, and a ratio of bounds is no bound of any other ratio.
        bounded = {name: value for name, value in _by_metric(bounds).items() if hasattr(bounds, metric_of(name))}
        return _by_metric(exact) | dict(zip(PARTS, parts, strict=True)), bounded


def _by_metric(risks: Risks) -> Theory:
    """Metrics of expected risks: their ratios are what ratios of means come to."""
    by_fit = risks._asdict()
    return values_of(by_fit) | {name: quotient(by_fit) for name, quotient in quotients_of_means().items()}


def _values_of(outcome: Outcome, signs: bool) -> Matrix:
    """Columns of one trial of real features at each point."""
    columns = columns_of(dict(zip(FITS, outcome.errors[:, :, 0].T, strict=True))).values()
    return np.column_stack((*columns, outcome.ill_conditioned, *([outcome.hits[:, :, 0]] if signs else [])))


def fingerprint(arrays: Sequence[npt.NDArray[Any]]) -> str:
    """SHA-256 of arrays with their shapes and types."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(json.dumps([array.dtype.str, array.shape]).encode())
        for block in gathered(len(array), math.prod(array.shape[1:])) if array.ndim else [()]:
            digest.update(np.ascontiguousarray(array[block]).data)
            let_go(array)
    return digest.hexdigest()


def settings_of(source: Source, method: Method = USUAL, **axes: Any) -> list[Setting]:
    """Cross the given axes; those that are None stay as the source has them."""
    given = {name: _values(values, name) for name, values in axes.items() if values is not None}
    combinations = [dict(zip(given, values, strict=True)) for values in itertools.product(*given.values())]
    return [_setting(source, method, **combination) for combination in combinations]


def _values(values: Any, axis: str) -> list[Any]:
    if np.asarray(values).dtype == np.bool_:
        raise TypeError(f"{axis} must be numbers, got {values!r}")
    flat = np.atleast_1d(_check.floats(values, axis)).ravel()
    if flat.size == 0 or len(set(flat.tolist())) < flat.size:
        raise ValueError(f"{axis} must be one or several distinct numbers, got {values!r}")
    if axis == "d_shared":
        if np.any(flat != np.floor(flat)):
            raise TypeError(f"d_shared must be whole numbers, got {values!r}")
        return [int(value) for value in flat]
    return [_check.real(value, axis) for value in flat]


def _setting(source: Source, method: Method, ridge: float | None = None, **axes: Any) -> Setting:
    if isinstance(source, Task):
        if method != USUAL:
            raise ValueError(f"method={method!r} is one of Gaussian models: real features have no such choice")
        if axes:
            raise ValueError(f"{' and '.join(axes)}: real features have no such axis, only ridge")
        return Setting.of_task(source if ridge is None else replace(source, ridge=ridge))
    if isinstance(source, GaussianModel):
        if "d_shared" in axes:
            raise ValueError(
                "d_shared needs a source that makes models of it, such as GaussianModel.paper, got a model"
            )
        model = replace(source, **axes)
    elif callable(source):
        model = source(**axes)
        _check.instance(model, GaussianModel, "what source returns")
    else:
        raise TypeError(
            f"source must be a GaussianModel, a Task or a function that makes models, got {type(source).__name__}"
        )
    return Setting.of_model(model, 0.0 if ridge is None else ridge, method)
