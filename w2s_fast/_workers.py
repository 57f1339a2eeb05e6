"""Who works on trials: threads of this process, whatever has ``submit`` as :mod:`concurrent.futures` has it, a cluster.

What is run is pickled once and kept by each process that runs it; items go in batches of a second or so, in which the
process runs one thread with one BLAS thread, as a thread here would: the same bits wherever an item is run, as long as
versions and BLAS kernels are the same, which every batch comes back with.
"""

from __future__ import annotations

import os
import pickle
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Generator, Iterable
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from w2s_fast import _check, _devices, _threads
from w2s_fast._machine import Versions, versions

Item = TypeVar("Item")
Result = TypeVar("Result")
Batch = tuple[float, list[Any], Versions]  # seconds that it took, results, and what their bits depend on

TASK_SECONDS = 1.0  # a batch takes about so long: sending it costs some milliseconds
UNDER_WAY = 2  # batches a worker: it has one to go on with while the results of the other come back
KEPT = 4  # of what was sent last: pools may serve several maps at a time
MIXED = "W2S_FAST_MIXED_WORKERS"  # environment variable: 1 lets workers differ in what bits depend on
_received: dict[str, Callable[[Any], Any]] = {}  # by the name of its content, in this process


class Future(Protocol):
    """What ``submit`` returns."""

    def result(self) -> Any: ...

    def exception(self) -> Any: ...

    def cancel(self) -> Any: ...


class Executor(Protocol):
    """A pool of processes or threads, here or elsewhere."""

    def submit(self, function: Callable[..., Any], /, *arguments: Any) -> Future: ...


class Pool(ABC):
    """A pool as a map sees it.

    Attributes
    ----------
    versions : dict of str to str, or None
        Of the workers, as soon as the first of them has worked.
    """

    versions: Versions | None = None

    @abstractmethod
    def count(self) -> int:
        """How many items can be worked on at a time, at present."""

    @abstractmethod
    def hold(self, function: Callable[[Any], Any]) -> Any:
        """Make a function ready for workers; returns what :meth:`start` is to be given for it."""

    @abstractmethod
    def start(self, held: Any, batch: list[Any]) -> Future:
        """Have a batch run; the result is a ``Batch``."""

    @abstractmethod
    def drop(self, held: Any, futures: list[Future]) -> None:
        """Forget what was held, and what waits or runs."""

    def explained(self, error: Exception) -> Exception:
        """What to raise for an error of a future; :class:`DeadWorkersError` where those that ran it died of it."""
        return error

    def agree(self, found: Versions) -> None:
        """Refuse workers on which the same work may have other bits."""
        if self.versions is None:
            self.versions = found
        if not mixed_allowed():
            refuse_mixture(self.versions, found)


def mixed_allowed() -> bool:
    return os.environ.get(MIXED) == "1"


def refuse_mixture(known: Versions, found: Versions) -> None:
    """Refuse versions and BLAS kernels that are not those of other workers."""
    if found != known:
        differ = [name for name in sorted(found | known) if found.get(name) != known.get(name)]
        said = "; ".join(f"{name} {known.get(name)} and {found.get(name)}" for name in differ)
        raise RuntimeError(
            f"workers differ in {said}: the same work may have other last bits on each. Make them alike (of OpenBLAS "
            f"by OPENBLAS_CORETYPE), or set {MIXED}=1 to take both"
        )


class ExecutorPool(Pool):
    """What has ``submit``."""

    def __init__(self, executor: Executor) -> None:
        self.executor = executor

    def count(self) -> int:
        """As many as it says; pools that do not say are taken for one a core."""
        found = getattr(self.executor, "_max_workers", None)
        return found if isinstance(found, int) and found > 0 else _threads.default_workers()

    def hold(self, function: Callable[[Any], Any]) -> tuple[str, bytes]:
        import hashlib

        content = pickled(function)
        return hashlib.sha256(content).hexdigest(), content

    def start(self, held: tuple[str, bytes], batch: list[Any]) -> Future:
        return self.executor.submit(run_received, *held, batch)

    def drop(self, held: tuple[str, bytes], futures: list[Future]) -> None:
        for future in futures:
            future.cancel()
        _received.pop(held[0], None)  # where threads of this process are the pool


Workers = int | Executor | Pool | None  # a number of threads, a pool, or one thread a core


class DeadWorkersError(RuntimeError):
    """The workers that ran something died, one after the other."""


class Lost(NamedTuple):
    """In place of a result: the workers that ran the item alone died of it."""

    item: Any
    reason: Exception


def pool_of(workers: Workers) -> int | Pool | None:
    """Threads as they are, a pool as a map sees it."""
    if workers is None or isinstance(workers, int | Pool):
        return workers
    return _devices.cluster(workers) or ExecutorPool(workers)


def pool_of_processes(workers: Workers) -> Pool | None:
    """A pool that reads files by itself; threads are not asked for by number there."""
    found = pool_of(_check.workers(workers))
    if isinstance(found, int):
        raise TypeError(
            f"workers must be a Dask client or a pool here, got {workers!r}: W2S_FAST_NUM_THREADS sets how many "
            "threads read"
        )
    return found


def require_local(workers: Workers, device: str) -> None:
    """Refuse a pool for what runs on a GPU."""
    if device != _devices.CPU and not isinstance(workers, int | None):
        raise ValueError(f"device={device!r} is fed by this process alone, got workers={workers!r}: leave them out")


def count_of(workers: Workers) -> int:
    """How many items are worked on at a time."""
    pool = pool_of(workers)
    return pool.count() if isinstance(pool, Pool) else pool or _threads.default_workers()


def ordered_map(
    function: Callable[[Item], Result],
    items: Iterable[Item],
    workers: Workers = None,
    needed: Callable[[Item], bool] = lambda item: True,
) -> Generator[Result | Lost, None, None]:
    """Yield ``function(item)`` for every item, in order; for a pool, ``function`` and items are to pickle.

    A bounded number of items is under way. When the caller stops early or an item fails, those that wait are dropped.
    An item of which a cluster's workers die yields :class:`Lost`, and so do others that died with it and are no longer
    ``needed`` when they are to be tried again.
    """
    pool = pool_of(workers)
    if isinstance(pool, Pool):
        return _over_pool(function, items, pool, needed)
    return _threads.ordered_map(function, items, pool)


@dataclass
class _Task(Generic[Item]):
    """A batch, and its future once it was started; what it is suspected of if it is to run alone."""

    batch: list[Item]
    future: Future | None = None
    suspected: DeadWorkersError | None = None


def _over_pool(
    function: Callable[[Item], Result], items: Iterable[Item], pool: Pool, needed: Callable[[Item], bool]
) -> Generator[Result | Lost, None, None]:
    held = pool.hold(function)
    left, size = iter(items), 1
    tasks: deque[_Task[Item]] = deque()
    try:
        while True:
            most = 0 if tasks and tasks[0].suspected else UNDER_WAY * max(pool.count(), 1)
            while len(tasks) < most and (batch := list(islice(left, size))):
                tasks.append(_Task(batch, pool.start(held, batch)))
            if not tasks:
                return
            head = tasks[0]
            if head.suspected and not needed(head.batch[0]):
                yield Lost(tasks.popleft().batch[0], head.suspected)
                continue
            if head.future is None:
                head.future = pool.start(held, head.batch)
            try:
                seconds, results, found = head.future.result()
            except Exception as error:
                told = pool.explained(error)
                if not isinstance(told, DeadWorkersError):
                    raise told from (None if told is error else error)
                tasks.popleft()
                if head.suspected:
                    yield Lost(head.batch[0], told)
                else:
                    _put_on_trial(head, told, tasks)
                continue
            tasks.popleft()
            pool.agree(found)
            size = max(1, min(2 * size, round(TASK_SECONDS * len(results) / max(seconds, 1e-9))))
            yield from results
    finally:
        pool.drop(held, [task.future for task in tasks if task.future is not None])


def _put_on_trial(suspect: _Task[Item], of: DeadWorkersError, others: deque[_Task[Item]]) -> None:
    """Have the items of a batch run again one by one, with nothing else under way that might be to blame.

    A scheduler counts the deaths of a worker against all that it was given, and not only what it ran.
    """
    for task in others:
        if task.future is not None:
            with suppress(Exception):  # of a scheduler that is gone meanwhile, which the task's turn will tell
                task.future.exception()
    others.extendleft(_Task([item], suspected=of) for item in reversed(suspect.batch))


def pickled(function: Callable[..., Any]) -> bytes:
    return pickle.dumps(function, protocol=pickle.HIGHEST_PROTOCOL)


def run_received(name: str, content: bytes, batch: list[Any]) -> Batch:
    """:func:`run_batch` by what is pickled, which this process unpickles once."""
    function = _received.get(name)
    if function is None:
        function = pickle.loads(content)
        for old in [*_received][: 1 - KEPT]:
            _received.pop(old, None)
        _received[name] = function
    return run_batch(function, batch)


def run_batch(function: Callable[[Any], Any], batch: list[Any]) -> Batch:
    """Run a batch in this process, on one thread."""
    began = time.perf_counter()
    results = list(_threads.ordered_map(function, batch, 1))
    return time.perf_counter() - began, results, versions()
