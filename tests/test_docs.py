"""Pages have what they must: every public name, every environment variable, links that lead somewhere."""

import importlib
import re
from pathlib import Path

import pytest

import w2s_fast

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
    assert "docs/howto/files.md" in named
    assert not {name for name in named if not (ROOT / name).exists()}


def test_the_readme_is_short_and_names_the_commands():
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 100
    assert 'python -m pip install ".[test]" && python -m pytest -n 2' in lines  # .ci/run takes it from here
    assert 'python -m pip install ".[cli,plot]" && w2s-fast reproduce --out results' in lines
