"""Docstrings are written to be read in a terminal: |x| is an absolute value there, and coef_ a name, not markup."""

from __future__ import annotations

import re
from typing import Any

from sphinx.application import Sphinx

LITERAL = re.compile(r"(``.*?``|:\w+:`.*?`)")
MARKUP = re.compile(r"\||(?<=\w)_(?![\w`])")


def escaped(line: str) -> str:
    """Escape what reStructuredText would take for markup, outside of literals and roles."""
    parts = LITERAL.split(line)
    return "".join(part if place % 2 else MARKUP.sub(r"\\\g<0>", part) for place, part in enumerate(parts))


def escape(app: Sphinx, kind: str, name: str, item: Any, options: Any, lines: list[str]) -> None:
    in_example = False
    for place, line in enumerate(lines):
        in_example = bool(line.strip()) and (in_example or line.lstrip().startswith(">>>"))
        if not in_example:
            lines[place] = escaped(line)


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("autodoc-process-docstring", escape, priority=900)  # behind numpydoc
    return {"parallel_read_safe": True, "parallel_write_safe": True}
