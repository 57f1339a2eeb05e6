"""Disks that are full, and calls of the system that fail."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from tests.campaign.children import Child, End, require_one_line, require_only
from tests.campaign.kills import LARGEST, grams, limited
from tests.campaign.studies import FILES, expected, require_expected, study
from w2s_fast import Gram, Study

CALLS = ("open", "link", "replace", "fsync", "fchmod", "unlink")  # of the system, made by Python
CODES = (errno.EIO, errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS)


@contextmanager
def small_disk(folder: Path, size: int, wanted: bool) -> Iterator[bool]:
    """A disk of so many bytes in a folder, if this process may make one."""
    may = wanted and shutil.which("mount") is not None and os.geteuid() == 0
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    made = may and subprocess.run(command, capture_output=True, check=False).returncode == 0
    try:
        yield made
    finally:
        if made:
            subprocess.run(["umount", "-l", str(folder)], check=True)


def full_disk_under_a_run(rng: np.random.Generator, folder: Path) -> str:
    """Run a study until the disk is full; what was done is read, and goes on to the same bits elsewhere."""
    expected()
    disk, room, keep_trials = folder / "disk", folder / "room", bool(rng.integers(2))
    disk.mkdir()
    room.mkdir()
    path, size = disk / FILES[0], 10 ** rng.uniform(3, np.log10(LARGEST))

    def run() -> bool:
        return study(path, keep_trials).run(progress=False, workers=int(rng.integers(1, 4))).is_complete

    with small_disk(disk, int(size), wanted=bool(rng.integers(2))) as real:
        end = Child(run if real else limited(run, size, signal.SIG_IGN)).end()
        outcome = _refused(end)
        require_only(disk, *FILES)
        if path.exists():
            Study.open(path)  # on the full disk
        for name in FILES:
            if (disk / name).exists():
                shutil.copyfile(disk / name, room / name)
    require_expected(room / FILES[0], keep_trials)
    return f"{'disk' if real else 'limit'}: {outcome}, then the same bits"


def _refused(end: End) -> str:
    assert not end.signal, f"killed by signal {end.signal}"
    if end.error is None:
        return "there was room"
    require_one_line(end.error, OSError)
    return "refused in one line"


def failing_saves(rng: np.random.Generator, folder: Path) -> str:
    """Let one call of the system fail during a save: the file is the one before, or the new one, whole."""
    path, (old, new) = folder / "gram.npz", grams(int(rng.integers(1000)))
    before, name, code = bool(rng.integers(2)), str(rng.choice(CALLS)), int(rng.choice(CODES))
    if before:
        old.save(path)
    after, full = int(rng.integers(0, 3)), rng.random() < 0.3

    def save() -> None:
        if not full:
            setattr(os, name, failing(getattr(os, name), after, code))
        new.save(path)

    end = Child(limited(save, rng.uniform(0, 1e6), signal.SIG_IGN) if full else save).end()
    outcome = _refused(end)
    if name != "unlink" or full:
        require_only(folder, path.name)
    if not path.exists():
        assert not before, "the save before is lost"
        assert end.error is not None, "nothing was saved, and nothing said"
        return f"{outcome}, nothing there"
    found = Gram.load(path).xtx
    assert np.array_equal(found, new.xtx) or (before and end.error is not None and np.array_equal(found, old.xtx))
    return outcome


def failing(call: Callable[..., Any], after: int, code: int) -> Callable[..., Any]:
    """Make a call fail once, after it went well some times."""
    left = [after]

    def inner(*arguments: Any, **options: Any) -> Any:
        left[0] -= 1
        if left[0] == -1:
            raise OSError(code, os.strerror(code))
        return call(*arguments, **options)

    return inner


ATTACKS = {"full disks under runs": full_disk_under_a_run, "saves on failing disks": failing_saves}
