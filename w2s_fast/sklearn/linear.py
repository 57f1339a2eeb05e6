"""LinearRegression and Ridge on the engine."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import sklearn.linear_model
from sklearn.base import _fit_context

from w2s_fast._check import FloatArray
from w2s_fast.linalg.leastsq import affine
from w2s_fast.linalg.leastsq.by_qr import lstsq
from w2s_fast.linalg.leastsq.min_norm import min_norm
from w2s_fast.linalg.leastsq.policy import SQUARES_SERVE, Cutoff
from w2s_fast.linalg.rows.products import blas_threads
from w2s_fast.sklearn._input import FLOATS, as_columns, flat_coef, is_here, validated

Solution = tuple[FloatArray, FloatArray, int, FloatArray]  # weights (d, k), intercepts (k,), rank, singular values


class LinearRegression(sklearn.linear_model.LinearRegression):  # type: ignore[misc]
    """Least squares, the shortest of all solutions: :class:`sklearn.linear_model.LinearRegression`.

    Parameters, attributes and errors are scikit-learn's, ``rank_`` and ``singular_`` among them. Long rows of moderate
    condition go by the scatter matrix of rows and labels, refined with the rows to the accuracy of an orthogonal
    factorisation and without a centred copy; all others as :func:`w2s_fast.lstsq` takes them. Left to scikit-learn are
    ``positive=True``, sample weights, sparse matrices, and arrays of other libraries where its setting
    ``array_api_dispatch`` is on.

    Examples
    --------
    >>> from w2s_fast.sklearn import LinearRegression
    >>> model = LinearRegression().fit([[1.0], [2.0], [3.0]], [7.0, 9.0, 11.0])
    >>> model.coef_.round(9), round(float(model.intercept_), 9), model.rank_
    (array([2.]), 5.0, 1)
    """

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Fit to X (n_samples, n_features) and y (n_samples,) or (n_samples, n_targets)."""
        if self.positive or sample_weight is not None or not is_here(X):
            return super().fit(X, y, sample_weight)
        rows, labels = validated(self, X, y, dtype=FLOATS, y_numeric=True, multi_output=True)
        columns, vector = as_columns(labels).astype(rows.dtype, copy=False), labels.ndim == 1
        rounding = float(np.finfo(rows.dtype).eps) * max(rows.shape)
        rcond = float(vars(self).get("tol", rounding))  # which scikit-learn has from 1.7 on
        found = _by_scatter(rows, columns, rcond, self.fit_intercept)
        weights, b, self.rank_, singular = found or _by_rows(rows, columns, rcond, self.fit_intercept)
        self.coef_ = weights[:, 0] if vector else np.ascontiguousarray(weights.T)
        self.singular_ = singular.astype(rows.dtype, copy=False)
        self.intercept_ = (b[0] if vector else b) if self.fit_intercept else 0.0
        return self


def _by_scatter(X: FloatArray, Y: FloatArray, rcond: float, intercept: bool) -> Solution | None:
    """Of full rank, and of a condition that X'X tells; None elsewhere."""
    fit = affine.by_gram(X, Y, 0.0, Cutoff(rcond), centre=intercept) if rcond < 1.0 else None
    if fit is None:
        return None
    with blas_threads(fit.squares):  # those of BLAS, once started, keep a core from ours for a while
        values = np.linalg.eigvalsh(fit.squares)[::-1]
    told = values[-1] > SQUARES_SERVE * values[0]
    return (fit.weights, fit.intercept, len(values), np.sqrt(values)) if told else None


def _by_rows(X: FloatArray, Y: FloatArray, rcond: float, intercept: bool) -> Solution:
    if not intercept:
        weights, _, rank, s = lstsq(X, Y, rcond)
        return weights, np.zeros(Y.shape[1], X.dtype), int(rank), s
    rows, labels, x_mean, y_mean = affine.deviations(X, Y)
    weights, _, rank, s = lstsq(rows, labels, rcond)
    weights = weights.astype(X.dtype, copy=False)
    return weights, affine.intercept(weights, x_mean, y_mean), int(rank), s


class Ridge(sklearn.linear_model.Ridge):  # type: ignore[misc]
    """Ridge regression: :class:`sklearn.linear_model.Ridge`, by :func:`w2s_fast.min_norm`.

    Parameters, attributes and errors are scikit-learn's. ``solver="auto"`` and ``"cholesky"`` are ours, refined to the
    accuracy of an orthogonal factorisation, without a centred copy of long rows; with ``alpha=0`` they find the
    shortest of all solutions. Left to scikit-learn are other solvers, ``positive=True``, an alpha for each target,
    sample weights, sparse matrices, and arrays of other libraries where its setting ``array_api_dispatch`` is on.

    Examples
    --------
    >>> from w2s_fast.sklearn import Ridge
    >>> Ridge(alpha=2.0).fit([[1.0], [2.0], [3.0]], [7.0, 9.0, 11.0]).coef_
    array([1.])
    """

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Fit to X (n_samples, n_features) and y (n_samples,) or (n_samples, n_targets)."""
        ours = self.solver in ("auto", "cholesky") and not self.positive and np.ndim(self.alpha) == 0
        if not ours or sample_weight is not None or not is_here(X):
            return super().fit(X, y, sample_weight)
        rows, labels = validated(self, X, y, dtype=FLOATS, y_numeric=True, multi_output=True)
        ridge, columns = float(self.alpha), as_columns(labels).astype(rows.dtype, copy=False)
        weights, b = _by_ridge(rows, columns, ridge, self.fit_intercept)
        self.coef_ = weights[:, 0] if flat_coef(labels) else np.ascontiguousarray(weights.T)
        self.intercept_ = (b[0] if labels.ndim == 1 else b) if self.fit_intercept else 0.0
        self.n_iter_, self.solver_ = None, "cholesky"
        return self


def _by_ridge(X: FloatArray, Y: FloatArray, ridge: float, intercept: bool) -> tuple[FloatArray, FloatArray]:
    if intercept:
        return min_norm(X, Y, ridge=ridge, intercept=True)
    return min_norm(X, Y, ridge=ridge), np.zeros(Y.shape[1], X.dtype)
