"""Arrays in files of every registered format, by name, whole or by blocks of rows. Pickles are never loaded."""

from __future__ import annotations

import itertools
import math
import operator
import os
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from w2s_fast import _check
from w2s_fast._check import FloatArray
from w2s_fast.linalg.files.header import (
    MOST_DIMENSIONS,
    Chunked,
    FileError,
    Header,
    Index,
    Sliceable,
    Streamed,
    explained,
)
from w2s_fast.linalg.files.index import parsed, sizes, split_index, steps
from w2s_fast.linalg.files.pieces import came_as, chunks, cuts, regrouped
from w2s_fast.linalg.files.place import Place, Stamp, absolute, require_same, split_name, stamp_at
from w2s_fast.linalg.files.plain import ALL, PlainMatrix
from w2s_fast.linalg.files.registry import READERS, reader_of
from w2s_fast.linalg.files.remote import RemotePath

Array = npt.NDArray[Any]
ANY = tuple(range(MOST_DIMENSIONS + 1))
REAL = "fiub"  # kinds of real numbers
PIECE_BYTES = 16 << 20  # of rows that are read together where all of them are wanted


class RemoteMatrix(PlainMatrix):
    """A matrix of which fsspec reads ranges: row by row it would take a request each."""

    @contextmanager
    def _opened(self) -> Iterator[Any]:
        place = RemotePath(self.path)
        require_same(place, self.stamp)
        with place.open() as file:
            yield file
        require_same(place, self.stamp)


@dataclass(frozen=True)
class MatrixFile:
    """One array in a file or folder, 2-D unless asked for otherwise.

    It is named ``path``, or ``path#name`` where there are several, or ``path#name[:,12]`` for a part of the axes after
    the first. Pickled it is its place and what its header says, and numbers only of an array without a file.
    """

    path: Place
    header: Header | Chunked | Streamed
    stamp: Stamp  # which must stay
    index: Index = ()  # of what the header says

    @classmethod
    def open(
        cls, where: str | os.PathLike[str], name: str, ndims: tuple[int, ...] = (2,), kinds: str = REAL
    ) -> MatrixFile:
        """Read the header, and check all it says against the file; ``kinds`` are those of NumPy's types to take.

        Raises
        ------
        ValueError
            If the file is of another kind, holds no array of numbers of ``ndims`` dimensions or several of them, or
            if its header disagrees with itself or with the size of the file.
        ImportError
            If the library is missing that the format needs.
        """
        said = repr(os.fspath(where))
        path, entry = split_name(where)
        with explained(f"{name}: cannot read {said}"):
            is_there = path.is_file() or path.is_dir()
            reader = reader_of(path)
        if not is_there:
            raise FileNotFoundError(f"{name}: there is no file {said}")
        if reader is None:
            raise ValueError(f"{name} must be an array or a file of type {', '.join(READERS)}, got {said}")
        array, brackets = split_index(entry)
        with explained(f"{name}: cannot read {said}"):
            stamp = stamp_at(path)
            header = reader(absolute(path), array)
            index = parsed(brackets, header.shape)
            if index and isinstance(header, Sliceable):
                header, index = header.at(index), ()
            _ = header.shape, header.dtype  # which some formats look up
        file = cls(path, header, stamp, index)
        file._require(name, said, ndims, kinds)
        return file

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"path": absolute(self.path)}

    def _require(self, name: str, said: str, ndims: tuple[int, ...], kinds: str) -> None:
        """Refuse what is no array of real numbers of ``ndims`` dimensions that fills its room."""
        header = self.header
        if header.dtype.kind not in kinds:
            raise _check.ArgumentError(f"{name} must hold real numbers, got dtype {header.dtype} in {said}")
        if len(self.shape) not in ndims:
            expected = " or ".join(map(str, ndims))
            hint = "; path#name[:,0] is the first of its second axis" * (len(self.shape) > max(ndims))
            raise ValueError(f"{name} must have {expected} dimension(s), got shape {self.shape} in {said}{hint}")
        if not isinstance(header, Header):
            return
        if header.nbytes > header.room:
            raise self._too_short()
        if header.nbytes < header.room:
            raise ValueError(
                f"{name}: {said} holds {header.room - header.nbytes:,} bytes more than {self._expected()} takes: it "
                "must hold that array and nothing else"
            )

    @property
    def shape(self) -> tuple[int, ...]:
        return sizes(self.header.shape, self.index)

    @property
    def dtype(self) -> np.dtype[Any]:
        """As it is stored; bfloat16 as uint16."""
        return self.header.dtype

    @property
    def kind(self) -> str:
        """Name of the type of its numbers."""
        return "bfloat16" if self._is_bfloat16 else str(self.dtype)

    @property
    def plain(self) -> PlainMatrix | None:
        """The matrix as it lies in a file of this machine; None where it is elsewhere, packed, or must be decoded."""
        if len(self.shape) != 2 or self._is_bfloat16 or self.dtype.kind == "b" or isinstance(self.path, RemotePath):
            return None
        return self._stored

    @property
    def _is_bfloat16(self) -> bool:
        return isinstance(self.header, Header) and self.header.bfloat16

    @property
    def _stored(self) -> PlainMatrix | None:
        """What lies in the file, of which one dimension makes a column; None where it lies in pieces or packed."""
        if not isinstance(self.header, Header) or self.header.entry is not None:
            return None
        moved, strides = steps(self.header.steps, self.index)
        rows, columns, *_ = *self.shape, 1, 1
        down, right, *_ = *strides, self.dtype.itemsize, self.dtype.itemsize
        return self._matrix((rows, columns), self.header.start + moved, (down, right))

    def _matrix(self, shape: tuple[int, int], start: int, strides: tuple[int, int]) -> PlainMatrix:
        if isinstance(self.path, RemotePath):
            return RemoteMatrix(str(self.path), self.dtype, shape, start, strides, self.stamp)
        return PlainMatrix(os.path.abspath(self.path), self.dtype, shape, start, strides, self.stamp)

    @property
    def float_dtype(self) -> np.dtype[Any]:
        """Of the blocks."""
        return _check.floats(np.zeros(0, np.float32 if self._is_bfloat16 else self.dtype), "dtype").dtype

    def blocks(self, step: int, rows: slice = ALL) -> Iterator[FloatArray]:
        """Yield the rows, or some that follow each other, ``step`` at a time, as float32 or float64.

        A transpose in an archive is unpacked whole, since its rows end with the last of its bytes; other formats that
        are read from their start are read up to the last row that is wanted.
        """
        for block in self._blocks(step, rows):
            yield _check.floats(block, str(self.path), finite=False)

    def array(self) -> Array:
        """All of it, in memory."""
        header = self.header
        if self._stored is not None and len(self.shape) <= 2:
            return self._decoded(self._stored.read().reshape(self.shape))
        found = np.empty(self.shape, np.float32 if self._is_bfloat16 else self.dtype)
        if isinstance(header, Header) and header.entry is None:
            for places, matrix in self._matrices(header):
                index: tuple[Any, ...] = (ALL, *places)
                found[index] = self._decoded(matrix.read())
            return found
        rows = 0
        for piece in self._pieces(max(1, PIECE_BYTES // max(self._row_bytes, 1))):
            found[rows : rows + len(piece)] = piece
            rows += len(piece)
        require_same(self.path, self.stamp)
        return found

    def flat(self, count: int) -> Iterator[Array]:
        """Yield all numbers of an array of any shape in whatever order they lie, some ``count`` at a time."""
        header = self.header
        if isinstance(header, Header) and header.entry is None and header.strides is None and not self.index:
            size = math.prod(header.shape)
            line = self._matrix((size, 1), header.start, (self.dtype.itemsize,) * 2)
            yield from (self._decoded(line.read(slice(first, first + count))) for first in range(0, size, count))
        elif len(self.shape) > 2 and isinstance(header, Header) and header.entry is None:
            for _, matrix in self._matrices(header):
                step = max(1, count // max(matrix.shape[1], 1))
                yield from (self._decoded(matrix.read(cut)) for cut in cuts(len(matrix), step))
        else:
            yield from self._blocks(max(1, count // max(math.prod(self.shape[1:]), 1)))

    def _matrices(self, header: Header) -> Iterator[tuple[tuple[int, ...], PlainMatrix]]:
        """Yield matrices of the first axis and the last, each with its index in those between."""
        moved, strides = steps(header.steps, self.index)
        for places in itertools.product(*map(range, self.shape[1:-1])):
            start = header.start + moved + sum(map(operator.mul, places, strides[1:-1]))
            yield places, self._matrix((self.shape[0], self.shape[-1]), start, (strides[0], strides[-1]))

    @property
    def _row_bytes(self) -> int:
        return math.prod(self.shape[1:]) * self.dtype.itemsize

    def _blocks(self, step: int, rows: slice = ALL) -> Iterator[Array]:
        first, stop, _ = rows.indices(self.shape[0])
        if self._stored is not None:
            yield from (self._decoded(self._stored.read(cut)) for cut in cuts(stop, step, first))
        elif first >= stop:
            yield self._decoded(np.empty((0, *self.shape[1:]), self.dtype))
        else:
            with closing(self._pieces(step, first, stop)) as pieces:
                for block in regrouped(pieces, step):
                    require_same(self.path, self.stamp)
                    yield block

    def _pieces(self, step: int, first: int = 0, stop: int | None = None) -> Generator[Array, None, None]:
        """Yield rows in pieces of any height: ``step`` rows take about as much room as the pieces do."""
        rows, last = first, self.shape[0] if stop is None else stop
        step = max(1, step * self._row_bytes // max(math.prod(self.header.shape[1:]) * self.dtype.itemsize, 1))
        if isinstance(self.header, Header):
            pieces = self._unpacked_pieces(self.header, step, first)
        elif isinstance(self.header, Streamed):
            pieces = self.header.pieces(first)
        else:
            pieces = chunks(self.header, step, first, last)
        with closing(pieces):
            while rows < last or last == self.shape[0]:  # then up to the end, where more may come than there should be
                with self._explained():
                    piece = next(pieces, None)
                    if piece is None:
                        break
                    rows += len(piece)
                    self._require_piece(piece, rows)
                wanted = slice(len(piece) - max(rows - last, 0))
                yield self._decoded(piece)[(wanted, *self.index)]
        if rows < last:
            raise self._too_short()

    def _require_piece(self, piece: Array, rows: int) -> None:
        """Refuse what is not of the shape and dtype that the header says, up to row ``rows``."""
        if piece.shape[1:] != self.header.shape[1:] or piece.dtype != self.dtype or rows > self.shape[0]:
            raise came_as(slice(rows - len(piece), rows), piece)

    def _decoded(self, block: Array) -> Array:
        if self._is_bfloat16:  # the upper half of a float32
            return (block.astype(np.uint32) << 16).view(np.float32)
        # A byte of a stranger may be more than 1, which NumPy takes for true here and for a number there.
        return block.view(np.uint8) != 0 if self.dtype.kind == "b" else block

    def _unpacked_pieces(self, header: Header, step: int, first: int) -> Generator[Array, None, None]:
        shape, rows = header.shape, self.shape[0]
        is_scattered = header.fortran and sum(size > 1 for size in shape) > 1
        with self._unpacked(header) as stream:
            if is_scattered:
                whole = np.empty(shape[::-1], self.dtype)
                self._fill(stream, whole, last=True)
                yield whole.T[first:]
                return
            if first:
                stream.seek(header.start + first * math.prod(shape[1:]) * self.dtype.itemsize)
            for cut in cuts(rows, step, first):
                block = np.empty((cut.stop - cut.start, *shape[1:]), self.dtype)
                self._fill(stream, block, last=cut.stop == rows)
                yield block

    @contextmanager
    def _unpacked(self, header: Header) -> Iterator[IO[bytes]]:
        """Open the entry of the archive at the first number."""
        import zipfile

        from w2s_fast.linalg.files import npz

        with self.path.open("rb", buffering=0) as file:
            require_same(self.path, self.stamp)
            with zipfile.ZipFile(file) as archive, npz.opened(archive, str(header.entry), self.stamp.size) as stream:
                stream.read(header.start)
                yield stream

    def _fill(self, stream: IO[bytes], block: Array, last: bool = False) -> None:
        """Read a block; ``last`` reads on to the end of the entry, where its checksum is compared."""
        left = block.data.cast("B") if block.size else memoryview(b"")
        while left:
            got = stream.readinto(left)  # type: ignore[attr-defined]
            if not got:
                raise self._too_short()
            left = left[got:]
        if last:
            stream.read(1)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn what is raised amid reading into one line: that the file changed, where it did."""
        try:
            with explained(f"cannot read {str(self.path)!r}"):
                yield
        except (ValueError, OSError):
            require_same(self.path, self.stamp)
            raise

    def _expected(self) -> str:
        return f"{' x '.join(f'{size:,}' for size in self.header.shape)} {self.kind}"

    def _too_short(self) -> ValueError:
        return FileError(f"{str(self.path)!r} ends early: {self._expected()} expected. Was it written to the end?")
