"""Rows of files, one below the other, read here or by the workers of a pool: each reads a leaf of the tree of sums.

Cuts follow from the shapes of the files, so that the bits are the same wherever they are read. What is sent are paths,
what the headers say, and size and time of the files, which must be the same there; what comes back is one sum a leaf.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from os import PathLike
from typing import Any, NamedTuple, Self, TypeVar

import numpy as np
import numpy.typing as npt

from w2s_fast._check import FloatArray, is_path
from w2s_fast._threads import single_threaded_blas
from w2s_fast._workers import DeadWorkersError, Lost, Pool, ordered_map
from w2s_fast.linalg.files.matrix import MatrixFile
from w2s_fast.linalg.rows import cutting
from w2s_fast.linalg.rows.base import Progress, Rows, image
from w2s_fast.linalg.rows.tree import leaves, merged

Node = TypeVar("Node")


@dataclass(frozen=True, eq=False)
class Files:
    """Arrays of one width in files, one below the other, of which rows are read that follow each other."""

    files: tuple[MatrixFile, ...]

    @classmethod
    def opened(cls, where: Any, name: str, ndims: tuple[int, ...] = (2,)) -> Self:
        """Look at one file, or at each of a list."""
        if isinstance(where, str | PathLike):
            return cls((MatrixFile.open(where, name, ndims),))
        files = tuple(MatrixFile.open(path, f"{name}[{place}]", ndims) for place, path in enumerate(where))
        for place, file in enumerate(files):
            if file.shape[1:] != files[0].shape[1:]:
                expected = f"{name}[0] has {files[0].shape[1:]}"
                raise ValueError(f"files must have rows of one shape: {name}[{place}] has {file.shape[1:]}, {expected}")
        return cls(files)

    @property
    def shape(self) -> tuple[int, ...]:
        return len(self), *self.files[0].shape[1:]

    @property
    def ndim(self) -> int:
        return len(self.shape)

    def __len__(self) -> int:
        return sum(file.shape[0] for file in self.files)

    def parts(self, rows: slice) -> Iterator[tuple[MatrixFile, slice]]:
        """Files in which some of the rows lie, and which of theirs these are; the first file where there are none."""
        top, found = 0, False
        for file in self.files:
            height = file.shape[0]
            mine = slice(max(rows.start - top, 0), min(rows.stop - top, height))
            if mine.start < mine.stop:
                found = True
                yield file, mine
            top += height
        if not found:
            yield self.files[0], slice(0, 0)

    def blocks(self, rows: slice, step: int) -> Iterator[FloatArray]:
        """Yield rows ``step`` at a time, from each file by itself."""
        return (block for file, mine in self.parts(rows) for block in file.blocks(step, mine))

    def __getitem__(self, rows: slice) -> FloatArray:
        found = [*self.blocks(rows, max(rows.stop - rows.start, 1))]
        joined = np.concatenate(found) if len(found) > 1 else found[0]
        return joined.reshape(len(joined), *self.shape[1:])


@dataclass(eq=False)
class FileRows(Rows):
    """Rows of a matrix in a file, or in several; sums are made by the workers of a pool if there is one."""

    files: Files
    name: str
    pool: Pool | None = None

    def __post_init__(self) -> None:
        rows, columns = self.files.shape
        self.shape: tuple[int, int] = rows, columns

    def read(self, step: int) -> Iterator[FloatArray]:
        return self.files.blocks(slice(0, self.shape[0]), step)

    def opened(self) -> tuple[int, npt.DTypeLike, Rows]:
        file, _ = next(self.files.parts(slice(0, self.shape[0])))
        return self.shape[1], file.float_dtype, self

    def labels(self, Y: Any, floats: Callable[[Any, str], Any]) -> Any:
        """As files too; in memory rows together, as a slice of them is when it was sent."""
        if is_path(Y):
            return Files.opened(Y, "Y", (1, 2))
        return Y if isinstance(Y, Files) else np.ascontiguousarray(floats(Y, "Y"))

    def images(self, V: FloatArray) -> Any:
        if self.pool is None:
            return super().images(V)
        return np.concatenate(self.total(partial(_images, V), operator.add))

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
        """Sum where the workers are; ``alone`` is of this process, where their tasks have one thread each."""
        others = [_by_slices(other) for other in beside]
        if self.pool is None:
            how: dict[str, Any] = {"step": step, "least": least, "alone": alone, "progress": progress}
            return super().total(part, merge, *others, **how)
        for other in others:
            if len(other) != self.shape[0]:
                found = f"{self.name} has {self.shape[0]:,}, {getattr(other, 'name', 'Y')} has {len(other):,}"
                raise ValueError(f"these must have the same number of rows: {found}")
        height = step or cutting.height(self.shape[1])
        stored = [other if isinstance(other, Files | _Scaled) else None for other in others]
        work = _SumOfLeaf(_Scaled(self.files, self.name, self.exponent), stored, height, part, merge)
        sums = ordered_map(work, self._leaves_of_files(height, least, others), self.pool)
        try:
            with single_threaded_blas():  # as where blocks are read here
                return merged(self._sums(sums, progress), merge)
        finally:
            sums.close()

    def _leaves_of_files(self, height: int, least: int, others: list[Any]) -> Iterator[_Leaf]:
        """Rows of each leaf, with those of what lies beside them in memory."""
        for blocks in leaves(self._cuts(height), operator.itemgetter(2), least):
            (first, stop, _), *more = blocks
            rows = slice(first, more[-1][1] if more else stop)
            held = [
                None if isinstance(other, Files | _Scaled) else np.ascontiguousarray(other[rows]) for other in others
            ]
            yield _Leaf(rows.start, rows.stop, held)

    def _cuts(self, height: int) -> Iterator[tuple[int, int, int]]:
        """First and last row of each block, and its bytes."""
        top = 0
        for file, mine in self.files.parts(slice(0, self.shape[0])):
            row_bytes = self.shape[1] * file.float_dtype.itemsize
            for first in range(0, max(mine.stop, 1), height):
                rows = min(height, mine.stop - first)
                yield top + first, top + first + rows, rows * row_bytes
            top += mine.stop

    def _sums(self, found: Iterator[Any], progress: Progress | None) -> Iterator[Any]:
        for result in found:
            if isinstance(result, Lost):
                first, stop, _ = result.item
                raise DeadWorkersError(f"rows {first:,} to {stop - 1:,} of {self.name}: {result.reason}")
            stop, node = result
            yield deepcopy(node)  # arrays that were sent come at any address, at which kernels would be compiled anew
            if progress is not None:
                progress(stop, self.shape[0])


class _Leaf(NamedTuple):
    """Rows from one to another, and what lies beside them in memory: None for what is in files."""

    first: int
    stop: int
    beside: list[Any]


@dataclass(frozen=True, eq=False)
class _Scaled:
    """Rows of files times 2**-exponent, by slices."""

    files: Files
    name: str
    exponent: int

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, rows: slice) -> FloatArray:
        return self.scaled(self.files[rows])

    def scaled(self, block: FloatArray) -> FloatArray:
        return block if self.exponent == 0 else np.ldexp(block, -self.exponent)


@dataclass(frozen=True, eq=False)
class _SumOfLeaf:
    """What workers run: it reads the blocks of a leaf, one at a time, and adds up what ``part`` makes of them."""

    rows: _Scaled
    beside: list[Any]
    height: int
    part: Callable[..., Any]
    merge: Callable[[Any, Any], Any]

    def __call__(self, leaf: _Leaf) -> tuple[int, Any]:
        top, node, empty = leaf.first, None, True
        for read in self.rows.files.blocks(slice(leaf.first, leaf.stop), self.height):
            block, rows = self.rows.scaled(read), slice(top, top + len(read))
            here = slice(top - leaf.first, rows.stop - leaf.first)
            others = [
                held[here] if stored is None else stored[rows]
                for stored, held in zip(self.beside, leaf.beside, strict=True)
            ]
            with np.errstate(over="ignore", invalid="ignore"):
                more = self.part(block, *others)
                node, empty = more if empty else self.merge(node, more), False
            top = rows.stop
        return leaf.stop, node


def _by_slices(other: Any) -> Any:
    """What lies beside rows of files, so that any rows of it can be taken, however it is cut."""
    if isinstance(other, FileRows):
        return _Scaled(other.files, other.name, other.exponent)
    held = other.held() if isinstance(other, Rows) else other
    if held is None:
        raise TypeError(f"{other.name} must be files or an array beside files, got {type(other).__name__}")
    return held


def _images(V: FloatArray, block: FloatArray) -> list[FloatArray]:
    return [image(V, block)]
