"""Streaming Gram matrices: all that a least-squares fit needs to know of its rows."""

from __future__ import annotations

import math
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from w2s_fast import _check
from w2s_fast.linalg.blocks import rows_per_block

Matrix = npt.NDArray[np.float64]
Shape = tuple[int, tuple[int, ...] | None]  # columns of X, shape of one row's labels
DOWNDATE_ROUNDING = 1e-12  # of the largest diagonal: below zero by more than this is no rounding


class Gram:
    """Accumulated X'X, X'Y and Y'Y over row blocks, in float64 whatever comes.

    Values merge and subtract: the Gram matrix of a union of rows is the sum of theirs.

    Attributes
    ----------
    n_rows : int
        Rows seen.
    xtx : (d, d) ndarray
    xty : (d,) or (d, k) ndarray, or None
        None where no Y was given.
    yty : () or (k, k) ndarray, or None

    Examples
    --------
    >>> from w2s_fast import Gram
    >>> gram = Gram().update([[1.0, 0.0], [0.0, 2.0]], [3.0, 4.0])
    >>> gram.solve()
    array([3., 2.])
    """

    __slots__ = ("_columns", "_joint", "_label_shape", "_peak", "n_rows")

    def __init__(self) -> None:
        self.n_rows = 0
        self._joint: Matrix = np.zeros((0, 0))  # [X | Y]'[X | Y]
        self._peak: Matrix = np.zeros(
            0
        )  # largest diagonal there ever was: rounding left by downdates is relative to it
        self._columns: int | None = None
        self._label_shape: tuple[int, ...] | None = None

    @property
    def xtx(self) -> Matrix:
        return self._joint[: self._columns, : self._columns]

    @property
    def xty(self) -> Matrix | None:
        if self._columns is None or self._label_shape is None:
            return None
        return self._joint[: self._columns, self._columns :].reshape(self._columns, *self._label_shape)

    @property
    def yty(self) -> Matrix | None:
        if self._columns is None or self._label_shape is None:
            return None
        return self._joint[self._columns :, self._columns :].reshape(2 * self._label_shape)

    def update(self, X: Any, Y: Any = None) -> Self:
        """Add rows X (m, d), with their labels Y (m,) or (m, k) if the first block had some; return ``self``."""
        rows = _check.floats(X, "X", ndim=2)
        labels = None if Y is None else _check.floats(Y, "Y")
        if labels is not None:
            if labels.ndim not in (1, 2):
                raise ValueError(f"Y must have 1 or 2 dimensions, got shape {labels.shape}")
            _check.same_rows(X=rows, Y=labels)
        label_shape = None if labels is None else labels.shape[1:]
        self._expect(rows.shape[1], label_shape)
        width = rows.shape[1] + (0 if label_shape is None else int(np.prod(label_shape)))
        added = np.zeros((width, width))
        step = rows_per_block(width)
        for start in range(0, len(rows), step):
            block = rows[start : start + step].astype(np.float64, copy=False)
            if labels is not None:
                block = np.column_stack((block, labels[start : start + step].reshape(len(block), -1)))
            with np.errstate(over="ignore", invalid="ignore"):
                added += block.T @ block
        self._join(added, len(rows), np.diagonal(added), (rows.shape[1], label_shape))
        return self

    def merge(self, other: Gram) -> Self:
        """Add the rows that ``other`` has seen and return ``self``; ``other`` stays as it is."""
        shape = _shape_seen(other)
        if shape is not None:
            self._expect(*shape)
            self._join(other._joint, other.n_rows, other._peak, shape)
        return self

    def downdate(self, other: Gram) -> Self:
        """Take away rows seen before and return ``self``.

        What rounding leaves behind is relative to the largest the matrix ever was; :meth:`solve` takes that into
        account and refuses what it drowns.

        Raises
        ------
        ValueError
            If ``other`` has more rows than ``self``.
        numpy.linalg.LinAlgError
            If taking them away leaves a negative diagonal beyond rounding: those rows were never in.
        """
        shape = _shape_seen(other)
        if shape is not None:
            if other.n_rows > self.n_rows:
                raise ValueError(f"other has {other.n_rows:,} rows, more than the {self.n_rows:,} to take them from")
            self._expect(*shape)
            peak = np.maximum(self._peak, other._peak)
            if np.any(np.diagonal(self._joint) - np.diagonal(other._joint) < -DOWNDATE_ROUNDING * peak):
                raise np.linalg.LinAlgError("downdate: other holds rows that this Gram matrix never saw")
            self._join(-other._joint, -other.n_rows, other._peak, shape)
        return self

    def solve(self, ridge: float = 0.0, rcond: float | None = None) -> Matrix:
        """Least-squares weights, minimising |X w - Y|^2 + ridge |w|^2.

        Parameters
        ----------
        ridge : float
            Absolute, as scikit-learn's ``Ridge(alpha)``.
        rcond : float, optional
            Treat singular values of X below ``rcond`` times the largest as zero. A Gram matrix squares them, so it
            cannot tell apart those below sqrt(eps d), about 1e-7: smaller cut-offs are refused. By default nothing
            is cut and a singular matrix is an error.

        Returns
        -------
        (d,) or (d, k) ndarray

        Raises
        ------
        numpy.linalg.LinAlgError
            If the matrix is too ill-conditioned for its solution to be trusted. Pass ``ridge``, pass ``rcond``, or
            give the rows to :func:`w2s_fast.min_norm`.
        """
        ridge = _check.real(ridge, "ridge")
        xty, peak = self.xty, self._peak[: self._columns]
        if xty is None:
            raise ValueError("solve needs labels: call update(X, Y) first")
        if rcond is None:
            return solve_gram(self.xtx, xty, ridge, peak)
        return _solve_cut(self.xtx, xty, ridge, _check.cutoff(rcond), peak)

    def _join(self, joint: Matrix, n_rows: int, peak: Matrix, shape: Shape) -> None:
        """Add sums of a shape that :meth:`_expect` has passed, or leave everything as it was."""
        with np.errstate(over="ignore", invalid="ignore"):
            total = self._joint + joint if self._columns is not None else joint.copy()
        if not np.isfinite(np.diagonal(total)).all():
            raise ValueError("the squares of X or Y overflow float64: scale them down first")
        before = self._peak if self._columns is not None else np.zeros(len(total))
        total.flags.writeable = False  # views of it are handed out
        self._joint, self._peak = total, np.maximum(np.maximum(before, peak), np.diagonal(total))
        self._columns, self._label_shape = shape
        self.n_rows += n_rows

    def _expect(self, columns: int, label_shape: tuple[int, ...] | None) -> None:
        """Refuse rows of another shape than the first ones had."""
        if self._columns is None:
            return
        if columns != self._columns:
            raise ValueError(f"X has {columns:,} columns, the rows before have {self._columns:,}")
        if label_shape != self._label_shape:
            shapes = (label_shape, self._label_shape)
            came, expected = ("no Y" if shape is None else f"Y of shape {('rows', *shape)}" for shape in shapes)
            raise ValueError(f"these rows have {came}, the ones before {expected}")


def _shape_seen(other: Gram) -> Shape | None:
    """Return columns and label shape of what ``other`` has seen; None before its first block."""
    if not isinstance(other, Gram):
        raise TypeError(f"other must be a Gram, got {type(other).__name__}")
    return None if other._columns is None else (other._columns, other._label_shape)


def solve_gram(xtx: Matrix, xty: Matrix, ridge: float, peak: Matrix | None = None) -> Matrix:
    """Solve (X'X + ridge I) w = X'Y, or raise LinAlgError where the solution cannot be trusted.

    ``peak`` is the largest diagonal that ``xtx`` ever had: what was taken away since left rounding relative to it.
    """
    from w2s_fast.kernels.leastsq import GRAM_RCOND, cholesky_solve, factor_gram

    lower, scale, gram_rcond = factor_gram(xtx.copy(), ridge)
    needed = GRAM_RCOND * max(1.0, float(np.max(peak * scale**2, initial=0.0)) if peak is not None else 1.0)
    if gram_rcond <= needed:
        d = len(xtx)
        raise np.linalg.LinAlgError(
            f"the {d:,} x {d:,} Gram matrix is too ill-conditioned to solve (reciprocal condition {gram_rcond:.1e}, "
            f"more than {needed:.0e} needed): pass ridge or rcond, or give the rows to min_norm"
        )
    columns = xty.reshape(len(xtx), int(np.prod(xty.shape[1:])))
    return cholesky_solve(lower, scale, columns.copy()).reshape(xty.shape)


def _solve_cut(xtx: Matrix, xty: Matrix, ridge: float, rcond: float, peak: Matrix) -> Matrix:
    """Solve in the span of the eigenvectors whose singular values of X reach ``rcond`` times the largest."""
    resolution = float(np.finfo(float).eps * max(len(xtx), 1))  # of squared singular values
    values, vectors = np.linalg.eigh(xtx)
    cut = rcond**2 * values.max(initial=0.0)
    if xtx.size and cut < resolution * max(peak.max(), values.max()):
        finest = math.sqrt(resolution * max(peak.max(), values.max()) / values.max()) if values.max() > 0 else 1.0
        raise np.linalg.LinAlgError(
            f"rcond={rcond:.1e} is finer than a Gram matrix resolves ({finest:.1e} here): raise it, or give the "
            "rows to min_norm"
        )
    keep = values > cut
    basis = vectors[:, keep]
    return np.asarray((basis / (values[keep] + ridge)) @ (basis.T @ xty))
