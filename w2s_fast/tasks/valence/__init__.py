"""Sentence valence: how positive 20 people found a sentence, from GloVe (weak) and MiniLM (strong) features."""

from __future__ import annotations

from importlib import resources
from typing import Any

import numpy as np

from w2s_fast.probing.task import Task


def load(test: float | int = 1_500, ridge: Any = 1e-6, **how: Any) -> Task:
    """Load the 8,500 sentences that ship with the package: 150 weak and 384 strong features, centred mean ratings.

    ``how`` has further arguments of ``Task.of``. Source, licence and making: ``README.md`` in this folder.

    Examples
    --------
    >>> from w2s_fast.tasks import valence
    >>> task = valence.load()
    >>> len(task.rows), task.rows.widths
    (8500, (150, 384))
    """
    with (
        resources.as_file(resources.files(__package__) / "features.npz") as path,
        np.load(path, allow_pickle=False) as data,
    ):
        weak = data["weak"] * data["weak_scale"]
        strong = data["strong"] * data["strong_scale"]
        rating = data["rating"].astype(np.float64)
    return Task.of(weak, strong, rating - rating.mean(), test, ridge, **how)
