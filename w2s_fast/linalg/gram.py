"""Streaming Gram matrices: all that a least-squares fit needs to know of its rows."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import numpy.typing as npt

from w2s_fast import _check
from w2s_fast.linalg.blocks import rows_per_block

Matrix = npt.NDArray[np.float64]


def solve_gram(xtx: Matrix, xty: Matrix, ridge: float) -> Matrix:
    """Solve (X'X + ridge I) w = X'Y, or raise LinAlgError where the solution cannot be trusted."""
    from w2s_fast.kernels.leastsq import GRAM_RCOND, cholesky_solve, factor_gram

    d = len(xtx)
    lower, scale, gram_rcond = factor_gram(np.ascontiguousarray(xtx), ridge)
    if gram_rcond <= GRAM_RCOND:
        raise np.linalg.LinAlgError(
            f"the {d:,} x {d:,} Gram matrix is too ill-conditioned to solve (reciprocal condition {gram_rcond:.1e}, "
            f"more than {GRAM_RCOND:.0e} needed): pass ridge or rcond, or give the rows to min_norm"
        )
    return np.asarray(cholesky_solve(lower, scale, np.ascontiguousarray(xty.reshape(d, -1))).reshape(xty.shape))


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
    yty : float or (k, k) ndarray, or None

    Examples
    --------
    >>> from w2s_fast import Gram
    >>> gram = Gram().update([[1.0, 0.0], [0.0, 2.0]], [3.0, 4.0])
    >>> gram.solve()
    array([3., 2.])
    """

    __slots__ = ("n_rows", "xtx", "xty", "yty")

    def __init__(self) -> None:
        self.n_rows = 0
        self.xtx: Matrix | None = None
        self.xty: Matrix | None = None
        self.yty: Matrix | None = None

    def update(self, X: Any, Y: Any = None) -> Self:
        """Add rows X (k, d), with their labels Y (k,) or (k, m) if the first block had some; return ``self``."""
        rows = _check.floats(X, "X", ndim=2)
        labels = None if Y is None else _check.floats(Y, "Y")
        if labels is not None:
            if labels.ndim not in (1, 2):
                raise ValueError(f"Y must have 1 or 2 dimensions, got shape {labels.shape}")
            _check.same_rows(X=rows, Y=labels)
        block = Gram()
        block.xtx = np.zeros((rows.shape[1], rows.shape[1]))
        if labels is not None:
            block.xty = np.zeros((rows.shape[1], *labels.shape[1:]))
            block.yty = np.zeros(2 * labels.shape[1:])
        self._expect(block)
        step = rows_per_block(rows.shape[1])
        for start in range(0, len(rows), step):
            x = rows[start : start + step].astype(np.float64, copy=False)
            block.n_rows += len(x)
            block.xtx += x.T @ x
            if labels is not None:
                y = labels[start : start + step].astype(np.float64, copy=False)
                block.xty += x.T @ y
                block.yty += y.T @ y
        return self._add(block, 1)

    def merge(self, other: Gram) -> Self:
        """Add the rows that ``other`` has seen and return ``self``; ``other`` stays as it is."""
        return self._combine(other, 1)

    def downdate(self, other: Gram) -> Self:
        """Take away rows seen before and return ``self``.

        Raises
        ------
        ValueError
            If ``other`` has more rows than ``self``.
        numpy.linalg.LinAlgError
            If taking them away leaves a negative diagonal beyond rounding: those rows were never in.
        """
        if isinstance(other, Gram) and other.n_rows > self.n_rows:
            raise ValueError(f"other has {other.n_rows:,} rows, more than the {self.n_rows:,} to take them from")
        if isinstance(other, Gram) and self.xtx is not None and other.xtx is not None:
            before = np.diagonal(self.xtx)
            if before.shape == other.xtx.shape[:1]:
                left = before - np.diagonal(other.xtx)
                if np.any(left < -1e-12 * before):
                    raise np.linalg.LinAlgError("downdate: other holds rows that this Gram matrix never saw")
        return self._combine(other, -1)

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
        if self.xtx is None or self.xty is None:
            raise ValueError("solve needs labels: call update(X, Y) first")
        if rcond is None:
            return solve_gram(self.xtx, self.xty, ridge)
        rhs = self.xty.reshape(len(self.xtx), -1)
        return self._solve_cut(rhs, ridge, _check.cutoff(rcond)).reshape(self.xty.shape)

    def _solve_cut(self, rhs: Matrix, ridge: float, rcond: float) -> Matrix:
        assert self.xtx is not None
        resolution = float(np.sqrt(np.finfo(float).eps * max(len(self.xtx), 1)))
        if rcond < resolution:
            raise np.linalg.LinAlgError(
                f"rcond={rcond:.1e} is finer than a Gram matrix resolves ({resolution:.1e} here): raise it, or give "
                "the rows to min_norm"
            )
        values, vectors = np.linalg.eigh(self.xtx)
        keep = values > rcond**2 * values.max(initial=0.0)
        basis = vectors[:, keep]
        return np.asarray(basis @ ((basis.T @ rhs) / (values[keep, None] + ridge)))

    def _combine(self, other: Gram, sign: int) -> Self:
        if not isinstance(other, Gram):
            raise TypeError(f"other must be a Gram, got {type(other).__name__}")
        self._expect(other)
        return self._add(other, sign)

    def _expect(self, other: Gram) -> None:
        """Refuse rows or labels of another shape before anything is added."""
        if self.xtx is None or other.xtx is None:
            return
        for name, mine, theirs in (("X", self.xtx, other.xtx), ("Y", self.yty, other.yty)):
            if (None if mine is None else mine.shape) != (None if theirs is None else theirs.shape):
                widths = ["none" if a is None else str(a.shape[-1] if a.ndim else 1) for a in (theirs, mine)]
                raise ValueError(f"{name} has {widths[0]} column(s), the rows before have {widths[1]}")

    def _add(self, other: Gram, sign: int) -> Self:
        if other.xtx is None:
            return self
        self.n_rows += sign * other.n_rows
        for name in ("xtx", "xty", "yty"):
            mine, theirs = getattr(self, name), getattr(other, name)
            if theirs is not None:
                setattr(self, name, sign * theirs if mine is None else mine + sign * theirs)
        return self
