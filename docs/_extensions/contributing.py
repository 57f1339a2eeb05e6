"""``CONTRIBUTING.md`` of the repository as part of a page, with the names of files where it links to them."""

from __future__ import annotations

import re
from pathlib import Path

from sphinx.application import Sphinx

MARK = "<!-- CONTRIBUTING.md -->"
FILE = Path(__file__).parents[2] / "CONTRIBUTING.md"
LINK = re.compile(r"\[([^\]]+)\]\((?!https?:)([^)#]+)\)")


def named(link: re.Match[str]) -> str:
    text, file = link.groups()
    return text if text == file else f"{text} (`{file}`)"


def put(app: Sphinx, page: str, source: list[str]) -> None:
    if MARK in source[0]:
        app.env.note_dependency(str(FILE))
        body = FILE.read_text(encoding="utf-8").split("\n", 1)[1]
        source[0] = source[0].replace(MARK, LINK.sub(named, body))


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("source-read", put)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
