"""A pool in place of processes, for tests of what is sent and how much of it is under way."""

from __future__ import annotations

import pickle
from concurrent.futures import Future
from typing import Any


class Here:
    """Runs what is submitted at once, after a pickle, and counts."""

    def __init__(self, workers: int = 3) -> None:
        self._max_workers = workers
        self.batches: list[int] = []
        self.cancelled, self.waiting, self.most, self.bytes = 0, 0, 0, 0

    def submit(self, function: Any, *arguments: Any) -> Future[Any]:
        pool = self

        class Counted(Future[Any]):
            def result(self, timeout: float | None = None) -> Any:
                pool.waiting -= 1
                return super().result(timeout)

            def cancel(self) -> bool:
                pool.cancelled += 1
                return super().cancel()

        future = Counted()
        sent = pickle.dumps((function, arguments))
        self.bytes = max(self.bytes, len(sent))
        function, arguments = pickle.loads(sent)
        self.batches.append(len(arguments[-1]))
        self.waiting += 1
        self.most = max(self.most, self.waiting)
        try:
            future.set_result(function(*arguments))
        except Exception as error:
            future.set_exception(error)
        return future
