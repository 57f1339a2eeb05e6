"""Scenarios of a study: its source at every value of its further axes; and the registry of kinds of source."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from importlib import import_module
from typing import Any

import numpy as np

from w2s_fast import _check
from w2s_fast.gaussian.simulate import Method
from w2s_fast.results.risks import CEILINGS, Ceiling
from w2s_fast.study.source import AXES, Source

# Kinds of source by their names in study files, and where they are: a study of a Gaussian model does not load what
# studies of real features take. They are asked in this order whether something is theirs.
KINDS = {
    "gaussian": ("w2s_fast.study.gaussian_source", "GaussianSource"),
    "features": ("w2s_fast.study.features_source", "FeaturesSource"),
}


def kind_named(name: str) -> type[Source]:
    """A kind of source by its name in study files."""
    module, kind = KINDS[name]
    found: type[Source] = getattr(import_module(module), kind)
    return found


def scenarios_of(given: Any, method: Method, ceiling: Ceiling | None = None, **axes: Any) -> list[Source]:
    """Cross the given axes, and pairs of models; those that are None stay as the source has them, as the ceiling."""
    if ceiling is not None:
        _check.choice(ceiling, "ceiling", *CEILINGS)
    fixed = {} if ceiling is None else {"ceiling": ceiling}
    values = {name: _values(value, name) for name, value in axes.items() if value is not None}
    kind = _kind_of(given)
    combinations = itertools.product(kind.parts(given), *values.values())
    return [kind.of(part, method, dict(zip(values, chosen, strict=True)) | fixed) for part, *chosen in combinations]


def _kind_of(given: Any) -> type[Source]:
    for kind in map(kind_named, KINDS):
        if kind.accepts(given):
            return kind
    raise TypeError(
        f"source must be a GaussianModel, a Task or a function that makes models, got {type(given).__name__}"
    )


def _values(values: Any, axis: str) -> list[Any]:
    if np.asarray(values).dtype == np.bool_:
        raise TypeError(f"{axis} must be numbers, got {values!r}")
    flat = np.atleast_1d(_check.floats(values, axis)).ravel()
    if flat.size == 0 or len(set(flat.tolist())) < flat.size:
        raise ValueError(f"{axis} must be one or several distinct numbers, got {values!r}")
    if axis == "d_shared":
        if np.any(flat != np.floor(flat)):
            raise TypeError(f"d_shared must be whole numbers, got {values!r}")
        return [int(value) for value in flat]
    return [_check.real(value, axis) for value in flat]


def varied_axes(scenarios: Sequence[Source]) -> list[str]:
    """Further axes on which scenarios differ."""
    return [axis for axis in AXES if len({scenario.description.axes.get(axis) for scenario in scenarios}) > 1]
