"""Matrices whose numbers lie plain in a file: read from where they lie, and only as far as they are asked for.

A memory map would end the process if somebody cut the file short while it is read, and would count every page that it
has touched as resident. Reading costs the same: 1.4 us for a scattered row of 100 numbers where a map takes 1.2, and
2.0 us for one of 768 where it takes 2.1.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from io import FileIO
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from w2s_fast._display import shortened
from w2s_fast.linalg.files.place import Stamp, changed, stamp_of

Array = npt.NDArray[Any]
SHORT_STRIDE = 8_192  # bytes: to read lines so near to each other costs no more with the gaps between them
PANEL_BYTES = 1 << 20  # of such lines read together
ALL = slice(None)


@dataclass(frozen=True, eq=False)
class PlainMatrix:
    """A matrix in a file, whose numbers lie at even distances.

    Attributes
    ----------
    start : int
        Byte of the first number in the file.
    strides : (int, int)
        Bytes from a row to the next, and from a column to the next: one of them a multiple of a number's own.
    stamp : Stamp
        Of the file, which must stay as it is.
    """

    path: str
    dtype: np.dtype[Any]
    shape: tuple[int, int]
    start: int
    strides: tuple[int, int]
    stamp: Stamp

    @classmethod
    def of_map(cls, values: Array) -> Self | None:
        """Where the numbers of a mapped array lie; None if it is not mapped from a file that still has its name.

        None too where that cannot be told (on systems without ``/proc``), and for maps that may be written to.
        """
        found = Mapping.of(values)
        if found is None or values.ndim != 2:
            return None
        shape, size = (values.shape[0], values.shape[1]), values.itemsize
        rows_step, columns_step = values.strides
        if shape[1] == 1:
            columns_step = size
        elif shape[0] == 1:
            rows_step = columns_step * shape[1]
        nearer = min(abs(rows_step), abs(columns_step))
        if nearer == 0 or nearer % size:
            return None
        start = values.ctypes.data - found.address + found.offset
        return cls(found.path, values.dtype, shape, start, (rows_step, columns_step), found.stamp)

    def __len__(self) -> int:
        return self.shape[0]

    def __repr__(self) -> str:
        told = f"{self.dtype} of shape {self.shape} in {shortened(os.path.basename(self.path))}"
        return f"<{type(self).__name__}: {told}>"

    @property
    def has_columns_together(self) -> bool:
        """Whether the numbers of a column lie nearer to each other than those of a row, as in a saved transpose."""
        return 0 < abs(self.strides[0]) < abs(self.strides[1])

    @property
    def transposed(self) -> PlainMatrix:
        return replace(self, shape=self.shape[::-1], strides=self.strides[::-1])

    def read(self, rows: slice = ALL, columns: slice = ALL) -> Array:
        """Read the part that two slices without steps cut out."""
        if self.has_columns_together:
            return self.transposed.read(columns, rows).T
        top, bottom, _ = rows.indices(self.shape[0])
        left, right, _ = columns.indices(self.shape[1])
        height, width = max(bottom - top, 0), max(right - left, 0)
        first = self.start + top * self.strides[0] + self._first_of_line(left, width)
        if abs(self._step) == 1:
            return self._read_lines(self._lines(height, width), first)
        found = np.empty((height, width), self.dtype)
        for some in self._panels(height, width):
            lines = self._lines(some.stop - some.start, width)
            found[some] = self._read_lines(lines, first + some.start * self.strides[0])
        return found

    def take(self, index: npt.NDArray[np.int64]) -> Array:
        """Read scattered rows; where columns lie together, all of the file."""
        if self.has_columns_together:
            return self._take_from_columns(index)
        places = self.start + self._first_of_line(0, self.shape[1]) + index * self.strides[0]
        if abs(self._step) == 1:
            return self._take_lines(places)
        found = np.empty((len(index), self.shape[1]), self.dtype)
        for some in self._panels(*found.shape):
            found[some] = self._take_lines(places[some])
        return found

    def _take_from_columns(self, index: npt.NDArray[np.int64]) -> Array:
        found = np.empty((len(index), self.shape[1]), self.dtype)
        panel = max(1, PANEL_BYTES // max(self.shape[0] * self.dtype.itemsize, 1))
        for left in range(0, self.shape[1], panel):
            columns = slice(left, left + panel)
            found[:, columns] = self.read(ALL, columns)[index]
        return found

    @property
    def _step(self) -> int:
        """Numbers from a column to the next, where rows lie together."""
        return self.strides[1] // self.dtype.itemsize

    def _panels(self, count: int, width: int) -> Iterator[slice]:
        """Cut rows so that what lies between their numbers takes little room while they are read."""
        panel = max(1, PANEL_BYTES // max(width * abs(self.strides[1]), 1))
        return (slice(top, min(top + panel, count)) for top in range(0, count, panel))

    def _lines(self, count: int, width: int) -> Array:
        """Room for lines of ``width`` numbers with all that lies between these."""
        return np.empty((count, (width - 1) * abs(self._step) + 1 if width else 0), self.dtype)

    def _first_of_line(self, left: int, width: int) -> int:
        """Bytes from the start of a row to the first of ``width`` numbers, or to the last where they run backwards."""
        return (left if self._step > 0 else left + width - 1) * self.strides[1]

    def _thinned(self, lines: Array) -> Array:
        """The numbers of lines without what lies between them."""
        return lines if self._step == 1 else np.ascontiguousarray(lines[:, :: self._step])

    def _take_lines(self, places: npt.NDArray[np.int64]) -> Array:
        lines = self._lines(len(places), self.shape[1])
        self._fill(zip(lines, places.tolist(), strict=True))
        return self._thinned(lines)

    def _read_lines(self, lines: Array, first: int) -> Array:
        """Read lines that follow each other at one distance."""
        if lines.size == 0:
            return self._thinned(lines)
        count, length = len(lines), lines[0].nbytes
        stride = self.strides[0]
        if stride == length or count == 1:
            self._fill([(lines, first)])
        elif length < stride <= SHORT_STRIDE:
            step = max(1, PANEL_BYTES // stride)
            for top in range(0, count, step):
                some = lines[top : top + step]
                panel = np.empty((len(some) - 1) * stride + length, np.uint8)
                self._fill([(panel, first + top * stride)])
                some[:] = np.ndarray(some.shape, self.dtype, panel, strides=(stride, self.dtype.itemsize))
        else:
            self._fill((line, first + number * stride) for number, line in enumerate(lines))
        return self._thinned(lines)

    def _fill(self, parts: Iterable[tuple[Array, int]]) -> None:
        """Fill arrays that lie together from the places in the file where they begin."""
        with self._opened() as file:
            for part, place in parts:
                file.seek(place)
                done = file.readinto(part.data)
                while done < part.nbytes:  # the system reads 2 GiB at most at a time
                    got = file.readinto(part.reshape(-1).view(np.uint8)[done:].data)
                    if not got:
                        raise changed(self.path)
                    done += got

    @contextmanager
    def _opened(self) -> Iterator[Any]:
        """Open the file, which must be the one that it was, before it is read and after."""
        try:
            file = FileIO(self.path)
        except FileNotFoundError:
            raise changed(self.path) from None
        with file:
            self._require_open(file)
            yield file
            self._require_open(file)

    def _require_open(self, file: FileIO) -> None:
        if not stamp_of(os.fstat(file.fileno())).is_same(self.stamp):
            raise changed(self.path)


class Mapping(NamedTuple):
    """A file that memory is mapped from; ``is_shared`` where this map shows what it holds, and cannot write to it."""

    path: str
    stamp: Stamp
    address: int
    offset: int
    is_shared: bool

    @classmethod
    def of(cls, values: Array) -> Self | None:
        """Look up the file that an array is mapped from to be read, as Linux lists it; None for other maps."""
        base: Any = values
        while isinstance(base, np.ndarray | memoryview):
            base = base.base if isinstance(base, np.ndarray) else base.obj
        if not isinstance(base, mmap.mmap) or values.size == 0:
            return None
        found = cls.at(values.ctypes.data)
        return found if found is not None and found.is_shared else None

    @classmethod
    def at(cls, address: int) -> Self | None:
        """Look up the file that lies at an address of memory."""
        try:
            with open("/proc/self/maps", encoding="utf-8", errors="surrogateescape", newline="\n") as lines:
                listed = [line for line in lines if _holds(line, address)]
            (line,) = listed
            span, rights, offset, _, inode, path = line.removesuffix("\n").split(maxsplit=5)
            if not os.path.exists(path):
                path = path.replace("\\012", "\n")  # the one sign that the list writes otherwise
            status = os.stat(path)
        except (OSError, ValueError):  # no such list, memory without a file, or a file without its name
            return None
        if status.st_ino != int(inode) or not os.access(path, os.R_OK):
            return None
        return cls(path, stamp_of(status), int(span.split("-")[0], 16), int(offset, 16), rights == "r--s")


def _holds(line: str, address: int) -> bool:
    first, last = (int(end, 16) for end in line.split(maxsplit=1)[0].split("-"))
    return first <= address < last
