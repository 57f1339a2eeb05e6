"""A progress bar on standard error, where rich is installed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from w2s_fast._text import printable


@contextmanager
def progress_bar(title: str, shown: bool) -> Iterator[Callable[[int, int], None] | None]:
    """Yield a callback of (done, total); None, and no bar, without rich or with ``shown=False``."""
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
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(escape(printable(title)), total=None)

        def update(done: int, total: int) -> None:
            if bar.tasks[task].total is None:  # the first call tells what was there: no part of the speed
                bar.reset(task, completed=done, total=total)
            bar.update(task, completed=done)

        yield update
