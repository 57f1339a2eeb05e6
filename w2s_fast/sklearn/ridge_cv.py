"""RidgeCV on the engine: leave-one-out errors of all alphas in closed form, from one eigendecomposition."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from numbers import Real
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import sklearn.linear_model
from sklearn.base import _fit_context

from w2s_fast._check import FloatArray
from w2s_fast._threads import single_threaded_blas
from w2s_fast.linalg.leastsq.affine import intercept
from w2s_fast.linalg.leastsq.policy import EPS64
from w2s_fast.linalg.rows.centred import Centred
from w2s_fast.linalg.rows.products import Held, cross, gram, joint_gram, over_rows
from w2s_fast.linalg.rows.scatter import scatter
from w2s_fast.sklearn._input import as_columns, flat_coef, is_here, validated

Matrix = npt.NDArray[np.float64]


class RidgeCV(sklearn.linear_model.RidgeCV):  # type: ignore[misc]
    """Ridge regression with the best of many alphas: :class:`sklearn.linear_model.RidgeCV`.

    Parameters, attributes and errors are scikit-learn's. Leave-one-out errors are ours: long rows are read twice, for
    their scatter matrix and for the errors at all alphas, and no centred copy is made. Left to scikit-learn are ``cv``,
    ``scoring``, ``gcv_mode="svd"``, sample weights, sparse matrices, and arrays of other libraries where its setting
    ``array_api_dispatch`` is on.

    Examples
    --------
    >>> from w2s_fast.sklearn import RidgeCV
    >>> RidgeCV(alphas=[0.01, 1.0]).fit([[1.0], [2.0], [3.0]], [7.0, 9.0, 11.0]).alpha_
    0.01
    """

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any, sample_weight: Any = None, **params: Any) -> Self:
        """Fit to X (n_samples, n_features) and y (n_samples,) or (n_samples, n_targets)."""
        alphas = _positive(self.alphas)
        by_scikit = self.cv is not None or self.scoring is not None or self.gcv_mode == "svd"
        if alphas is None or by_scikit or params or sample_weight is not None or not is_here(X):
            return super().fit(X, y, sample_weight, **params)
        rows, labels = validated(self, X, y, dtype=np.float64, y_numeric=True, multi_output=True)
        came = getattr(X, "dtype", None)
        problem = _Problem.of(rows, as_columns(labels).astype(np.float64, copy=False), self.fit_intercept)
        solution = (_Tall if rows.shape[0] > rows.shape[1] else _Wide).of(problem, alphas)
        self._choose(solution, problem, labels, came if getattr(came, "kind", "") == "f" else np.float64)
        return self

    def _choose(self, solution: _Tall | _Wide, problem: _Problem, y: FloatArray, dtype: Any) -> None:
        """Keep the alpha of the least error, or that of each target, and its weights."""
        targets, each = problem.labels.shape[1], self.alpha_per_target and y.ndim == 2
        parts, errors = [], np.zeros((targets, len(solution.alphas)))
        for part in solution.squared_errors():
            errors += part.sum(axis=0)
            if self.store_cv_results:
                parts.append(part)
        scores = -errors / len(problem.labels)
        if not each:
            scores = scores.mean(axis=0, keepdims=True)
        best = scores.argmax(axis=1)
        score, alpha = scores[np.arange(len(best)), best], solution.alphas[best]
        self.best_score_ = score if each else score[0]
        self.alpha_ = alpha if len(alpha) > 1 else float(alpha[0])
        weights = solution.weights(np.broadcast_to(best, targets)).astype(dtype)
        self.coef_ = weights[:, 0] if flat_coef(y) else np.ascontiguousarray(weights.T)
        b = intercept(weights, problem.x_mean, problem.y_mean)
        self.intercept_ = (b[0] if y.ndim == 1 else b) if self.fit_intercept else 0.0
        if self.store_cv_results:
            kept = np.concatenate(parts).astype(dtype, copy=False)
            self.cv_results_ = kept[:, 0] if y.ndim == 1 else kept


def _positive(alphas: Any) -> Matrix | None:
    """Alphas as an array; None where scikit-learn is to refuse them."""
    each = [alphas] if np.ndim(alphas) == 0 else list(alphas)
    real = all(isinstance(alpha, Real) and 0.0 < float(alpha) < np.inf for alpha in each)
    return np.array(each, np.float64) if each and real else None


@dataclass(frozen=True, eq=False)
class _Problem:
    """Rows (n, d) and labels (n, k) less their means, or as they are without an intercept."""

    rows: Held
    labels: Matrix
    x_mean: Matrix
    y_mean: Matrix
    squares: Matrix | None  # of tall rows: X'X, and
    moments: Matrix | None  # X'Y
    share: float  # of each row in its own prediction that the mean of labels gives it: 1 / n with an intercept

    @classmethod
    def of(cls, X: FloatArray, Y: Matrix, fit_intercept: bool) -> Self:
        (n, d), tall = X.shape, X.shape[0] > X.shape[1]
        x_mean, y_mean = np.zeros(d), np.zeros(Y.shape[1])
        squares = moments = None
        with single_threaded_blas():
            if fit_intercept and tall:
                means, joint = scatter(X, Y)
                x_mean, y_mean, squares, moments = means[0, :d], means[0, d:], joint[:d, :d], joint[:d, d:]
            elif fit_intercept:
                x_mean, y_mean = X.mean(axis=0), Y.mean(axis=0)
            elif tall:
                joint = joint_gram(X, Y)
                squares, moments = joint[:d, :d], joint[:d, d:]
        rows: Held = Centred.columns(X, x_mean) if fit_intercept else X
        return cls(rows, Y - y_mean, x_mean, y_mean, squares, moments, 1.0 / n if fit_intercept else 0.0)


@dataclass(frozen=True, eq=False)
class _Tall:
    """By eigenvectors V of X'X: row i has a share 1/n + sum_j (X V)_ij^2 / (value_j + alpha) in its own prediction."""

    problem: _Problem
    alphas: Matrix
    vectors: Matrix
    shrunk: Matrix  # (d, alphas): 1 / (value + alpha), 0 where that is the inverse of rounding
    moments: Matrix  # V'X'Y (d, k)

    @classmethod
    def of(cls, problem: _Problem, alphas: Matrix) -> Self:
        assert problem.squares is not None
        assert problem.moments is not None
        values, vectors = np.linalg.eigh(problem.squares)
        shifted = np.maximum(values, 0.0)[:, None] + alphas
        told = shifted > len(values) * EPS64 * values[-1]
        shrunk = np.where(told, 1.0 / shifted, 0.0)
        return cls(problem, alphas, vectors, shrunk, vectors.T @ problem.moments)

    def squared_errors(self) -> Iterator[Matrix]:
        """Squares of leave-one-out errors (rows, k, alphas), block by block."""
        work = 2 * len(self.vectors)
        with single_threaded_blas():
            yield from over_rows(self._squares_of_block, self.problem.rows, self.problem.labels, factors=work)

    def _squares_of_block(self, block: Held, labels: Matrix) -> Matrix:
        images = block.astype(np.float64, copy=False) @ self.vectors
        weights = self.moments[:, :, None] * self.shrunk[:, None, :]  # (d, k, alphas)
        fitted = (images @ weights.reshape(len(weights), -1)).reshape(len(images), *weights.shape[1:])
        np.multiply(images, images, out=images)
        free = 1.0 - self.problem.share - images @ self.shrunk
        return np.asarray(((labels[:, :, None] - fitted) / free[:, None, :]) ** 2)

    def weights(self, best: npt.NDArray[np.intp]) -> Matrix:
        """Weights (d, k) at the alpha that is best for each of k targets."""
        return np.asarray(self.vectors @ (self.moments * self.shrunk[:, best]))


@dataclass(frozen=True, eq=False)
class _Wide:
    """By eigenvectors Q of K = X X': errors are c_i / d_i with c = (K + alpha)^-1 Y and d the diagonal of that inverse.

    Where rows are centred the inverse is that in the complement of the vector of ones. K gets that vector as one of its
    own, of a moderate eigenvalue, so that what it adds to d can be taken away again.
    """

    problem: _Problem
    alphas: Matrix
    vectors: Matrix
    shrunk: Matrix  # (n, alphas)
    of_ones: Matrix  # (alphas,): what the vector of ones adds to d
    moments: Matrix  # Q'Y (n, k)

    @classmethod
    def of(cls, problem: _Problem, alphas: Matrix) -> Self:
        with single_threaded_blas():
            K = gram(problem.rows.T)
        moderate = float(np.trace(K)) / len(K) or 1.0
        values, vectors = np.linalg.eigh(K + moderate * problem.share)
        shrunk = 1.0 / (np.maximum(values, 0.0)[:, None] + alphas)
        of_ones = problem.share / (moderate + alphas)
        return cls(problem, alphas, vectors, shrunk, of_ones, vectors.T @ problem.labels)

    def squared_errors(self) -> Iterator[Matrix]:
        """Squares of leave-one-out errors (n, k, alphas)."""
        dual = np.einsum("ij,jk,ja->ika", self.vectors, self.moments, self.shrunk, optimize=True)
        free = self.vectors**2 @ self.shrunk - self.of_ones
        yield (dual / free[:, None, :]) ** 2

    def weights(self, best: npt.NDArray[np.intp]) -> Matrix:
        """Weights (d, k) at the alpha that is best for each of k targets."""
        dual = self.vectors @ (self.moments * self.shrunk[:, best])
        with single_threaded_blas():
            return cross(self.problem.rows, dual)
