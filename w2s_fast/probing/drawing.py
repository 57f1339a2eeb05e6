"""Which rows a trial draws, in which order: a list of them, or, of many rows, a bijection that each row is put through.

Up to ``LISTED`` rows a trial permutes a list of all that it may draw. Of more it takes a keyed bijection
(:mod:`w2s_fast.kernels.bijection`), with streams of its own: the row in place p of a trial's order is worked out from
p, and the place of a row from its number, wherever the row is. Only the rows that trials use are then ever listed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from w2s_fast._random import key
from w2s_fast.probing.splits import Indices

LISTED = 10**8  # rows: of more no trial permutes a list, which would take 16 bytes a row
ORDERS, TESTED = 4, 5  # first coordinates of the random streams: orders of trials, and which rows are tested on


@dataclass(frozen=True)
class Shuffle:
    """A random order of the numbers below a size.

    Examples
    --------
    >>> order = Shuffle.of(10**10, 0, (ORDERS,), 3)
    >>> numbers = order.numbers(np.arange(2))
    >>> order.places(numbers)
    array([0, 1])
    """

    size: int
    key: tuple[int, int]  # words of 32 bits
    trial: int

    @classmethod
    def of(cls, size: int, seed: int, point: tuple[int, ...], trial: int) -> Self:
        """The order of a trial at a point."""
        word = int(key(seed, point)[0])
        return cls(size, (word & 0xFFFFFFFF, word >> 32), trial)

    def numbers(self, places: Indices) -> Indices:
        """What is in these places of the order."""
        return self._moved(places, False)

    def places(self, numbers: Indices) -> Indices:
        """Where in the order these are."""
        return self._moved(numbers, True)

    def _moved(self, given: Indices, back: bool) -> Indices:
        from w2s_fast.kernels import bijection

        moved = np.array(given, np.uint64)
        move = bijection.back if back else bijection.forth
        low, high = map(np.uint64, self.key)
        move((low, high), self.trial, bijection.digits_of(self.size), moved)
        return moved.view(np.int64)


@dataclass(frozen=True)
class Rest:
    """All rows but the first ``tested`` of an order: what trials draw from, without a list of it.

    It is taken from as an array of row numbers is, which are in no order.
    """

    order: Shuffle
    tested: int

    def __len__(self) -> int:
        return self.order.size - self.tested

    def __getitem__(self, places: Indices) -> Indices:
        return self.order.numbers(places + self.tested)

    def places(self, rows: Indices) -> Indices:
        """Where rows are in it, below 0 for those that are tested on."""
        return self.order.places(rows) - self.tested

    def test_rows(self) -> Indices:
        """Rows that are tested on, rising."""
        return np.sort(self.order.numbers(np.arange(self.tested)))


Pool = Indices | Rest


def listed(pool: Pool) -> Indices:
    """All rows of a pool."""
    return pool[np.arange(len(pool))] if isinstance(pool, Rest) else pool
