"""Matrices in .npy, .npz and .safetensors files, read front to back by plain reads.

A memory map would count every page it has touched as resident; a read costs its own buffer. Pickles are never loaded.
"""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from w2s_fast import _check
from w2s_fast._check import FloatArray
from w2s_fast.linalg.files import npz
from w2s_fast.linalg.files.header import Header, explained
from w2s_fast.linalg.files.registry import READERS

SHORT_COLUMN = 8_192  # bytes: to read a column of so few whole costs no more than to look for a part of it
PANEL_BYTES = 1 << 20  # of short columns read together
Stamp = tuple[int, int, int, int]  # device, inode, size and time of last change


def split_name(where: str | os.PathLike[str]) -> tuple[Path, str]:
    """Split ``path#name`` at the last ``#`` that leaves a file before it; '' where no array is named.

    A path object is all path, and so is text that names a file as it stands.
    """
    text = os.fspath(where)
    if isinstance(where, str) and not os.path.isfile(text):
        path = text
        while "#" in path:
            path = path.rpartition("#")[0]
            if os.path.isfile(path):
                return Path(path), text[len(path) + 1 :]
    return Path(text), ""


def stamp_of(status: os.stat_result) -> Stamp:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def require_same(path: str | os.PathLike[str], stamp: Stamp) -> None:
    """Refuse a file that is no longer what it was when ``stamp`` was taken."""
    try:
        same = stamp_of(os.stat(path)) == stamp
    except FileNotFoundError:
        same = False
    if not same:
        raise ValueError(f"{os.fspath(path)!r} changed while it was read: start again when it is complete")


@dataclass(frozen=True)
class MatrixFile:
    """One array in a file, 2-D unless asked for otherwise: ``path``, or ``path#name`` where it holds several."""

    path: Path
    header: Header
    stamp: Stamp  # which must stay

    @classmethod
    def open(cls, where: str | os.PathLike[str], name: str, ndims: tuple[int, ...] = (2,)) -> MatrixFile:
        """Read the header, and check all it says against the file.

        Raises
        ------
        ValueError
            If the file is of another kind, holds no array of numbers of ``ndims`` dimensions or several of them, or
            if its header disagrees with itself or with the size of the file.
        """
        said = repr(os.fspath(where))
        path, entry = split_name(where)
        if not path.is_file():
            raise FileNotFoundError(f"{name}: there is no file {said}")
        if path.suffix not in READERS:
            raise ValueError(f"{name} must be an array or a file of type {', '.join(READERS)}, got {said}")
        stamp = stamp_of(path.stat())
        with explained(f"{name}: cannot read {said}"):
            header = READERS[path.suffix](path, entry)
        if header.dtype.kind not in "fiub":
            raise TypeError(f"{name} must hold real numbers, got dtype {header.dtype} in {said}")
        if len(header.shape) not in ndims:
            expected = " or ".join(map(str, ndims))
            raise ValueError(f"{name} must have {expected} dimension(s), got shape {header.shape} in {said}")
        file = cls(path, header, stamp)
        if header.nbytes > header.room:
            raise file._too_short()
        if header.nbytes < header.room:
            raise ValueError(
                f"{name}: {said} holds {header.room - header.nbytes:,} bytes more than {file._expected()} takes: it "
                "must hold that array and nothing else"
            )
        return file

    @property
    def shape(self) -> tuple[int, ...]:
        return self.header.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.header.dtype

    @property
    def is_scattered(self) -> bool:
        """Whether a row lies in many places: the array was saved column by column, as a transpose is."""
        return self.header.fortran and len(self.shape) == 2 and min(self.shape) > 1

    def blocks(self, step: int) -> Iterator[FloatArray]:
        """Yield the rows, ``step`` at a time, as float32 or float64.

        A transpose in an archive is unpacked whole, since its rows end with the last of its bytes.
        """
        rows, columns = self.shape
        whole = self.array() if self.is_scattered and self.header.entry is not None else None
        with self._stream() as stream:
            for first in range(0, max(rows, 1), step):
                count = min(step, rows - first)
                if whole is not None:
                    block = whole[first : first + count]
                elif self.is_scattered:
                    block = self._decoded(self._columns(stream, first, count))
                else:
                    block = np.empty((count, columns), self.dtype)
                    self._fill(stream, block, last=first + count == rows)
                    block = self._decoded(block)
                yield _check.floats(block, str(self.path), finite=False)

    def array(self) -> npt.NDArray[Any]:
        """All of it: mapped where its numbers lie plain in the file, else read."""
        scattered, header = self.is_scattered, self.header
        if header.entry is None and not header.bfloat16 and self.dtype.kind != "b" and 0 not in self.shape:
            order = "F" if scattered else "C"
            mapped = np.memmap(self.path, self.dtype, "r", header.start, self.shape, order)  # type: ignore[call-overload]
            require_same(self.path, self.stamp)
            return mapped
        whole: npt.NDArray[Any] = np.empty(self.shape[::-1] if scattered else self.shape, self.dtype)
        with self._stream() as stream:
            self._fill(stream, whole, last=True)
        return self._decoded(whole.T if scattered else whole)

    def _columns(self, stream: IO[bytes], first: int, count: int) -> npt.NDArray[Any]:
        """Rows of an array that was saved column by column, by a part of each column."""
        rows, columns = self.shape
        block = np.empty((columns, count), self.dtype)
        itemsize = self.dtype.itemsize
        short = rows * itemsize <= SHORT_COLUMN
        panel = PANEL_BYTES // (rows * itemsize) if short else 1
        for left in range(0, columns, panel):
            skip = 0 if short else first
            stream.seek(self.header.start + (left * rows + skip) * itemsize)
            if short:
                part = np.empty((min(panel, columns - left), rows), self.dtype)
                self._fill(stream, part)
                block[left : left + panel] = part[:, first : first + count]
            else:
                self._fill(stream, block[left])
        return block.T

    def _decoded(self, block: npt.NDArray[Any]) -> npt.NDArray[Any]:
        require_same(self.path, self.stamp)
        if self.header.bfloat16:  # the upper half of a float32
            return (block.astype(np.uint32) << 16).view(np.float32)
        # A byte of a stranger may be more than 1, which NumPy takes for true here and for a number there.
        return block.view(np.uint8) != 0 if self.dtype.kind == "b" else block

    @contextmanager
    def _stream(self) -> Iterator[IO[bytes]]:
        """Open the file, or the entry of the archive, at the first number."""
        start, entry = self.header.start, self.header.entry
        with self.path.open("rb", buffering=0) as file:
            require_same(self.path, self.stamp)
            if entry is None:
                file.seek(start)
                yield file
            else:
                with self._explained():
                    archive = zipfile.ZipFile(file)
                with archive, npz.opened(archive, entry, self.stamp[2]) as stream:
                    with self._explained():
                        stream.read(start)
                    yield stream

    def _fill(self, stream: IO[bytes], block: npt.NDArray[Any], last: bool = False) -> None:
        """Read a block; ``last`` reads on to the end of an archive's entry, where its checksum is compared."""
        left = block.data.cast("B") if block.size else memoryview(b"")
        while left:
            with self._explained():
                got = stream.readinto(left)  # type: ignore[attr-defined]
            if not got:
                raise self._too_short()
            left = left[got:]
        if last and self.header.entry is not None:
            with self._explained():
                stream.read(1)

    def _explained(self) -> AbstractContextManager[None]:
        return explained(f"cannot read {str(self.path)!r}")

    def _expected(self) -> str:
        return f"{' x '.join(f'{size:,}' for size in self.shape)} {self.dtype}"

    def _too_short(self) -> ValueError:
        return ValueError(f"{str(self.path)!r} ends early: {self._expected()} expected. Was it written to the end?")
