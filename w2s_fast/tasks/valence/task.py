"""Sentence valence in full: GloVe and every earlier layer of MiniLM teach its last layer."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from w2s_fast.tasks.cache import Features
from w2s_fast.tasks.real import Labels, Pair, RealTask
from w2s_fast.tasks.valence.extract import EXTRACTORS, LAYERS, by_length

STUDENT = f"minilm-{LAYERS - 1}"


def labels(features: Mapping[str, Features]) -> list[Labels]:
    """Return the mean of all raters, of five and of one."""
    return list(features["ratings"].astype(np.float64).T)


PAIRS = tuple(
    Pair(teacher, STUDENT) for teacher in ("glove-150", "glove-50", *(f"minilm-{layer}" for layer in range(LAYERS - 1)))
)
TASK = RealTask(
    name="valence",
    title="Sentence valence",
    extractors=EXTRACTORS,
    read_items=by_length,
    labels=labels,
    pairs=PAIRS,
    noisy=(PAIRS[0], PAIRS[1], PAIRS[4]),
    n=(600, 800, 1_000, 1_500, 2_500, 4_000, 6_000),
    N=(1_000, 1_500, 2_500, 4_000, 7_000, 10_000, 14_000),
    fixed=(1_000, 10_000),
    test=3_600,
)
