"""Clusters: the one file that knows Dask, reached as devices are (:mod:`w2s_fast._devices`).

Of trials a task is a batch of a second or so under a name that no other has. What all batches share comes with each or,
where it is large, in one task that they depend on. Both can be run anew wherever a worker was lost: nothing is
scattered, and nothing is pinned to a worker. The client alone takes results, in order, and writes files.

Of arrays a task makes the summand of one block of rows where that block is, and others add them up, in the tree of
:mod:`w2s_fast.linalg.rows.tree`: the bits of one machine that reads the same blocks. What comes back is one sum.
"""

from __future__ import annotations

import asyncio
import itertools
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import CancelledError
from contextlib import contextmanager, suppress
from functools import partial, reduce
from operator import itemgetter
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

try:
    import dask
    import dask.array
    from distributed import Client, KilledWorker, WorkerPlugin
    from distributed.comm import CommClosedError
    from distributed.system import MEMORY_LIMIT
except ImportError as error:
    raise RuntimeError(f"a cluster needs Dask ({error}): pip install 'w2s_fast[dask]'") from None

from w2s_fast import _check
from w2s_fast._check import FloatArray
from w2s_fast._machine import Versions
from w2s_fast._workers import (
    DeadWorkersError,
    Future,
    Pool,
    mixed_allowed,
    pickled,
    refuse_mixture,
    run_received,
)
from w2s_fast.linalg.rows.base import Progress, Rows, image
from w2s_fast.linalg.rows.tasks import OfBlocks, Sum, added, itself, summand, taken, told_summand
from w2s_fast.linalg.rows.tree import leaves, merged

Node = TypeVar("Node")

SENT_ALONG = 1 << 14  # bytes that each batch brings with it: where it depends on nothing it goes to whoever is idle
COUNTED_EVERY = 1.0  # seconds between looks at how many threads the workers have: clusters grow and shrink
ROOM = 0.3  # of a worker's memory: rows are held there as they were sent and as they are used, and spilled from .6 on
LARGE = "distributed.admin.large-graph-warning-threshold"


class DaskPool(Pool):
    """The workers of a client."""

    def __init__(self, client: Client) -> None:
        if client.asynchronous:
            raise TypeError("workers must be a client that waits, got one with asynchronous=True")
        self.client = client
        self._name, self._numbers = uuid.uuid4().hex, itertools.count()
        self._threads, self._counted = 0, -COUNTED_EVERY

    def count(self) -> int:
        if time.monotonic() >= self._counted + COUNTED_EVERY:
            self._threads = sum(self._asked(self.client.nthreads).values())
            self._counted = time.monotonic()
        return self._threads

    def hold(self, function: Callable[[Any], Any]) -> Any:
        content = pickled(function)
        if len(content) <= SENT_ALONG:
            return content
        with dask.config.set({LARGE: f"{len(content) + 2**24} B"}):  # it is meant to hold what is large
            return self._submitted("shared", itself, content)

    def start(self, held: Any, batch: list[Any]) -> Future:
        return self._submitted("batch", run_received, self._name, held, batch)

    def _submitted(self, kind: str, function: Callable[..., Any], *arguments: Any) -> Any:
        key = f"w2s_fast.{kind}-{self._name}-{next(self._numbers)}"  # times of each kind tell where to run the next
        return self._asked(lambda: self.client.submit(function, *arguments, key=key))

    def _asked(self, question: Callable[[], Any]) -> Any:
        try:
            return question()
        except (CancelledError, OSError) as error:
            raise self._gone() from error

    def drop(self, held: Any, futures: list[Future]) -> None:
        with suppress(Exception):  # a scheduler that is gone has nothing to forget
            self.client.cancel([*futures, *([] if isinstance(held, bytes) else [held])], force=True)

    def explained(self, error: Exception) -> Exception:
        if isinstance(error, KilledWorker):
            return DeadWorkersError(_deaths(error))
        return self._gone() if isinstance(error, CancelledError | CommClosedError) else error

    def _gone(self) -> ConnectionError:
        return ConnectionError(f"{self.client!r} lost its scheduler, or that its tasks: run it again on another client")


def _deaths(error: KilledWorker) -> str:
    return f"{error.allowed_failures + 1} workers died one after the other"


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


class WarmUp(WorkerPlugin):  # type: ignore[misc]  # Dask has no types
    """Has each worker compile what trials call, or load it, before its first task; workers that join later, too.

    Examples
    --------
    >>> from distributed import Client
    >>> from w2s_fast.scale import WarmUp
    >>> Client("tcp://node1:8786").register_plugin(WarmUp())  # doctest: +SKIP
    """

    name = "w2s_fast"

    async def setup(self, worker: Any) -> None:
        from w2s_fast.warmup import warm_up

        await asyncio.to_thread(warm_up)  # or the scheduler would not hear of the worker meanwhile, and give it up


class DaskRows(Rows):
    """A Dask array that is cut by rows; columns that are cut are joined first.

    Attributes
    ----------
    known : list of dict
        Versions and BLAS kernels of the workers that summed it, once they did; copies of it share them.
    """

    def __init__(self, array: dask.array.Array, name: str) -> None:
        if array.ndim != 2:
            raise ValueError(
                f"{name} must have 2 dimension(s), got shape {array.shape}. Reshape one feature with [:, None]."
            )
        if np.isnan(array.shape).any():
            raise ValueError(f"{name} has chunks of unknown sizes: call its compute_chunk_sizes() first")
        self.dtype = _check.floats(np.zeros(0, array.dtype), name).dtype
        self.array, self.name, self.shape = array.rechunk({1: -1}), name, array.shape
        self.known: list[Versions] = []

    def read(self, step: int) -> Iterator[Any]:
        return (block.compute() for block in self.array.blocks)

    def opened(self) -> tuple[int, npt.DTypeLike, Rows]:
        return self.array.shape[1], self.dtype, self

    def images(self, V: FloatArray) -> dask.array.Array:
        """X V, worked out where and when it is needed."""
        product = partial(image, V)
        held = dask.delayed(itself, pure=False)(pickled(OfBlocks(product, [(self.name, self.exponent)])))
        how = {"chunks": (self.array.chunks[0], (V.shape[1],)), "dtype": V.dtype, "meta": np.empty((0, 0), V.dtype)}
        return self.array.map_blocks(summand, **how, content=held)

    def labels(self, Y: Any, floats: Callable[[Any, str], Any]) -> Any:
        return Y if isinstance(Y, dask.array.Array) else floats(Y, "Y")

    def total(
        self,
        part: Callable[..., Node],
        merge: Callable[[Node, Node], Node],
        *beside: Any,
        step: int | None = None,
        least: int = 0,
        alone: bool = False,
        progress: Progress | None = None,
    ) -> Node:
        """Sum where the blocks are; ``step`` and ``alone`` are of one machine, and ``progress`` hears of the end."""
        heights, (rows, columns) = self.array.chunks[0], self.array.shape
        others = [self._cut(other, heights) for other in beside]
        kinds = [(given.name, given.exponent) if isinstance(given, DaskRows) else None for given in (self, *beside)]
        held = dask.delayed(itself, pure=False)(pickled(OfBlocks(part, kinds)))
        # As a function of chunks, of as many axes, it goes into one task with what makes them: these are never sent.
        axes = itertools.chain.from_iterable((array, ("i", f"j{n}")[: array.ndim]) for n, array in enumerate(others))
        how = {"concatenate": True, "dtype": object, "meta": np.empty((0, 0), object), "content": held}
        parts = dask.array.blockwise(told_summand, "ij", self.array, "ij", *axes, **how).to_delayed().ravel()
        add = partial(dask.delayed(added, pure=False), merge, mixed_allowed())
        sizes = (height * columns * self.dtype.itemsize for height in heights)
        found = leaves(zip(sizes, parts, strict=True), itemgetter(0), least)
        root = merged((reduce(add, map(itemgetter(1), leaf)) for leaf in found), add)
        sent = sum(other.nbytes for other in beside if isinstance(other, np.ndarray))
        with dask.config.set({LARGE: f"{sent + 2**24} B"}):  # what lies beside the rows here is meant to be sent
            total = self._computed(root, {part.key: place for place, part in enumerate(parts)})
        if progress is not None:
            progress(rows, rows)
        return total.node

    def _computed(self, root: Any, places: dict[Any, int]) -> Sum:
        """The sum, with errors that say what a scheduler cannot know; ``places`` are those of blocks by their tasks."""
        try:
            (found,) = dask.compute(root)
        except KilledWorker as error:
            place = _depending(root.__dask_graph__().get_all_dependencies(), places, error.task)
            bounds = (0, *itertools.accumulate(self.array.chunks[0]))
            what = "sums" if place is None else f"rows {bounds[place]:,} to {bounds[place + 1] - 1:,}"
            raise DeadWorkersError(f"{what} of {self.name}, or what was beside them: {_deaths(error)}") from error
        except (CancelledError, CommClosedError) as error:
            raise ConnectionError(f"the scheduler is gone, or lost the sums of {self.name}: run it again") from error
        if not mixed_allowed() and self.known:
            refuse_mixture(self.known[0], found.versions)
        self.known.append(found.versions)
        return found

    def numbers(self) -> dask.array.Array:
        return dask.array.arange(len(self.array), chunks=(self.array.chunks[0],))

    def cut_evenly(self, height: int) -> DaskRows:
        """The same rows in blocks of so many."""
        return DaskRows(self.array.rechunk({0: height}), self.name)

    def take(self, index: npt.NDArray[np.int64]) -> FloatArray:
        """Gather rows here, in the order of ``index``: of each block those that are wanted."""
        order = np.argsort(index, kind="stable")
        ends = np.cumsum(self.array.chunks[0])
        bounds = np.searchsorted(index[order], (0, *ends))
        parts = [
            dask.delayed(taken, pure=False)(block, index[order[first:stop]] - (end - height))
            for block, first, stop, end, height in zip(
                self.array.to_delayed().ravel(), bounds, bounds[1:], ends, self.array.chunks[0], strict=False
            )
            if first < stop
        ]
        found = np.empty((len(index), self.array.shape[1]), self.dtype)
        if parts:
            found[order] = np.concatenate(dask.compute(*parts))
        return found

    def _cut(self, other: Any, heights: tuple[int, ...]) -> dask.array.Array:
        """Another array, cut as this one."""
        name = other.name if isinstance(other, Rows) else "Y"
        whole = other.array if isinstance(other, DaskRows) else other.held() if isinstance(other, Rows) else other
        if whole is None:
            raise TypeError(f"{name} must be a Dask array or an array in memory beside one, got {type(other).__name__}")
        if len(whole) != len(self.array):
            found = f"{self.name} has {len(self.array):,}, {name} has {len(whole):,}"
            raise ValueError(f"these must have the same number of rows: {found}")
        if isinstance(whole, dask.array.Array):
            return whole.rechunk({0: heights} | ({1: -1} if whole.ndim > 1 else {}))
        return dask.array.from_array(whole, (heights, -1) if whole.ndim > 1 else (heights,))


def _depending(needs: Mapping[Any, set[Any]], places: dict[Any, int], task: Any) -> int | None:
    """Place of the first block whose task needs another, or is it."""
    for key, place in places.items():
        left = [key]
        while left:
            if (one := left.pop()) == task:
                return place
            left += needs[one]
    return None


def gathered(X: Any) -> Any:
    """A Dask array as one of this process; anything else as it is."""
    return X.compute() if isinstance(X, dask.array.Array) else X


def room() -> int:
    """Bytes of rows that the smallest worker can hold, or this machine where there is no client."""
    try:
        client = Client.current()
    except ValueError:
        return int(ROOM * MEMORY_LIMIT)
    workers = client.run(lambda dask_worker: dask_worker.memory_manager.memory_limit or MEMORY_LIMIT)
    return int(ROOM * min(workers.values(), default=MEMORY_LIMIT))


def rows(X: Any, name: str) -> DaskRows | None:
    """Rows of a Dask array; None for what is no such array."""
    return DaskRows(X, name) if isinstance(X, dask.array.Array) else None
