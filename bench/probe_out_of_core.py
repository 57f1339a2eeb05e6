"""A probe on features that memory need not hold: ``python -m bench.probe_out_of_core FOLDER``.

Writes a student's features of 6 GB and a teacher's of 1.5 GB to FOLDER, runs trials on them in a fresh process, and
reports the peak of resident memory and the time of a trial beside that of its products alone.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from time import perf_counter

import numpy as np

from bench.out_of_core import CHUNK, peak_gigabytes
from w2s_fast import probe

ROWS, D_WEAK, D_STRONG = 2_000_000, 192, 768
LABELLED, PSEUDO, TRIALS = 10_000, (100_000, 300_000, 1_000_000), 2


def write(folder: Path) -> None:
    """Gaussian features of which student and teacher share 96 columns, and labels, written without holding them."""
    rng, y = np.random.default_rng(0), np.empty(ROWS)
    with (folder / "weak.npy").open("wb") as weak, (folder / "strong.npy").open("wb") as strong:
        for file, columns in ((weak, D_WEAK), (strong, D_STRONG)):
            header = {"descr": "<f4", "fortran_order": False, "shape": (ROWS, columns)}
            np.lib.format.write_array_header_1_0(file, header)
        for start in range(0, ROWS, CHUNK):
            z = rng.standard_normal((min(CHUNK, ROWS - start), D_WEAK + D_STRONG - 96), np.float32)
            weak.write(z[:, :D_WEAK].tobytes())
            strong.write(z[:, D_WEAK - 96 :].tobytes())
            y[start : start + len(z)] = z[:, D_WEAK - 96] + rng.standard_normal(len(z))
    np.save(folder / "y.npy", y)


def products_seconds() -> float:
    """BLAS's time, on all threads, for X'X of a trial's rows of the student in float64."""
    block = np.random.default_rng(0).standard_normal((32_768, D_STRONG))
    start = perf_counter()
    _ = block.T @ block
    return (perf_counter() - start) * (LABELLED + PSEUDO[-1]) / len(block)


def run(folder: Path) -> None:
    start = perf_counter()
    done: list[float] = []
    result = probe(
        folder / "weak.npy", folder / "strong.npy", folder / "y.npy", n=LABELLED, N=PSEUDO, trials=TRIALS, test=20_000,
        progress=lambda *_: done.append(perf_counter()),
    )  # fmt: skip
    seconds = perf_counter() - start
    size = sum(path.stat().st_size for path in folder.glob("*.npy")) / 1e9
    print(f"{size:.1f} GB of features, {TRIALS} trials with N to {PSEUDO[-1]:,}: {seconds:.1f} s with the first check")
    print(f"peak {peak_gigabytes():.2f} GB resident; products alone {products_seconds():.1f} s a trial")
    print("PGR", np.round(result.pgr.mean(axis=1), 3))


def main(arguments: list[str]) -> None:
    if len(arguments) == 2 and arguments[0] == "--run":
        run(Path(arguments[1]))
    elif len(arguments) == 1:
        folder = Path(arguments[0]) / "w2s_fast_probe"
        folder.mkdir()
        try:
            write(folder)
            subprocess.run([sys.executable, "-m", "bench.probe_out_of_core", "--run", str(folder)], check=True)
        finally:
            for path in folder.iterdir():
                path.unlink()
            folder.rmdir()
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
