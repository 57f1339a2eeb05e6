"""What summaries of trials hold, written for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from w2s_fast._display import Cell, facts, html_points, html_record, record, spread, with_error
from w2s_fast.results.metrics import column_name, is_difference

Matrix = npt.NDArray[np.float64]
Sizes = npt.NDArray[np.int64]


class Estimate(NamedTuple):
    """A mean over trials and its standard error (ddof = 1), NaN for a single trial."""

    mean: Matrix
    stderr: Matrix

    def __repr__(self) -> str:
        return record(self)

    def _repr_html_(self) -> str:
        return html_record(self)


class Quartiles(NamedTuple):
    """Lower quartile, median and upper quartile over trials, each a value of some trial; NaN where there is none."""

    lower: Matrix
    median: Matrix
    upper: Matrix

    @classmethod
    def of(cls, values: Matrix) -> Self:
        """Take them over the last axis, of values that have a few levels, as ridges of a grid."""
        return cls(*np.quantile(values, (0.25, 0.5, 0.75), axis=-1, method="inverted_cdf"))

    def in_words(self, place: Any) -> str:
        """Write those of one point, such as ``0.1 [0.1, 10]``; nothing where there is none."""
        lower, median, upper = (float(part[place]) for part in self)
        return "" if np.isnan(median) else f"{median:.4g} [{lower:.4g}, {upper:.4g}]"

    def __repr__(self) -> str:
        return record(self)


def in_brief(found: Estimate) -> str:
    """Mean ± standard error, or the range of several means."""
    return spread(np.asarray(found.mean)) if np.ndim(found.mean) else _cell(found)(())


def _cell(found: Estimate) -> Cell:
    mean, stderr = map(np.asarray, found)
    return lambda place: with_error(float(mean[place]), float(stderr[place]))


class Summary(dict[str, Estimate]):
    """Mean and standard error of each metric, by its name: a dictionary that prints as a table."""

    def __repr__(self) -> str:
        return estimates(type(self).__name__, self)

    def _repr_html_(self) -> str:
        return html_estimates(type(self).__name__, self)


def estimates(name: str, found: Mapping[str, Estimate]) -> str:
    """Write means with their standard errors, or the range of means over points."""
    shape = _shape_of(found)
    head = f"{name} at points of shape {shape}" if shape else name
    return facts(head, {metric: in_brief(estimate) for metric, estimate in found.items()})


def _shape_of(found: Mapping[str, Estimate]) -> tuple[int, ...]:
    return np.shape(next(iter(found.values())).mean) if found else ()


def html_estimates(
    title: str, found: Mapping[str, Estimate], leading: Mapping[str, Cell] | None = None, *, by_label: bool = False
) -> str:
    """Write a row a point, with ``leading`` columns in front; metrics by their names, or as tables head them."""
    columns = {column_name(name) if by_label else name: _cell(estimate) for name, estimate in found.items()}
    return html_points(title, {**(leading or {}), **columns}, _shape_of(found))


def trial_columns(n: Sizes, N: Sizes, values: Mapping[str, Matrix]) -> dict[str, npt.NDArray[Any]]:
    """Lay out values of every trial, of shape points (+ label columns) + (trials,), as columns of one table."""
    shape = next(iter(values.values())).shape
    extra = (1,) * (len(shape) - n.ndim)
    columns = {"n": n.reshape(n.shape + extra), "N": N.reshape(N.shape + extra), "trial": np.arange(shape[-1])}
    if len(extra) > 1:
        columns["column"] = np.arange(shape[-2])[:, None]
    found = {name: np.broadcast_to(column, shape).ravel() for name, column in columns.items()}
    return found | {name: column.ravel() for name, column in values.items() if not is_difference(name)}
