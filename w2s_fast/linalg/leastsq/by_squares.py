"""NumPy's ``lstsq`` of well-conditioned problems by the smaller Gram matrix, which has the singular values as well."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from w2s_fast._threads import single_threaded_blas
from w2s_fast.linalg.leastsq.by_gram import gram_if_worth
from w2s_fast.linalg.leastsq.gram_factor import factor_safe
from w2s_fast.linalg.leastsq.policy import GRAM_RCOND, SQUARES_SERVE, Cutoff, lapack_cut
from w2s_fast.linalg.rows.products import SERIAL_SIZE, blas_threads, misfit

Array = npt.NDArray[Any]
LONG = 1.5  # rows a column, or columns a row: nearer to square, the SVD costs little more
DOUBT = 10.0  # by which first rows are to be better: where squares turn out not to serve, all of them were in vain


def lstsq(a: Array, b: Array, cut: float) -> tuple[Array, Array, Any, Array] | None:
    """:func:`numpy.linalg.lstsq` of a (m, n) and b (m, k); None where that is not for squares.

    That is where singular values would have fewer than ten digits, or come near the cut, and where numbers are complex,
    few, or of no moderate scale.
    """
    (m, n), side = a.shape, min(a.shape)
    if a.size <= SERIAL_SIZE or max(m, n) < LONG * side or np.iscomplexobj(a) or np.iscomplexobj(b):
        return None
    least = SQUARES_SERVE / side**0.5  # norms that estimates go by are larger than the largest eigenvalue
    limits = Cutoff(lapack_cut(cut))
    with single_threaded_blas():
        product, _ = gram_if_worth(a if m >= n else a.T, 0.0, DOUBT * least)
        if product is None or (factor := factor_safe(a, product, max(least, GRAM_RCOND), 0.0, limits)) is None:
            return None
    with blas_threads(product):
        values = np.linalg.eigvalsh(product)[::-1]
    if not values[-1] > SQUARES_SERVE * values[0]:
        return None
    x = factor.solve(b.astype(np.float64, copy=False))
    if x is None:
        return None
    residuals = misfit(a, x, b) ** 2 if m > n else np.zeros(0)
    dtype = np.result_type(a, b)
    return x.astype(dtype, copy=False), residuals.astype(dtype), np.intc(side), np.sqrt(values).astype(dtype)
