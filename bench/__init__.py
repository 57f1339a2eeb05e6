"""Benchmarks for asv: how fast the package is, commit by commit, and how it compares with its peers.

Threads are left at their defaults: BLAS and the package's own pool take every core, as they do for users.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from statistics import median
from time import perf_counter, sleep
from typing import Any


def named(name: str, module: str = "w2s_fast") -> Any:
    """Look up a name of the package; where a commit has none, asv skips the benchmark."""
    try:
        return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise NotImplementedError(f"this commit has no {module}.{name}") from error


def medians(*calls: Callable[[], object], rounds: int = 5, seconds: float = 0.2, pause: float = 0.0) -> list[float]:
    """Median seconds of each call, taken by turns for as many rounds and as long as said, whichever ends later.

    With a ``pause`` a turn is a short burst of calls after it: BLAS threads spin for a while after a call, and would
    take a core from whatever comes next.
    """
    times: list[list[float]] = []
    end = perf_counter() + seconds
    while len(times) < rounds or perf_counter() < end:
        times.append([_turn(call, pause) for call in calls])
    return [median(column) for column in zip(*times, strict=True)]


def ratio(call: Callable[[], object], peer: Callable[[], object]) -> float:
    """Time of a call over that of its peer, below 1 where it is the faster."""
    ours, theirs = medians(call, peer)
    return ours / theirs


def _turn(call: Callable[[], object], pause: float) -> float:
    if not pause:
        return _seconds(call)
    sleep(pause)
    burst = [_seconds(call)]
    while sum(burst) < pause / 2 and len(burst) < 10:
        burst.append(_seconds(call))
    return median(burst)


def _seconds(call: Callable[[], object]) -> float:
    start = perf_counter()
    call()
    return perf_counter() - start
