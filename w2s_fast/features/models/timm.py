"""Networks of timm, by name with weights from a hub, in a folder that timm saved, or in memory."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from w2s_fast.features.models import torch as shared
from w2s_fast.features.models.base import FEATURES, LOGITS, Features, Loaded, Reading

CONFIG = "config.json"


def recognises(model: Any) -> bool:
    """Whether it is a network of timm, or a folder whose config.json names an architecture of it."""
    if isinstance(model, str | os.PathLike):
        config = Path(model) / CONFIG
        return config.is_file() and "architecture" in json.loads(config.read_text(encoding="utf-8"))
    return hasattr(model, "forward_features") and hasattr(model, "pretrained_cfg")


def load(model: Any, reading: Reading, kind: str) -> Loaded:
    """Load a network with the preparation of images that its configuration says."""
    with shared.needed("timm"):
        import timm
    name = os.fspath(model) if isinstance(model, str | os.PathLike) else ""
    network = _created(timm, name) if name else model
    config = timm.data.resolve_model_data_config(network)
    transform = timm.data.create_transform(**config, is_training=False)
    about = {
        "kind": "timm",
        "name": name or type(network).__name__,
        "class": type(network).__name__,
        "revision": (network.pretrained_cfg or {}).get("hf_hub_id"),
        "weights": shared.weights_sum(network),
        "input": {key: str(value) for key, value in sorted(config.items())},
    }

    def embed(items: list[Any]) -> Features:
        with shared.inference(reading.where):
            arrays = [transform(image.convert("RGB")).numpy() for image in items] if kind == "image" else items
            return features_of(network, shared.stacked(arrays, reading.where), reading)

    runs = shared.runs_on(reading.where, network, shared.IMAGE_BATCH, channels_last=True)
    return Loaded(("image", "array"), about, embed, versions=shared.versions("timm"), **runs)


def features_of(network: Any, values: Any, reading: Reading) -> Features:
    """Read the network's own features before its head, its logits, or the blocks that timm counts."""
    if reading.logits:
        return {LOGITS: shared.to_numpy(network(values))}
    if reading.layers is None:
        last = network.forward_features(values)
        is_own = reading.pooling is None
        row = network.forward_head(last, pre_logits=True) if is_own else shared.pooled(last, None, str(reading.pooling))
        return {FEATURES: shared.to_numpy(row)}
    if not hasattr(network, "forward_intermediates"):
        raise ValueError(f"layers: timm cannot read those of {type(network).__name__}; leave layers out")
    states = network.forward_intermediates(values, intermediates_only=True, output_fmt="NCHW")
    layers = reading.chosen(range(len(states)))
    rows = [shared.pooled(states[layer], None, reading.pooling or "mean") for layer in layers]
    return reading.named(layers, [shared.to_numpy(row) for row in rows])


def _created(timm: Any, name: str) -> Any:
    where = f"local-dir:{name}" if Path(name).is_dir() else name
    try:
        return timm.create_model(where, pretrained=True)
    except (RuntimeError, OSError, ValueError, KeyError) as error:
        said = " ".join(str(error).split())[:300]
        raise ValueError(f"model {name!r} cannot be loaded by timm: {said}") from None
