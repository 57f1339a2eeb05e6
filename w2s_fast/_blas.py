"""BLAS on one thread for a while, and given back as it was.

While threads of ours run, the BLAS pools of NumPy and SciPy are held to one thread: threads times BLAS threads would
oversubscribe the cores, and results would depend on the number of threads through the order of BLAS's sums. Its limit
is the whole process's, hence the set of holders.

Ctrl-C may come at any moment, and every entry into a Python function is one. Whoever holds BLAS must give it back all
the same, so that a context manager is left by C code alone until :func:`_held` is closed, which first of all tries.
"""

from __future__ import annotations

import gc
import io
import os
import threading
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager
from functools import cache
from typing import Any

_lock = threading.RLock()
_holders: set[object] = set()
_found: list[int] = []  # threads of each BLAS before the first holder; empty while nobody holds it
_setter: Any = None  # the thread that threadpoolctl let set limits when that was found


@cache
def _libraries() -> list[Any]:
    """Find the BLAS of NumPy and of SciPy, which Numba calls; finding them takes a millisecond."""
    import scipy.linalg  # noqa: F401  its OpenBLAS must be loaded to be found
    from threadpoolctl import ThreadpoolController

    return list(ThreadpoolController().select(user_api="blas").lib_controllers)


def kernels() -> str:
    """Names of the libraries and of the kernels that they picked for this processor."""
    found = (f"{library.internal_api} {getattr(library, 'architecture', None) or '?'}" for library in _libraries())
    return ", ".join(sorted(set(found)))


class _Hold(io.IOBase):
    """Calls ``release`` when it is left or forgotten; IOBase, whose methods are C, does so by its ``close``."""

    def __init__(self, release: Callable[[], None]) -> None:
        self.close = release  # type: ignore[method-assign]


def single_threaded_blas() -> AbstractContextManager[None]:
    """Hold BLAS to one thread until the context that this opens is left; the caller's setting returns with the last."""
    holder = object()
    held = _held(holder)
    hold = _Hold(held.close)
    next(held)
    try:
        _take(holder)
    except BaseException:
        held.close()
        raise
    return hold  # type: ignore[return-value]  # no call comes in between, which an interrupt could break into


def _held(holder: object) -> Generator[None, None, None]:
    try:
        yield
    finally:
        interrupt = None
        while True:
            try:
                _release(holder)
                break
            except BaseException as error:
                interrupt = error
        if interrupt is not None:
            raise interrupt


def callers_threads() -> int | None:
    """Threads that BLAS may use when nobody here holds it; None where no BLAS can be asked."""
    libraries = _libraries()
    with _lock:
        return min(_found or [library.num_threads for library in libraries], default=None)


def _take(holder: object) -> None:
    """Set one thread. What others have set meanwhile is given back in the end."""
    global _setter  # noqa: PLW0603  the limit itself is process-wide
    libraries = _libraries()
    with _lock:
        set_anew = any(library.num_threads != 1 for library in libraries)
        if not _found or set_anew:
            _setter = _thread_that_limits()
        if not _found:
            _found[:] = [library.num_threads for library in libraries]
        _holders.add(holder)
        if set_anew:
            _set_one(libraries)


def _set_one(libraries: list[Any]) -> None:
    if len(_holders) > 1:  # the others have set it before
        _correct_what_others_saw()
    for place, library in enumerate(libraries):
        threads = library.num_threads
        if threads != 1:
            _found[place] = threads
            _set_threads(library, 1)


def _release(holder: object) -> None:
    """Give BLAS back if this was the last holder; any number of times, as interrupts may ask for."""
    with _lock:
        _holders.discard(holder)
        if not _holders and _found:
            _give_back()


def _give_back() -> None:
    """Return to what was found, unless somebody has set or ended a limit since: what that left survives us."""
    libraries, setter = _libraries(), _thread_that_limits()
    if setter not in (None, _setter) or any(library.num_threads != 1 for library in libraries):
        _correct_what_others_saw()
    for library, threads in zip(libraries, _found, strict=True):
        if library.num_threads == 1 and setter is _setter:
            _set_threads(library, threads)
    _found.clear()


def _correct_what_others_saw() -> None:
    """Let limits of threadpoolctl that began while BLAS was held end in what was found, not in the one thread."""
    found = {library.filepath: threads for library, threads in zip(_libraries(), _found, strict=True)}
    for limits in gc.get_objects():
        if hasattr(type(limits), "restore_original_limits"):
            for seen in getattr(limits, "_original_info", ()):
                if seen["num_threads"] == 1 and seen["filepath"] in found:
                    seen["num_threads"] = found[seen["filepath"]]


def _thread_that_limits() -> Any:
    """The thread whose limits threadpoolctl obeys, from 3.8 on; it does not see ours."""
    states = (getattr(library, "_SHARED_STATE", None) for library in _libraries())
    return next((state.controlling_thread for state in states if state is not None), None)


def _set_threads(library: Any, threads: int) -> None:
    """Set the limit from whatever thread: threadpoolctl 3.8 obeys only the one that set it first."""
    getattr(library, "_real_set_num_threads", library.set_num_threads)(threads)


def _forget_holders() -> None:
    """Start a forked child without the parent's lock and holders, which are not there."""
    global _lock  # noqa: PLW0603
    _lock = threading.RLock()
    _holders.clear()
    if _found:
        _give_back()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_holders)
