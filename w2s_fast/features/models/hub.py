"""Files of a model, in a folder or in a repository of Hugging Face's hub."""

from __future__ import annotations

import os
from pathlib import Path

CONFIG = "config.json"
Model = str | os.PathLike[str]


def file_of(model: Model, file: str, revision: str | None = None) -> Path | None:
    """Find a file of a folder, or of a repository, in the cache where there is no network; None without such a file.

    Where the hub does not answer, its library tries for half a minute, but not for what the cache has of a revision.
    """
    if Path(model).is_dir():
        found = Path(model) / file
        return found if found.is_file() else None
    try:
        from huggingface_hub import hf_hub_download
    except ImportError:
        return None
    try:
        return Path(hf_hub_download(os.fspath(model), file, revision=revision))
    except (OSError, ValueError):  # no such file or repository, no name of one, or nobody to ask
        return None


def revision_of(model: Model, file: str = CONFIG) -> str | None:
    """Name the commit that a repository is at, as the cache's folder of a file is called; None for a folder."""
    found = None if Path(model).is_dir() else file_of(model, file)
    return None if found is None else found.parents[len(Path(file).parts) - 1].name


def may_lack(model: Model, file: str) -> bool:
    """Whether a repository is in the cache, and nobody knows if it has a file that is not: the hub was not asked."""
    if Path(model).is_dir():
        return False
    try:
        from huggingface_hub import try_to_load_from_cache

        is_there, found = (try_to_load_from_cache(os.fspath(model), name) for name in (CONFIG, file))
    except (ImportError, ValueError):
        return False
    return isinstance(is_there, str) and found is None
