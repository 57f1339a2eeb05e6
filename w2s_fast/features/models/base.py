"""What every kind of model is to an extraction: rows in, arrays by name out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from w2s_fast import _check

Array = npt.NDArray[Any]
Features = dict[str, Array]  # (rows, ...) by name
Layer = int | str
POOLINGS = ("mean", "cls", "last")
ALL = "all"
FEATURES, HIDDEN, LOGITS = "features", "hidden", "logits"  # names of arrays
BATCH = 32  # rows, where a model says nothing
EVERY_KIND = ("text", "image", "array", "other")


@dataclass(frozen=True)
class Reading:
    """What is read off a model.

    Attributes
    ----------
    layers : None, "all", a layer or a tuple of layers
        None for what the model itself gives at its end. Layers are numbers, from 0 for what goes into the first
        block, or names of modules.
    pooling : str or None
        How tokens become a row; None as the model has it, which is their mean where it says nothing.
    logits : bool
        Of the model's head, instead.
    max_tokens : int or None
        Longer texts are cut; None for as many as the model takes.
    device : str or None
        Of torch; None for the best there is.
    """

    layers: Layer | tuple[Layer, ...] | None = None
    pooling: str | None = None
    logits: bool = False
    max_tokens: int | None = None
    device: str | None = None

    def __post_init__(self) -> None:
        if self.pooling is not None:
            _check.choice(self.pooling, "pooling", *POOLINGS)
        if self.max_tokens is not None:
            _check.integer(self.max_tokens, "max_tokens", minimum=1)
        if self.logits and self.layers is not None:
            raise ValueError("logits=True and layers exclude one another: extract them one after the other")

    @property
    def where(self) -> str:
        """The device, once it is picked."""
        assert self.device is not None
        return self.device

    def told(self) -> dict[str, Any]:
        """What rows depend on, beside the model."""
        layers = list(self.layers) if isinstance(self.layers, tuple) else self.layers
        return {
            "layers": layers,
            "pooling": self.pooling,
            "logits": self.logits,
            "max_tokens": self.max_tokens,
        }

    def chosen(self, available: Sequence[Layer]) -> list[Layer]:
        """Return the layers asked for among those there are; ValueError where one is not."""
        asked: Sequence[Any] = [self.layers] if isinstance(self.layers, int | str) else self.layers or ()
        if self.layers == ALL:
            return list(available)
        found = []
        for layer in asked:
            if layer in available and not isinstance(layer, bool):
                found.append(layer)
            elif isinstance(layer, int) and -len(available) <= layer < 0:
                found.append(available[layer])
            else:
                said = (
                    f"{available[0]!r} to {available[-1]!r}" if len(available) > 9 else ", ".join(map(repr, available))
                )
                raise ValueError(f"layers has {layer!r}: this model has {said}")
        return found

    def named(self, layers: Sequence[Layer], states: Sequence[Array]) -> Features:
        """Name states of layers: one array (rows, layers, d) where they are as wide, else one each."""
        if isinstance(self.layers, int | str) and self.layers != ALL:
            return {HIDDEN: states[0]}
        if len({state.shape[1:] for state in states}) == 1:
            return {HIDDEN: np.stack(states, axis=1)}
        return {f"{HIDDEN}/{layer}": state for layer, state in zip(layers, states, strict=True)}


@dataclass(frozen=True)
class Loaded:
    """A model that is ready.

    Attributes
    ----------
    takes : tuple of str
        Kinds of items: "text", "image", "array", "other".
    about : dict
        What it is, for the manifest: another model has another one.
    embed : callable
        From a list of items to features. Several threads may call it at once.
    lengths : callable or None
        From a list of items to what each costs, so that those of a batch are alike.
    unit_bytes : int
        Memory that a unit of length takes in a batch, about; 0 where nobody knows.
    batch : int
        Rows that go together where nobody says how many.
    session : callable
        Returns what surrounds all batches.
    one_at_a_time : bool
        Whether batches are not to run beside one another, as on a GPU.
    versions : dict
        Of libraries.
    """

    takes: tuple[str, ...]
    about: Mapping[str, Any]
    embed: Callable[[list[Any]], Features]
    lengths: Callable[[list[Any]], Sequence[int]] | None = None
    unit_bytes: int = 0
    batch: int = BATCH
    session: Callable[[], AbstractContextManager[None]] = nullcontext
    one_at_a_time: bool = False
    versions: Mapping[str, str] = field(default_factory=dict)
