"""Systems without what POSIX or Linux alone have, played here: ``python -m pytest -p tests.elsewhere tests/linalg``.

:func:`take_away` removes from the standard library what Windows lacks, and lets nobody open what only Linux shows. It
shows that fallbacks are there and work. What it cannot show is what Windows and macOS do otherwise: names of files,
files in use that cannot be replaced, other BLAS.
"""

from __future__ import annotations

import mmap
import os
import shutil
import signal
import sys
import tempfile
from types import ModuleType
from typing import Any

OF_SYSTEM = """
    fork forkpty register_at_fork posix_spawn wait wait3 wait4 waitid WNOHANG WIFSIGNALED WTERMSIG
    getuid geteuid setuid getgid getegid setgid getgroups getpgid getpgrp getsid setsid killpg
    nice getpriority setpriority getloadavg process_cpu_count sched_getaffinity sched_setaffinity sched_yield
    sysconf confstr pathconf uname openpty ttyname ctermid chroot mkfifo mknod chown lchown statvfs fstatvfs
    pread pwrite preadv pwritev readv writev sendfile copy_file_range posix_fadvise posix_fallocate memfd_create eventfd
    fchmod fchown fdatasync sync lockf getxattr setxattr
    O_TMPFILE O_DIRECT O_CLOEXEC O_NOFOLLOW O_DIRECTORY O_NONBLOCK O_SYNC O_DSYNC O_NOATIME O_PATH O_NOCTTY
"""
OF_SIGNALS = """
    SIGKILL SIGHUP SIGQUIT SIGUSR1 SIGUSR2 SIGALRM SIGPIPE SIGCHLD SIGSTOP SIGCONT SIGTSTP
    alarm pause setitimer getitimer pthread_kill pthread_sigmask sigwait siginterrupt
"""
OF_MAPS = "MAP_SHARED MAP_PRIVATE MAP_ANON MAP_ANONYMOUS PROT_READ PROT_WRITE PROT_EXEC MADV_DONTNEED MADV_SEQUENTIAL"
# What Windows lacks by the documentation of Python 3.11 (fchmod and process_cpu_count came to it with 3.13).
MISSING: dict[ModuleType, frozenset[str]] = {
    module: frozenset(names.split()) for module, names in ((os, OF_SYSTEM), (signal, OF_SIGNALS), (mmap, OF_MAPS))
}
MODULES = ("fcntl", "grp", "posix", "pty", "pwd", "readline", "resource", "syslog", "termios", "tty")
PLACES = ("/proc", "/sys", "/dev/shm", "/dev/full", "/run")
KEEPS = ("threadpoolctl",)  # which asks each system in its own way


def take_away(but: frozenset[str] = frozenset()) -> None:
    """Be such a system from now on, ``but`` for some names; import what others need of POSIX before."""
    for module, names in MISSING.items():
        for name in names - but:
            if hasattr(module, name):
                delattr(module, name)
    tempfile._O_TMPFILE_WORKS = shutil._USE_CP_SENDFILE = False  # found out when these were imported
    sys.addaudithook(_only_elsewhere)


def _only_elsewhere(event: str, arguments: tuple[Any, ...]) -> None:
    if event != "open" or not isinstance(arguments[0], str) or not arguments[0].startswith(PLACES):
        return
    if sys._getframe(1).f_globals.get("__name__") not in KEEPS:
        raise FileNotFoundError(2, "there is no such place on other systems", arguments[0])


def pytest_configure() -> None:
    take_away(but=frozenset({"getuid"}))  # which pytest asks whose folders are
