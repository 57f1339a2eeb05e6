"""Source distributions fetched by pip and checked before anything of them runs, which nothing ever does."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

# pip asks a source distribution for its metadata, and for that it would run setup.py. This build backend answers in
# its place: pip calls it instead of setuptools where builds are not isolated and this one comes first on the path.
BACKEND = """
import pathlib

class __legacy__:
    @staticmethod
    def get_requires_for_build_wheel(settings=None):
        return []

    @staticmethod
    def prepare_metadata_for_build_wheel(folder, settings=None):
        found = pathlib.Path(folder, "{name}-{version}.dist-info")
        found.mkdir()
        (found / "METADATA").write_text("Metadata-Version: 2.1\\nName: {name}\\nVersion: {version}\\n")
        return found.name
"""
ALONE = ("--no-deps", "--no-binary", ":all:", "--no-build-isolation", "--use-pep517")


def source_distribution(name: str, version: str, sha256: str) -> bytes:
    """Return a source distribution without a pyproject.toml, from wherever pip finds packages.

    Parameters
    ----------
    name, version : str
        As its archive and its metadata spell them.
    sha256 : str
        Of the archive, in hexadecimal digits. pip compares it before it unpacks anything.

    Raises
    ------
    RuntimeError
        pip could not fetch it, or what it fetched has another checksum.
    """
    requirement = f"{name}=={version}"
    with tempfile.TemporaryDirectory(prefix="w2s-") as scratch:
        backend, listed, fetched = (Path(scratch, part) for part in ("setuptools", "requirements.txt", "fetched"))
        backend.mkdir()
        (backend / "__init__.py").touch()
        (backend / "build_meta.py").write_text(BACKEND.format(name=name, version=version), encoding="ascii")
        listed.write_text(f"{requirement} --hash=sha256:{sha256}\n", encoding="ascii")
        command = [sys.executable, "-m", "pip", "download", "-q", *ALONE, "-d", str(fetched), "-r", str(listed)]
        path = os.pathsep.join(filter(None, (scratch, os.environ.get("PYTHONPATH"))))
        environment = os.environ | {"PYTHONPATH": path}
        done = subprocess.run(command, check=False, capture_output=True, text=True, errors="replace", env=environment)
        if done.returncode:
            raise RuntimeError(f"pip could not download {requirement} (once, needs a network): {_reason(done.stderr)}")
        (found,) = fetched.iterdir()
        return found.read_bytes()


def _reason(errors: str) -> str:
    """Return what pip says first of what went wrong; what comes later are hints."""
    lines = [line.strip() for line in errors.splitlines()]
    said = [line for line in lines if line.startswith("ERROR:")] or [line for line in lines if line]
    return said[0] if said else "no reason given"
