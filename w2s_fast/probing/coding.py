"""What the numbers of labels stand for: values, one of two classes, or probabilities of classes, a column each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Self

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.float64]
Kind = Literal["numbers", "signs", "zeros and ones", "classes"]
SUM_TO_ONE = 1e-6  # by how much probabilities of a row may miss 1, as those of float32 do


@dataclass(frozen=True)
class Coding:
    """How labels are written.

    Attributes
    ----------
    kind : {"numbers", "signs", "zeros and ones", "classes"}
        Signs are -1 or +1, zeros and ones may be probabilities of the second class, and classes have a column each, of
        probabilities that sum to 1 in a row.
    columns : int
        Of one target: as many as classes, else 1.
    """

    kind: Kind = "numbers"
    columns: int = 1

    @classmethod
    def of(cls, labels: Sequence[Matrix]) -> Self:
        """Tell by all labels (rows, k) that there are, those of test rows too."""
        if all(np.all(np.abs(each) == 1.0) for each in labels):
            return cls("signs")
        if any(each.min() < 0.0 or each.max() > 1.0 for each in labels):
            return cls()
        k = labels[0].shape[1]
        if k > 1 and all(np.allclose(each.sum(axis=1), 1.0, rtol=0.0, atol=SUM_TO_ONE) for each in labels):
            return cls("classes", k)
        return cls("zeros and ones")

    def require_classes(self, what: str, instead: str) -> None:
        """Refuse labels that are neither classes nor probabilities, for what needs them."""
        if self.kind == "numbers":
            raise ValueError(
                f"{what} needs labels of classes: names, -1 and +1, 0 and 1, whole numbers, or probabilities; y has "
                f"other numbers: use {instead}"
            )

    def probabilities(self, labels: Matrix) -> Matrix:
        """Labels or predictions (m, c) as probabilities; what is beyond them, as some of ridge are, is cut to them.

        Of zeros and ones, and of signs, those of the second class. The columns of a row's classes sum to 1.
        """
        found = np.clip((labels + 1.0) / 2.0 if self.kind == "signs" else labels, 0.0, 1.0)
        if self.kind != "classes":
            return found
        each = found.reshape(len(found), -1, self.columns)
        total = each.sum(axis=2, keepdims=True)
        each = np.divide(each, total, out=np.full_like(each, 1.0 / self.columns), where=total > 0.0)
        return each.reshape(found.shape)

    def labels(self, probabilities: Matrix) -> Matrix:
        """Probabilities (m, c) in units of the labels."""
        return 2.0 * probabilities - 1.0 if self.kind == "signs" else probabilities

    def hard(self, predictions: Matrix) -> Matrix:
        """Labels of the class that each prediction (m, c) is for, the first of several that are as likely."""
        if self.kind != "classes":
            second, first = 1.0, -1.0 if self.kind == "signs" else 0.0
            return np.where(predictions > self.middle, second, first)
        each = predictions.reshape(len(predictions), -1, self.columns)
        found = each.argmax(axis=2)[:, :, None] == np.arange(self.columns)
        return found.astype(np.float64).reshape(predictions.shape)

    def confidence(self, predictions: Matrix) -> Matrix:
        """How sure predictions (m, c) are of their class, (m, targets): the largest of classes, else |p - middle|."""
        if self.kind != "classes":
            return np.abs(predictions - self.middle)
        return predictions.reshape(len(predictions), -1, self.columns).max(axis=2)

    @property
    def middle(self) -> float:
        """Between the two classes of one column."""
        return 0.5 if self.kind == "zeros and ones" else 0.0


NUMBERS = Coding()
