"""A fork waits for what other threads are importing or compiling.

Its child has none of those threads, but all of the locks that they hold, and would wait for good when it imports or
compiles the same. That is every first call here.
"""

from __future__ import annotations

import _imp
import concurrent.futures.thread  # noqa: F401
import logging  # noqa: F401  as the one above takes a lock when the process forks, which late imports want: ours first
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress

IMPORTED_LATE = (  # by first calls
    *("w2s_fast", "numba", "llvmlite", "numpy", "scipy", "threadpoolctl"),
    *("rich", "matplotlib", "pandas", "cupy", "numba_cuda"),
)
_releases: list[Callable[[], object]] = []


def _hold_locks() -> None:
    """Take the locks of Numba's compiler and of new imports while no import is under way."""
    own: set[str] = set()  # under way in this very thread, which forks in their midst
    while True:
        compiler = getattr(sys.modules.get("numba.core.compiler_lock"), "global_compiler_lock", None)
        if compiler is not None:
            compiler.acquire()
            _releases.append(compiler.release)
        _imp.acquire_lock()
        _releases.append(_imp.release_lock)
        others = [name for name in _under_way() if name not in own]
        if not others:
            return
        _release_locks()
        for name in others:
            with suppress(Exception):  # for the other thread to hear of
                __import__(name)  # waits for it
        own |= set(others) & set(_under_way())


def _under_way() -> Iterator[str]:
    """Modules that a thread imports, or looks for: each has a lock, which nobody else keeps alive."""
    locks = getattr(sys.modules["_frozen_importlib"], "_module_locks", {})
    for name, lock in list(locks.items()):
        if name.partition(".")[0] in IMPORTED_LATE and lock() is not None:
            yield name


def _release_locks() -> None:
    while _releases:
        _releases.pop()()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_hold_locks, after_in_parent=_release_locks, after_in_child=_release_locks)
