"""Files of a model, in a folder or in a repository of Hugging Face's hub."""

from __future__ import annotations

import os
from pathlib import Path

CONFIG = "config.json"


def file_of(model: str | os.PathLike[str], file: str) -> Path | None:
    """Find a file of a folder, or of a repository, in the cache where there is no network; None without such a file."""
    if Path(model).is_dir():
        found = Path(model) / file
        return found if found.is_file() else None
    try:
        from huggingface_hub import hf_hub_download
    except ImportError:
        return None
    try:
        return Path(hf_hub_download(os.fspath(model), file))
    except (OSError, ValueError):  # no such file or repository, no name of one, or nobody to ask
        return None


def revision_of(model: str | os.PathLike[str], subfolder: str = "") -> str | None:
    """Name the commit that a repository is at, which the cache's folder is called after; None for a folder."""
    inside = Path(subfolder) / CONFIG
    file = None if Path(model).is_dir() else file_of(model, inside.as_posix())
    return None if file is None else file.parents[len(inside.parts) - 1].name


def may_lack(model: str | os.PathLike[str], file: str) -> bool:
    """Whether a repository is in the cache, and nobody knows if it has a file that is not: the hub was not asked."""
    if Path(model).is_dir():
        return False
    try:
        from huggingface_hub import try_to_load_from_cache

        return (
            try_to_load_from_cache(os.fspath(model), CONFIG) is not None
            and try_to_load_from_cache(os.fspath(model), file) is None
        )
    except (ImportError, ValueError):
        return False
