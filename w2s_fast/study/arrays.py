"""A study as arrays with named axes, for xarray."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from w2s_fast._frames import data_set
from w2s_fast.results.metrics import is_difference
from w2s_fast.study.base import BaseStudy

Values = npt.NDArray[Any]


class Layout(NamedTuple):
    """How scenarios, or points, lie along named axes: in which order, and where they are."""

    names: tuple[str, ...]
    shape: tuple[int, ...]
    order: Values
    coordinates: dict[str, Any]


def data_set_of(study: BaseStudy) -> Any:
    """Make the xarray.Dataset that ``Study.to_xarray`` describes."""
    scenarios, points = _scenarios(study), _points(study)
    names, shape = scenarios.names + points.names, scenarios.shape + points.shape

    def laid_out(values: Values, *more: str) -> tuple[tuple[str, ...], Values]:
        """Name the axes of values that run over places, and over what ``more`` says."""
        rest = values.shape[1:]
        by_point = values.reshape(len(scenarios.order), len(points.order), *rest)
        return names + more, by_point[:, points.order].reshape(*shape, *rest)

    variables = {name: laid_out(values) for name, values in _values(study)}
    coordinates = scenarios.coordinates | points.coordinates
    kept = study.measured.kept
    if kept is not None and study.is_complete:
        columns = zip(study.measured.columns, np.moveaxis(study.measured.trials(), -1, 0), strict=True)
        variables |= {f"{name}_by_trial": laid_out(a, "trial") for name, a in columns if not is_difference(name)}
        seeds = [np.full(study.measured.done(seed)[0], seed) for seed in sorted(kept)]
        coordinates["seed"] = ("trial", np.concatenate(seeds))
    return data_set(variables, coordinates, {"title": study.title})


def _values(study: BaseStudy) -> Iterator[tuple[str, Values]]:
    """Yield what there is at every place, by name."""
    yield "trials", study.counts
    for metric, (mean, stderr) in study.summary().items():
        yield metric, mean
        yield f"{metric}_stderr", stderr
    theories = [scenario.theory(study.n, study.N) for scenario in study.scenarios]
    for name, found in (
        ("expected", [theory.expected for theory in theories]),
        ("expected_order", [theory.order for theory in theories]),
        ("paper_bound", [theory.bounds for theory in theories]),
    ):
        unknown = np.full(len(study.points), np.nan)
        for metric in dict.fromkeys(metric for by_metric in found for metric in by_metric):
            yield f"{metric}_{name}", np.concatenate([by_metric.get(metric, unknown) for by_metric in found])


def _points(study: BaseStudy) -> Layout:
    """Along n and N where every n has every N; else one after the other."""
    n, N = np.unique(study.n), np.unique(study.N)
    if len(n) * len(N) == len(study.points):
        return Layout(("n", "N"), (len(n), len(N)), np.lexsort((study.N, study.n)), {"n": n, "N": N})
    order = np.arange(len(study.points))
    return Layout(("point",), order.shape, order, {"n": ("point", study.n), "N": ("point", study.N)})


def _scenarios(study: BaseStudy) -> Layout:
    """Along the axes that the study varies where these are crossed; else one after the other."""
    found, order = [scenario.description.axes for scenario in study.scenarios], np.arange(len(study.scenarios))
    along = {axis: [values.get(axis, 0.0) for values in found] for axis in study.axes}
    distinct = {axis: list(dict.fromkeys(values)) for axis, values in along.items()}
    fixed = {axis: value for axis, value in found[0].items() if axis not in along}
    if list(itertools.product(*distinct.values())) == list(zip(*along.values(), strict=True)) or not along:
        shape = tuple(map(len, distinct.values()))
        return Layout(tuple(distinct), shape if along else (), order, fixed | distinct)
    return Layout(("scenario",), order.shape, order, fixed | {axis: ("scenario", along[axis]) for axis in along})
