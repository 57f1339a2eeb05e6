"""Files that appear whole or not at all."""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import sleep
from typing import BinaryIO

ANYBODY = 0o666  # less what the process's umask takes
OPEN_FILES = "/proc/self/fd"  # where Linux shows them, so that one without a name can be given one
TRIES = 100  # to replace a file while other processes replace or read it too
IN_USE = (5, 32)  # of Windows, which replaces no file that another process has open: access denied, sharing violation
PAUSE = 0.02  # seconds until the next try there
TAKEN = "{} exists: name a new file"
NAMES_ONLY = (errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL, errno.ENOENT)  # what disks say without such files


@contextmanager
def whole_file(path: str | os.PathLike[str], *, replace: bool = True) -> Iterator[BinaryIO]:
    """Yield a new file that takes its place at ``path`` when the block ends well, and else disappears.

    Where system and disk can, it has no name before it is whole: a process that is killed leaves nothing. It has the
    rights of the file it replaces. A link is followed to the file that it names. With ``replace=False`` a file that is
    there already stays: FileExistsError.
    """
    target = _target(path, replace)
    rights = stat.S_IMODE(target.stat().st_mode) if target.exists() else None
    temporary = target.with_name(f".w2s-{secrets.token_hex(8)}{target.suffix}")
    try:
        with os.fdopen(_new_file(temporary, rights), "w+b") as file:
            yield file
            _flush(file)
            if not temporary.exists():
                if _placed(file, target, replace):
                    return
                _copy(file, temporary, rights)
        if replace:
            _replace(temporary, target)
        else:
            _take_free_name(temporary, target)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno is not None and error.filename is None:
            error.filename = str(target)  # a full disk does not say what it had no room for
        raise


def require_regular(path: Path) -> None:
    """Refuse a device, a pipe or a socket: it cannot be replaced, and reading it may wait for ever."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise OSError(f"{path} is no regular file: name another")


def _target(path: str | os.PathLike[str], replace: bool) -> Path:
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
        if replace and not os.access(target, os.W_OK):
            raise PermissionError(f"{target} is write-protected: name another, or give yourself the right to write it")
    return target


def _new_file(name: Path, rights: int | None) -> int:
    """Make an empty file in the folder of ``name``; under that name only where it cannot be without."""
    if hasattr(os, "O_TMPFILE") and os.path.isdir(OPEN_FILES):
        try:
            return _opened(name.parent, os.O_TMPFILE, rights)
        except OSError as error:
            if error.errno not in NAMES_ONLY:
                raise
    return _opened(name, os.O_CREAT | os.O_EXCL, rights)


def _opened(path: Path, flags: int, rights: int | None) -> int:
    handle = os.open(path, flags | os.O_RDWR, ANYBODY if rights is None else rights)
    if rights is not None:
        with suppress(OSError, AttributeError):  # of disks and systems that know none
            os.fchmod(handle, rights)  # the umask may have taken some
    return handle


def _flush(file: BinaryIO) -> None:
    """Wait until the disk has it: one that is full, or far away, may say so only now."""
    file.flush()
    os.fsync(file.fileno())


def _placed(file: BinaryIO, target: Path, replace: bool) -> bool:
    """Give a file that has no name its place; return whether the system can.

    To replace another it must have a name for a moment. That is always the same, so that of a process killed in that
    moment no more is left than the next one clears away.
    """
    name = target.with_name(f".w2s-{hashlib.sha256(os.fsencode(target.name)).hexdigest()[:16]}{target.suffix}")
    try:
        if not replace:
            _link(file, target)
            return True
        for _ in range(TRIES):
            try:
                _link(file, name)
                os.replace(name, target)
            except FileExistsError:
                name.unlink(missing_ok=True)
            except FileNotFoundError:  # another process, which writes the same file, has moved or removed it
                pass
            else:
                return True
    except FileExistsError:
        raise FileExistsError(TAKEN.format(target)) from None
    except (OSError, AttributeError):
        pass
    finally:
        name.unlink(missing_ok=True)
    return False


def _link(file: BinaryIO, name: Path) -> None:
    # The folder is of no account, but only with one does the system follow the link that it shows for an open file.
    os.link(f"{OPEN_FILES}/{file.fileno()}", name, src_dir_fd=file.fileno(), follow_symlinks=True)


def _copy(file: BinaryIO, name: Path, rights: int | None) -> None:
    file.seek(0)
    with os.fdopen(_opened(name, os.O_CREAT | os.O_EXCL, rights), "wb") as copy:
        shutil.copyfileobj(file, copy)
        _flush(copy)


def _replace(temporary: Path, target: Path) -> None:
    """Put a file in the place of another, as soon as no other process has that open; two seconds are enough to read."""
    for left in reversed(range(TRIES)):
        try:
            os.replace(temporary, target)
            return
        except PermissionError as error:
            if left == 0 or getattr(error, "winerror", None) not in IN_USE:
                raise
        sleep(PAUSE)


def _take_free_name(temporary: Path, target: Path) -> None:
    """Give a file its name; unlike renaming, this fails where the name is taken."""
    taken = FileExistsError(TAKEN.format(target))
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
        os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, ANYBODY))
    except FileExistsError:
        raise taken from None
    try:
        _replace(temporary, target)
    except BaseException:
        target.unlink(missing_ok=True)
        raise
