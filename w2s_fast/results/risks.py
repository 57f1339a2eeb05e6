"""The four risks of a weak-to-strong study."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from w2s_fast._display import html_record, number, record
from w2s_fast.results.metrics import ratios, value_of

Matrix = npt.NDArray[np.float64]
Ceiling = Literal["all", "pseudo"]
CEILINGS: tuple[Ceiling, ...] = ("all", "pseudo")  # which rows it is fitted to: n + N, or the N alone


class Risks(NamedTuple):
    """Excess risks of the four fits, in squared units of the label.

    ``weak``: the teacher, on n labelled rows; ``baseline``: the strong model on the same rows; ``ceiling``: the
    strong model on all n + N rows with true labels, or on the N alone where that is asked for; ``w2s``: the strong
    model on N rows that the teacher labelled.
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

    def __repr__(self) -> str:
        return record(self)

    def _repr_html_(self) -> str:
        return html_record(self, **{name: value_of(name, self._asdict()) for name in ratios()})


class ExpectedRisks(Risks):
    """Risks in theory, and how good they are.

    Attributes
    ----------
    order : Risks
        For each risk 0 where it is exact, else the order of the relative error of its deterministic equivalent. Errors
        that were measured are mostly below a fifth of it. Near 1 and above, at an interpolation peak, an equivalent
        says little.
    """

    order: Risks

    def __new__(
        cls, weak: Matrix, baseline: Matrix, ceiling: Matrix, w2s: Matrix, *, order: Risks | None = None
    ) -> Self:
        """Take risks as exact unless their order says otherwise."""
        self = super().__new__(cls, weak, baseline, ceiling, w2s)
        self.order = Risks(*(np.zeros(np.shape(risk)) for risk in self)) if order is None else order
        return self

    @classmethod
    def _make(cls, iterable: Iterable[Matrix]) -> Self:  # type: ignore[override]  # which keeps order with _replace
        return cls(*iterable)

    @property
    def exact(self) -> npt.NDArray[np.bool_]:
        """Where all four are exact."""
        return np.logical_and.reduce([np.asarray(order) == 0 for order in self.order])

    def __repr__(self) -> str:
        worst = max((float(np.max(order, initial=0.0)) for order in self.order), default=0.0)
        text, between = record(self), " " if any(map(np.ndim, self)) else "="
        return f"{text[:-1]}, order{between}{number(worst)}{text[-1]}"

    def _repr_html_(self) -> str:
        ratio = {name: value_of(name, self._asdict()) for name in ratios()}
        return html_record(self, **ratio, order=np.maximum.reduce(np.broadcast_arrays(*self.order)))
