"""Formats by the ends of file names: a new one is a module beside this one, and a line here."""

from __future__ import annotations

from collections.abc import Callable

from w2s_fast.linalg.files import arrow, csv, hdf5, npy, npz, safetensors, torch, zarr
from w2s_fast.linalg.files.header import Chunked, Header, Streamed
from w2s_fast.linalg.files.place import Place

Reader = Callable[[Place, str], Header | Chunked | Streamed]  # of a file, and the name of an array in it or ""
READERS: dict[str, Reader] = {
    ".npy": npy.read,
    ".npz": npz.read,
    ".safetensors": safetensors.read,
    ".pt": torch.read,
    ".pth": torch.read,
    ".parquet": arrow.read,
    ".arrow": arrow.read,
    ".feather": arrow.read,
    ".h5": hdf5.read,
    ".hdf5": hdf5.read,
    ".zarr": zarr.read,
    ".zip": zarr.read,
    ".csv": csv.read,
    ".tsv": csv.read,
}
NAMES: dict[Reader, Callable[[Place], list[str]]] = {  # of the arrays, in formats that hold several
    npz.read: npz.names,
    safetensors.read: safetensors.names,
    torch.read: torch.names,
    arrow.read: arrow.names,
    hdf5.read: hdf5.names,
    zarr.read: zarr.names,
    csv.read: csv.names,
}
FOLDERS = (".zarr",)  # formats of folders; others hold tables of Arrow, a part in each file


def reader_of(path: Place) -> Reader | None:
    """Return the reader of a file or folder; None where there is none."""
    return READERS.get(path.suffix) if path.suffix in FOLDERS or not path.is_dir() else arrow.read
