"""Real data: features and labels, checked once, kept where and as they are, and copied only by the rows asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from os import PathLike
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from w2s_fast import _check, _devices
from w2s_fast._display import Shown, shortened
from w2s_fast.linalg.files.index import split_index
from w2s_fast.linalg.files.layers import layers
from w2s_fast.linalg.files.matrix import MatrixFile
from w2s_fast.linalg.files.place import split_name
from w2s_fast.linalg.files.plain import ALL, PlainMatrix
from w2s_fast.linalg.rows.cutting import gathered
from w2s_fast.linalg.rows.sparse import SparseMatrix, is_sparse
from w2s_fast.probing.gathering import Elsewhere, Kept
from w2s_fast.probing.given import Predictions
from w2s_fast.probing.labels import Labels
from w2s_fast.probing.splits import Indices
from w2s_fast.probing.stacked import Stacked

Array = npt.NDArray[Any]
Matrix = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ReadFile:
    """A file that has to be decoded, read into memory; whoever it is sent to reads the file, too."""

    file: MatrixFile
    values: Array

    @classmethod
    def of(cls, file: MatrixFile) -> Self:
        return cls(file, file.array())

    def __reduce__(self) -> tuple[Any, ...]:
        return ReadFile.of, (self.file,)

    def __len__(self) -> int:
        return len(self.values)

    @property
    def shape(self) -> tuple[int, int]:
        rows, columns = self.values.shape
        return rows, columns

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.values.dtype

    @property
    def has_columns_together(self) -> bool:
        return self.values.flags.f_contiguous and not self.values.flags.c_contiguous

    def read(self, rows: slice = ALL, columns: slice = ALL) -> Array:
        """A part of it."""
        return self.values[rows, columns]

    def take(self, index: Indices) -> Array:
        """Rows of it."""
        return self.values.take(index, axis=0)


Stored = PlainMatrix | SparseMatrix | Stacked | ReadFile | Elsewhere | Kept  # read by parts
LARGEST_LABEL = 1e70  # and label noise: mean squared errors of it still have standard errors in float64
SMALLEST_LABEL = 1e-70  # range of labels, likewise


@dataclass(frozen=True, eq=False)
class Features:
    """Features (rows, d) of any real type, in memory or in a file, with the range and mean of each column."""

    values: Array | Stored
    low: Array
    high: Array
    mean: Matrix
    are_predictions: bool = False  # of a teacher, in place of its features: NaN where there are none

    @classmethod
    def of_predictions(cls, values: Matrix) -> Self:
        """Take what a teacher says for its features."""
        known = values[~np.isnan(values).any(axis=1)]
        low, high = known.min(axis=0, initial=np.inf), known.max(axis=0, initial=-np.inf)  # of none: those of others
        return cls(values, low, high, np.zeros(values.shape[1]), True)

    @classmethod
    def of(cls, X: Any, name: str) -> Self:
        """Read everything once; refuse NaN, infinity and emptiness."""
        values = _opened(X, name)
        if 0 in values.shape:
            raise ValueError(f"{name} must not be empty, got shape {values.shape}")
        if isinstance(values, Elsewhere):
            low, high, total, _ = values.ranges()
            return cls(values, low, high, np.where(low == high, low, total / len(values)))
        low, high = np.empty((2, values.shape[1]), values.dtype)
        total = np.zeros(values.shape[1])
        for rows, columns in _slabs(values):
            slab = part(values, rows, columns)
            least, most = slab.min(axis=0), slab.max(axis=0)
            if not (np.isfinite(least).all() and np.isfinite(most).all()):
                _check.blocks_finite((part(values, block) for block in gathered(*values.shape)), name)
            first = not rows.start
            low[columns] = least if first else np.minimum(low[columns], least)
            high[columns] = most if first else np.maximum(high[columns], most)
            total[columns] += slab.sum(axis=0, dtype=np.float64)
        mean = np.where(low == high, low, total / len(values))  # exact for constant columns
        return cls(values, low, high, mean)

    def above(self, other: Features) -> Features:
        """These rows with ``other`` below them."""
        rows, more = len(self.values), len(other.values)
        low, high = np.minimum(self.low, other.low), np.maximum(self.high, other.high)
        mean = np.where(low == high, low, (rows * self.mean + more * other.mean) / (rows + more))
        return Features(Stacked((self.values, other.values)), low, high, mean, self.are_predictions)

    def take(self, index: Indices) -> Array:
        """Copy rows."""
        return self.values.take(index) if isinstance(self.values, Stored) else self.values.take(index, axis=0)

    @property
    def is_constant(self) -> bool:
        return bool(np.all(self.low == self.high))

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.values.dtype} of shape {self.values.shape}>"


def part(values: Array | Stored, rows: slice = ALL, columns: slice = ALL) -> Array:
    """A part of a matrix in memory, or read from its file."""
    return values.read(rows, columns) if isinstance(values, Stored) else values[rows, columns]


def _slabs(values: Array | Stored) -> Iterator[tuple[slice, slice]]:
    """Cut a matrix into rows and columns of blocks that lie together."""
    if isinstance(values, Stored):
        by_columns = values.has_columns_together
    else:
        by_columns = values.flags.f_contiguous and not values.flags.c_contiguous
    if by_columns:
        yield from ((ALL, columns) for columns in gathered(*values.shape[::-1]))
    else:
        yield from ((rows, ALL) for rows in gathered(*values.shape))


def _opened(X: Any, name: str) -> Array | Stored:
    """A matrix in memory, or where it lies: in a cluster, or a file, which a path names or the caller has mapped."""
    if isinstance(X, Stored):
        return X
    if is_sparse(X):
        return SparseMatrix.of(X, name)
    if isinstance(X, str | PathLike):
        file = MatrixFile.open(X, name)
        return ReadFile.of(file) if file.plain is None else file.plain
    if (rows := _devices.cluster_rows(X, name)) is not None:
        return Elsewhere(rows)
    values = _check.numbers(X, name, ndim=2)
    return PlainMatrix.of_map(values) or values


@dataclass(frozen=True, eq=False, repr=False)
class Rows(Shown):
    """Features of teachers and of students by name, with labels (rows, k) in float64."""

    teachers: Mapping[str, Features]
    students: Mapping[str, Features]
    labels: Matrix
    has_columns: bool  # whether labels came with an axis of columns
    classes: tuple[str, ...] = ()  # where labels are names
    labels_elsewhere: Any = (
        None  # the same as they came, if they did from a cluster: what is summed there needs no copy
    )

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"labels_elsewhere": None}  # else workers would be sent how they are made

    @classmethod
    def checked(
        cls,
        weak: Any,
        strong: Any,
        y: Any,
        whose: str = "",
        classes: tuple[str, ...] | None = None,
        whole: bool = False,
    ) -> Self:
        """Check and name the arrays in messages ``weak``, ``strong`` and ``y``, with ``whose`` behind.

        ``whole`` takes whole numbers for classes, as :meth:`Labels.of` does.
        """
        teachers, students = (
            {name: (called + whose, _features(X, called + whose)) for name, called, X in _named(given, kind)}
            for given, kind in ((weak, "weak"), (strong, "strong"))
        )
        here = _devices.gathered(y)
        labels = Labels.of(here, f"y{whose}", classes, whole)
        stays = here is not y and np.array_equal(np.reshape(here, (len(here), -1)), labels.values)
        said = {name: _said(found, called, labels) for name, (called, found) in teachers.items()}
        fitted = {name: _fitted(found, called) for name, (called, found) in students.items()}
        lengths: dict[str, Any] = {teachers[name][0]: found.values for name, found in said.items()}
        lengths |= {students[name][0]: found.values for name, found in fitted.items()}
        _check.same_rows(**lengths, **{f"y{whose}": labels.values})
        return cls(said, fitted, *labels, y if stays else None)

    def above(self, other: Rows) -> Rows:
        """These rows with ``other``, of the same models, below them."""
        teachers, students = (
            {name: features.above(theirs[name]) for name, features in mine.items()}
            for mine, theirs in ((self.teachers, other.teachers), (self.students, other.students))
        )
        labels = np.concatenate((self.labels, other.labels))
        return Rows(teachers, students, labels, self.has_columns, self.classes)

    def __len__(self) -> int:
        return len(self.labels)

    def of_pair(self, teacher: str, student: str) -> Self:
        """The same rows as one teacher and one student see them."""
        return replace(self, teachers={teacher: self.teachers[teacher]}, students={student: self.students[student]})

    @property
    def weak(self) -> Array | Stored:
        """Features of the only teacher."""
        (only,) = self.teachers.values()
        return only.values

    @property
    def strong(self) -> Array | Stored:
        """Features of the only student."""
        (only,) = self.students.values()
        return only.values

    @property
    def y(self) -> Matrix:
        """Labels as they came: (rows,) or (rows, k)."""
        return self.labels if self.has_columns else self.labels[:, 0]

    @property
    def widths(self) -> tuple[int, int]:
        """Columns of the only teacher and the only student."""
        return self.weak.shape[1], self.strong.shape[1]

    def told(self) -> dict[str, str]:
        """What rows there are, in words."""
        models = {"teachers": self.teachers, "students": self.students}
        told = {"rows": f"{len(self):,}"}
        for kind, named in models.items():
            sizes = (f"{name} ({features.values.shape[1]:,} columns)" for name, features in named.items())
            told[kind] = shortened(", ".join(sizes), 120)
        return told | {"labels": f"{self.labels.shape[1]:,} a row" if self.has_columns else ""}

    @property
    def has_one_pair(self) -> bool:
        """One teacher and one student."""
        return len(self.teachers) == len(self.students) == 1

    @property
    def is_single(self) -> bool:
        """One teacher, one student, one label a row."""
        return self.has_one_pair and not self.has_columns

    @property
    def has_signs(self) -> bool:
        """Whether every label is +1 or -1."""
        return bool(np.all(np.abs(self.labels) == 1.0))

    @property
    def has_zeros_and_ones(self) -> bool:
        return bool(np.all((self.labels == 0.0) | (self.labels == 1.0)))

    def refuse_constant(self) -> None:
        """Refuse features and labels that nothing can be learned from or about."""
        for kind, models in (("weak", self.teachers), ("strong", self.students)):
            for name, features in models.items():
                if features.is_constant and not features.are_predictions:
                    called = kind if name == kind else f"{kind}[{name!r}]"
                    raise ValueError(f"{called} is constant: all {len(self):,} rows are the same")
        if np.abs(self.labels).max() > LARGEST_LABEL:
            raise ValueError(f"y has labels beyond {LARGEST_LABEL:.0e}, whose errors overflow: scale it down")
        spread = np.ptp(self.labels, axis=0)
        if np.any((spread > 0.0) & (spread < SMALLEST_LABEL)):
            raise ValueError(f"y varies by less than {SMALLEST_LABEL:.0e}, whose errors vanish: scale it up")
        same = np.flatnonzero(self.labels.min(axis=0) == self.labels.max(axis=0))
        if same.size:
            where = f" in column {same[0]}" if self.has_columns else ""
            raise ValueError(f"y has one value{where}, {self.labels[0, same[0]]:g}, in every row: nothing to learn")


def _features(X: Any, name: str) -> Features | Predictions:
    return X if isinstance(X, Predictions) else Features.of(X, name)


def _said(found: Features | Predictions, name: str, labels: Labels) -> Features:
    """Features of a teacher, or its predictions in their place, which take the labels to be read."""
    return Features.of_predictions(found.columns(name, labels)) if isinstance(found, Predictions) else found


def _fitted(found: Features | Predictions, name: str) -> Features:
    if isinstance(found, Predictions):
        raise TypeError(f"{name} must be features: students are fitted, only teachers may be given by Predictions")
    return found


def names_models(given: Any) -> bool:
    """Whether an argument names several models, or is the features of one: some sparse matrices are mappings, too."""
    return isinstance(given, Mapping) and not is_sparse(given)


def _named(given: Any, kind: str) -> list[tuple[str, str, Any]]:
    """Name, name in messages, and features of each model in an argument.

    A path that stands for several layers makes a model of each, ``hidden[:,12]`` of ``path#hidden[:,*]``.
    """
    if not names_models(given):
        if not layers(given, kind):
            return [(kind, kind, given)]
        given = {split_index(split_name(given)[1])[0] or kind: given}
    if not given:
        raise ValueError(f"{kind} must name at least one model, got an empty mapping")
    found = [one for name, X in given.items() for one in _each_layer(str(name), X, kind)]
    names = [name for name, _ in found]
    if len(set(names)) < len(names):
        raise ValueError(f"{kind} must name each model differently, also as text, got {list(given)}")
    return [(name, f"{kind}[{name!r}]", X) for name, X in found]


def _each_layer(name: str, X: Any, kind: str) -> list[tuple[str, Any]]:
    """Name and features of each layer that a path stands for, or the one model that it is."""
    return [(split_index(name)[0] + index, path) for index, path in layers(X, f"{kind}[{name!r}]")] or [(name, X)]
