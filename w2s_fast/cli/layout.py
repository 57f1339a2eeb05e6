"""Tables for terminals of any width: whole, in blocks of fewer columns, or row by row, with no number broken."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from w2s_fast._text import printable
from w2s_fast.cli.output import screen_width, wrapped

GAP = 2  # characters between columns
READABLE = 24  # characters of words a line, fewer of which are not read with ease
LONGEST_LINE = 60  # of words, where there is all the room in the world


@dataclass(frozen=True)
class Column:
    """A column of text; words in it may go on a line of their own, numbers stay whole."""

    name: str
    cells: Sequence[str]

    @cached_property
    def has_words(self) -> bool:
        return any(" " in cell for cell in self.cells)

    @cached_property
    def most(self) -> int:
        """Characters that it has a use for."""
        return max(self.least, min(_longest([self.name, *self.cells]), LONGEST_LINE))

    @cached_property
    def least(self) -> int:
        """Characters that it needs."""
        whole = min(_longest(self.cells), READABLE) if self.has_words else _longest(self.cells)
        return max(whole, *(_longest(text.split()) for text in (self.name, *self.cells)))


def _longest(texts: Iterable[str]) -> int:
    return max(map(cell_len, texts), default=0)


def _needed(columns: Sequence[Column]) -> int:
    return sum(column.least for column in columns) + GAP * (len(columns) - 1)


def blocks(columns: Sequence[Column], keys: int, room: int) -> list[list[Column]]:
    """Cut columns into blocks that fit, about as many in each, the first ``keys`` in all; empty where none fit."""
    leading, rest = list(columns[:keys]), list(columns[keys:])
    if _needed(columns) <= room:
        return [list(columns)]
    for many in range(2, len(rest) + 1):
        step = -(-len(rest) // many)
        found = [leading + rest[start : start + step] for start in range(0, len(rest), step)]
        if all(_needed(block) <= room for block in found):
            return found
    return []


def print_columns(columns: Sequence[Column], keys: int, dim: Sequence[bool] = ()) -> None:
    """Print what is not empty in the room there is; ``keys`` come with every block, ``dim`` rows are of second rank."""
    columns = _printable(columns)
    found = blocks(columns, keys, screen_width())
    for block in found:
        _print_block(block, dim)
    if not found:
        print_rows(columns)


def _printable(columns: Sequence[Column]) -> list[Column]:
    return [Column(printable(x.name), [*map(printable, x.cells)]) for x in columns if any(x.cells)]


def _print_block(block: Sequence[Column], dim: Sequence[bool]) -> None:
    left = screen_width() - _needed(block)
    grid = Table(box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True, show_edge=False)
    for column in block:
        more = min(left, column.most - column.least)
        left -= more
        is_text = all(cell[:1].isalpha() for cell in column.cells if cell)
        grid.add_column(Text(column.name), justify="left" if is_text else "right", width=column.least + more)
    rows = list(zip(*(column.cells for column in block), strict=True))
    for row, is_dim in zip(rows, dim or [False] * len(rows), strict=True):
        grid.add_row(*map(Text, row), style="dim" if is_dim else None)
    console = Console(width=screen_width())
    console.print(grid)
    console.print()


def print_rows(columns: Sequence[Column]) -> None:
    """Print each row as lines of names and values, below the first of them."""
    first, *rest = _printable(columns)
    for row, name in enumerate(first.cells):
        print_line(f"{first.name}: {name}")
        for column in rest:
            if column.cells[row]:
                print_line(f"{column.name}: {column.cells[row]}", first=2, rest=4)
        print_line("")


def print_line(text: str, style: str = "", first: int = 0, rest: int = 0) -> None:
    """Print text, in several lines where it is long."""
    Console(width=screen_width()).print(Text(wrapped(printable(text), first, rest), style), soft_wrap=True)
