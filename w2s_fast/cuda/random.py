"""Counter-based random numbers on the GPU, the same as on the CPU."""

from __future__ import annotations

from typing import Any

import numpy as np

from w2s_fast import _check
from w2s_fast._random import key
from w2s_fast.cuda import kernels
from w2s_fast.cuda._shim import array_library, explained
from w2s_fast.kernels.philox import WORDS

THREADS, MOST_BLOCKS = 256, 4_096


def random_words(size: int, *, seed: int = 0, point: tuple[int, ...] = (), trial: int = 0) -> Any:
    """Words of 64 bits on the GPU: the first ``size`` of the NumPy generator that trial ``trial`` at a point has.

    Bit for bit those of ``numpy.random.Philox(key=..., counter=[0, 0, 0, trial]).random_raw(size)``, whose key comes of
    the seed and the point's coordinates. ``(words >> 11) * 2.0**-53`` are the doubles of ``Generator.random``.
    """
    return _filled(kernels.fill_words, np.uint64, size, seed, point, trial)


def random_normals(size: int, *, seed: int = 0, point: tuple[int, ...] = (), trial: int = 0) -> Any:
    """Standard normals on the GPU: quantiles of :func:`random_words`, on the CPU the same to rounding."""
    return _filled(kernels.fill_normals, np.float64, size, seed, point, trial)


def _filled(fill: Any, dtype: Any, size: int, seed: int, point: tuple[int, ...], trial: int) -> Any:
    size, trial = _check.integer(size, "size"), _check.integer(trial, "trial")
    words = key(_check.integer(seed, "seed"), tuple(_check.integer(i, "point", maximum=2**64 - 1) for i in point))
    with explained():
        out = array_library().empty(size, dtype)
        blocks = min(-(-size // (WORDS * THREADS)), MOST_BLOCKS)
        if blocks:
            fill[blocks, THREADS](words[0], words[1], trial, 0, out)
    return out
