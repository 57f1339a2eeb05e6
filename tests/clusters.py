"""A Dask cluster of two processes on this machine, for tests of trials and of arrays."""

import os
from contextlib import contextmanager


@contextmanager
def local_cluster(workers=2):
    """Yield the cluster; Dask sets OMP_NUM_THREADS in this process for its workers, and leaves it so."""
    from distributed import LocalCluster

    how = {"threads_per_worker": 1, "processes": True, "dashboard_address": "127.0.0.1:0", "silence_logs": 60}
    before = dict(os.environ)
    try:
        with LocalCluster(n_workers=workers, **how) as cluster:
            yield cluster
    finally:
        os.environ.clear()
        os.environ.update(before)
