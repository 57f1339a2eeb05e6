"""A progress bar on standard error, where rich is installed; work goes on when it cannot be shown."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO, cast

from w2s_fast._text import printable


class Dispensable:
    """A stream that takes what it can: a terminal that was closed, or a full disk, stops no work."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        with suppress(OSError, ValueError):  # the latter of a closed stream
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError, ValueError):
            self._stream.flush()


@contextmanager
def progress_bar(title: str, shown: bool) -> Iterator[Callable[[int, int], None] | None]:
    """Yield a callback of (done, total); None, and no bar, without rich or with ``shown=False``."""
    if not shown or sys.stderr is None:
        yield None
        return
    try:
        from rich.console import Console
        from rich.markup import escape
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
    except ImportError:
        shown = False
    if not shown:
        yield None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(True, True))
    with Progress(*columns, console=Console(file=cast(TextIO, Dispensable(sys.stderr)))) as bar:
        task = bar.add_task(escape(printable(title)), total=None)

        def update(done: int, total: int) -> None:
            if bar.tasks[task].total is None:  # the first call tells what was there: no part of the speed
                bar.reset(task, completed=done, total=total)
            bar.update(task, completed=done)

        yield update
