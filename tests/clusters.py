"""A Dask cluster of two processes on this machine, for tests of trials and of arrays."""


def local_cluster(workers=2):
    from distributed import LocalCluster

    how = {"threads_per_worker": 1, "processes": True, "dashboard_address": "127.0.0.1:0", "silence_logs": 60}
    return LocalCluster(n_workers=workers, **how)
