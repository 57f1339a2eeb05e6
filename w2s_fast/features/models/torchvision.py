"""Networks of torchvision: ``torchvision:resnet18``, or ``torchvision:resnet18@FILE`` with other weights."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from w2s_fast.features.models import module
from w2s_fast.features.models import torch as shared
from w2s_fast.features.models.base import Loaded, Reading


def recognises(model: Any) -> bool:
    """Never by itself: names of torchvision's networks are names of timm's too."""
    return False


def load(model: Any, reading: Reading, kind: str) -> Loaded:
    """Load a network; what it has before its last linear layer is what it gives at its end."""
    torch = shared.library()
    with shared.needed("torchvision"):
        from torchvision import models
    name, _, file = str(model).partition("@")
    try:
        weights = models.get_model_weights(name).DEFAULT
        network = models.get_model(name, weights=None if file else weights)
        if file:  # tensors and nothing that runs
            network.load_state_dict(torch.load(Path(file), weights_only=True, map_location="cpu"))
    except (ValueError, OSError, RuntimeError, KeyError) as error:
        said = " ".join(str(error).split())[:300]
        raise ValueError(f"model 'torchvision:{model}' cannot be loaded: {said}") from None
    if reading.layers is None and not reading.logits:
        place = next(
            path for path, part in reversed(list(network.named_modules())) if isinstance(part, torch.nn.Linear)
        )
        parent, _, last = place.rpartition(".")
        setattr(network.get_submodule(parent), last, torch.nn.Identity())
    transform = weights.transforms()

    def stack(items: list[Any]) -> Any:
        arrays = [transform(image.convert("RGB")).numpy() for image in items] if kind == "image" else items
        return shared.stacked(arrays, reading.where)

    about = {"kind": "torchvision", "name": str(model), "input": repr(transform)}
    found = module.reader(network, reading, about, ("image", "array"), stack)
    return replace(found, versions=shared.versions("torchvision"))
