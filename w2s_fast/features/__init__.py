"""From models and data to features: hidden states and logits, row by row, in files that probes read.

Names load when they are first used. What they need is the extra ``models``.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from w2s_fast.features.extraction import Extraction, extract
    from w2s_fast.features.gradients import gradient_features
    from w2s_fast.features.random_subspace import random_subspace_dimension
    from w2s_fast.features.sketched_dimensions import sketched_correlation_dimension, sketched_dimension
    from w2s_fast.features.sketching import sketch_rows

_HOME = {
    "Extraction": "extraction",
    "extract": "extraction",
    "gradient_features": "gradients",
    "random_subspace_dimension": "random_subspace",
    "sketch_rows": "sketching",
    "sketched_correlation_dimension": "sketched_dimensions",
    "sketched_dimension": "sketched_dimensions",
}

__all__ = [
    "Extraction",
    "extract",
    "gradient_features",
    "random_subspace_dimension",
    "sketch_rows",
    "sketched_correlation_dimension",
    "sketched_dimension",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'w2s_fast.features' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"w2s_fast.features.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
