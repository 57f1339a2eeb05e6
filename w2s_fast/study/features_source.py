"""Studies of real features: trials draw rows of one data set. Study files hold its fingerprint, not the data."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np

from w2s_fast._devices import CPU
from w2s_fast._workers import Workers
from w2s_fast.gaussian.runners import Device
from w2s_fast.gaussian.simulate import Method
from w2s_fast.linalg.rows.cutting import gathered
from w2s_fast.probing.data import Array, Rows, Stored, part
from w2s_fast.probing.design import Design, Points
from w2s_fast.probing.estimators.chosen import Grid
from w2s_fast.probing.probe import run_trials
from w2s_fast.probing.task import Task
from w2s_fast.probing.trial_results import TrialResult
from w2s_fast.results.doubts import ILL_CONDITIONED
from w2s_fast.results.measures import MEASURES
from w2s_fast.results.metrics import CHOSEN_RIDGE, FITS, columns_of, fit_columns, measured_columns, ratio_columns
from w2s_fast.results.risks import Ceiling
from w2s_fast.study import fields
from w2s_fast.study.gaussian_source import DEFAULT_METHOD
from w2s_fast.study.source import Chunk, Description, Matrix, Source, fingerprint

DEFAULT_OPTIONS = {"intercept": False, "nested": True, "label_noise": 0.0}
AXES = ("ridge", "label_noise", "flips")
# Of studies that do something else than these: files name them alone.
FURTHER = {
    "fit": "ridge",
    "teacher_fit": "ridge",
    "teacher_ridge": 0.0,
    "ridges": "",
    "pseudo_labels": "soft",
    "confident": 1.0,
    "rounds": 1,
    "flips": 0.0,
    "noise_once": False,
    "noise_on_test": False,
    "weak_labels": False,
}
UNNAMED = {"teacher": "weak", "student": "strong"}  # what models are called that come without names


@dataclass(frozen=True, repr=False)
class FeaturesDescription(Description):
    """Sizes and options of a study on real features.

    The options are None in files that were written before there were any, and those behind ``sha256`` where they are
    the usual ones: every fit a ridge regression of one ridge, and soft pseudo-labels of a teacher that is fitted.

    Attributes
    ----------
    ridge : float
        Of the student, the least of those that it chooses from.
    teacher_fit, teacher_ridge
        The teacher's, where it is another.
    ridges : str
        Those that fits choose from, and how.
    weak_labels : bool
        Whether the teacher was given by its predictions.
    teacher, student : str
        Names of the models, where they have any. They are for people: other names make no other study.
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
    ceiling: Ceiling | None = None  # None for all rows
    fit: str | None = None
    teacher_fit: str | None = None
    teacher_ridge: float | None = None
    ridges: str | None = None
    pseudo_labels: str | None = None
    confident: float | None = None
    rounds: int | None = None
    flips: float | None = None
    noise_once: bool | None = None
    noise_on_test: bool | None = None
    weak_labels: bool | None = None
    teacher: str | None = None
    student: str | None = None

    told_by = ("kind", "d_weak", "d_strong", "ridge", "ceiling", "rows", "label_noise", *FURTHER)

    @classmethod
    def read(cls, about: Mapping[str, Any]) -> Self:
        found = fields.of_names(dict.fromkeys((*DEFAULT_OPTIONS, "ceiling", *FURTHER, *UNNAMED)) | dict(about), cls)
        if found["ceiling"] not in (None, "pseudo"):
            raise ValueError(f"ceiling must be 'pseudo' or left out, got {fields.shown(found['ceiling'])}")
        for name in ("rows", "d_weak", "d_strong"):
            fields.whole(found[name], name)
        for name in ("test", "ridge"):
            fields.number(found[name], name, 0.0)
        for name in ("teacher_ridge", "confident", "flips"):
            fields.number(found[name] or 0.0, name, 0.0)
        fields.digest(found["sha256"])
        for name, usual in (DEFAULT_OPTIONS | FURTHER | UNNAMED).items():
            if found[name] is not None and type(found[name]) is not type(usual):
                raise ValueError(f"{name} must be of type {type(usual).__name__}, got {fields.shown(found[name])}")
        return cls(**found)

    def as_dict(self) -> dict[str, Any]:
        return {name: value for name, value in asdict(self).items() if value is not None}

    def __repr__(self) -> str:
        told = ", ".join(f"{name}={value!r}" for name, value in self.as_dict().items())
        return f"{type(self).__name__}({told})"

    @property
    def axes(self) -> Mapping[str, Any]:
        names = ("teacher", "student", "label_noise", "flips")
        return {"ridge": self.ridge} | {name: value for name in names if (value := getattr(self, name))}


@dataclass(frozen=True, eq=False, repr=False)
class FeaturesSource(Source):
    """A task, or None where a study was read from its file, which does not hold the features."""

    task: Task | None
    description: FeaturesDescription

    kind: ClassVar[str] = "features"
    own_columns: ClassVar[tuple[str, ...]] = tuple(ILL_CONDITIONED.values())

    @classmethod
    def accepts(cls, given: Any) -> bool:
        return isinstance(given, Task)

    @classmethod
    def parts(cls, given: Any) -> Sequence[Any]:
        return [given.of_pair(teacher, student) for teacher in given.rows.teachers for student in given.rows.students]

    @classmethod
    def of(cls, given: Any, method: Method, axes: Mapping[str, Any]) -> Self:
        if method not in ("auto", DEFAULT_METHOD):
            raise ValueError(f"method={method!r} is one of Gaussian models: real features have no such choice")
        others = [name for name in axes if name not in (*AXES, "ceiling")]
        if others:
            raise ValueError(f"{' and '.join(others)}: real features have no such axis, only {', '.join(AXES)}")
        task: Task = replace(given, **axes)
        if "flips" in axes and task.coding.kind == "classes" and not task.metrics:
            task = replace(task, metrics=("accuracy",))  # which makes one target of their columns without flips, too
        task.require_sense()
        if not task.has_one_target:
            raise ValueError("a study takes one label a row: run several, or use probe")
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

    @classmethod
    def optional_columns(cls) -> Sequence[Sequence[str]]:
        of_measures = [group for name in MEASURES for group in (fit_columns(name), ratio_columns(name)) if group]
        return [*of_measures, list(CHOSEN_RIDGE.values())]

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of values, with measures; without the features nobody knows which, and all are."""
        if self.task is None:
            return (*super().columns, *itertools.chain(*self.optional_columns()))
        groups = [fit_columns(name) + ratio_columns(name) * asked for name, asked in _measures(self.task).items()]
        chosen = CHOSEN_RIDGE.values() if self.task.has_grid else ()
        return (*super().columns, *itertools.chain(*groups), *chosen)

    @property
    def is_at_hand(self) -> bool:
        return self.task is not None

    def overlap(self) -> float | None:
        if self.task is None or self.description.weak_labels:
            return None
        from w2s_fast.linalg.spectral.joint import Dimensions

        return Dimensions.of(_blocks(self.task.rows.weak), _blocks(self.task.rows.strong)).overlap

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
            values = _values_of(result, _measures(self.task), self.task.has_grid)
            yield [(point, trial, values[point : point + 1]) for point in range(len(points))]


def _blocks(values: Array | Stored) -> Iterator[Array]:
    return (part(values, rows) for rows in gathered(*values.shape))


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
    if task.ceiling != Task.ceiling:
        arrays.append(np.array(["ceiling", task.ceiling]))
    further = _further(task)
    if further:
        arrays.append(np.array(json.dumps(further)))
    ceiling = None if task.ceiling == Task.ceiling else task.ceiling
    least = min(task.ridges[1].values) if isinstance(task.ridges[1], Grid) else task.ridges[1]
    how = options | {"ridge": least, "sha256": fingerprint(arrays), "ceiling": ceiling} | further | _names(rows)
    return FeaturesDescription(kind, len(rows), *rows.widths, test, **how)


def _further(task: Task) -> dict[str, Any]:
    """Options that are not the usual ones."""
    (teacher_fit, fit), (teacher_ridge, ridge) = task.fits, task.ridges
    grids = dict.fromkeys(str(one) for one in task.ridges if isinstance(one, Grid))
    (teacher,) = task.rows.teachers.values()
    named = ("pseudo_labels", "confident", "rounds", "flips", "noise_once", "noise_on_test")
    found = {name: getattr(task, name) for name in named} | {"fit": fit, "ridges": "; ".join(grids)}
    found["weak_labels"] = teacher.are_predictions
    found = {name: value for name, value in found.items() if value != FURTHER[name]}
    if teacher_fit != fit:
        found["teacher_fit"] = teacher_fit
    if teacher_ridge != ridge:
        found["teacher_ridge"] = min(teacher_ridge.values) if isinstance(teacher_ridge, Grid) else teacher_ridge
    return found


def _names(rows: Rows) -> dict[str, str]:
    """Names of models that were given some."""
    found = {"teacher": "".join(rows.teachers), "student": "".join(rows.students)}
    return {kind: name for kind, name in found.items() if name != UNNAMED[kind]}


def _design(task: Task, points: Points, seed: int) -> Design:
    n, N = np.transpose(points)
    return Design.of(task, n, N, seed)


def _measures(task: Task) -> dict[str, bool]:
    """What trials are measured by beside their risks, and whether it was asked for; signs and classes by accuracy."""
    always = ("accuracy",) if task.has_signs or task.are_classes_joint else ()
    return {name: name in task.metrics for name in MEASURES if name in (*always, *task.metrics)}


def _values_of(result: TrialResult, measures: Mapping[str, bool], has_grid: bool) -> Matrix:
    """Columns of one trial of real features at each point."""
    columns = [*columns_of(dict(zip(FITS, result.errors[:, :, 0].T, strict=True))).values(), *result.ill_conditioned.T]
    for name, asked in measures.items():
        fits = dict(zip(FITS, result.scores[name][:, :, 0].T, strict=True))
        columns.extend(measured_columns(name, fits, asked).values())
    if has_grid:
        columns.extend(result.ridges[:, :, 0].T)
    return np.column_stack(columns)
