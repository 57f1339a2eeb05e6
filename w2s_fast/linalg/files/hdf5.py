"""Datasets of HDF5 files, named as in ``path#group/dataset``. Links to other files are not followed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from w2s_fast.linalg.files.header import needed, pick
from w2s_fast.linalg.files.place import Place, fetched
from w2s_fast.linalg.files.sliced import Sliced


def read(path: Place, entry: str) -> Sliced:
    """Look at one dataset."""
    here = fetched(path)
    found = partial(opened, here, pick(names(here), entry.strip("/")))
    with found() as dataset:
        if dataset.shape is None:
            raise ValueError(f"its dataset {dataset.name!r} holds nothing")
        if dataset.is_virtual or dataset.external:
            raise ValueError(f"its dataset {dataset.name!r} lies in other files: copy it into one")
        return Sliced(found, dataset.shape, dataset.dtype)


def names(path: Place) -> list[str]:
    """Name the datasets in all groups."""
    h5py = _library()
    found = []
    with h5py.File(fetched(path), "r") as file:
        file.visititems(lambda name, item: found.append(name) if isinstance(item, h5py.Dataset) else None)
    return found


@contextmanager
def opened(path: Path, name: str) -> Iterator[Any]:
    """Open a dataset to be read."""
    with _library().File(path, "r") as file:
        yield file[name]


def _library() -> Any:
    with needed("h5py", "hdf5"):
        import h5py
    return h5py
