"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole_file(path: str | os.PathLike[str], *, replace: bool = True) -> Iterator[Path]:
    """Yield a temporary path beside ``path`` that takes its place when the block ends well, and else disappears.

    With ``replace=False`` a file that is there already stays: FileExistsError.
    """
    if not os.fspath(path):
        raise ValueError("path is empty: name a file")
    target = Path(os.fsdecode(path))
    if target.is_dir():
        raise IsADirectoryError(f"{target} is a folder: name a file in it")
    if not target.parent.is_dir():
        raise FileNotFoundError(f"the folder {target.parent} does not exist")
    handle, name = tempfile.mkstemp(prefix=".w2s-", suffix=target.suffix, dir=target.parent)
    os.close(handle)
    try:
        yield Path(name)
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(name, 0o666 & ~umask)  # mkstemp made it private
        if replace:
            os.replace(name, target)
        else:
            _link(name, target)
            os.unlink(name)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _link(name: str, target: Path) -> None:
    """Give a file its name; unlike renaming, this fails where the name is taken."""
    try:
        os.link(name, target)
    except FileExistsError:
        raise FileExistsError(f"{target} exists: name a new file") from None
