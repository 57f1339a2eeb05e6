"""Arrays that a library of their own reads by any part, as NumPy's are sliced: what HDF5, zarr and memory have."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from w2s_fast.linalg.files.header import Index
from w2s_fast.linalg.files.index import sizes


@dataclass(frozen=True, eq=False)
class Sliced:
    """An array that is opened for each block, and read no further than an index of its later axes asks for."""

    opened: Callable[[], AbstractContextManager[Any]]  # of the whole array
    whole: tuple[int, ...]
    dtype: np.dtype[Any]
    index: Index = ()

    @property
    def shape(self) -> tuple[int, ...]:
        return sizes(self.whole, self.index)

    def read(self, rows: slice) -> npt.NDArray[Any]:
        with self.opened() as array:
            if array.shape != self.whole or array.dtype != self.dtype:
                raise ValueError(f"it has become {array.dtype} of shape {array.shape}")
            return np.asarray(array[(rows, *self.index)])

    def at(self, index: Index) -> Sliced:
        """Only the part that an index of the axes after the first cuts out."""
        return replace(self, index=index)
