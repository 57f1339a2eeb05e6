"""Features in the user's cache folder: made by chunks as those of any file are, and read back by checksum."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from w2s_fast._files import whole_file
from w2s_fast.features.extraction import fill
from w2s_fast.features.formats import write_array
from w2s_fast.features.items import Items
from w2s_fast.features.models.base import EVERY_KIND, Loaded
from w2s_fast.features.store import ChangedError, Store, chunk_rows

Features = npt.NDArray[np.float32]
Progress = AbstractContextManager[Callable[[int, int], None] | None]
ShowProgress = Callable[[str], Progress]


class Extractor(NamedTuple):
    """Something that turns items into features, several sets of them side by side.

    Attributes
    ----------
    name : str
        Of its files.
    widths : dict of str to int
        The sets; names are unique within a task.
    packages : tuple of str
        What it needs from pip, as requirements.
    start : callable
        Loads the model, which makes the sets of a list of items.
    """

    name: str
    widths: dict[str, int]
    packages: tuple[str, ...]
    start: Callable[[], Loaded]


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


def function(embed: Callable[[list[Any]], dict[str, Features]]) -> Loaded:
    """Something that is no model, and makes the sets by itself."""
    return Loaded(EVERY_KIND, {}, embed)


def extract(
    folder: Path,
    extractor: Extractor,
    items: Sequence[Any],
    progress: Callable[[int, int], None] | None = None,
    notify: Callable[[str], None] = warnings.warn,
) -> dict[str, Features]:
    """Make all features of an extractor, going on from chunks that an interrupted run left, and keep them."""
    for left in folder.glob(f"{extractor.name}-" + "[0-9a-f]" * 12):  # by versions that had chunks of their own
        shutil.rmtree(left, ignore_errors=True)
    data = Items("other", items, extractor.name)
    about = {"rows": len(items), "widths": extractor.widths, "versions": installed(extractor.packages)}
    store = _begun(
        folder / f"{extractor.name}.chunks", about | {"chunk": chunk_rows(len(items)), "data": data.checksum()}
    )
    try:
        if store.done < store.rows:
            model = extractor.start()
            store.about["batch"] = model.batch
            fill(store, model, data, "float32", None, progress, notify)
        _require_widths(store, extractor)
        sums = {name: _write(folder / f"{name}.npy", store, name) for name in extractor.widths}
    except FileNotFoundError:  # another process makes the same, and has cleared the chunks away at its end
        store.remove()
        if (found := load(folder, extractor)) is None:
            raise
        return found
    with whole_file(folder / f"{extractor.name}.json") as file:
        file.write(json.dumps(about | {"sha256": sums}, indent=1).encode() + b"\n")
    store.remove()
    found = load(folder, extractor)
    assert found is not None
    return found


def _begun(folder: Path, about: dict[str, Any]) -> Store:
    """The chunks of the same features that are there, or a new folder."""
    try:
        return Store.begin(folder, about)
    except ChangedError:  # of other items or versions
        shutil.rmtree(folder, ignore_errors=True)
        return Store.begin(folder, about)


def _require_widths(store: Store, extractor: Extractor) -> None:
    found = {name: shape for name, (shape, _) in store.shapes.items()}
    expected = {name: (width,) for name, width in extractor.widths.items()}
    if found != expected:
        raise ValueError(f"{extractor.name} made features of the shapes {found}, expected {expected}")


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
            found |= extract(folder, extractor, items, callback, notify)
    return found


def _sum(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _write(path: Path, store: Store, name: str) -> str:
    """Write one set, and return the checksum of its file."""
    with whole_file(path) as file:
        write_array(store, name, file)
    return _sum(path.read_bytes())


def _read(path: Path, expected: str) -> Features:
    content = path.read_bytes()
    if _sum(content) != expected:
        raise ValueError(f"{path.name} has another checksum than when it was written")
    return np.asarray(np.load(io.BytesIO(content), allow_pickle=False))
