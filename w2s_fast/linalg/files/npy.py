"""Headers of .npy files: a magic string, a version, a length, and a Python dictionary of three keys."""

from __future__ import annotations

import ast
import re
from typing import IO, Any

import numpy as np

from w2s_fast.linalg.files.header import Header, checked_shape, shown
from w2s_fast.linalg.files.place import Place

MAGIC = b"\x93NUMPY"
LENGTHS = {(1, 0): 2, (2, 0): 4, (3, 0): 4}  # bytes of the header's length, by version
LONGEST = 10_000  # bytes of a header, as NumPy has it: those of plain numbers have fewer than 200
KEYS = ["descr", "fortran_order", "shape"]


def read(path: Place, entry: str) -> Header:
    """Look at the one array of a file."""
    if entry:
        raise ValueError(f"an .npy file holds one array, there is none called {entry!r}")
    with path.open("rb") as stream:
        return header(stream, path.stat().st_size)


def header(stream: IO[bytes], size: int, entry: str | None = None) -> Header:
    """Read the header at the start of ``size`` bytes."""
    start = stream.read(len(MAGIC) + 2)
    version = tuple(start[len(MAGIC) :])
    if start[: len(MAGIC)] != MAGIC or version not in LENGTHS:
        raise ValueError("it does not begin as an .npy file of version 1, 2 or 3 does")
    length = int.from_bytes(stream.read(LENGTHS[version]), "little")
    if length > min(LONGEST, size):
        raise ValueError(f"its header says that it has {length:,} bytes")
    text = stream.read(length)
    if len(text) < length:
        raise ValueError("its header is cut short")
    found = _parsed(text.decode("utf-8" if version == (3, 0) else "latin1"))
    first = len(start) + LENGTHS[version] + length
    if type(found["fortran_order"]) is not bool:
        raise ValueError(f"its fortran_order must be True or False, got {shown(found['fortran_order'])}")
    dtype = _dtype(found["descr"])
    shape = checked_shape(found["shape"], dtype.itemsize)
    return Header(shape, dtype, first, size - first, fortran=found["fortran_order"], entry=entry)


def _parsed(text: str) -> dict[str, Any]:
    # Python 2 wrote long integers as 3L.
    tree = ast.parse(re.sub(r"(?<=\d)L(?=[,)\s])", "", text).strip(), mode="eval").body
    names = [ast.literal_eval(key) for key in tree.keys if key is not None] if isinstance(tree, ast.Dict) else []
    if not isinstance(tree, ast.Dict) or len(names) != len(tree.values) or sorted(map(str, names)) != KEYS:
        raise ValueError(f"its header must be a dictionary of {', '.join(KEYS)}, each once, got {shown(text)}")
    return dict(zip(names, map(ast.literal_eval, tree.values), strict=True))


def _dtype(descr: Any) -> np.dtype[Any]:
    if isinstance(descr, list):  # fields of a record: no matrix, as the caller will say
        return np.dtype(np.void)
    try:
        if isinstance(descr, str):
            return np.dtype(descr)
    except (TypeError, ValueError, SyntaxError):
        pass
    raise ValueError(f"its descr must name a dtype, got {shown(descr)}")
