"""What features are made of: texts, images or arrays, in memory, in files, in folders, in data sets."""

from __future__ import annotations

import csv
import hashlib
import json
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from w2s_fast import _arrays
from w2s_fast._check import ArgumentError
from w2s_fast.linalg.files.header import needed

IMAGES = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp")
OF_ARROW = (".parquet", ".arrow", ".feather")
DELIMITERS = {".csv": ",", ".tsv": "\t"}
SUFFIXES = (*DELIMITERS, ".txt", ".jsonl", ".npy", *OF_ARROW)
LONGEST_CELL = 1 << 24  # characters of a cell of .csv


@dataclass(frozen=True)
class Items:
    """Rows in order.

    Attributes
    ----------
    kind : str
        "text", "image", "array" or "other".
    rows : sequence
        One item a row; images may be paths, or bytes of files.
    name : str
        Of the file or data set, for people.
    ids : list of str or None
        What rows are called; None where they have but their numbers.
    labels : numpy.ndarray or None
        A number a row.
    classes : tuple of str
        What labels 0, 1, ... stand for, where they were words.
    """

    kind: str
    rows: Any
    name: str
    ids: list[str] | None = None
    labels: npt.NDArray[Any] | None = None
    classes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.rows)

    def at(self, start: int, stop: int) -> list[Any]:
        """Rows from one to another, images opened."""
        found = [self.rows[place] for place in range(start, min(stop, len(self.rows)))]
        return [_image(row) for row in found] if self.kind == "image" else found

    def checksum(self) -> str:
        """SHA-256 of all rows in order; of images in files, of their names, sizes and times."""
        digest = hashlib.sha256(self.kind.encode())
        for row in self.rows:
            content = _content(row)
            digest.update(len(content).to_bytes(8, "little"))
            digest.update(content)
        return digest.hexdigest()


def read(data: Any, column: str | None = None, labels: str | None = None, split: str | None = None) -> Items:
    """Look at data of any kind.

    Parameters
    ----------
    data : sequence, array, path, or data set
        Texts, images (PIL or paths of files), arrays; a file of type .txt, .jsonl, .csv, .tsv, .parquet, .arrow,
        .feather or .npy; a folder of images; what Hugging Face's datasets has, in memory, in a folder or by name.
    column, labels : str, optional
        Of tables: the column of texts or images, and one of labels. A single column of text needs no name.
    split : str, optional
        Of data sets that have several.

    Raises
    ------
    ValueError
        If there is no such column or file, or rows are of several kinds.
    """
    if isinstance(data, str | os.PathLike):
        found = _at(os.fspath(data), column, labels, split)
    elif hasattr(data, "column_names"):
        found = _of_columns(_columns_of_dataset(data, split), column, labels, type(data).__name__)
    elif _arrays.is_array(data) and not isinstance(data, list | tuple):
        found = Items("array", np.asarray(_arrays.as_numpy(data)), "an array")
    elif isinstance(data, Sequence) or hasattr(data, "__getitem__"):
        found = Items(_kind(data), data, f"a {type(data).__name__}")
    else:
        raise ArgumentError(f"data must be a list, an array, a path or a data set, got {type(data).__name__}")
    if not len(found):
        raise ValueError(f"data holds no rows: {found.name}")
    if labels is not None and found.labels is None:
        raise ValueError(f"labels={labels!r} names a column, and data has none: {found.name}")
    return found


Columns = tuple[list[str], Callable[[str], Sequence[Any]]]  # names, and the values of each


def _at(where: str, column: str | None, labels: str | None, split: str | None) -> Items:
    path = Path(where)
    if path.is_dir():
        if (path / "state.json").is_file() or (path / "dataset_dict.json").is_file():
            columns = _columns_of_dataset(_datasets().load_from_disk(where), split)
            return _of_columns(columns, column, labels, where)
        return _folder(path)
    if path.is_file():
        if path.suffix == ".npy":
            return Items("array", np.load(path, mmap_mode="r", allow_pickle=False), where)
        if path.suffix == ".txt":
            return Items("text", path.read_text(encoding="utf-8-sig").splitlines(), where)
        if path.suffix not in SUFFIXES:
            raise ValueError(f"data must be a folder or a file of type {', '.join(SUFFIXES)}, got {where!r}")
        return _of_columns(_columns_of_file(path), column, labels, where)
    if path.suffix in (*SUFFIXES, *IMAGES) or path.is_absolute():
        raise FileNotFoundError(f"data: there is no file {where!r}")
    datasets = _datasets()
    try:
        found = datasets.load_dataset(where, split=split)
    except Exception as error:  # the library has a dozen types for what is not there
        said = " ".join(str(error).split())[:300]
        raise ValueError(f"data {where!r} is neither a file, a folder nor a data set to be fetched: {said}") from None
    return _of_columns(_columns_of_dataset(found, split), column, labels, where)


def _datasets() -> Any:
    with needed("datasets", "models"):
        import datasets
    return datasets


def _folder(path: Path) -> Items:
    """All images in a folder and those in it, in the order of their names."""
    found = sorted(one.relative_to(path).as_posix() for one in path.rglob("*") if one.suffix.lower() in IMAGES)
    if not found:
        raise ValueError(f"data: the folder {str(path)!r} holds no images of type {', '.join(IMAGES)}")
    return Items("image", [path / name for name in found], str(path), found)


def _columns_of_file(path: Path) -> Columns:
    if path.suffix in OF_ARROW:
        table = _table_of_arrow(path)
        return table.column_names, lambda name: table[name].to_pylist()
    if path.suffix == ".jsonl":
        with path.open(encoding="utf-8-sig") as file:
            rows = [json.loads(line) for line in file if line.strip()]
        return list(rows[0]) if rows else [], lambda name: [row[name] for row in rows]
    head, *lines = _lines_of_csv(path) or [[]]
    for number, line in enumerate(lines, 1):
        if len(line) != len(head):
            raise ValueError(f"data: row {number:,} of {str(path)!r} has {len(line)} cells, its first line {len(head)}")
    return head, lambda name: [line[head.index(name)] for line in lines]


def _lines_of_csv(path: Path) -> list[list[str]]:
    """Lines that are not empty, of cells as long as texts are; the limit is the whole process's, and put back."""
    before = csv.field_size_limit()
    csv.field_size_limit(max(before, LONGEST_CELL))
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            lines = list(csv.reader(file, delimiter=DELIMITERS[path.suffix], strict=True))
    finally:
        csv.field_size_limit(before)
    return [line for place, line in enumerate(lines) if line or not place]


def _table_of_arrow(path: Path) -> Any:
    with needed("pyarrow", "arrow"):
        import pyarrow.feather
        import pyarrow.parquet
    if path.suffix == ".parquet":
        return pyarrow.parquet.ParquetFile(path).read()
    with path.open("rb") as file:
        start = file.read(6)
    if start == b"ARROW1":
        return pyarrow.feather.read_table(path, memory_map=False)
    return pyarrow.ipc.open_stream(path.read_bytes()).read_all()


def _columns_of_dataset(data: Any, split: str | None) -> Columns:
    if isinstance(data, dict):  # of splits
        if split is None and len(data) == 1:
            split = next(iter(data))
        if split not in data:
            raise ValueError(f"split must be one of {', '.join(map(repr, data))}, got {split!r}")
        data = data[split]
    return list(data.column_names), lambda name: _column_of_dataset(data, name)


def _column_of_dataset(data: Any, name: str) -> Sequence[Any]:
    """A column, in which images are files that are opened when their turn comes."""
    feature: Any = getattr(data, "features", {}).get(name)
    if type(feature).__name__ == "Image":
        data = data.cast_column(name, feature.__class__(decode=False))
    return list(data[name])


def _of_columns(columns: Columns, column: str | None, labels: str | None, name: str) -> Items:
    names, values_of = columns
    for argument, asked in (("column", column), ("labels", labels)):
        if asked is not None and asked not in names:
            raise ValueError(f"{argument} must be one of {', '.join(map(repr, names))}, got {asked!r}: {name}")
    if column is None:
        left = [one for one in names if one != labels]
        if len(left) != 1:
            raise ValueError(f"column must name one of {', '.join(map(repr, names))}: {name}")
        (column,) = left
    rows = values_of(column)
    ids = [str(one) for one in values_of("id")] if "id" in names and column != "id" else None
    numbers, classes = _labels(values_of(labels), labels) if labels is not None else (None, ())
    return Items(_kind(rows, f"column {column!r}"), rows, name, ids, numbers, classes)


def _labels(values: Sequence[Any], name: str) -> tuple[npt.NDArray[Any], tuple[str, ...]]:
    """Numbers as they are; words as 0, 1, ... in the order of the alphabet."""
    values = list(values)
    missing = next((row for row, value in enumerate(values) if value is None or value == ""), None)
    if missing is not None:
        raise ValueError(f"labels={name!r} has none in row {missing:,}")
    try:
        return np.array([float(value) for value in values]), ()
    except (TypeError, ValueError):
        classes = tuple(sorted({str(value) for value in values}))
        place = {one: number for number, one in enumerate(classes)}
        return np.array([place[str(value)] for value in values], np.float64), classes


def _kind(rows: Iterable[Any], called: str = "data") -> str:
    """The kind that all rows are of; ValueError that names the first other."""
    kind = ""
    for place, row in enumerate(rows):
        found = _kind_of(row)
        if not found:
            raise ValueError(f"{called}: row {place:,} is missing: fill or drop it first")
        if kind and found != kind:
            raise ValueError(f"{called}: row {place:,} is of kind {found}, those before of kind {kind}")
        kind = found
    return kind


def _kind_of(row: Any) -> str:
    if row is None:
        return ""
    if isinstance(row, str):
        return "text"
    if isinstance(row, Path | bytes) or (isinstance(row, dict) and row.keys() >= {"bytes", "path"}):
        return "image"
    if any(kind.__module__.startswith("PIL.") for kind in type(row).__mro__):
        return "image"
    return "array" if hasattr(row, "shape") else "other"


def _image(row: Any) -> Any:
    """Open an image that is a path, bytes, or what Hugging Face's data sets have for one."""
    if isinstance(row, dict):
        row = row["bytes"] if row["bytes"] is not None else Path(row["path"])
    if not isinstance(row, Path | bytes):
        return row
    with needed("Pillow", "models"):
        from PIL import Image, UnidentifiedImageError
    import io

    try:
        image = Image.open(io.BytesIO(row) if isinstance(row, bytes) else row)
        image.load()
    except (UnidentifiedImageError, OSError, SyntaxError) as error:
        said = f"{str(row)!r} " if isinstance(row, Path) else ""
        raise ValueError(f"data: the image {said}cannot be read: {' '.join(str(error).split())}") from None
    return image


def _content(row: Any) -> bytes:
    if isinstance(row, str):
        return row.encode("utf-8", "surrogatepass")
    if isinstance(row, bytes):
        return row
    if isinstance(row, Path):
        status = row.stat()
        return f"{row.name} {status.st_size} {status.st_mtime_ns}".encode()
    if hasattr(row, "tobytes"):
        return (
            f"{getattr(row, 'dtype', '')} {getattr(row, 'shape', getattr(row, 'size', ''))} ".encode() + row.tobytes()
        )
    return repr(row).encode("utf-8", "surrogatepass")
