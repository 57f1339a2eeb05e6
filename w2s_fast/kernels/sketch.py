"""Sparse-sign sketch S X of the rows of X, with S never stored.

Column i of S (one per row of X) has ``NONZEROS`` entries +-1/sqrt(NONZEROS) at places that a hash of (key, i) names.
Adding rows to it reads X once, at memory speed, and rows can come in any blocks. Eight nonzeros are the
recommendation of Martinsson and Tropp, "Randomized numerical linear algebra" (Acta Numerica 2020), section 9.2.
"""

import numpy as np
import numpy.typing as npt

from w2s_fast._check import FloatArray
from w2s_fast._jit import Vector, kernel

NONZEROS = 8
TILE_COLUMNS = 512  # a strip of the sketch, width x TILE_COLUMNS, is what must stay in cache


@kernel
def mix(x: np.uint64) -> np.uint64:
    """Finaliser of splitmix64 (Steele, Lea and Flood 2014): a bijection of 64-bit words with full avalanche."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


@kernel
def sparse_signs(key: np.uint64, row: int, width: int, places: npt.NDArray[np.int64], signs: Vector) -> None:
    """Fill ``places`` with distinct numbers below ``width`` and ``signs`` with +-1 for row number ``row``."""
    word = mix(key ^ mix(np.uint64(row) + np.uint64(0x9E3779B97F4A7C15)))
    filled = 0
    while filled < places.size:
        word = mix(word + np.uint64(0x9E3779B97F4A7C15))
        place = np.int64(((word >> np.uint64(32)) * np.uint64(width)) >> np.uint64(32))
        fresh = True
        for k in range(filled):
            if places[k] == place:
                fresh = False
        if fresh:
            places[filled] = place
            signs[filled] = 1.0 if word & np.uint64(1) else -1.0
            filled += 1


@kernel
def add_sketch(block: FloatArray, first_row: int, key: np.uint64, sketch: FloatArray) -> None:
    """Add S X of the rows ``first_row``, ``first_row + 1``, ... in ``block`` (n, d) to ``sketch`` (width, d)."""
    rows, columns = block.shape
    width = sketch.shape[0]
    nonzeros = min(NONZEROS, width)
    places, signs = np.empty(nonzeros, np.int64), np.empty(nonzeros)
    scale = 1.0 / np.sqrt(nonzeros)
    for left in range(0, columns, TILE_COLUMNS):
        right = min(left + TILE_COLUMNS, columns)
        for i in range(rows):
            sparse_signs(key, first_row + i, width, places, signs)
            row = block[i, left:right]
            for k in range(nonzeros):
                target = sketch[places[k], left:right]
                weight = scale * signs[k]
                for j in range(right - left):
                    target[j] += weight * row[j]


@kernel
def fill_sparse_signs(
    key: np.uint64, first_row: int, width: int, places: npt.NDArray[np.int64], signs: FloatArray
) -> None:
    """Fill ``places`` and ``signs`` (rows, nonzeros) for rows ``first_row``, ``first_row + 1``, ... of a sketch."""
    found = np.empty(places.shape[1])
    for i in range(places.shape[0]):
        sparse_signs(key, first_row + i, width, places[i], found)
        signs[i] = found
