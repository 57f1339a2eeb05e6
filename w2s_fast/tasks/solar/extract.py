"""Images of the package elpv-dataset and the features that EfficientNet-Lite makes of them."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import numpy as np

from w2s_fast.features.models.base import Loaded
from w2s_fast.tasks.cache import Extractor, function
from w2s_fast.tasks.efficientnet import SIDE, Pixels, network

DATA = ("elpv-dataset==1.0.0.post1",)


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


def labels_of() -> Loaded:
    """Return what reads labels off the cells."""
    return function(lambda cells: {"defect": np.array([[cell.defect] for cell in cells], np.float32)})


def pixels(cells: Sequence[Cell], side: int) -> Pixels:
    """Grey images (cells, 3, side, side)."""
    from PIL import Image

    batch = np.empty((len(cells), side, side), np.float32)
    for image, cell in zip(batch, cells, strict=True):
        with Image.open(_data() / cell.image) as file:
            image[:] = file.convert("L").resize((side, side), Image.Resampling.BILINEAR)
    return np.repeat(batch[:, None], 3, axis=1)


EXTRACTORS = (
    Extractor("labels", {"defect": 1}, DATA, labels_of),
    *(network(name, partial(pixels, side=side), DATA) for name, side in SIDE.items()),
)
