"""Rows: a matrix that is read by blocks of rows, wherever it lies. What every pass over data is written for."""

from __future__ import annotations

import copy
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterable, Iterator
from functools import partial, reduce
from itertools import chain
from operator import itemgetter
from typing import Any, NamedTuple, Self, TypeVar

import numpy as np
import numpy.typing as npt

from w2s_fast import _check
from w2s_fast._check import FloatArray
from w2s_fast._threads import ordered_map
from w2s_fast.linalg.rows import cutting
from w2s_fast.linalg.rows.tree import leaves, merged

Item = TypeVar("Item")
Result = TypeVar("Result")
Node = TypeVar("Node")
Progress = Callable[[int, int], object]  # told (rows done, rows in all)
SMALLEST_ENERGY = 1e-270  # sum of squares in float64: of a smaller one eigenvalues have lost digits


class Rows(ABC):
    """A matrix that is read by row blocks, as often as its source allows.

    A matrix that lives elsewhere (on a GPU, sparse) is a class with ``shape`` and :meth:`read`; accumulators,
    subspaces, dimensions and SVDs then take it in place of an array, and read a block at a time. What needs all of it
    at once gathers it, as :func:`numpy.asarray` does. Where blocks are better worked on than sent, as in a cluster, the
    class has a :meth:`total` of its own.

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

    def images(self, V: FloatArray) -> Any:
        """X V, in the dtype of V, as an array where the rows are."""
        return np.concatenate(list(self.map(partial(image, V), self.blocks())))

    def labels(self, Y: Any, floats: Callable[[Any, str], Any]) -> Any:
        """Check what is to lie beside the rows in :meth:`total`."""
        return floats(Y, "Y")

    def numbers(self) -> Any:
        """Numbers of the rows, as what is to lie beside them in :meth:`total`."""
        return np.arange(0 if self.shape is None else self.shape[0])

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

    def total(
        self,
        part: Callable[..., Node],
        merge: Callable[[Node, Node], Node],
        *beside: Any,
        step: int | None = None,
        least: int = 0,
        alone: bool = False,
        progress: Progress | None = None,
    ) -> Node:
        """Sum over blocks, in a tree whose shape follows from their sizes: what every pass over the rows is.

        Parameters
        ----------
        part : callable
            Makes a summand of a block, and of the same rows of each array or Rows ``beside``. It pickles.
        merge : callable
            Adds two of them; it may change and return the first.
        step : int, optional
            Rows of a block.
        least : int
            Bytes of rows that one leaf of the tree adds up at least.
        alone : bool
            Blocks are worked on one after the other, since ``part`` uses threads of its own.
        progress : callable, optional
            Told of the rows as they are done.
        """
        told, blocks = partial(_sized_part, part), _together(self, beside, step)
        parts = (told(items) for items in blocks) if alone else self.map(told, blocks)
        try:
            return merged((reduce(merge, leaf) for leaf in self._leaves(parts, least, progress)), merge)
        finally:
            parts.close()  # else the traceback of an interrupt would keep it, and BLAS on one thread

    def _leaves(self, parts: Iterable[Any], least: int, progress: Progress | None) -> Iterator[Iterator[Any]]:
        """Parts of each leaf, of which ``progress`` is told as they go by."""
        rows, whole = 0, 0 if self.shape is None else self.shape[0]

        def tell(leaf: Iterator[SizedPart]) -> Iterator[Any]:
            nonlocal rows
            for found in leaf:
                yield found.part
                rows += found.rows
                if progress is not None:
                    progress(rows, whole)

        return map(tell, leaves(parts, itemgetter(0), least))

    def opened(self) -> tuple[int, npt.DTypeLike, Rows]:
        """Columns, dtype of the first block, and the rows, which still have that block where they come by once."""
        blocks = self.blocks()
        first = next(blocks)
        return first.shape[1], first.dtype, _Begun(first, blocks, self) if self.once else self

    def refuse_not_finite(self, sums: FloatArray) -> None:
        """Say where NaN or infinity is, if ``sums`` of squares or products of the rows show that there is some."""
        if np.isfinite(sums).all():
            return
        if not self.once:
            self.total(_check.NotFinite.of, _check.NotFinite.merged).refuse(self.name)
        raise ScaleError(f"the squares of {self.name} overflow: scale it down first")

    def refuse_vanishing(
        self, energy: float, nonzero: bool, smallest: float = SMALLEST_ENERGY, largest: float = math.inf
    ) -> None:
        """Refuse rows that are not all zero and whose sum of squares tells that products overflow or vanish."""
        if self.exponent == 0 and nonzero and not smallest < energy < largest:
            raise ScaleError(f"the squares of {self.name} {'overflow' if energy > 1 else 'vanish'}: scale it first")

    def rescaled(self) -> Self:
        """The rows with their largest number brought near to 1, by a power of two that a pass over them tells."""
        return self._changed("exponent", math.frexp(self.total(_largest, max))[1])


def image(V: FloatArray, block: FloatArray) -> FloatArray:
    return block.astype(V.dtype, copy=False) @ V


def _largest(block: FloatArray) -> float:
    return max(float(block.max(initial=0.0)), -float(block.min(initial=0.0)))


class SizedPart(NamedTuple):
    """What was made of a block, and how large that was."""

    nbytes: int
    rows: int
    part: Any


def _sized_part(part: Callable[..., Any], items: tuple[Any, ...]) -> SizedPart:
    block = items[0]
    with np.errstate(over="ignore", invalid="ignore"):
        return SizedPart(block.nbytes, len(block), part(*items))


def _together(rows: Rows, beside: tuple[Any, ...], step: int | None) -> Iterator[tuple[Any, ...]]:
    """Yield blocks, each with the same rows of what lies beside them; refuse what has more rows, or fewer."""
    others = [other.blocks(step) if isinstance(other, Rows) else other for other in beside]
    start, number = 0, -1
    for number, block in enumerate(rows.blocks(step)):
        stop = start + len(block)
        there: list[Any] = [next(other, None) if isinstance(other, Iterator) else other[start:stop] for other in others]
        start = stop
        for other, part in zip(beside, there, strict=True):
            if isinstance(other, Rows) and (part is None or len(part) != len(block)):
                _refuse_blocks(number, (rows.name, len(block)), (other.name, 0 if part is None else len(part)))
        if all(len(part) == len(block) for part in there):  # else there are too few, which the end tells
            yield block, *there
    for other, given in zip(others, beside, strict=True):
        if isinstance(other, Iterator):
            if (more := next(other, None)) is not None:
                _refuse_blocks(number + 1, (rows.name, 0), (given.name, len(more)))
        elif len(other) != start:
            raise ValueError(
                f"these must have the same number of rows: {rows.name} has {start:,}, Y has {len(other):,}"
            )


def _refuse_blocks(number: int, mine: tuple[str, int], other: tuple[str, int]) -> None:
    raise ValueError(f"block {number} has {mine[1]:,} rows in {mine[0]} and {other[1]:,} in {other[0]}: cut both alike")


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


class _Begun(Rows):
    """Rows that come by once, of which the first block was asked for."""

    once = True

    def __init__(self, first: FloatArray, others: Iterator[FloatArray], rows: Rows) -> None:
        self.name, self.shape = rows.name, rows.shape
        self._blocks = chain([first], others)

    def read(self, step: int) -> Iterator[FloatArray]:
        return self._blocks
