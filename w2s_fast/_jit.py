"""The one place that names Numba's compiler options.

Kernels are serial and release the GIL: threads come from :mod:`w2s_fast._threads`. Compiled code is cached beside the
source, in the user's cache folder where the installation is read-only, and nowhere if that is too. Numba keys that
cache on the source file of a kernel alone: after editing a kernel that another file calls, delete
``kernels/__pycache__``.
"""

import os
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar, cast

import numba
import numpy as np
import numpy.typing as npt

Vector = npt.NDArray[np.float64]
Matrix = npt.NDArray[np.float64]
F = TypeVar("F", bound=Callable[..., Any])

OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy", "no_cfunc_wrapper": True}
# For functions that make no arrays: references to those they are given need no count, which would take half the time.
UNCOUNTED: dict[str, Any] = OPTIONS | {"_nrt": False}


def kernel(function: F) -> F:
    """Compile ``function`` on its first call, and keep the code for the next process if there is a place for it."""
    return _compiled(function, OPTIONS)


def small_kernel(function: F) -> F:
    """The same for a function that makes no array, and is called for some nanoseconds of work."""
    return _compiled(function, UNCOUNTED)


def inlined(function: F) -> F:
    """Compile such a function into every place that calls it: a few instructions, which a call would double."""
    return cast(F, numba.njit(forceinline=True, **UNCOUNTED)(function))


def _compiled(function: F, options: dict[str, Any]) -> F:
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
    names of their own they can only lose an entry, which is compiled again.
    """

    __slots__ = ()

    def format(self, *args: Any, **fields: Any) -> str:
        return f"{super().format(*args, **fields).removesuffix('.nbc')}-{os.getpid()}.nbc"


def part(function: F) -> F:
    """Compile ``function`` only within the kernels that call it.

    Machine code of its own, which nobody would run, costs a tenth of a second for every function.
    """
    return cast(F, numba.njit(inline="always", **OPTIONS)(function))
