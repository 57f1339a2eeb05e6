"""Which rows a trial may label, have pseudo-labelled, and test on: drawn, or fixed as people have them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from os import PathLike
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from w2s_fast import _check
from w2s_fast.linalg.files.matrix import MatrixFile

Indices = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Splits:
    """Rows that are set apart, each None where it is left to chance.

    Attributes
    ----------
    labelled, pseudo_labelled : ndarray of int64, or None
        Rows that trials draw the n labelled and the N pseudo-labelled ones from.
    test : ndarray of int64, or None
        Rows that fits are tested on.
    """

    labelled: Indices | None = None
    pseudo_labelled: Indices | None = None
    test: Indices | None = None

    @classmethod
    def of(cls, labelled: Any, pseudo_labelled: Any, test: Any, rows: int) -> Self:
        """Check indices or masks of some of the ``rows``; no row may be in two of them."""
        given = {"labelled": labelled, "pseudo_labelled": pseudo_labelled, "test": test}
        found = {name: None if value is None else _indices(value, name, rows) for name, value in given.items()}
        owner: dict[str, Indices] = {}
        for name, index in found.items():
            if index is None:
                continue
            for other, taken in owner.items():
                if (both := np.intersect1d(index, taken)).size:
                    raise ValueError(f"{other} and {name} have {both.size:,} row(s) in common, the first is {both[0]}")
            owner[name] = index
        return cls(**found)

    def __iter__(self) -> Iterator[Indices | None]:
        return iter((self.labelled, self.pseudo_labelled, self.test))

    @property
    def is_drawn(self) -> bool:
        """Whether trials draw labelled and pseudo-labelled rows from one pool."""
        return self.labelled is None and self.pseudo_labelled is None

    def left(self, rows: int) -> Indices:
        """Rows that no split has."""
        free = np.ones(rows, np.bool_)
        for index in self:
            if index is not None:
                free[index] = False
        return np.flatnonzero(free)

    def pools(self, free: Indices) -> tuple[Indices, ...]:
        """What trials draw from, ``free`` being the rows that no split and no test has: one pool, or one for each."""
        if self.is_drawn:
            return (free,)
        return (
            free if self.labelled is None else self.labelled,
            free if self.pseudo_labelled is None else self.pseudo_labelled,
        )


DRAWN = Splits()


def _indices(value: Any, name: str, rows: int) -> Indices:
    """Row numbers, rising, of numbers in any order or a mask of all rows."""
    if isinstance(value, str | PathLike):
        value = MatrixFile.open(value, name, (1,)).array()
    array = _check.numbers(value, name, ndim=1)
    if array.dtype.kind == "b":
        if len(array) != rows:
            raise ValueError(f"{name} is a mask of {len(array):,} rows, y has {rows:,}")
        array = np.flatnonzero(array)
    if array.dtype.kind not in "iu":
        raise _check.ArgumentError(f"{name} must hold row numbers or a mask of the rows, got dtype {array.dtype}")
    index, counts = np.unique(array, return_counts=True)
    if index.size == 0:
        raise ValueError(f"{name} must name at least one row")
    if int(index[0]) < 0 or int(index[-1]) >= rows:
        raise ValueError(f"{name} must name rows from 0 to {rows - 1:,}, got {index[0]:,} to {index[-1]:,}")
    if counts.max() > 1:
        raise ValueError(f"{name} names row {index[counts > 1][0]:,} more than once")
    return index.astype(np.int64)
