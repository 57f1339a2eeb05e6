"""Rows: a matrix that is read by blocks of rows, wherever it lies. What every pass over data is written for."""

from __future__ import annotations

import copy
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterable, Iterator
from itertools import chain
from typing import Any, Self, TypeVar

import numpy as np
import numpy.typing as npt

from w2s_fast import _check
from w2s_fast._check import FloatArray
from w2s_fast._threads import ordered_map
from w2s_fast.linalg.rows import cutting

Item = TypeVar("Item")
Result = TypeVar("Result")
Progress = Callable[[int, int], object]  # told (rows done, rows in all)
SMALLEST_ENERGY = 1e-270  # sum of squares in float64: of a smaller one eigenvalues have lost digits


class Rows(ABC):
    """A matrix that is read by row blocks, as often as its source allows.

    A matrix that lives elsewhere (in a cluster, on a GPU, sparse) is a class with ``shape`` and :meth:`read`;
    accumulators, subspaces, dimensions and SVDs then take it in place of an array, and read a block at a time. What
    needs all of it at once gathers it, as :func:`numpy.asarray` does.

    Attributes
    ----------
    name : str
        Of the argument, for messages.
    shape : (int, int) or None
        Where it is known before reading.
    once : bool
        Whether the source is gone after one pass.
    exponent : int
        Rows are read times 2**-exponent.

    Examples
    --------
    >>> import numpy as np
    >>> from w2s_fast import Subspace
    >>> class Ramp(Rows):  # row i is i times (3, 4)
    ...     shape = 5, 2
    ...
    ...     def read(self, step):
    ...         for start in range(0, 5, step):
    ...             yield np.outer(np.arange(start, min(start + step, 5)), [3.0, 4.0])
    >>> Subspace.fit(Ramp(), rank=1).eigenvalues.round(9)
    array([750.])
    """

    name: str = "X"
    shape: tuple[int, int] | None = None
    once: bool = False
    exponent: int = 0

    @abstractmethod
    def read(self, step: int) -> Iterator[Any]:
        """Yield blocks of up to ``step`` rows in order, one at least, none of which changes later.

        Where the shape is not known blocks may have any number of rows.
        """

    # What a matrix on a device does its own way.
    _floats = staticmethod(_check.floats)

    def map(self, function: Callable[[Item], Result], items: Iterable[Item]) -> Generator[Result, None, None]:
        """Work on blocks: in order, on threads."""
        return ordered_map(function, items)

    def blocks(self, step: int | None = None) -> Iterator[FloatArray]:
        """Yield float32 or float64 blocks of one width in order, none of which changes later.

        ``step`` is their number of rows where the shape is known. NaN and infinity in arrays and files are left for
        the sums of the reader to show, see :meth:`refuse_not_finite`.
        """
        width = None if self.shape is None else self.shape[1]
        empty = True
        for number, source in enumerate(self.read(step or cutting.height(width or 1))):
            block = self._floats(source, f"block {number} of {self.name}", ndim=2, finite=False)
            if width is not None and block.shape[1] != width:
                known = "the ones before have" if self.shape is None else "its shape says"
                raise ValueError(f"block {number} of {self.name} has {block.shape[1]} columns, {known} {width}")
            width, empty = block.shape[1], False
            yield block if self.exponent == 0 else np.ldexp(block, -self.exponent)
        if empty:
            raise ValueError(f"{self.name} holds no row blocks")

    def held(self) -> FloatArray | None:
        """The whole matrix where it is an array in memory, or mapped; None elsewhere."""
        return None

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> npt.NDArray[Any]:
        if copy is False:
            raise ValueError(f"{self.name} is read by blocks: to gather them takes a copy")
        return np.concatenate(list(self.blocks())).astype(dtype, copy=False)

    def named(self, name: str) -> Self:
        """The same rows as the argument ``name``."""
        return self._changed("name", name)

    def _changed(self, attribute: str, value: Any) -> Self:
        changed = copy.copy(self)
        object.__setattr__(changed, attribute, value)  # of frozen ones too: nobody else has seen the copy
        return changed

    def largest_rank(self) -> dict[str, int]:
        """Limit on a rank as an argument of checks, where it is known before reading."""
        return {} if self.shape is None else {"maximum": min(self.shape)}

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

    def rescaled(self) -> Self:
        """The rows with their largest number brought near to 1, by a power of two that a pass over them tells."""
        largest = 0.0
        for block in self.blocks():
            largest = max(largest, float(block.max(initial=0.0)), -float(block.min(initial=0.0)))
        return self._changed("exponent", math.frexp(largest)[1])


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
