"""``w2s-fast info``: what results and speed depend on."""

from __future__ import annotations

import platform
from importlib import metadata, util
from pathlib import Path
from typing import Any

import click

from w2s_fast.cli.options import json_option, print_json
from w2s_fast.cli.output import say

CPU_INFO = Path("/proc/cpuinfo")  # of Linux
WITHOUT_AVX512 = ("Haswell", "Zen")  # kernels of OpenBLAS, by the name it gives them


@click.command()
@json_option
def info(as_json: bool) -> None:
    """Print versions, BLAS, threads and CUDA.

    \b
    Example:
      w2s-fast info --json
    """  # noqa: D301  click wants the character
    found = gather()
    if as_json:
        print_json(found)
        return
    for name, value in found.items():
        lines = [f"{key} {item}" for key, item in value.items()] if isinstance(value, dict) else value
        lines = lines if isinstance(lines, list) else [str(lines)]
        for number, line in enumerate(lines or ["none"]):
            say(f"{name if number == 0 else '':<10}{line}", rest=10)


def gather() -> dict[str, Any]:
    """Collect what there is to tell."""
    from w2s_fast._cores import threads_and_reason
    from w2s_fast._machine import versions

    threads, reason = threads_and_reason()
    optional = ("click", "rich", "matplotlib", "pandas")
    return {
        "versions": versions() | {name: metadata.version(name) for name in optional if util.find_spec(name)},
        "processor": platform.processor() or platform.machine(),
        "threads": threads,
        "set by": reason,
        "blas": _blas(),
        "cuda": _cuda(),
        "hints": _hints(),
    }


def _blas() -> list[str]:
    """BLAS libraries in use: NumPy's and SciPy's are two."""
    return [
        f"{pool['internal_api']} {pool['version']}, {pool['num_threads']} thread(s), {pool.get('architecture', '?')}"
        for pool in _pools()
    ]


def _pools() -> list[dict[str, Any]]:
    import scipy.linalg  # noqa: F401  loads its own
    from threadpoolctl import threadpool_info

    return [pool for pool in threadpool_info() if pool["user_api"] == "blas"]


def _hints() -> list[str]:
    """OpenBLAS takes processors that it does not know for older ones."""
    try:
        has_avx512 = " avx512f " in CPU_INFO.read_text(encoding="utf-8", errors="replace")
    except OSError:  # not Linux
        has_avx512 = False
    if not (has_avx512 and any(pool.get("architecture") in WITHOUT_AVX512 for pool in _pools())):
        return []
    return ["OpenBLAS leaves AVX-512 unused here: OPENBLAS_CORETYPE=SkylakeX in the environment can double its speed"]


def _cuda() -> str:
    """Name the driver's CUDA version and its GPUs."""
    from w2s_fast._devices import DriverError, nvidia_driver

    try:
        driver = nvidia_driver()
    except DriverError as error:
        return f"none: {error}"
    return f"{driver.cuda[0]}.{driver.cuda[1]} by the driver: {', '.join(driver.gpus) or 'no device'}"
