"""Streaming mean and centred second moment, one read of memory, as accurate as two passes at any offset.

A tile of rows is summed, then, still in cache, its squared deviations are; the tile then joins the running moments by
Chan, Golub and LeVeque's pairwise formula. Sums run down the columns, four rows at a time to spare the
accumulators' loads and stores, so the inner loops vectorise without reassociation and the result does not depend on
the instruction set.

A mean far from 0 in units of the spread has too few digits left for deviations from it. Means, and second moments, to
which any number of tiles add, are therefore sums of two numbers (Dekker 1971): ``state`` has rows mean, what rounding
left of it, second moment, what rounding left of it.
"""

import numpy as np

from w2s_fast._check import FloatArray
from w2s_fast._jit import Matrix, Vector, inlined, kernel, part

ROWS_OF_STATE = 4
TILE_ROWS = 64
TILE_COLUMNS = 1024  # with the rows 512 KiB of float64: a tile stays in L2


@part
def two_sum(a: float, b: float) -> tuple[float, float]:
    """A + b as a float64 and what rounding took from it (Knuth 1969)."""
    total = a + b
    of_b = total - a
    return total, (a - (total - of_b)) + (b - of_b)


@part
def merged(
    count: int,
    mean: float,
    mean_rest: float,
    m2: float,
    m2_rest: float,
    more: int,
    its_mean: float,
    its_mean_rest: float,
    its_m2: float,
    its_m2_rest: float,
) -> tuple[float, float, float, float]:
    """State of ``count`` samples and ``more >= 1`` others together."""
    if count == 0:
        mean, mean_rest = two_sum(its_mean, its_mean_rest)
        return mean, mean_rest, its_m2, its_m2_rest
    weight = more / (count + more)
    apart, apart_rest = two_sum(its_mean, -mean)
    delta = apart + (apart_rest + (its_mean_rest - mean_rest))
    mean, left = two_sum(mean, delta * weight)
    mean, mean_rest = two_sum(mean, left + mean_rest)
    m2, left = two_sum(m2, its_m2)
    m2, left_too = two_sum(m2, delta * delta * (count * weight))
    m2, m2_rest = two_sum(m2, (left + left_too) + (m2_rest + its_m2_rest))
    return mean, mean_rest, m2, m2_rest


@inlined
def are_squares(m2: Vector, least: float) -> bool:
    """Whether all sums of squares are finite, and none below the least."""
    are = True
    for j in range(m2.size):
        are &= least <= m2[j] < np.inf
    return are


@kernel
def merge_moments(count: int, state: Matrix, left: int, width: int, more: int, other: Matrix) -> None:
    """Merge the first ``width`` columns of a state of ``more >= 1`` samples into ``state``, from column ``left``."""
    for j in range(width):
        k = left + j
        state[0, k], state[1, k], state[2, k], state[3, k] = merged(
            count,
            state[0, k],
            state[1, k],
            state[2, k],
            state[3, k],
            more,
            other[0, j],
            other[1, j],
            other[2, j],
            other[3, j],
        )


@kernel
def add_each_row(block: Matrix, count: int, state: Matrix) -> None:
    """Merge rows one after the other, each as if the means and second moments before it were all that is kept."""
    for i in range(block.shape[0]):
        for j in range(block.shape[1]):
            x = block[i, j]
            deviation = x - x  # NaN of NaN and infinity, as in blocks of more rows
            square = deviation * deviation - deviation * deviation
            state[0, j], _, state[2, j], _ = merged(
                count + i, state[0, j], 0.0, state[2, j], 0.0, 1, x, deviation, square, 0.0
            )


@kernel
def add_rows(block: FloatArray, count: int, state: Matrix, least: float) -> bool:
    """Merge the rows of ``block`` (n, d) into the state (4, d) of ``count`` samples, in place.

    Return what :func:`are_squares` says of the sums of squares: asking in a call of its own would take a few rows
    longer than their sums. What a state of no samples holds is not looked at.
    """
    rows, columns = block.shape
    tile = np.zeros((ROWS_OF_STATE, min(columns, TILE_COLUMNS)))
    for left in range(0, columns, TILE_COLUMNS):
        right = min(left + TILE_COLUMNS, columns)
        width = right - left
        center, drift, squares = tile[0], tile[1], tile[2]
        for top in range(0, rows, TILE_ROWS):
            bottom = min(top + TILE_ROWS, rows)
            height = bottom - top
            fours = top + height // 4 * 4
            center[:width] = 0.0
            for i in range(top, fours, 4):
                r0, r1 = block[i, left:right], block[i + 1, left:right]
                r2, r3 = block[i + 2, left:right], block[i + 3, left:right]
                for j in range(width):
                    center[j] += (np.float64(r0[j]) + r1[j]) + (np.float64(r2[j]) + r3[j])
            for i in range(fours, bottom):
                row = block[i, left:right]
                for j in range(width):
                    center[j] += row[j]
            for j in range(width):
                center[j] /= height
            squares[:width] = 0.0
            drift[:width] = 0.0  # sum of deviations: what rounding left of the mean
            for i in range(top, fours, 4):
                r0, r1 = block[i, left:right], block[i + 1, left:right]
                r2, r3 = block[i + 2, left:right], block[i + 3, left:right]
                for j in range(width):
                    middle = center[j]
                    d0, d1, d2, d3 = r0[j] - middle, r1[j] - middle, r2[j] - middle, r3[j] - middle
                    drift[j] += (d0 + d1) + (d2 + d3)
                    squares[j] += (d0 * d0 + d1 * d1) + (d2 * d2 + d3 * d3)
            for i in range(fours, bottom):
                row = block[i, left:right]
                for j in range(width):
                    deviation = row[j] - center[j]
                    drift[j] += deviation
                    squares[j] += deviation * deviation
            for j in range(width):
                squares[j] -= drift[j] * drift[j] / height
                drift[j] /= height
            merge_moments(count + top, state, left, width, height, tile)
    return are_squares(state[2], least)
