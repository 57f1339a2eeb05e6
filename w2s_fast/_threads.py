"""A map over work items in order, on a few threads, each with one BLAS thread.

Kernels are serial and release the GIL, so plain Python threads scale. While a map runs the OpenBLAS pools of NumPy and
SciPy are held to one thread: threads times BLAS threads would oversubscribe the cores, and results would depend on
the number of threads through the order of BLAS's sums. OpenBLAS's limit is process-wide, hence the count of holders.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from functools import cache
from typing import Any, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

_lock = threading.Lock()
_holders = 0
_callers_threads: list[int] = []  # of each BLAS library, as they were before the first holder
_in_worker = threading.local()


def default_workers() -> int:
    """Count the cores this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@cache
def _blas_libraries() -> list[Any]:
    """Find the BLAS of NumPy and of SciPy, which Numba calls; finding them takes a millisecond."""
    import scipy.linalg  # noqa: F401  its OpenBLAS must be loaded to be found
    from threadpoolctl import ThreadpoolController

    return list(ThreadpoolController().select(user_api="blas").lib_controllers)


@contextmanager
def single_threaded_blas() -> Iterator[None]:
    """Hold BLAS to one thread; the caller's setting returns when the last holder leaves."""
    global _holders  # noqa: PLW0603  the limit itself is process-wide
    libraries = _blas_libraries()
    with _lock:
        if _holders == 0:
            _callers_threads[:] = [library.num_threads for library in libraries]
            for library in libraries:
                _set_threads(library, 1)
        _holders += 1
    try:
        yield
    finally:
        with _lock:
            _holders -= 1
            if _holders == 0:
                _give_back_blas()


def _set_threads(library: Any, threads: int) -> None:
    """Set the limit from whatever thread: threadpoolctl 3.8 obeys only the one that set it first."""
    getattr(library, "_real_set_num_threads", library.set_num_threads)(threads)


def _give_back_blas() -> None:
    for library, threads in zip(_blas_libraries(), _callers_threads, strict=True):
        _set_threads(library, threads)


@cache
def _pool(workers: int) -> ThreadPoolExecutor:
    """Threads that stay: starting them anew would cost each call a fifth of a millisecond."""
    return ThreadPoolExecutor(workers, thread_name_prefix="w2s_fast", initializer=_mark_worker)


def _mark_worker() -> None:
    _in_worker.marked = True


def _forget_threads() -> None:
    """Start a forked child without the parent's locks, threads and holders, which do not run there."""
    global _lock, _holders  # noqa: PLW0603
    _lock = threading.Lock()
    _pool.cache_clear()
    if _holders:
        _holders = 0
        _give_back_blas()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_threads)


def ordered_map(
    function: Callable[[Item], Result], items: Iterable[Item], workers: int | None = None
) -> Iterator[Result]:
    """Yield ``function(item)`` for every item, in order.

    At most two items a worker are under way, so memory stays bounded however many there are. When the caller stops
    early or an item fails, waiting items are dropped. A map within a map runs where it is called.
    """
    workers = workers or default_workers()
    with single_threaded_blas():
        if workers == 1 or getattr(_in_worker, "marked", False):
            yield from map(function, items)
            return
        pool = _pool(workers)
        under_way: deque[Future[Result]] = deque()
        try:
            for item in items:
                under_way.append(pool.submit(function, item))
                if len(under_way) >= 2 * workers:
                    yield under_way.popleft().result()
            while under_way:
                yield under_way.popleft().result()
        finally:
            for future in under_way:
                future.cancel()
            wait(under_way)
