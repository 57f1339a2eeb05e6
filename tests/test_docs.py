"""Pages have what they must: every public name, every environment variable, links that lead somewhere."""

import ast
import importlib
import re
import shlex
from pathlib import Path

import click
import pytest

import w2s_fast
from w2s_fast.cli import commands

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PUBLIC = {  # modules with public names, and the folder of reference pages that has them
    "w2s_fast": ("theory", "studies", "numerics"),
    "w2s_fast.features": ("features",),
    "w2s_fast.sklearn": ("sklearn",),
    "w2s_fast.cuda": ("cuda",),
}
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")
CODE = re.compile(r"```.*?```|`[^`\n]+`", re.DOTALL)
OPTIONS = re.compile(r"^(---\n.*?^---|:tags:[^\n]*)$", re.DOTALL | re.MULTILINE)  # of a cell
PASSED_ON = {"PYTHONPATH"}  # to a child process: no setting of ours

pytestmark = pytest.mark.skipif(not DOCS.exists(), reason="an sdist has no docs")


def pages():
    folders = [page for page in DOCS.rglob("*.md") if "_build" not in page.parts]
    return [*folders, *ROOT.glob("*.md"), ROOT / "examples" / "README.md"]


@pytest.mark.parametrize("module", PUBLIC)
def test_reference_has_every_public_name(module):
    text = "\n".join((DOCS / "reference" / f"{page}.rst").read_text(encoding="utf-8") for page in PUBLIC[module])
    listed = set(re.findall(r"\w+", text))
    assert not set(importlib.import_module(module).__all__) - listed


def test_reference_has_every_environment_variable():
    package = Path(w2s_fast.__file__).parent
    source = "\n".join(path.read_text(encoding="utf-8") for path in package.rglob("*.py"))
    read = set(re.findall(r"environ(?:\.get\(|\[)\"(\w+)\"", source)) | set(re.findall(r"\"(W2S_FAST_\w+)\"", source))
    page = (DOCS / "reference" / "environment.md").read_text(encoding="utf-8")
    assert {"COLUMNS", "W2S_FAST_NUM_THREADS", "XDG_CACHE_HOME"} <= read
    assert not {name for name in read - PASSED_ON if f"`{name}`" not in page}


def test_links_lead_somewhere():
    missing = []
    for page in pages():
        text = CODE.sub("", page.read_text(encoding="utf-8"))
        targets = [target for target in LINK.findall(text) if "://" not in target and not target.startswith("mailto:")]
        missing += [(page.name, target) for target in targets if not (page.parent / target).exists()]
    assert not missing


def test_pages_that_docstrings_name_exist():
    texts = [path for folder in ("w2s_fast", "tests", "bench") for path in (ROOT / folder).rglob("*.py")]
    texts += [ROOT / "CHANGELOG.md"]
    named = {name for path in texts for name in re.findall(r"\bdocs/[a-z_/]+\.md", path.read_text(encoding="utf-8"))}
    assert "docs/reference/file_formats.md" in named
    assert not {name for name in named if not (ROOT / name).exists()}


def test_the_readme_is_short_and_names_the_commands():
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 100
    assert 'python -m pip install ".[test]" && python -m pytest -n 2' in lines  # .ci/run takes it from here
    assert 'python -m pip install ".[cli,plot]" && w2s-fast reproduce --out results' in lines


def blocks(language):
    """Blocks of code in pages, with the name of the page."""
    return [
        (page.name, block)
        for page in pages()
        for block in re.findall(
            rf"^```{language}\n(.*?)^```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
        )
    ]


def test_commands_on_pages_are_what_the_program_takes():
    """Names of commands and options are parsed; nothing is run."""
    text = "\n".join(block for _, block in blocks("sh")).replace("\\\n", " ")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    called = [part.partition("w2s-fast ")[2] for line in lines for part in line.split("&&") if "w2s-fast " in part]
    seen = set()
    for words in called:
        name, *arguments = shlex.split(words, comments=True)
        command = commands.commands[name]
        command.make_parser(click.Context(command, info_name=words)).parse_args(
            arguments
        )  # raises what it does not know
        seen.add(name)
    assert {"extract", "inspect", "plan", "probe", "report", "sweep", "task"} <= seen


def test_code_on_pages_compiles_and_imports_what_is_there():
    for page, block in [*blocks("python"), *blocks(r"\{code-cell\}")]:
        tree = ast.parse(OPTIONS.sub("", block), page)
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module in {
                "w2s_fast",
                "w2s_fast.features",
                "w2s_fast.sklearn",
            }:
                public = importlib.import_module(node.module)
                missing = [name.name for name in node.names if not hasattr(public, name.name)]
                assert not missing, (page, missing)
