"""Sums of a trial whose rows stay where they are: joint Gram matrices of [x_w | x_s | ... | y] over sets of rows.

A set is what lies between one size of a trial and the next, or the test rows. All that linear fits need to know of its
rows is in these sums: X'X of each model, X_s'y, and X_s'X_w a, which is what a student makes of a teacher's labels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from w2s_fast.linalg.rows.cutting import gathered
from w2s_fast.probing.data import Matrix
from w2s_fast.probing.drawing import Rest, Shuffle
from w2s_fast.probing.fits import Sums, View
from w2s_fast.probing.splits import Indices

Sets = npt.NDArray[np.uint16]  # (rows, orders): the number of the set in which a row is in each order
NONE = 0  # of no set


class Joint(NamedTuple):
    """Sums over the rows of one set.

    Attributes
    ----------
    gram : (p, p) ndarray
        U'U, U having the columns of all models side by side, and those of the labels behind them.
    n_rows : int
    """

    gram: Matrix
    n_rows: int

    def plus(self, other: Joint) -> Joint:
        return Joint(self.gram + other.gram, self.n_rows + other.n_rows)

    def of(self, rows: slice, labels: slice) -> Sums:
        """Sums of one model with some columns."""
        return Sums(self.gram[rows, rows], self.gram[rows, labels], self.n_rows)


def joined(a: dict[int, Joint], b: dict[int, Joint]) -> dict[int, Joint]:
    """Add the sums of each set, in place."""
    for which, more in b.items():
        if (found := a.get(which)) is None:
            a[which] = more
        else:
            gram = np.add(found.gram, more.gram, out=found.gram)
            a[which] = Joint(gram, found.n_rows + more.n_rows)
    return a


@dataclass(frozen=True, eq=False)
class JointSums:
    """Makes the sums of each set of the rows of a block; it pickles.

    Attributes
    ----------
    views : sequence of View
        How fits see the rows of each model.
    sets : callable
        Takes what lies beside the rows, ``Sets`` or numbers of rows, to the ``Sets`` of a block.
    lead : int
        The model whose rows come first, the others following in order.
    """

    views: Sequence[View]
    sets: Callable[[Any], Sets]
    lead: int

    def __call__(self, *blocks: Any) -> dict[int, Joint]:
        first, *models, labels, beside = blocks
        models.insert(self.lead, first)
        labels = np.asarray(labels, np.float64).reshape(len(labels), -1)
        sets = self.sets(beside)
        found: dict[int, Joint] = {}
        for order in range(sets.shape[1]):
            for which in np.unique(sets[:, order]).tolist():
                if which != NONE:
                    index = np.flatnonzero(sets[:, order] == which)
                    found = joined(found, {which: self._over(models, labels, index)})
        return found

    def _over(self, models: Sequence[Any], labels: Matrix, index: Indices) -> Joint:
        columns = sum(view.columns for view in self.views) + labels.shape[1]
        total = np.zeros((columns, columns))
        for block in gathered(len(index), columns):
            some = index[block]
            rows = [view(model[some]) for view, model in zip(self.views, models, strict=True)]
            joint = np.hstack([*rows, labels[some]])
            total += joint.T @ joint
        return Joint(total, len(index))


def as_they_are(sets: Sets) -> Sets:
    return sets


@dataclass(frozen=True, eq=False)
class SetsOfNumbers:
    """Tells by bijections in which set of each order a row is.

    Attributes
    ----------
    rest : Rest
        What trials draw from.
    orders : sequence of Shuffle
    ends : sequence of ndarray of int64
        Of each order, places that sets end before, rising.
    sets : sequence of ndarray of uint16
        Of each order, the number of the set before each end.
    tested : int
        The set of the test rows, in the first order.
    """

    rest: Rest
    orders: Sequence[Shuffle]
    ends: Sequence[Indices]
    sets: Sequence[Sets]
    tested: int

    def __call__(self, rows: Indices) -> Sets:
        drawn = self.rest.places(rows)
        free = drawn >= 0
        found = np.full((len(rows), len(self.orders)), NONE, np.uint16)
        found[~free, 0] = self.tested
        for place, (order, ends, sets) in enumerate(zip(self.orders, self.ends, self.sets, strict=True)):
            which = np.searchsorted(ends, order.places(drawn[free]), side="right")
            found[free, place] = np.append(sets, np.uint16(NONE))[which]
        return found
