"""Accuracy first, then times, by turns."""

from __future__ import annotations

import datetime
import platform
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_info

from bench import samples
from bench.peers.cases import MISSING, Case

Row = dict[str, Any]
LEAST_ERROR = {"float32": 1e-7, "float64": 1e-15}  # below these no call is less accurate than another
PACKAGES = ("numpy", "scipy", "numba", "scikit-learn", "torch", "dask")


def measure(case: Case, machine: dict[str, float], quick: bool) -> list[Row]:
    """Run every call once for its error, which compiles it too, then by turns for its time."""
    errors = [None if case.error is None else case.error(call.run()) for call in case.counted]
    if case.error is None:
        for call in case.counted:
            call.run()
    limit = (
        case.slack * max(min(error for error in errors if error is not None), LEAST_ERROR[case.dtype])
        if case.error
        else 0
    )
    settings = {"rounds": 1, "seconds": 0.0} if quick else {"rounds": 3, "seconds": 1.0, "pause": 0.1}
    times = samples(*(call.run for call in case.counted), **settings)
    floor = max(case.flops / machine[f"gemm_{case.dtype}"], case.bytes / machine["bandwidth"])
    rows: list[Row] = []
    for call, error, seconds in zip(case.counted, errors, times, strict=True):
        low, middle, high = (float(q) / call.units for q in np.percentile(seconds, (25, 50, 75)))
        rows.append(
            {
                "what": case.what,
                "dtype": case.dtype,
                "library": call.library,
                "how": call.how,
                "seconds": middle,
                "spread": (high - low) / middle,
                "rounds": len(seconds),
                "ratio": middle / rows[0]["seconds"] if rows else 1.0,
                "error": error,
                "less_accurate": error is not None and error > limit,
                "floors": middle / floor if floor else None,
                "note": case.note,
            }
        )
    return rows


def record(rows: list[Row], machine: dict[str, float]) -> dict[str, Any]:
    """Rows with all that they depend on."""
    from w2s_fast._threads import default_workers

    blas = sorted({pool.get("architecture", pool["internal_api"]) for pool in threadpool_info()})
    return {
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "commit": commit(),
        "cpu": cpu(),
        "threads": default_workers(),
        "kernels": ", ".join(blas),
        "versions": {"python": platform.python_version()}
        | {name: metadata.version(name) for name in PACKAGES if not {name, name.capitalize()} & set(MISSING)},
        "missing": MISSING,
        "machine": machine,
        "rows": rows,
    }


def commit() -> str:
    command = ["git", "describe", "--always", "--dirty", "--abbrev=10"]
    done = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
