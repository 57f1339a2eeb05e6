"""Teachers known by what they predict: weak labels of rows, in place of features to fit them on."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from w2s_fast import _check
from w2s_fast._display import Shown
from w2s_fast.probing.labels import Labels, are_both, names_of, numbers_of

Matrix = npt.NDArray[np.float64]


class Predictions(Shown):
    """What a teacher predicts for each row, given to :func:`w2s_fast.probe` in place of its features.

    Nothing is fitted to it: in a trial it labels the N rows as given, and n only tells how many rows baseline and
    ceiling have.

    Parameters
    ----------
    values : (rows,) or (rows, k) array_like, or path
        Predictions in units of the labels, as many columns; or names of classes, as labels have them. Of classes also
        probabilities: a column each, in the order of their names, of two classes (rows, 2) too. NaN where there are
        none: such rows may be labelled, but neither pseudo-labelled nor tested on.
    probabilities : bool, optional
        Whether one column has probabilities of the second class, or its numbers 0 and 1, which matters where labels are
        -1 and +1, or names of two classes. Has to be told where all predictions lie between 0 and 1.

    Examples
    --------
    >>> import numpy as np
    >>> from w2s_fast import Predictions, probe
    >>> rng = np.random.default_rng(0)
    >>> strong = rng.standard_normal((1000, 5))
    >>> y = np.where(strong[:, 0] > 0, 1, -1)
    >>> weak_labels = np.where(rng.random(1000) < 0.3, -y, y)  # three in ten are wrong
    >>> result = probe(Predictions(weak_labels), strong, y, n=100, N=500, trials=5)
    >>> bool(result.accuracy.weak.mean() < 0.75), bool(result.accuracy.w2s.mean() > 0.85)
    (True, True)
    """

    def __init__(self, values: Any, *, probabilities: bool | None = None) -> None:
        self.values = values
        self.probabilities = None if probabilities is None else _check.boolean(probabilities, "probabilities")

    def told(self) -> dict[str, str]:
        return {"of rows": f"{len(self.values):,}" if hasattr(self.values, "__len__") else str(self.values)}

    def columns(self, name: str, labels: Labels) -> Matrix:
        """Check them; return columns as the labels have them, or, of two classes, the probabilities of both."""
        k = labels.values.shape[1]
        names = names_of(self.values, name)
        if names is not None:
            if not labels.classes:
                raise _check.ArgumentError(f"{name} names classes, y does not: give predictions as y has its labels")
            return Labels.of(names, name, labels.classes).values
        found = _check.floats(numbers_of(self.values, name), name, finite=False).astype(np.float64)
        if np.isinf(found).any():
            raise ValueError(f"{name} has {int(np.isinf(found).sum()):,} infinite prediction(s)")
        found = found.reshape(len(found), -1)
        if found.shape[1] == 1 and labels.classes and (columns := labels.of_whole(found[:, 0])) is not None:
            return columns
        if self.probabilities is None and found.shape[1] == k == 1:
            _require_units(found, name, labels)
        if self.probabilities and found.shape[1] == k == 1:
            found = np.hstack((1.0 - found, found))
        if found.shape[1] != k:
            _require_probabilities(found, name, k)
        return found


def _require_units(found: Matrix, name: str, labels: Labels) -> None:
    """Refuse predictions between 0 and 1 of labels -1 and +1, of which none is for the former."""
    known = found[~np.isnan(found)]
    are_signs = bool(np.all(np.abs(labels.values) == 1.0))
    if are_signs and known.size and 0.0 <= known.min() < 0.5 and known.max() <= 1.0:
        two = " and ".join(map(repr, labels.classes)) or "-1 and +1"
        raise ValueError(
            f"{name} has predictions from 0 to 1, y has {two}: pass Predictions(..., probabilities=True) if they are "
            "of the second class, probabilities=False if in units of -1 and +1; or give labels of 0 and 1"
        )


def _require_probabilities(found: Matrix, name: str, k: int) -> None:
    """Refuse what is no pair of probabilities for each row."""
    if found.shape[1] != 2 or k != 1:
        raise ValueError(f"{name} must have a column of predictions for each of y, {k}, got {found.shape[1]}")
    known = found[~np.isnan(found).any(axis=1)]
    if len(known) and not are_both(known):
        raise ValueError(f"{name} has two columns, which must be probabilities of both classes that sum to 1")
