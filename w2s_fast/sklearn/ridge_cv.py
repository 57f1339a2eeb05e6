"""RidgeCV on the engine: leave-one-out errors of all alphas in closed form, from one eigendecomposition."""

from __future__ import annotations

from numbers import Real
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import sklearn.linear_model
from sklearn.base import _fit_context

from w2s_fast._check import FloatArray
from w2s_fast.linalg.leastsq.affine import intercept
from w2s_fast.linalg.leastsq.leave_one_out import Tall, Wide, left_one_out
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
        columns = as_columns(labels).astype(np.float64, copy=False)
        solution = left_one_out(rows, columns, alphas, self.fit_intercept)
        self._choose(solution, labels, came if getattr(came, "kind", "") == "f" else np.float64)
        return self

    def _choose(self, solution: Tall | Wide, y: FloatArray, dtype: Any) -> None:
        """Keep the alpha of the least error, or that of each target, and its weights."""
        problem = solution.problem
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
