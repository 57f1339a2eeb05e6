"""X'X of float32 rows by float32 products: BLAS multiplies short runs of rows, and float64 adds the runs up.

A product of float32 numbers is rounded by 6e-8 of it, and BLAS adds at most ``RUN_ROWS`` of them in float32: an entry
(i, j) is right to ``RUN_ROWS`` times as much of |x_i| |x_j| whatever the numbers, and as a rule to a few times 1e-7 or
less, however many rows there are. Blocks whose products overflow float32, or vanish in it, are multiplied in float64,
and so is what came as float64.
"""

from __future__ import annotations

from itertools import accumulate, combinations_with_replacement

import numpy as np
import numpy.typing as npt

from w2s_fast._check import FloatArray
from w2s_fast.linalg.rows import cutting
from w2s_fast.linalg.rows.products import total
from w2s_fast.linalg.rows.scatter import merged_scatter, scatter_of_block, two_sum

Matrix = npt.NDArray[np.float64]
LARGEST_SQUARES = 1e38  # sum of a column of a block: a third of the largest float32
SMALLEST_SQUARES = 1e-26  # likewise: 4,096 products that each lose 1e-38, the smallest normal float32, are 4e-9 of it


def gram_by_runs(*parts: FloatArray) -> Matrix:
    """[X Y]'[X Y] of arrays (m, n_i) beside one another, without joining them."""
    width = sum(part.shape[1] for part in parts)
    return np.asarray(total(_gram_of_block, *parts, factors=width, longest=cutting.GRAM_ROWS))


def scatter_by_runs(*parts: FloatArray) -> tuple[Matrix, Matrix]:
    """Mean (2, n) and products of deviations, as :func:`w2s_fast.linalg.rows.scatter.scatter` has them."""
    return merged_scatter(_scatter_of_block, *parts)


def _gram_of_block(*parts: FloatArray) -> Matrix:
    found = _products(*parts)
    unsafe = [not _are_safe(part, squares) for part, squares in zip(parts, _squares_of(parts, found), strict=True)]
    if any(unsafe):
        found = _products(*(part.astype(np.float64) if bad else part for part, bad in zip(parts, unsafe, strict=True)))
    return found


def _scatter_of_block(*parts: FloatArray) -> tuple[int, Matrix, Matrix]:
    means, drifts, deviations = zip(*map(_centred, parts), strict=True)
    found = _products(*deviations)
    if not all(map(_are_safe, deviations, _squares_of(parts, found))):
        joined = np.concatenate([part.astype(np.float64, copy=False) for part in parts], axis=1)
        return len(joined), *scatter_of_block(joined)
    drift = np.concatenate(drifts)
    return len(parts[0]), np.concatenate(means, axis=1), found - len(parts[0]) * np.outer(drift, drift)


def _centred(part: FloatArray) -> tuple[Matrix, Matrix, FloatArray]:
    """Mean (2, n) of a block of rows, deviations from about there, and the mean of these.

    Of float32 they are taken from the mean as float32 has it, which rounds them once, relative to themselves; what
    that leaves of the mean is less than the standard deviation of numbers which float32 tells apart.
    """
    mean = part.mean(axis=0, dtype=np.float64)
    if part.dtype == np.float32:
        centre = mean.astype(np.float32)
        return np.stack((mean, np.zeros_like(mean))), mean - centre, part - centre
    deviations = part - mean
    drift = deviations.mean(axis=0)  # what rounding left of the mean
    return np.stack(two_sum(mean, drift)), drift, deviations


def _products(*parts: FloatArray) -> Matrix:
    """Products of all columns of a block, in float32 where both sides are."""
    ends = list(accumulate((part.shape[1] for part in parts), initial=0))
    found = np.empty((ends[-1], ends[-1]))
    for i, j in combinations_with_replacement(range(len(parts)), 2):
        a, b = slice(ends[i], ends[i + 1]), slice(ends[j], ends[j + 1])
        _multiply(parts[i], parts[j], found[a, b])
        if i != j:
            found[b, a] = found[a, b].T
    return found


def _multiply(left: FloatArray, right: FloatArray, out: Matrix) -> None:
    """Write X'Y of a block of rows, one at least: by runs, unless either is in float64."""
    if not left.dtype == right.dtype == np.float32:
        np.matmul(left.T.astype(np.float64, copy=False), right.astype(np.float64, copy=False), out=out)
        return
    is_square = left is right  # BLAS then makes half of it alone, if it sees one array
    left, right = _laid_out(left), _laid_out(right)
    product = np.empty(out.shape, np.float32)  # by dot, as small ones of matmul would stop other threads
    for start in range(0, len(left), cutting.RUN_ROWS):
        run = left[start : start + cutting.RUN_ROWS]
        np.dot(run.T, run if is_square else right[start : start + cutting.RUN_ROWS], out=product)
        if start == 0:
            out[...] = product
        else:
            out += product


def _laid_out(rows: FloatArray) -> FloatArray:
    """The same, with rows or columns without gaps, as BLAS reads them."""
    return rows if rows.itemsize in rows.strides else np.ascontiguousarray(rows)


def _squares_of(parts: tuple[FloatArray, ...], joint: Matrix) -> list[Matrix]:
    """The diagonal of products of all columns, part by part."""
    ends = list(accumulate(part.shape[1] for part in parts))
    return np.split(np.diagonal(joint), ends[:-1])


def _are_safe(part: FloatArray, squares: Matrix) -> bool:
    """Whether float32 held the products of these rows, sums of whose squares it found."""
    if part.dtype != np.float32:
        return True
    few = squares < SMALLEST_SQUARES
    return bool((squares <= LARGEST_SQUARES).all()) and not (few.any() and part[:, few].any())
