"""Arrays that a library of their own reads by any part, as NumPy's are sliced: what HDF5, zarr and memory have."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from w2s_fast.linalg.files.header import Index
from w2s_fast.linalg.files.index import sizes


class Loaded:
    """Opens an array that a function has read into memory, and that it reads again in the process it is sent to."""

    def __init__(self, load: Callable[[], npt.NDArray[Any]]) -> None:
        self.load, self.values = load, load()

    def __call__(self) -> AbstractContextManager[npt.NDArray[Any]]:
        return nullcontext(self.values)

    def __reduce__(self) -> tuple[Any, ...]:
        return Loaded, (self.load,)


@dataclass(frozen=True, eq=False)
class Sliced:
    """An array that is opened for each block, and read no further than an index of its later axes asks for."""

    opened: Callable[[], AbstractContextManager[Any]]  # of the whole array
    whole: tuple[int, ...]
    dtype: np.dtype[Any]
    index: Index = ()

    @classmethod
    def loaded(cls, load: Callable[[], npt.NDArray[Any]]) -> Sliced:
        """What a function reads whole."""
        found = Loaded(load)
        return cls(found, found.values.shape, found.values.dtype)

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
