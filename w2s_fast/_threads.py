"""A map over work items in order, on a few threads, each with one BLAS thread.

Kernels are serial and release the GIL, so plain Python threads scale. They stay a while, because starting them anew
would cost each call a fifth of a millisecond, and are daemons: they serve whoever outlives the main thread, and keep
no program from ending. Signals reach the calling thread alone, at any moment: it shares with the others nothing that
takes two steps to change, and waits for no task that it may not have handed over.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable
from contextvars import ContextVar, copy_context
from queue import Empty, SimpleQueue
from typing import Any, Generic, TypeVar

from w2s_fast._blas import single_threaded_blas
from w2s_fast._cores import default_workers

__all__ = ["default_workers", "ordered_map", "single_threaded_blas"]

Item = TypeVar("Item")
Result = TypeVar("Result")

IDLE_SECONDS = 5.0  # after which a thread that nobody needed ends
_inside = ContextVar("inside", default=False)


def ordered_map(
    function: Callable[[Item], Result], items: Iterable[Item], workers: int | None = None
) -> Generator[Result, None, None]:
    """Yield ``function(item)`` for every item, in order.

    At most two items a worker are under way, so memory stays bounded however many there are. When the caller stops
    early or an item fails, waiting items are dropped. A map within a map runs where it is called, and so does one for
    which no thread can be started any more. Items run in a copy of the caller's context.
    """
    workers = workers or default_workers()
    with single_threaded_blas():
        if workers == 1 or _inside.get() or not _threads.start(workers):
            context = copy_context()
            context.run(_inside.set, True)
            for item in items:
                yield context.run(function, item)
            return
        job = _Job(function, workers)
        try:
            for item in items:
                job.start(item)
                if len(job.under_way) >= 2 * workers:
                    yield job.next_result()
            while job.under_way:
                yield job.next_result()
        finally:
            job.stop()


class _Task(Generic[Item, Result]):
    """An item, and in the end what came of it."""

    __slots__ = ("error", "item", "over", "result")

    def __init__(self, item: Item) -> None:
        self.item = item
        self.result: Result
        self.error: BaseException | None = None
        self.over = threading.Lock()  # held until it is
        self.over.acquire()


class _Job(Generic[Item, Result]):
    """A map under way. Its tasks wait in a queue, worked off by as many threads as it has turns."""

    def __init__(self, function: Callable[[Item], Result], workers: int) -> None:
        self._function, self._workers, self._threads = function, workers, _threads
        self._context = copy_context()
        self._context.run(_inside.set, True)
        self._turns = deque([None] * workers)
        self._waiting: deque[_Task[Item, Result]] = deque()
        self.under_way: deque[_Task[Item, Result]] = deque()

    def start(self, item: Item) -> None:
        task = _Task[Item, Result](item)
        self._waiting.append(task)
        self.under_way.append(task)
        self._call_thread()

    def next_result(self) -> Result:
        """Wait for the first task under way."""
        task = self.under_way[0]
        if self._threads is not _threads and task.over.locked():  # they did not come along when this process forked
            self._run(task)
        with task.over:
            pass
        self.under_way.popleft()
        if task.error is None:
            return task.result
        try:
            raise task.error
        finally:
            del task  # the error's traceback holds this frame

    def stop(self) -> None:
        """Drop the tasks that no thread has begun, and wait for the others."""
        dropped = set()
        while self._waiting:
            try:
                dropped.add(self._waiting.pop())
            except IndexError:  # a thread was faster
                break
        for task in self.under_way:
            if task not in dropped and self._threads is _threads:
                with task.over:
                    pass

    def _call_thread(self) -> None:
        try:
            self._turns.pop()
        except IndexError:  # all at work: they will come by
            return
        self._threads.put(self, self._workers)

    def work(self, others: SimpleQueue[_Job[Any, Any]]) -> None:
        """Run tasks while there are any, in one of this job's turns, or until another job waits for the thread."""
        while True:
            try:
                task = self._waiting.popleft()
            except IndexError:
                self._turns.append(None)
                if self._waiting:  # since it was looked at, by a caller who found no turn
                    self._call_thread()
                return
            self._run(task)
            del task
            if not others.empty():
                others.put(self)
                return

    def _run(self, task: _Task[Item, Result]) -> None:
        try:
            task.result = self._context.copy().run(self._function, task.item)
        except BaseException as error:
            task.error = error
        finally:
            task.over.release()


class _Threads:
    """Threads for all jobs; as many as the widest of late."""

    def __init__(self) -> None:
        self._jobs: SimpleQueue[_Job[Any, Any]] = SimpleQueue()
        self._lock = threading.RLock()
        self._members: set[threading.Thread] = set()

    def put(self, job: _Job[Any, Any], workers: int) -> None:
        """Hand a job to one thread of ``workers``. Threads that look for one before they end do so first or see it."""
        self._jobs.put(job)
        self.start(workers)

    def start(self, workers: int) -> bool:
        """Start threads until there are ``workers``; whether there are any."""
        with self._lock:
            if len(self._members) < workers:
                self._members = {thread for thread in self._members if thread.is_alive()}
            while len(self._members) < workers:
                thread = threading.Thread(target=self._serve, name="w2s_fast", daemon=True)
                self._members.add(thread)
                try:
                    thread.start()
                except RuntimeError:  # the interpreter shuts down, or the system has no more
                    self._members.discard(thread)
                    break
            return bool(self._members)

    def _serve(self) -> None:
        while True:
            try:
                self._jobs.get(timeout=IDLE_SECONDS).work(self._jobs)
            except Empty:
                with self._lock:
                    if self._jobs.empty():
                        self._members.discard(threading.current_thread())
                        return
            except BaseException:  # aimed at this thread from without, which has to go on
                continue


_threads = _Threads()


def _forget_threads() -> None:
    """Start a forked child without the parent's threads, which do not run there."""
    global _threads  # noqa: PLW0603
    _threads = _Threads()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_threads)
