"""Clusters: the one file that knows Dask, reached as devices are (:mod:`w2s_fast._devices`).

A task is a batch of a second or so under a name that no other has, and depends on one task that holds what all batches
share. Both can be run anew wherever a worker was lost: nothing is scattered, and nothing is pinned to a worker. The
client alone takes results, in order, and writes files.
"""

from __future__ import annotations

import itertools
import pickle
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager, suppress
from typing import Any

try:
    import dask
    from distributed import Client, KilledWorker
    from distributed.comm import CommClosedError
except ImportError as error:
    raise RuntimeError(f"a cluster needs Dask ({error}): pip install 'w2s_fast[dask]'") from None

from w2s_fast import _check
from w2s_fast._workers import DeadWorkersError, Future, Pool, run_batch

COUNTED_EVERY = 1.0  # seconds between looks at how many threads the workers have: clusters grow and shrink
LARGE = "distributed.admin.large-graph-warning-threshold"


class DaskPool(Pool):
    """The workers of a client."""

    def __init__(self, client: Client) -> None:
        if client.asynchronous:
            raise TypeError("workers must be a client that waits, got one with asynchronous=True")
        self.client = client
        self._name, self._numbers = f"w2s_fast-{uuid.uuid4().hex}", itertools.count()
        self._threads, self._counted = 0, -COUNTED_EVERY

    def count(self) -> int:
        if time.monotonic() >= self._counted + COUNTED_EVERY:
            self._threads = sum(self._asked(self.client.nthreads).values())
            self._counted = time.monotonic()
        return self._threads

    def hold(self, function: Callable[[Any], Any]) -> Any:
        content = pickle.dumps(function, protocol=pickle.HIGHEST_PROTOCOL)
        with dask.config.set({LARGE: f"{len(content) + 2**24} B"}):  # it is meant to hold what is large
            return self._submitted(pickle.loads, content)

    def start(self, held: Any, batch: list[Any]) -> Future:
        return self._submitted(run_batch, held, batch)

    def _submitted(self, function: Callable[..., Any], *arguments: Any) -> Any:
        key = f"{self._name}-{next(self._numbers)}"
        return self._asked(lambda: self.client.submit(function, *arguments, key=key))

    def _asked(self, question: Callable[[], Any]) -> Any:
        try:
            return question()
        except (CancelledError, OSError) as error:
            raise self._gone() from error

    def drop(self, held: Any, futures: list[Future]) -> None:
        with suppress(Exception):  # a scheduler that is gone has nothing to forget
            self.client.cancel([held, *futures], force=True)

    def explained(self, error: Exception) -> Exception:
        if isinstance(error, KilledWorker):
            return DeadWorkersError(f"{error.allowed_failures + 1} workers died one after the other")
        return self._gone() if isinstance(error, CancelledError | CommClosedError) else error

    def _gone(self) -> ConnectionError:
        return ConnectionError(f"{self.client!r} lost its scheduler, or that its tasks: run it again on another client")


def pool(client: Any) -> DaskPool:
    """Take a client for workers."""
    _check.instance(client, Client, "workers")
    return DaskPool(client)


@contextmanager
def connected(address: str) -> Iterator[Client]:
    """Yield a client of the scheduler at an address; RuntimeError in one line where nobody answers."""
    try:
        client = Client(address, set_as_default=False)
    except (OSError, ValueError) as error:
        raise RuntimeError(f"no scheduler answers at {address!r}: {error}") from None
    with client:
        yield client
