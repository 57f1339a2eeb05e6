"""Kinds of models: a new one is a module beside this one, and a line here.

Each module has ``recognises``, whether something is such a model, and ``load``, which makes it ready.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from typing import Any, Protocol, cast

from w2s_fast.features.models import sentences
from w2s_fast.features.models.base import Loaded, Reading
from w2s_fast.features.models.torch import picked_device

FUNCTION = "function"
KINDS = {  # in the order they are asked; what a text begins with picks one outright
    "sentence-transformers": "w2s_fast.features.models.sentences",
    "timm": "w2s_fast.features.models.timm",
    "torchvision": "w2s_fast.features.models.torchvision",
    "transformers": "w2s_fast.features.models.transformers",
    "module": "w2s_fast.features.models.module",
    FUNCTION: "w2s_fast.features.models.function",
}


class Kind(Protocol):
    """What a module of a kind has."""

    def recognises(self, model: Any) -> bool:
        """Whether something is a model of this kind."""

    def load(self, model: Any, reading: Reading, kind: str) -> Loaded:
        """Make a model ready for items of a kind."""


def load(model: Any, reading: Reading, kind: str, notify: Callable[[str], None] = warnings.warn) -> Loaded:
    """Load a model, whatever it is, for items that are "text", "image", "array" or "other".

    ``notify`` gets a line where nobody can say for sure what it is.

    Raises
    ------
    ImportError
        A library is missing; the message says how to install it.
    FileNotFoundError, ValueError
        There is no such model, or it does not take such items.
    """
    name, _, rest = model.partition(":") if isinstance(model, str) else ("", "", "")
    if rest and name in KINDS:
        model = rest
    else:
        name = next(name for name in KINDS if _of(name).recognises(model))
        if name == "transformers" and (doubt := sentences.doubt(model)):
            notify(doubt)
    if name != FUNCTION:
        reading = replace(reading, device=picked_device(reading.device))
    found = _of(name).load(model, reading, kind)
    if reading.device is not None:
        found = replace(found, about={**found.about, "device": reading.device.partition(":")[0]})
    if kind not in found.takes:
        raise ValueError(f"data holds {_said(kind)}, and model takes {' or '.join(map(_said, found.takes))}")
    return found


def _of(name: str) -> Kind:
    return cast(Kind, import_module(KINDS[name]))


def _said(kind: str) -> str:
    return {"text": "text", "image": "images", "array": "arrays", "other": "other items"}[kind]
