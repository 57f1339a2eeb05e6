"""Headers of .safetensors files: JSON that names each tensor's dtype, shape and bytes.

The format leaves no room for doubt: tensors lie one after the other and fill the file. What does not is refused, as
its own library does.
"""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np

from w2s_fast.linalg.files.header import Header, checked_shape, pick, shown
from w2s_fast.linalg.files.place import Place

DTYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2", "BOOL": "|b1"} | {
    f"{sign}{8 * size}": f"<{kind}{size}" for sign, kind in (("I", "i"), ("U", "u")) for size in (1, 2, 4, 8)
}
LONGEST = 100_000_000  # bytes of a header, as the format has it
LENGTH = 8  # bytes of the header's length
FIELDS = ("dtype", "shape", "data_offsets")


def read(path: Place, entry: str) -> Header:
    """Look at one tensor, and at what the header says of the others."""
    header, room = _header(path)
    spans = {name: _span(name, tensor, room) for name, tensor in header.items()}
    _require_filled(spans, room)
    name = pick(list(header), entry)
    kind = header[name]["dtype"]
    if kind not in DTYPES:
        raise ValueError(f"the dtype of {name!r}, {shown(kind)}, is none of {', '.join(DTYPES)}")
    first, last = spans[name]
    return Header(
        tuple(header[name]["shape"]),
        np.dtype(DTYPES[kind]),
        path.stat().st_size - room + first,
        last - first,
        bfloat16=kind == "BF16",
    )


def names(path: Place) -> list[str]:
    """Name the tensors."""
    return list(_header(path)[0])


def _header(path: Place) -> tuple[dict[str, Any], int]:
    """What the header says of each tensor, and how many bytes follow it."""
    size = path.stat().st_size
    with path.open("rb") as stream:
        length = int.from_bytes(stream.read(LENGTH), "little")
        if size < LENGTH or length > size - LENGTH:
            raise ValueError("its header is longer than the file")
        if length > LONGEST:
            raise ValueError(f"its header has {length:,} bytes, more than the format allows")
        header = json.loads(stream.read(length).decode(), object_pairs_hook=_once)
    if not isinstance(header, dict):
        raise ValueError(f"its header must be a JSON object, got {shown(header)}")
    header.pop("__metadata__", None)
    return header, size - LENGTH - length


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make a dictionary of what names each key once."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in found if names.count(name) > 1)
        raise ValueError(f"its header names {shown(twice)} more than once")
    return found


def _span(name: str, tensor: Any, room: int) -> tuple[int, int]:
    """Bytes that a tensor takes, which its shape and dtype must come to."""
    if not isinstance(tensor, dict) or not tensor.keys() >= set(FIELDS):
        raise ValueError(f"{shown(name)} must have {', '.join(FIELDS)}, got {shown(tensor)}")
    kind, offsets = tensor["dtype"], tensor["data_offsets"]
    if not isinstance(kind, str):
        raise ValueError(f"the dtype of {shown(name)} must be a name, got {shown(kind)}")
    if not isinstance(offsets, list) or len(offsets) != 2 or any(type(place) is not int for place in offsets):
        raise ValueError(f"the data_offsets of {shown(name)} must be two whole numbers, got {shown(offsets)}")
    first, last = offsets
    if not 0 <= first <= last <= room:
        raise ValueError(f"the data_offsets of {shown(name)}, {shown(offsets)}, lie outside the {room:,} bytes of data")
    itemsize = np.dtype(DTYPES[kind]).itemsize if kind in DTYPES else 0
    try:
        shape = checked_shape(tensor["shape"], itemsize)
    except ValueError as error:
        raise ValueError(f"{shown(name)}: {error}") from None
    if kind in DTYPES and math.prod(shape) * itemsize != last - first:
        raise ValueError(
            f"the data_offsets of {shown(name)} span {last - first:,} bytes, its shape {shown(list(shape))} of {kind} "
            f"takes {math.prod(shape) * itemsize:,}"
        )
    return first, last


def _require_filled(spans: dict[str, tuple[int, int]], room: int) -> None:
    """Refuse tensors that overlap, and bytes that are none's."""
    end = 0
    for name, (first, last) in sorted(spans.items(), key=lambda item: item[1]):
        if first != end:
            raise ValueError(f"the data_offsets of {shown(name)} {'overlap others' if first < end else 'leave a hole'}")
        end = last
    if end != room:
        raise ValueError(f"its tensors take {end:,} bytes of data, the file has {room:,}: was it written to the end?")
