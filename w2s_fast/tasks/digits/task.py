"""Coloured digits, two classes and ten: stages of EfficientNet-Lite teach later ones by softmax regression."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from w2s_fast.tasks.cache import Features
from w2s_fast.tasks.digits.extract import EXTRACTORS, read_digits
from w2s_fast.tasks.real import Labels, Pair, RealTask

RIDGE = 1.0  # as scikit-learn's LogisticRegression has it


def labels(features: Mapping[str, Features]) -> list[Labels]:
    """Return the labels of ColoredMNIST, 0 and 1: flipped already, on test rows too."""
    return [features["digits"][:, 1].astype(np.float64)]


def ten_labels(features: Mapping[str, Features]) -> list[Labels]:
    """Return the digits themselves."""
    return [features["digits"][:, 0].astype(np.float64)]


TEACHERS = ("lite0-112", "lite0-80", "lite0-40", "lite2-120", "lite2-88", "lite2-48")
PAIRS = (
    *(Pair(teacher, "lite0-192", RIDGE) for teacher in TEACHERS),
    Pair("lite0-112", "lite2-352", RIDGE),
)
TEN = RealTask(
    name="digits-ten",
    title="Ten digits",
    extractors=EXTRACTORS,
    read_items=read_digits,
    labels=ten_labels,
    pairs=PAIRS[: len(TEACHERS)],
    noisy=PAIRS[:2],
    n=(250, 500, 1_000),
    N=(1_000, 3_000),
    fixed=(500, 3_000),
    test=1_000,
    fit="softmax",
    metrics=("accuracy",),
    flips=(0.2,),
    features_of="digits",
)
TASK = replace(
    TEN,
    name="digits",
    title="Coloured digits",
    labels=labels,
    pairs=PAIRS,
    N=(500, 1_000, 2_000, 3_000),
    flips=(0.1, 0.2),
    features_of="",
    also=(TEN,),
)
