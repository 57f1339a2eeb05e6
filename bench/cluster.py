"""What a cluster costs beside threads of one machine: ``python -m bench.cluster FOLDER``.

Two workers of one thread each, on this machine, against two threads: a study of 10^6 trials, and sums and subspaces of
a file that is written to FOLDER (``--gigabytes``, 4 by default), read by the same blocks. Of the subspace Dask's own
``svd_compressed`` is the peer, on the same workers.
"""

from __future__ import annotations

import argparse
import math
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from w2s_fast import GaussianModel, Gram, Study, Subspace
from w2s_fast.linalg.rows.base import Rows

COLUMNS, HEIGHT, RANK = 1_024, 16_384, 50
TRIALS = 10**6


class Blocks(Rows):
    """A file by blocks of the cluster's height, for threads of this process."""

    def __init__(self, path: Path, rows: int) -> None:
        self.path, self.shape = path, (rows, COLUMNS)

    def read(self, step: int) -> Iterator[Any]:
        return (_block(self.path, number) for number in range(self.shape[0] // HEIGHT))


def _block(path: Path, number: int) -> Any:
    return np.fromfile(path, np.float32, HEIGHT * COLUMNS, offset=number * HEIGHT * COLUMNS * 4).reshape(-1, COLUMNS)


def lazy(path: Path, rows: int) -> Any:
    """The same blocks as a Dask array: workers are sent the path, and read what they need."""
    import dask
    import dask.array as da

    read = dask.delayed(_block)
    blocks = [da.from_delayed(read(path, i), (HEIGHT, COLUMNS), np.float32) for i in range(rows // HEIGHT)]
    return da.concatenate(blocks)


def write(path: Path, rows: int) -> None:
    rng, scales = np.random.default_rng(0), (1.0 / np.arange(1, COLUMNS + 1)).astype(np.float32)
    with path.open("wb") as file:
        for _ in range(rows // HEIGHT):
            (rng.standard_normal((HEIGHT, COLUMNS), np.float32) * scales).tofile(file)


@contextmanager
def cluster(workers: int) -> Iterator[Any]:
    from distributed import Client, LocalCluster

    how = {"n_workers": workers, "threads_per_worker": 1, "processes": True, "dashboard_address": "127.0.0.1:0"}
    with LocalCluster(**how) as made, Client(made) as client:
        yield client


def seconds(call: Callable[[], Any], rounds: int = 2) -> float:
    call()  # compiles, and reads the file once
    times = []
    for _ in range(rounds):
        start = perf_counter()
        call()
        times.append(perf_counter() - start)
    return min(times)


def peak(client: Any) -> float:
    """Gigabytes that the largest worker has held."""
    import resource

    used = client.run(lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss).values()
    return max(used) / 1e6


def study(workers: Any) -> None:
    Study(GaussianModel.paper(), n=2_000, N=4_000, trials=TRIALS).run(progress=False, workers=workers)


def compressed(array: Any) -> None:
    import dask
    from dask.array.linalg import svd_compressed

    _, s, vt = svd_compressed(array, RANK, n_power_iter=2, compute=True)
    dask.compute(s, vt)


def measure(path: Path, rows: int) -> None:
    here, floor = Blocks(path, rows), {}
    calls: dict[str, tuple[Callable[[], Any], Callable[[Any], Any]]] = {
        f"study of {TRIALS:,} trials": (lambda: study(2), study),
        "Gram": (lambda: Gram().update(here), lambda client: Gram().update(lazy(path, rows))),
        f"Subspace, rank {RANK}": (
            lambda: Subspace.fit(here, rank=RANK),
            lambda client: Subspace.fit(lazy(path, rows), rank=RANK),
        ),
    }
    for name, (local, _) in calls.items():
        floor[name] = seconds(local)
    for workers in (1, 2):
        with cluster(workers) as client:
            for name, (_, there) in calls.items():
                took = seconds(lambda there=there, client=client: there(client))
                print(f"{name}, {workers} worker(s): {took:.2f} s, {took / floor[name]:.2f} of two threads", flush=True)
            print(f"largest worker: {peak(client):.2f} GB", flush=True)
    peers: dict[str, Callable[[], Any]] = {
        "Subspace.fit": lambda: Subspace.fit(lazy(path, rows), rank=RANK),
        "svd_compressed": lambda: compressed(lazy(path, rows)),
    }
    for name, call in peers.items():
        with cluster(2) as client:
            took = seconds(call, rounds=1)
            print(f"{name} of rank {RANK} alone: {took:.2f} s, largest worker {peak(client):.2f} GB", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--gigabytes", type=float, default=4.0)
    given = parser.parse_args()
    rows = math.ceil(given.gigabytes * 1e9 / (4 * COLUMNS * HEIGHT)) * HEIGHT
    path = given.folder / f"w2s_fast_cluster_{os.getpid()}.f32"
    try:
        write(path, rows)
        print(f"{rows:,} x {COLUMNS:,} float32, {path.stat().st_size / 1e9:.1f} GB in blocks of {HEIGHT:,} rows")
        measure(path, rows)
    finally:
        path.unlink(missing_ok=True)


if __name__ == "__main__":
    main()
