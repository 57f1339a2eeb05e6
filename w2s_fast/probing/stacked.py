"""Features in several parts, one below the other, read as one matrix without joining them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

ALL = slice(None)


@dataclass(frozen=True, eq=False)
class Stacked:
    """Matrices of one width, in memory or stored, of which rows are taken by their number in all."""

    parts: tuple[Any, ...]

    has_columns_together = False

    @property
    def shape(self) -> tuple[int, int]:
        return sum(len(part) for part in self.parts), self.parts[0].shape[1]

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.result_type(*(part.dtype for part in self.parts))

    def __len__(self) -> int:
        return self.shape[0]

    def read(self, rows: slice = ALL, columns: slice = ALL) -> npt.NDArray[Any]:
        """A part of it."""
        return self.take(np.arange(len(self))[rows])[:, columns]

    def take(self, index: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
        """Rows of it, in the order of ``index``."""
        found = np.empty((len(index), self.shape[1]), self.dtype)
        first = 0
        for part in self.parts:
            mine = np.flatnonzero((index >= first) & (index < first + len(part)))
            found[mine] = _rows_of(part, index[mine] - first)
            first += len(part)
        return found


def _rows_of(part: Any, index: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
    return np.asarray(part.take(index, axis=0) if isinstance(part, np.ndarray) else part.take(index))
