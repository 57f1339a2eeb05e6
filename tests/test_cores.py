"""The number of threads: what the process has, what it is allowed, and what it was told."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest
from threadpoolctl import threadpool_limits

from w2s_fast import _blas, _cores
from w2s_fast._threads import default_workers, single_threaded_blas

CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
several = pytest.mark.skipif(CORES < 2, reason="there is one core")


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in (_cores.VARIABLE, "NUMBA_NUM_THREADS"):
        monkeypatch.delenv(variable, raising=False)


def control_group(folder: Path, lines: str, files: dict[str, str]) -> int | None:
    (folder / "cgroup").write_text(lines)
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return _cores._quota(folder, folder / "cgroup")


@pytest.mark.parametrize(
    ("lines", "files", "expected"),
    [
        ("0::/\n", {"cpu.max": "150000 100000\n"}, 2),
        ("0::/\n", {"cpu.max": "max 100000\n"}, None),
        ("0::/\n", {"cpu.max": "1000 100000\n"}, 1),
        ("0::/a/b\n", {"a/cpu.max": "100000 100000", "a/b/cpu.max": "400000 100000"}, 1),
        ("0::/docker/of/the/host\n", {"cpu.max": "300000 100000"}, 3),
        ("0::/\n", {"cpu.max": "nonsense"}, None),
        ("0::/\n", {}, None),
        ("4:cpu,cpuacct:/x\n", {"cpu/x/cpu.cfs_quota_us": "250000", "cpu/x/cpu.cfs_period_us": "100000"}, 3),
        ("4:cpu:/x\n0::/\n", {"cpu/cpu.cfs_quota_us": "200000", "cpu/cpu.cfs_period_us": "100000"}, 2),
        ("4:cpu:/\n", {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, None),
        ("3:cpuset:/\n", {"cpuset/cpu.max": "100000 100000"}, None),
    ],
)
def test_quotas_of_control_groups(tmp_path: Path, lines: str, files: dict[str, str], expected: int | None) -> None:
    assert control_group(tmp_path, lines, files) == expected


def test_a_quota_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_cores, "_quota", lambda: 1)
    assert default_workers() == 1


def test_the_variable_goes_before_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(_cores.VARIABLE, str(CORES + 3))
    with threadpool_limits(1):
        assert _cores.threads_and_reason() == (CORES + 3, _cores.VARIABLE)


@pytest.mark.parametrize("text", ["0", "-1", "two", "1.5"])
def test_a_wrong_variable_is_named(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv(_cores.VARIABLE, text)
    with pytest.raises(ValueError, match=f"{_cores.VARIABLE} must be a number of threads from 1 on, got '{text}'"):
        default_workers()


def test_numba_is_limited_with_us(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NUMBA_NUM_THREADS", "1")
    assert default_workers() == 1


def test_limits_of_blas_are_obeyed() -> None:
    with threadpool_limits(1):
        assert default_workers() == 1


def test_our_own_hold_of_blas_is_no_limit() -> None:
    expected = default_workers()
    with single_threaded_blas():
        assert default_workers() == expected


@several
@pytest.mark.parametrize("variable", ["OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", _cores.VARIABLE])
def test_variables_of_the_environment(variable: str) -> None:
    known = {"OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", _cores.VARIABLE}
    environment = {name: value for name, value in os.environ.items() if name not in known} | {variable: "1"}
    program = "from w2s_fast._threads import default_workers; print(default_workers())"
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "1"


# Limits of BLAS that others set while it is held


def threads_of_blas() -> list[int]:
    return [library.num_threads for library in _blas._libraries()]


@pytest.fixture(params=[1, 2, 3])
def before(request: pytest.FixtureRequest) -> Iterator[list[int]]:
    """Threads of each BLAS that the caller has set."""
    outside = threads_of_blas()
    for library in _blas._libraries():
        _blas._set_threads(library, request.param)
    yield threads_of_blas()
    for library, threads in zip(_blas._libraries(), outside, strict=True):
        _blas._set_threads(library, threads)


@pytest.mark.parametrize("limit", [1, 2, 3])
def test_limits_begun_and_ended_within(before: list[int], limit: int) -> None:
    with single_threaded_blas(), threadpool_limits(limit):
        pass
    assert threads_of_blas() == before


@pytest.mark.parametrize("limit", [1, 2, 3])
def test_limits_begun_within_and_ended_later(before: list[int], limit: int) -> None:
    with single_threaded_blas():
        limits = threadpool_limits(limit)
        limits.__enter__()
        during = threads_of_blas()
    assert threads_of_blas() == during
    limits.__exit__(None, None, None)
    assert threads_of_blas() == before


@pytest.mark.parametrize("again", [False, True])
@pytest.mark.parametrize("limit", [1, 2, 3])
def test_limits_begun_before_and_ended_within(before: list[int], limit: int, again: bool) -> None:
    limits = threadpool_limits(limit)
    limits.__enter__()
    with single_threaded_blas():
        limits.__exit__(None, None, None)
        with single_threaded_blas() if again else nullcontext():
            assert threads_of_blas() == ([1] * len(before) if again else before)
    assert threads_of_blas() == before
