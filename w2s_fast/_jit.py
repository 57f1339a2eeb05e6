"""The one place that names Numba's compiler options.

Kernels are serial and release the GIL: threads come from :mod:`w2s_fast._threads`. Compiled code is cached beside the
source, or in the user's cache folder where the installation is read-only. Numba keys that cache on the
source file of a kernel alone: after editing a kernel that another file calls, delete ``kernels/__pycache__``.
"""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
import numpy as np
import numpy.typing as npt

Vector = npt.NDArray[np.float64]
Matrix = npt.NDArray[np.float64]
F = TypeVar("F", bound=Callable[..., Any])


def kernel(function: F) -> F:
    """Compile ``function`` on its first call."""
    return cast(F, numba.njit(cache=True, nogil=True, error_model="numpy")(function))
