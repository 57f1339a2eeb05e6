"""Labels as they come: numbers, or names of classes, which become numbers."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from w2s_fast import _arrays, _check
from w2s_fast.linalg.files.matrix import MatrixFile
from w2s_fast.linalg.files.plain import PlainMatrix
from w2s_fast.linalg.files.words import words_in
from w2s_fast.probing.coding import SUM_TO_ONE

Matrix = npt.NDArray[np.float64]
MOST_CLASSES = 1_000  # names that differ in more ways are hardly classes
SHOWN = 5  # of them, in messages


class Labels(NamedTuple):
    """Labels of all rows.

    Attributes
    ----------
    values : (rows, k) ndarray
    has_columns : bool
        Whether they came with an axis of columns, or get one: a class each.
    classes : tuple of str
        Names in order, where labels are names: two are -1 and +1, more a column each, with 1 in its own.
    """

    values: Matrix
    has_columns: bool
    classes: tuple[str, ...] = ()

    @classmethod
    def of(cls, y: Any, name: str, classes: tuple[str, ...] | None = None, whole: bool = False) -> Labels:
        """Check labels; names are to be among the ``classes`` of other rows where these are known.

        ``whole`` takes whole numbers for names of classes, but for -1 and +1, and 0 and 1, and of two columns of
        probabilities the second.
        """
        names = names_of(y, name)
        if names is not None:
            return cls._of_names(names, name, classes)
        given = _check.floats(numbers_of(y, name), name)
        if given.size == 0:
            raise ValueError(f"{name} must not be empty, got shape {given.shape}")
        labels: Matrix = given.astype(np.float64)
        if whole and are_both(labels):
            return cls(labels[:, 1:], False, classes or ())
        if whole and labels.ndim == 1 and np.all(labels == np.floor(labels)):
            found = _whole_classes(labels) if classes is None else classes
            if found:
                return cls._of_names(_as_names(labels), name, found)
        if classes:
            raise _check.ArgumentError(f"{name} must hold names of classes as y does: {_shown(classes)}")
        return cls(labels.reshape(len(labels), -1), labels.ndim == 2)

    @classmethod
    def _of_names(cls, names: npt.NDArray[np.str_], name: str, classes: tuple[str, ...] | None) -> Labels:
        different, which = np.unique(names, return_inverse=True)
        found = tuple(different.tolist())
        if classes is None:
            if not 2 <= len(found) <= MOST_CLASSES:
                raise ValueError(f"{name} must name 2 to {MOST_CLASSES:,} classes, got {len(found):,}: {_shown(found)}")
            classes = found
        elif unknown := sorted(set(found) - set(classes)):
            raise ValueError(f"{name} names classes that y does not: {_shown(unknown)}, beside {_shown(classes)}")
        codes = np.array([classes.index(each) for each in found])[which]
        if len(classes) == 2:
            return cls(np.where(codes == 1, 1.0, -1.0)[:, None], False, classes)
        return cls((codes[:, None] == np.arange(len(classes))).astype(np.float64), True, classes)

    def of_whole(self, values: Matrix) -> Matrix | None:
        """Columns of classes that whole numbers (rows,) name, NaN where they are; None where they name none of them."""
        known = ~np.isnan(values)
        found = np.full((len(values), self.values.shape[1]), np.nan)
        names = _as_names(values[known])
        if np.any(values[known] != np.floor(values[known])) or not set(names.tolist()) <= set(self.classes):
            return None
        found[known] = self._of_names(names, "", self.classes).values
        return found


def numbers_of(y: Any, name: str) -> npt.NDArray[Any]:
    """Numbers (rows,) or (rows, k), in memory or a file."""
    if isinstance(y, str | PathLike):
        return MatrixFile.open(y, name, (1, 2)).array()
    given = _check.numbers(y, name, ndim=1 if np.ndim(y) not in (1, 2) else None)
    mapped = PlainMatrix.of_map(given.reshape(len(given), -1)) if given.size else None
    return given if mapped is None else mapped.read().reshape(given.shape)


def names_of(y: Any, name: str) -> npt.NDArray[np.str_] | None:
    """Names of classes, one a row, in memory or a file; None for what is anything else."""
    if isinstance(y, str | PathLike):
        return words_in(y, name)
    if type(y) is np.ndarray and y.dtype.kind not in "OUT":
        return None
    try:
        found = _arrays.names(y)
    except _arrays.ConversionError as error:
        raise _check.ArgumentError(f"{name} {error}") from None
    if found is not None and found.ndim == 2 and found.shape[1] == 1:
        found = found[:, 0]  # a column of a table
    return found if found is not None and found.ndim == 1 and found.size else None


def are_both(values: Matrix) -> bool:
    """Whether there are probabilities of two classes, which sum to 1 in every row."""
    if values.ndim != 2 or values.shape[1] != 2:
        return False
    return bool(values.min() >= 0.0 and np.abs(values.sum(axis=1) - 1.0).max() <= SUM_TO_ONE)


def _whole_classes(labels: Matrix) -> tuple[str, ...]:
    """Names of classes of whole numbers, in order; none where they are -1 and +1, 0 and 1, too few or too many."""
    found = np.unique(labels)
    is_coded = any(set(found.tolist()) <= two for two in ({-1.0, 1.0}, {0.0, 1.0}))
    return () if is_coded or not 2 <= len(found) <= MOST_CLASSES else tuple(_as_names(found).tolist())


def _as_names(whole: Matrix) -> npt.NDArray[np.str_]:
    return np.array([f"{value:.0f}" for value in (whole + 0.0).tolist()], np.str_)  # -0.0 is 0


def _shown(classes: Sequence[str]) -> str:
    return ", ".join(map(repr, classes[:SHOWN])) + ", ..." * (len(classes) > SHOWN)
