"""Real data: features and labels, checked once, kept where and as they are, and copied only by the rows asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from os import PathLike
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from w2s_fast import _check
from w2s_fast._random import stream
from w2s_fast.linalg.files.index import split_index
from w2s_fast.linalg.files.layers import layers
from w2s_fast.linalg.files.matrix import MatrixFile
from w2s_fast.linalg.files.place import split_name
from w2s_fast.linalg.files.plain import ALL, PlainMatrix
from w2s_fast.linalg.rows.cutting import gathered

Array = npt.NDArray[Any]
Matrix = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]
TEST = (1,)  # coordinate of the random stream that splits off the test rows
LARGEST_LABEL = 1e70  # and label noise: mean squared errors of it still have standard errors in float64
SMALLEST_LABEL = 1e-70  # range of labels, likewise


@dataclass(frozen=True, eq=False)
class Features:
    """Features (rows, d) of any real type, in memory or in a file, with the range and mean of each column."""

    values: Array | PlainMatrix
    low: Array
    high: Array
    mean: Matrix

    @classmethod
    def of(cls, X: Any, name: str) -> Self:
        """Read everything once; refuse NaN, infinity and emptiness."""
        values = _opened(X, name)
        if 0 in values.shape:
            raise ValueError(f"{name} must not be empty, got shape {values.shape}")
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

    def take(self, index: Indices) -> Array:
        """Copy rows."""
        return self.values.take(index) if isinstance(self.values, PlainMatrix) else self.values.take(index, axis=0)

    @property
    def is_constant(self) -> bool:
        return bool(np.all(self.low == self.high))


def part(values: Array | PlainMatrix, rows: slice = ALL, columns: slice = ALL) -> Array:
    """A part of a matrix in memory, or read from its file."""
    return values.read(rows, columns) if isinstance(values, PlainMatrix) else values[rows, columns]


def _slabs(values: Array | PlainMatrix) -> Iterator[tuple[slice, slice]]:
    """Cut a matrix into rows and columns of blocks that lie together."""
    if isinstance(values, PlainMatrix):
        by_columns = values.has_columns_together
    else:
        by_columns = values.flags.f_contiguous and not values.flags.c_contiguous
    if by_columns:
        yield from ((ALL, columns) for columns in gathered(*values.shape[::-1]))
    else:
        yield from ((rows, ALL) for rows in gathered(*values.shape))


def _opened(X: Any, name: str) -> Array | PlainMatrix:
    """A matrix in memory, or where it lies in a file, which a path names or the caller has mapped."""
    if isinstance(X, PlainMatrix):
        return X
    if isinstance(X, str | PathLike):
        file = MatrixFile.open(X, name)
        return file.array() if file.plain is None else file.plain
    values = _check.numbers(X, name, ndim=2)
    return PlainMatrix.of_map(values) or values


def _labels(y: Any, name: str) -> tuple[Matrix, bool]:
    """Labels (rows, k) in memory, and whether they came with an axis of columns."""
    if isinstance(y, str | PathLike):
        given = MatrixFile.open(y, name, (1, 2)).array()
    else:
        given = _check.numbers(y, name, ndim=1 if np.ndim(y) not in (1, 2) else None)
        mapped = PlainMatrix.of_map(given.reshape(len(given), -1)) if given.size else None
        given = given if mapped is None else mapped.read().reshape(given.shape)
    labels = _check.floats(given, name)
    if labels.size == 0:
        raise ValueError(f"{name} must not be empty, got shape {labels.shape}")
    return labels.astype(np.float64).reshape(len(labels), -1), labels.ndim == 2


@dataclass(frozen=True, eq=False)
class Rows:
    """Features of teachers and of students by name, with labels (rows, k) in float64."""

    teachers: Mapping[str, Features]
    students: Mapping[str, Features]
    labels: Matrix
    has_columns: bool  # whether labels came with an axis of columns

    @classmethod
    def checked(cls, weak: Any, strong: Any, y: Any, whose: str = "") -> Self:
        """Check and name the arrays in messages ``weak``, ``strong`` and ``y``, with ``whose`` behind."""
        lengths: dict[str, Any] = {}
        models: dict[str, dict[str, Features]] = {"weak": {}, "strong": {}}
        for kind, given in (("weak", weak), ("strong", strong)):
            for name, called, X in _named(given, kind):
                models[kind][name] = Features.of(X, called + whose)
                lengths[called + whose] = models[kind][name].values
        labels, has_columns = _labels(y, f"y{whose}")
        _check.same_rows(**lengths, **{f"y{whose}": labels})
        return cls(models["weak"], models["strong"], labels, has_columns)

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def weak(self) -> Array | PlainMatrix:
        """Features of the only teacher."""
        (only,) = self.teachers.values()
        return only.values

    @property
    def strong(self) -> Array | PlainMatrix:
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

    @property
    def is_single(self) -> bool:
        """One teacher, one student, one label a row."""
        return len(self.teachers) == len(self.students) == 1 and not self.has_columns

    @property
    def has_signs(self) -> bool:
        """Whether every label is +1 or -1."""
        return bool(np.all(np.abs(self.labels) == 1.0))

    def refuse_constant(self) -> None:
        """Refuse features and labels that nothing can be learned from or about."""
        for kind, models in (("weak", self.teachers), ("strong", self.students)):
            for name, features in models.items():
                if features.is_constant:
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


def _named(given: Any, kind: str) -> list[tuple[str, str, Any]]:
    """Name, name in messages, and features of each model in an argument.

    A path that stands for several layers makes a model of each, ``hidden[:,12]`` of ``path#hidden[:,*]``.
    """
    if not isinstance(given, Mapping):
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


@dataclass(frozen=True, eq=False)
class Task:
    """A study on real data: rows to train on, what to test on, and how to fit. Made by :meth:`Task.of`."""

    rows: Rows
    test: Rows | float | int
    ridge: float
    intercept: bool = False
    nested: bool = True
    label_noise: float = 0.0
    fit: str = "ridge"  # by its name among the estimators

    @classmethod
    def of(
        cls,
        weak: Any,
        strong: Any,
        y: Any,
        test: Any = 0.2,
        ridge: float = 1e-6,
        *,
        intercept: bool = False,
        nested: bool = True,
        label_noise: float = 0.0,
    ) -> Self:
        """Check the arguments of :func:`w2s_fast.probe` that describe the data."""
        rows = Rows.checked(weak, strong, y)
        rows.refuse_constant()
        intercept, nested = _check.boolean(intercept, "intercept"), _check.boolean(nested, "nested")
        ridge, label_noise = _check.real(ridge, "ridge"), _check.real(label_noise, "label_noise", maximum=LARGEST_LABEL)
        return cls(rows, _checked_test(test, rows), ridge, intercept, nested, label_noise)

    @property
    def has_signs(self) -> bool:
        """Whether every label is +1 or -1, those of test rows too: there are accuracies."""
        return self.rows.has_signs and (not isinstance(self.test, Rows) or self.test.has_signs)

    def split(self, seed: int) -> tuple[Indices, Rows, Indices]:
        """Rows that trials may draw from, and the test rows: what they are rows of, and which."""
        total = len(self.rows)
        if isinstance(self.test, Rows):
            return np.arange(total), self.test, np.arange(len(self.test))
        count = max(1, round(self.test * total)) if isinstance(self.test, float) else self.test
        if count >= total:
            raise ValueError(f"test takes {count:,} rows of {total:,}, which leaves none to train on")
        order = stream(seed, TEST, 0).permutation(total)
        return np.sort(order[count:]), self.rows, np.sort(order[:count])


def _checked_test(test: Any, rows: Rows) -> Rows | float | int:
    if isinstance(test, tuple | list):
        if len(test) != 3:
            raise ValueError(f"test must be (weak, strong, y), a share or a number of rows, got {len(test)} items")
        weak, strong, y = test
        held = Rows.checked(weak, strong, y, " of test")
        mine, theirs = (
            [
                {name: features.values.shape[1] for name, features in models.items()}
                for models in (data.teachers, data.students)
            ]
            + [data.labels.shape[1]]
            for data in (rows, held)
        )
        if mine != theirs:
            raise ValueError(f"test has widths {_widths(theirs)}, the other rows {_widths(mine)}")
        return held
    if isinstance(test, float | np.floating):
        return _check.real(test, "test", maximum=1.0, open_left=True)
    if isinstance(test, int | np.integer):
        return _check.integer(test, "test", minimum=1)
    raise TypeError(f"test must be (weak, strong, y), a share or a number of rows, got {test!r}")


def _widths(found: list[Any]) -> str:
    *models, labels = found
    features = ", ".join(f"{name} {width}" for widths in models for name, width in widths.items())
    return f"({features}, y {labels})"
