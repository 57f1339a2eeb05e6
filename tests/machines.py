"""Run the tests as other machines would: ``python -m tests.machines [--full] [PYTEST_ARGUMENT ...]``.

OpenBLAS is told to take the kernels of other processors, with one thread and with two, and tests run in random order,
with other hashes of strings and in other time zones. By default that is the numerical tests, on one thread, once for
each width of registers; with ``--full`` the whole suite, for every kind of kernels with one thread and two, and with
loops compiled for the plainest processor. One line tells each configuration, the kernels that NumPy's and SciPy's BLAS
really took, and what came of it; further ones name the tests that failed. Exit status 1 if any did.

As a plugin of pytest (``-p tests.machines``) it shuffles files, and the tests within each, by PYTHONHASHSEED.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parent.parent
KERNELS = ("SkylakeX", "Haswell", "Zen", "Sandybridge", "Nehalem", "Prescott")
UNLIKE = ("SkylakeX", "Haswell", "Prescott")  # of 512, 256 and 128 bits, whose sums differ most
ZONES = ("Pacific/Kiritimati", "America/St_Johns", "Asia/Kathmandu")
NUMERICAL = (
    "tests/linalg",
    "tests/probing",
    "tests/gaussian/test_gaussian.py",
    "tests/gaussian/test_theory.py",
    "tests/test_scales.py",
    "--ignore=tests/linalg/test_formats.py",  # no kernel of BLAS has a part in how files are read
    "--ignore-glob=tests/linalg/test_*_files.py",
)
# Which kernels each BLAS took, once both have worked with them: kernels that a processor cannot run end the process.
TRIAL = """
import json, numpy, scipy.linalg, threadpoolctl
for kind in "fd":
    a = numpy.random.default_rng(0).standard_normal((150, 100)).astype(kind)
    numpy.linalg.svd(a.T @ a)
    scipy.linalg.svd(a)
pools = [pool for pool in threadpoolctl.threadpool_info() if pool["user_api"] == "blas"]
print(json.dumps([pool.get("architecture", pool["internal_api"]) for pool in pools]))
"""


class Machine(NamedTuple):
    """What a run is told of the machine it is on."""

    kernels: str | None = None  # those OpenBLAS chooses
    threads: int = 2
    shuffle: int | None = None  # seed of hashes and order
    plain: bool = False  # loops for any processor, of which the compiler makes other sums

    def environment(self) -> dict[str, str]:
        found = {"OPENBLAS_NUM_THREADS": str(self.threads)}
        if self.kernels is not None:
            found["OPENBLAS_CORETYPE"] = self.kernels
        if self.shuffle is not None:
            found |= {"PYTHONHASHSEED": str(self.shuffle), "TZ": ZONES[self.shuffle % len(ZONES)]}
        if self.plain:
            found |= {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""}
        return found

    def __str__(self) -> str:
        return " ".join(f"{name}={value}" for name, value in self.environment().items())


def machines(full: bool) -> Iterator[Machine]:
    kinds = itertools.product(KERNELS, (1, 2)) if full else ((kernels, 1) for kernels in UNLIKE)
    yield from (Machine(kernels, threads, seed) for seed, (kernels, threads) in enumerate(kinds, 1))
    if full:
        yield Machine(plain=True)


def kernels_taken(machine: Machine) -> list[str] | str:
    """Name the kernels that NumPy's and SciPy's BLAS take, or say why these cannot be run."""
    done = _python(machine, "-c", TRIAL)
    if done.returncode < 0:
        return f"this processor cannot run them ({signal.Signals(-done.returncode).name})"
    return done.stderr if done.returncode else json.loads(done.stdout)


def _python(machine: Machine, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | machine.environment()
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def run(machine: Machine, arguments: list[str]) -> bool:
    """Run pytest, print what came of it, and tell whether all was well."""
    shuffled = ["-p", "tests.machines"] if machine.shuffle is not None else []
    done = _python(machine, "-m", "pytest", "-n", "2", "-p", "no:cacheprovider", "--tb=short", *shuffled, *arguments)
    lines = done.stdout.splitlines() or [""]
    print(lines[-1].strip("= "), flush=True)
    if done.returncode == pytest.ExitCode.OK:
        return True
    failed = [line.partition(" - ")[0] for line in lines if line.startswith(("FAILED ", "ERROR "))]
    print(*(f"  {line}" for line in failed or [*lines[-20:], done.stderr]), sep="\n", flush=True)
    return False


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full", action="store_true", help="the whole suite on every machine")
    chosen, arguments = parser.parse_known_args()
    if not chosen.full and not arguments:
        arguments = [*NUMERICAL]
    seen: set[str] = set()
    good = True
    for machine in machines(chosen.full):
        taken = kernels_taken(machine)
        print(f"{machine}, kernels {taken if isinstance(taken, str) else ' and '.join(taken)}", end=": ", flush=True)
        key = f"{taken}, {machine.threads} thread(s)"
        if isinstance(taken, str) or (machine.kernels is not None and key in seen):
            print("not run" if isinstance(taken, str) else "as above, OpenBLAS has no others for it", flush=True)
            continue
        seen.add(key)
        good &= run(machine, arguments)
    return int(not good)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    order = random.Random(int(os.environ["PYTHONHASHSEED"]))
    files = {item.path: order.random() for item in items}
    items.sort(key=lambda item: (files[item.path], order.random()))


if __name__ == "__main__":
    sys.exit(main())
