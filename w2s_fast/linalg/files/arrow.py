"""Columns of Parquet, Feather and Arrow files: lists of numbers, or a number each; folders of such files are one table.

Without a name the only column of lists is the features, or else all columns of numbers are. Files are read by record
batches, never mapped.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from w2s_fast._arrays import indices_of_pandas
from w2s_fast.linalg.files import arrow_columns, arrow_ipc
from w2s_fast.linalg.files.header import MOST_NAMES, needed, pick
from w2s_fast.linalg.files.place import Place

PARQUET = ".parquet"
SUFFIXES = (PARQUET, ".arrow", ".feather")
STATE = "state.json"  # of what save_to_disk of Hugging Face's datasets writes
SPLITS = "dataset_dict.json"  # of several of these
BATCH_BYTES = 1 << 20  # of Parquet that are decoded together
BATCH_ROWS = 4_096


@dataclass(frozen=True)
class Table:
    """One column, or several of a number each as features, of files that follow each other."""

    files: tuple[Part, ...]
    columns: tuple[str, ...]
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    is_one: bool  # one column as it is

    def pieces(self, first: int = 0) -> Generator[npt.NDArray[Any], None, None]:
        top = 0
        for file in self.files:
            rows = file.rows if first else 0
            if rows <= first - top and rows:
                top += rows
                continue
            skipped = max(first - top, 0)
            top += skipped
            for batch in file.batches(self.columns, first=skipped):
                found = [arrow_columns.numbers(batch.column(name), name, top) for name in self.columns]
                values = found[0] if self.is_one else np.column_stack(found)
                if len(values) and values.shape[1:] != self.shape[1:]:
                    raise ValueError(
                        f"row {top:,} of column {self.columns[0]!r} has {_sizes(values)} numbers, the first row "
                        f"{' x '.join(map(str, self.shape[1:]))}"
                    )
                top += len(values)
                yield values.reshape(-1, *self.shape[1:]).astype(self.dtype, copy=False)


def read(path: Place, entry: str) -> Table:
    """Look at the columns of a file, or of a folder of files, and at the first rows."""
    files = tuple(_parts(path))
    schema = files[0].schema
    for file in files[1:]:
        if not file.schema.equals(schema, check_metadata=False):
            raise ValueError(f"{file.path.name} has other columns than {files[0].path.name}")
    columns = (pick(schema.names, entry),) if entry else _features(schema)
    is_one = bool(entry) or arrow_columns.is_list(schema.field(columns[0]).type)
    firsts = [arrow_columns.first(schema.field(name).type, _first_rows(files, name), name) for name in columns]
    dtype = np.result_type(*(found.dtype for found in firsts))
    inner = firsts[0].shape[1:] if is_one else (len(columns),)
    return Table(files, columns, (sum(file.rows for file in files), *inner), dtype, is_one)


def words(path: Place, entry: str) -> list[str | None] | None:
    """Words of the column of a name, or of the only one; None where it has none, or nobody knows which column."""
    files = tuple(_parts(path))
    schema = files[0].schema
    left_out = set() if entry else indices_of_pandas(schema)
    names = [name for name in schema.names if name not in left_out]
    if not entry and len(names) != 1:
        return None
    name = pick(names, entry)
    if not arrow_columns.is_text(schema.field(name).type):
        return None
    return [word for file in files for batch in file.batches((name,)) for word in batch.column(name).to_pylist()]


def names(path: Place) -> list[str]:
    """Name the columns."""
    return next(_parts(path)).schema.names


def _sizes(values: npt.NDArray[Any]) -> str:
    return " x ".join(map(str, values.shape[1:]))


def _features(schema: Any) -> tuple[str, ...]:
    """Choose the columns of features where none is named."""
    left_out = indices_of_pandas(schema)
    fields = [field for field in schema if field.name not in left_out]
    kinds = {field.name: field.type for field in fields}
    if len(kinds) < len(fields):
        raise ValueError("it has several columns of one name")
    lists = tuple(name for name, kind in kinds.items() if arrow_columns.is_list(kind))
    columns = lists or tuple(name for name, kind in kinds.items() if arrow_columns.is_number(kind))
    if not columns or len(lists) > 1:
        said = f"it has {len(lists)} columns of lists" if lists else "it has no column of numbers"
        raise ValueError(f"{said}: write path#column, with a column of {schema.names[:MOST_NAMES]}")
    return columns


def _first_rows(files: tuple[Part, ...], name: str) -> Any:
    """The first batch of a column that has rows; None where there is none."""
    for file in files:
        for batch in file.batches((name,), most=1):
            if batch.num_rows:
                return batch.column(name)
    return None


def _parts(path: Place) -> Iterator[Part]:
    files = _shards(path) if path.is_dir() else [path]
    return (ParquetPart(one) if one.suffix == PARQUET else IpcPart(one) for one in files)


def _shards(folder: Place) -> list[Any]:
    """The files of a folder, in the order of their names or of what a dataset says of itself."""
    inside = {one.name: one for one in folder.iterdir() if not one.name.startswith(".")}
    if SPLITS in inside:
        splits = sorted(name for name, one in inside.items() if one.is_dir())
        raise ValueError(f"it holds the splits of a dataset: write one of the folders in it, {splits[:MOST_NAMES]}")
    if STATE in inside:
        with inside[STATE].open("rb") as file:
            listed = [part["filename"] for part in json.load(file)["_data_files"]]
        if missing := [name for name in listed if name not in inside]:
            raise ValueError(f"its {STATE} names files that are not in it: {missing[:MOST_NAMES]}")
        return [inside[name] for name in listed] or _none()
    others = [name for name, one in sorted(inside.items()) if one.suffix not in SUFFIXES or not one.is_file()]
    if others:
        raise ValueError(f"a folder must hold only files of type {', '.join(SUFFIXES)}, this one has {others[0]!r} too")
    return [inside[name] for name in sorted(inside)] or _none()


def _none() -> list[Any]:
    raise ValueError(f"a folder must hold files of type {', '.join(SUFFIXES)}, this one has none")


@dataclass(frozen=True)
class ParquetPart:
    """A Parquet file, of which some pages are read at a time."""

    path: Place

    @property
    def schema(self) -> Any:
        with self.path.open("rb") as file:
            return _parquet().ParquetFile(file).schema_arrow

    @property
    def rows(self) -> int:
        with self.path.open("rb") as file:
            return int(_parquet().ParquetFile(file).metadata.num_rows)

    def batches(self, columns: tuple[str, ...], most: int = BATCH_ROWS, first: int = 0) -> Iterator[Any]:
        with self.path.open("rb") as file:
            table = _parquet().ParquetFile(file, buffer_size=1 << 20, pre_buffer=False)
            facts = table.metadata
            size = sum(facts.row_group(group).total_byte_size for group in range(facts.num_row_groups))
            fitting = BATCH_BYTES * max(facts.num_rows, 1) // max(size, 1)
            height = max(1, min(most, fitting))
            before, groups = 0, list(range(facts.num_row_groups))
            while groups and before + facts.row_group(groups[0]).num_rows <= first:
                before += facts.row_group(groups.pop(0)).num_rows
            batches = table.iter_batches(height, row_groups=groups, columns=list(columns), use_threads=False)
            yield from _from_row(batches, first - before)


@dataclass(frozen=True)
class IpcPart:
    """An Arrow file, or the stream of one, of which a record batch is read at a time."""

    path: Place

    @property
    def schema(self) -> Any:
        with self.path.open("rb") as file:
            return arrow_ipc.opened(_arrow(), file, None).schema

    @property
    def rows(self) -> int:
        with self.path.open("rb") as file:
            return arrow_ipc.count_rows(file)

    def batches(self, columns: tuple[str, ...], most: int = BATCH_ROWS, first: int = 0) -> Iterator[Any]:
        places = [self.schema.names.index(name) for name in columns]
        with self.path.open("rb") as file:
            yield from _from_row(arrow_ipc.batches(arrow_ipc.opened(_arrow(), file, places)), first)


Part = ParquetPart | IpcPart


def _from_row(batches: Iterator[Any], first: int) -> Iterator[Any]:
    """Leave out the rows before the first one that is wanted."""
    for batch in batches:
        if first < batch.num_rows:
            yield batch.slice(first) if first else batch
        first = max(first - batch.num_rows, 0)


def _arrow() -> Any:
    with needed("pyarrow", "arrow"):
        import pyarrow.ipc
    return pyarrow


def _parquet() -> Any:
    with needed("pyarrow", "arrow"):
        import pyarrow.parquet
    return pyarrow.parquet
