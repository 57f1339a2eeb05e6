"""QR of long matrices X by products of matrices: the Cholesky factor of the Gram matrix of X R^-1, R that of a sketch.

A sketch S X of half as many rows again as there are columns has X's singular values within a small factor, so that
X R^-1, of which R comes from S X = Q R, is well-conditioned whatever X is (Rokhlin and Tygert 2008). Where C'C is its
Gram matrix, C R is the triangle of X: the rows of X R^-1 are right up to rounding of X's rows, and the condition of C
is small (Balabanov 2022; Higgins, Szyld, Boman and Yamazaki 2023). Should the sketch miss a direction, that condition
tells. This takes m n^2 multiplications for X R^-1 and as many for its Gram matrix, at the speed of products of
matrices, where Householder's reflections take 2 m n^2 at less.
"""

from __future__ import annotations

import math
from functools import partial
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from w2s_fast._check import FloatArray
from w2s_fast._threads import single_threaded_blas
from w2s_fast.linalg.leastsq.cholesky import factor_gram
from w2s_fast.linalg.leastsq.policy import arithmetic
from w2s_fast.linalg.leastsq.triangles import divide
from w2s_fast.linalg.rows.products import Held, blas_threads, times, total
from w2s_fast.linalg.rows.sketches import sketched
from w2s_fast.linalg.rows.thin import inner_products

Matrix = npt.NDArray[np.float64]
SKETCH_ROWS = 1.5  # a column: X R^-1 then has a condition of 10
LEAST_ROWS = 8  # a column: with fewer, the sketch's own QR takes what is saved
LEAST_WORK = 10**8  # multiplications of X'X: below, reflections are as fast
MOST_COLUMNS = 600  # beyond, reflections are hardly slower than the products that they are made of
BLOCK_ROWS = 1_024  # of X R^-1 that are made at a time, and stay in cache
LEAST_RCOND = 1e-5  # of the Gram matrix of X R^-1, which is .003 as a rule: five digits of its own are lost
KEY = 0  # of the sketch, of which results are independent up to rounding


def pays(X: Held) -> bool:
    """Whether X (m, n) is long and large enough, and not too wide."""
    m, n = X.shape
    return n <= MOST_COLUMNS and m >= LEAST_ROWS * n and m * n**2 >= LEAST_WORK


class Factor(NamedTuple):
    """R (n, n) and Q'Y (n, k) of X = Q R (m, n) and Y (m, k); Q = ``image`` C^-1, of which the image may be kept."""

    R: Matrix
    moment: Matrix
    C: Matrix
    image: Matrix | None

    def times(self, x: FloatArray) -> FloatArray:
        """Q x."""
        from scipy.linalg import solve_triangular

        assert self.image is not None
        return times(self.image, solve_triangular(self.C, x, check_finite=False))


def factor(X: Held, Y: FloatArray, *, keep: bool = False) -> Factor | None:
    """Factor X (m, n) beside Y (m, k), and ``keep`` X R^-1 for Q; None where X is too close to a lower rank."""
    n = X.shape[1]
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        R = _triangle_of_sketch(X)
        if not (np.isfinite(R).all() and np.all(np.abs(np.diagonal(R)) > arithmetic(X.shape) * np.abs(R).max(axis=0))):
            return None
        image = np.empty(X.shape) if keep else None
        beside = (Y,) if image is None else (Y, image)
        with single_threaded_blas():
            joint = total(partial(_joint_gram, R.T), X, *beside, factors=n, longest=BLOCK_ROWS)
            lower, scale, rcond = factor_gram(joint[:, :n], 0.0)
        if rcond < LEAST_RCOND:
            return None
        lower /= scale[:, None]
        moment = np.array(joint[:, n:])
        divide(lower, moment)
        with blas_threads(R):
            return Factor(lower.T @ R, moment, lower.T, image)


def _triangle_of_sketch(X: Held) -> Matrix:
    rows = sketched(X, math.ceil(SKETCH_ROWS * X.shape[1]), KEY, np.float64)
    with blas_threads(rows):
        return np.asarray(np.linalg.qr(rows, mode="r"))


def _joint_gram(lower: Matrix, block: FloatArray, labels: FloatArray, image: Matrix | None = None) -> Matrix:
    """[Z'Z Z'Y] of Z = block R^-1, for ``lower`` = R'; Z goes to ``image`` where that is given."""
    columns = np.empty(block.shape[::-1])
    columns[:] = block.astype(np.float64, copy=False).T
    divide(lower, columns)
    if image is not None:
        image[:] = columns.T
    found = np.empty((len(columns), len(columns) + labels.shape[1]))
    found[:, : len(columns)] = columns @ columns.T
    found[:, len(columns) :] = inner_products(columns.T, labels.astype(np.float64, copy=False))
    return found
