"""Features in the user's cache folder: made chunk by chunk, so that little is lost, and read back by checksum."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from w2s_fast._files import whole_file

Features = npt.NDArray[np.float32]
Embed = Callable[[Sequence[Any]], Features]
Progress = AbstractContextManager[Callable[[int, int], None] | None]
ShowProgress = Callable[[str], Progress]
CHUNK = 64  # items: what an interruption loses at most, a second or two of work


class Extractor(NamedTuple):
    """Something that turns items into features, several sets of them side by side.

    Attributes
    ----------
    name : str
        Of its files.
    widths : dict of str to int
        The sets, in the order of their columns; names are unique within a task.
    packages : tuple of str
        What it needs from pip, as requirements.
    start : callable
        Loads the model; returns a function from items to (items, columns).
    """

    name: str
    widths: dict[str, int]
    packages: tuple[str, ...]
    start: Callable[[], Embed]


class DamagedError(ValueError):
    """A file of the cache is not what was written."""


def cache_folder(task: str) -> Path:
    """Where a task keeps its files: below ``$XDG_CACHE_HOME`` if that is an absolute path, else ``~/.cache``."""
    root = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (root if root.is_absolute() else Path.home() / ".cache") / "w2s_fast" / task


def load(folder: Path, extractor: Extractor) -> dict[str, Features] | None:
    """Read all features of an extractor; None if they were not made yet.

    Raises
    ------
    DamagedError
        A file is missing or has another checksum than its manifest says.
    """
    manifest = folder / f"{extractor.name}.json"
    if not manifest.exists():
        return None
    try:
        sums = json.loads(manifest.read_bytes())["sha256"]
        return {name: _read(folder / f"{name}.npy", sums[name]) for name in extractor.widths}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DamagedError(f"{manifest.name} or a file it lists is damaged: {error}") from None


def extract(
    folder: Path,
    extractor: Extractor,
    items: Sequence[Any],
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Features]:
    """Make all features of an extractor, going on from chunks that an interrupted run left, and keep them."""
    versions = installed(extractor.packages)
    about = {"rows": len(items), "widths": extractor.widths, "versions": versions}
    key = hashlib.sha256(json.dumps([about, CHUNK, repr(items)]).encode()).hexdigest()
    chunks = folder / f"{extractor.name}-{key[:12]}"
    chunks.mkdir(parents=True, exist_ok=True)
    try:
        parts = _chunks(chunks, extractor, items, progress)
    except FileNotFoundError:  # another process makes the same, and has cleared the chunks away at its end
        if (found := load(folder, extractor)) is None:
            raise
        return found
    ends = np.cumsum(list(extractor.widths.values()))[:-1]
    joined = [
        np.concatenate(columns) for columns in zip(*(np.split(part, ends, axis=1) for part in parts), strict=True)
    ]
    features = dict(zip(extractor.widths, joined, strict=True))
    sums = {name: _write(folder / f"{name}.npy", array) for name, array in features.items()}
    with whole_file(folder / f"{extractor.name}.json") as file:
        file.write(json.dumps(about | {"sha256": sums}, indent=1).encode() + b"\n")
    shutil.rmtree(chunks, ignore_errors=True)  # another process may be at work in there
    return features


def _chunks(
    folder: Path, extractor: Extractor, items: Sequence[Any], progress: Callable[[int, int], None] | None
) -> list[Features]:
    """Features chunk by chunk: those in the folder, and the others made anew. A chunk's name holds its checksum."""
    parts: list[Features] = []
    embed: Embed | None = None
    columns = sum(extractor.widths.values())
    for start in range(0, len(items), CHUNK):
        part = _chunk_of_before(folder, start)
        if part is None:
            embed = embed or extractor.start()
            batch = items[start : start + CHUNK]
            part = np.ascontiguousarray(embed(batch), np.float32)
            if part.shape != (len(batch), columns) or not np.isfinite(part).all():
                raise ValueError(f"{extractor.name} made no finite features of shape ({len(batch)}, {columns})")
            content = _bytes(part)
            with whole_file(folder / f"{start:08}-{_sum(content)}.npy") as file:
                file.write(content)
        parts.append(part)
        if progress is not None:
            progress(min(start + CHUNK, len(items)), len(items))
    return parts


def _chunk_of_before(folder: Path, start: int) -> Features | None:
    for path in folder.glob(f"{start:08}-*.npy"):
        try:
            return _read(path, path.stem.partition("-")[2])
        except ValueError:
            path.unlink(missing_ok=True)
    return None


def installed(requirements: Sequence[str]) -> dict[str, str]:
    """Version of each required package.

    Raises
    ------
    ImportError
        Some are not installed; the message says how to install exactly those.
    """
    versions, missing = {}, []
    for requirement in dict.fromkeys(requirements):  # each once
        name = distribution(requirement)
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            missing.append(f'"{requirement}"')
    if missing:
        raise ImportError(f"packages of the extra 'tasks' are missing: python -m pip install {' '.join(missing)}")
    return versions


def distribution(requirement: str) -> str:
    """Name of what a requirement asks for.

    >>> distribution("elpv-dataset==1.0.0.post1"), distribution("torch>=2.4")
    ('elpv-dataset', 'torch')
    """
    return requirement.partition("=")[0].partition(">")[0]


def collect(
    folder: Path,
    extractors: Sequence[Extractor],
    read_items: Callable[[Path], Sequence[Any]],
    show_progress: ShowProgress,
    notify: Callable[[str], None],
) -> Mapping[str, Features]:
    """Load all features, and make those that are not there; only then are items read."""
    found: dict[str, Features] = {}
    missing = []
    for extractor in extractors:
        try:
            features = load(folder, extractor)
        except DamagedError as error:
            notify(f"{error}; made anew")
            features = None
        if features is None:
            missing.append(extractor)
        found |= features or {}
    if missing:
        installed([package for extractor in missing for package in extractor.packages])
        folder.mkdir(parents=True, exist_ok=True)
        items = read_items(folder)
    for extractor in missing:
        with show_progress(f"features: {extractor.name}") as callback:
            found |= extract(folder, extractor, items, callback)
    return found


def _bytes(array: Features) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def _sum(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _write(path: Path, array: Features) -> str:
    content = _bytes(array)
    with whole_file(path) as file:
        file.write(content)
    return _sum(content)


def _read(path: Path, expected: str) -> Features:
    content = path.read_bytes()
    if _sum(content) != expected:
        raise ValueError(f"{path.name} has another checksum than when it was written")
    return np.asarray(np.load(io.BytesIO(content), allow_pickle=False))
