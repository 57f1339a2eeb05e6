"""Routes, cut-offs and ranks, for single problems, stacks and GPUs. The one place that states them.

Routes. A Gram matrix squares the condition number. The smaller one, X'X or XX', plus ridge, is scaled to a unit
diagonal, to which Cholesky's accuracy is indifferent (van der Sluis 1969), and its reciprocal condition estimated:

1. At ``GRAM_RCOND`` or better (``GRAM_RCOND_FLOAT32`` where it was formed in float32), and if no singular value comes
   near the cut, the solution is that of the Gram matrix, refined with the residual of X itself, which brings the error
   down to that of an orthogonal factorisation. Single problems without a ridge go this way down to ``REFINED_RCOND``
   if their factor finds solutions that are known.
2. Elsewhere the singular value decomposition decides, which is right at any rank.

Ranks: which singular values of a matrix its numbers can be trusted to have.

Two things blur a singular value s_i of X (m, n), with its singular vector v_i on the smaller side:

- Numbers as they are stored. Rounding moves each entry by half a unit in its last place, so that column j carries an
  error of norm eps |x_j| / 2 at most, .3 eps |x_j| as a rule, and the direction v_i one of that times |D v_i|, for D
  the diagonal matrix of the norms |x_j| (rows and their norms where these are fewer). Numbers worked out in their own
  precision, such as products or means, carry a few roundings. Hence s_i counts above ``STORED`` eps |D v_i|. This
  depends neither on the number of rows, nor on an offset or scale that single columns have.
- Arithmetic, which is that of float64 whatever comes. Factorisations move singular values by some eps times the
  largest, whatever the number of rows: s_i counts above eps max(min(m, n), ``FEW``) s_1. NumPy's eps max(m, n) grows
  with the rows, and is too little for few: LAPACK's drivers leave 32 eps of a zero in 30 x 30.

In float64 the second rule holds the first. float16 and bfloat16 come as float32 and are taken at their word: features
are rounded to them on purpose, and what that adds is noise like any other, not a loss of rank. With a ridge nothing
needs to be cut but what arithmetic alone makes. A caller's ``rcond`` replaces all of it.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from w2s_fast import _check
from w2s_fast._check import FloatArray
from w2s_fast.linalg.rows.cutting import RUN_ROWS

Matrix = npt.NDArray[np.float64]
STORED = 4.0  # units in the last place: a product of float32 matrices with 1,000 columns between them leaves 2
EPS32, EPS64 = float(np.finfo(np.float32).eps), float(np.finfo(np.float64).eps)
GRAM_RCOND = 1e-10  # of the scaled Gram matrix: condition 1e5 of X, where one refinement still gains 6 digits
GRAM_RCOND_FLOAT32 = 1e-4  # condition 1e2, where one refinement gains 2 digits at least
REFINED_RCOND = 1e-16  # condition 3e6 to 1e8, where known solutions tell whether a refinement still gains digits
GRAM_RESOLVES = 1e-7  # singular values, relative to the largest: of smaller ones squares in float64 are rounding
SQUARES_SERVE = 1e-6  # least eigenvalue of X'X over the largest: its root has 10 digits then
CUTOFF_MARGIN = 10.0  # the condition estimate is rarely off by more than 3 (Higham 2002, section 15.3)
SINGLE = ("f4", "f2")  # kinds of numbers, in any order of bytes, that are right to float32's last place at most
FEW = 100  # units in the last place: what the decomposition of any small matrix leaves of a zero is less


class Cutoff(NamedTuple):
    """Singular values count above ``relative`` times the largest and above ``stored`` times |D v|."""

    relative: float
    stored: float = 0.0

    @classmethod
    def of(cls, dtype: npt.DTypeLike, shape: tuple[int, ...], rcond: float | None, ridge: float = 0.0) -> Self:
        """Check ``rcond``; state the cut-off for features (..., m, n) that came in ``dtype``."""
        if rcond is not None:
            return cls(_check.cutoff(rcond))
        kind = np.dtype(dtype)
        return cls(0.0) if ridge else cls(arithmetic(shape), STORED * EPS32 if kind.str[1:] in SINGLE else 0.0)

    def of_values(self, shape: tuple[int, ...], ridge: float) -> Self:
        """What to cut where singular values are at hand: a ridge lets the rounding of small ones through."""
        return self._replace(relative=max(self.relative, arithmetic(shape)), stored=0.0) if ridge else self

    def keeps(self, s: FloatArray, directions: FloatArray, norms: FloatArray) -> npt.NDArray[np.bool_]:
        """Which of the singular values (r,) count, given their vectors (d, r) and the norms (d,) of columns or rows."""
        least: Any = self.relative * (s.max() if len(s) else 0.0)
        if self.stored:
            least = np.maximum(least, self.stored * blur(directions, norms))
        return s > least


def lapack_cut(rcond: float) -> float:
    """Relative to the largest singular value, as LAPACK's drivers take ``rcond``."""
    return rcond if 0.0 < rcond < 1.0 else EPS64 / 2.0


def gram_serves(gram_rcond: float, scale: float, trace: float, ridge: float, cut: Cutoff) -> bool:
    """Whether the route of a Gram matrix G is safe, of which D (G + ridge) D has this reciprocal condition.

    ``scale`` is the largest entry of D: no eigenvalue of G is below what the two leave, and no square of a singular
    value that would be cut above ``relative``^2 times the trace.
    """
    smallest = gram_rcond / (CUTOFF_MARGIN * scale**2) - ridge
    return gram_rcond > GRAM_RCOND and (cut.relative == 0.0 or smallest > cut.relative**2 * trace)


def least_gram_rcond(single: bool) -> float:
    """From which on sums of products alone, some of them in float32 or all in float64, are solved."""
    return GRAM_RCOND_FLOAT32 if single else GRAM_RCOND


def least_refined_rcond(cut: Cutoff, ridge: float) -> float:
    """From which on solutions of rows at hand are refined: no singular value then comes near what numbers blur.

    With a ridge no lower than sums are solved: a smaller one lets through what rounding makes of repeated columns.
    """
    return GRAM_RCOND if ridge else max(REFINED_RCOND, CUTOFF_MARGIN * cut.stored**2)


def gram_rounding(columns: int, single: bool) -> float:
    """What rounding makes of squares of singular values that should be 0, relative to the largest.

    Products in float32 are added in float32 by runs of ``RUN_ROWS``, each of which may add half a unit.
    """
    return EPS32 / 2.0 * max(columns, RUN_ROWS) if single else EPS64 * columns


def arithmetic(shape: tuple[int, ...]) -> float:
    """What factorisations in float64 leave of singular values that should be 0, relative to the largest."""
    return EPS64 * max(min(shape[-2:]), FEW)


def blur(directions: FloatArray, norms: FloatArray) -> Matrix:
    """|D v| for each column v of ``directions`` (d, r)."""
    return np.sqrt(norms**2 @ directions**2)


def column_norms(Z: Any) -> Matrix:
    """Norms of the columns of Z in float64."""
    return np.sqrt(np.einsum("ij,ij->j", Z, Z, dtype=np.float64))
