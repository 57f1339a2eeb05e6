"""What a comparison is: calls that compute the same, a measure of their error, and the least work there is."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

OURS = "w2s_fast"
LIBRARIES = (OURS, "NumPy", "SciPy", "scikit-learn", "torch", "Dask", "the paper's procedure")
MODULES = {"scikit-learn": "sklearn", "torch": "torch", "Dask": "dask"}
MISSING = [name for name, module in MODULES.items() if importlib.util.find_spec(module) is None]


@dataclass(frozen=True)
class Call:
    """One way to compute it: by which library, and how, if it has several ways."""

    library: str
    how: str
    run: Callable[[], Any]
    units: int = 1  # that a call computes: times are those of one


@dataclass(frozen=True)
class Case:
    """One comparison; the first call is ours, and the one that others are compared with."""

    what: str
    dtype: str
    calls: list[Call]
    error: Callable[[Any], float] | None = None  # of what a call returns; None where draws are compared on average
    slack: float = 10.0  # times the least error among the calls: what is above is shown as less accurate
    flops: float = 0.0  # that no method we know of does without,
    bytes: float = 0.0  # and memory that has to be read
    note: str = ""
    counted: list[Call] = field(init=False)  # those whose library is installed

    def __post_init__(self) -> None:
        object.__setattr__(self, "counted", [call for call in self.calls if call.library not in MISSING])


def relative(found: Any, right: Any) -> float:
    """Norm of the difference over that of the right answer."""
    found, right = (np.asarray(array, np.float64) for array in (found, right))
    return float(np.linalg.norm(found.reshape(right.shape) - right) / np.linalg.norm(right))
