"""Solar-cell defects: stages of EfficientNet-Lite teach later ones."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from w2s_fast._random import stream
from w2s_fast.tasks.cache import Features
from w2s_fast.tasks.real import Labels, Pair, RealTask
from w2s_fast.tasks.solar.extract import EXTRACTORS, read_cells

NOISE_VARIANCES = (0.1, 0.3)  # beside a variance of the labels of 0.19
NOISE = (3,)  # coordinate of the random stream


def labels(features: Mapping[str, Features]) -> list[Labels]:
    """Return the experts' labels, then the same with Gaussian noise added."""
    defect = features["defect"][:, 0].astype(np.float64)
    noise = stream(0, NOISE, 0).standard_normal(len(defect))
    return [defect, *(defect + np.sqrt(variance) * noise for variance in NOISE_VARIANCES)]


PAIRS = tuple(
    Pair(teacher, "lite0-192") for teacher in ("lite0-112", "lite0-80", "lite0-40", "lite2-120", "lite2-88", "lite2-48")
)
WIDE = (
    Pair("lite0-320", "lite2-352", ridge=10.0),
    Pair("lite0-320", "lite2-1280", ridge=10.0),
    Pair("lite0-1280", "lite2-1280"),
)
TASK = RealTask(
    name="solar",
    title="Solar-cell defects",
    extractors=EXTRACTORS,
    read_items=read_cells,
    labels=labels,
    pairs=(*PAIRS, *WIDE),
    noisy=(*PAIRS[:3], WIDE[1]),
    n=(150, 200, 250, 300, 400),
    N=(300, 400, 600, 900, 1_300, 1_700),
    fixed=(300, 1_700),  # at n near the student's 192 columns the baseline peaks, and OPR with it
    test=524,
)
