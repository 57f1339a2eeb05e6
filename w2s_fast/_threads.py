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
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

_lock = threading.Lock()
_holders = 0
_limit: AbstractContextManager[object] | None = None


def default_workers() -> int:
    """Count the cores this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def single_threaded_blas() -> Iterator[None]:
    """Hold BLAS to one thread; the caller's setting returns when the last holder leaves."""
    global _holders, _limit  # noqa: PLW0603  the limit itself is process-wide
    with _lock:
        if _holders == 0:
            import scipy.linalg  # noqa: F401  its OpenBLAS must be loaded to be limited
            from threadpoolctl import threadpool_limits

            _limit = threadpool_limits(1, user_api="blas")
            _limit.__enter__()
        _holders += 1
    try:
        yield
    finally:
        with _lock:
            _holders -= 1
            if _holders == 0 and _limit is not None:
                _limit.__exit__(None, None, None)
                _limit = None


def ordered_map(
    function: Callable[[Item], Result], items: Iterable[Item], workers: int | None = None
) -> Iterator[Result]:
    """Yield ``function(item)`` for every item, in order.

    At most two items a worker are under way, so memory stays bounded however many there are. When the caller stops
    early or an item fails, waiting items are dropped.
    """
    workers = workers or default_workers()
    with single_threaded_blas():
        if workers == 1:
            yield from map(function, items)
            return
        under_way: deque[Future[Result]] = deque()
        with ThreadPoolExecutor(workers, thread_name_prefix="w2s_fast") as pool:
            try:
                for item in items:
                    under_way.append(pool.submit(function, item))
                    if len(under_way) >= 2 * workers:
                        yield under_way.popleft().result()
                while under_way:
                    yield under_way.popleft().result()
            finally:
                pool.shutdown(wait=True, cancel_futures=True)
