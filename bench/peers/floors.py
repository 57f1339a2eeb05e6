"""What this machine can do: products of matrices, and reading of memory, on all threads of BLAS."""

from __future__ import annotations

import numpy as np

from bench import medians
from bench.workloads import gaussian


def gemm_flops(dtype: str, size: int) -> float:
    """Floating-point operations a second of a square product of matrices."""
    A = gaussian((size, size), dtype)
    (seconds,) = medians(lambda: A @ A, rounds=5, seconds=0.5)
    return 2.0 * size**3 / seconds


def bandwidth(elements: int) -> float:
    """Bytes a second of a dot product of vectors that no cache holds."""
    x, y = np.ones(elements), np.ones(elements)
    (seconds,) = medians(lambda: x @ y, rounds=5, seconds=0.5)
    return 16.0 * elements / seconds


def measured(quick: bool) -> dict[str, float]:
    size, elements = (200, 10**5) if quick else (3_000, 3 * 10**7)
    return {
        "gemm_float64": gemm_flops("float64", size),
        "gemm_float32": gemm_flops("float32", size),
        "bandwidth": bandwidth(elements),
    }
