"""Rows less their mean, worked out block by block where numbers are asked for: no copy of the whole is made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from w2s_fast._check import FloatArray


@dataclass(frozen=True, eq=False)
class Centred:
    """An array (m, n) less an offset, which stands in for an array in :mod:`w2s_fast.linalg.rows.products`.

    Parts of it are views of the array. Their numbers come when a product casts them, which the threads do that use
    them, in cache: at any offset, they are those of a centred copy.
    """

    array: FloatArray
    offset: npt.NDArray[np.float64]  # (1, n), or (m, 1) of what was transposed

    @classmethod
    def columns(cls, X: FloatArray, mean: FloatArray) -> Self:
        """X (m, n) less the means (n,) of its columns."""
        return cls(X, np.asarray(mean, np.float64)[None, :])

    @property
    def shape(self) -> tuple[int, int]:
        return self.array.shape[0], self.array.shape[1]

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.array.dtype

    @property
    def size(self) -> int:
        return self.array.size

    @property
    def nbytes(self) -> int:
        return self.array.nbytes

    @property
    def T(self) -> Self:  # noqa: N802
        return type(self)(self.array.T, self.offset.T)

    def __len__(self) -> int:
        return len(self.array)

    def __getitem__(self, part: Any) -> Self:
        """Take a slice of rows, or slices of rows and columns."""
        rows, columns = part if isinstance(part, tuple) else (part, slice(None))
        by_columns = self.offset.shape[0] == 1
        return type(self)(self.array[rows, columns], self.offset[:, columns] if by_columns else self.offset[rows])

    def astype(self, dtype: npt.DTypeLike, copy: bool = True) -> FloatArray:
        """Subtract in float64, and round to ``dtype``."""
        out = np.empty_like(self.array, dtype, subok=False)
        with np.errstate(over="ignore", invalid="ignore"):
            return np.subtract(self.array, self.offset, out=out, casting="same_kind")

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> FloatArray:
        return self.astype(dtype or self.dtype)
