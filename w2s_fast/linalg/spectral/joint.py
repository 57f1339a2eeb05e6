"""One pass over the features of two models, and labels: all that comparing their spans over the same rows takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from w2s_fast import _check
from w2s_fast._check import FloatArray
from w2s_fast._threads import single_threaded_blas
from w2s_fast._workers import Workers
from w2s_fast.linalg.leastsq import by_qr
from w2s_fast.linalg.leastsq.policy import EPS64, Cutoff, blur
from w2s_fast.linalg.rows.base import SMALLEST_ENERGY, Rows, ScaleError
from w2s_fast.linalg.rows.cutting import LONGEST_BLOCK
from w2s_fast.linalg.rows.products import Matrix, blas_threads, gram_pass
from w2s_fast.linalg.rows.sources import ArrayRows, rows_of
from w2s_fast.linalg.spectral.dimension import rank_for_energy, trusted_share

ENERGY = 0.99  # share of a feature set that its intrinsic dimension holds, as in the paper's section 4


class Leading(NamedTuple):
    """Leading eigenvalues (d,) of X'X, falling, and its eigenvectors (p, d)."""

    values: Matrix
    vectors: Matrix

    @property
    def to_basis(self) -> Matrix:
        """What makes an orthonormal basis of R^N of X: (p, d)."""
        return self.vectors / np.sqrt(self.values)


@dataclass(frozen=True, eq=False)
class JointGram:
    """[A | B | y]'[A | B | y] in float64 of rows that came in two precisions.

    Attributes
    ----------
    squares : ndarray
    widths : (int, int)
        Columns of A and of B; those of y are the others.
    rows : int
    dtypes : tuple
        Of A and of B.
    exponents : (int, int)
        A and B were read times 2**-exponent.
    """

    squares: Matrix
    widths: tuple[int, int]
    rows: int
    dtypes: tuple[npt.DTypeLike, npt.DTypeLike]
    exponents: tuple[int, int] = (0, 0)

    @property
    def parts(self) -> tuple[slice, slice, slice]:
        """Columns of A, of B and of y."""
        first, both = self.widths[0], sum(self.widths)
        return slice(first), slice(first, both), slice(both, None)

    @property
    def corners(self) -> tuple[Matrix, Matrix, Matrix]:
        """A'A, B'B and y'y."""
        a, b, y = self.parts
        return self.squares[a, a], self.squares[b, b], self.squares[y, y]

    @property
    def cross(self) -> Matrix:
        """A'B."""
        return self.squares[self.parts[0], self.parts[1]]

    @property
    def moments(self) -> tuple[Matrix, Matrix]:
        """A'y and B'y."""
        a, b, y = self.parts
        return self.squares[a, y], self.squares[b, y]

    def leading(self, share: float) -> list[Leading]:
        """Leading eigenpairs of A'A and of B'B that hold a share of their energy."""
        return [_leading(part, share, dtype) for part, dtype in zip(self.corners[:2], self.dtypes, strict=True)]

    def between(self, a: Leading, b: Leading) -> Matrix:
        """Inner products (d_A, d_B) of the bases of R^N that these make."""
        product: Matrix = a.to_basis.T @ self.cross @ b.to_basis
        return product


class Dimensions(NamedTuple):
    """Of two models, and what they share, over the same rows (sample space).

    Attributes
    ----------
    weak, strong : int
        Leading directions that hold a share of the energy.
    shared : float
        Sum of the squared cosines of the principal angles between them.
    """

    weak: int
    strong: int
    shared: float

    @classmethod
    def of(cls, weak: Any, strong: Any, energy: float = ENERGY, workers: Workers = None) -> Self:
        """Read features (rows, d_weak) and (rows, d_strong) once."""
        A, B = (narrowed(rows_of(side, name, workers)) for side, name in ((weak, "A"), (strong, "B")))
        joint = joint_gram(A, B)
        a, b = joint.leading(energy)
        cosines = np.linalg.svd(joint.between(a, b), compute_uv=False)
        shared = float(np.sum(np.minimum(cosines, 1.0) ** 2))  # small eigenvalues carry rounding
        return cls(len(a.values), len(b.values), shared)

    @property
    def overlap(self) -> float:
        """Share of the weak model's dimensions that the strong one has too."""
        return self.shared / self.weak


def joint_gram(
    A: Any, B: Any, y: Any = None, names: tuple[str, str] = ("A", "B"), workers: Workers = None
) -> JointGram:
    """Read both once, and once more at scales of their own where squares of either overflow or vanish."""
    a, b = rows_of(A, names[0], workers), rows_of(B, names[1], workers)
    if a.shape is not None and b.shape is not None and a.shape[0] != b.shape[0]:
        raise ValueError(
            f"these must have the same number of rows: {a.name} has {a.shape[0]:,}, {b.name} has {b.shape[0]:,}"
        )
    labels = None if y is None else a.labels(y, lambda given, _: _check.floats(given, "y"))
    if labels is not None:
        if labels.ndim not in (1, 2):
            raise ValueError(f"y must have 1 or 2 dimensions, got shape {labels.shape}")
        labels = labels[0 : len(labels)]  # which reads files
        if a.shape is not None and len(labels) != a.shape[0]:
            raise ValueError(
                f"these must have the same number of rows: {a.name} has {a.shape[0]:,}, y has {len(labels):,}"
            )
        labels = labels.reshape(len(labels), -1)
    try:
        return _one_pass(a, b, labels)
    except ScaleError:
        if a.once or b.once:
            raise
        return _one_pass(a.rescaled(), b.rescaled(), labels)


def narrowed(rows: Rows) -> Rows:
    """Rows with the same inner products, of no more columns than rows if they are held: their joint Gram is small."""
    held = rows.held()
    if held is None or held.shape[1] <= len(held):
        return rows
    _check.all_finite(held, rows.name)
    with blas_threads(held):
        narrow = by_qr.reduced(held.T.astype(np.float64)).T.astype(held.dtype)
    return ArrayRows(np.ascontiguousarray(narrow), rows.name)


def _one_pass(a: Rows, b: Rows, labels: FloatArray | None) -> JointGram:
    exponents = a.exponent, b.exponent
    (width, a_dtype, a), (b_width, b_dtype, b) = a.opened(), b.opened()
    beside: tuple[Any, ...] = (b,) if labels is None else (b, labels)
    columns = width + b_width + (0 if labels is None else labels.shape[1])
    with single_threaded_blas():
        sums = gram_pass(a, columns, *beside, step=LONGEST_BLOCK)
    found = JointGram(sums.product, (width, b_width), sums.rows, (a_dtype, b_dtype), exponents)
    for rows, nonzero, corner in zip((a, b), sums.nonzero, found.corners, strict=False):
        rows.refuse_not_finite(corner)
        rows.refuse_vanishing(float(np.trace(corner)), nonzero)
    if labels is not None:
        energy = float(np.trace(found.corners[2]))
        if not np.isfinite(energy) or (sums.nonzero[2] and energy < SMALLEST_ENERGY):
            raise ValueError(f"the squares of y {'vanish' if energy < 1 else 'overflow'}: scale it first")
    return found


def _leading(squares: Matrix, share: float, dtype: npt.DTypeLike) -> Leading:
    """Leading eigenpairs that hold ``share`` of the trace, without directions that are rounding.

    Of the arithmetic of the squares, beside the first, or of rows that came in ``dtype``.
    """
    values, vectors = np.linalg.eigh(squares)
    values, vectors = values[::-1], vectors[:, ::-1]
    stored = Cutoff.of(dtype, squares.shape, None).stored
    least = len(values) * EPS64 * max(values[:1].max(initial=0.0), 0.0)
    told = values > np.maximum(least, (stored * blur(vectors, np.sqrt(np.diagonal(squares)))) ** 2)
    held = np.arange(len(values)) < rank_for_energy(np.maximum(values, 0.0), trusted_share(share, dtype))
    return Leading(values[told & held], vectors[:, told & held])
