"""Run attacks in processes of their own, so that one that crashes or hangs is a fault like others; print counts."""

from __future__ import annotations

import argparse
import faulthandler
import itertools
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tests.campaign import arrays, changes, disks, files, forks, interrupts, kills
from w2s_fast._threads import default_workers

Attack = Callable[[np.random.Generator, Path], str]  # returns what came of it; raises where that is a fault
ATTACKS: dict[str, Attack] = {
    **kills.ATTACKS,
    **disks.ATTACKS,
    **files.ATTACKS,
    **changes.ATTACKS,
    **interrupts.ATTACKS,
    **forks.ATTACKS,
    **arrays.ATTACKS,
}
ROOT = Path(__file__).parents[2]
HANG = 240.0  # seconds: no attempt takes that long, on however busy a machine
LONGEST = 600.0  # seconds of one process


class Attempt(NamedTuple):
    seed: int
    outcome: str
    fault: bool


def attempts(name: str, seed: int, until: float) -> Iterator[Attempt]:
    """Make attempts in this process, one after the other; one that hangs ends it."""
    for number in itertools.count(seed):
        faulthandler.dump_traceback_later(HANG, exit=True)
        try:
            made = attempted(name, number)
        finally:
            faulthandler.cancel_dump_traceback_later()
        yield made
        if time.monotonic() > until:
            return


def attempted(name: str, seed: int) -> Attempt:
    with tempfile.TemporaryDirectory(prefix="w2s-campaign-") as folder:
        try:
            return Attempt(seed, ATTACKS[name](np.random.default_rng(seed), Path(folder)), False)
        except Exception as error:
            where = traceback.extract_tb(error.__traceback__)[-1]
            what = f"{type(error).__name__}: {error} ({Path(where.filename).name}:{where.lineno})"
            return Attempt(seed, " ".join(what.split()), True)


def attempts_of_process(name: str, seed: int, until: float) -> Iterator[Attempt]:
    """Make attempts in another process; when it dies, that is a fault, and the next goes on."""
    while True:
        seconds = max(0.0, min(until - time.monotonic(), LONGEST))
        command = [sys.executable, "-m", "tests.campaign", "--child", name, str(seed), str(seconds)]
        with tempfile.TemporaryFile() as errors:
            done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=errors, text=True, check=False)
            errors.seek(0)
            said = errors.read().decode(errors="replace").split("\n")
        for line in done.stdout.splitlines():
            yield Attempt(*json.loads(line))
            seed += 1
        if done.returncode:
            yield Attempt(seed, f"the process died ({done.returncode}): {' '.join(said[-25:])}", True)
            seed += 1
        if time.monotonic() > until:
            return


def child(name: str, seed: int, seconds: float) -> None:
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what is attacked prints elsewhere
    for attempt in attempts(name, seed, time.monotonic() + seconds):
        print(json.dumps(attempt), file=out, flush=True)


def attacked(names: list[str], minutes: float, seed: int) -> tuple[Counter[tuple[str, str]], list[tuple[str, Attempt]]]:
    """Attack for that long, as many at a time as there are cores; return counts by attack and outcome, and faults."""
    cores = default_workers()
    share = 60.0 * minutes * min(cores, len(names)) / len(names)
    counts: Counter[tuple[str, str]] = Counter()
    faults: list[tuple[str, Attempt]] = []

    def attack(name: str) -> list[Attempt]:
        return list(attempts_of_process(name, seed, time.monotonic() + share))

    with ThreadPoolExecutor(cores) as pool:
        for name, found in zip(names, pool.map(attack, names), strict=True):
            counts += Counter((name, "FAULT" if attempt.fault else attempt.outcome) for attempt in found)
            faults += [(name, attempt) for attempt in found if attempt.fault]
    return counts, faults


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.campaign", description="Attacks at random.")
    parser.add_argument("minutes", nargs="?", type=float, default=2.0)
    parser.add_argument("--only", action="append", choices=[*ATTACKS], help="may be repeated")
    parser.add_argument("--seed", type=int, default=0, help="of the first attempt of each attack")
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.child:
        child(chosen.child[0], int(chosen.child[1]), float(chosen.child[2]))
        return 0
    counts, faults = attacked(chosen.only or [*ATTACKS], chosen.minutes, chosen.seed)
    for (name, outcome), count in sorted(counts.items()):
        print(f"{count:8,}  {name}: {outcome}")
    kinds: dict[tuple[str, str], list[Attempt]] = {}
    for name, attempt in faults:
        kinds.setdefault((name, re.sub(r"[0-9]+", "#", attempt.outcome)), []).append(attempt)
    for (name, _), alike in kinds.items():
        print(f"{len(alike):8,}  FAULT, as --only {name!r} --seed {alike[0].seed}: {alike[0].outcome}")
    print(f"{counts.total():8,}  attempts, {len(faults)} faults")
    return int(bool(faults))


if __name__ == "__main__":
    sys.exit(main())
