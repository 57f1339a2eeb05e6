"""What is in a file: names, shapes and types of its arrays, and whether their numbers are finite."""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np

from w2s_fast.linalg.files.header import explained
from w2s_fast.linalg.files.index import split_index
from w2s_fast.linalg.files.matrix import ANY, MatrixFile
from w2s_fast.linalg.files.place import split_name
from w2s_fast.linalg.files.registry import names_by, reader_of

CALLED = "FILE"  # in messages
AT_ONCE = 1 << 21  # numbers that are looked at together


@dataclass(frozen=True)
class Item:
    """One array of a file.

    Attributes
    ----------
    name : str
        Behind the ``#``; '' where a file holds one array without a name.
    shape : tuple of int or None
        None where it cannot be read.
    dtype : str
        Type of its numbers.
    nan, infinite : int or None
        How many numbers are; None where nobody looked.
    note : str
        Why it cannot be read.
    """

    name: str
    shape: tuple[int, ...] | None = None
    dtype: str = ""
    nan: int | None = None
    infinite: int | None = None
    note: str = ""


def contents(where: str | os.PathLike[str], scan: bool = True) -> list[Item]:
    """List the arrays of a file or folder, or the one that ``path#name`` names.

    Parameters
    ----------
    where : path
        Of a file, a folder, or an array in it.
    scan : bool
        Read all numbers, by blocks, and count those that are NaN or infinite.

    Raises
    ------
    FileNotFoundError, ValueError, ImportError
        If there is no such file, or none that can be read.

    Examples
    --------
    >>> import tempfile, numpy as np
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     np.savez(f"{folder}/X.npz", weak=np.ones((5, 3)), y=np.array([1.0, np.nan]))
    ...     for item in contents(f"{folder}/X.npz"):
    ...         print(item.name, item.shape, item.dtype, item.nan)
    weak (5, 3) float64 0
    y (2,) float64 1
    """
    path, entry = split_name(where)
    with explained(f"cannot read {os.fspath(where)!r}"):
        reader = reader_of(path) if path.is_file() or path.is_dir() else None
        listed = None if reader is None else names_by(reader)
        names = [] if entry or listed is None else listed(path)
    if entry or listed is None:
        return [_opened(where, entry, scan)]
    return [_item(f"{path}#{name}", name, scan) for name in names] or _empty(where)


def _empty(where: str | os.PathLike[str]) -> list[Item]:
    raise ValueError(f"{os.fspath(where)!r} holds no arrays")


def _item(where: str, name: str, scan: bool) -> Item:
    """Look at one array of several, of which some may be no numbers."""
    if split_index(name)[1]:
        return Item(name, note="its name reads like an index: write it under another")
    try:
        return _opened(where, name, scan)
    except ValueError as error:
        return Item(name, note=str(error).removeprefix(f"{CALLED}: cannot read {where!r}: "))


def _opened(where: str | os.PathLike[str], name: str, scan: bool) -> Item:
    file = MatrixFile.open(where, CALLED, ANY)
    if not scan or not file.shape:
        return Item(name, file.shape, file.kind)
    nan = infinite = 0
    if file.dtype.kind == "f" or file.kind == "bfloat16":
        for block in file.flat(AT_ONCE):
            bad = block[~np.isfinite(block)]
            nan, infinite = nan + int(np.isnan(bad).sum()), infinite + int(np.isinf(bad).sum())
    return Item(name, file.shape, file.kind, nan, infinite)
