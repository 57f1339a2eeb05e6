"""Benchmarks: ``bench_*`` are asv's suites, ``python -m bench.peers`` compares with peers; see ``bench/README.md``."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from contextlib import suppress
from statistics import median
from time import perf_counter, sleep
from typing import Any


def named(name: str, *modules: str) -> Any:
    """Look up a name of the package, in modules that have held it; where a commit has none, asv skips the benchmark."""
    for module in modules or ("w2s_fast",):
        with suppress(ImportError, AttributeError):
            return getattr(importlib.import_module(module), name)
    raise NotImplementedError(f"this commit has no {name}")


class Pinned:
    """Runs on the first few cores, BLAS with as many threads: the package counts the cores it may run on."""

    def pin(self, threads: int) -> None:
        from threadpoolctl import threadpool_limits

        named("lstsq")  # BLAS libraries must be loaded to be limited
        cores = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None
        if cores is None or len(cores) < threads:
            raise NotImplementedError(f"{threads} threads need that many cores, and Linux to hold them to it")
        self._cores, self._limits = cores, threadpool_limits(threads)
        os.sched_setaffinity(0, sorted(cores)[:threads])

    def teardown(self, *_: object) -> None:
        if hasattr(self, "_cores"):
            os.sched_setaffinity(0, self._cores)
            self._limits.restore_original_limits()


def samples(
    *calls: Callable[[], object], rounds: int = 5, seconds: float = 0.2, pause: float = 0.0
) -> list[list[float]]:
    """Seconds of each call, taken by turns for as many rounds and as long as said, whichever ends later.

    With a ``pause`` a turn is a short burst of calls after it, of which the median counts: BLAS threads spin for 0.1 s
    after a call, and would take a core from whatever comes next.
    """
    times: list[list[float]] = []
    end = perf_counter() + seconds
    while len(times) < rounds or perf_counter() < end:
        times.append([_turn(call, pause) for call in calls])
    return [list(column) for column in zip(*times, strict=True)]


def medians(*calls: Callable[[], object], **settings: Any) -> list[float]:
    """Median seconds of each call, taken as :func:`samples` are."""
    return [median(column) for column in samples(*calls, **settings)]


def ratio(call: Callable[[], object], peer: Callable[[], object], **settings: Any) -> float:
    """Time of a call over that of its peer, below 1 where it is the faster."""
    ours, theirs = medians(call, peer, **settings)
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
