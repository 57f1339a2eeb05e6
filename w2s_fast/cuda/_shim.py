"""The one place that imports numba-cuda and CuPy, and says in a line what is missing.

Of ``numba.cuda`` the package uses what its successors share: thread and block numbers, shared memory, a barrier, and
``jit`` of plain functions. NumPy stands in for CuPy in the simulator (``NUMBA_ENABLE_CUDASIM=1``), which has no device.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from w2s_fast._devices import DriverError, nvidia_driver

OLDEST_CUDA = (13, 0)  # that the pinned packages run on
EXTRA = 'pip install "w2s_fast[cuda13]"'
CHUNKS = "pass fewer rows at a time: w2s_fast.cuda.row_blocks reads any source by blocks"

try:
    import numba_cuda  # noqa: F401  numba alone has a deprecated target of the same name
    from numba import cuda as _cuda
except ImportError as error:
    raise RuntimeError(f"device='cuda' needs the package numba-cuda ({error}): {EXTRA}") from None

cuda: Any = _cuda
cuda.config.CUDA_LOW_OCCUPANCY_WARNINGS = 0  # a small problem is no fault of the caller's
SIMULATED = bool(cuda.config.ENABLE_CUDASIM)


def kernel(function: Callable[..., None]) -> Any:
    """Compile a kernel on its first launch."""
    return cuda.jit(function)


def device_function(function: Callable[..., Any]) -> Any:
    """Compile a function that kernels call."""
    return cuda.jit(device=True)(function)


@cache
def array_library() -> Any:
    """CuPy, or NumPy in the simulator; RuntimeError in one line where a package, the driver or a GPU is missing."""
    if SIMULATED:
        import numpy

        return numpy
    try:
        import cupy
    except ImportError as error:
        raise RuntimeError(f"device='cuda' needs the package cupy ({error}): {EXTRA}") from None
    try:
        driver = nvidia_driver()
    except DriverError as error:
        raise RuntimeError(f"device='cuda' needs an NVIDIA GPU: {error}") from None
    if not driver.gpus:
        raise RuntimeError("device='cuda' needs an NVIDIA GPU: the driver finds none")
    if driver.cuda < OLDEST_CUDA:
        has, needs = ("{}.{}".format(*version) for version in (driver.cuda, OLDEST_CUDA))
        raise RuntimeError(
            f"the NVIDIA driver is too old: it runs CUDA {has}, this needs {needs} (driver 580 or later)"
        )
    return cupy


def multiprocessors() -> int:
    """Of the current GPU."""
    return 1 if SIMULATED else int(array_library().cuda.Device().attributes["MultiProcessorCount"])


def free_bytes() -> int:
    """Memory that the current GPU has left, and what CuPy's pool holds ready."""
    if SIMULATED:
        return 2**30
    cupy = array_library()
    return int(cupy.cuda.Device().mem_info[0] + cupy.get_default_memory_pool().free_bytes())


@contextmanager
def explained() -> Iterator[None]:
    """Say in one line what ran out."""
    exhausted = () if SIMULATED else (array_library().cuda.memory.OutOfMemoryError,)
    try:
        yield
    except exhausted as error:
        raise MemoryError(f"the GPU is out of memory ({error}); {CHUNKS}") from None


def to_host(array: Any) -> Any:
    """Copy an array of the GPU to a NumPy array."""
    return array if SIMULATED else array_library().asnumpy(array)
