"""Document functions and classes from their source, where importing it takes hardware that a build has not."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from docutils import nodes
from numpydoc.docscrape_sphinx import SphinxDocString
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

import w2s_fast

PACKAGE = Path(w2s_fast.__file__).parent
Definition = ast.FunctionDef | ast.ClassDef


def signature(function: ast.FunctionDef) -> str:
    """Write arguments and defaults without their types, nor self or cls."""
    for argument in (*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs):
        argument.annotation = None
    return re.sub(r"^\((self|cls)(, )?", "(", f"({ast.unparse(function.args)})")


def public(node: ast.ClassDef) -> Iterator[ast.FunctionDef]:
    for item in node.body:
        if isinstance(item, ast.FunctionDef) and not item.name.startswith("_") and ast.get_docstring(item):
            yield item


def described(node: Definition, kind: str) -> list[str]:
    """Write a definition as Sphinx takes it, methods below their class."""
    arguments = signature(node) if isinstance(node, ast.FunctionDef) else ""
    text = str(SphinxDocString(ast.get_docstring(node) or "", config={"show_class_members": False}))
    body = [*text.splitlines(), ""]
    if isinstance(node, ast.ClassDef):
        body += [line for method in public(node) for line in described(method, "method")]
    return [f".. py:{kind}:: {node.name}{arguments}", "", *(f"   {line}".rstrip() for line in body)]


class FromSource(SphinxDirective):
    """``from-source:: FILE NAME ...``, a file of the package."""

    required_arguments = 1
    final_argument_whitespace = True

    def run(self) -> list[nodes.Node]:
        path, *names = self.arguments[0].split()
        self.env.note_dependency(str(PACKAGE / path))
        tree = ast.parse((PACKAGE / path).read_text(encoding="utf-8"))
        module = "w2s_fast." + path.removesuffix(".py").split("/")[0]
        found = {node.name: node for node in tree.body if isinstance(node, Definition)}
        lines = [f".. py:currentmodule:: {module}", ""]
        for name in names:
            lines += described(found[name], "class" if isinstance(found[name], ast.ClassDef) else "function")
        return self.parse_text_to_nodes("\n".join(lines))


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("from-source", FromSource)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
