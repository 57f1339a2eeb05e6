"""The loss of logistic regression and its gradient, in one pass over blocks of rows on threads.

Weights (p, K) are of K >= 3 classes, or K = 1 column of two. Within a block classes lie before the rows, so that
reductions over them run along vector registers. One pass serves several fits to the same first rows: these are then
read once, and products of matrices take the place of products with vectors, which wait for memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from w2s_fast._check import FloatArray
from w2s_fast.linalg.rows.cutting import FEW_FACTORS, PRODUCT_ROWS, THIN_ROWS
from w2s_fast.linalg.rows.products import Matrix, over_rows, times, total
from w2s_fast.linalg.rows.thin import images, inner_products

FEW_CLASSES = 3  # whose products of chances take a quarter of the time that calls of BLAS for each fit would


class Value(NamedTuple):
    """What one pass found.

    Attributes
    ----------
    loss : float
        Cross-entropy of all rows, and the penalty.
    gradient : (p, K) ndarray
    coupling : (K, K) ndarray
        Mean of diag(p) - p p' over the rows, or of p (1 - p).
    lag : float
        Sum over the rows of the largest logit less the mean one under the targets: 0 where weights separate the rows.
    spread : float
        Sum over the rows of the largest logit less the least one.
    """

    loss: float
    gradient: Matrix
    coupling: Matrix
    lag: float
    spread: float


@dataclass(frozen=True, eq=False)
class Objective:
    """Sum over rows of the cross-entropy between targets and softmax(X W), plus penalty_j |W_j|^2 / 2 of each weight.

    Attributes
    ----------
    rows : (m, p) ndarray
    targets : (m, K) ndarray
        Probabilities of the classes, or (m, 1) of the second of two.
    penalty : (p, 1) ndarray
    precision : dtype
        Of products; sums over blocks are in float64.
    """

    rows: FloatArray
    targets: FloatArray
    penalty: Matrix
    precision: Any = np.float64

    def rounded(self, rows: FloatArray | None = None) -> Objective:
        """The same in float32, of which the rows may be known."""
        return replace(self, rows=rounded(self.rows) if rows is None else rows, precision=np.float32)

    def at(self, weights: Matrix) -> Value:
        return values([Question(self, weights)])[0]

    def _value(self, weights: Matrix, sums: Matrix) -> Value:
        """What the sums over all rows tell."""
        p, classes = weights.shape
        gradient, squares, (loss, lag, spread) = np.split(sums, (p * classes, p * classes + classes**2))
        shrunk = self.penalty * weights
        loss += 0.5 * float(np.vdot(weights, shrunk))
        coupling = squares.reshape(classes, classes) / len(self.rows)
        return Value(float(loss), gradient.reshape(p, classes) + shrunk, coupling, float(lag), float(spread))

    def chances(self, weights: Matrix) -> Matrix:
        """Probabilities of the classes (m, K), or of the second of two (m, 1)."""
        logits = np.ascontiguousarray(times(self.rows, weights).T)
        return np.ascontiguousarray(_chances(logits[None])[0][0].T, np.float64)

    def hessian_times(self, chances: Matrix, step: Matrix) -> Matrix:
        """The Hessian where chances are these, times a step (p, K)."""
        found = total(partial(_turned, step), self.rows, chances, factors=step.shape[1])
        return np.asarray(found + self.penalty * step)


class Question(NamedTuple):
    """For the value of an objective at some weights."""

    objective: Objective
    weights: Matrix

    @property
    def kind(self) -> tuple[Any, ...]:
        """Equal for those that one pass can answer: of one shape, to more or fewer of the same first rows."""
        rows = self.objective.rows
        first = rows.__array_interface__["data"][0], rows.strides, rows.dtype
        return *first, self.objective.precision, self.weights.shape

    @property
    def sums_like(self) -> tuple[Any, ...]:
        """Equal for those whose sums over the same rows are, as when several fits begin with the same weights."""
        targets = self.objective.targets
        return targets.__array_interface__["data"][0], targets.strides, self.weights.tobytes()


def values(questions: Sequence[Question]) -> list[Value]:
    """Answer questions of one kind in one pass."""
    order = sorted(range(len(questions)), key=lambda place: -len(questions[place].objective.rows))
    asked = [questions[place] for place in order]
    longest, classes = asked[0].objective, asked[0].weights.shape[1]
    sizes = [len(question.objective.rows) for question in asked]
    alike: dict[Any, int] = {}
    uses = [alike.setdefault(question.sums_like, len(alike)) for question in asked] if len(asked) > 1 else [0]
    first = [asked[uses.index(place)] for place in range(max(uses) + 1)]
    cast = [question.weights.astype(longest.precision, copy=False) for question in first]
    fits = Fits(np.hstack(cast) if len(cast) > 1 else cast[0], [one.objective.targets for one in first], sizes, uses)
    ends = sorted(set(sizes)) if len(asked) > 1 else ()
    places = np.arange(sizes[0])
    factors = len(first) * classes
    most = THIN_ROWS if factors < FEW_FACTORS else PRODUCT_ROWS
    found = total(partial(_block, fits), longest.rows, places, factors=factors, longest=most, ends=ends)
    answers = (one.objective._value(one.weights, sums) for one, sums in zip(asked, found, strict=True))
    in_turn = dict(zip(order, answers, strict=True))
    return [in_turn[place] for place in range(len(questions))]


class Fits(NamedTuple):
    """Fits to the same first rows, those to most rows first.

    Attributes
    ----------
    weights : (p, J K) ndarray
        All that differ.
    targets : list of (size, K) ndarray
        Of each of these, as many as some fit with them has.
    sizes : list of int
        Of the fits.
    uses : list of int
        Which of the weights each fit has, the first before others.
    """

    weights: FloatArray
    targets: list[FloatArray]
    sizes: list[int]
    uses: list[int]


def rounded(array: FloatArray) -> FloatArray:
    """The array in float32."""
    if array.dtype == np.float32:
        return array
    copy = np.empty(array.shape, np.float32)
    for _ in over_rows(_copy, array, copy, factors=1):
        pass
    return copy


def _copy(source: FloatArray, target: FloatArray) -> None:
    np.copyto(target, source)


def _block(fits: Fits, rows: FloatArray, places: npt.NDArray[np.int64]) -> Matrix:
    """Gradient, coupling, loss, lag and spread of some rows, one behind the other, for each fit (J, ...).

    They are 0 of fits to rows before these alone.
    """
    rows, precision = rows.astype(fits.weights.dtype, copy=False), fits.weights.dtype
    block = slice(int(places[0]), int(places[-1]) + 1)
    uses = [use for use, size in zip(fits.uses, fits.sizes, strict=True) if size > block.start]
    targets = [of_fit[block].T for of_fit in fits.targets[: max(uses) + 1]]
    count, p, classes = len(targets), rows.shape[1], len(targets[0])
    logits = np.ascontiguousarray(images(rows, fits.weights[:, : count * classes]).T).reshape(count, classes, -1)
    wanted = np.stack(targets[:1] if _is_one(targets) else targets, dtype=precision, casting="same_kind")
    pulled = np.einsum("jkm,jkm->jm", logits, wanted)
    chances, rest, high, low = _chances(logits)
    coupling = np.eye(classes) * chances.sum(axis=2)[:, None] - _squares(chances)
    chances -= wanted
    gradient = inner_products(rows, chances.reshape(count * classes, -1).T)
    own = np.empty((count, (p + classes) * classes + 3))
    own[:, : p * classes] = gradient.reshape(p, count, classes).transpose(1, 0, 2).reshape(count, -1)
    own[:, p * classes : -3] = coupling.reshape(count, -1)
    lag = np.sum(high - pulled, axis=1, dtype=np.float64)
    own[:, -3] = np.sum(rest, axis=1, dtype=np.float64) + lag
    own[:, -2], own[:, -1] = lag, np.sum(high - low, axis=1, dtype=np.float64)
    found = np.zeros((len(fits.sizes), own.shape[1]))
    found[: len(uses)] = own[uses]
    return found


def _squares(chances: FloatArray) -> FloatArray:
    """Sums over the rows of p p' of each fit (J, K, K), of chances (J, K, m)."""
    if chances.shape[1] <= FEW_CLASSES:
        return np.asarray(np.einsum("jkm,jlm->jkl", chances, chances))
    return np.stack([inner_products(own.T, own.T) for own in chances])


def _is_one(targets: Sequence[FloatArray]) -> bool:
    """Whether all are the same numbers in memory."""
    first = targets[0].__array_interface__
    return all(other.__array_interface__ == first for other in targets[1:])


def _turned(step: Matrix, rows: FloatArray, chances: Matrix) -> FloatArray:
    rows = rows.astype(step.dtype, copy=False)
    moved = images(rows, step)
    if step.shape[1] == 1:
        moved *= chances * (1.0 - chances)
    else:
        moved -= np.einsum("mk,mk->m", moved, chances)[:, None]
        moved *= chances
    return inner_products(rows, moved)


def _chances(logits: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Chances (J, K, m) of the classes, and (J, m) the loss beyond the largest logit, that logit and the least one.

    The logit of the first of two classes is 0.
    """
    if logits.shape[1] == 1:
        logit = logits[:, 0]
        small = np.exp(-np.abs(logit))
        chances = np.where(logit > 0.0, logit.dtype.type(1.0), small) / (1.0 + small)
        return chances[:, None], np.log1p(small), np.maximum(logit, 0.0), np.minimum(logit, 0.0)
    high, low = logits.max(axis=1), logits.min(axis=1)
    chances = np.exp(logits - high[:, None])
    whole = chances.sum(axis=1)
    chances /= whole[:, None]
    return chances, np.log(whole), high, low
