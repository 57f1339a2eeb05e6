"""Features on their way to a file: chunks of rows that are whole or not there, checksums, and what made them.

Chunks lie as zarr 3 has them, each array in ``c/`` below its name, the layers of one apart so that a layer is read
alone. What makes them arrays, their ``zarr.json``, is written at the end: nobody reads a file that is not finished.
Other formats are put together from the chunks then.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from w2s_fast._files import whole_file
from w2s_fast.features.models.base import Array, Features

JOURNAL = ".w2s-extraction.jsonl"  # what is being made, then a line for each chunk
META = "zarr.json"
KIND = "w2s_fast_features"  # key of the manifest among a group's attributes
ROWS, MOST_CHUNKS = 256, 512  # of a chunk at least; of an array, if rows are many
TYPES = {"f": "float", "i": "int", "u": "uint"}
Json = dict[str, Any]


class ChangedError(ValueError):
    """A file holds the start, or all, of other features than are asked for."""


def chunk_rows(rows: int) -> int:
    """Rows of a chunk: what a kill loses at most.

    >>> chunk_rows(1_000), chunk_rows(1_000_000)
    (256, 2048)
    """
    return ROWS * max(1, -(-rows // (ROWS * MOST_CHUNKS)))


@dataclass
class Store:
    """A folder of chunks.

    Attributes
    ----------
    folder : path
        Where chunks lie.
    about : dict
        What is being made, all that features depend on; "rows" and "chunk" among it.
    sums : list of dict
        SHA-256 of each whole chunk, by array.
    shapes : dict
        Of a row, and the type of its numbers, by array.
    batch : int or None
        Rows that went together in the last chunk, which may be fewer than were asked for.
    """

    folder: Path
    about: Json
    sums: list[dict[str, str]] = field(default_factory=list)
    shapes: dict[str, tuple[tuple[int, ...], str]] = field(default_factory=dict)
    batch: int | None = None

    @classmethod
    def begin(cls, folder: Path, about: Json) -> Store:
        """Open a folder that is new, or holds the start of the same features, whose whole chunks count.

        Raises
        ------
        ChangedError
            It holds other features; the message says in what they differ.
        """
        folder.mkdir(parents=True, exist_ok=True)
        store = cls(folder, json.loads(json.dumps(about)))
        journal = folder / JOURNAL
        lines = _lines(journal) if journal.exists() else []
        if not lines:
            with whole_file(journal) as file:
                file.write(json.dumps(store.about).encode() + b"\n")
            return store
        require_same(lines[0], store.about, folder)
        for line in lines[1:]:
            if line.get("chunk") != len(store.sums):
                continue  # behind a damaged one, or made anew once already
            shapes = {name: (tuple(shape), kind) for name, (shape, kind) in line["shapes"].items()}
            store.shapes, store.batch = shapes, line["batch"]
            if all(store._sum(len(store.sums), name) == found for name, found in line["sums"].items()):
                store.sums.append(line["sums"])
        return store

    @property
    def rows(self) -> int:
        return int(self.about["rows"])

    @property
    def chunk(self) -> int:
        return int(self.about["chunk"])

    @property
    def done(self) -> int:
        """Rows that are whole."""
        return min(len(self.sums) * self.chunk, self.rows)

    def add(self, features: Features, batch: int) -> None:
        """Write the next chunk, and then that it is there."""
        place = len(self.sums)
        features = {name: values.astype(values.dtype.newbyteorder("<")) for name, values in features.items()}
        shapes = {name: (values.shape[1:], values.dtype.str) for name, values in features.items()}
        if self.shapes and place and shapes != self.shapes:
            raise ValueError(f"rows from {self.done:,} on have other shapes than those before: {_said(shapes)}")
        self.shapes = shapes
        sums = {}
        for name, values in features.items():
            padded = np.zeros((self.chunk, *values.shape[1:]), values.dtype)
            padded[: len(values)] = values
            for part, path in self._pieces(place, name, padded):
                path.parent.mkdir(parents=True, exist_ok=True)
                with whole_file(path) as file:
                    file.write(np.ascontiguousarray(part).data)
            sums[name] = hashlib.sha256(padded.data).hexdigest()
        shown = {name: [list(shape), kind] for name, (shape, kind) in shapes.items()}
        line = json.dumps({"chunk": place, "batch": batch, "shapes": shown, "sums": sums})
        with (self.folder / JOURNAL).open("ab") as file:
            file.write(b"\n" * _is_torn(self.folder / JOURNAL) + line.encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        self.sums.append(sums)
        self.batch = batch

    def _pieces(self, place: int, name: str, values: Array | None) -> Iterator[tuple[Any, Path]]:
        """Parts of a chunk, one a layer, and the files they are in."""
        shape = self.shapes[name][0]
        folder = self.folder / name / "c" / str(place)
        if len(shape) < 2:
            yield values, folder.joinpath(*["0"] * len(shape)) if shape else folder
            return
        for layer in range(shape[0]):
            path = folder.joinpath(str(layer), *["0"] * (len(shape) - 1))
            yield None if values is None else values[:, layer], path

    def read(self, place: int, name: str) -> Array:
        """Return a chunk, with the rows that fill up the last one."""
        shape, kind = self.shapes[name]
        found = np.empty((self.chunk, *shape), kind)
        parts = (found,) if len(shape) < 2 else (found[:, layer] for layer in range(shape[0]))
        for part, (_, path) in zip(parts, self._pieces(place, name, None), strict=True):
            part[...] = np.frombuffer(path.read_bytes(), kind).reshape(part.shape)
        return found

    def _sum(self, place: int, name: str) -> str:
        try:
            return hashlib.sha256(self.read(place, name).data).hexdigest()
        except (OSError, ValueError):  # missing, or of another length
            return ""

    def blocks(self, name: str) -> Iterator[Array]:
        """All rows, a chunk at a time."""
        for place in range(len(self.sums)):
            yield self.read(place, name)[: self.rows - place * self.chunk]

    def checksum(self, name: str) -> str:
        """SHA-256 of all rows as they lie in memory, row after row."""
        digest = hashlib.sha256()
        for block in self.blocks(name):
            digest.update(np.ascontiguousarray(block).data)
        return digest.hexdigest()

    def arrays(self) -> dict[str, Json]:
        """Shape, type and checksum of each array, for the manifest."""
        return {
            name: {"shape": [self.rows, *shape], "dtype": str(np.dtype(kind)), "sha256": self.checksum(name)}
            for name, (shape, kind) in self.shapes.items()
        }

    def finish(self, manifest: Json) -> None:
        """Make the folder a group of arrays of zarr; the group comes last."""
        for name, (shape, kind) in self.shapes.items():
            for above in Path(name).parents:
                if above.name:
                    _write_json(self.folder / above / META, _group({}))
            _write_json(self.folder / name / META, self._array(shape, kind))
        _write_json(self.folder / META, _group({KIND: manifest}))
        (self.folder / JOURNAL).unlink(missing_ok=True)

    def _array(self, shape: tuple[int, ...], kind: str) -> Json:
        dtype = np.dtype(kind)
        chunks = [self.chunk, *shape] if len(shape) < 2 else [self.chunk, 1, *shape[1:]]
        return {
            "zarr_format": 3,
            "node_type": "array",
            "shape": [self.rows, *shape],
            "data_type": f"{TYPES[dtype.kind]}{8 * dtype.itemsize}",
            "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": chunks}},
            "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
            "fill_value": "NaN" if dtype.kind == "f" else 0,
            "codecs": [{"name": "bytes", "configuration": {"endian": "little"}}],
            "attributes": {},
        }

    def remove(self) -> None:
        """Clear the chunks away; another process may be at work in there."""
        shutil.rmtree(self.folder, ignore_errors=True)


def manifest_of(folder: Path) -> Json | None:
    """What a finished folder says of itself; None where it is none of ours."""
    try:
        found = json.loads((folder / META).read_bytes())["attributes"][KIND]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return found if isinstance(found, dict) else None


def require_same(before: Json, now: Json, where: Path) -> None:
    """Refuse to go on with, or to take for done, what was made of other data, by another model, or otherwise."""
    differs = [name for name in now if before.get(name) != now[name]]
    if not differs:
        return
    name = "rows" if "rows" in differs else differs[0]
    if name == "rows":
        said = f"data has {now['rows']:,} rows, and had {before.get('rows', 0):,}"
    elif name == "data":
        said = "data has other rows than it had, as many as before"
    else:
        said = f"{name} is another: {_differing(before.get(name), now[name])}"
    raise ChangedError(f"out={str(where)!r} was begun otherwise: {said}. Name a new file, or pass overwrite=True")


def _differing(before: Any, now: Any) -> str:
    if isinstance(before, dict) and isinstance(now, dict):
        key = next(key for key in (*now, *before) if before.get(key) != now.get(key))
        return f"its {key} was {before.get(key)!r}, and is {now.get(key)!r}"
    return f"was {before!r}, and is {now!r}"


def begin_group(folder: Path) -> None:
    """Make a folder a group of zarr, if it is none."""
    if not (folder / META).exists():
        _write_json(folder / META, _group({}))


def _group(attributes: Json) -> Json:
    return {"zarr_format": 3, "node_type": "group", "attributes": attributes}


def _write_json(path: Path, content: Json) -> None:
    with whole_file(path) as file:
        file.write(json.dumps(content, indent=1).encode() + b"\n")


def _lines(path: Path) -> list[Json]:
    """Lines of a journal, of which the last may be torn."""
    found = []
    for line in path.read_bytes().splitlines():
        try:
            found.append(json.loads(line))
        except ValueError:
            break
    return [line for line in found if isinstance(line, dict)]


def _is_torn(path: Path) -> bool:
    content = path.read_bytes()
    return bool(content) and not content.endswith(b"\n")


def _said(shapes: dict[str, tuple[tuple[int, ...], str]]) -> str:
    return ", ".join(f"{name} {shape}" for name, (shape, _) in shapes.items())
