"""The one place that names Numba's compiler options.

Kernels are serial and release the GIL: threads come from :mod:`w2s_fast._threads`. Compiled code is cached beside the
source, in the user's cache folder where the installation is read-only, and nowhere if that is too. Numba keys that
cache on the source file of a kernel alone: after editing a kernel that another file calls, delete
``kernels/__pycache__``.
"""

import gc
import secrets
from collections.abc import Callable
from contextlib import suppress
from functools import wraps
from typing import Any, TypeVar, cast

import numba
import numpy as np
import numpy.typing as npt
from numba.core.compiler import CompilerBase, DefaultPassBuilder
from numba.core.compiler_machinery import PassManager, register_pass
from numba.core.lowering import Lower
from numba.core.typed_passes import NativeLowering, NopythonRewrites
from numba.core.untyped_passes import InlineClosureLikes

Vector = npt.NDArray[np.float64]
Matrix = npt.NDArray[np.float64]
F = TypeVar("F", bound=Callable[..., Any])


class _Compiler(CompilerBase):  # type: ignore[misc]  # Numba has no types
    """Numba's, without garbage collection: of the millions of objects that it makes hardly one can go before the end.

    Looking for one takes a tenth of the time.
    """

    lowering = NativeLowering
    skipped: tuple[type, ...] = ()

    def compile_extra(self, func: Any) -> Any:
        collects = gc.isenabled()
        gc.disable()
        try:
            return super().compile_extra(func)
        finally:
            if collects:
                gc.enable()

    def define_pipelines(self) -> list[PassManager]:
        pipeline = DefaultPassBuilder.define_nopython_pipeline(self.state)
        steps = [(step, name) for step, name in pipeline.passes if step not in self.skipped]
        pipeline.passes = [(self.lowering if step is NativeLowering else step, name) for step, name in steps]
        pipeline.finalize()
        return [pipeline]


class _CompactCode(Lower):  # type: ignore[misc]
    """Machine code that is short: no copies of a loop for vector registers, which pay from dozens of steps on."""

    def setup_function(self, fndesc: Any) -> None:
        super().setup_function(fndesc)
        self.function.attributes.add("optsize")


@register_pass(mutates_CFG=True, analysis_only=False)
class _CompactLowering(NativeLowering):  # type: ignore[misc]
    _name = "compact_lowering"

    @property
    def lowering_class(self) -> type[Lower]:
        return _CompactCode


class _CompactCompiler(_Compiler):
    lowering = _CompactLowering


class _LoopCompiler(_CompactCompiler):
    """For functions without closures and without arithmetic of whole arrays, which nobody then needs to look for."""

    skipped = InlineClosureLikes, NopythonRewrites


OPTIONS: dict[str, Any] = {
    "nogil": True,
    "error_model": "numpy",
    "no_cfunc_wrapper": True,
    "forceinline": False,  # else a function inherits it from the one that it is compiled for
    "pipeline_class": _Compiler,
}
# For functions that make no arrays: references to those they are given need no count, which would take half the time.
UNCOUNTED: dict[str, Any] = OPTIONS | {"_nrt": False}
COMPACT: dict[str, Any] = UNCOUNTED | {"pipeline_class": _LoopCompiler}


def kernel(function: F) -> F:
    """Compile ``function`` on its first call, and keep the code for the next process if there is a place for it."""
    return _compiled(function, OPTIONS)


def calling_kernel(function: F) -> F:
    """The same for a function that leaves the work to others, as LAPACK: in shorter code, which is compiled sooner."""
    return _compiled(function, OPTIONS | {"pipeline_class": _CompactCompiler})


def vector_kernel(function: F) -> F:
    """The same for a function that makes no array, and whose loops are for vector registers."""
    return _compiled(function, UNCOUNTED)


def small_kernel(function: F) -> F:
    """The same for a function that makes no array, with loops of some steps: a fifth faster, in half the time."""
    return _compiled(function, COMPACT)


def inlined(function: F) -> F:
    """Compile such a function into every kernel that calls it: a few instructions, which a call would double.

    Python cannot call it, which would want code of its own.
    """
    return cast(F, numba.njit(**COMPACT | {"forceinline": True, "no_cpython_wrapper": True})(function))


def _compiled(function: F, options: dict[str, Any]) -> F:
    if numba.config.DISABLE_JIT:
        return _quiet(function)
    try:
        dispatcher = numba.njit(cache=True, **options)(function)
    except RuntimeError as error:
        if "cannot cache" not in str(error):
            raise
        return cast(F, numba.njit(**options)(function))
    cache_file: Any = getattr(getattr(dispatcher, "_cache", None), "_cache_file", None)
    if hasattr(cache_file, "_data_name_pattern"):
        cache_file._data_name_pattern = _OwnNames(cache_file._data_name_pattern)
        dispatcher._cache = _ForgivingCache(dispatcher._cache)
    return cast(F, dispatcher)


def _quiet(function: F) -> F:
    """A kernel that runs as Python and warns of overflow and NaN as little as compiled code does."""

    @wraps(function)
    def call(*values: Any) -> Any:
        with np.errstate(all="ignore"):
            return function(*values)

    call.py_func = function  # type: ignore[attr-defined]  # where compiled kernels have it, and devices look for it
    return cast(F, call)


class _ForgivingCache:
    """Numba's cache of a kernel, without which there is only more to compile.

    Files may be truncated or empty after a crash, unreadable, or find no place on a full disk.
    """

    def __init__(self, cache: Any) -> None:
        self._cache = cache

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cache, name)

    def load_overload(self, signature: Any, context: Any) -> Any:
        try:
            return self._cache.load_overload(signature, context)
        except Exception:  # unpickling has many for what is damaged
            return None

    def save_overload(self, signature: Any, code: Any) -> None:
        try:
            self._cache.save_overload(signature, code)
        except Exception:
            with suppress(Exception):  # a damaged index has to go first
                self._cache.flush()
                self._cache.save_overload(signature, code)


class _OwnNames(str):
    """A pattern of file names that no other process has.

    Numba 0.68 numbers the files of a cache by what its index holds when it looks. Two processes that compile at once
    for different types may choose the same number, and the index then sends one type to the code of the other. With
    names of their own they can only lose an entry, which is compiled again. Nodes that share a disk may have the same
    process number too, hence chance.
    """

    __slots__ = ()

    def format(self, *args: Any, **fields: Any) -> str:
        return f"{super().format(*args, **fields).removesuffix('.nbc')}-{secrets.token_hex(8)}.nbc"


def part(function: F) -> F:
    """Compile ``function`` only within the kernels that call it.

    Machine code of its own, which nobody would run, costs a tenth of a second for every function.
    """
    return cast(F, numba.njit(inline="always", **OPTIONS)(function))
