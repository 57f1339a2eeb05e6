"""Where paths lead: files and folders of this machine, and what fsspec opens elsewhere; and whether these stay."""

from __future__ import annotations

import os
import zlib
from pathlib import Path
from typing import Any, NamedTuple

from w2s_fast.linalg.files.header import FileError
from w2s_fast.linalg.files.remote import RemotePath, is_remote

Place = Path | RemotePath


class Stamp(NamedTuple):
    """What must stay of a file, or of a folder and the files in it, while it is read.

    Attributes
    ----------
    here : tuple of int
        Device and inode. They are left out where a stamp is sent to another process: another machine has other numbers
        for the same file.
    size, time : int
        Bytes, and time of the last change; of a folder a checksum of the names, sizes and times in it.
    """

    here: tuple[int, ...]
    size: int
    time: int

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), ((), self.size, self.time)

    def is_same(self, other: Stamp) -> bool:
        return self[1:] == other[1:] and (self.here == other.here or () in (self.here, other.here))


def split_name(where: str | os.PathLike[str]) -> tuple[Place, str]:
    """Split ``path#name`` at the last ``#`` that leaves a file or folder before it; '' where no array is named.

    A path object is all path, and so is text that names a file as it stands. An address such as ``s3://...`` is split
    at its first ``#``.
    """
    text = os.fspath(where)
    if isinstance(where, str) and is_remote(text):
        path, _, name = text.partition("#")
        return RemotePath(path), name
    if isinstance(where, str) and not os.path.exists(text):
        path = text
        while "#" in path:
            path = path.rpartition("#")[0]
            if os.path.exists(path):
                return Path(path), text[len(path) + 1 :]
    return Path(text), ""


def stamp_of(status: os.stat_result) -> Stamp:
    return Stamp((status.st_dev, status.st_ino), status.st_size, status.st_mtime_ns)


def stamp_at(path: Place) -> Stamp:
    """The stamp of a file, or of a folder and all that is in it."""
    if isinstance(path, RemotePath):
        return Stamp((), *path.stamp())
    stamp = stamp_of(path.stat())
    if not path.is_dir():
        return stamp
    inodes = digest = total = 0
    for folder, folders, files in os.walk(path):
        folders.sort()
        for name in sorted(files):
            found = stamp_of(os.stat(os.path.join(folder, name)))
            inodes = zlib.crc32(str(found.here).encode(), inodes)
            digest = zlib.crc32(f"{name} {found.size} {found.time} ".encode("utf-8", "surrogateescape"), digest)
            total += found.size
    return Stamp((*stamp.here, inodes), total, digest)


def absolute(path: Place) -> Place:
    """The same place for processes in other folders."""
    return path if isinstance(path, RemotePath) else path.absolute()


def changed(path: str | Place) -> ValueError:
    return FileError(f"{str(path)!r} changed while it was read: start again when it is complete")


def require_same(path: Place, stamp: Stamp) -> None:
    """Refuse a file or folder that is no longer what it was when ``stamp`` was taken."""
    try:
        same = stamp_at(path).is_same(stamp)
    except FileNotFoundError:
        same = False
    if not same:
        raise changed(path)


def fetched(path: Place) -> Path:
    """A file of this machine: the path itself, or a temporary copy of what is elsewhere."""
    return path.fetched() if isinstance(path, RemotePath) else path
