"""A study on real data as callers describe it: rows to train on, what to test on, and how to fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from os import PathLike
from typing import Any, Self

import numpy as np

from w2s_fast import _check
from w2s_fast._display import Shown
from w2s_fast._random import stream
from w2s_fast.probing.coding import Coding
from w2s_fast.probing.data import LARGEST_LABEL, Rows
from w2s_fast.probing.scores import Scoring, checked_measures
from w2s_fast.probing.splits import DRAWN, Indices, Splits
from w2s_fast.results.measures import MEASURES
from w2s_fast.results.risks import CEILINGS, Ceiling

TEST = (1,)  # coordinate of the random stream that splits off the test rows


@dataclass(frozen=True, eq=False, repr=False)
class Task(Shown):
    """A study on real data: rows to train on, what to test on, and how to fit. Made by :meth:`Task.of`."""

    rows: Rows
    test: Rows | float | int
    ridge: float
    intercept: bool = False
    nested: bool = True
    label_noise: float = 0.0
    fit: str = "ridge"  # by its name among the estimators
    splits: Splits = DRAWN
    metrics: tuple[str, ...] = ()  # asked for, by their names among the measures
    ceiling: Ceiling = "all"

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
        labelled: Any = None,
        pseudo_labelled: Any = None,
        metrics: str | Sequence[str] = (),
        ceiling: Ceiling = "all",
    ) -> Self:
        """Check the arguments of :func:`w2s_fast.probe` that describe the data."""
        rows = Rows.checked(weak, strong, y)
        if isinstance(pseudo_labelled, tuple | list) and not _is_index(pseudo_labelled):
            above, rows = len(rows), rows.above(_more_rows(pseudo_labelled, rows, "pseudo_labelled"))
            labelled = np.arange(above) if labelled is None else labelled
            pseudo_labelled = np.arange(above, len(rows))
        rows.refuse_constant()
        intercept, nested = _check.boolean(intercept, "intercept"), _check.boolean(nested, "nested")
        ridge, label_noise = _check.real(ridge, "ridge"), _check.real(label_noise, "label_noise", maximum=LARGEST_LABEL)
        splits = Splits.of(labelled, pseudo_labelled, test if _is_index(test) else None, len(rows))
        held = len(splits.test) if splits.test is not None else _checked_test(test, rows)
        _check.choice(ceiling, "ceiling", *CEILINGS)
        task = cls(rows, held, ridge, intercept, nested, label_noise, splits=splits, ceiling=ceiling)
        return replace(task, metrics=checked_measures(metrics, task.coding.kind, False))

    @property
    def coding(self) -> Coding:
        """What labels stand for."""
        return Coding.of([each.labels for each in (self.rows, self.test) if isinstance(each, Rows)])

    @property
    def has_signs(self) -> bool:
        """Whether every label is +1 or -1, those of test rows too: there are accuracies."""
        return self.rows.has_signs and (not isinstance(self.test, Rows) or self.test.has_signs)

    @property
    def has_two_values(self) -> bool:
        """Whether labels are +1 and -1, or 1 and 0, those of test rows too: there are accuracies."""
        held = self.test if isinstance(self.test, Rows) else self.rows
        return self.has_signs or (self.rows.has_zeros_and_ones and held.has_zeros_and_ones)

    @property
    def has_one_target(self) -> bool:
        """Whether all columns of labels are one target, and not problems of their own."""
        return not self.rows.has_columns or self.are_classes_joint

    @property
    def are_classes_joint(self) -> bool:
        """Whether columns of classes are one target: where metrics are asked for."""
        return self.coding.kind == "classes" and bool(self.metrics)

    @property
    def scoring(self) -> Scoring:
        """What fits are measured by, beside their errors: the accuracy where labels are of classes, and what was asked.

        Signs have -1 for their lower value.
        """
        coding, joint = self.coding, self.are_classes_joint
        always = ("accuracy",) if self.has_two_values or joint else ()
        measures = tuple(name for name in MEASURES if name in (*always, *self.metrics))
        return Scoring(coding.columns if joint else 1, -1.0 if coding.kind == "signs" else 0.0, measures)

    def split(self, seed: int) -> tuple[tuple[Indices, ...], Rows, Indices]:
        """Rows that trials may draw from (one pool, or labelled and pseudo-labelled ones), and the test rows.

        The latter as what they are rows of, and which.
        """
        total, free = len(self.rows), self.splits.left(len(self.rows))
        if isinstance(self.test, Rows):
            return self.splits.pools(free), self.test, np.arange(len(self.test))
        if self.splits.test is not None:
            return self.splits.pools(free), self.rows, self.splits.test
        count = max(1, round(self.test * total)) if isinstance(self.test, float) else self.test
        if self.splits.is_drawn and count >= total:
            raise ValueError(f"test takes {count:,} rows of {total:,}, which leaves none to train on")
        if count > len(free):
            raise ValueError(
                f"test takes {count:,} rows, but {len(free):,} are left beside labelled and pseudo_labelled: give test "
                "its rows, or fewer"
            )
        order = stream(seed, TEST, 0).permutation(free)
        return self.splits.pools(np.sort(order[count:])), self.rows, np.sort(order[:count])

    def told(self) -> dict[str, str]:
        count = len(self.test) if isinstance(self.test, Rows) else self.test
        test = f"{count:g} of the rows" if isinstance(count, float) else f"{count:,} rows"
        noise = f"{self.label_noise:g}" if self.label_noise else ""
        flags = {"intercept": self.intercept, "drawn anew at each point": not self.nested}
        apart = {"labelled": self.splits.labelled, "pseudo-labelled": self.splits.pseudo_labelled}
        told = {f"{kind} from": f"{len(index):,} rows" for kind, index in apart.items() if index is not None}
        told |= {"test": test, "fit": f"{self.fit} {self.ridge:g}", "label noise": noise}
        return self.rows.told() | told | {name: "yes" for name, flag in flags.items() if flag}


def _is_index(given: Any) -> bool:
    """Whether rows are told by their numbers or a mask, and not by features and labels of their own, or how many."""
    if isinstance(given, tuple | list):
        return len(given) > 0 and all(isinstance(row, int | np.integer | np.bool_) for row in given)
    return isinstance(given, str | PathLike) or (given is not None and np.ndim(given) == 1)


def _checked_test(test: Any, rows: Rows) -> Rows | float | int:
    if isinstance(test, tuple | list):
        return _more_rows(test, rows, "test")
    if isinstance(test, float | np.floating):
        return _check.real(test, "test", maximum=1.0, open_left=True)
    if isinstance(test, int | np.integer):
        return _check.integer(test, "test", minimum=1)
    raise TypeError(f"test must be row numbers, (weak, strong, y), a share or a number of rows, got {test!r}")


def _more_rows(given: Any, rows: Rows, name: str) -> Rows:
    """Rows of their own, (weak, strong, y), of the same models."""
    if len(given) != 3:
        raise ValueError(f"{name} must be (weak, strong, y), got {len(given)} items")
    weak, strong, y = given
    held = Rows.checked(weak, strong, y, f" of {name}", rows.classes)
    mine, theirs = (
        [
            {name: features.values.shape[1] for name, features in models.items()}
            for models in (data.teachers, data.students)
        ]
        + [data.labels.shape[1]]
        for data in (rows, held)
    )
    if mine != theirs:
        raise ValueError(f"{name} has widths {_widths(theirs)}, the other rows {_widths(mine)}")
    return held


def _widths(found: list[Any]) -> str:
    *models, labels = found
    features = ", ".join(f"{name} {width}" for widths in models for name, width in widths.items())
    return f"({features}, y {labels})"
