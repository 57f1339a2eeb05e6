"""Studies of real features: trials draw rows of one data set. Study files hold its fingerprint, not the data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np

from w2s_fast._devices import CPU
from w2s_fast._workers import Workers
from w2s_fast.gaussian.runners import Device
from w2s_fast.gaussian.simulate import Method
from w2s_fast.probing.data import Rows
from w2s_fast.probing.design import Design, Points
from w2s_fast.probing.probe import run_trials
from w2s_fast.probing.task import Task
from w2s_fast.probing.trial_results import TrialResult
from w2s_fast.results.metrics import ACCURACIES, FITS, columns_of
from w2s_fast.results.trials import ILL_CONDITIONED
from w2s_fast.study import fields
from w2s_fast.study.gaussian_source import DEFAULT_METHOD
from w2s_fast.study.source import Chunk, Description, Matrix, Source, fingerprint

DEFAULT_OPTIONS = {"intercept": False, "nested": True, "label_noise": 0.0}


@dataclass(frozen=True)
class FeaturesDescription(Description):
    """Sizes and options of a study on real features.

    The options are None in files that were written before there were any.
    """

    kind: str
    rows: int
    d_weak: int
    d_strong: int
    test: int | float
    intercept: bool | None
    nested: bool | None
    label_noise: float | None
    ridge: float
    sha256: str

    told_by = ("kind", "d_weak", "d_strong", "ridge", "rows")

    @classmethod
    def read(cls, about: Mapping[str, Any]) -> Self:
        found = fields.of_names(dict.fromkeys(DEFAULT_OPTIONS) | dict(about), cls)
        for name in ("rows", "d_weak", "d_strong"):
            fields.whole(found[name], name)
        for name in ("test", "ridge"):
            fields.number(found[name], name, 0.0)
        fields.digest(found["sha256"])
        for name, usual in DEFAULT_OPTIONS.items():
            if found[name] is not None and type(found[name]) is not type(usual):
                raise ValueError(f"{name} must be of type {type(usual).__name__}, got {fields.shown(found[name])}")
        return cls(**found)

    def as_dict(self) -> dict[str, Any]:
        return {name: value for name, value in asdict(self).items() if value is not None}


@dataclass(frozen=True, eq=False, repr=False)
class FeaturesSource(Source):
    """A task, or None where a study was read from its file, which does not hold the features."""

    task: Task | None
    description: FeaturesDescription

    kind: ClassVar[str] = "features"
    own_columns: ClassVar[tuple[str, ...]] = tuple(ILL_CONDITIONED.values())
    optional_columns: ClassVar[tuple[str, ...]] = tuple(ACCURACIES)

    @classmethod
    def accepts(cls, given: Any) -> bool:
        return isinstance(given, Task)

    @classmethod
    def of(cls, given: Any, method: Method, axes: Mapping[str, Any]) -> Self:
        if method not in ("auto", DEFAULT_METHOD):
            raise ValueError(f"method={method!r} is one of Gaussian models: real features have no such choice")
        others = [name for name in axes if name != "ridge"]
        if others:
            raise ValueError(f"{' and '.join(others)}: real features have no such axis, only ridge")
        task: Task = replace(given, **axes)
        if not task.rows.is_single:
            raise ValueError("a study takes one teacher, one student and one label a row: run several, or use probe")
        return cls(task, _described(task, cls.kind))

    @classmethod
    def described(cls, about: Mapping[str, Any]) -> FeaturesDescription:
        return FeaturesDescription.read(about)

    @classmethod
    def restored(cls, description: Description, stored: Any) -> Self:
        assert isinstance(description, FeaturesDescription)
        if stored is not None:
            raise ValueError("a scenario of real features has a model")
        return cls(None, description)

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of values, with accuracies where labels are signs; without the features nobody knows that."""
        signs = self.task is not None and self.task.has_signs
        return (*super().columns, *(self.optional_columns if signs else ()))

    @property
    def is_at_hand(self) -> bool:
        return self.task is not None

    def require(self, points: Points, seed: int) -> None:
        if self.task is not None:
            _design(self.task, points, seed)

    def require_device(self, device: Device) -> None:
        if device != CPU:
            raise ValueError(f"studies of real features run on the CPU, got device={device!r}")

    def run(
        self, points: Points, done: Sequence[int], trials: int, *, seed: int, device: Device, workers: Workers
    ) -> Iterator[Chunk]:
        """Run trials of all points together: they share each trial's rows, and so come and go together."""
        if self.task is None:
            raise ValueError("a study file does not hold real features: give them again, as Study(task, ..., path=...)")
        design = _design(self.task, points, seed)
        for trial, results in run_trials(design, range(min(done), trials), workers=workers):
            (result,) = results.values()
            values = _values_of(result, self.task.has_signs)
            yield [(point, trial, values[point : point + 1]) for point in range(len(points))]


def _described(task: Task, kind: str) -> FeaturesDescription:
    rows, test = task.rows, task.test
    arrays = [rows.weak, rows.strong, rows.y]
    if isinstance(test, Rows):
        arrays += [test.weak, test.strong, test.y]
        test = len(test)
    else:
        arrays.append(np.array(test))  # a share or a number: its type tells which
    options: dict[str, Any] = {name: getattr(task, name) for name in DEFAULT_OPTIONS}
    if options != DEFAULT_OPTIONS:
        arrays.append(np.array(list(options.values()), np.float64))
    arrays += [index for index in task.splits if index is not None]
    if task.fit != Task.fit:
        arrays.append(np.array(task.fit))
    digest = fingerprint(arrays)
    return FeaturesDescription(kind, len(rows), *rows.widths, test, **options, ridge=task.ridge, sha256=digest)


def _design(task: Task, points: Points, seed: int) -> Design:
    n, N = np.transpose(points)
    return Design.of(task, n, N, seed)


def _values_of(result: TrialResult, signs: bool) -> Matrix:
    """Columns of one trial of real features at each point."""
    columns = columns_of(dict(zip(FITS, result.errors[:, :, 0].T, strict=True))).values()
    return np.column_stack((*columns, result.ill_conditioned, *([result.hits[:, :, 0]] if signs else [])))
