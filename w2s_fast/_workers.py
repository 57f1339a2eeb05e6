"""Who works on trials: threads of this process, or whatever has ``submit`` as :mod:`concurrent.futures` has it.

What is run is pickled once and kept by each process that runs it; items go in batches of a second or so, in which the
process runs one thread with one BLAS thread, as a thread here would: the same bits wherever an item is run.
"""

from __future__ import annotations

import hashlib
import pickle
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable
from itertools import islice
from typing import Any, Protocol, TypeVar

from w2s_fast import _threads
from w2s_fast._devices import CPU

Item = TypeVar("Item")
Result = TypeVar("Result")

TASK_SECONDS = 1.0  # a batch takes about so long: sending it costs some milliseconds
UNDER_WAY = 2  # batches a worker: it has one to go on with while the results of the other come back
KEPT = 4  # of what was sent last: pools may serve several maps at a time
_received: dict[bytes, Callable[[Any], Any]] = {}  # by the name of its content, in this process


class Future(Protocol):
    """What ``submit`` returns."""

    def result(self) -> Any: ...

    def cancel(self) -> Any: ...


class Executor(Protocol):
    """A pool of processes or threads, here or elsewhere."""

    def submit(self, function: Callable[..., Any], /, *arguments: Any) -> Future: ...


Workers = int | Executor | None  # a number of threads, a pool, or one thread a core


def require_local(workers: Workers, device: str) -> None:
    """Refuse a pool for what runs on a GPU."""
    if device != CPU and not isinstance(workers, int | None):
        raise ValueError(f"device={device!r} is fed by this process alone, got workers={workers!r}: leave them out")


def count_of(workers: Workers) -> int:
    """How many items are worked on at a time; pools that do not say are taken for one a core."""
    if workers is None or isinstance(workers, int):
        return workers or _threads.default_workers()
    found = getattr(workers, "_max_workers", None)
    return found if isinstance(found, int) and found > 0 else _threads.default_workers()


def ordered_map(
    function: Callable[[Item], Result], items: Iterable[Item], workers: Workers = None
) -> Generator[Result, None, None]:
    """Yield ``function(item)`` for every item, in order; for a pool, ``function`` and items are to pickle.

    A bounded number of items is under way. When the caller stops early or an item fails, those that wait are dropped.
    """
    if workers is None or isinstance(workers, int):
        return _threads.ordered_map(function, items, workers)
    return _over_pool(function, items, workers)


def _over_pool(
    function: Callable[[Item], Result], items: Iterable[Item], pool: Executor
) -> Generator[Result, None, None]:
    content = pickle.dumps(function, protocol=pickle.HIGHEST_PROTOCOL)
    name = hashlib.sha256(content).digest()
    left, size, most = iter(items), 1, UNDER_WAY * count_of(pool)
    under_way: deque[Future] = deque()
    try:
        while True:
            while len(under_way) < most and (batch := list(islice(left, size))):
                under_way.append(pool.submit(_run, name, content, batch))
            if not under_way:
                return
            seconds, results = under_way[0].result()
            under_way.popleft()
            size = max(1, min(2 * size, round(TASK_SECONDS * len(results) / max(seconds, 1e-9))))
            yield from results
    finally:
        for future in under_way:
            future.cancel()
        _received.pop(name, None)  # where threads of this process are the pool


def _run(name: bytes, content: bytes, batch: list[Any]) -> tuple[float, list[Any]]:
    """Run a batch in this process, on one thread; return the seconds that it took, and the results."""
    function = _received.get(name)
    if function is None:
        function = pickle.loads(content)
        for old in [*_received][: 1 - KEPT]:
            _received.pop(old, None)
        _received[name] = function
    began = time.perf_counter()
    results = list(_threads.ordered_map(function, batch, 1))
    return time.perf_counter() - began, results
