"""Arrays of zarr, in folders and .zip files, named as in ``path#group/array``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from w2s_fast.linalg.files.header import needed, pick
from w2s_fast.linalg.files.place import Place, fetched
from w2s_fast.linalg.files.remote import RemotePath
from w2s_fast.linalg.files.sliced import Sliced

ONLY = ""  # name of an array that is no member of a group


def read(path: Place, entry: str) -> Sliced:
    """Look at one array."""
    found = partial(opened, path, pick(names(path), entry.strip("/")))
    with found() as array:
        if "pickle" in json.dumps(array.metadata.to_dict(), default=str).lower():
            raise ValueError("it is made of pickles, which are never loaded: write it as plain numbers")
        return Sliced(found, array.shape, array.dtype)


def names(path: Place) -> list[str]:
    """Name the arrays in all groups."""
    with _root(path) as root:
        return (
            [ONLY] if hasattr(root, "dtype") else [name for name, item in root.members(None) if hasattr(item, "dtype")]
        )


@contextmanager
def opened(path: Place, name: str) -> Iterator[Any]:
    """Open an array to be read."""
    with _root(path) as root:
        yield root[name] if name else root


@contextmanager
def _root(path: Place) -> Iterator[Any]:
    """The group or array that is the whole of a store."""
    with needed("zarr 3", "zarr"):
        import zarr
        from zarr.storage import FsspecStore, LocalStore, ZipStore
    store: Any
    if path.suffix == ".zip":
        store = ZipStore(fetched(path), mode="r")
    elif isinstance(path, RemotePath):
        store = FsspecStore.from_url(str(path), read_only=True)
    else:
        store = LocalStore(path, read_only=True)
    root = zarr.open(store, mode="r")
    try:
        yield root
    finally:
        store.close()
