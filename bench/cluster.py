"""What a cluster costs beside threads of one machine, and what peers take: ``python -m bench.cluster FOLDER``.

One worker of a thread, and two, on this machine, against two threads: a study (``--trials``, 10^6 by default), sums and
subspaces of a file that is written to FOLDER (``--gigabytes``, 4 by default) and read by the same blocks, as a Dask
array and as a file. Then, of the same file and on two workers each, who makes a subspace: ours, Dask's svd_compressed
and tsqr, dask-ml's TruncatedSVD and IncrementalPCA where that is installed; with the peak memory of the largest worker,
and the energy that each leaves beside what the best subspace of that rank does. ``--rounds`` times all take turns, and
the medians of times and of ratios are told.
"""

from __future__ import annotations

import argparse
import importlib.util
import math
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np

from w2s_fast import GaussianModel, Gram, Study, Subspace
from w2s_fast.linalg.rows.base import Rows

COLUMNS, HEIGHT, RANK = 1_024, 32_768, 50  # blocks of 128 MiB, as Dask cuts arrays by itself
Call = Callable[[], Any]


class Blocks(Rows):
    """A file by blocks of the cluster's height, for threads of this process."""

    def __init__(self, path: Path, rows: int) -> None:
        self.path, self.shape = path, (rows, COLUMNS)

    def read(self, step: int) -> Iterator[Any]:
        return (_block(self.path, number) for number in range(self.shape[0] // HEIGHT))


def _block(path: Path, number: int) -> Any:
    start = path.stat().st_size % (HEIGHT * COLUMNS * 4)  # of the header
    return np.fromfile(path, np.float32, HEIGHT * COLUMNS, offset=start + number * HEIGHT * COLUMNS * 4).reshape(
        -1, COLUMNS
    )


def lazy(path: Path, rows: int) -> Any:
    """The same blocks as a Dask array: workers are sent the path, and read what they need."""
    import dask.array as da

    chunks = ((HEIGHT,) * (rows // HEIGHT), (COLUMNS,))
    return da.map_blocks(_numbered_block, path=path, chunks=chunks, dtype=np.float32, meta=np.empty((0, 0), np.float32))


def _numbered_block(path: Path, block_id: tuple[int, int]) -> Any:
    return _block(path, block_id[0])


def write(path: Path, rows: int) -> None:
    rng, scales = np.random.default_rng(0), (1.0 / np.arange(1, COLUMNS + 1)).astype(np.float32)
    with path.open("wb") as file:
        header = {"descr": "<f4", "fortran_order": False, "shape": (rows, COLUMNS)}
        np.lib.format.write_array_header_1_0(file, header)
        for _ in range(rows // HEIGHT):
            (rng.standard_normal((HEIGHT, COLUMNS), np.float32) * scales).tofile(file)


@contextmanager
def cluster(workers: int) -> Iterator[Any]:
    from distributed import Client, LocalCluster

    how = {"n_workers": workers, "threads_per_worker": 1, "processes": True, "dashboard_address": "127.0.0.1:0"}
    with LocalCluster(**how) as made, Client(made) as client:
        yield client


def on_two_threads(call: Call) -> Any:
    """Call something here: the cluster has set this process's own variables to one thread."""
    os.environ["W2S_FAST_NUM_THREADS"] = "2"
    try:
        return call()
    finally:
        del os.environ["W2S_FAST_NUM_THREADS"]


def seconds(call: Call) -> float:
    start = perf_counter()
    call()
    return perf_counter() - start


def peak(client: Any) -> float:
    """Gigabytes that the largest worker has held."""
    import resource

    used = client.run(lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss).values()
    return max(used) / 1e6


def study(workers: Any, trials: int) -> None:
    Study(GaussianModel.paper(), n=2_000, N=4_000, trials=trials).run(progress=False, workers=workers)


def overheads(path: Path, rows: int, trials: int, rounds: int) -> None:
    """Times on workers, over those of two threads beside them."""
    here = Blocks(path, rows)
    pairs: dict[str, tuple[Call, Callable[[Any], Any]]] = {
        f"study of {trials:,} trials": (lambda: study(2, trials), lambda client: study(client, trials)),
        "Gram of a Dask array": (lambda: Gram().update(here), lambda client: Gram().update(lazy(path, rows))),
        "Gram of a file": (lambda: Gram().update(path), lambda client: Gram().update(path, workers=client)),
        f"Subspace of a Dask array, rank {RANK}": (
            lambda: Subspace.fit(here, rank=RANK),
            lambda client: Subspace.fit(lazy(path, rows), rank=RANK),
        ),
    }
    for workers in (1, 2):
        with cluster(workers) as client:
            for name, (local, there) in pairs.items():
                here_on_two = partial(on_two_threads, local)
                here_on_two(), there(client)  # compile, and read the file once
                took = [(seconds(here_on_two), seconds(partial(there, client))) for _ in range(rounds)]
                mine, theirs = map(median, zip(*took, strict=True))
                ratio = median(cluster_time / thread_time for thread_time, cluster_time in took)
                told = f"{theirs:.2f} s, {ratio:.3f} of two threads ({mine:.2f} s)"
                print(f"{name}, {workers} worker(s): {told}", flush=True)
            print(f"largest of {workers} worker(s): {peak(client):.2f} GB", flush=True)


def in_float32(array: Any) -> Any:
    return Subspace.fit(Gram(product_dtype="float32").update(array), rank=RANK).basis


def compressed(iterations: int, array: Any) -> Any:
    import dask
    from dask.array.linalg import svd_compressed

    # By QR between iterations, without which float32 overflows at eight of them.
    _, s, vt = svd_compressed(array, RANK, iterator="QR", n_power_iter=iterations, compute=True)
    return dask.compute(s, vt)[1].T


def tsqr(array: Any) -> Any:
    """All singular vectors, of which the first are asked for."""
    import dask
    from dask.array.linalg import svd

    _, s, vt = svd(array)
    return dask.compute(s, vt[:RANK])[1].T


def truncated_svd(array: Any) -> Any:
    from dask_ml.decomposition import TruncatedSVD

    return np.asarray(TruncatedSVD(RANK, algorithm="randomized", n_iter=2).fit(array).components_).T


def incremental_pca(array: Any) -> Any:
    """Of deviations from the mean, which is next to nothing here."""
    from dask_ml.decomposition import IncrementalPCA

    return np.asarray(IncrementalPCA(RANK, batch_size=HEIGHT).fit(array).components_).T


def peers(path: Path, rows: int, rounds: int) -> None:
    """Time, peak memory and error of each, on two workers of its own."""
    squares = Gram().update(path).xtx
    least = float(np.trace(squares) - np.linalg.eigvalsh(squares)[-RANK:].sum())
    calls: dict[str, Callable[[Any], Any]] = {
        "Subspace.fit": lambda array: Subspace.fit(array, rank=RANK).basis,
        "Subspace.fit of products in float32": in_float32,
        **{f"svd_compressed, {count} iterations,": partial(compressed, count) for count in (2, 8)},
        "tsqr": tsqr,
    }
    if importlib.util.find_spec("dask_ml") is None:
        print("dask-ml is not installed (python -m pip install dask-ml): its two are left out")
    else:
        calls |= {"TruncatedSVD": truncated_svd, "IncrementalPCA": incremental_pca}
    for name, call in calls.items():
        with cluster(2) as client:
            basis = np.asarray(call(lazy(path, rows)), np.float64)
            times = [seconds(lambda call=call: call(lazy(path, rows))) for _ in range(rounds)]
            left = float(np.trace(squares) - np.einsum("ij,ik,kj->", basis, squares, basis, optimize=True))
            print(
                f"{name} of rank {RANK}: {median(times):.2f} s, largest worker {peak(client):.2f} GB, leaves "
                f"{100 * (left / least - 1):.3f} % more energy than the best",
                flush=True,
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--gigabytes", type=float, default=4.0)
    parser.add_argument("--trials", type=int, default=10**6)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=("overheads", "peers"))
    given = parser.parse_args()
    rows = math.ceil(given.gigabytes * 1e9 / (4 * COLUMNS * HEIGHT)) * HEIGHT
    path = given.folder / f"w2s_fast_cluster_{os.getpid()}.npy"
    try:
        write(path, rows)
        print(f"{rows:,} x {COLUMNS:,} float32, {path.stat().st_size / 1e9:.1f} GB in blocks of {HEIGHT:,} rows")
        if given.only != "peers":
            overheads(path, rows, given.trials, given.rounds)
        if given.only != "overheads":
            peers(path, rows, given.rounds)
    finally:
        path.unlink(missing_ok=True)


if __name__ == "__main__":
    main()
