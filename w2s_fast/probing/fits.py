"""What fits have in common: the rows of one model as they see them, sums over these, and predictions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, NamedTuple, Protocol, Self, TypeVar, runtime_checkable

import numpy as np
import numpy.typing as npt

from w2s_fast._cached import cached_property
from w2s_fast.linalg.rows.cutting import gathered
from w2s_fast.linalg.rows.thin import inner_products
from w2s_fast.probing.data import Features, Matrix
from w2s_fast.probing.splits import Indices

T = TypeVar("T")


# Not a Gram: that cuts rows for threads of its own, and checks all that comes. These are sums within a trial, which has
# one thread, over rows that were checked once, in blocks as they are gathered. For 50 rows of 20 columns a Gram takes
# 65 us where this takes 5, for 500 of 50 it takes 149 where this takes 63. Both are solved by one function.
class Sums(NamedTuple):
    """Sums over rows x with labels l: of x x' (p, p) and of x l' (p, c)."""

    gram: Matrix
    moments: Matrix
    n_rows: int

    @classmethod
    def of(cls, rows: Matrix, labels: Matrix) -> Self:
        with np.errstate(over="ignore", invalid="ignore"):  # who solves them refuses what overflowed
            return cls(inner_products(rows, rows), inner_products(rows, labels), len(rows))

    def plus(self, other: Sums) -> Sums:
        return Sums(self.gram + other.gram, self.moments + other.moments, self.n_rows + other.n_rows)

    def of_labels(self, columns: Indices) -> Sums:
        return self._replace(moments=self.moments[:, columns])


FLAWS = ("", "ill-conditioned", "separable", "stalled")  # what a fit may have, the worst last


class Fit(NamedTuple):
    """Weights, and why they are not to be trusted.

    Attributes
    ----------
    weights : (p, c) ndarray
    flaw : str or tuple of str
        One of ``FLAWS`` for all targets together, or for each: nothing, or that the weights hang on rounding, that no
        finite ones are best since classes are separable, or that the iteration ended short of the best.
    chosen : tuple of float
        The ridge that each target chose; empty of fits that choose none.
    """

    weights: Matrix
    flaw: str | tuple[str, ...] = ""
    chosen: tuple[float, ...] = ()

    def flaws(self, targets: int) -> tuple[str, ...]:
        """The flaw of each of so many targets."""
        return (self.flaw,) * targets if isinstance(self.flaw, str) else self.flaw

    @property
    def worst_flaw(self) -> str:
        return self.flaw if isinstance(self.flaw, str) else max(self.flaw, key=FLAWS.index)

    def split(self, count: int) -> list[Fit]:
        """Fits of as many equal groups of targets, each with its worst flaw."""
        weights, chosen = np.split(self.weights, count, axis=1), _groups(self.chosen, count)
        worst = (max(group, key=FLAWS.index) for group in _groups(self.flaws(count), count))
        return [Fit(*parts) for parts in zip(weights, worst, chosen, strict=True)]

    def ridges(self, targets: int) -> Matrix:
        """The ridge that each of so many targets chose, NaN where there was no choice."""
        if not self.chosen:
            return np.full(targets, np.nan)
        return np.repeat(self.chosen, targets // len(self.chosen))  # columns of classes choose together


def _groups(values: tuple[T, ...], count: int) -> list[tuple[T, ...]]:
    """As many equal parts, one after the other."""
    size = len(values) // count
    return [values[place * size : (place + 1) * size] for place in range(count)]


class Estimator(Protocol):
    """A kind of fit; the registry makes one of its penalty and of what labels stand for, a :class:`Coding`.

    It fits several targets side by side: a target is one column of labels, or, of classes, ``coding.columns`` of them.

    Attributes
    ----------
    uses_sums : bool
        Whether sums over the rows serve, where rows are as many as columns: they are then made once for all subsets.
    is_linear : bool
        Whether weights, and with them predictions, are linear in the labels, as decompositions need.
    classifies : bool
        Whether labels must be classes or their probabilities: those of numbers are refused. Its predictions are
        probabilities in units of the labels, ``coding.labels`` of them.
    holds_rows : bool
        Whether it holds all rows of a fit in memory: a trial then gathers them once, for all fits.
    """

    @property
    def uses_sums(self) -> bool: ...

    @property
    def is_linear(self) -> bool: ...

    @property
    def classifies(self) -> bool: ...

    @property
    def holds_rows(self) -> bool: ...

    def fit(
        self,
        learner: Learner,
        index: Indices,
        labels: Callable[[], Matrix],
        sums: Sums | None,
        start: Matrix | None = None,
    ) -> Fit:
        """Fit the labels (m, c) of the rows of ``index``; where their sums are known and safe, neither need be read.

        ``start`` has weights (p, c) to begin from, of the same targets and fewer rows, for fits that iterate.
        """

    def predict(self, rows: Matrix, weights: Matrix) -> Matrix:
        """Predictions (m, c) of weights (p, c) for rows (m, p)."""


@runtime_checkable
class NestingEstimator(Protocol):
    """An estimator that fits samples which contain each other faster together than one by one."""

    def nested_fits(
        self,
        learner: Learner,
        index: Indices,
        labels: Callable[[], Matrix],
        sizes: Sequence[int],
        sums: Sequence[Sums | None],
    ) -> list[Fit]:
        """Fit the labels (m, c) of the first rows of ``index``, of each size."""


@dataclass(frozen=True, eq=False)
class View:
    """How fits see rows of a model.

    Attributes
    ----------
    live : ndarray of bool
        Columns that matter.
    mean : ndarray or None
        Of these, to be subtracted beside an intercept, which is then a column of ones behind them.
    """

    live: npt.NDArray[np.bool_]
    mean: Matrix | None

    @cached_property
    def columns(self) -> int:
        return int(self.live.sum()) + (self.mean is not None)

    def __call__(self, rows: npt.NDArray[Any]) -> Matrix:
        if not self.live.all():
            rows = rows[:, self.live]
        if self.mean is None:
            return rows.astype(np.float64, copy=False)
        extended = np.empty((len(rows), self.columns))
        extended[:, -1] = 1.0
        np.subtract(rows, self.mean, out=extended[:, :-1])
        return extended


@dataclass(frozen=True, eq=False)
class Learner:
    """One model, as its fits see it: rows in float64, without columns that cannot matter; centred, then [x, 1].

    A column that is zero in every row (constant, beside an intercept) has no weight in any minimum-norm or ridge fit.
    Centring by one mean for all subsets changes no fit with an intercept, and keeps sums of squares from cancelling.
    """

    train: Features
    test: Features
    estimator: Estimator
    intercept: bool
    held: tuple[Indices, Matrix] | None = None  # rows that were gathered, and which

    def holding(self, index: Indices) -> Learner:
        """Gather rows, to be read by slices of ``index``, where fits hold them anyway."""
        return replace(self, held=(index, self.rows(index))) if self.estimator.holds_rows else self

    @cached_property
    def live(self) -> npt.NDArray[np.bool_]:
        """Columns that matter."""
        return (self.train.low != self.train.high) | ((self.train.low != 0) & (not self.intercept))

    @cached_property
    def view(self) -> View:
        return View(self.live, self.train.mean[self.live] if self.intercept else None)

    @property
    def columns(self) -> int:
        return self.view.columns

    def rows(self, index: Indices, test: bool = False) -> Matrix:
        """Rows (m, p) of the training or the test features, not to be written to."""
        if self.held is not None and not test and (place := _place_in(index, self.held[0])) is not None:
            return self.held[1][place : place + len(index)]
        return self.view((self.test if test else self.train).take(index))

    def sums(self, index: Indices, labels: Matrix) -> Sums:
        total = Sums(np.zeros((self.columns, self.columns)), np.zeros((self.columns, labels.shape[1])), 0)
        for block in gathered(len(index), self.columns):
            total = total.plus(Sums.of(self.rows(index[block]), labels[block]))
        return total

    def sums_of(self, index: Indices, labels: Matrix) -> Sums | None:
        """Sums over rows on their own, where they serve."""
        return self.sums(index, labels) if self.estimator.uses_sums and len(index) >= self.columns else None

    def moments(self, index: Indices, labels: Matrix) -> Matrix:
        """Sums over rows x with labels l of x l' (p, c) alone."""
        total = np.zeros((self.columns, labels.shape[1]))
        for block in gathered(len(index), self.columns):
            total += inner_products(self.rows(index[block]), labels[block])
        return total

    def prefix_sums(self, index: Indices, labels: Matrix, sizes: Sequence[int]) -> list[Sums]:
        """Sums over the first ``size`` rows for each of the rising sizes, in one pass."""
        found = [self.sums(index[: sizes[0]], labels[: sizes[0]])]
        for start, stop in pairwise(sizes):
            found.append(found[-1].plus(self.sums(index[start:stop], labels[start:stop])))
        return found

    def fit(self, index: Indices, labels: Callable[[], Matrix], sums: Sums | None, start: Matrix | None = None) -> Fit:
        """Fit the labels (m, c) of the rows of ``index``, of which sums may be known, and weights to begin from."""
        return self.estimator.fit(self, index, labels, sums, start)

    def nested_fits(
        self, index: Indices, labels: Callable[[], Matrix], sizes: Sequence[int], sums: Iterable[Sums | None]
    ) -> list[Fit]:
        """Fit the labels (m, c) of the first rows of ``index``, of each of the rising sizes."""
        if isinstance(self.estimator, NestingEstimator):
            return self.estimator.nested_fits(self, index, labels, sizes, list(sums))
        found: list[Fit] = []
        for size, known in zip(sizes, sums, strict=True):
            start = found[-1].weights if found else None
            found.append(self.fit(index[:size], lambda of=size: labels()[:of], known, start))  # type: ignore[misc]
        return found

    def predict(self, index: Indices, weights: Matrix) -> Matrix:
        """Predictions (m, c) of weights (p, c) for training rows."""
        predicted = np.empty((len(index), weights.shape[1]))
        for block in gathered(len(index), self.columns):
            predicted[block] = self.estimator.predict(self.rows(index[block]), weights)
        return predicted

    def test_predictions(self, weights: Matrix, index: Indices) -> Iterator[tuple[slice, Matrix]]:
        """Predictions (m, c, k) of weights (c, p, k) for the test rows of ``index``, block by block."""
        c, p, k = weights.shape
        stacked = np.ascontiguousarray(np.moveaxis(weights, 1, 0)).reshape(p, c * k)
        for block in gathered(len(index), max(p, c * k)):
            yield block, self.estimator.predict(self.rows(index[block], test=True), stacked).reshape(-1, c, k)


def _place_in(part: Indices, whole: Indices) -> int | None:
    """Where a slice of an array begins in it; None of what is none."""
    if part.base is None or part.base is not (whole if whole.base is None else whole.base) or not len(part):
        return None
    if part.strides != whole.strides:
        return None
    first = (part.__array_interface__["data"][0] - whole.__array_interface__["data"][0]) // whole.itemsize
    return first if 0 <= first <= len(whole) - len(part) else None
