"""Noise of labels: Gaussian, or flips to another class, in every trial or once, on test labels too where asked."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from w2s_fast._random import stream
from w2s_fast.probing.coding import Coding

Matrix = npt.NDArray[np.float64]
OF_TRAINING, OF_TEST = (2,), (3,)  # coordinates of the random streams


@dataclass(frozen=True)
class Noise:
    """How labels of a study are made noisy.

    Attributes
    ----------
    deviation : float
        Standard deviation of Gaussian noise.
    flips : float
        Share of labels that become another class, each other one as likely.
    once : bool
        Drawn once for a seed, not anew in every trial.
    on_test : bool
        Test labels are noisy, too.
    """

    deviation: float = 0.0
    flips: float = 0.0
    once: bool = False
    on_test: bool = False

    def __bool__(self) -> bool:
        return self.deviation > 0.0 or self.flips > 0.0

    def __str__(self) -> str:
        if not self:
            return ""
        kind = f"{self.flips:g} flipped" if self.flips else f"{self.deviation:g}"
        return kind + ", drawn once" * self.once + ", on test labels too" * self.on_test

    @property
    def is_fixed_on_test(self) -> bool:
        """Whether test labels are the same in all trials."""
        return self.once or not (self and self.on_test)

    def of_training(self, labels: Matrix, coding: Coding, seed: int, trial: int) -> Matrix:
        """Labels (rows, k) of all rows with the noise of a trial."""
        return self._added(labels, coding, stream(seed, OF_TRAINING, 0 if self.once else trial))

    def of_test(self, labels: Matrix, coding: Coding, seed: int, trial: int) -> Matrix:
        """Labels of test rows that are none of the others with the noise of a trial."""
        return self._added(labels, coding, stream(seed, OF_TEST, 0 if self.once else trial))

    def _added(self, labels: Matrix, coding: Coding, rng: np.random.Generator) -> Matrix:
        if self.deviation:
            labels = labels + self.deviation * rng.standard_normal(labels.shape)
        return flipped(labels, self.flips, coding, rng) if self.flips else labels


def flipped(labels: Matrix, rate: float, coding: Coding, rng: np.random.Generator) -> Matrix:
    """Labels of which a share became another class; probabilities move with their class."""
    targets = labels.shape[1] // coding.columns
    hit = rng.random((len(labels), targets)) < rate
    if coding.kind == "signs":
        return np.where(hit, -labels, labels)
    if coding.kind == "zeros and ones":
        return np.where(hit, 1.0 - labels, labels)
    steps = hit * rng.integers(1, coding.columns, hit.shape)
    each = labels.reshape(len(labels), targets, coding.columns)
    places = (np.arange(coding.columns) - steps[:, :, None]) % coding.columns
    return np.take_along_axis(each, places, axis=2).reshape(labels.shape)
