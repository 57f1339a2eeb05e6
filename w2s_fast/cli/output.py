"""What commands say, on terminals of every encoding, closed ones and full disks."""

from __future__ import annotations

import codecs
import os
import shutil
import signal
import sys
import textwrap
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, TextIO

import click

from w2s_fast._text import printable
from w2s_fast.study.progress import Dispensable

SPELLED = {"±": "+-", "…": "...", "–": "-", "—": "-"}  # noqa: RUF001
NARROWEST, UNLIMITED = 20, 10**6  # characters of a line
READABLE = "w2s_fast.readable"  # what is done with what an encoding does not have


def _readable(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    wrong = error.object[error.start : error.end]
    spelled = (SPELLED.get(char) or char.encode("unicode_escape").decode("ascii") for char in wrong)
    return "".join(spelled), error.end


def write_what_the_terminal_can() -> None:
    """Spell out what standard output and error cannot encode: a result is not to be lost for the sign in it."""
    codecs.register_error(READABLE, _readable)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors=READABLE)


def open_closed_streams() -> None:
    """Keep files from being opened as standard input, output or error, which others would write into.

    Python has None for what was closed when it began, which some libraries cannot be imported with.
    """
    for handle in range(3):
        try:
            os.fstat(handle)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
    for name, handle in (("stdout", 1), ("stderr", 2)):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(handle, "w", closefd=False))


class OutputError(Exception):
    """Standard output takes nothing any more."""

    def __init__(self, error: OSError) -> None:
        super().__init__(f"what there was to print is lost, files are not: {error}")
        self.is_unread = isinstance(error, BrokenPipeError)  # as by head, which has what it wanted


class _Watched:
    """A stream whose own errors are told from those of files."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        with _watched():
            return self._stream.write(text)

    def flush(self) -> None:
        with _watched():
            self._stream.flush()


@contextmanager
def _watched() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputError(error) from error


@contextmanager
def guarded_streams() -> Iterator[None]:
    """Raise OutputError where standard output cannot be written to; standard error is only lost."""
    out, err = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = _Watched(out), Dispensable(err)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = out, err


def give_up_what_fails() -> None:
    """Let what cannot be written go nowhere: Python would try once more at its end, and fail."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            with open(os.devnull, "wb") as nothing:
                os.dup2(nothing.fileno(), stream.fileno())


class Stopped(BaseException):
    """A signal asked the process to end."""

    def __init__(self, number: int) -> None:
        super().__init__(f"stopped by {signal.Signals(number).name}")
        self.status = 128 + number  # as shells tell it


@contextmanager
def stopped_in_order() -> Iterator[None]:
    """Take SIGTERM, and SIGHUP of a terminal that closes, as Ctrl-C is taken: files are left whole.

    Where they are ignored, as by nohup, they stay so.
    """

    def stop(number: int, _: FrameType | None) -> None:
        raise Stopped(number)

    numbers = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    in_main = threading.current_thread() is threading.main_thread()  # no other thread may set handlers
    ours = [number for number in numbers if in_main and signal.getsignal(number) is signal.SIG_DFL]
    for number in ours:
        signal.signal(number, stop)
    try:
        yield
    finally:
        for number in ours:
            signal.signal(number, signal.SIG_DFL)


def screen_width() -> int:
    """Characters of a line on the terminal, or in $COLUMNS; files and pipes take lines of any length."""
    if os.environ.get("COLUMNS") or sys.stdout.isatty():
        return max(shutil.get_terminal_size().columns, NARROWEST)
    return UNLIMITED


def wrapped(text: str, first: int = 0, rest: int = 0) -> str:
    """Fit text into the terminal's lines, cut between words alone; the first and the others go in so far."""
    starts = " " * first, " " * rest
    keep = textwrap.TextWrapper(screen_width(), *starts, break_long_words=False, break_on_hyphens=False)
    return keep.fill(text)


def say(text: str, rest: int = 0) -> None:
    """Print a line, in several where the terminal is narrow, in which names of files may be anything."""
    _echo(wrapped(printable(text), rest=rest), sys.stdout)


def complain(text: str) -> None:
    """Say on standard error what went wrong."""
    _echo(printable(text), sys.stderr)


def _echo(text: str, stream: TextIO) -> None:
    # By name: left to itself, click writes UTF-8 where a terminal says that it has but ASCII.
    click.echo(text, file=stream)
