"""LAPACK's routines on the thread that calls, while others go on.

SciPy's own wrappers stop other threads, and leave many out; for compiled code it has all, which ``ctypes`` calls there.
"""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.float64]


def call(name: str, *arguments: int | bytes | Matrix) -> None:
    """Call a routine of LAPACK, whose last argument tells of faults: none of those that numbers make."""
    fault = ctypes.c_int()
    _routine(name)(*map(_address, arguments), ctypes.byref(fault))
    if fault.value:
        raise RuntimeError(f"{name} of LAPACK refused its argument {-fault.value}")


def _address(value: int | bytes | Matrix) -> Any:
    if isinstance(value, int):
        return ctypes.byref(ctypes.c_int(value))
    return value if isinstance(value, bytes) else value.ctypes.data


@cache
def _routine(name: str) -> Any:
    import scipy.linalg.cython_lapack

    capsule = scipy.linalg.cython_lapack.__pyx_capi__[name]
    name_of = ctypes.PYFUNCTYPE(ctypes.c_char_p, ctypes.py_object)(("PyCapsule_GetName", ctypes.pythonapi))
    kinds = ctypes.c_void_p, ctypes.py_object, ctypes.c_char_p
    address_of = ctypes.PYFUNCTYPE(*kinds)(("PyCapsule_GetPointer", ctypes.pythonapi))
    signature = name_of(capsule)
    arguments = [ctypes.c_void_p] * (signature.count(b",") + 1)
    return ctypes.CFUNCTYPE(None, *arguments)(address_of(capsule, signature))
