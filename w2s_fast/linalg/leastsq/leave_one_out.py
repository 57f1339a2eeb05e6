"""Leave-one-out errors of ridge regression at many ridges in closed form, from one eigendecomposition."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from w2s_fast._check import FloatArray
from w2s_fast._threads import single_threaded_blas
from w2s_fast.linalg.leastsq.policy import EPS64
from w2s_fast.linalg.rows.centred import Centred
from w2s_fast.linalg.rows.products import Held, cross, gram, joint_gram, over_rows
from w2s_fast.linalg.rows.scatter import scatter

Matrix = npt.NDArray[np.float64]


def left_one_out(X: FloatArray, Y: Matrix, ridges: Matrix, fit_intercept: bool) -> Tall | Wide:
    """Make what has the errors of leaving each row of X (n, d) and labels Y (n, k) out, and weights, at each ridge."""
    problem = CentredProblem.of(X, Y, fit_intercept)
    return (Tall if X.shape[0] > X.shape[1] else Wide).of(problem, ridges)


@dataclass(frozen=True, eq=False)
class CentredProblem:
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
class Tall:
    """By eigenvectors V of X'X: row i has a share 1/n + sum_j (X V)_ij^2 / (value_j + alpha) in its own prediction."""

    problem: CentredProblem
    alphas: Matrix
    vectors: Matrix
    shrunk: Matrix  # (d, alphas): 1 / (value + alpha), 0 where that is the inverse of rounding
    moments: Matrix  # V'X'Y (d, k)

    @classmethod
    def of(cls, problem: CentredProblem, alphas: Matrix) -> Self:
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
class Wide:
    """By eigenvectors Q of K = X X': errors are c_i / d_i with c = (K + alpha)^-1 Y and d the diagonal of that inverse.

    Where rows are centred the inverse is that in the complement of the vector of ones. K gets that vector as one of its
    own, of a moderate eigenvalue, so that what it adds to d can be taken away again.
    """

    problem: CentredProblem
    alphas: Matrix
    vectors: Matrix
    shrunk: Matrix  # (n, alphas)
    of_ones: Matrix  # (alphas,): what the vector of ones adds to d
    moments: Matrix  # Q'Y (n, k)

    @classmethod
    def of(cls, problem: CentredProblem, alphas: Matrix) -> Self:
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
