"""Dask clusters on this machine, for tests of trials and of arrays."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

KILL = getattr(signal, "SIGKILL", signal.SIGTERM)  # which ends a process at once on Windows
PATIENT = {  # settings of Dask for machines on which others work, too
    "distributed.deploy.lost-worker-timeout": "1 hour",
    "distributed.comm.timeouts.connect": "5 minutes",
    "distributed.comm.timeouts.tcp": "5 minutes",
}


@contextmanager
def local_cluster(workers: int = 2, **more: Any) -> Iterator[Any]:
    """Yield a cluster of processes, whose workers come again however long that takes.

    Dask looks for a worker of that name 15 seconds after one was lost, and where there is none gives up its place for
    good: on a busy machine it takes longer to start, and one that is killed again may be gone just then. Without any
    worker whoever waits for a result waits for ever. Dask also sets OMP_NUM_THREADS in this process for its workers,
    and leaves it so.
    """
    import dask
    from distributed import LocalCluster

    how = {"threads_per_worker": 1, "processes": True, "dashboard_address": "127.0.0.1:0", "silence_logs": 60} | more
    before = dict(os.environ)
    try:
        with dask.config.set(PATIENT), LocalCluster(n_workers=workers, **how) as cluster:
            yield cluster
    finally:
        os.environ.clear()
        os.environ.update(before)


def pids(client: Any) -> list[int]:
    """Of the workers of a local cluster that are up, without asking them: some may be going."""
    processes = [nanny.process for nanny in client.cluster.workers.values()]
    return [found.pid for found in processes if found is not None and found.status.name == "running"]


def soon(holds: Callable[[], bool], seconds: float = 60) -> None:
    """Wait until something holds, for so long at most."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)


def die() -> None:
    """Kill the worker that runs this, once its nanny surely knows that it is up: else it might never come again."""
    time.sleep(1)
    os.kill(os.getpid(), KILL)


class Processes:
    """A scheduler and workers as processes of their own, of which each may be told another BLAS kernel."""

    def __init__(self, folder: Path) -> None:
        self.address = folder / "scheduler.json"
        self.started: list[subprocess.Popen[bytes]] = []

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-m", "dask", *arguments, "--scheduler-file", str(self.address)],
            env=os.environ | environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self.started.append(process)
        return process

    def client(self, workers: int) -> Any:
        """A client that so many workers have joined."""
        from distributed import Client

        soon(self.address.exists, 120)
        client = Client(scheduler_file=str(self.address), set_as_default=False)
        client.wait_for_workers(workers, timeout=300)
        return client

    def end(self) -> None:
        for process in reversed(self.started):
            process.kill()
            process.wait()
