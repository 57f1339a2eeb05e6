"""Least squares from X'X and X'Y alone, where the rows are gone: solved only where these can be trusted."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from w2s_fast.linalg.leastsq.cholesky import cholesky_solve, factor_gram
from w2s_fast.linalg.leastsq.policy import gram_rounding, least_gram_rcond
from w2s_fast.linalg.rows.scale import exponent_of, exponents, scaled, scaled_back

Matrix = npt.NDArray[np.float64]


def solve_at_any_scale(
    xtx: Matrix,
    xty: Matrix,
    peak: Matrix,
    ridges: list[float],
    many: bool,
    rcond: float | None,
    solve: Callable[[Matrix, Matrix, float, Matrix, bool], Matrix],
    single: bool,
) -> Matrix:
    """Weights for one ridge by ``solve``, for many or with a cut-off by eigenvectors, of sums near 1 meanwhile.

    ``single`` sums carry products in float32, and are trusted to less.
    """
    shift, label_shift = int(exponents(np.diagonal(xtx))), int(exponents(xty))
    if shift:
        shift = max(shift, exponent_of(max(ridges, default=0.0)))
    ridges = [math.ldexp(value, -shift) for value in ridges]
    xtx, xty, peak = (scaled(part, -power) for part, power in ((xtx, shift), (xty, label_shift), (peak, shift)))
    if not many and rcond is None:
        weights = solve(xtx, xty, ridges[0], peak, single)
    else:
        weights = solve_spectral(xtx, xty, ridges, rcond, peak, single)
        weights = weights if many else weights[0]
    return scaled_back(weights, label_shift - shift, np.float64, "the weights")


def solve_gram(xtx: Matrix, xty: Matrix, ridge: float, peak: Matrix | None = None, single: bool = False) -> Matrix:
    """Solve (X'X + ridge I) w = X'Y, or raise LinAlgError where the solution cannot be trusted.

    ``peak`` is the largest diagonal that ``xtx`` ever had: what was taken away since left rounding relative to it.
    """
    lower, scale, gram_rcond = factor_gram(xtx, ridge)
    require_trusted(gram_rcond, scale, peak, single)
    columns = xty.reshape(len(xtx), int(np.prod(xty.shape[1:])))
    return cholesky_solve(lower, scale, columns).reshape(xty.shape)


def require_trusted(gram_rcond: float, scale: Matrix, peak: Matrix | None, single: bool = False) -> None:
    """Refuse a factor of D G D, D = diag(scale), of too small a reciprocal condition for what G once was."""
    least = least_gram_rcond(single)
    needed = least * max(1.0, float((peak * scale**2).max()) if peak is not None and len(peak) else 1.0)
    if gram_rcond <= needed:
        raise _untrusted(len(scale), gram_rcond, needed, single)


def _untrusted(d: int, rcond: float, needed: float, single: bool) -> np.linalg.LinAlgError:
    products = " with products in float32" if single else ""
    finer = ", sum products in float64" if single else ""
    return np.linalg.LinAlgError(
        f"the {d:,} x {d:,} Gram matrix{products} is too ill-conditioned to solve (reciprocal condition {rcond:.1e}, "
        f"more than {needed:.0e} needed): pass ridge or rcond{finer}, or give the rows to min_norm"
    )


def solve_spectral(
    xtx: Matrix, xty: Matrix, ridges: list[float], rcond: float | None, peak: Matrix, single: bool
) -> Matrix:
    """Solve for every ridge in the span of the eigenvectors whose singular values of X reach ``rcond``."""
    d = len(xtx)
    if d == 0:
        return np.zeros((len(ridges), *xty.shape))
    values, vectors = np.linalg.eigh(xtx)
    largest, height = float(values[-1]), max(float(peak.max()), float(values[-1]))
    if rcond is None:
        keep = np.ones_like(values, np.bool_)
        needed = least_gram_rcond(single)
        for ridge in ridges:
            found = (float(values[0]) + ridge) / max(height + ridge, np.finfo(float).tiny)
            if found <= needed:
                raise _untrusted(d, max(found, 0.0), needed, single)
    else:
        resolution = gram_rounding(d, single)  # of squared singular values
        if rcond**2 * largest < resolution * height:
            finest = math.sqrt(resolution * height / largest) if largest > 0 else 1.0
            raise np.linalg.LinAlgError(
                f"rcond={rcond:.1e} is finer than a Gram matrix resolves ({finest:.1e} here): raise it, or give the "
                "rows to min_norm"
            )
        keep = values > rcond**2 * largest
    basis = vectors[:, keep]
    moment = basis.T @ xty.reshape(d, -1)
    weights = [basis @ (moment / (values[keep] + ridge)[:, None]) for ridge in ridges]
    return np.stack(weights).reshape(len(ridges), *xty.shape)
