"""Columns of words in files, as names of classes are: text of .csv, .tsv, .npy, .npz and tables of Arrow."""

from __future__ import annotations

import os

import numpy as np
import numpy.typing as npt

from w2s_fast.linalg.files.header import explained
from w2s_fast.linalg.files.index import split_index
from w2s_fast.linalg.files.matrix import MatrixFile
from w2s_fast.linalg.files.place import split_name
from w2s_fast.linalg.files.registry import reader_of, words_by

Words = npt.NDArray[np.str_]
TEXT = (".npy", ".npz")  # whose headers tell text from numbers


def words_in(where: str | os.PathLike[str], name: str) -> Words | None:
    """Read the words of a file or a column of it, one a row; None of numbers, and of what is to be read otherwise."""
    path, entry = split_name(where)
    if split_index(entry)[1] or not (path.is_file() or path.is_dir()):
        return None
    with explained(f"{name}: cannot read {os.fspath(where)!r}"):
        reader = reader_of(path)
        listed = None if reader is None else words_by(reader)
        if listed is not None:
            found = listed(path, entry)
            return None if found is None else np.array(_whole(found), np.str_)
        if reader is None or path.suffix not in TEXT or reader(path, entry).dtype.kind != "U":
            return None
    return MatrixFile.open(where, name, (1,), kinds="U").array()


def _whole(words: list[str | None]) -> list[str]:
    for row, word in enumerate(words):
        if not word:
            raise ValueError(f"row {row:,} has no name")
    return [str(word) for word in words]
