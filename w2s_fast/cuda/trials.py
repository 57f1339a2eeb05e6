"""Monte Carlo trials on a GPU: thousands a launch, the results alone come back."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from w2s_fast._jit import Matrix
from w2s_fast.cuda import kernels
from w2s_fast.cuda._shim import array_library, explained, free_bytes, multiprocessors, to_host
from w2s_fast.kernels import lanes
from w2s_fast.kernels.trials import VALUES

BLOCK_THREADS = 128
FEWEST_LANES = 4
SHARED_WORDS = 48 * 1024 // 8  # that every GPU gives a block without being asked
BLOCKS = 2  # a multiprocessor: as many as 229 registers a thread let in
SHARE_OF_MEMORY = 4


class Launch(NamedTuple):
    """How a launch cuts up its trials: ``blocks`` of ``teams`` of ``lanes`` threads, a team a trial at a time."""

    blocks: int
    teams: int
    lanes: int
    in_shared: bool

    @classmethod
    def of(cls, trials: int, strong: int, words: int, processors: int, free: int) -> Launch:
        """One lane a column, a warp or less where there are few, four warps where there are many.

        A team works in shared memory if its ``words`` numbers fit, with as many others as fit beside it.
        """
        width = FEWEST_LANES
        while width < min(strong, BLOCK_THREADS):
            width *= 2
        teams = BLOCK_THREADS // width
        if words <= SHARED_WORDS:
            teams = min(teams, SHARED_WORDS // words)
            return cls(-(-trials // teams), teams, width, True)
        room = max(free // SHARE_OF_MEMORY // (8 * teams * words), 1)
        return cls(min(-(-trials // teams), BLOCKS * processors, room), teams, width, False)


def run_trials(key: npt.NDArray[np.uint64], first: int, count: int, n: int, N: int, *arguments: Any) -> Matrix:
    """Run trials ``first`` to ``first + count - 1`` of a point; return (count, 8), as the CPU's single lane does.

    ``arguments`` are those of :func:`w2s_fast.kernels.lanes.run_trial` from ``hidden`` to ``target_outside``.
    """
    xp = array_library()
    words = int(lanes.work_size(n, *arguments))
    strong = len(arguments[-2])
    launch = Launch.of(count, strong, words, multiprocessors(), free_bytes())
    with explained():
        out = xp.empty((count, VALUES))
        work = xp.empty(1 if launch.in_shared else launch.blocks * launch.teams * words)
        shared = 8 * launch.teams * words if launch.in_shared else 0
        moved = (xp.asarray(a) if isinstance(a, np.ndarray) else a for a in arguments)
        run = kernels.run_trials[launch.blocks, (launch.lanes, launch.teams), 0, shared]
        run(key[0], key[1], first, n, N, *moved, words, work, out)
    return np.asarray(to_host(out))
