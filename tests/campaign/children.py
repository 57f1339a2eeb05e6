"""Work in forked children, and what became of them."""

from __future__ import annotations

import os
import pickle
import select
import signal
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

HANG = 120.0  # seconds


class End(NamedTuple):
    """How a child ended: what its work returned, what it raised, or the signal that killed it."""

    value: Any = None
    error: BaseException | None = None
    signal: int = 0


class Child:
    """A fork of this process that does some work; nothing of it is seen here but the end."""

    def __init__(self, work: Callable[[], Any]) -> None:
        self._pipe, theirs = os.pipe()
        self.number = os.fork()
        if not self.number:
            try:
                _report(theirs, work)
            finally:
                os._exit(0)
        os.close(theirs)

    def kill(self) -> None:
        os.kill(self.number, signal.SIGKILL)

    def end(self) -> End:
        """Wait for the end; AssertionError if it does not come."""
        until, content = time.monotonic() + HANG, b""
        try:
            while select.select([self._pipe], [], [], max(0.0, until - time.monotonic()))[0]:
                part = os.read(self._pipe, 1 << 16)
                content += part
                if not part:
                    break
            else:
                self.kill()
                raise AssertionError("a child hangs")
        finally:
            os.close(self._pipe)
            status = os.waitpid(self.number, 0)[1]
        if os.WIFSIGNALED(status):
            return End(signal=os.WTERMSIG(status))
        return End(*pickle.loads(content))


def _report(pipe: int, work: Callable[[], Any]) -> None:
    try:
        content = pickle.dumps((work(), None))
    except BaseException as error:  # whatever it is
        error.add_note("".join(traceback.format_exception(error)))
        content = pickle.dumps((None, error))
    with os.fdopen(pipe, "wb") as stream:
        stream.write(content)


def require_one_line(error: BaseException, *kinds: type[BaseException]) -> None:
    """Refuse an error of another kind, or one that is no single line of readable length."""
    if not isinstance(error, kinds):
        raise error
    message = str(error)
    assert message, f"{type(error).__name__} says nothing"
    assert "\n" not in message, f"more than one line: {message!r}"
    assert len(message) < 2_000, f"{len(message):,} characters: {message[:200]!r}"


def require_only(folder: Path, *names: str) -> None:
    """Refuse litter."""
    found = {path.name for path in folder.iterdir()}
    assert found <= set(names), f"litter: {sorted(found - set(names))}"
