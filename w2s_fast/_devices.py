"""Devices other than the CPU, and clusters: which module serves one, loaded when it is asked for.

The one place where lower layers reach a higher one. It names modules, as ``w2s_fast/__init__`` names the public ones,
and imports none by itself, so that who stays on the CPU never loads them.
"""

from __future__ import annotations

import ctypes
import importlib
import platform
from contextlib import AbstractContextManager
from typing import Any, NamedTuple

from w2s_fast import _arrays

CPU = "cpu"
TRIALS = {"cuda": "w2s_fast.cuda.trials"}  # modules with run_trials, as w2s_fast.gaussian.simulate calls it
GPUS = {_arrays.CUDA: "w2s_fast.cuda"}  # by where an array is: modules with functions for it, of the names of ours
CLUSTERS = {"distributed": "w2s_fast.scale", "dask": "w2s_fast.scale"}  # by the package of what callers hold


def trial_runner(device: str) -> Any:
    """Return ``run_trials`` of the device; RuntimeError in one line where something it needs is missing."""
    module = importlib.import_module(TRIALS[device])
    module.array_library()
    return module.run_trials


def twin(name: str, X: Any) -> Any:
    """The function of that name for arrays on the GPU, if ``X`` is on one; None if it is not."""
    module = GPUS.get(_arrays.device_of(X) or _arrays.HOST)
    return None if module is None else getattr(importlib.import_module(module), name)


def cluster(workers: Any) -> Any:
    """The pool of a cluster's client; None for what is no such client."""
    module = _cluster_of(workers)
    return None if module is None else module.pool(workers)


def cluster_rows(X: Any, name: str) -> Any:
    """Rows of an array that is in a cluster; None for what is not."""
    module = _cluster_of(X)
    return None if module is None else module.rows(X, name)


def gathered(X: Any) -> Any:
    """An array that is in a cluster as one of this process; anything else as it is."""
    module = _cluster_of(X)
    return X if module is None else module.gathered(X)


def room_in_cluster() -> int:
    """Bytes of rows that the smallest worker of a cluster can hold."""
    return int(importlib.import_module(CLUSTERS["dask"]).room())


def _cluster_of(value: Any) -> Any:
    module = CLUSTERS.get(type(value).__module__.partition(".")[0])
    return None if module is None else importlib.import_module(module)


def connected(address: str) -> AbstractContextManager[Any]:
    """A client of the scheduler at an address; RuntimeError in one line where there is none, or no Dask."""
    return importlib.import_module(CLUSTERS["distributed"]).connected(address)


class Driver(NamedTuple):
    """NVIDIA's driver: the newest CUDA that it runs, and the names of its GPUs."""

    cuda: tuple[int, int]
    gpus: list[str]


class DriverError(RuntimeError):
    """There is no NVIDIA driver, or it does not start."""


def nvidia_driver() -> Driver:
    """Ask the driver itself: no CUDA package is needed for that."""
    try:
        library = ctypes.CDLL("nvcuda.dll" if platform.system() == "Windows" else "libcuda.so.1")
    except OSError:
        raise DriverError("no NVIDIA driver") from None
    version, count = ctypes.c_int(), ctypes.c_int()
    if library.cuInit(0) != 0 or library.cuDriverGetVersion(ctypes.byref(version)) != 0:
        raise DriverError("the NVIDIA driver does not start")
    library.cuDeviceGetCount(ctypes.byref(count))
    names = []
    for device in range(count.value):
        name = ctypes.create_string_buffer(100)
        library.cuDeviceGetName(name, len(name), device)
        names.append(name.value.decode())
    return Driver((version.value // 1000, version.value % 1000 // 10), names)
