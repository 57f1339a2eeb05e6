"""Shapes of rows and their labels, as a Gram matrix expects them of every block."""

from __future__ import annotations

from w2s_fast import _check
from w2s_fast._check import FloatArray

Shape = tuple[int, tuple[int, ...] | None]  # columns of X, shape of one row's labels


def label_columns(labels: FloatArray, rows: FloatArray) -> tuple[FloatArray, tuple[int, ...]]:
    """Check labels (m,) or (m, k); return them with a column axis, and the shape of one row's labels."""
    if labels.ndim not in (1, 2):
        raise ValueError(f"Y must have 1 or 2 dimensions, got shape {labels.shape}")
    _check.same_rows(X=rows, Y=labels)
    if labels.ndim == 2:
        return labels, labels.shape[1:]
    # A column of several has other strides than one alone, and BLAS other bits for it.
    return (labels if labels.flags.c_contiguous else labels.copy())[:, None], ()


def refuse_other_shape(came: Shape, before: tuple[int | None, tuple[int, ...] | None]) -> None:
    """Refuse rows of another shape than the first ones had, if there were some."""
    (columns, label_shape), (expected, expected_labels) = came, before
    if expected is None:
        return
    if columns != expected:
        raise ValueError(f"X has {columns:,} columns, the rows before have {expected:,}")
    if label_shape != expected_labels:
        both = label_shape, expected_labels
        mine, theirs = ("no Y" if shape is None else f"Y of shape {('rows', *shape)}" for shape in both)
        raise ValueError(f"these rows have {mine}, the ones before {theirs}")
