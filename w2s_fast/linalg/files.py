"""Matrices in .npy, .npz and .safetensors files, read front to back by plain reads.

A memory map would count every page it has touched as resident; a read costs its own buffer. Pickles are never loaded.
"""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from w2s_fast import _check
from w2s_fast._check import FloatArray

SAFETENSORS = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2"} | {
    f"{sign}{8 * size}": f"<{kind}{size}" for sign, kind in (("I", "i"), ("U", "u")) for size in (1, 2, 4, 8)
}


@dataclass(frozen=True)
class MatrixFile:
    """One 2-D array in a file: ``path``, or ``path#name`` where the file holds several."""

    path: Path
    entry: str | None  # in the archive
    shape: tuple[int, int]
    dtype: np.dtype[Any]
    start: int  # byte of the first number, in the file or in the archive's entry
    stamp: tuple[int, int]  # size and time of last change, which must stay
    bfloat16: bool = False

    @classmethod
    def open(cls, where: Any, name: str) -> MatrixFile:
        """Read the header.

        Raises
        ------
        ValueError
            If the file is of another kind, holds no 2-D array of numbers in C order or several of them, or is too
            short for what its header says.
        """
        text, _, entry = os.fspath(where).partition("#")
        path = Path(text)
        if not path.is_file():
            raise FileNotFoundError(f"{name}: there is no file {text!r}")
        readers = {".npy": _npy, ".npz": _npz, ".safetensors": _safetensors}
        if path.suffix not in readers:
            raise ValueError(f"{name} must be an array or a file of type {', '.join(readers)}, got {text!r}")
        status = path.stat()
        try:
            entry_name, shape, dtype, start, bfloat16 = readers[path.suffix](path, entry)
        except (zipfile.BadZipFile, json.JSONDecodeError, UnicodeDecodeError, EOFError, KeyError, ValueError) as error:
            raise ValueError(f"{name}: cannot read {os.fspath(where)!r}: {error}") from None
        if len(shape) != 2:
            raise ValueError(f"{name} must have 2 dimension(s), got shape {shape} in {os.fspath(where)!r}")
        if dtype.kind not in "fiub":
            raise TypeError(f"{name} must hold real numbers, got dtype {dtype} in {os.fspath(where)!r}")
        file = cls(path, entry_name, shape, dtype, start, (status.st_size, status.st_mtime_ns), bfloat16)
        if entry_name is None and status.st_size < start + shape[0] * shape[1] * dtype.itemsize:
            raise file._too_short()
        return file

    def blocks(self, step: int) -> Iterator[FloatArray]:
        """Yield the rows, ``step`` at a time, as float32 or float64."""
        rows, columns = self.shape
        with self._stream() as stream:
            for first in range(0, max(rows, 1), step):
                block: npt.NDArray[Any] = np.empty((min(step, rows - first), columns), self.dtype)
                self._fill(stream, block)
                if self._stamp() != self.stamp:
                    raise ValueError(f"{str(self.path)!r} changed while it was read: start again when it is complete")
                if self.bfloat16:  # the upper half of a float32
                    block = (block.astype(np.uint32) << 16).view(np.float32)
                yield _check.floats(block, str(self.path), finite=False)

    @contextmanager
    def _stream(self) -> Iterator[IO[bytes]]:
        """Open the file, or the entry of the archive, at the first number."""
        with self.path.open("rb", buffering=0) as file:
            if self.entry is None:
                file.seek(self.start)
                yield file
            else:
                with zipfile.ZipFile(file) as archive, archive.open(self.entry) as entry:
                    entry.read(self.start)
                    yield entry

    def _fill(self, stream: IO[bytes], block: npt.NDArray[Any]) -> None:
        if block.size == 0:
            return
        left = block.data.cast("B")
        while left:
            got = stream.readinto(left)  # type: ignore[attr-defined]
            if not got:
                raise self._too_short()
            left = left[got:]

    def _stamp(self) -> tuple[int, int]:
        status = self.path.stat()
        return status.st_size, status.st_mtime_ns

    def _too_short(self) -> ValueError:
        return ValueError(
            f"{str(self.path)!r} ends early: {self.shape[0]:,} x {self.shape[1]:,} {self.dtype} expected. "
            "Was it written to the end?"
        )


Header = tuple[str | None, tuple[int, ...], np.dtype[Any], int, bool]


def _npy_header(stream: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any]]:
    version = np.lib.format.read_magic(stream)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran, dtype = read(stream)
    if fortran and len(shape) == 2 and min(shape) > 1:
        raise ValueError("it is in Fortran order, whose rows lie scattered: save numpy.ascontiguousarray of it")
    return shape, dtype


def _npy(path: Path, entry: str) -> Header:
    if entry:
        raise ValueError(f"an .npy file holds one array, there is none called {entry!r}")
    with path.open("rb") as stream:
        return None, *_npy_header(stream), stream.tell(), False


def _npz(path: Path, entry: str) -> Header:
    with zipfile.ZipFile(path) as archive:
        member = _pick([item.removesuffix(".npy") for item in archive.namelist()], entry) + ".npy"
        with archive.open(member) as stream:
            return member, *_npy_header(stream), stream.tell(), False


def _safetensors(path: Path, entry: str) -> Header:
    with path.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        if length > path.stat().st_size:
            raise ValueError("its header is longer than the file")
        header = json.loads(stream.read(length))
    tensor = header[_pick([key for key in header if key != "__metadata__"], entry)]
    kind = tensor["dtype"]
    if kind not in SAFETENSORS:
        raise ValueError(f"its dtype {kind} is none of {', '.join(SAFETENSORS)}")
    start = 8 + length + tensor["data_offsets"][0]
    return None, tuple(tensor["shape"]), np.dtype(SAFETENSORS[kind]), start, kind == "BF16"


def _pick(names: list[str], entry: str) -> str:
    """Return the array asked for, or the only one."""
    if entry in names:
        return entry
    if entry or len(names) != 1:
        said = f"there is no {entry!r}" if entry else f"it holds {len(names)} arrays"
        raise ValueError(f"{said}: write path#name, with a name of {sorted(names)}")
    return names[0]
