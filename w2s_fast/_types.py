"""What public functions take and return, in the words of type checkers."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any, Protocol, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt


class OfLibrary(Protocol):
    """An array of torch, JAX, CuPy or any other library that knows DLPack."""

    def __dlpack_device__(self) -> Any: ...


class Sparse(Protocol):
    """A sparse matrix or array of SciPy."""

    def tocsr(self) -> Any: ...


Tensor = TypeVar("Tensor", bound=OfLibrary)  # results are of the library that came
Floats: TypeAlias = npt.NDArray[np.floating[Any]]
ArrayLike: TypeAlias = npt.ArrayLike | OfLibrary | Sparse  # tables of pandas, polars and Arrow among the first
Features: TypeAlias = ArrayLike | os.PathLike[str]  # also in files
Blocks: TypeAlias = Features | Iterable[ArrayLike]  # also by blocks of rows
Sizes: TypeAlias = npt.ArrayLike  # whole numbers, infinity where a limit is known
