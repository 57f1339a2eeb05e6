"""Streaming Gram matrices: all that a least-squares fit needs to know of its rows."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from w2s_fast import _check
from w2s_fast._arrays import HERE, Home
from w2s_fast._check import FloatArray
from w2s_fast._display import Shown
from w2s_fast._threads import single_threaded_blas
from w2s_fast._types import ArrayLike, Blocks, Features
from w2s_fast._workers import Workers
from w2s_fast.linalg.accumulate import gram_file
from w2s_fast.linalg.accumulate.gram_shape import Shape, label_columns, refuse_other_shape
from w2s_fast.linalg.accumulate.gram_sums import FLOAT64, Sums, checked_product_dtype
from w2s_fast.linalg.accumulate.weighting import Counted, summed
from w2s_fast.linalg.leastsq.gram_solve import solve_at_any_scale, solve_gram
from w2s_fast.linalg.rows.products import gram, joint_gram
from w2s_fast.linalg.rows.scatter import scatter
from w2s_fast.linalg.rows.short_runs import gram_by_runs, scatter_by_runs
from w2s_fast.linalg.rows.sources import elsewhere

Matrix = npt.NDArray[np.float64]


class Gram(Shown):
    """Accumulated X'X, X'Y and Y'Y over row blocks, in float64 whatever comes.

    Values merge and subtract: the Gram matrix of a union of rows is the sum of theirs, right to the coarser of them.

    Parameters
    ----------
    centred : bool
        Accumulate deviations from the mean instead of the rows themselves, without the cancellation that subtracting
        it at the end would bring. Weights are then those of a fit with the intercept ``y_mean - x_mean @ weights``.
    product_dtype : {"float64", "float32"}
        In which rows that come in float32 are multiplied. In float32 this takes about half the time: BLAS adds the
        products of 1,024 rows, float64 the rest. Entries are right to some 1e-7 of the diagonal's, not 1e-16, and
        :meth:`solve` asks for a better condition: where rank is at stake, leave it. Rows in float64 or with weights,
        and blocks whose squares do not fit float32, are multiplied in float64.

    Attributes
    ----------
    n_rows : int
        Rows that counted.
    weight : float
        The sum of their weights, ``n_rows`` where none were given.
    xtx : (d, d) ndarray
    xty : (d,) or (d, k) ndarray, or None where no Y was given
    yty : () or (k, k) ndarray, or None
    x_mean, y_mean : (d,) ndarray; () or (k,) ndarray, or None
        Means of the rows seen; zeros unless centred.

    Examples
    --------
    >>> from w2s_fast import Gram
    >>> gram = Gram().update([[1.0, 0.0], [0.0, 2.0]], [3.0, 4.0])
    >>> gram.solve()
    array([3., 2.])

    Rows in float32, in half the time:

    >>> import numpy as np
    >>> rows = np.random.default_rng(0).standard_normal((5_000, 20), dtype=np.float32)
    >>> fast = Gram(product_dtype="float32").update(rows, rows[:, 0] - rows[:, 1])
    >>> fast.solve()[:3].round(5) + 0.0
    array([ 1., -1.,  0.])
    """

    __slots__ = (
        *("_columns", "_home", "_joint", "_label_shape", "_mean", "_peak", "_single"),
        *("centred", "n_rows", "product_dtype", "weight"),
    )

    def __init__(self, *, centred: bool = False, product_dtype: npt.DTypeLike = np.float64) -> None:
        self.centred = _check.boolean(centred, "centred")
        self.product_dtype = checked_product_dtype(product_dtype, self._place)
        self.n_rows, self.weight = 0, 0.0
        self._home = HERE
        self._joint: Matrix = np.zeros((0, 0))  # [X | Y]'[X | Y], of deviations if centred
        self._mean: Matrix = np.zeros((2, 0))  # and what rounding left of it
        self._peak: Matrix = np.zeros(0)  # largest diagonal there ever was: what downdates leave is relative to it
        self._single = False  # whether products of rows seen were taken in float32
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
        shape, d = self._label_shape, self._columns
        return None if shape is None else self._home.give(self._joint[d:, d:].reshape(2 * shape))

    @property
    def x_mean(self) -> Any:
        return self._home.give(self._mean[0, : self._columns])

    @property
    def y_mean(self) -> Any:
        shape = self._label_shape
        return None if shape is None else self._home.give(self._mean[0, self._columns :].reshape(shape))

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
    _scatter: Callable[..., tuple[Matrix, Matrix]] = staticmethod(scatter)
    _solve: Callable[..., Matrix] = staticmethod(solve_gram)

    @staticmethod
    def _products(rows: FloatArray, *labels: FloatArray) -> Matrix:
        return joint_gram(rows, *labels) if labels else gram(rows)

    def update(
        self,
        X: Blocks,
        Y: Features | None = None,
        *,
        weights: ArrayLike | None = None,
        skip_nan: bool = False,
        workers: Workers = None,
    ) -> Self:
        """Add rows and return ``self``.

        Parameters
        ----------
        X : (m, d) array_like, Rows, Dask array, path or list of paths
            Rows that are read by blocks are added block by block, and all of them or none.
        Y : (m,) or (m, k) array_like, or, beside paths, path or list of paths, if the first block had labels
        weights : (m,) array_like, optional
            A row of weight w counts as w equal ones; w may be a fraction, or 0.
        skip_nan : bool
            Leave out rows with a NaN in X or Y.
        workers : Dask client or pool, optional
            Of paths: who reads and sums the rows, as docs/howto/clusters.md says; the same bits.
        """
        if weights is workers is None and skip_nan is False and self._is_updated(X, Y):
            return self
        skip_nan = _check.boolean(skip_nan, "skip_nan")
        if (lazy := elsewhere(X, "X", workers)) is not None:
            labels = () if Y is None else (lazy.labels(Y, partial(self._floats, finite=False)),)
            new = partial(type(self), centred=self.centred, product_dtype=self.product_dtype)
            return self.merge(summed(lazy, new, labels, weights, skip_nan=skip_nan))
        rows = self._floats(X, "X", ndim=2, finite=False)
        beside, label_shape = (None, None) if Y is None else label_columns(self._floats(Y, "Y", finite=False), rows)
        refuse_other_shape((rows.shape[1], label_shape), (self._columns, self._label_shape))
        added = self._added((rows,) if beside is None else (rows, beside), weights, skip_nan)
        self._join(added, (rows.shape[1], label_shape), self._home_of(X, Y))
        return self

    def _is_updated(self, X: Any, Y: Any) -> bool:
        """Add a few plain rows in one call, if their labels are numbers as those before."""
        before, sums, is_alike = self._joint, self._sums, self._columns is None or self._label_shape == ()
        add = sums.with_few_centred if self.centred else sums.with_few
        is_due = is_alike and self._place == Gram._place and self.product_dtype == FLOAT64
        found = add(X, Y) if is_due else None
        if found is None or self._joint is not before:  # another thread has joined rows meanwhile
            return False
        self._joint, self._mean, self._peak, self.n_rows, self.weight, self._single = found
        self._columns, self._label_shape = X.shape[1], ()  # without a call, which could let another thread in between
        return True

    def _added(self, arrays: tuple[FloatArray, ...], weights: Any, skip_nan: bool) -> Sums:
        """Sums over rows that are new; refuse NaN and infinity, and squares that overflow or vanish."""
        counted = None
        if weights is not None or skip_nan:
            if self._place != Gram._place:
                raise TypeError(f"weights and skip_nan are the host's alone, X is on {self._place}: copy it")
            counted = Counted.of(arrays, weights, skip_nan)
            arrays = counted.parts if self.centred else counted.scaled()
        in_float32 = [array.dtype == np.float32 for array in arrays]
        is_single = counted is None and self.product_dtype == np.float32 and any(in_float32)
        products, scatter = (gram_by_runs, scatter_by_runs) if is_single else (self._products, self._scatter)
        return Sums.of(arrays, counted, self.centred, products, scatter)._replace(single=is_single)

    def merge(self, other: Gram) -> Self:
        """Add the rows that ``other`` has seen and return ``self``; ``other`` stays as it is."""
        if (shape := self._shape_of(other)) is not None:
            refuse_other_shape(shape, (self._columns, self._label_shape))
            self._join(other._sums, shape, other._home)
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
        if (shape := self._shape_of(other)) is not None:
            if other.n_rows > self.n_rows:
                raise ValueError(f"other has {other.n_rows:,} rows, more than the {self.n_rows:,} to take them from")
            refuse_other_shape(shape, (self._columns, self._label_shape))
            self._join(other._sums, shape, other._home, sign=-1)
        return self

    @classmethod
    def prefixes(
        cls,
        X: ArrayLike,
        Y: ArrayLike | None = None,
        *,
        sizes: Iterable[int],
        centred: bool = False,
        product_dtype: npt.DTypeLike = np.float64,
    ) -> list[Self]:
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
            labels, shape = label_columns(cls._floats(Y, "Y", finite=False), rows)
            labels = labels.reshape(-1, *shape)
        found: list[Self] = []
        new = partial(cls, centred=centred, product_dtype=product_dtype)
        running, start, home = new(), 0, cls._home_of(X, Y)
        for size in sizes:
            stop = _check.integer(size, "sizes", minimum=start, maximum=len(rows))
            running = new().merge(running)
            running.update(rows[start:stop], None if labels is None else labels[start:stop])
            running._home = home
            found.append(running)
            start = stop
        return found

    def solve(self, ridge: npt.ArrayLike = 0.0, rcond: float | None = None) -> Any:
        """Least-squares weights, minimising |X w - Y|^2 + ridge |w|^2.

        Parameters
        ----------
        ridge : float or (r,) array_like
            Absolute, as scikit-learn's ``Ridge(alpha)``. Many are solved from one eigendecomposition.
        rcond : float, optional
            Treat singular values of X below ``rcond`` times the largest as zero. A Gram matrix squares them, so it
            cannot tell apart those below sqrt(eps d), about 1e-7 (.008 or more with products in float32): smaller
            cut-offs are refused. By default nothing is cut and a singular matrix is an error.

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
        rcond = None if rcond is None else _check.cutoff(rcond)
        many = np.ndim(ridge) > 0
        ridges = [_check.real(value, "ridge") for value in (_check.floats(ridge, "ridge", ndim=1) if many else [ridge])]
        with single_threaded_blas():
            sums = self._xtx, xty, peak
            return self._home.give(solve_at_any_scale(*sums, ridges, many, rcond, self._solve, self._single))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write to a .npz file that :meth:`load` reads; it appears whole, or what was there stays."""
        gram_file.save(
            path, gram_file.Parts(self.centred, self._columns, self._label_shape, *self._sums, self.product_dtype.name)
        )

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read what :meth:`save` wrote; ValueError where it is anything else."""
        parts = gram_file.load(path)
        loaded = cls(centred=parts.centred, product_dtype=parts.product_dtype)
        loaded._columns, loaded._label_shape = parts.columns, parts.label_shape
        loaded._take(Sums(parts.joint, parts.mean, parts.peak, parts.n_rows, parts.weight, parts.single))
        return loaded

    @property
    def _sums(self) -> Sums:
        return Sums(self._joint, self._mean, self._peak, self.n_rows, self.weight, self._single)

    def _join(self, added: Sums, shape: Shape, home: Home, sign: int = 1) -> None:
        """Add sums over rows (or take them away), or leave everything as it was.

        Results go where the first rows came from: to their ``home``.
        """
        before = self._joint
        found = (added.empty() if self._columns is None else self._sums).joined(added, sign, self.centred).frozen()
        if self._joint is not before:  # another thread has joined rows meanwhile
            return self._join(added, shape, home, sign)
        if self._columns is None:
            self._home = home
        self._columns, self._label_shape = shape  # a call from here on could let another thread in between
        self._joint, self._mean, self._peak, self.n_rows, self.weight, self._single = found

    def _take(self, sums: Sums) -> None:
        self._joint, self._mean, self._peak, self.n_rows, self.weight, self._single = sums.frozen()

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
        labels = "" if self._label_shape is None else f"{int(np.prod(self._label_shape)):,}"
        told = {"rows": f"{self.n_rows:,}", "columns": f"{self._columns:,}", "labels": labels, "sums of": centred}
        return told | {"products": "in float32" * self._single, "kept": place}
