"""From models and data to features: hidden states and logits, row by row, in files that probes read.

Names load when they are first used. What they need is the extra ``models``.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from w2s_fast.features.extraction import Extraction, extract

_HOME = {
    "Extraction": "extraction",
    "extract": "extraction",
}

__all__ = ["Extraction", "extract"]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'w2s_fast.features' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"w2s_fast.features.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
