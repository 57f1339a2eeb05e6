"""Real data: features and labels, checked once, kept where and as they are, and copied only by the rows asked for."""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from os import PathLike
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from w2s_fast import _check
from w2s_fast._random import stream
from w2s_fast.linalg.files.matrix import MatrixFile, require_same, stamp_of
from w2s_fast.linalg.rows.cutting import gathered

Array = npt.NDArray[Any]
Matrix = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]
TEST = (1,)  # coordinate of the random stream that splits off the test rows
SCATTERED = 2**9  # rows read from a map at a time: each may bring in 64 KiB of its neighbours
LARGEST_LABEL = 1e70  # and label noise: mean squared errors of it still have standard errors in float64
SMALLEST_LABEL = 1e-70  # range of labels, likewise


def _lies_by_columns(values: Array) -> bool:
    """Whether columns lie together and rows do not, as in a saved transpose."""
    return values.flags.f_contiguous and not values.flags.c_contiguous


def _slabs(values: Array) -> Iterator[tuple[slice, slice]]:
    """Cut a matrix into rows and columns of blocks that lie together."""
    if _lies_by_columns(values):
        yield from ((slice(None), columns) for columns in gathered(*values.shape[::-1]))
    else:
        yield from ((rows, slice(None)) for rows in gathered(*values.shape))


class Watched(NamedTuple):
    """A mapped file, whose numbers are those of the study only as long as nobody writes to it."""

    path: str | PathLike[str]
    stamp: tuple[int, int, int, int]

    @classmethod
    def of(cls, values: Array) -> Self | None:
        """Look at the file of a mapped array that is only read; None where there is none, or no name of it."""
        owner = _owner_of(values)
        name = getattr(owner, "filename", None)
        return None if name is None or owner.mode != "r" else cls(name, stamp_of(os.stat(name)))

    def require_same(self) -> None:
        require_same(self.path, self.stamp)


@dataclass(frozen=True, eq=False)
class Features:
    """Features (rows, d) of any real type, in memory or mapped, with the range and mean of each column."""

    values: Array
    low: Array
    high: Array
    mean: Matrix
    watched: Watched | None  # the file that the values are mapped from

    @classmethod
    def of(cls, X: Any, name: str) -> Self:
        """Read everything once; refuse NaN, infinity and emptiness."""
        values = _loaded(X, name, (2,))
        watched = Watched.of(values)
        if values.size == 0:
            raise ValueError(f"{name} must not be empty, got shape {values.shape}")
        low, high = np.empty((2, values.shape[1]), values.dtype)
        total = np.zeros(values.shape[1])
        for rows, columns in _slabs(values):
            slab = values[rows, columns]
            least, most = slab.min(axis=0), slab.max(axis=0)
            if not (np.isfinite(least).all() and np.isfinite(most).all()):
                _check.all_finite(values, name)
            first = not rows.start
            low[columns] = least if first else np.minimum(low[columns], least)
            high[columns] = most if first else np.maximum(high[columns], most)
            total[columns] += slab.sum(axis=0, dtype=np.float64)
            let_go(values)
            if watched is not None:
                watched.require_same()
        mean = np.where(low == high, low, total / len(values))  # exact for constant columns
        return cls(values, low, high, mean, watched)

    def take(self, index: Indices) -> Array:
        """Copy rows."""
        if _map_of(self.values) is None:
            return self.values.take(index, axis=0)
        rows = np.empty((len(index), self.values.shape[1]), self.values.dtype)
        if _lies_by_columns(self.values):
            parts = [(slice(None), index, columns) for _, columns in _slabs(self.values)]
        else:
            cuts = (slice(start, start + SCATTERED) for start in range(0, len(index), SCATTERED))
            parts = [(cut, index[cut], slice(None)) for cut in cuts]
        for place, wanted, columns in parts:
            self._require_same()  # a file that was cut would end the process where it was mapped
            rows[place, columns] = self.values[:, columns][wanted]
            let_go(self.values)
        self._require_same()
        return rows

    def _require_same(self) -> None:
        if self.watched is not None:
            self.watched.require_same()

    @property
    def is_constant(self) -> bool:
        return bool(np.all(self.low == self.high))


def _owner_of(values: Array) -> Any:
    """The memory map that holds an array; None where there is none, or one with changes of its own (mode "c")."""
    owner: Any = values
    while owner is not None and not isinstance(owner, np.memmap):
        owner = getattr(owner, "base", None)
    return None if owner is None or owner.mode == "c" else owner


def _map_of(values: Array) -> Any:
    return getattr(_owner_of(values), "_mmap", None)


def let_go(values: Array) -> None:
    """Let go of the pages of a memory map that were read, which would count as this process's memory.

    They stay in the system's cache of files while there is room.
    """
    mapped = _map_of(values)
    if mapped is not None and hasattr(mmap, "MADV_DONTNEED"):
        mapped.madvise(mmap.MADV_DONTNEED)


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
        loaded = _loaded(y, f"y{whose}", (1, 2))
        watched = Watched.of(loaded)
        labels = lengths[f"y{whose}"] = _check.floats(loaded, f"y{whose}")
        if labels.size == 0:
            raise ValueError(f"y{whose} must not be empty, got shape {labels.shape}")
        _check.same_rows(**lengths)
        has_columns = labels.ndim == 2
        matrix = labels.astype(np.float64).reshape(len(labels), -1)
        if watched is not None:
            watched.require_same()
        return cls(models["weak"], models["strong"], matrix, has_columns)

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def weak(self) -> Array:
        """Features of the only teacher."""
        (only,) = self.teachers.values()
        return only.values

    @property
    def strong(self) -> Array:
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
    """Name, name in messages, and features of each model in an argument."""
    if not isinstance(given, Mapping):
        return [(kind, kind, given)]
    if not given:
        raise ValueError(f"{kind} must name at least one model, got an empty mapping")
    names = [str(name) for name in given]
    if len(set(names)) < len(names):
        raise ValueError(f"{kind} must name each model differently, also as text, got {list(given)}")
    return [(name, f"{kind}[{name!r}]", X) for name, X in zip(names, given.values(), strict=True)]


def _loaded(X: Any, name: str, ndims: tuple[int, ...]) -> Array:
    """An array in memory, or mapped from the file that a path names."""
    if isinstance(X, str | PathLike):
        return MatrixFile.open(X, name, ndims).array()
    return _check.numbers(X, name, ndim=ndims[0] if np.ndim(X) not in ndims else None)


@dataclass(frozen=True, eq=False)
class Task:
    """A study on real data: rows to train on, what to test on, and how to fit. Made by :meth:`Task.of`."""

    rows: Rows
    test: Rows | float | int
    ridge: float
    intercept: bool = False
    nested: bool = True
    label_noise: float = 0.0

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
