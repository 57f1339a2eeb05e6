"""Every benchmark runs once, tiny, so that none can rot between runs of asv."""

from __future__ import annotations

import ast
import contextlib
import importlib
import inspect
import itertools
import math
import pkgutil
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest

import bench
import w2s_fast
from bench import bench_import, first_calls
from bench.workloads import EMBEDDINGS, MEASURED, WORKLOADS

MODULES = [found.name for found in pkgutil.iter_modules(bench.__path__) if found.name.startswith("bench_")]
PREFIXES = ("time_", "timeraw_", "track_", "peakmem_")
LARGE = {*MEASURED, *EMBEDDINGS} - {"tiny"}
CALLED = "Moments"  # of the first calls, with a cache and without: tests of cold starts make them all
# The sketch's hashes wrap around on purpose; only as plain Python, without the compiler, do they warn of it.
pytestmark = pytest.mark.filterwarnings("ignore:overflow encountered in scalar:RuntimeWarning")


def shrunk(params: Any) -> list[list[Any]]:
    """Parameters with "tiny" in place of the sizes that asv runs."""
    return [list(dict.fromkeys("tiny" if value in LARGE else value for value in values)) for values in params]


def benchmarks() -> Iterator[Any]:
    """Each method of each suite with each choice of parameters."""
    for name in MODULES:
        module = importlib.import_module(f"bench.{name}")
        for _, suite in inspect.getmembers(module, inspect.isclass):
            methods = [method for method in vars(suite) if method.startswith(PREFIXES)]
            for method, chosen in itertools.product(methods, itertools.product(*shrunk(getattr(suite, "params", ())))):
                if suite.__name__ == "FirstCall" and CALLED not in chosen:
                    continue
                label = "-".join(map(str, (name, suite.__name__, method, *chosen)))
                yield pytest.param(suite, method, chosen, id=label)


@pytest.fixture(autouse=True, scope="module")
def tiny_inputs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Suites make tiny inputs alone, and leave files in a folder that goes."""
    with contextlib.chdir(tmp_path_factory.mktemp("asv")), pytest.MonkeyPatch.context() as patch:
        for table, name in itertools.product((WORKLOADS, EMBEDDINGS), LARGE):
            patch.delitem(table, name, raising=False)
        yield


@lru_cache(maxsize=1)
def cache_of(suite: Any) -> tuple[Any, ...]:
    """What asv passes to every method of a suite."""
    made = getattr(suite(), "setup_cache", lambda: None)()
    return () if made is None else (made,)


@pytest.mark.parametrize(("suite", "method", "chosen"), list(benchmarks()))
def test_benchmark_runs(suite: type, method: str, chosen: tuple[Any, ...]) -> None:
    running, inputs = suite(), cache_of(suite)
    try:
        getattr(running, "setup", lambda *_: None)(*inputs, *chosen)
        try:
            result = getattr(running, method)(*inputs, *chosen)
        except NotImplementedError as missing:  # a peer of the extra ``bench``
            if "is not installed" not in str(missing):
                raise
            pytest.skip(str(missing))
    finally:
        getattr(running, "teardown", lambda *_: None)(*inputs, *chosen)
    if method.startswith("track_"):
        assert math.isfinite(result)
    if method.startswith("timeraw_"):
        subprocess.run([sys.executable, "-m", "timeit", "-n", "1", "-r", "1", passed_on(result)], check=True)


def passed_on(statement: str) -> str:
    """A statement as asv passes it on to timeit."""
    return str(ast.literal_eval(f'"""{statement}"""'))


@pytest.mark.parametrize("function", bench_import.SHOWN)
@pytest.mark.parametrize("cache", ["cold", "warm"])
def test_first_calls_reach_timeit_as_they_were_written(cache: str, function: str) -> None:
    """As one line, since within a function no name of the package could be imported by a star."""
    statement = passed_on(bench_import.FirstCall().timeraw_call(cache, function))
    (call,) = ast.parse(f"def timed():\n    {statement}").body[0].body  # type: ignore[attr-defined]
    code = ast.literal_eval(call.value.args[0])
    written = (bench_import.COLD if cache == "cold" else "") + first_calls.PRELUDE + first_calls.CALLS[function]
    assert ast.dump(ast.parse(code)) == ast.dump(ast.parse(written))


def test_every_module_of_the_suite_holds_benchmarks() -> None:
    covered = {parameter.values[0].__module__ for parameter in benchmarks()}
    assert covered == {f"bench.{name}" for name in MODULES}


def test_every_public_function_has_a_first_call() -> None:
    called = " ".join(first_calls.CALLS.values()) + first_calls.MODEL
    results = {"BestRidge", "ExpectedRisks", "PredictedGap", "Risks", "Task", "Trials"}  # what others return or take
    missing = {name for name in w2s_fast.__all__ if not re.search(rf"\b{name}\b", called)}
    assert missing == results


def test_every_module_imports_without_the_extras_for_a_gpu() -> None:
    """Asv imports them all to find the suites, in environments of its own."""
    modules = [f"bench.{found.name}" for found in pkgutil.iter_modules(bench.__path__)]
    extras = "\n".join(f"sys.modules[{name!r}] = None" for name in ("numba_cuda", "cupy", "torch", "dask"))
    needed = [name for name in modules if name != "bench.sklearn_suite"]  # asv.conf.json installs scikit-learn
    code = f"import importlib, sys\n{extras}\nfor name in {needed!r}: importlib.import_module(name)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(bench.__file__).parents[1])
