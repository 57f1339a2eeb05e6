"""The four risks of a weak-to-strong study."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from w2s_fast.results.metrics import value_of

Matrix = npt.NDArray[np.float64]


class Risks(NamedTuple):
    """Excess risks of the four fits, in squared units of the label.

    ``weak``: the teacher, on n labelled rows; ``baseline``: the strong model on the same rows; ``ceiling``: the
    strong model on all n + N rows with true labels; ``w2s``: the strong model on N rows that the teacher labelled.
    """

    weak: Matrix
    baseline: Matrix
    ceiling: Matrix
    w2s: Matrix

    @property
    def pgr(self) -> Matrix:
        """Performance gap recovery (weak - w2s) / (weak - ceiling); NaN where there is no gap."""
        return value_of("pgr", self._asdict())

    @property
    def opr(self) -> Matrix:
        """Outperforming ratio baseline / w2s; NaN where undefined."""
        return value_of("opr", self._asdict())
