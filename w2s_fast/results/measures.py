"""The one table of what fits are measured by on test rows: from predictions, labels and the teacher's predictions.

A new measure is one more entry of ``MEASURES``: ``probe``, ``Task`` and the commands take its name, and every result,
study file, table, CSV file, figure and page shows it for the four fits, with its PGR and OPR.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.float64]
Labels = Literal["numbers", "signs", "zeros and ones", "classes"]
BINS = 15  # of equal width, between confidences 0 and 1, closed above, as Guo et al. 2017 have them
CLIP = float(np.finfo(np.float64).eps)  # how close to 0 and 1 a probability may come in a logarithm, as in scikit-learn


class Sample(NamedTuple):
    """Predictions of fits for test rows, and what they are measured by; leading axes run over fits.

    Attributes
    ----------
    predictions : (..., rows, k) ndarray
        In units of the labels: probabilities where these are 1 and 0.
    labels : (rows, k) ndarray
        One column, or of several classes a column each with 1 in its own; a row's class is the likeliest one where
        labels are probabilities.
    teacher : (..., rows, k) ndarray or None
        What each fit's teacher predicts.
    low : float
        The lower of two values of labels, -1 or 0; the upper is 1.
    """

    predictions: Matrix
    labels: Matrix
    teacher: Matrix | None = None
    low: float = 0.0

    def decisions(self, values: Matrix) -> Matrix | npt.NDArray[np.int64]:
        """Which class (..., rows) is predicted: the first of the largest, or the side of the middle, 0 on it."""
        if values.shape[-1] > 1:
            return np.argmax(values, axis=-1)
        found: Matrix = np.sign(values[..., 0] - (self.low + 1.0) / 2)
        return found

    @property
    def hits(self) -> npt.NDArray[np.bool_]:
        """Whether a row's class is the predicted one (..., rows)."""
        found: npt.NDArray[np.bool_] = self.decisions(self.predictions) == self.decisions(self.labels)
        return found

    @property
    def taught(self) -> Matrix:
        assert self.teacher is not None
        return self.teacher

    def probabilities(self, values: Matrix) -> Matrix:
        """Of each class (..., rows, classes), of predictions or labels."""
        if values.shape[-1] > 1:
            return values
        upper = (values[..., 0] - self.low) / (1.0 - self.low)
        return np.stack((1.0 - upper, upper), axis=-1)

    @property
    def classes(self) -> npt.NDArray[np.int64]:
        """Which class a row has, (rows,)."""
        if self.labels.shape[-1] > 1:
            return np.argmax(self.labels, axis=-1)
        return (self.labels[:, 0] > (self.low + 1.0) / 2).astype(np.int64)


@dataclass(frozen=True)
class Measure:
    """One entry of the table.

    Attributes
    ----------
    label : str
        Names it in tables and figures.
    value : callable
        Takes a :class:`Sample` and returns a number a fit (...,).
    better : {"lower", "higher", "neither"}
        Which values are those of better fits; of what is neither there are no ratios.
    labels : tuple of {"numbers", "signs", "zeros and ones", "classes"}
        For which labels it exists.
    unit : {"risk", "share"}
        Risks are in squared units of the label, or its own; shares between 0 and 1.
    needs_teacher, needs_probabilities, needs_both : bool
        It compares fits with their teacher, and is in doubt where the teacher is; it means nothing but of
        probabilities; it means nothing but where test rows have both values.
    """

    label: str
    value: Callable[[Sample], Matrix]
    better: Literal["lower", "higher", "neither"]
    labels: tuple[Labels, ...]
    unit: Literal["risk", "share"] = "share"
    needs_teacher: bool = False
    needs_probabilities: bool = False
    needs_both: bool = False

    @property
    def rises(self) -> bool:
        return self.better == "higher"


def mean_squared_error(sample: Sample) -> Matrix:
    """Mean over rows of squared errors, those of all classes added up."""
    return _mean_square(sample.predictions - sample.labels)


def brier(sample: Sample) -> Matrix:
    """The mean squared error of probabilities: for labels -1 and 1 a quarter of that of predictions."""
    return mean_squared_error(sample) / (1.0 - sample.low) ** 2


def log_loss(sample: Sample) -> Matrix:
    """Mean of -log of the probability of a row's class, in nats; probabilities are clipped to [eps, 1 - eps]."""
    clipped = np.clip(sample.probabilities(sample.predictions), CLIP, 1.0 - CLIP)
    found: Matrix = -np.einsum("...mk,mk->...", np.log(clipped), sample.probabilities(sample.labels))
    return found / len(sample.labels)


def accuracy(sample: Sample) -> Matrix:
    """Share of rows whose class is the predicted one; a tie of two values is a miss, of several the first wins."""
    return _mean(sample.hits)


def balanced_accuracy(sample: Sample) -> Matrix:
    """Mean over the classes of the test rows of the share that is predicted right."""
    found, codes, counts = np.unique(sample.classes, return_inverse=True, return_counts=True)
    value: Matrix = sample.hits @ (1.0 / (len(found) * counts))[codes]
    return value


def auroc(sample: Sample) -> Matrix:
    """Share of pairs of a row of each value that predictions put in order, ties by half; NaN for rows of one value."""
    upper = sample.classes == 1
    scores = sample.predictions[..., 0]
    found = np.full(scores.shape[:-1], np.nan)
    pairs = 2 * int(upper.sum()) * int((~upper).sum())
    if pairs:
        for place in np.ndindex(found.shape):
            below, above = np.sort(scores[place][~upper]), np.sort(scores[place][upper])
            if not (np.isnan(below[-1]) or np.isnan(above[-1])):  # where NaN would be, sorted
                ordered = np.searchsorted(below, above, "left").sum() + np.searchsorted(below, above, "right").sum()
                found[place] = ordered / pairs
    return found


def calibration_error(sample: Sample) -> Matrix:
    """Expected calibration error of the predicted class: bins of confidence, weighted by their rows."""
    confidence = np.max(sample.probabilities(sample.predictions), axis=-1)
    apart = (sample.hits - confidence).reshape(-1, confidence.shape[-1])
    edges = np.linspace(0.0, 1.0, BINS + 1)[1:-1]
    places = np.searchsorted(edges, confidence, "left").reshape(apart.shape)
    places += BINS * np.arange(len(apart))[:, None]
    sums = np.bincount(places.ravel(), apart.ravel(), BINS * len(apart)).reshape(-1, BINS)
    found: Matrix = np.abs(sums).sum(axis=1).reshape(confidence.shape[:-1]) / confidence.shape[-1]
    return found


def agreement(sample: Sample) -> Matrix:
    """Share of rows for which a fit predicts its teacher's class."""
    return _mean(sample.decisions(sample.predictions) == sample.decisions(sample.taught))


def misfit(sample: Sample) -> Matrix:
    """Mean squared difference from the teacher's predictions, over all classes: what bounds the gain of a student."""
    return _mean_square(sample.predictions - sample.taught)


def _mean(values: npt.NDArray[np.float64] | npt.NDArray[np.bool_]) -> Matrix:
    found: Matrix = np.asarray(np.mean(values, axis=-1))
    return found


def _mean_square(residuals: Matrix) -> Matrix:
    found: Matrix = np.einsum("...mk,...mk->...", residuals, residuals) / residuals.shape[-2]
    return found


TWO: tuple[Labels, ...] = ("signs", "zeros and ones")
CLASSES: tuple[Labels, ...] = (*TWO, "classes")
EVERY: tuple[Labels, ...] = ("numbers", *CLASSES)
MEASURES = {
    "accuracy": Measure("accuracy", accuracy, "higher", CLASSES),
    "balanced_accuracy": Measure("balanced accuracy", balanced_accuracy, "higher", CLASSES),
    "auroc": Measure("AUROC", auroc, "higher", TWO, needs_both=True),
    "mse": Measure("MSE", mean_squared_error, "lower", EVERY, "risk"),
    "brier": Measure("Brier", brier, "lower", CLASSES, "risk"),
    "log_loss": Measure("log loss", log_loss, "lower", CLASSES, "risk", needs_probabilities=True),
    "ece": Measure("ECE", calibration_error, "lower", CLASSES, needs_probabilities=True),
    "agreement": Measure("agreement", agreement, "neither", CLASSES, needs_teacher=True),
    "misfit": Measure("misfit", misfit, "neither", EVERY, "risk", needs_teacher=True),
}
