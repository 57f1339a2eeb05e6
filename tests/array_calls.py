"""Calls that read rows by blocks, wherever these lie, and the rows that tests of them read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from w2s_fast import (
    CoMoments,
    Gram,
    Moments,
    Subspace,
    correlation_dimension,
    intrinsic_dimension,
    lstsq,
    min_norm,
    predict_gap,
    principal_angles,
    projected_correlation_dimension,
)
from w2s_fast.linalg.rows.base import Rows

ROWS, COLUMNS = 700, 24
X = np.random.default_rng(0).standard_normal((ROWS, COLUMNS)) * np.linspace(2.0, 0.1, COLUMNS)
Y = np.random.default_rng(1).standard_normal((ROWS, 2))
HEIGHTS = (100, 1, 249, 250, 100)


class Here(Rows):
    """Blocks of given heights, read on one machine."""

    def __init__(self, array: Any, heights: tuple[int, ...] = HEIGHTS) -> None:
        self.array, self.heights, self.shape = array, heights, array.shape

    def read(self, step: int) -> Any:
        return iter(np.split(self.array, np.cumsum(self.heights)[:-1]))


def _gram(X: Any, Y: Any, how: dict[str, Any]) -> tuple[Any, ...]:
    gram = Gram().update(X, Y, **how)
    return gram.xtx, gram.xty, gram.solve()


def _centred(X: Any, Y: Any, how: dict[str, Any]) -> tuple[Any, ...]:
    return Gram(centred=True).update(X, Y, **how).xtx, Gram(centred=True).update(X, **how).x_mean


def _moments(X: Any, Y: Any, how: dict[str, Any]) -> tuple[Any, ...]:
    found = Moments().update(X, **how)
    return found.mean, found.variance()


def _co_moments(X: Any, Y: Any, how: dict[str, Any]) -> tuple[Any, ...]:
    found = CoMoments().update(X, **how)
    return found.mean, found.covariance()


def _subspace(X: Any, Y: Any, how: dict[str, Any]) -> tuple[Any, ...]:
    found = Subspace.fit(X, rank=3, **how)
    return found.basis, found.eigenvalues


# Each takes rows, labels, and options as a dictionary.
CALLS: dict[str, Callable[[Any, Any, dict[str, Any]], Any]] = {
    "Gram": _gram,
    "Gram, one label": lambda X, Y, how: Gram().update(X, Y[:, 0], **how).xty,
    "Gram centred": _centred,
    "Gram, float32 products": lambda X, Y, how: Gram(product_dtype="float32").update(X, Y, **how).xtx,
    "Gram, more rows": lambda X, Y, how: Gram().update(X, **how).update(X, **how).xtx,
    "Moments": _moments,
    "CoMoments": _co_moments,
    "Subspace, rank": _subspace,
    "Subspace, energy": lambda X, Y, how: Subspace.fit(X, energy=0.9, **how).basis,
    "Subspace, centred": lambda X, Y, how: Subspace.fit(X, energy=0.9, centred=True, **how).basis,
    "intrinsic_dimension": lambda X, Y, how: intrinsic_dimension(X, 0.9, **how),
    "correlation_dimension": lambda X, Y, how: correlation_dimension(X, X, energy=0.9, **how),
    "principal_angles": lambda X, Y, how: principal_angles(X, X, **how),
    "principal_angles, beside": lambda X, Y, how: principal_angles(X, Y, **how),
    "correlation of spans": lambda X, Y, how: correlation_dimension(X, Y, **how),
    "min_norm": lambda X, Y, how: (min_norm(X, Y, **how), min_norm(X, Y[:, 0], **how)),
    "min_norm, ridge": lambda X, Y, how: min_norm(X, Y, ridge=3.0, **how),
    "lstsq": lambda X, Y, how: lstsq(X, Y, **how),
    "predict_gap": lambda X, Y, how: predict_gap(X, X, Y, ridge=(3.0, 0.5), **how),
    "projected": lambda X, Y, how: projected_correlation_dimension(X, X, energy=0.9, random_state=0, **how),
}


def differ(found: Any, expected: Any) -> bool:
    """Whether results differ in bits or types."""
    pairs = zip(*(x if isinstance(x, tuple) else (x,) for x in (found, expected)), strict=True)
    return not all(np.array_equal(a, b) and np.asarray(a).dtype == np.asarray(b).dtype for a, b in pairs)
