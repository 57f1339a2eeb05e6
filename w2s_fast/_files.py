"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole_file(path: str | os.PathLike[str], *, replace: bool = True) -> Iterator[Path]:
    """Yield a temporary path beside ``path`` that takes its place when the block ends well, and else disappears.

    A link is followed to the file that it names. With ``replace=False`` a file that is there already stays:
    FileExistsError.
    """
    if not os.fspath(path):
        raise ValueError("path is empty: name a file")
    target = Path(os.fsdecode(path))
    if replace and target.is_symlink():
        target = target.resolve()
    if target.is_dir():
        raise IsADirectoryError(f"{target} is a folder: name a file in it")
    if not target.parent.is_dir():
        raise FileNotFoundError(f"the folder {target.parent} does not exist")
    if target.exists():
        require_regular(target)
    temporary = _new_file(target)
    try:
        yield temporary
        _flush(temporary)
        if replace:
            os.replace(temporary, target)
        else:
            _take_free_name(temporary, target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def require_regular(path: Path) -> None:
    """Refuse a device, a pipe or a socket: it cannot be replaced, and reading it may wait for ever."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise OSError(f"{path} is no regular file: name another")


def _new_file(target: Path) -> Path:
    """Make an empty file beside the target, with the rights that the process gives to new files."""
    while True:
        name = target.with_name(f".w2s-{secrets.token_hex(8)}{target.suffix}")
        try:
            os.close(os.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        except FileExistsError:
            continue
        return name


def _flush(path: Path) -> None:
    """Wait until the disk has it: one that is full, or far away, may say so only now."""
    handle = os.open(path, os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _take_free_name(temporary: Path, target: Path) -> None:
    """Give a file its name; unlike renaming, this fails where the name is taken."""
    taken = FileExistsError(f"{target} exists: name a new file")
    try:
        os.link(temporary, target)
    except FileExistsError:
        raise taken from None
    except (OSError, AttributeError):  # a disk or a system without hard links
        pass
    else:
        temporary.unlink()
        return
    # An empty file holds the name, so that what is replaced is nobody else's.
    try:
        os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    except FileExistsError:
        raise taken from None
    try:
        os.replace(temporary, target)
    except BaseException:
        target.unlink(missing_ok=True)
        raise
