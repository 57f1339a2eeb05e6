"""Matrices in .npy, .npz and .safetensors files, by name, whole or by blocks of rows. Pickles are never loaded."""

from __future__ import annotations

import math
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
from w2s_fast.linalg.files.header import Chunked, Header, explained
from w2s_fast.linalg.files.plain import PlainMatrix, Stamp, require_same, stamp_of
from w2s_fast.linalg.files.registry import READERS


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


@dataclass(frozen=True)
class MatrixFile:
    """One array in a file, 2-D unless asked for otherwise: ``path``, or ``path#name`` where it holds several."""

    path: Path
    header: Header | Chunked
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
            _ = header.shape, header.dtype  # which some formats look up
        if header.dtype.kind not in "fiub":
            raise _check.ArgumentError(f"{name} must hold real numbers, got dtype {header.dtype} in {said}")
        if len(header.shape) not in ndims:
            expected = " or ".join(map(str, ndims))
            raise ValueError(f"{name} must have {expected} dimension(s), got shape {header.shape} in {said}")
        file = cls(path, header, stamp)
        if isinstance(header, Header) and header.nbytes > header.room:
            raise file._too_short()
        if isinstance(header, Header) and header.nbytes < header.room:
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
        return isinstance(self.header, Header) and self.header.fortran and len(self.shape) == 2 and min(self.shape) > 1

    @property
    def plain(self) -> PlainMatrix | None:
        """The matrix as it lies in the file; None where it lies in pieces or packed, and where it must be decoded."""
        return self._stored if len(self.shape) == 2 and not self._is_bfloat16 and self.dtype.kind != "b" else None

    @property
    def _is_bfloat16(self) -> bool:
        return isinstance(self.header, Header) and self.header.bfloat16

    @property
    def _stored(self) -> PlainMatrix | None:
        """What lies in the file, of which one dimension makes a column; None where it lies in pieces or packed."""
        if not isinstance(self.header, Header) or self.header.entry is not None:
            return None
        rows, columns = self.shape if len(self.shape) == 2 else (math.prod(self.shape), 1)
        shape = rows, columns
        return PlainMatrix.laid_out(self.path, self.dtype, shape, self.header.start, self.is_scattered, self.stamp)

    def blocks(self, step: int) -> Iterator[FloatArray]:
        """Yield the rows, ``step`` at a time, as float32 or float64.

        A transpose in an archive is unpacked whole, since its rows end with the last of its bytes.
        """
        for block in self._blocks(step):
            yield _check.floats(block, str(self.path), finite=False)

    def array(self) -> npt.NDArray[Any]:
        """All of it, in memory."""
        if self._stored is not None:
            return self._decoded(self._stored.read().reshape(self.shape))
        if not isinstance(self.header, Header):
            return self._piece(self.header, slice(0, self.shape[0]))
        whole: npt.NDArray[Any] = np.empty(self.shape[::-1] if self.is_scattered else self.shape, self.dtype)
        with self._unpacked(self.header) as stream:
            self._fill(stream, whole, last=True)
        return self._decoded(whole.T if self.is_scattered else whole)

    def _blocks(self, step: int) -> Iterator[npt.NDArray[Any]]:
        rows, columns = self.shape
        cuts = [slice(first, min(first + step, rows)) for first in range(0, max(rows, 1), step)]
        if self._stored is not None:
            yield from (self._decoded(self._stored.read(cut)) for cut in cuts)
        elif not isinstance(self.header, Header):
            yield from (self._piece(self.header, cut) for cut in cuts)
        elif self.is_scattered:
            whole = self.array()
            yield from (whole[cut] for cut in cuts)
        else:
            with self._unpacked(self.header) as stream:
                for cut in cuts:
                    block = np.empty((cut.stop - cut.start, columns), self.dtype)
                    self._fill(stream, block, last=cut.stop == rows)
                    yield self._decoded(block)

    def _piece(self, chunked: Chunked, rows: slice) -> npt.NDArray[Any]:
        with self._explained():
            found = np.asarray(chunked.read(rows))
            if found.shape != (rows.stop - rows.start, *self.shape[1:]) or found.dtype != self.dtype:
                raise ValueError(f"rows {rows.start:,} to {rows.stop:,} came as {found.dtype} of shape {found.shape}")
        return self._decoded(found)

    def _decoded(self, block: npt.NDArray[Any]) -> npt.NDArray[Any]:
        require_same(self.path, self.stamp)
        if self._is_bfloat16:  # the upper half of a float32
            return (block.astype(np.uint32) << 16).view(np.float32)
        # A byte of a stranger may be more than 1, which NumPy takes for true here and for a number there.
        return block.view(np.uint8) != 0 if self.dtype.kind == "b" else block

    @contextmanager
    def _unpacked(self, header: Header) -> Iterator[IO[bytes]]:
        """Open the entry of the archive at the first number."""
        with self.path.open("rb", buffering=0) as file:
            require_same(self.path, self.stamp)
            with self._explained():
                archive = zipfile.ZipFile(file)
            with archive, npz.opened(archive, str(header.entry), self.stamp[2]) as stream:
                with self._explained():
                    stream.read(header.start)
                yield stream

    def _fill(self, stream: IO[bytes], block: npt.NDArray[Any], last: bool = False) -> None:
        """Read a block; ``last`` reads on to the end of the entry, where its checksum is compared."""
        left = block.data.cast("B") if block.size else memoryview(b"")
        while left:
            with self._explained():
                got = stream.readinto(left)  # type: ignore[attr-defined]
            if not got:
                raise self._too_short()
            left = left[got:]
        if last:
            with self._explained():
                stream.read(1)

    def _explained(self) -> AbstractContextManager[None]:
        return explained(f"cannot read {str(self.path)!r}")

    def _expected(self) -> str:
        return f"{' x '.join(f'{size:,}' for size in self.shape)} {self.dtype}"

    def _too_short(self) -> ValueError:
        return ValueError(f"{str(self.path)!r} ends early: {self._expected()} expected. Was it written to the end?")
