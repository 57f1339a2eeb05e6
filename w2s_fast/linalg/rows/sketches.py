"""S X of an array X, for a random S of a few rows with eight signs a column: X's length in every direction, nearly."""

from __future__ import annotations

from functools import partial

import numpy as np
import numpy.typing as npt

from w2s_fast._check import FloatArray
from w2s_fast._threads import ordered_map
from w2s_fast.linalg.rows.cutting import cuts
from w2s_fast.linalg.rows.products import Held


def sketched(X: Held, width: int, key: int, precision: npt.DTypeLike) -> FloatArray:
    """S X (width, d) of X (m, d), of which every thread takes some columns."""
    from w2s_fast.kernels.sketch import TILE_COLUMNS

    strips = (X[:, left : left + TILE_COLUMNS] for left in range(0, X.shape[1], TILE_COLUMNS))
    product = partial(_sketch_of_strip, width, np.uint64(key), precision, cuts(len(X), X.shape[1], width))
    return np.hstack(list(ordered_map(product, strips)))


def _sketch_of_strip(
    width: int, key: np.uint64, precision: npt.DTypeLike, pieces: list[slice], strip: Held
) -> FloatArray:
    from w2s_fast.kernels.sketch import add_sketch

    found = np.zeros((width, strip.shape[1]), precision)
    for cut in pieces:
        add_sketch(np.ascontiguousarray(strip[cut], precision), cut.start, key, found)
    return found
