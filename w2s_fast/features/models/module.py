"""Any module of torch: what it gives out at its end, or what modules in it do, on arrays or on images made arrays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from w2s_fast.features.models import torch as shared
from w2s_fast.features.models.base import BATCH, FEATURES, LOGITS, Features, Layer, Loaded, Reading

Stack = Callable[[list[Any]], Any]  # items to the tensor that a module takes
WHOLE = ""  # name of the module itself among its layers


def recognises(model: Any) -> bool:
    """Whether it is a module of torch."""
    return any(kind.__module__.startswith("torch.nn") for kind in type(model).__mro__)


def load(model: Any, reading: Reading, kind: str) -> Loaded:
    """Take a module as it is. Its items are arrays of one shape, which it gets as one tensor."""
    return reader(model, reading, {"kind": "module"}, ("array",), lambda items: shared.stacked(items, reading.where))


def reader(model: Any, reading: Reading, about: dict[str, Any], takes: tuple[str, ...], stack: Stack) -> Loaded:
    """Read a module: "all" layers are the modules directly in it, and every other may be named."""
    layers: list[Layer] = []
    taps = shared.Taps({})
    if reading.layers is not None:
        children = [name for name, _ in model.named_children()]
        modules = dict(model.named_modules())
        named = reading.layers if isinstance(reading.layers, tuple) else (reading.layers,)
        known = [*children, *(name for name in named if isinstance(name, str) and name in modules)]
        layers = list(dict.fromkeys(reading.chosen(known if reading.layers != "all" else children)))
        taps = shared.Taps({str(name): modules[str(name)] for name in layers})

    def embed(items: list[Any]) -> Features:
        with shared.inference(reading.where):
            values = stack(items)
            if not layers:
                whole = shared.tensor_of(model(values))
                how = reading.pooling or "mean"
                return {LOGITS if reading.logits else FEATURES: shared.to_numpy(shared.pooled(whole, None, how))}
            with taps.caught() as found:
                model(values)
            states = [shared.pooled(found[str(name)], None, reading.pooling or "mean") for name in layers]
            return reading.named(layers, [shared.to_numpy(state) for state in states])

    about |= {"class": type(model).__name__, "weights": shared.weights_sum(model)}
    is_of_images = any(parameter.ndim == 4 for parameter in model.parameters())
    batch = shared.IMAGE_BATCH if is_of_images else BATCH
    channels_last = is_of_images and reading.where == "cpu"
    runs = shared.runs_on(reading.where, model, batch, channels_last=channels_last, taps=taps)
    return Loaded(takes, about, embed, versions=shared.versions(), **runs)
