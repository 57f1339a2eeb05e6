"""(seed, point, trial) -> an independent random stream.

Streams are counter-based (Philox 4x64): the seed and the point make the key, the trial is the high word of the
counter, which leaves 2**192 draws a trial. A trial's numbers thus depend on nothing else: not on how many trials are
run, in what order, or on how many threads.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from w2s_fast import _check

_WORD = (1 << 32) - 1


@lru_cache(maxsize=1024)
def key(seed: int, point: tuple[int, ...]) -> npt.NDArray[np.uint64]:
    """Two words: the key of every trial at the point with the given integer coordinates below 2**64."""
    # Two fixed words a coordinate: SeedSequence alone would confuse (1, 2**32) with (1, 0, 1).
    words = [word for coordinate in point for word in (coordinate & _WORD, coordinate >> 32)]
    return np.random.SeedSequence(seed, spawn_key=words).generate_state(2, np.uint64).astype(np.uint64, copy=False)


def stream(seed: int, point: tuple[int, ...], trial: int) -> np.random.Generator:
    """Generator of trial ``trial`` at a point."""
    return np.random.Generator(np.random.Philox(key=key(seed, point), counter=[0, 0, 0, trial]))


def key64(random_state: Any) -> int:
    """A 64-bit key from what NumPy and scikit-learn take as ``random_state``.

    None and ``np.random`` itself draw it from NumPy's global state, which ``np.random.seed`` sets.
    """
    if random_state is None or random_state is np.random:
        return int.from_bytes(np.random.bytes(8), "little")  # noqa: NPY002  the global state is what is asked for
    if isinstance(random_state, np.random.RandomState | np.random.Generator):
        return int.from_bytes(random_state.bytes(8), "little")
    seed = _check.integer(random_state, "random_state", maximum=2**128)
    return int(np.random.SeedSequence(seed).generate_state(1, np.uint64)[0])
