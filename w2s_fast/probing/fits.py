"""Linear fits of one model to subsets of rows: by sums over the rows where these are safe, else by the rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from w2s_fast._cached import cached_property
from w2s_fast.linalg.leastsq.gram_solve import solve_gram
from w2s_fast.linalg.leastsq.min_norm import MinNorm
from w2s_fast.linalg.leastsq.policy import EPS64, Cutoff
from w2s_fast.linalg.rows.cutting import gathered
from w2s_fast.probing.data import Features, Indices, Matrix

CONSTANT = 8  # units in the last place: a column that varies by less among the rows of a fit is constant there
WORST_CONDITION = 1e7  # beyond, two correct float64 implementations agree to less than 6 digits


# Not a Gram: that cuts rows for threads of its own, and checks all that comes. These are sums within a trial, which has
# one thread, over rows that were checked once, in blocks as they are gathered. Both are solved by one function.
class Sums(NamedTuple):
    """Sums over rows x with labels l: of x x' (p, p) and of x l' (p, c)."""

    gram: Matrix
    moments: Matrix
    n_rows: int

    @classmethod
    def of(cls, rows: Matrix, labels: Matrix) -> Self:
        with np.errstate(over="ignore", invalid="ignore"):  # solve_gram refuses what overflows
            return cls(rows.T @ rows, rows.T @ labels, len(rows))

    def plus(self, other: Sums) -> Sums:
        return Sums(self.gram + other.gram, self.moments + other.moments, self.n_rows + other.n_rows)

    def of_labels(self, columns: Indices) -> Sums:
        return self._replace(moments=self.moments[:, columns])


class Fit(NamedTuple):
    """Weights (p, c), and whether they hang on rounding."""

    weights: Matrix
    ill_conditioned: bool


class Scores(NamedTuple):
    """Of c fits to each of k labels, on test rows."""

    errors: Matrix  # mean squares (c, k)
    hits: Matrix  # shares of rows whose label has the sign of the prediction (c, k)
    predictions: Matrix | None  # (c, k, rows), where asked for


@dataclass(frozen=True, eq=False)
class Learner:
    """One model, as its fits see it: rows in float64, without columns that cannot matter; centred, then [x, 1].

    A column that is zero in every row (constant, beside an intercept) has no weight in any minimum-norm or ridge fit.
    Centring by one mean for all subsets changes no fit with an intercept, and keeps sums of squares from cancelling.
    """

    train: Features
    test: Features
    ridge: float
    intercept: bool

    @cached_property
    def live(self) -> npt.NDArray[np.bool_]:
        """Columns that matter."""
        return (self.train.low != self.train.high) | ((self.train.low != 0) & (not self.intercept))

    @property
    def columns(self) -> int:
        return int(self.live.sum()) + self.intercept

    def rows(self, index: Indices, test: bool = False) -> Matrix:
        """Rows (m, p) of the training or the test features."""
        rows = (self.test if test else self.train).take(index)
        if not self.live.all():
            rows = rows[:, self.live]
        if not self.intercept:
            return rows.astype(np.float64, copy=False)
        extended = np.ones((len(rows), self.columns))
        np.subtract(rows, self.train.mean[self.live], out=extended[:, :-1])
        return extended

    def sums(self, index: Indices, labels: Matrix) -> Sums:
        total = Sums(np.zeros((self.columns, self.columns)), np.zeros((self.columns, labels.shape[1])), 0)
        for block in gathered(len(index), self.columns):
            total = total.plus(Sums.of(self.rows(index[block]), labels[block]))
        return total

    def prefix_sums(self, index: Indices, labels: Matrix, sizes: Sequence[int]) -> list[Sums]:
        """Sums over the first ``size`` rows for each of the rising sizes, in one pass."""
        found = [self.sums(index[: sizes[0]], labels[: sizes[0]])]
        for start, stop in pairwise(sizes):
            found.append(found[-1].plus(self.sums(index[start:stop], labels[start:stop])))
        return found

    def fit(self, index: Indices, labels: Callable[[], Matrix], sums: Sums | None) -> Fit:
        """Fit the labels (m, c) of the rows of ``index``; where their sums are known and safe, neither is read."""
        if sums is not None and sums.n_rows >= self.columns:
            try:
                return Fit(self._by_sums(sums), False)
            except np.linalg.LinAlgError:
                pass  # the rows themselves can still be trusted
        return self._by_rows(*self._short(index, labels()))

    def _short(self, index: Indices, labels: Matrix) -> tuple[Matrix, Matrix]:
        """Rows and labels, or, where they are many, as many of each as columns, by rotations that change no fit."""
        steps = list(gathered(len(index), self.columns))
        if len(steps) < 2 or len(index) < 2 * self.columns:
            return self.rows(index), labels
        short: Any = np.empty((0, self.columns + labels.shape[1]))
        for step in steps:
            short = np.linalg.qr(np.vstack((short, np.hstack((self.rows(index[step]), labels[step])))), mode="r")
        return short[: self.columns, : self.columns], short[: self.columns, self.columns :]

    def _by_sums(self, sums: Sums) -> Matrix:
        gram, moments, n_rows = sums
        if not self.intercept:
            return solve_gram(gram, moments, self.ridge)
        mean, label_mean = gram[:-1, -1] / n_rows, moments[-1] / n_rows
        squares = gram[:-1, :-1]
        scatter = squares - np.outer(mean, gram[-1, :-1])
        peak, left = np.diagonal(squares), np.diagonal(scatter)
        if np.any(left <= _rounding(n_rows) * peak):
            raise np.linalg.LinAlgError("a column is constant among these rows, or nearly so: the rows can tell")
        weights = solve_gram(scatter, moments[:-1] - np.outer(mean, moments[-1]), self.ridge, peak + self.ridge)
        return np.vstack((weights, label_mean - mean @ weights))

    def _by_rows(self, rows: Matrix, labels: Matrix) -> Fit:
        if not self.intercept:
            return self._fit(MinNorm.of_stored(rows, self.ridge, self.train.values.dtype), labels)
        rows, ones = rows[:, :-1], rows[:, -1]  # rotated, these are ones no more: centring projects them out
        mean, label_mean = ones @ rows / (ones @ ones), ones @ labels / (ones @ ones)
        centred = rows - np.outer(ones, mean)
        drift = ones @ centred / (ones @ ones)  # what rounding left in the mean
        centred -= np.outer(ones, drift)
        mean += drift
        came = rows + np.outer(ones, self.train.mean[self.live])  # as they were stored
        stored = Cutoff.of(self.train.values.dtype, rows.shape, None).stored
        sizes, as_stored, left = (np.linalg.norm(X, axis=0) for X in (rows, came, centred))
        centred[:, left <= np.maximum(CONSTANT * EPS64 * sizes, stored * as_stored)] = 0.0
        factor = MinNorm.of_stored(centred, self.ridge, self.train.values.dtype, came)
        weights, ill_conditioned = self._fit(factor, labels - np.outer(ones, label_mean))
        return Fit(np.vstack((weights, label_mean - mean @ weights)), ill_conditioned)

    @staticmethod
    def _fit(factor: MinNorm, labels: Matrix) -> Fit:
        return Fit(np.asarray(factor.solve(labels), np.float64), not factor.condition <= WORST_CONDITION)

    def scores(self, weights: Matrix, index: Indices, labels: Matrix, keep: bool) -> Scores:
        """Errors of weights (c, p, k) on test rows with labels (m, k), from residuals: sums would cancel small ones."""
        c, p, k = weights.shape
        stacked = np.ascontiguousarray(np.moveaxis(weights, 1, 0)).reshape(p, c * k)
        squares, hits = np.zeros((c, k)), np.zeros((c, k))
        predictions = np.empty((c, k, len(index))) if keep else None
        for block in gathered(len(index), max(p, c * k)):
            said = (self.rows(index[block], test=True) @ stacked).reshape(-1, c, k)
            truth = labels[block, None, :]
            if predictions is not None:
                predictions[:, :, block] = np.moveaxis(said, 0, -1)
            hits += np.sum(said * truth > 0, axis=0)
            said -= truth
            squares += np.einsum("mck,mck->ck", said, said)
        return Scores(squares / len(index), hits / len(index), predictions)


def _rounding(rows: int) -> float:
    """Of a sum over so many rows, relative to the sum of magnitudes."""
    return CONSTANT * rows * EPS64
