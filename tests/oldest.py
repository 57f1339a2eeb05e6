"""Run the suite with the oldest versions that pyproject.toml allows: ``python -m tests.oldest [PYTEST_ARGUMENT ...]``.

Reads the lower bound of every requirement of the extras ``test`` and ``bench`` from pyproject.toml, so that claim and
check cannot drift apart, makes an environment of exactly these versions and runs pytest in it. What these packages need
in turn, pip chooses, the newest that fits. Exit status: pytest's, or pip's where the versions contradict each other.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import tomllib
import venv
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parent.parent
EXTRAS = ("test", "bench")
LOWEST = (">=", "==", "~=")  # operators whose version is the lowest they allow


def requirements(project: dict[str, Any], extras: Iterable[str]) -> Iterator[Requirement]:
    """What the extras need; an extra may take in others, as ``name[cli,plot]``."""
    for extra in extras:
        for requirement in map(Requirement, project["optional-dependencies"][extra]):
            if canonicalize_name(requirement.name) == canonicalize_name(project["name"]):
                yield from requirements(project, requirement.extras)
            else:
                yield requirement


def lowest(specifiers: SpecifierSet) -> Version:
    """The oldest version that is allowed."""
    found = [Version(specifier.version) for specifier in specifiers if specifier.operator in LOWEST]
    if not found:
        raise ValueError(f"{str(specifiers)!r} must name a lowest version by one of {', '.join(LOWEST)}")
    return max(found)


def pins(project: dict[str, Any]) -> list[str]:
    """Each package at its oldest version, of several requirements at the newest that they name."""
    oldest: dict[str, Version] = {}
    for requirement in [*map(Requirement, project["dependencies"]), *requirements(project, EXTRAS)]:
        name = f"{requirement.name}[{','.join(sorted(requirement.extras))}]".removesuffix("[]")
        oldest[name] = max(oldest.get(name, Version("0")), lowest(requirement.specifier))
    return [f"{name}=={version}" for name, version in oldest.items()]


def main(arguments: list[str]) -> int:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    versions = pins(project)
    python = lowest(SpecifierSet(project["requires-python"]))
    print(f"Python {sys.version.split()[0]} (the oldest allowed: {python}), {', '.join(versions)}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        binaries = Path(folder, "Scripts" if sys.platform == "win32" else "bin")
        run = [str(binaries / "python"), "-m"]
        for command in (
            [*run, "pip", "install", "--quiet", "--upgrade", "pip"],
            [*run, "pip", "install", "--quiet", str(ROOT), *versions],
            [*run, "pytest", "-n", "2", "-p", "no:cacheprovider", *arguments],
        ):
            status = subprocess.run(command, cwd=ROOT, check=False).returncode
            if status:
                return status
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
