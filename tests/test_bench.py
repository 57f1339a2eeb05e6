"""Every benchmark runs once, at its tiny size where it has sizes, so that none can rot between runs of asv."""

from __future__ import annotations

import importlib
import inspect
import itertools
import math
import pkgutil
from collections.abc import Iterator
from typing import Any

import pytest

import bench

MODULES = [found.name for found in pkgutil.iter_modules(bench.__path__) if found.name.startswith("bench_")]
PREFIXES = ("time_", "track_", "peakmem_")
# The sketch's hashes wrap around on purpose; only as plain Python, without the compiler, do they warn of it.
pytestmark = pytest.mark.filterwarnings("ignore:overflow encountered in scalar:RuntimeWarning")


def benchmarks() -> Iterator[Any]:
    """Each method of each suite with each choice of parameters."""
    for name in MODULES:
        module = importlib.import_module(f"bench.{name}")
        for _, suite in inspect.getmembers(module, inspect.isclass):
            methods = [method for method in vars(suite) if method.startswith(PREFIXES)]
            for method, chosen in itertools.product(methods, itertools.product(*getattr(suite, "params", ()))):
                if "real" not in chosen:
                    label = "-".join(map(str, (name, suite.__name__, method, *chosen)))
                    yield pytest.param(suite, method, chosen, id=label)


@pytest.mark.parametrize(("suite", "method", "chosen"), list(benchmarks()))
def test_benchmark_runs(suite: type, method: str, chosen: tuple[Any, ...]) -> None:
    running = suite()
    running.setup(*chosen)
    result = getattr(running, method)(*chosen)
    if method.startswith("track_"):
        assert math.isfinite(result)


def test_every_module_of_the_suite_holds_benchmarks() -> None:
    covered = {parameter.values[0].__module__ for parameter in benchmarks()}
    assert covered == {f"bench.{name}" for name in MODULES}
