"""The one place that imports numba-cuda and CuPy, and says in a line what is missing.

Of ``numba.cuda`` the package uses what its successors share: thread and block numbers, shared memory, a barrier, and
``jit`` of plain functions. Two things have no public name, and are asked for where they are found: code is kept for the
next process, as the CPU's is (:mod:`w2s_fast._jit`), and functions stay out of their callers. NumPy stands in for CuPy
in the simulator (``NUMBA_ENABLE_CUDASIM=1``), which has no device.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from w2s_fast import kernels as sources
from w2s_fast._devices import DriverError, nvidia_driver
from w2s_fast._jit import _ForgivingCache, _OwnNames

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
    """Compile a kernel on its first launch, and keep the code for the next process if there is a place for it."""
    dispatcher = cuda.jit(function)
    if hasattr(dispatcher, "enable_caching"):  # the simulator has nothing to keep
        with suppress(RuntimeError):  # no folder can be written to
            dispatcher.enable_caching()
            _mind_the_sources(dispatcher._cache)
            dispatcher._cache = _ForgivingCache(dispatcher._cache)
    return dispatcher


def _mind_the_sources(kept: Any) -> None:
    """Compile anew when a file of the CPU's kernels has changed: numba looks at the kernel's own file alone."""
    key, files = kept._index_key, kept._cache_file
    kept._index_key = lambda *compiled: (*key(*compiled), _sources())
    files._data_name_pattern = _OwnNames(files._data_name_pattern)


@cache
def _sources() -> str:
    """A digest of what kernels are compiled from."""
    files = sorted(Path(sources.__path__[0]).rglob("*.py"))
    return sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def device_function(function: Callable[..., Any], apart: bool = False) -> Any:
    """Compile a function that kernels call; ``apart`` from them, where it would else be copied to every call.

    numba-cuda has no option for that. Where its inside is not what it was in 0.30, copies are made as before.
    """
    compiled = cuda.jit(device=True)(function)
    if apart and hasattr(compiled, "compile_device"):
        compile_device = compiled.compile_device

        def compile_apart(*signature: Any) -> Any:
            result = compile_device(*signature)
            with suppress(AttributeError, IndexError, KeyError):
                code = result.library.modules[0].get_global(result.fndesc.llvm_func_name)
                code.attributes.add("noinline")
            return result

        compiled.compile_device = compile_apart
    return compiled


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
