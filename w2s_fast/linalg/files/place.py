"""Where paths lead: files and folders of this machine, and what fsspec opens elsewhere; and whether these stay."""

from __future__ import annotations

import os
import zlib
from pathlib import Path

from w2s_fast.linalg.files.header import FileError
from w2s_fast.linalg.files.remote import RemotePath, is_remote

Place = Path | RemotePath
Stamp = tuple[int, int, int, int]  # device, inode, size and time of last change; of a folder those of its files


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
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def stamp_at(path: Place) -> Stamp:
    """The stamp of a file, or of a folder and all that is in it."""
    if isinstance(path, RemotePath):
        return path.stamp()
    stamp = stamp_of(path.stat())
    if not path.is_dir():
        return stamp
    digest, total = 0, 0
    for folder, folders, files in os.walk(path):
        folders.sort()
        for name in sorted(files):
            found = stamp_of(os.stat(os.path.join(folder, name)))
            digest, total = zlib.crc32(f"{name}{found}".encode("utf-8", "surrogateescape"), digest), total + found[2]
    return *stamp[:2], total, digest


def changed(path: str | Place) -> ValueError:
    return FileError(f"{str(path)!r} changed while it was read: start again when it is complete")


def require_same(path: Place, stamp: Stamp) -> None:
    """Refuse a file or folder that is no longer what it was when ``stamp`` was taken."""
    try:
        same = stamp_at(path) == stamp
    except FileNotFoundError:
        same = False
    if not same:
        raise changed(path)


def fetched(path: Place) -> Path:
    """A file of this machine: the path itself, or a temporary copy of what is elsewhere."""
    return path.fetched() if isinstance(path, RemotePath) else path
