"""Streaming mean and centred second moment, one read of memory.

A tile of rows is summed, then, still in cache, its squared deviations are; the tile then joins the running moments by
Chan, Golub and LeVeque's pairwise formula. Sums run down the columns, four rows at a time to spare the
accumulators' loads and stores, so the inner loops vectorise without reassociation and the result does not depend on
the instruction set.
"""

import numpy as np

from w2s_fast._check import FloatArray
from w2s_fast._jit import Vector, kernel

TILE_ROWS = 64
TILE_COLUMNS = 1024  # with the rows 512 KiB of float64: a tile stays in L2


@kernel
def merge_moments(count: int, mean: Vector, m2: Vector, other_count: int, other_mean: Vector, other_m2: Vector) -> None:
    """Merge the moments of ``other_count >= 1`` samples into ``mean`` and ``m2`` of ``count`` samples, in place."""
    total = count + other_count
    weight = other_count / total
    for j in range(mean.size):
        delta = other_mean[j] - mean[j]
        mean[j] += delta * weight
        m2[j] += other_m2[j] + delta * delta * (count * weight)


@kernel
def add_rows(block: FloatArray, count: int, mean: Vector, m2: Vector) -> None:
    """Merge the rows of ``block`` (n, d) into ``mean`` and ``m2`` (d,) of ``count`` samples, in place."""
    rows, columns = block.shape
    width = min(columns, TILE_COLUMNS)
    tile_mean, tile_m2, drift = np.empty(width), np.empty(width), np.empty(width)
    for left in range(0, columns, TILE_COLUMNS):
        right = min(left + TILE_COLUMNS, columns)
        width = right - left
        for top in range(0, rows, TILE_ROWS):
            bottom = min(top + TILE_ROWS, rows)
            height = bottom - top
            fours = top + height // 4 * 4
            tile_mean[:width] = 0.0
            for i in range(top, fours, 4):
                r0, r1 = block[i, left:right], block[i + 1, left:right]
                r2, r3 = block[i + 2, left:right], block[i + 3, left:right]
                for j in range(width):
                    tile_mean[j] += (np.float64(r0[j]) + r1[j]) + (np.float64(r2[j]) + r3[j])
            for i in range(fours, bottom):
                row = block[i, left:right]
                for j in range(width):
                    tile_mean[j] += row[j]
            for j in range(width):
                tile_mean[j] /= height
            tile_m2[:width] = 0.0
            drift[:width] = 0.0  # sum of deviations: what rounding left in the mean
            for i in range(top, fours, 4):
                r0, r1 = block[i, left:right], block[i + 1, left:right]
                r2, r3 = block[i + 2, left:right], block[i + 3, left:right]
                for j in range(width):
                    center = tile_mean[j]
                    d0, d1, d2, d3 = r0[j] - center, r1[j] - center, r2[j] - center, r3[j] - center
                    drift[j] += (d0 + d1) + (d2 + d3)
                    tile_m2[j] += (d0 * d0 + d1 * d1) + (d2 * d2 + d3 * d3)
            for i in range(fours, bottom):
                row = block[i, left:right]
                for j in range(width):
                    deviation = row[j] - tile_mean[j]
                    drift[j] += deviation
                    tile_m2[j] += deviation * deviation
            for j in range(width):
                tile_mean[j] += drift[j] / height
                tile_m2[j] -= drift[j] * drift[j] / height
            merge_moments(count + top, mean[left:right], m2[left:right], height, tile_mean[:width], tile_m2[:width])
