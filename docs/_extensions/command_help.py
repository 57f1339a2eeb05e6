"""Blocks of a command's help that click prints as they are, such as its examples, are printed as they are here, too."""

from __future__ import annotations

from itertools import groupby
from typing import Any

import click
from sphinx.application import Sphinx


def literal(app: Sphinx, context: click.Context, lines: list[str]) -> None:
    """Make literal blocks of the line blocks that sphinx-click makes, each below its first line."""
    made: list[str] = []
    for as_it_is, block in groupby(lines, lambda line: line.startswith("|")):
        if not as_it_is:
            made += block
            continue
        title, *rest = (line[2:] for line in block)
        made += [title, "", "::", "", *(f"    {line.strip()}" for line in rest), ""]
    lines[:] = made


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("sphinx-click-process-description", literal)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
