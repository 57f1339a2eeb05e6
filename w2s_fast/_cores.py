"""How many threads to use: as many as cores, and no more than anybody has allowed.

Cores are those of the process's affinity and of the CPU quota of its control groups, version 1 or 2, which containers
are held to. What is set for NumPy's BLAS holds here too: OPENBLAS_NUM_THREADS, OMP_NUM_THREADS, threadpool_limits.
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path, PurePosixPath

from w2s_fast import _blas

VARIABLE = "W2S_FAST_NUM_THREADS"
CONTROL_GROUPS = Path("/sys/fs/cgroup")
OF_PROCESS = Path("/proc/self/cgroup")


def default_workers() -> int:
    """Count the threads of a call that was not told."""
    return threads_and_reason()[0]


def threads_and_reason() -> tuple[int, str]:
    """How many threads a call takes, and what says so.

    Raises
    ------
    ValueError
        The environment variable is no count of threads.
    """
    if asked := os.environ.get(VARIABLE):
        if not asked.strip().isdecimal() or int(asked) < 1:
            raise ValueError(
                f"the environment variable {VARIABLE} must be a number of threads from 1 on, got {asked!r}"
            )
        return int(asked), VARIABLE
    limits = {"cores of this process": _cores(), "quota of its control group": _quota()}
    limits |= {"limit of BLAS": _blas.callers_threads(), "NUMBA_NUM_THREADS": _leading_number("NUMBA_NUM_THREADS")}
    known = {reason: limit for reason, limit in limits.items() if limit}
    reason = min(known, key=known.__getitem__)
    return known[reason], reason


def _cores() -> int:
    count = getattr(os, "process_cpu_count", None)  # since Python 3.13, which can be told the number
    if count is None and hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return (count or os.cpu_count)() or 1


def _leading_number(variable: str) -> int | None:
    text = os.environ.get(variable, "").strip()
    return int(text) if text.isdecimal() else None


@cache
def _quota(groups: Path = CONTROL_GROUPS, of_process: Path = OF_PROCESS) -> int | None:
    """Cores' worth of time, rounded up, that the control groups of this process and those above them leave it."""
    try:
        lines = of_process.read_text(encoding="utf-8").splitlines()
    except OSError:  # not Linux
        return None
    found = []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            found += [_quota_of(folder, "cpu.max") for folder in _up(groups, path)]
        elif "cpu" in controllers.split(","):
            for name in {"cpu", controllers}:
                found += [_quota_of(folder, "cpu.cfs_quota_us") for folder in _up(groups / name, path)]
    return min((quota for quota in found if quota), default=None)


def _up(root: Path, path: str) -> list[Path]:
    """Folders of a control group and of those above it; a container may see its own as the root."""
    inside = PurePosixPath(path).relative_to("/") if path.startswith("/") else PurePosixPath(path)
    return [root / inside, *(root / above for above in inside.parents)]


def _quota_of(folder: Path, name: str) -> int | None:
    """Rounded up, as containers are asked for 1.5 cores; None without a limit."""
    try:
        words = (folder / name).read_text(encoding="ascii").split()
        if name != "cpu.max":
            words += (folder / "cpu.cfs_period_us").read_text(encoding="ascii").split()
        quota, period = map(int, words)  # "max" is no number
    except (OSError, ValueError):
        return None
    return -(-quota // period) if quota > 0 and period > 0 else None
