"""Files that fsspec opens: read by ranges where the format allows, else fetched to a temporary file first."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from types import SimpleNamespace
from typing import IO, Any
from urllib.parse import urlsplit

from w2s_fast.linalg.files.header import needed

ADDRESS = re.compile(r"([a-z][a-z0-9+.-]*::)*[a-z][a-z0-9+.-]*://", re.IGNORECASE)


def is_remote(text: str) -> bool:
    """Whether text is an address such as ``s3://bucket/file`` and no path of this machine.

    >>> is_remote("hf://datasets/who/what/x.parquet"), is_remote("C:/x.npy")
    (True, False)
    """
    return ADDRESS.match(text) is not None


@dataclass(frozen=True)
class RemotePath:
    """What readers ask of a :class:`pathlib.Path`, for an address that fsspec knows."""

    url: str

    def __str__(self) -> str:
        return self.url

    @property
    def name(self) -> str:
        address = next(part for part in self.url.split("::") if "://" in part)
        return PurePosixPath(urlsplit(address).netloc + urlsplit(address).path).name

    @property
    def suffix(self) -> str:
        return PurePosixPath(self.name).suffix

    @property
    def stem(self) -> str:
        return PurePosixPath(self.name).stem

    @cached_property
    def _opened(self) -> tuple[Any, str]:
        """The file system, and the path in it."""
        with needed("fsspec", "remote"):
            from fsspec.core import url_to_fs
        system, path = url_to_fs(self.url)
        return system, path

    def open(self, mode: str = "rb", buffering: int = -1) -> IO[bytes]:
        system, path = self._opened
        return system.open(path, mode)

    def fetched(self) -> Path:
        """A copy of the file, which fsspec keeps in a temporary folder until this process ends."""
        with needed("fsspec", "remote"):
            import fsspec
        with fsspec.open(f"filecache::{self.url}", filecache={"check_files": True}) as file:
            return Path(file.name)

    def stat(self) -> Any:
        """Its size, as ``st_size``."""
        system, path = self._opened
        return SimpleNamespace(st_size=system.info(path)["size"])

    def is_file(self) -> bool:
        system, path = self._opened
        return bool(system.isfile(path))

    def is_dir(self) -> bool:
        if self.is_file():  # over HTTP to ask for a folder reads all that is there, as a page of links
            return False
        system, path = self._opened
        return bool(system.isdir(path))

    def iterdir(self) -> Iterator[RemotePath]:
        system, path = self._opened
        return (RemotePath(system.unstrip_protocol(found)) for found in system.ls(path, detail=False))

    def __truediv__(self, name: str) -> RemotePath:
        return RemotePath(f"{self.url.rstrip('/')}/{name}")

    def stamp(self) -> tuple[int, int]:
        """Its size, and what changes when it does, as far as its file system tells."""
        system, path = self._opened
        system.invalidate_cache(path)
        found = sorted(system.find(path)) if self.is_dir() else [path]
        key = "".join(map(str, map(system.ukey, found))).encode()
        return sum(system.info(one)["size"] for one in found), zlib.crc32(key)
