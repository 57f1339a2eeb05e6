"""Least squares: the minimum-norm solution by the fastest route that is safe, for single problems and stacks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import Any, Literal, Self, TypedDict, Unpack, overload

import numpy as np
import numpy.typing as npt

from w2s_fast import _check, _devices
from w2s_fast._arrays import HERE, Home
from w2s_fast._check import FloatArray
from w2s_fast._display import Shown, number
from w2s_fast._threads import ordered_map
from w2s_fast._types import ArrayLike, Blocks, Features, Floats, Tensor
from w2s_fast._workers import Workers
from w2s_fast.linalg.leastsq import affine, by_gram, by_qr, by_stack, by_svd, few
from w2s_fast.linalg.leastsq.gram_factor import GramFactor
from w2s_fast.linalg.leastsq.policy import Cutoff, column_norms
from w2s_fast.linalg.leastsq.spanned import SpannedFactor
from w2s_fast.linalg.rows.scale import exponents, scaled, scaled_back
from w2s_fast.linalg.rows.sources import elsewhere

Matrix = npt.NDArray[np.float64]
FAR_OFF = 4.0  # lengths that centring leaves of a column: from here rounding may be what a Gram matrix calls safe
KERNEL_WORK = 5 * 10**6  # multiplications of one X'X: below, a compiled loop beats NumPy's calls for one problem, too


class MinNorm(Shown):
    """Minimum-norm least squares, factored once to solve for many labels.

    Parameters
    ----------
    X : (m, n) array_like
        Features, any m and n, any rank. Kept, not copied: do not write to it.
    rcond : float, optional
        Singular values below ``rcond`` times the largest count as zero. By default those that are rounding do, of
        float64 arithmetic and of the precision that X came in, however many rows there are
        (:mod:`w2s_fast.linalg.leastsq.policy`); with ridge that of arithmetic alone.
    ridge : float
        Absolute, as scikit-learn's ``Ridge(alpha)``.

    Attributes
    ----------
    route : {"gram", "svd"}
        How X was factored: by Cholesky of the smaller Gram matrix where the condition allows, with solutions refined
        to the accuracy of an orthogonal factorisation, or by the singular value decomposition.
    rank : int
        Singular values that are not cut.
    condition : float
        Of X within its rank, extended by the ridge: estimated by the route "gram", known by "svd".

    Raises
    ------
    ValueError, TypeError
        As :func:`min_norm`.

    Examples
    --------
    >>> import numpy as np
    >>> from w2s_fast import MinNorm
    >>> factor = MinNorm([[1.0, 0.0], [1.0, 1.0], [1.0, 2.0]])
    >>> factor.solve([1.0, 3.0, 5.0]).round(12), factor.rank, factor.route
    (array([1., 2.]), 2, 'gram')
    """

    __slots__ = ("_X", "_cut", "_factor", "_home", "_norms", "_ridge")

    def __init__(self, X: ArrayLike, *, rcond: float | None = None, ridge: float = 0.0) -> None:
        features, ridge = _check.floats(X, "X", ndim=2, finite=False), _check.real(ridge, "ridge")
        self._begin(features, ridge, Cutoff.of(features.dtype, features.shape, rcond, ridge), None)
        self._home = Home.of(X)

    @classmethod
    def of_stored(cls, rows: Matrix, ridge: float, dtype: npt.DTypeLike, came: Matrix | None = None) -> Self:
        """Factor rows that are in float64, and came in ``dtype``: as ``came`` where they were centred since."""
        return cls._cut_at(Cutoff.of(dtype, rows.shape, None, ridge), rows, ridge, came)

    @classmethod
    def _cut_at(cls, cut: Cutoff, rows: Matrix, ridge: float, came: Matrix | None) -> Self:
        made = cls.__new__(cls)
        made._begin(rows, ridge, cut, came)
        return made

    def _begin(self, X: FloatArray, ridge: float, cut: Cutoff, came: Matrix | None) -> None:
        self._X, self._ridge, self._cut, self._home = X, ridge, cut, HERE
        self._norms: Matrix | None = None  # of columns or rows when they were rounded, where not those of X
        far_off = False
        if cut.stored and came is not None:
            self._norms, own = (column_norms(rows.T if X.shape[0] < X.shape[1] else rows) for rows in (came, X))
            far_off = bool(np.any(self._norms > FAR_OFF * own))
        self._factor: GramFactor | SpannedFactor | by_svd.SvdFactor = (
            None if far_off else by_gram.factor(X, ridge, cut)
        ) or self._decompose()

    def _decompose(self) -> by_svd.SvdFactor:
        _check.all_finite(self._X, "X")
        return by_svd.factor(self._X, self._ridge, self._cut, norms=self._norms)

    @property
    def route(self) -> str:
        return self._factor.route

    @property
    def rank(self) -> int:
        return self._factor.rank

    @property
    def condition(self) -> float:
        return self._factor.condition

    def solve(self, Y: ArrayLike) -> Any:
        """Weights (n,) or (n, k) for labels Y (m,) or (m, k)."""
        _, labels, vector = _problem(self._X, Y, ("X", "Y"))
        labels = labels.astype(np.result_type(self._X, labels), copy=False)
        coef = self._factor.solve(labels)
        if coef is None:  # the condition was underestimated, or the labels are huge or tiny
            self._factor = self._decompose()
            coef = self._factor.solve(labels)
        home = Home.of(Y) if self._home is HERE else self._home
        return home.give(coef[:, 0] if vector else coef)

    def told(self) -> dict[str, str]:
        return {
            "X": f"{self._X.shape} {self._X.dtype}",
            "route": self.route,
            "rank": f"{self.rank:,}",
            "condition": number(self.condition),
            "ridge": f"{self._ridge:g}" if self._ridge else "",
        }


def _problem(a: Any, b: Any, names: tuple[str, str]) -> tuple[FloatArray, FloatArray, bool]:
    """Check (..., m, n) and (..., m[, k]); return both with a column axis, and whether the labels were vectors.

    The features are not searched for NaN and infinity here: sums of their squares tell at no cost.
    """
    X, Y = _check.floats(a, names[0], finite=False), _check.floats(b, names[1])
    if X.ndim < 2:
        raise ValueError(f"{names[0]} must have at least 2 dimensions (..., m, n), got shape {X.shape}")
    vector = Y.ndim == X.ndim - 1
    if vector:
        Y = Y[..., None]
    if Y.shape[:-1] != X.shape[:-1]:
        raise np.linalg.LinAlgError(
            f"Incompatible dimensions: {names[1]} must have shape (..., m) or (..., m, k) to go with {names[0]} of "
            f"shape {X.shape}, got {np.shape(b)}"
        )
    return X, Y, vector


class Options(TypedDict, total=False):
    """How :func:`min_norm` cuts and shrinks."""

    rcond: float | None
    ridge: float
    workers: Workers


@overload
def min_norm(X: Floats, Y: ArrayLike, *, intercept: Literal[True], **how: Unpack[Options]) -> tuple[Floats, Floats]: ...


@overload
def min_norm(X: Tensor, Y: ArrayLike, *, intercept: Literal[True], **how: Unpack[Options]) -> tuple[Tensor, Any]: ...


@overload
def min_norm(X: Blocks, Y: Features, *, intercept: Literal[True], **how: Unpack[Options]) -> tuple[Any, Any]: ...


@overload
def min_norm(X: Floats, Y: ArrayLike, *, intercept: Literal[False] = ..., **how: Unpack[Options]) -> Floats: ...


@overload
def min_norm(X: Tensor, Y: ArrayLike, *, intercept: Literal[False] = ..., **how: Unpack[Options]) -> Tensor: ...


@overload
def min_norm(X: Blocks, Y: Features, *, intercept: bool = ..., **how: Unpack[Options]) -> Any: ...


def min_norm(
    X: Any,
    Y: Any,
    *,
    rcond: float | None = None,
    ridge: float = 0.0,
    intercept: bool = False,
    workers: Workers = None,
) -> Any:
    """Minimum-norm least-squares weights, ridgeless or ridge, by the fastest route that is safe.

    Minimises ``|X w - Y|^2 + ridge |w|^2``; of all minimisers, the shortest. Well-conditioned problems go by the
    Cholesky factor of the smaller Gram matrix, large ones in float32, and are refined to the accuracy of an orthogonal
    factorisation; all others go by the SVD (:mod:`w2s_fast.linalg.leastsq.policy` states the rule). :class:`MinNorm`
    tells the route, the rank and the condition, and solves for more labels later.

    Parameters
    ----------
    X : (..., m, n) array_like
        Features, any m and n, any rank. float32 in gives float32 out. Rows that are read by blocks, Dask arrays, and
        files (a path or a list of paths) are read once and factored where they are.
    Y : (..., m) or (..., m, k) array_like; beside files also a path or list of paths
    rcond : float, optional
        Singular values below ``rcond`` times the largest count as zero. By default those that are rounding do, of
        float64 arithmetic and of the precision that X came in, however many rows there are
        (:mod:`w2s_fast.linalg.leastsq.policy`); with ridge that of arithmetic alone.
    ridge : float
        Absolute, as scikit-learn's ``Ridge(alpha)``.
    intercept : bool
        Fit ``X w + b``, where neither ``ridge`` nor the norm that is minimised takes b in: the fit of deviations from
        the means of columns, at any offset of theirs. Long rows are not copied for it.
    workers : Dask client or pool, optional
        Of paths: who reads and sums the rows, as docs/howto/clusters.md says; the same bits.

    Returns
    -------
    weights : (..., n) or (..., n, k) ndarray
    b : (...) or (..., k) ndarray
        With ``intercept`` alone.

    Raises
    ------
    ValueError, TypeError
        Shapes that do not fit, NaN or infinity, a negative ridge, rcond outside [0, 1); an intercept of rows that are
        read by blocks, or of none.

    Examples
    --------
    >>> from w2s_fast import min_norm
    >>> min_norm([[1.0, 1.0]], [2.0])  # one row, two unknowns: the shortest solution
    array([1., 1.])
    >>> weights, b = min_norm([[1.0], [2.0], [3.0]], [7.0, 9.0, 11.0], intercept=True)
    >>> weights.round(12), round(float(b), 12)
    (array([2.]), 5.0)
    """
    plainly = rcond is None and intercept is False and type(ridge) is float and ridge == 0.0
    if plainly and (weights := few.min_norm(X, Y)) is not None:
        return weights
    ridge, affinely = _check.real(ridge, "ridge"), _check.boolean(intercept, "intercept")
    if (on_gpu := _devices.twin("min_norm", X)) is not None:
        if affinely:
            raise ValueError(
                "intercept needs X in the host's memory, and X is on a GPU: copy it, or centre X and Y there"
            )
        return Home.of(X).give(on_gpu(X, Y, rcond=rcond, ridge=ridge))
    if (rows := elsewhere(X, "X", workers)) is not None:
        if affinely:
            raise ValueError(
                "intercept needs X in memory, and X is read by blocks: use Gram(centred=True).update(X, Y).solve(ridge)"
            )
        beside = rows.labels(Y, _check.floats)
        solution = by_qr.solve_rows(rows, beside, rcond, ridge)
        return solution[:, 0] if np.ndim(beside) == 1 else solution
    features, labels, vector = _problem(X, Y, ("X", "Y"))
    if plainly and vector and (weights := few.min_norm(*few.in_order(features, labels[..., 0]))) is not None:
        return Home.of(X, Y).give(weights)
    cut = Cutoff.of(features.dtype, features.shape, rcond, ridge)
    m, n = features.shape[-2:]
    lead, right = features.shape[:-2], labels.shape[-1:]
    dtype = np.result_type(features, labels)
    if affinely:
        return Home.of(X, Y).give(_with_intercepts(features, labels, ridge, cut, vector))
    count = int(np.prod(lead))
    A, B = features.reshape(count, m, n), labels.reshape(count, m, *right)
    coef = np.zeros((count, n, *right), dtype)
    are_small = by_stack.gram_work(m, n) < KERNEL_WORK
    unsolved: Sequence[int] = range(count)
    if are_small or (count >= by_stack.LEAST_STACK and not by_gram.gains_by_float32(A[0])):
        unsolved = by_stack.solve(A, B, ridge, cut, coef, are_small)
    if unsolved:
        solve_all = ordered_map if len(unsolved) > 1 else map  # a single problem has threads of its own
        problems = ((f"X[{place}]" if lead else "X", A[place], B[place]) for place in unsolved)
        solve = partial(_solve, ridge, cut, dtype, not are_small)
        for place, solution in zip(unsolved, solve_all(solve, problems), strict=True):
            coef[place] = solution
    return Home.of(X, Y).give(coef.reshape(*lead, n, *(() if vector else right)))


def _with_intercepts(
    X: FloatArray, Y: FloatArray, ridge: float, cut: Cutoff, vector: bool
) -> tuple[FloatArray, FloatArray]:
    """Weights and intercepts of stacks (..., m, n) and (..., m, k), or of one problem."""
    (m, n), k, lead = X.shape[-2:], Y.shape[-1], X.shape[:-2]
    if m == 0:
        raise ValueError(f"X must have at least one row for an intercept, got shape {X.shape}")
    count = int(np.prod(lead))
    names = (f"X[{place}]" if lead else "X" for place in range(count))
    problems = zip(names, X.reshape(count, m, n), Y.reshape(count, m, k), strict=True)
    weights, b = np.empty((count, n, k), np.result_type(X, Y)), np.empty((count, k), np.result_type(X, Y))
    solve_all = ordered_map if count > 1 else map
    for place, found in enumerate(solve_all(partial(_with_intercept, ridge, cut), problems)):
        weights[place], b[place] = found
    weights, b = weights.reshape(*lead, n, k), b.reshape(*lead, k)
    return (weights[..., 0], b[..., 0]) if vector else (weights, b)


def _with_intercept(
    ridge: float, cut: Cutoff, problem: tuple[str, FloatArray, FloatArray]
) -> tuple[FloatArray, FloatArray]:
    """Weights (n, k) and intercepts (k,) of one problem, of which messages name the features."""
    name, X, Y = problem
    dtype = np.result_type(X, Y)
    if (found := affine.by_gram(X, Y.astype(dtype, copy=False), ridge, cut)) is not None:
        return found.weights, found.intercept
    _check.all_finite(X, name)
    x_shift, y_shift = int(exponents(X)), exponents(Y, axis=0)
    rows, labels, x_mean, y_mean = affine.deviations(scaled(X, -x_shift), scaled(Y, -y_shift))
    factor = MinNorm._cut_at(cut, rows, math.ldexp(ridge, -2 * x_shift), scaled(X, -x_shift))
    weights = factor.solve(labels)
    b = scaled_back(affine.intercept(weights, x_mean, y_mean), y_shift, dtype, "the intercepts")
    return scaled_back(weights, y_shift - x_shift, dtype, "the weights"), b


def _solve(
    ridge: float, cut: Cutoff, dtype: npt.DTypeLike, by_gram_first: bool, problem: tuple[str, FloatArray, FloatArray]
) -> FloatArray:
    """Solve one problem, of which messages name the features."""
    name, *given = problem
    X, Y = (array.astype(dtype, copy=False) for array in given)
    factor = by_gram.factor(X, ridge, cut) if by_gram_first else None
    solution = None if factor is None else factor.solve(Y)
    if solution is not None:
        return solution
    _check.all_finite(X, name)
    return _by_rows(X, Y, ridge, cut)


def _by_rows(X: FloatArray, Y: FloatArray, ridge: float, cut: Cutoff) -> FloatArray:
    """Solve by orthogonal factorisations, at any scale."""
    if ridge:
        return by_svd.factor(X, ridge, cut).solve(Y)
    x_shift, y_shift = exponents(X), exponents(Y, axis=0)
    solution = by_qr.solve(scaled(X, -x_shift), scaled(Y, -y_shift), cut)
    return scaled_back(solution, y_shift - x_shift, Y.dtype, "the weights")
