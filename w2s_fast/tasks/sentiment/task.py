"""Positive sentences: GloVe and every earlier layer of MiniLM teach its last layer by logistic regression."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from w2s_fast.tasks.cache import Features
from w2s_fast.tasks.real import Labels, Pair, RealTask
from w2s_fast.tasks.valence import task as valence

RIDGE = 1.0  # as scikit-learn's LogisticRegression has it
SUREST = 0.5  # share of pseudo-labelled rows that filtered students learn from


def labels(features: Mapping[str, Features]) -> list[Labels]:
    """Return 1 where a mean rating is above 0, else 0: the mean of all raters, of five and of one."""
    return list((features["ratings"] > 0).astype(np.float64).T)


SOFT = tuple(Pair(pair.teacher, valence.STUDENT, RIDGE) for pair in valence.PAIRS)
HARD = tuple(pair._replace(pseudo_labels="hard") for pair in SOFT)
FILTERED = tuple(pair._replace(confident=SUREST) for pair in HARD)
GLOVE, MIDDLE = 0, 4  # places of the teachers whose pseudo-labels are hard, or filtered, too
TASK = RealTask(
    name="sentiment",
    title="Positive sentences",
    extractors=valence.TASK.extractors,
    read_items=valence.TASK.read_items,
    labels=labels,
    pairs=(SOFT[GLOVE], HARD[GLOVE], FILTERED[GLOVE], *SOFT[1:], HARD[MIDDLE], FILTERED[MIDDLE]),
    noisy=(SOFT[GLOVE], HARD[GLOVE]),
    n=(500, 1_000, 2_000, 4_000),
    N=(1_000, 2_000, 4_000, 8_000),
    fixed=(1_000, 8_000),
    test=3_600,
    fit="softmax",
    metrics=("accuracy",),
    features_of="valence",
)
