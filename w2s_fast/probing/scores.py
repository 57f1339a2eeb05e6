"""How well fits predict the labels of test rows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from w2s_fast.probing.data import Matrix

Predicted = Iterable[tuple[slice, Matrix]]  # some test rows, and predictions (rows, c, k) for them, block by block


class Scores(NamedTuple):
    """Of c fits to each of k labels, on test rows."""

    errors: Matrix  # mean squares (c, k)
    hits: Matrix  # shares of rows whose label is on the prediction's side of the threshold (c, k)
    predictions: Matrix | None  # (c, k, rows), where asked for


def scored(predicted: Predicted, fits: int, labels: Matrix, *, keep: bool, threshold: float) -> Scores:
    """Score predictions of so many fits for all test rows, whose labels are (m, k).

    Errors come from residuals: sums would cancel small ones. A hit is a prediction on the label's side of the
    threshold.
    """
    rows, k = labels.shape
    squares, hits = np.zeros((fits, k)), np.zeros((fits, k))
    predictions = np.empty((fits, k, rows)) if keep else None
    for block, values in predicted:
        truth = labels[block, None, :]
        if predictions is not None:
            predictions[:, :, block] = np.moveaxis(values, 0, -1)
        hits += np.sum((values - threshold) * (truth - threshold) > 0, axis=0)
        residuals = values - truth
        squares += np.einsum("mck,mck->ck", residuals, residuals)
    return Scores(squares / rows, hits / rows, predictions)
