"""What commands say, on terminals of every encoding."""

from __future__ import annotations

import codecs
import sys

import click

from w2s_fast._text import printable

SPELLED = {"±": "+-", "…": "...", "–": "-", "—": "-"}  # noqa: RUF001
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


def say(text: str, *, err: bool = False) -> None:
    """Print a line, in which names of files may be anything."""
    # By name: left to itself, click writes UTF-8 where a terminal says that it has but ASCII.
    click.echo(printable(text), file=sys.stderr if err else sys.stdout)
