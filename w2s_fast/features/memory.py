"""What the C library does with memory that batches free."""

from __future__ import annotations

import ctypes
import sys
from functools import cache

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8  # glibc's numbers
KEPT = 1 << 30  # bytes: blocks below stay with the process


@cache
def keep_memory() -> None:
    """Ask glibc to keep freed memory for the next batch.

    Left to itself it maps each large block anew and gives it back: the kernel then clears every page of every
    activation, at each layer, which takes as long as the arithmetic. Threads would each have a heap of their own, of
    64 MiB at most and given back all the same: those that start from now on share the one there is.
    """
    if not sys.platform.startswith("linux"):
        return
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # another C library
        return
    mallopt(M_MMAP_THRESHOLD, KEPT)
    mallopt(M_TRIM_THRESHOLD, KEPT)
    mallopt(M_ARENA_MAX, 1)
