"""A study on real data as callers describe it: rows to train on, what to test on, and how to fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from os import PathLike
from typing import Any, Self

import numpy as np

from w2s_fast import _check
from w2s_fast._cached import cached_property
from w2s_fast._display import Shown
from w2s_fast._random import stream
from w2s_fast.probing import drawing
from w2s_fast.probing.coding import NUMBERS, Coding
from w2s_fast.probing.data import LARGEST_LABEL, Matrix, Rows
from w2s_fast.probing.drawing import TESTED, Pool, Rest, Shuffle
from w2s_fast.probing.estimators.chosen import Grid
from w2s_fast.probing.estimators.registry import estimator_of, kind_of
from w2s_fast.probing.fits import Estimator
from w2s_fast.probing.noise import Noise
from w2s_fast.probing.options import PseudoLabels, Ridge, fit_name, in_words, one_or_two, ridge_of
from w2s_fast.probing.scores import Scoring, are_of_classes, measure_names, require_measures
from w2s_fast.probing.splits import DRAWN, Indices, Splits
from w2s_fast.results.measures import MEASURES
from w2s_fast.results.risks import CEILINGS, Ceiling

TEST = (1,)  # coordinate of the random stream that splits off the test rows


@dataclass(frozen=True, eq=False, repr=False)
class Task(Shown):
    """A study on real data: rows to train on, what to test on, and how to fit. Made by :meth:`Task.of`."""

    rows: Rows
    test: Rows | float | int
    ridge: Ridge | tuple[Ridge, Ridge]  # of every fit, or the teacher's and the student's
    intercept: bool = False
    nested: bool = True
    label_noise: float = 0.0
    fit: str | tuple[str, str] = "ridge"  # by its name among the estimators, likewise
    splits: Splits = DRAWN
    pseudo_labels: PseudoLabels = "soft"
    confident: float = 1.0  # share of pseudo-labelled rows that students see
    rounds: int = 1
    flips: float = 0.0
    noise_once: bool = False
    noise_on_test: bool = False
    metrics: tuple[str, ...] = ()  # asked for, by their names among the measures
    ceiling: Ceiling = "all"

    @classmethod
    def of(
        cls,
        weak: Any,
        strong: Any,
        y: Any,
        test: Any = 0.2,
        ridge: Any = 1e-6,
        *,
        fit: str | tuple[str, str] = "ridge",
        choose: str = "leave-one-out",
        pseudo_labels: PseudoLabels = "soft",
        confident: float = 1.0,
        rounds: int = 1,
        intercept: bool = False,
        nested: bool = True,
        label_noise: float = 0.0,
        flips: float = 0.0,
        noise_once: bool = False,
        noise_on_test: bool = False,
        labelled: Any = None,
        pseudo_labelled: Any = None,
        metrics: str | Sequence[str] = (),
        ceiling: Ceiling = "all",
    ) -> Self:
        """Check the arguments of :func:`w2s_fast.probe` that describe the data and the fits."""
        _check.choice(pseudo_labels, "pseudo_labels", "soft", "hard", "sign")
        _check.choice(choose, "choose", "leave-one-out", "held-out")
        how: dict[str, Any] = {
            "ridge": one_or_two(ridge, "ridge", partial(ridge_of, choose=choose)),
            "fit": one_or_two(fit, "fit", fit_name),
            "pseudo_labels": pseudo_labels,
            "confident": _check.real(confident, "confident", maximum=1.0, open_left=True),
            "rounds": _check.integer(rounds, "rounds", minimum=1),
            "label_noise": _check.real(label_noise, "label_noise", maximum=LARGEST_LABEL),
            "flips": _check.real(flips, "flips", maximum=1.0),
        }
        flags = {"nested": nested, "intercept": intercept, "noise_once": noise_once, "noise_on_test": noise_on_test}
        how |= {name: _check.boolean(flag, name) for name, flag in flags.items()}
        _check.choice(ceiling, "ceiling", *CEILINGS)
        how |= {"ceiling": ceiling, "metrics": measure_names(metrics)}
        whole = _need_classes(how["fit"], pseudo_labels, how["confident"], how["flips"])
        whole |= are_of_classes(how["metrics"])
        rows = Rows.checked(weak, strong, y, whole=whole)
        if isinstance(pseudo_labelled, tuple | list) and not _is_index(pseudo_labelled):
            above, rows = len(rows), rows.above(_more_rows(pseudo_labelled, rows, "pseudo_labelled", whole))
            labelled = np.arange(above) if labelled is None else labelled
            pseudo_labelled = np.arange(above, len(rows))
        rows.refuse_constant()
        splits = Splits.of(labelled, pseudo_labelled, test if _is_index(test) else None, len(rows))
        held = len(splits.test) if splits.test is not None else _checked_test(test, rows, whole)
        task = cls(rows, held, splits=splits, **how)
        task.require_sense()
        return task

    def require_sense(self) -> None:
        """Refuse fits, pseudo-labels and metrics that these labels do not go with."""
        _ = self.estimators  # which refuse labels that they cannot take
        classifies = any(estimator.classifies for estimator in self.estimators)
        if self.pseudo_labels == "sign" and self.coding.kind != "signs":
            raise ValueError("pseudo_labels='sign' needs labels -1 and +1, or names of two classes: use 'hard'")
        if self.pseudo_labels == "hard":
            self.coding.require_classes("pseudo_labels='hard'", "'soft'")
        if self.confident < 1.0:
            self.coding.require_classes("confident", "confident=1, which leaves no row out")
        if self.flips:
            self.coding.require_classes("flips", "label_noise")
        if self.label_noise and (classifies or self.flips):
            raise ValueError("label_noise is Gaussian, which leaves no classes: give flips instead, a share of labels")
        require_measures(self.metrics, self.coding.kind, self.has_probabilities)

    def of_pair(self, teacher: str, student: str) -> Self:
        """The same task of one teacher and one student alone."""
        test = self.test.of_pair(teacher, student) if isinstance(self.test, Rows) else self.test
        return replace(self, rows=self.rows.of_pair(teacher, student), test=test)

    @property
    def fits(self) -> tuple[str, str]:
        """Names of the teacher's and the student's kind of fit."""
        return self.fit if isinstance(self.fit, tuple) else (self.fit, self.fit)

    @property
    def ridges(self) -> tuple[Ridge, Ridge]:
        """The teacher's and the student's."""
        return self.ridge if isinstance(self.ridge, tuple) else (self.ridge, self.ridge)

    @property
    def has_grid(self) -> bool:
        """Whether fits choose their ridge among several."""
        return any(isinstance(ridge, Grid) for ridge in self.ridges)

    @property
    def noise(self) -> Noise:
        """How labels are made noisy."""
        return Noise(self.label_noise, self.flips, self.noise_once, self.noise_on_test)

    @cached_property
    def coding(self) -> Coding:
        """What labels stand for."""
        return Coding.of([self.rows.labels, *([self.test.labels] if isinstance(self.test, Rows) else [])])

    @property
    def estimators(self) -> tuple[Estimator, Estimator]:
        """The teacher's and the student's."""
        coding = self.coding
        teacher, student = map(partial(estimator_of, coding=coding), self.fits, self.ridges)
        return teacher, student

    @property
    def has_probabilities(self) -> bool:
        """Whether every fit predicts probabilities, and every teacher that is given says nothing else."""
        (teacher, student), low = self.estimators, self.scoring.low
        own, held = self.rows.teachers.values(), self.test.teachers.values() if isinstance(self.test, Rows) else ()
        teach = all(
            np.min(one.low) >= low and np.max(one.high) <= 1.0 if one.are_predictions else teacher.classifies
            for one in (*own, *held)
        )
        return student.classifies and teach

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
        """Whether columns of classes are one target: where metrics are asked for, or options need classes."""
        asked = bool(self.metrics) or _need_classes(self.fit, self.pseudo_labels, self.confident, self.flips)
        return asked and self.coding.kind == "classes"

    @property
    def scoring(self) -> Scoring:
        """What fits are measured by, beside their errors: the accuracy where labels are of classes, and what was asked.

        Signs have -1 for their lower value.
        """
        coding, joint = self.coding, self.are_classes_joint
        always = ("accuracy",) if self.has_two_values or joint else ()
        measures = tuple(name for name in MEASURES if name in (*always, *self.metrics))
        return Scoring(coding.columns if joint else 1, -1.0 if coding.kind == "signs" else 0.0, measures)

    def pseudo_labels_of(self, predictions: Matrix) -> Matrix:
        """What students get of a teacher's predictions (m, c)."""
        return predictions if self.pseudo_labels == "soft" else self.coding.hard(predictions)

    def split(self, seed: int) -> tuple[tuple[Pool, ...], Rows, Indices]:
        """Rows that trials may draw from (one pool, or labelled and pseudo-labelled ones), and the test rows.

        The latter as what they are rows of, and which.
        """
        total = len(self.rows)
        if total > drawing.LISTED and self.splits.is_drawn and self.splits.test is None:
            return self._split_by_bijection(seed)
        free = self.splits.left(total)
        if isinstance(self.test, Rows):
            return self.splits.pools(free), self.test, np.arange(len(self.test))
        if self.splits.test is not None:
            return self.splits.pools(free), self.rows, self.splits.test
        count = self._test_count()
        if count > len(free):
            raise ValueError(
                f"test takes {count:,} rows, but {len(free):,} are left beside labelled and pseudo_labelled: give test "
                "its rows, or fewer"
            )
        order = stream(seed, TEST, 0).permutation(free)
        return self.splits.pools(np.sort(order[count:])), self.rows, np.sort(order[:count])

    def _split_by_bijection(self, seed: int) -> tuple[tuple[Pool, ...], Rows, Indices]:
        """The same of so many rows that only those that are tested on are listed."""
        order = Shuffle.of(len(self.rows), seed, (TESTED,), 0)
        if isinstance(self.test, Rows):
            return (Rest(order, 0),), self.test, np.arange(len(self.test))
        rest = Rest(order, self._test_count())
        return (rest,), self.rows, rest.test_rows()

    def _test_count(self) -> int:
        """How many rows are set aside to test on."""
        assert not isinstance(self.test, Rows)
        total = len(self.rows)
        count = max(1, round(self.test * total)) if isinstance(self.test, float) else self.test
        if self.splits.is_drawn and count >= total:
            raise ValueError(f"test takes {count:,} rows of {total:,}, which leaves none to train on")
        return count

    def told(self) -> dict[str, str]:
        count = len(self.test) if isinstance(self.test, Rows) else self.test
        test = f"{count:g} of the rows" if isinstance(count, float) else f"{count:,} rows"
        flags = {"intercept": self.intercept, "drawn anew at each point": not self.nested}
        apart = {"labelled": self.splits.labelled, "pseudo-labelled": self.splits.pseudo_labelled}
        told = {f"{kind} from": f"{len(index):,} rows" for kind, index in apart.items() if index is not None}
        fits = dict.fromkeys(f"{name} {in_words(ridge)}" for name, ridge in zip(self.fits, self.ridges, strict=True))
        told |= {"test": test, "fit": ", ".join(fits), "label noise": str(self.noise)}
        surest = f"the surest {self.confident:g}" if self.confident < 1.0 else ""
        kind = self.pseudo_labels if self.pseudo_labels != "soft" or surest else ""
        told |= {"pseudo-labels": f"{kind} {surest}".strip(), "rounds": f"{self.rounds}" if self.rounds > 1 else ""}
        return self.rows.told() | told | {name: "yes" for name, flag in flags.items() if flag}


def _need_classes(fit: str | tuple[str, str], pseudo_labels: str, confident: float, flips: float) -> bool:
    """Whether something takes labels of classes alone."""
    names = fit if isinstance(fit, tuple) else (fit,)
    classify = any(kind_of(name)(1.0, NUMBERS).classifies for name in names)
    return classify or pseudo_labels != "soft" or confident < 1.0 or flips > 0.0


def _is_index(given: Any) -> bool:
    """Whether rows are told by their numbers or a mask, and not by features and labels of their own, or how many."""
    if isinstance(given, tuple | list):
        return len(given) > 0 and all(isinstance(row, int | np.integer | np.bool_) for row in given)
    return isinstance(given, str | PathLike) or (given is not None and np.ndim(given) == 1)


def _checked_test(test: Any, rows: Rows, whole: bool) -> Rows | float | int:
    if isinstance(test, tuple | list):
        return _more_rows(test, rows, "test", whole)
    if isinstance(test, float | np.floating):
        return _check.real(test, "test", maximum=1.0, open_left=True)
    if isinstance(test, int | np.integer):
        return _check.integer(test, "test", minimum=1)
    raise TypeError(f"test must be row numbers, (weak, strong, y), a share or a number of rows, got {test!r}")


def _more_rows(given: Any, rows: Rows, name: str, whole: bool) -> Rows:
    """Rows of their own, (weak, strong, y), of the same models."""
    if len(given) != 3:
        raise ValueError(f"{name} must be (weak, strong, y), got {len(given)} items")
    weak, strong, y = given
    held = Rows.checked(weak, strong, y, f" of {name}", rows.classes, whole)
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
