"""Streaming Gram matrices: all that a least-squares fit needs to know of its rows."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable
from functools import partial
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from w2s_fast import _check
from w2s_fast._arrays import HERE, Home
from w2s_fast._check import FloatArray
from w2s_fast._display import Shown
from w2s_fast._threads import single_threaded_blas
from w2s_fast.linalg.accumulate import gram_file
from w2s_fast.linalg.accumulate.gram_file import DOWNDATE_ROUNDING
from w2s_fast.linalg.leastsq.gram_solve import solve_gram, solve_spectral
from w2s_fast.linalg.rows.base import Rows
from w2s_fast.linalg.rows.products import gram, joint_gram
from w2s_fast.linalg.rows.scale import exponent_of, exponents, refuse_vanishing, scaled, scaled_back
from w2s_fast.linalg.rows.scatter import merge_scatter, scatter
from w2s_fast.linalg.rows.sources import elsewhere

Matrix = npt.NDArray[np.float64]
Shape = tuple[int, tuple[int, ...] | None]  # columns of X, shape of one row's labels


def _of_block(kind: type[Gram], centred: bool, block: FloatArray, labels: FloatArray | None = None) -> Gram:
    return kind(centred=centred).update(block, labels)


class Gram(Shown):
    """Accumulated X'X, X'Y and Y'Y over row blocks, in float64 whatever comes.

    Values merge and subtract: the Gram matrix of a union of rows is the sum of theirs.

    Parameters
    ----------
    centred : bool
        Accumulate deviations from the mean instead of the rows themselves, without the cancellation that subtracting
        it at the end would bring. Weights are then those of a fit with the intercept ``y_mean - x_mean @ weights``.

    Attributes
    ----------
    n_rows : int
        Rows seen.
    xtx : (d, d) ndarray
    xty : (d,) or (d, k) ndarray, or None
        None where no Y was given.
    yty : () or (k, k) ndarray, or None
    x_mean : (d,) ndarray
    y_mean : () or (k,) ndarray, or None
        Means of the rows seen; zeros unless centred.

    Examples
    --------
    >>> from w2s_fast import Gram
    >>> gram = Gram().update([[1.0, 0.0], [0.0, 2.0]], [3.0, 4.0])
    >>> gram.solve()
    array([3., 2.])
    """

    __slots__ = ("_columns", "_home", "_joint", "_label_shape", "_mean", "_peak", "centred", "n_rows")

    def __init__(self, *, centred: bool = False) -> None:
        self.centred = _check.boolean(centred, "centred")
        self.n_rows = 0
        self._home = HERE
        self._joint: Matrix = np.zeros((0, 0))  # [X | Y]'[X | Y], of deviations if centred
        self._mean: Matrix = np.zeros((2, 0))  # and what rounding left of it
        self._peak: Matrix = np.zeros(0)  # largest diagonal there ever was: what downdates leave is relative to it
        self._columns: int | None = None
        self._label_shape: tuple[int, ...] | None = None

    @property
    def xtx(self) -> Any:
        return self._home.give(self._xtx)

    @property
    def xty(self) -> Any:
        return self._home.give(self._xty)

    @property
    def yty(self) -> Any:
        if self._columns is None or self._label_shape is None:
            return None
        return self._home.give(self._joint[self._columns :, self._columns :].reshape(2 * self._label_shape))

    @property
    def x_mean(self) -> Any:
        return self._home.give(self._mean[0, : self._columns])

    @property
    def y_mean(self) -> Any:
        if self._columns is None or self._label_shape is None:
            return None
        return self._home.give(self._mean[0, self._columns :].reshape(self._label_shape))

    @property
    def _xtx(self) -> Matrix:
        return self._joint[: self._columns, : self._columns]

    @property
    def _xty(self) -> Matrix | None:
        if self._columns is None or self._label_shape is None:
            return None
        return self._joint[: self._columns, self._columns :].reshape(self._columns, *self._label_shape)

    # What a device does its own way.
    _place = "the host"
    _home_of = staticmethod(Home.of)
    _floats = staticmethod(_check.floats)

    @staticmethod
    def _scatter(*arrays: FloatArray) -> tuple[Matrix, Matrix]:
        return scatter(*arrays)

    @staticmethod
    def _products(rows: FloatArray, *labels: FloatArray) -> Matrix:
        return joint_gram(rows, *labels) if labels else gram(rows)

    @staticmethod
    def _solve(xtx: Matrix, xty: Matrix, ridge: float, peak: Matrix) -> Matrix:
        return solve_gram(xtx, xty, ridge, peak)

    @classmethod
    def _labels(cls, Y: Any, rows: FloatArray) -> tuple[FloatArray, tuple[int, ...]]:
        """Check Y (m,) or (m, k); return it with a column axis, and the shape of one row's labels."""
        labels = cls._floats(Y, "Y", finite=False)
        if labels.ndim not in (1, 2):
            raise ValueError(f"Y must have 1 or 2 dimensions, got shape {labels.shape}")
        _check.same_rows(X=rows, Y=labels)
        if labels.ndim == 2:
            return labels, labels.shape[1:]
        # A column of several has other strides than one alone, and BLAS other bits for it.
        return (labels if labels.flags.c_contiguous else labels.copy())[:, None], ()

    def update(self, X: Any, Y: Any = None) -> Self:
        """Add rows X (m, d), with their labels Y (m,) or (m, k) if the first block had some; return ``self``.

        :class:`~w2s_fast.linalg.rows.base.Rows` and Dask arrays are added block by block, and all of them or none.
        """
        if (lazy := elsewhere(X, "X")) is not None:
            return self._update_by_blocks(lazy, Y)
        rows = self._floats(X, "X", ndim=2, finite=False)
        labels, label_shape = (None, None) if Y is None else self._labels(Y, rows)
        shape = rows.shape[1], label_shape
        self._expect(*shape)
        width = rows.shape[1] + (0 if labels is None else labels.shape[1])
        mean, joint = (np.zeros_like(rows, np.float64, shape=(size, width)) for size in (2, width))
        if len(rows) and width:
            arrays = (rows,) if labels is None else (rows, labels)
            if self.centred:
                mean, joint = self._scatter(*arrays)
            else:
                joint = self._products(*arrays)
        if not np.isfinite(np.diagonal(joint)).all():  # tells of any NaN or infinity without a pass of its own
            _check.all_finite(rows, "X")
            if labels is not None:
                _check.all_finite(labels, "Y")
        for name, columns, part in (("X", rows, slice(rows.shape[1])), ("Y", labels, slice(rows.shape[1], None))):
            if columns is not None:
                refuse_vanishing(columns, np.diagonal(joint)[part], mean[0, part], name)
        self._join(joint, mean, len(rows), np.diagonal(joint), shape, self._home_of(X, Y))
        return self

    def _update_by_blocks(self, rows: Rows, Y: Any) -> Self:
        beside = () if Y is None else (rows.labels(Y, partial(self._floats, finite=False)),)
        part = partial(_of_block, type(self), self.centred)
        return self.merge(rows.total(part, type(self).merge, *beside))

    def merge(self, other: Gram) -> Self:
        """Add the rows that ``other`` has seen and return ``self``; ``other`` stays as it is."""
        shape = self._shape_of(other)
        if shape is not None:
            self._expect(*shape)
            self._join(other._joint, other._mean, other.n_rows, other._peak, shape, other._home)
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
        shape = self._shape_of(other)
        if shape is not None:
            if other.n_rows > self.n_rows:
                raise ValueError(f"other has {other.n_rows:,} rows, more than the {self.n_rows:,} to take them from")
            self._expect(*shape)
            self._join(other._joint, other._mean, -other.n_rows, other._peak, shape, other._home)
        return self

    @classmethod
    def prefixes(cls, X: Any, Y: Any = None, *, sizes: Iterable[int], centred: bool = False) -> list[Self]:
        """Gram matrices of the first ``size`` rows for each of the rising sizes, in one pass over the rows.

        Examples
        --------
        >>> from w2s_fast import Gram
        >>> [gram.n_rows for gram in Gram.prefixes([[1.0], [2.0], [3.0]], sizes=[1, 3])]
        [1, 3]
        """
        rows = cls._floats(X, "X", ndim=2, finite=False)
        labels = None
        if Y is not None:
            labels, shape = cls._labels(Y, rows)
            labels = labels.reshape(-1, *shape)
        found: list[Self] = []
        running, start, home = cls(centred=centred), 0, cls._home_of(X, Y)
        for size in sizes:
            stop = _check.integer(size, "sizes", minimum=start, maximum=len(rows))
            running = cls(centred=centred).merge(running)
            running.update(rows[start:stop], None if labels is None else labels[start:stop])
            running._home = home
            found.append(running)
            start = stop
        return found

    def solve(self, ridge: Any = 0.0, rcond: float | None = None) -> Any:
        """Least-squares weights, minimising |X w - Y|^2 + ridge |w|^2.

        Parameters
        ----------
        ridge : float or (r,) array_like
            Absolute, as scikit-learn's ``Ridge(alpha)``. Many are solved from one eigendecomposition.
        rcond : float, optional
            Treat singular values of X below ``rcond`` times the largest as zero. A Gram matrix squares them, so it
            cannot tell apart those below sqrt(eps d), about 1e-7: smaller cut-offs are refused. By default nothing
            is cut and a singular matrix is an error.

        Returns
        -------
        (d,) or (d, k) ndarray, or (r, d) or (r, d, k) for many ridges

        Raises
        ------
        numpy.linalg.LinAlgError
            If the matrix is too ill-conditioned for its solution to be trusted. Pass ``ridge``, pass ``rcond``, or
            give the rows to :func:`w2s_fast.min_norm`.
        """
        xty, peak = self._xty, self._peak[: self._columns]
        if xty is None:
            raise ValueError("solve needs labels: call update(X, Y) first")
        if rcond is not None:
            rcond = _check.cutoff(rcond)
        many = np.ndim(ridge) > 0
        ridges = [_check.real(value, "ridge") for value in (_check.floats(ridge, "ridge", ndim=1) if many else [ridge])]
        shift, label_shift = int(exponents(np.diagonal(self._xtx))), int(exponents(xty))
        if shift:
            shift = max(shift, exponent_of(max(ridges, default=0.0)))
        ridges = [math.ldexp(value, -shift) for value in ridges]
        xtx, xty, peak = (
            scaled(part, -power) for part, power in ((self._xtx, shift), (xty, label_shift), (peak, shift))
        )
        with single_threaded_blas():
            if not many and rcond is None:
                weights = self._solve(xtx, xty, ridges[0], peak)
            else:
                weights = solve_spectral(xtx, xty, ridges, rcond, peak)
                weights = weights if many else weights[0]
        return self._home.give(scaled_back(weights, label_shift - shift, np.float64, "the weights"))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write to a .npz file that :meth:`load` reads; it appears whole, or what was there stays."""
        parts = self.centred, self.n_rows, self._columns, self._label_shape, self._joint, self._mean, self._peak
        gram_file.save(path, gram_file.Parts(*parts))

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read what :meth:`save` wrote; ValueError where it is anything else."""
        parts = gram_file.load(path)
        loaded = cls(centred=parts.centred)
        loaded.n_rows, loaded._columns, loaded._label_shape = parts.n_rows, parts.columns, parts.label_shape
        loaded._joint, loaded._mean, loaded._peak = parts.joint, parts.mean, parts.peak
        return loaded

    def _join(self, joint: Matrix, mean: Matrix, n_rows: int, peak: Matrix, shape: Shape, home: Home) -> None:
        """Add sums over ``n_rows`` rows (take them away if negative), or leave everything as it was.

        Results go where the first rows came from: to their ``home``.
        """
        if self._columns is None:
            self._joint, self._mean, self._peak = (np.zeros_like(array) for array in (joint, mean, np.diagonal(joint)))
        before = self._joint
        total = self.n_rows + n_rows
        new_mean, new = np.zeros_like(mean), self._joint
        with np.errstate(over="ignore", invalid="ignore"):
            if self.centred and total and n_rows:
                new_mean, new = merge_scatter(self.n_rows, self._mean, self._joint, n_rows, mean, joint)
            elif n_rows:
                new = self._joint + math.copysign(1.0, n_rows) * joint
            else:
                new_mean = self._mean
        if not np.isfinite(np.diagonal(new)).all():
            raise ValueError("the squares of X or Y overflow float64: scale them down first")
        highest = np.maximum(np.maximum(self._peak, peak), np.diagonal(new))
        if self.centred and total and n_rows < 0:  # rounding of the means, times the distance that they moved
            moved = np.abs(mean[0] - self._mean[0]) * (self.n_rows * abs(n_rows) / total)
            highest = np.maximum(highest, (np.abs(self._mean[0]) + np.abs(mean[0])) * moved)
        if np.any(np.diagonal(new) < -DOWNDATE_ROUNDING * highest):
            raise np.linalg.LinAlgError("downdate: other holds rows that this Gram matrix never saw")
        if isinstance(new, np.ndarray):
            new.flags.writeable = False  # views of it are handed out
        if self._joint is not before:  # another thread has joined rows meanwhile
            return self._join(joint, mean, n_rows, peak, shape, home)
        if self._columns is None:
            self._home = home
        self._joint, self._mean, self._peak = new, new_mean, highest
        self._columns, self._label_shape = shape
        self.n_rows = total

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

    def _shape_of(self, other: Gram) -> Shape | None:
        """Return columns and label shape of what ``other`` has seen; None before its first block."""
        if not isinstance(other, Gram):
            raise TypeError(f"other must be a Gram, got {type(other).__name__}")
        _check.same_place(self._place, other._place)
        if other.centred != self.centred:
            raise ValueError(f"other has centred={other.centred}, this one centred={self.centred}: they do not add up")
        return None if other._columns is None else (other._columns, other._label_shape)

    def told(self) -> dict[str, str]:
        centred, place = ("deviations from the mean" * self.centred, f"on {self._place}" * (self._place != "the host"))
        if self._columns is None:
            return {"rows": "none yet", "sums of": centred, "kept": place}
        width = 1 if not self._label_shape else self._label_shape[0]
        labels = "" if self._label_shape is None else f"{width:,}"
        told = {"rows": f"{self.n_rows:,}", "columns": f"{self._columns:,}", "labels": labels}
        return told | {"sums of": centred, "kept": place}
