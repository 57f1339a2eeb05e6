"""What small calls cost beside NumPy's: ``python -m pytest tests/bench/test_overhead.py --benchmark-only``.

Left out of other runs. Each call of ours has NumPy's in its group, and must not take more than twice as long.
"""

import numpy as np
import pytest

from bench import medians
from bench.workloads import WORKLOADS, gaussian
from w2s_fast import Moments, lstsq, min_norm

X, y = gaussian(WORKLOADS["tiny"].tall), gaussian(WORKLOADS["tiny"].tall[:1], seed=1)
ROWS, MOMENTS = gaussian(WORKLOADS["tiny"].stream), Moments()
PAIRS = {
    "lstsq": (lambda: lstsq(X, y), lambda: np.linalg.lstsq(X, y)),
    "min_norm": (lambda: min_norm(X, y), lambda: np.linalg.lstsq(X, y)),
    "Moments.update": (lambda: MOMENTS.update(ROWS), lambda: (ROWS.mean(axis=0), ROWS.var(axis=0))),
}
LARGEST_RATIO = 2.0


@pytest.mark.parametrize("whose", [0, 1], ids=["ours", "numpy"])
@pytest.mark.parametrize("what", PAIRS)
def test_small_call(benchmark, what, whose):
    benchmark.group, call = what, PAIRS[what][whose]
    call()  # the first one compiles, and would set the number of rounds
    benchmark(call)


@pytest.mark.parametrize("what", PAIRS)
def test_within_twice_numpy(benchmark, what):
    ours, numpy = benchmark.pedantic(medians, PAIRS[what], {"rounds": 2_000, "seconds": 0.2}, rounds=1)
    assert ours <= LARGEST_RATIO * numpy
