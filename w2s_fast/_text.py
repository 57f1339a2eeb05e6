"""Text of strangers, fit for terminals, drawings and tables."""

from __future__ import annotations

from contextlib import suppress

JOINERS = "\u200c\u200d"  # within words and signs of several scripts


def printable(text: str) -> str:
    r"""Write what would steer a terminal, or cannot be written in any file, by its number.

    Bytes that Python took from a command line in a plain locale are read as the UTF-8 that they nearly always are.

    >>> print(printable("a\x1b[31m b\nc"))
    a\x1b[31m b c
    """
    with suppress(UnicodeError):
        text = text.encode("utf-8", "surrogateescape").decode("utf-8")
    return "".join(char if char.isprintable() or char in JOINERS else _named(char) for char in text)


def _named(char: str) -> str:
    return " " if char.isspace() else char.encode("unicode_escape").decode("ascii")
