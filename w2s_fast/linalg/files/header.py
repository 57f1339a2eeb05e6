"""What a header says of one array, checked: shapes, sizes, names, and errors of one line."""

from __future__ import annotations

import errno
import math
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

MOST_DIMENSIONS = 64  # NumPy's own limit
MOST_BYTES = 2**63 - 1
MOST_EMPTY = 2**31 - 1  # entries along an axis of an array without numbers, which no size of a file bounds
MOST_NAMES = 20  # shown in a message
LONGEST_MESSAGE = 400  # characters: some parsers repeat all that they were given
LONGEST_VALUE = 80
Index = tuple[int | slice, ...]  # of the axes after the first; slices have start, stop and a step of 1 at least


@dataclass(frozen=True)
class Header:
    """Where and how the numbers of one array lie.

    Attributes
    ----------
    start, room : int
        Byte of the first number in the file, or in the archive's entry; and how many bytes follow there.
    entry : str or None
        In the archive.
    strides : tuple of int or None
        Bytes from a number to the next along each axis, where these are neither those of rows nor of columns.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    start: int
    room: int
    fortran: bool = False
    bfloat16: bool = False
    entry: str | None = None
    strides: tuple[int, ...] | None = None

    @property
    def nbytes(self) -> int:
        return math.prod(self.shape) * self.dtype.itemsize

    @property
    def steps(self) -> tuple[int, ...]:
        """Bytes from a number to the next along each axis."""
        if self.strides is not None:
            return self.strides
        inner = ((self.shape[:axis] if self.fortran else self.shape[axis + 1 :]) for axis in range(len(self.shape)))
        return tuple(math.prod(sizes) * self.dtype.itemsize for sizes in inner)


class Chunked(Protocol):
    """One array of a format that keeps its rows in pieces of its own, packed or not, as its library reads them.

    It checks sizes itself, and raises what it likes: readers of it make one line of that.
    """

    @property
    def shape(self) -> tuple[int, ...]: ...

    @property
    def dtype(self) -> np.dtype[Any]: ...

    def read(self, rows: slice) -> npt.NDArray[Any]:
        """Rows from one to another, in memory."""


@runtime_checkable
class Streamed(Protocol):
    """One array of a format that is read from its first row to its last, in pieces as they come."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    @property
    def dtype(self) -> np.dtype[Any]: ...

    def pieces(self, first: int = 0) -> Generator[npt.NDArray[Any], None, None]:
        """All rows from the first on, in order, some at a time."""


@runtime_checkable
class Sliceable(Chunked, Protocol):
    """A chunked array that need not be read whole to give a part of its later axes."""

    def at(self, index: Index) -> Chunked:
        """Only the part that an index of the axes after the first cuts out."""


@contextmanager
def needed(library: str, extra: str) -> Iterator[None]:
    """Say how to install the library that a format needs, where it cannot be imported."""
    try:
        yield
    except ImportError as error:
        how = f'python -m pip install "w2s_fast[{extra}]"'
        raise ImportError(f"such files need {library}: {how} ({one_line(error)})") from None


def checked_shape(shape: Any, itemsize: int) -> tuple[int, ...]:
    """Refuse what is no list of sizes, or comes to more bytes than can be."""
    if not isinstance(shape, list | tuple) or any(type(size) is not int or size < 0 for size in shape):
        raise ValueError(f"its shape must be a list of whole numbers, at least 0, got {shown(shape)}")
    empty = 0 in shape
    if len(shape) > MOST_DIMENSIONS or max(shape, default=0) > (MOST_EMPTY if empty else MOST_BYTES):
        raise ValueError(f"its shape {shown(shape)} is none that an array can have")
    if math.prod(shape) * itemsize > MOST_BYTES:
        raise ValueError(f"its shape {shown(shape)} comes to more bytes than there can be")
    return tuple(shape)


def pick(names: Sequence[str], entry: str) -> str:
    """Return the array asked for, or the only one."""
    if len(set(names)) < len(names):
        raise ValueError("it holds several arrays of one name")
    if entry in names:
        return entry
    if entry or len(names) != 1:
        said = f"there is no {entry!r}" if entry else f"it holds {len(names)} arrays"
        some = f"{sorted(names)[:MOST_NAMES]}{' and more' * (len(names) > MOST_NAMES)}"
        raise ValueError(f"{said}: write path#name, with a name of {some}" if names else f"{said}; it is empty")
    return names[0]


def shown(value: Any) -> str:
    """Write a value of a header, of which a stranger chose the length."""
    try:
        text = repr(value)
    except ValueError:  # a whole number of thousands of digits
        return "what is too long to show"
    return text if len(text) <= LONGEST_VALUE else text[:LONGEST_VALUE] + "..."


class FileError(ValueError):
    """Names its file already."""


@contextmanager
def explained(what: str) -> Iterator[None]:
    """Turn whatever hostile bytes make parsers and decompressors raise into a ValueError of one line."""
    try:
        yield
    except FileError:
        raise
    except ImportError as error:
        raise ImportError(f"{what}: {one_line(error)}") from None
    except OSError as error:
        # That of a place before the file's first byte, and what libraries raise themselves for damaged files.
        if type(error) is not OSError or error.errno not in (None, errno.EINVAL):
            raise
        raise ValueError(f"{what}: {one_line(error)}") from None
    except Exception as error:  # zipfile, zlib, json, ast and NumPy have a dozen types for what is damaged
        raise ValueError(f"{what}: {one_line(error)}") from None


def one_line(error: BaseException) -> str:
    """Say what an error says, without line breaks."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= LONGEST_MESSAGE else text[:LONGEST_MESSAGE] + "..."
