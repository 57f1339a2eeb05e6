"""Monte Carlo trials on a GPU: a thread a trial, the results alone come back."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from w2s_fast._jit import Matrix
from w2s_fast.cuda import kernels
from w2s_fast.cuda._shim import array_library, explained, free_bytes, multiprocessors, to_host
from w2s_fast.kernels.draws import short_key
from w2s_fast.kernels.invariants.setting import Setting, shapes
from w2s_fast.kernels.trials import VALUES

BLOCK_THREADS = kernels.TRIAL_THREADS
# A multiprocessor runs two blocks at a time. On an H100 this many threads, most of which wait for their turn, draw the
# paper's trials faster by a sixth than 256 that draw several each, and as fast with tilted angles; 128 are faster
# without such angles, by up to a third, and slower by half with 20 of them.
THREADS = 1024
SHARE_OF_MEMORY = 4


def threads_for(trials: int, tilted: int, processors: int, free: int) -> int:
    """As many as there are trials, up to what the GPU runs at a time and has room for; whole blocks."""
    room = 8 * (sum(rows * columns for rows, columns in shapes(tilted)))
    most = min(THREADS * processors, max(free // SHARE_OF_MEMORY // room, 1))
    blocks = max(min(-(-trials // BLOCK_THREADS), most // BLOCK_THREADS), 1)
    return blocks * BLOCK_THREADS


def run_trials(key: npt.NDArray[np.uint64], first: int, count: int, n: int, N: int, setting: Setting) -> Matrix:
    """Run trials ``first`` to ``first + count - 1`` of a point; return (count, 8), to rounding as the CPU does."""
    xp = array_library()
    tilted = setting.tilted.shape[1]
    threads = threads_for(count, tilted, multiprocessors(), free_bytes())
    with explained():
        rooms = tuple(xp.empty((*shape, threads)) for shape in shapes(tilted))
        out = xp.empty((count, VALUES))
        blocks = (*setting[:3], setting.target_strong, setting.spread)
        arrays = map(xp.asarray, (setting.tilted, setting.outside, setting.frame))
        run = kernels.run_trials[threads // BLOCK_THREADS, BLOCK_THREADS]
        run(short_key(key), first, float(n), float(N), blocks, setting[3:5], *arrays, rooms, out)
    return np.asarray(to_host(out))
