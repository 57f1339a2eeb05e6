"""Tables of text, .csv and .tsv: for labels and small features. They are read whole, by Python."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from io import TextIOWrapper
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt

from w2s_fast.linalg.files.header import pick, shown
from w2s_fast.linalg.files.place import Place
from w2s_fast.linalg.files.sliced import Sliced

Array = npt.NDArray[Any]
LARGEST = 256 << 20  # bytes of text: some 15 s of reading
SURELY_NAMED = 3  # columns: of fewer, 0 and 1 in the first line may well be data, such as labels
DELIMITERS = {".csv": ",", ".tsv": "\t"}
Line = tuple[int, list[str]]  # number in the file, and cells


def read(path: Place, entry: str) -> Sliced:
    """Look at all columns, or at one by its name."""
    return Sliced.loaded(partial(_values, path, entry))


def _values(path: Place, entry: str) -> Array:
    with _table(path) as (head, lines):
        name = pick(head, entry) if entry else ""
        places = [head.index(name)] if entry else range(_is_numbered(head), len(head))
        hint = "" if len(places) == 1 else ": write path#column for one column alone"
        rows = [[_number(cells[place], number, head[place], hint) for place in places] for number, cells in lines]
    values = np.array(rows).reshape(len(rows), len(places))
    return values[:, 0] if entry else values


def words(path: Place, entry: str) -> list[str | None] | None:
    """Cells of the column of a name, or of the only one; None where all are numbers, or nobody knows which column."""
    with _table(path) as (head, lines):
        if not entry and len(head) - _is_numbered(head) > 1:
            return None
        place = head.index(pick(head, entry)) if entry else len(head) - 1
        cells: list[str | None] = [cells[place] for _, cells in lines]
    return None if all(cell and _is_number(cell) for cell in cells) else cells


def names(path: Place) -> list[str]:
    """Name the columns."""
    with _table(path) as (head, _):
        return head


@contextmanager
def _table(path: Place) -> Iterator[tuple[list[str], Iterator[Line]]]:
    """Names of columns, from the first line where that has words, and the lines of numbers."""
    size = path.stat().st_size
    if size > LARGEST:
        raise ValueError(f"it has {size:,} bytes of text, more than {LARGEST:,}: save it as .npy or .parquet")
    with path.open("rb") as file, TextIOWrapper(file, "utf-8-sig", newline="") as text:
        lines = _lines(text, DELIMITERS[path.suffix])
        first = next(lines, (0, []))
        if not first[1]:
            raise ValueError("it is empty")
        is_head = _is_head(first[1])
        head = first[1] if is_head else [str(place) for place in range(len(first[1]))]
        yield head, _even(lines if is_head else chain([first], lines), len(head))


def _is_head(cells: list[str]) -> bool:
    """Whether a first line names columns: by a word, or by the numbers 0, 1, 2 and so on that pandas gives them."""
    if any(cell and not _is_number(cell) for cell in cells):
        return True
    named = cells[_is_numbered(cells) :]
    return len(named) >= (1 if len(named) < len(cells) else SURELY_NAMED) and named == [*map(str, range(len(named)))]


def _is_numbered(cells: list[str]) -> bool:
    """Whether the first of several columns has no name, as row numbers that pandas and R write."""
    return len(cells) > 1 and not cells[0] and all(cells[1:])


def _lines(text: Any, delimiter: str) -> Iterator[Line]:
    """Lines that are not empty, without spaces around cells."""
    reader = csv.reader(text, delimiter=delimiter, strict=True)
    for cells in reader:
        if cells:
            yield reader.line_num, [cell.strip() for cell in cells]


def _even(lines: Iterator[Line], count: int) -> Iterator[Line]:
    for number, cells in lines:
        if len(cells) != count:
            raise ValueError(f"line {number:,} has {len(cells)} cells, the first line {count}")
        yield number, cells


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return "_" not in cell


def _number(cell: str, line: int, column: str, hint: str) -> float:
    if not _is_number(cell):
        what = f"is {shown(cell)}, no number" if cell else "is empty"
        raise ValueError(f"line {line:,} of column {shown(column)} {what}{hint}")
    return float(cell)
