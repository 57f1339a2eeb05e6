"""Arrays in .npz archives, stored or deflated, which zip guards by a CRC-32 each."""

from __future__ import annotations

import os
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from w2s_fast.linalg.files import npy
from w2s_fast.linalg.files.header import Header, pick
from w2s_fast.linalg.files.place import Place

DEFLATED = 1_032  # a byte of DEFLATE makes at most this many
SUFFIX = ".npy"


def read(path: Place, entry: str) -> Header:
    """Look at one array of an archive."""
    with path.open("rb") as file, zipfile.ZipFile(file) as archive:
        member = pick(_names(archive), entry) + SUFFIX
        with opened(archive, member, path.stat().st_size) as stream:
            return npy.header(stream, archive.getinfo(member).file_size, member)


def names(path: Place) -> list[str]:
    """Name the arrays of an archive."""
    with path.open("rb") as file, zipfile.ZipFile(file) as archive:
        return _names(archive)


def _names(archive: zipfile.ZipFile) -> list[str]:
    return [name.removesuffix(SUFFIX) for name in archive.namelist() if name.endswith(SUFFIX)]


def load(file: IO[bytes], names: Iterable[str]) -> dict[str, npt.NDArray[Any]]:
    """Read the named arrays whole, of numbers or text; KeyError where one is missing."""
    found = {}
    size = file.seek(0, os.SEEK_END)
    with zipfile.ZipFile(file) as archive:
        for name in names:
            with opened(archive, name + SUFFIX, size) as stream:
                header = npy.header(stream, archive.getinfo(name + SUFFIX).file_size)
                if header.dtype.kind not in "fiubU" or header.nbytes != header.room:
                    raise ValueError(f"its array {name!r} has other bytes than its header says")
                content = np.frombuffer(stream.read(), np.uint8)  # to the end, where the checksum is compared
            found[name] = content.view(header.dtype).reshape(header.shape, order="F" if header.fortran else "C")
    return found


@contextmanager
def opened(archive: zipfile.ZipFile, member: str, size: int) -> Iterator[IO[bytes]]:
    """Open an entry of an archive of ``size`` bytes; refuse one that cannot be as large as it says."""
    if Counter(archive.namelist())[member] > 1:
        raise ValueError(f"it holds several arrays of the name {member!r}")
    info = archive.getinfo(member)
    if info.flag_bits & 1:
        raise ValueError(f"its array {member!r} is encrypted: save it without a password")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError(
            f"its array {member!r} is compressed by another method than numpy.savez_compressed has, save it by that"
        )
    most = info.compress_size * (DEFLATED if info.compress_type == zipfile.ZIP_DEFLATED else 1)
    if info.file_size > most or info.header_offset + info.compress_size > size:
        raise ValueError(f"its array {member!r} cannot have the {info.file_size:,} bytes that it says")
    with archive.open(info) as stream:
        yield stream
