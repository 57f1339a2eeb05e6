"""How well fits predict the labels of test rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Self

import numpy as np

from w2s_fast import _check
from w2s_fast.probing.data import Matrix
from w2s_fast.results.measures import MEASURES, Sample

Predicted = Iterable[tuple[slice, Matrix]]  # some test rows, and predictions (rows, c, k) for them, block by block
TOGETHER = 2**23  # predictions that are held at a time where measures need those of all test rows, 64 MB


@dataclass(frozen=True, eq=False)
class Scoring:
    """What fits are measured by on the test rows.

    Attributes
    ----------
    columns : int
        Of labels that are one target: as many as classes, or 1.
    low : float
        The lower of two values of labels, -1 or 0.
    measures : tuple of str
        Names in the table of measures.
    """

    columns: int = 1
    low: float = 0.0
    measures: tuple[str, ...] = ()

    @property
    def of_all_rows(self) -> list[str]:
        """Measures that need the predictions for all test rows; an accuracy is counted block by block."""
        return [name for name in self.measures if name != "accuracy"]

    @property
    def needs_teacher(self) -> bool:
        return any(MEASURES[name].needs_teacher for name in self.measures)

    def of(self, predictions: Matrix, labels: Matrix, teacher: Matrix | None = None) -> Sample:
        """Predictions and labels as measures take them."""
        return Sample(predictions, labels, teacher, self.low)


class Scores(NamedTuple):
    """Of c fits to each of t targets, on test rows.

    Attributes
    ----------
    errors : (c, t) ndarray
        Mean squared errors, those of several columns of a target added up.
    values : mapping of str to (teachers or 1, c, t) ndarray
        Each measure, those that compare fits with their teacher for every teacher.
    predictions : (c, k, rows) ndarray or None
        Where asked for.
    """

    errors: Matrix
    values: Mapping[str, Matrix]
    predictions: Matrix | None

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """Scores of fits, one after the other."""
        if len(parts) == 1:
            return parts[0]
        values = {name: np.concatenate([part.values[name] for part in parts], axis=1) for name in parts[0].values}
        kept: list[Any] = [part.predictions for part in parts]
        predictions = None if kept[0] is None else np.concatenate(kept)
        return cls(np.concatenate([part.errors for part in parts]), values, predictions)


@dataclass(frozen=True, eq=False)
class Taught:
    """Predictions (t, s, k, rows) of t teachers that made s sets of pseudo-labels, and the set of each fit."""

    predictions: Matrix
    of_fit: Sequence[int] = field(default_factory=list)

    def at(self, fits: slice) -> list[Matrix]:
        """Predictions (fits, k, rows) of each teacher, for some fits."""
        return [each[list(self.of_fit[fits])] for each in self.predictions]


def score(
    predicted: Callable[[slice], Predicted],
    fits: int,
    labels: Matrix,
    scoring: Scoring,
    *,
    keep: bool = False,
    taught: Taught | None = None,
) -> Scores:
    """Score so many fits on all test rows, whose labels are (m, k), from the predictions of some of the fits.

    Fits that nobody ``taught`` are compared with themselves.
    """
    step = max(1, TOGETHER // labels.size) if scoring.of_all_rows else fits
    parts = []
    for first in range(0, fits, step):
        part = slice(first, min(first + step, fits))
        teachers = [] if taught is None else taught.at(part)
        parts.append(_scored(predicted(part), part.stop - first, labels, scoring, keep, teachers))
    return Scores.joined(parts)


def _scored(
    predicted: Predicted, fits: int, labels: Matrix, scoring: Scoring, keep: bool, teachers: Sequence[Matrix]
) -> Scores:
    """Score fits block by block. Errors come from residuals: sums would cancel small ones."""
    (rows, k), columns = labels.shape, scoring.columns
    squares, hits = np.zeros((fits, k)), np.zeros((fits, k // columns))
    kept = np.empty((fits, k, rows)) if keep or scoring.of_all_rows else None
    for block, values in predicted:
        truth = labels[block, None, :]
        if kept is not None:
            kept[:, :, block] = np.moveaxis(values, 0, -1)
        if "accuracy" in scoring.measures:
            sample = scoring.of(_by_target(values, columns), _by_target(truth, columns))
            hits += np.sum(sample.hits, axis=0)
        residuals = values - truth
        squares += np.einsum("mck,mck->ck", residuals, residuals)
    errors = squares / rows if columns == 1 else squares.reshape(fits, -1, columns).sum(axis=2) / rows
    measured = {} if kept is None else _measured(kept, labels, scoring, teachers)
    if "accuracy" in scoring.measures:
        measured["accuracy"] = (hits / rows)[None]
    return Scores(errors, measured, kept if keep else None)


def _by_target(values: Matrix, columns: int) -> Matrix:
    """Columns (..., k) as those of each target (..., t, columns)."""
    return values.reshape(*values.shape[:-1], -1, columns)


def _measured(kept: Matrix, labels: Matrix, scoring: Scoring, teachers: Sequence[Matrix]) -> dict[str, Matrix]:
    """Every measure (teachers or 1, c, t) that needs the predictions (c, k, m) of all rows."""
    found: dict[str, Any] = {}
    targets = range(0, labels.shape[1], scoring.columns)
    for name in scoring.of_all_rows:
        measure = MEASURES[name]
        found[name] = [
            [
                measure.value(
                    scoring.of(_rows_of(kept, part), labels[:, part], None if of is None else _rows_of(of, part))
                )
                for part in (slice(first, first + scoring.columns) for first in targets)
            ]
            for of in ((teachers or [kept]) if measure.needs_teacher else [None])
        ]
    return {name: np.moveaxis(np.array(values), 1, -1) for name, values in found.items()}


def _rows_of(kept: Matrix, target: slice) -> Matrix:
    """Predictions (c, m, columns) of one target."""
    return np.swapaxes(kept[:, target], 1, 2)


def measure_names(given: Any) -> tuple[str, ...]:
    """Check names of measures; return each once, in the order of the table."""
    names = (given,) if isinstance(given, str) else given
    if not isinstance(names, tuple | list) or not all(isinstance(name, str) for name in names):
        raise TypeError(f"metrics must be names such as ('accuracy', 'brier'), got {given!r}")
    for name in names:
        _check.choice(name, "metrics", *MEASURES)
    return tuple(name for name in MEASURES if name in names)


def are_of_classes(measures: Sequence[str]) -> bool:
    """Whether one of them takes labels of classes alone."""
    return any("numbers" not in MEASURES[name].labels for name in measures)


def require_measures(measures: Sequence[str], kind: str, has_probabilities: bool) -> None:
    """Refuse measures that are none of labels of a kind, or of such fits."""
    for name in measures:
        measure = MEASURES[name]
        if kind not in measure.labels:
            raise ValueError(f"metrics: {name!r} is of labels that are {' or '.join(measure.labels)}, got {kind}")
        if measure.needs_probabilities and not has_probabilities:
            raise ValueError(
                f"metrics: {name!r} is of probabilities, which not every fit here predicts: leave it out, or take a "
                "fit that classifies, such as fit='softmax'"
            )


def require_both(measures: Sequence[str], labels: Matrix) -> None:
    """Refuse test rows (m, k) of one value for measures that compare two."""
    for name in measures:
        if MEASURES[name].needs_both and np.any(labels.min(axis=0) == labels.max(axis=0)):
            raise ValueError(f"metrics: {name!r} needs test rows of both values, got {len(labels):,} of one")
