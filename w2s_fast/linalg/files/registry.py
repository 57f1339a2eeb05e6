"""Formats by the ends of file names: a new one is a module beside this one, and a line here."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

from w2s_fast.linalg.files.header import Chunked, Header, Streamed
from w2s_fast.linalg.files.place import Place

Reader = Callable[[Place, str], Header | Chunked | Streamed]  # of a file, and the name of an array in it or ""
Names = Callable[[Place], list[str]]  # of the arrays, in a format that holds several

Words = Callable[[Place, str], list[str | None] | None]  # of a column, in a format whose columns may hold text


@dataclass(frozen=True)
class Format:
    """Reader of a module beside this one, which is imported when a file of its kind is met."""

    module: str

    def __call__(self, path: Place, entry: str) -> Header | Chunked | Streamed:
        return cast(Reader, self._module.read)(path, entry)

    @property
    def names(self) -> Names | None:
        return getattr(self._module, "names", None)

    @property
    def words(self) -> Words | None:
        return getattr(self._module, "words", None)

    @property
    def _module(self) -> Any:
        return importlib.import_module(f"w2s_fast.linalg.files.{self.module}")


READERS: dict[str, Reader] = {
    ".npy": Format("npy"),
    ".npz": Format("npz"),
    ".safetensors": Format("safetensors"),
    ".pt": Format("torch"),
    ".pth": Format("torch"),
    ".parquet": Format("arrow"),
    ".arrow": Format("arrow"),
    ".feather": Format("arrow"),
    ".h5": Format("hdf5"),
    ".hdf5": Format("hdf5"),
    ".zarr": Format("zarr"),
    ".zip": Format("zarr"),
    ".csv": Format("csv"),
    ".tsv": Format("csv"),
}
FOLDERS = (".zarr",)  # formats of folders; others hold tables of Arrow, a part in each file


def reader_of(path: Place) -> Reader | None:
    """Return the reader of a file or folder; None where there is none."""
    return READERS.get(path.suffix) if path.suffix in FOLDERS or not path.is_dir() else Format("arrow")


def names_by(reader: Reader) -> Names | None:
    """What names the arrays of a file, if its format holds several."""
    return getattr(reader, "names", None)


def words_by(reader: Reader) -> Words | None:
    """What reads the words of a column, if columns of its format may hold text."""
    return getattr(reader, "words", None)
