"""Interrupts at random moments.

After every one there must have been a KeyboardInterrupt and nothing else, BLAS must be as it was, no thread may be
left over, and now and then the interrupted call is made again and must give the bits it gave before.
"""

from __future__ import annotations

import _thread
import ctypes
import functools
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import scipy.linalg  # noqa: F401  its BLAS must be loaded to be counted
from threadpoolctl import ThreadpoolController

from w2s_fast import GaussianModel, Gram, MinNorm, Moments, Study, lstsq, min_norm, probe, randomized_svd, simulate
from w2s_fast._threads import ordered_map, single_threaded_blas

HANG = 20.0  # seconds
IGNORED = "ignored by Python"  # which drops what is raised in callbacks of weak references, such as those of threads
OFTEN = 0.02  # share of calls that are made again
MOST_THREADS = 16  # of the package, and what other libraries keep
LIBRARIES = ThreadpoolController().select(user_api="blas").lib_controllers


def normal(*shape: int) -> Any:
    return np.random.default_rng(0).standard_normal(shape)


SMALL, LARGE, STACK = normal(60, 20), normal(300, 130), normal(16, 100, 80)
LONG = normal(40_000, 8)
GRAM = Gram().update(LARGE, LARGE[:, 0])
MODEL = GaussianModel.paper(d_weak=4, d_strong=3, d_shared=1, d_target=5, ambient=20)


def held() -> int:
    for _ in range(20):
        with single_threaded_blas(), single_threaded_blas():
            pass
    return 0


def stopped_early() -> int:
    results = ordered_map(lambda i: i, range(100), 3)
    try:
        return next(results) + next(results)
    finally:
        results.close()  # forgotten instead, Python would have to ignore an interrupt of its end


CALLS: dict[str, Callable[[], Any]] = {
    "hold": held,
    "map": lambda: sum(ordered_map(lambda i: i, range(40), 3)),
    "map stopped early": stopped_early,
    "map in a map": lambda: sum(ordered_map(lambda i: sum(ordered_map(abs, range(i), 2)), range(9), 2)),
    "min_norm": lambda: min_norm(SMALL, SMALL[:, 0]),
    "min_norm Gram": lambda: min_norm(LARGE, LARGE[:, 0]),
    "min_norm stack": lambda: min_norm(STACK, STACK[..., 0]),
    "MinNorm": lambda: MinNorm(LARGE).solve(LARGE[:, 0]),
    "lstsq": lambda: lstsq(LARGE, LARGE[:, 0])[0],
    "Gram": lambda: Gram(centred=True).update(LONG, LONG[:, 0]).xtx,
    "Gram.solve": GRAM.solve,
    "Moments": lambda: Moments().update(LONG).mean,
    "randomized_svd": lambda: randomized_svd(LARGE, 3, random_state=0)[1],
    "simulate": lambda: simulate(MODEL, 9, [8, 40], trials=40, workers=3).w2s,
    "simulate alone": lambda: simulate(MODEL, 9, 8, trials=40, workers=1).w2s,
    "simulate wishart": lambda: simulate(MODEL, 9, 8, trials=40, method="wishart").w2s,
    "study": lambda: Study(MODEL, n=9, N=[8, 40], trials=20).run(progress=False).result.w2s,
    "probe": lambda: probe(LONG[:200, :3], LONG[:200, 3:6], LONG[:200, 0], n=20, N=50, trials=4).w2s,
}


def blas() -> list[int]:
    return [library.num_threads for library in LIBRARIES]


def until_interrupted(call: Callable[[], Any], interrupt: Callable[[], None]) -> str:
    """Name of what a call that goes on for good ends with."""
    end = time.monotonic() + HANG
    ignored: list[Any] = []
    before, sys.unraisablehook = sys.unraisablehook, ignored.append
    try:
        interrupt()
        while time.monotonic() < end and not ignored:
            call()
    except BaseException as error:  # whatever it is, it is to be counted
        return type(error).__name__
    finally:
        sys.unraisablehook = before
    return IGNORED if ignored else "no interrupt"


@contextmanager
def timer() -> Iterator[Callable[[float], None]]:
    """SIGALRM that does what SIGINT does, after so many seconds; none comes later."""
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    try:
        yield lambda delay: signal.setitimer(signal.ITIMER_REAL, delay)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)


def by_timer(call: Callable[[], Any], delay: float) -> str:
    with timer() as after:
        return until_interrupted(call, lambda: after(delay))


def by_main(call: Callable[[], Any], delay: float) -> str:
    """As an IDE does."""
    waker = threading.Timer(delay, _thread.interrupt_main)
    try:
        return until_interrupted(call, waker.start)
    finally:
        waker.join()


def by_exception(call: Callable[[], Any], delay: float) -> str:
    """As a notebook or a time limit does, in a thread that is not the main one."""
    found: list[str] = []
    thread = threading.Thread(target=lambda: found.append(until_interrupted(call, ready.set)), daemon=True)
    ready = threading.Event()
    thread.start()
    ready.wait()
    time.sleep(delay)
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident or 0), ctypes.py_object(KeyboardInterrupt))
    thread.join(HANG)
    return found[0] if found else "hang"


KINDS = {"timer": by_timer, "interrupt_main": by_main, "exception": by_exception}


@functools.cache
def usual(name: str) -> tuple[bytes, float]:
    """Bits of a call, and the seconds it takes."""
    bits = np.asarray(CALLS[name]()).tobytes()
    began = time.perf_counter()
    CALLS[name]()
    return bits, time.perf_counter() - began


def interrupted(name: str, kind: str, rng: np.random.Generator) -> str:
    """Interrupt a call at a random moment; AssertionError where anything is lost, left over or other than before."""
    bits, seconds = usual(name)
    before, threads = blas(), threading.active_count()
    what = KINDS[kind](CALLS[name], 1e-5 + 2 * seconds * rng.random())
    assert what in ("KeyboardInterrupt", IGNORED), f"{what}, {name} by {kind}"
    assert blas() == before, f"BLAS lost, {name} by {kind}"
    assert threading.active_count() <= threads + MOST_THREADS, f"threads left, {name} by {kind}"
    if rng.random() < OFTEN:
        assert np.asarray(CALLS[name]()).tobytes() == bits, f"other bits, {name} by {kind}"
    return f"{kind}: {what}"


def interrupts(rng: np.random.Generator, _: Path) -> str:
    names, kinds = [*CALLS], [*KINDS]
    return interrupted(names[int(rng.integers(len(names)))], kinds[int(rng.integers(len(kinds)))], rng)


ATTACKS = {"interrupts": interrupts}
