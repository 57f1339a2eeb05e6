"""A measure of the four fits on test rows, with the ratios that are made of it."""

from __future__ import annotations

from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from w2s_fast._display import html_record, record
from w2s_fast.results.metrics import ratio_columns, ratio_of

Matrix = npt.NDArray[np.float64]


class Fits(NamedTuple):
    """A number of each of the four fits."""

    weak: Matrix
    baseline: Matrix
    ceiling: Matrix
    w2s: Matrix


class Score(Fits):
    """One measure of the four fits in every trial, shaped as the risks.

    Attributes
    ----------
    weak, baseline, ceiling, w2s : ndarray, shape points + (trials,)
    measure : str
        Its name in :data:`w2s_fast.results.measures.MEASURES`, such as ``"accuracy"``.
    """

    measure: str

    @classmethod
    def of(cls, measure: str, weak: Matrix, baseline: Matrix, ceiling: Matrix, w2s: Matrix) -> Self:
        self = cls(weak, baseline, ceiling, w2s)
        self.measure = measure
        return self

    def _replace(self, **changes: Any) -> Self:
        return self.of(self.measure, **(self._asdict() | changes))

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
        return ratio_of(self.measure, name, self._asdict())

    def __repr__(self) -> str:
        return record(self, f"{type(self).__name__} of {self.measure}")

    def _repr_html_(self) -> str:
        return html_record(self)
