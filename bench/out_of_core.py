"""Subspaces of what memory does not hold: ``python -m bench.out_of_core FOLDER``.

Writes a 4 GB file to FOLDER, fits 100 directions of it in a fresh process, and reports the peak of resident memory and
the time against the floor: reading the file and the products of its rows, each measured by itself in the same process.
With ``--wide`` it decomposes 2,000 x 1,000,000 gradient features in memory instead, which takes 14 GB.
"""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path
from time import perf_counter

import numpy as np

from w2s_fast import Subspace, randomized_svd

ROWS, COLUMNS, RANK = 1_000_000, 1_024, 100
WIDE = (2_000, 1_000_000, 500)
CHUNK = 4_096


def peak_gigabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def write(path: Path) -> None:
    """Gaussian rows whose singular values fall as 1/i, written without holding them."""
    rng, scales = np.random.default_rng(0), (1.0 / np.arange(1, COLUMNS + 1)).astype(np.float32)
    header = {"descr": "<f4", "fortran_order": False, "shape": (ROWS, COLUMNS)}
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        for start in range(0, ROWS, CHUNK):
            rows = rng.standard_normal((min(CHUNK, ROWS - start), COLUMNS), np.float32)
            file.write((rows * scales).tobytes())


def reading_seconds(path: Path) -> float:
    buffer, start = bytearray(CHUNK * COLUMNS * 4), perf_counter()
    with path.open("rb", buffering=0) as file:
        while file.readinto(buffer):
            pass
    return perf_counter() - start


def gram_seconds(rounds: int = 3) -> float:
    """BLAS's time for X'X of all rows in float64, from that for one block of 65,536."""
    block = np.random.default_rng(0).standard_normal((65_536, COLUMNS))
    times = []
    for _ in range(rounds):
        start = perf_counter()
        _ = block.T @ block
        times.append(perf_counter() - start)
    return min(times) * ROWS / len(block)


def fit(path: Path) -> None:
    start = perf_counter()
    found = Subspace.fit(path, rank=RANK)
    seconds, peak = perf_counter() - start, peak_gigabytes()
    reading, products = reading_seconds(path), gram_seconds()
    floor = max(reading, products)
    print(f"rank {found.rank}, energy {found.energy:.6f}, {seconds:.2f} s, peak {peak:.2f} GB resident")
    print(f"reading {reading:.2f} s, products {products:.2f} s: {100 * floor / seconds:.0f} % of the floor")


def decompose() -> None:
    N, D, k = WIDE
    X = np.empty((N, D), np.float32)
    rng, scales = np.random.default_rng(0), (1.0 / np.arange(1, N + 1)).astype(np.float32)
    for i in range(N):
        rng.standard_normal(D, np.float32, out=X[i])
        X[i] *= scales[i]
    before, start = peak_gigabytes(), perf_counter()
    U, s, Vt = randomized_svd(X, k, random_state=0)
    seconds, peak = perf_counter() - start, peak_gigabytes()
    off = max(float(np.abs(A @ A.T - np.eye(k)).max()) for A in (U.T, Vt))
    print(f"{N:,} x {D:,}, k = {k}: {seconds:.1f} s, {peak - before:.1f} GB beside X, orthonormal to {off:.0e}")
    print(f"singular values {s[0]:.4g} to {s[-1]:.4g}")


def main(arguments: list[str]) -> None:
    if arguments == ["--wide"]:
        decompose()
    elif len(arguments) == 2 and arguments[0] == "--fit":
        fit(Path(arguments[1]))
    elif len(arguments) == 1:
        path = Path(arguments[0]) / "w2s_fast_rows.npy"
        write(path)
        try:
            subprocess.run([sys.executable, "-m", "bench.out_of_core", "--fit", str(path)], check=True)
        finally:
            path.unlink()
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
