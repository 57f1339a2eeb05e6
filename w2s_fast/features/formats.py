"""Files that features end in: a format is a function here, and a line in the table.

All but zarr are put together from the chunks, of which one is in memory at a time, and have their manifest beside them.
"""

from __future__ import annotations

import json
import math
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import numpy as np

from w2s_fast._files import whole_file
from w2s_fast.features.store import Store, begin_group

ZARR = ".zarr"
ALIGNED = 8  # bytes that a header of safetensors is a multiple of
NAMES = {"float16": "F16", "float32": "F32", "float64": "F64", "int64": "I64"}  # of types, as safetensors has them


def write_npy(store: Store, file: IO[bytes]) -> None:
    """Write the only array."""
    if len(store.shapes) != 1:
        raise ValueError(
            f"an .npy file holds one array, these are {', '.join(store.shapes)}: name an .npz or .zarr file"
        )
    (name,) = store.shapes
    write_array(store, name, file)


def write_npz(store: Store, file: IO[bytes]) -> None:
    """Write all arrays into an archive, not packed. Entries bear no date: the same features are the same file."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name in store.shapes:
            with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as entry:
                write_array(store, name, entry)


def write_safetensors(store: Store, file: IO[bytes]) -> None:
    """Write all arrays behind a header of JSON."""
    header, end = {}, 0
    for name, (shape, kind) in store.shapes.items():
        size = store.rows * math.prod(shape) * np.dtype(kind).itemsize
        tensor = {"dtype": NAMES[np.dtype(kind).name], "shape": [store.rows, *shape], "data_offsets": [end, end + size]}
        header[name], end = tensor, end + size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % ALIGNED)
    file.write(len(text).to_bytes(8, "little") + text)
    for name in store.shapes:
        _write_rows(store, name, file)


WRITERS: dict[str, Callable[[Store, IO[bytes]], None]] = {
    ".npy": write_npy,
    ".npz": write_npz,
    ".safetensors": write_safetensors,
}
SUFFIXES = (ZARR, *WRITERS)


def manifest_path(out: Path) -> Path:
    """Where the manifest of a file is that has no room for one.

    >>> manifest_path(Path("features.npz")).name
    'features.npz.json'
    """
    return out.with_name(f"{out.name}.json")


def work_folder(out: Path) -> Path:
    """Where chunks lie while a file is made; a group of zarr is made where it stays."""
    return out if out.suffix not in WRITERS else out.with_name(f".{out.name}.chunks")


def finish(store: Store, out: Path, manifest: dict[str, Any]) -> None:
    """Put the file together, and clear the chunks away."""
    if out.suffix not in WRITERS:
        store.finish(manifest)
        for above in store.folder.parents:  # groups that this one is in
            if ZARR not in (part.suffix for part in (above, *above.parents)):
                break
            begin_group(above)
        return
    with whole_file(out) as file:
        WRITERS[out.suffix](store, file)
    with whole_file(manifest_path(out)) as file:
        file.write(json.dumps(manifest, indent=1).encode() + b"\n")
    store.remove()


def write_array(store: Store, name: str, file: IO[bytes]) -> None:
    """Write one array as NumPy does."""
    shape, kind = store.shapes[name]
    header = {"descr": kind, "fortran_order": False, "shape": (store.rows, *shape)}
    np.lib.format.write_array_header_1_0(file, header)
    _write_rows(store, name, file)


def _write_rows(store: Store, name: str, file: IO[bytes]) -> None:
    for block in store.blocks(name):
        file.write(np.ascontiguousarray(block).data)
