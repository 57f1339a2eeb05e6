"""Functions from a list of items to an array, or to arrays by name."""

from __future__ import annotations

from typing import Any

import numpy as np

from w2s_fast._check import ArgumentError
from w2s_fast.features.models.base import EVERY_KIND, FEATURES, Features, Loaded, Reading


def recognises(model: Any) -> bool:
    """Whether it is a function; what is no model at all ends here too."""
    return True


def load(model: Any, reading: Reading, kind: str) -> Loaded:
    """Take a function as it is: it has no layers, and what it gives is not pooled."""
    if not callable(model):
        raise ArgumentError(
            "model must be a name, a folder, a torch module or a function of a list of items, got "
            f"{type(model).__name__}"
        )
    if reading.layers is not None or reading.pooling is not None or reading.logits:
        raise ValueError("layers, pooling and logits are for models, and model is a function")

    if reading.device is not None:
        raise ValueError("device is for models of torch, and model is a function")

    def embed(items: list[Any]) -> Features:
        found = model(items)
        by_name = found if isinstance(found, dict) else {FEATURES: found}
        return {name: np.asarray(values) for name, values in by_name.items()}

    return Loaded(EVERY_KIND, {"kind": "function", "name": getattr(model, "__qualname__", type(model).__name__)}, embed)
