"""Intrinsic dimension: how many leading eigenvalues of X'X hold a share of its trace, and how sure that is."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from w2s_fast._check import FloatArray
from w2s_fast.linalg.accumulate.gram import Gram
from w2s_fast.linalg.leastsq.policy import EPS64, Cutoff, gram_rounding
from w2s_fast.linalg.rows.base import Progress, Rows
from w2s_fast.linalg.rows.cutting import GRAM_ROWS, cuts
from w2s_fast.linalg.rows.products import Matrix, gram, gram_pass
from w2s_fast.linalg.rows.sources import ArrayRows
from w2s_fast.linalg.spectral.krylov import Ritz

CERTIFIED_FROM = 2_048  # columns: below, all eigenvalues of X'X take less time than a proof without them
LARGEST_GRAM = 8_192  # rows or columns: a float64 Gram matrix of 512 MiB, eigenvalues in a minute
MOST_ROUNDING = 1e-3  # of an energy that is decomposed: what rows taken away leave of theirs
POWER = 2  # of H in the bound on its norm: one application is loose by the root of the number of eigenvalues


def wide_array(rows: Rows, most_rows: int) -> FloatArray | None:
    """The rows where they are an array, in memory or mapped, of so many at most and of more columns; None elsewhere."""
    whole = rows.held()
    return whole if whole is not None and len(whole) <= most_rows and len(whole) < whole.shape[1] else None


def dual_gram(whole: FloatArray, rows: Rows, progress: Progress | None) -> Matrix:
    """X X' (N, N) in float64, by blocks of columns, of which ``progress`` is told."""
    D, N = whole.T.shape
    found = gram_pass(ArrayRows(whole.T, rows.name), N, step=cuts(D, N, N, GRAM_ROWS)[0].stop, progress=progress)
    rows.refuse_not_finite(found.product)
    rows.refuse_vanishing(float(np.trace(found.product)), any(found.nonzero))
    return found.product


def gram_of_rows(rows: Rows, columns: int, progress: Progress | None) -> tuple[Matrix, int]:
    """X'X (D, D) in float64, and the number of rows, from one pass."""
    found = gram_pass(rows, columns, progress=progress)
    rows.refuse_not_finite(found.product)
    rows.refuse_vanishing(float(np.trace(found.product)), any(found.nonzero))
    return found.product, found.rows


def of_sums(gram: Gram, share: float) -> tuple[tuple[Matrix, int], float]:
    """X'X (D, D) and the number of rows that were summed, and the share of its energy that is surely no rounding."""
    if not gram.n_rows:
        raise ValueError("X is a Gram of no rows: update it first")
    if gram._place != Gram._place:
        raise TypeError(f"X is a Gram on {gram._place}: give X.to_host()")
    squares, columns = gram._xtx, len(gram._xtx)
    energy, most = float(np.trace(squares)), float(gram._peak[:columns].sum())
    left = max(energy, 0.0) / most if most > energy else 1.0  # rows were taken away, whose rounding stays
    rounding = gram_rounding(columns, gram._single)
    if left < 1.0 and rounding > MOST_ROUNDING * left:
        raise np.linalg.LinAlgError(
            f"X is a Gram of which rows were taken away: of an energy of {most:.1e} a share of {left:.1e} is left, too "
            "little beside what rounding left of theirs. Sum the rows that remain anew"
        )
    return (squares, gram.n_rows), share * (1.0 - rounding / left)


def eigenvalues(squares: Matrix) -> Matrix:
    return np.maximum(np.linalg.eigvalsh(squares)[::-1], 0.0)


def trusted_share(share: float, dtype: npt.DTypeLike) -> float:
    """Share of the energy of rows in ``dtype`` that is surely no rounding of theirs."""
    return share * (1.0 - Cutoff.of(dtype, (1, 1), None).stored ** 2)


def rank_for_energy(eigenvalues: Matrix, energy: float, total: float | None = None) -> int:
    """Return the smallest k whose first k eigenvalues reach the share ``energy`` of their sum; 0 of nothing.

    Where they fall short of it, one more than there are.
    """
    cumulative = np.cumsum(eigenvalues)
    total = (float(cumulative[-1]) if eigenvalues.size else 0.0) if total is None else total
    if total == 0:
        return 0
    rounding = eigenvalues.size * EPS64
    return int(np.searchsorted(cumulative, energy * total * (1 - rounding))) + 1


def rank_bounds(ritz: Ritz, total: float, largest_rest: float, energy: float, most: int) -> tuple[int, int]:
    """Bounds on the smallest k whose top-k eigenvalues of G hold ``energy * total``, ``total`` being its trace.

    Ritz values lie below eigenvalues (Cauchy), so their sums bound k from above, by ``most`` where they fall short of
    the energy. From below: in the basis of the Ritz vectors and their complement G is diag(theta) (+) H, coupled by
    the residuals R, and for any e > 0 at most diag(theta) + R'R/e (+) H + e I, in the order of definite matrices. The
    top-j sum of H is at most min(trace H, j ||H||), with ``largest_rest`` >= ||H||; e is what fits between that and
    the last eigenvalue that counts.
    """
    theta = ritz.values
    high = rank_for_energy(theta, energy, total)
    found = high <= len(theta)
    gap = float(theta[min(high, len(theta)) - 1]) - largest_rest
    slack = gap if gap > 0 else max(float(np.linalg.norm(ritz.residuals)), np.finfo(float).tiny)
    raised = eigenvalues(np.diag(theta) + gram(ritz.residuals) / slack)
    held = np.concatenate(([0.0], np.cumsum(raised)))
    rest = max(total - float(theta.sum()), 0.0)
    for low in range(1, min(high, len(theta)) + 1):
        j = np.arange(low + 1)
        if float(np.max(held[low::-1] + np.minimum(rest, j * largest_rest) + j * slack)) >= energy * total:
            return low, high if found else most
    return high, high if found else most


def largest_rest(images: Matrix) -> float:
    """Bound ||H|| by the images H^p omega of r Gaussian vectors, p = ``POWER``; wrong once in 10^r.

    A Gaussian vector is shortened tenfold, times sqrt(pi / 2), by H^p / ||H||^p at most once in ten (Halko, Martinsson
    and Tropp 2011, lemma 4.1).
    """
    return float(10 * np.sqrt(2 / np.pi) * np.linalg.norm(images, axis=0).max()) ** (1 / POWER)
