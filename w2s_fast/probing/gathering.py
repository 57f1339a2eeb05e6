"""Features in a cluster: the rows that trials draw, and those that test them, are gathered in one pass over each array.

Trials then run as on any other features, with the same bits.
"""

from __future__ import annotations

import hashlib
import operator
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from w2s_fast import _check, _devices
from w2s_fast.linalg.rows.cutting import gathered
from w2s_fast.probing.splits import Indices
from w2s_fast.probing.stacked import Stacked

Array = npt.NDArray[Any]
ALL = slice(None)
ONE_LEAF = 2**62  # bytes: sums are added in the order of the rows, as they are in memory


@dataclass(frozen=True, eq=False)
class Elsewhere:
    """Features (rows, d) that are in a cluster: rows come when they are asked for."""

    rows: Any  # as w2s_fast.linalg.rows.base.Rows, with rows to take and cuts to choose

    has_columns_together = False

    @property
    def shape(self) -> tuple[int, int]:
        rows, columns = self.rows.shape
        return rows, columns

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(self.rows.dtype)

    def __len__(self) -> int:
        return self.shape[0]

    def read(self, rows: slice = ALL, columns: slice = ALL) -> Array:
        """A part of it."""
        return self.take(np.arange(len(self))[rows])[:, columns]

    def take(self, index: Indices) -> Array:
        """Rows of it, in the order of ``index``."""
        return np.asarray(self.rows.take(index))

    def ranges(self) -> Ranges:
        """Smallest, largest and sum of each column, with the bits of an array in memory; refuse NaN and infinity."""
        return self._pass(Ranges.of, Ranges.merged).checked(self.rows.name)

    @cached_property
    def digest(self) -> bytes:
        """SHA-256 of each block of rows that is hashed by itself, which no cut of the array changes."""
        return self._pass(_digest, operator.add)

    def _pass(self, part: Any, merge: Any) -> Any:
        first = next(gathered(*self.shape))
        return self.rows.cut_evenly(first.stop).total(part, merge, least=ONE_LEAF)


def _digest(block: Array) -> bytes:
    return hashlib.sha256(np.ascontiguousarray(block).data).digest()


class Ranges(NamedTuple):
    """Of each column, and where numbers are not finite."""

    low: Array
    high: Array
    total: Array
    finite: _check.NotFinite

    @classmethod
    def of(cls, block: Array) -> Self:
        rows = np.ascontiguousarray(block)
        total = rows.sum(axis=0, dtype=np.float64)
        return cls(rows.min(axis=0), rows.max(axis=0), total, _check.NotFinite.of(rows))

    def merged(self, other: Ranges) -> Ranges:
        low, high = np.minimum(self.low, other.low), np.maximum(self.high, other.high)
        return Ranges(low, high, self.total + other.total, self.finite.merged(other.finite))

    def checked(self, name: str) -> Ranges:
        self.finite.refuse(name)
        return self


@dataclass(frozen=True, eq=False)
class Kept:
    """Some rows of features, by their numbers in all of them."""

    index: Indices  # rising
    values: Array
    rows: int

    has_columns_together = False

    @property
    def shape(self) -> tuple[int, int]:
        return self.rows, self.values.shape[1]

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.values.dtype

    def __len__(self) -> int:
        return self.rows

    def read(self, rows: slice = ALL, columns: slice = ALL) -> Array:
        """A part of it, of rows that are kept."""
        return self.take(np.arange(self.rows)[rows])[:, columns]

    def take(self, index: Indices) -> Array:
        """Rows of it that are kept, in the order of ``index``."""
        return self.values.take(np.searchsorted(self.index, index), axis=0)


class BeyondRoomError(ValueError):
    """Rows do not fit a worker.

    Attributes
    ----------
    room : int
        Bytes of rows that do.
    """

    def __init__(self, message: str, room: int) -> None:
        super().__init__(message)
        self.room = room


def least_bytes_a_row(rows: Any) -> int:
    """Bytes of what is in a cluster of each row (of :mod:`w2s_fast.probing.data`), or of some rows."""
    return sum(map(_least_bytes, {id(one.values): one.values for one in _features_of(rows)}.values()))


def _least_bytes(values: Any) -> int:
    if isinstance(values, Stacked):
        return min(map(_least_bytes, values.parts))
    return values.shape[1] * values.dtype.itemsize if isinstance(values, Elsewhere) else 0


def _features_of(rows: Any) -> Iterable[Any]:
    return (*rows.teachers.values(), *rows.students.values())


def bytes_elsewhere(values: Any, index: Indices) -> int:
    """Bytes of so many rows of what is in a cluster."""
    if isinstance(values, Stacked):
        return sum(bytes_elsewhere(part, mine) for part, mine in _by_part(values, index))
    return len(index) * values.shape[1] * values.dtype.itemsize if isinstance(values, Elsewhere) else 0


def kept(values: Any, index: Indices) -> Any:
    """Rows of what is in a cluster, gathered; what is here stays as it is."""
    if isinstance(values, Stacked):
        return Stacked(tuple(kept(part, mine) for part, mine in _by_part(values, index)))
    return Kept(index, values.take(index), len(values)) if isinstance(values, Elsewhere) else values


def _by_part(values: Stacked, index: Indices) -> Iterable[tuple[Any, Indices]]:
    first = 0
    for part in values.parts:
        low, high = np.searchsorted(index, (first, first + len(part)))
        yield part, index[low:high] - first
        first += len(part)


def gathered_rows(rows: Any, orders: Iterable[Indices], more: Indices | None) -> Any:
    """Rows (of :mod:`w2s_fast.probing.data`) of which all that are wanted are here; the same ones if all are."""
    models = {kind: getattr(rows, kind) for kind in ("teachers", "students")}
    if not any(is_elsewhere(features.values) for named in models.values() for features in named.values()):
        return rows
    wanted = np.zeros(len(rows), np.bool_)
    for index in orders if more is None else chain(orders, [more]):
        wanted[index] = True
    index = np.flatnonzero(wanted)
    distinct = {id(features): features for named in models.values() for features in named.values()}
    size = sum(bytes_elsewhere(features.values, index) for features in distinct.values())
    if size > (room := _devices.room_in_cluster()):
        raise BeyondRoomError(
            f"these trials use {len(index):,} rows of features in a cluster, {size:,} bytes, and a worker has room for "
            f"{room:,}: lower n, N or test, run fewer trials at a time, or give workers more memory",
            room,
        )
    here = {key: replace(features, values=kept(features.values, index)) for key, features in distinct.items()}
    changed = {kind: {name: here[id(one)] for name, one in named.items()} for kind, named in models.items()}
    return replace(rows, **changed)


def is_elsewhere(values: Any) -> bool:
    return isinstance(values, Elsewhere) or (isinstance(values, Stacked) and any(map(is_elsewhere, values.parts)))
