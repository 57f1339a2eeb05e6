"""Files of features that somebody else changes while a probe reads them."""

from __future__ import annotations

import functools
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tests.campaign.children import HANG, Child, require_one_line
from w2s_fast import probe

ROWS, COLUMNS, TRIALS = 4_000, 40, 150
X = np.random.default_rng(0).standard_normal((ROWS, COLUMNS))
Y = X[:, 0] + np.random.default_rng(1).standard_normal(ROWS)


def risks(features: Any, progress: Callable[[int, int], object] | None = None) -> list[float]:
    found = probe(X[:, :3], features, Y, n=60, N=2_000, trials=TRIALS, workers=1, progress=progress)
    return [float(np.mean(fit)) for fit in (found.weak, found.w2s, found.baseline, found.ceiling)]


@functools.cache
def unchanged() -> tuple[list[float], float]:
    """Risks of the features as they are, and the seconds that they take."""
    risks(X)
    began = time.perf_counter()
    return risks(X), time.perf_counter() - began


def changes(rng: np.random.Generator, path: Path) -> dict[str, Callable[[], object]]:
    content = path.read_bytes()
    other = path.with_name("other.npy")
    other.write_bytes(content[:-8] + bytes(8))
    return {
        "cut": lambda: os.truncate(path, int(rng.integers(len(content)))),
        "written to": lambda: path.write_bytes(content[:500] + bytes(len(content) - 500)),
        "replaced": lambda: os.replace(other, path),
        "deleted": path.unlink,
    }


def changed_files(rng: np.random.Generator, folder: Path) -> str:
    """Change a file at a random moment of a probe: its risks are those of the file as it was, or it is refused."""
    path, begun = folder / "X.npy", folder / "begun"
    expected, seconds = unchanged()
    np.save(path, np.asarray(X, order="F" if rng.integers(2) else "C"))
    os.utime(path, ns=(0, 0))  # a clock may tick less often than this attack
    change, do = list(changes(rng, path).items())[rng.integers(4)]
    mapped = bool(rng.integers(2))

    def work() -> list[float]:
        features = np.load(path, mmap_mode="r") if mapped else path
        return risks(features, lambda done, total: begun.touch() if not begun.exists() else None)

    child = Child(work)
    until = time.monotonic() + HANG
    while not begun.exists() and time.monotonic() < until:
        time.sleep(0.001)
    time.sleep(rng.uniform(0.0, 1.5 * seconds))
    do()
    end = child.end()
    assert not end.signal, f"{change}: killed by signal {end.signal}"
    if end.error is not None:
        require_one_line(end.error, ValueError)
        assert "changed while it was read" in str(end.error), f"{change}: {end.error}"
        return f"{change}: refused"
    assert end.value == expected, f"{change}: other risks"
    return f"{change}: the same risks"


ATTACKS = {"changed files": changed_files}
