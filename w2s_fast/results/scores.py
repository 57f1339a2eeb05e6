"""A measure of the four fits on test rows, with the ratios that are made of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from w2s_fast._display import html_record, record
from w2s_fast.results.metrics import FITS, ratio_columns, ratio_of

Matrix = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Score:
    """One measure of the four fits in every trial, shaped as the risks; iterates over the fits.

    Attributes
    ----------
    measure : str
        Its name in :data:`w2s_fast.results.measures.MEASURES`, such as ``"accuracy"``.
    weak, baseline, ceiling, w2s : ndarray, shape points + (trials,)
    """

    measure: str
    weak: Matrix
    baseline: Matrix
    ceiling: Matrix
    w2s: Matrix

    _fields: ClassVar[tuple[str, ...]] = tuple(FITS)  # what prints

    @property
    def pgr(self) -> Matrix:
        """Performance gap recovery of each trial, (weak - w2s) / (weak - ceiling); NaN where there is no gap."""
        return self._ratio("pgr")

    @property
    def opr(self) -> Matrix:
        """Outperforming ratio of each trial, above 1 where the student is better than the baseline.

        Of what falls with quality baseline / w2s, as of risks; of what rises with it w2s / baseline.
        """
        return self._ratio("opr")

    def _ratio(self, name: str) -> Matrix:
        if not ratio_columns(self.measure):
            raise AttributeError(f"{self.measure} is neither better high nor low: it has no {name}")
        return ratio_of(self.measure, name, self.by_fit())

    def by_fit(self) -> dict[str, Matrix]:
        """What it is of each fit."""
        return dict(zip(FITS, self, strict=True))

    def __iter__(self) -> Iterator[Matrix]:
        return (getattr(self, fit) for fit in FITS)

    def __repr__(self) -> str:
        return record(self, f"{type(self).__name__} of {self.measure}")

    def _repr_html_(self) -> str:
        return html_record(self)
