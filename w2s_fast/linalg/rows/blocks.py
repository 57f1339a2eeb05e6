"""Row blocks of anything: arrays, memory maps, files, iterables of blocks."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain
from os import PathLike
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from w2s_fast import _check
from w2s_fast._check import FloatArray
from w2s_fast.linalg.files.matrix import MatrixFile

Result = TypeVar("Result")
Progress = Callable[[int, int], object]  # told (rows done, rows in all)
SMALLEST_ENERGY = 1e-270  # sum of squares in float64: of a smaller one eigenvalues have lost digits
FEW_ROWS = 128  # of a wide matrix, which are held: sketches of its columns would take more room than they do
LONGEST_BLOCK, LARGEST_BLOCK = 4_096, 64 << 20  # rows, and bytes of float64, for products: BLAS wants long sums


def is_array(X: Any) -> bool:
    """Tell a matrix, held or mapped, from an iterable of blocks."""
    return hasattr(X, "shape") or (isinstance(X, list | tuple) and len(X) > 0 and np.ndim(X[0]) < 2)


@dataclass(frozen=True)
class Rows:
    """A matrix that is read by row blocks, as often as its source allows.

    Attributes
    ----------
    source : array, path, or iterable of row blocks
    shape : (int, int) or None
        Where it is known before reading.
    once : bool
        Whether the source is an iterator, gone after one pass.
    exponent : int
        Rows are read times 2**-exponent.
    """

    source: Any
    name: str
    shape: tuple[int, int] | None
    once: bool = False
    exponent: int = 0

    @classmethod
    def of(cls, X: Any, name: str) -> Rows:
        """Look at ``X`` without reading its rows."""
        if isinstance(X, str | PathLike):
            file = MatrixFile.open(X, name)
            rows, columns = file.shape
            few = rows <= min(FEW_ROWS, columns)
            return cls(next(file.blocks(max(rows, 1))) if few else file, name, (rows, columns))
        if is_array(X):
            array = _check.floats(X, name, ndim=2, finite=False)
            return cls(array, name, (array.shape[0], array.shape[1]))
        if not isinstance(X, Iterable) or isinstance(X, bytes | dict):
            raise TypeError(f"{name} must be a 2-D array, a path or an iterable of row blocks, got {type(X).__name__}")
        return cls(X, name, None, once=isinstance(X, Iterator))

    def blocks(self, step: int | None = None) -> Iterator[FloatArray]:
        """Yield float32 or float64 blocks of one width in order, none of which changes later.

        ``step`` is their number of rows where the shape is known. NaN and infinity in arrays and files are left for
        the sums of the reader to show, see :meth:`refuse_not_finite`.
        """
        blocks = self._given_blocks() if self.shape is None else self._cut_blocks(self.shape, step)
        return blocks if self.exponent == 0 else (np.ldexp(block, -self.exponent) for block in blocks)

    def _cut_blocks(self, shape: tuple[int, int], step: int | None) -> Iterator[FloatArray]:
        step = step or max(1, min(LONGEST_BLOCK, LARGEST_BLOCK // (8 * max(shape[1], 1))))
        if isinstance(self.source, MatrixFile):
            yield from self.source.blocks(step)
        else:
            for start in range(0, max(shape[0], 1), step):
                yield self.source[start : start + step]

    def _given_blocks(self) -> Iterator[FloatArray]:
        width, kept = None, isinstance(self.source, list | tuple)
        for number, source in enumerate(self.source):
            block = _check.floats(source, f"block {number} of {self.name}", ndim=2)
            if width is not None and block.shape[1] != width:
                raise ValueError(
                    f"block {number} of {self.name} has {block.shape[1]} columns, the ones before have {width}"
                )
            width = block.shape[1]
            # Threads still read a block when the next one is asked for, which may come in the same memory.
            yield block if kept else block.copy()
        if width is None:
            raise ValueError(f"{self.name} holds no row blocks")

    def largest_rank(self) -> dict[str, int]:
        """Limit on a rank as an argument of checks, where it is known before reading."""
        return {} if self.shape is None else {"maximum": min(self.shape)}

    def is_wide_array(self, most_rows: int) -> bool:
        """Whether this is an array in memory, or mapped, of at most ``most_rows`` rows, and more columns."""
        held = self.shape is not None and not isinstance(self.source, MatrixFile)
        return held and self.shape[0] <= most_rows and self.shape[0] < self.shape[1]  # type: ignore[index]

    def whole(self) -> FloatArray:
        """All rows of an array."""
        return self.source if self.exponent == 0 else np.ldexp(self.source, -self.exponent)

    def opened(self) -> tuple[int, npt.DTypeLike, Iterator[FloatArray]]:
        """Columns, dtype of the first block, and the blocks of one pass, the first one included."""
        blocks = self.blocks()
        first = next(blocks)
        return first.shape[1], first.dtype, chain([first], blocks)

    def refuse_not_finite(self, sums: FloatArray) -> None:
        """Say where NaN or infinity is, if ``sums`` of squares or products of the rows show that there is some."""
        if np.isfinite(sums).all():
            return
        for block in () if self.once else self.blocks():
            _check.all_finite(block, self.name)
        raise ScaleError(f"the squares of {self.name} overflow: scale it down first")

    def refuse_vanishing(
        self, energy: float, nonzero: bool, smallest: float = SMALLEST_ENERGY, largest: float = math.inf
    ) -> None:
        """Refuse rows that are not all zero and whose sum of squares tells that products overflow or vanish."""
        if self.exponent == 0 and nonzero and not smallest < energy < largest:
            raise ScaleError(f"the squares of {self.name} {'overflow' if energy > 1 else 'vanish'}: scale it first")

    def rescaled(self) -> Rows:
        """The rows with their largest number brought near to 1, by a power of two that a pass over them tells."""
        largest = 0.0
        for block in self.blocks():
            largest = max(largest, float(block.max(initial=0.0)), -float(block.min(initial=0.0)))
        return replace(self, exponent=math.frexp(largest)[1])


class ScaleError(ValueError):
    """Rows are of a scale at which products overflow or vanish."""


def at_any_scale(rows: Rows, work: Callable[[Rows], Result]) -> tuple[Result, int]:
    """``work`` on the rows, once more at a scale of its own where theirs does not do, and the exponent of that.

    Rows that come by once have one scale to be read at: it is refused by name.
    """
    try:
        return work(rows), 0
    except ScaleError:
        if rows.once:
            raise
        moderate = rows.rescaled()
        return work(moderate), moderate.exponent


class Tally:
    """Counts the rows and the energy of the blocks that pass, and tells ``progress`` of the rows so far.

    ``nonzero`` says whether there was a number other than 0.

    ``total`` is 0 where the number of rows is not known.
    """

    def __init__(self, progress: Progress | None = None, total: int = 0) -> None:
        self.rows, self.energy, self.nonzero = 0, 0.0, False
        self._progress, self._total = progress, total

    def count(self, blocks: Iterable[FloatArray], energy: bool = False) -> Iterator[FloatArray]:
        for block in blocks:
            self.nonzero = self.nonzero or bool(block.any())
            if energy:
                with np.errstate(over="ignore", invalid="ignore"):
                    self.energy += float(np.einsum("ij,ij->", block, block, dtype=np.float64))
            yield block
            self.rows += len(block)
            if self._progress is not None:
                self._progress(self.rows, self._total)
