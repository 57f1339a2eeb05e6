"""Peers' own tests, run on our functions in place of theirs: ``python -m bench.peer_tests [PEER ...]``.

Prints what passed, what failed, what the peer itself skips and why, and how often ours was called. Nothing of the tests
chosen is left out, but what the installed version does not have. Exit status 1 if anything failed, or tests that ran
did not call ours, or none ran. A further peer is one more entry of ``PEERS``.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from w2s_fast import lstsq

SHORTER = {np.longdouble: np.float64, np.clongdouble: np.complex128}  # as SciPy casts them; NumPy refuses them
Function = Callable[..., Any]
Count = Callable[[Function], Function]  # makes a function that counts its calls
Patch = Callable[[ModuleType, Count], None]  # puts ours into a test module


@dataclass(frozen=True)
class Peer:
    """Tests of a peer: the module that holds them, which to run, how to put ours in."""

    name: str
    module: str
    tests: tuple[str, ...]  # classes, functions or methods, as pytest writes them after the file
    patch: Patch


def with_ours(theirs: ModuleType, **ours: Any) -> ModuleType:
    """Copy a module with some of its names replaced: ours may itself call what it replaces."""
    copy = ModuleType(theirs.__name__)
    vars(copy).update(vars(theirs), **ours)
    return copy


# numpy


def into_numpy(tests: ModuleType, count: Count) -> None:
    vars(tests)["linalg"] = with_ours(np.linalg, lstsq=count(lstsq))


def into_cases(tests: ModuleType, count: Count) -> None:
    vars(tests)["lstsq"] = count(lstsq)


def into_matrices(tests: ModuleType, count: Count) -> None:
    """Patch the module for arrays: that for matrices takes its tests from there."""
    into_numpy(importlib.import_module("numpy.linalg.tests.test_linalg"), count)


# scipy


def scipy_lstsq(
    a: Any,
    b: Any,
    cond: float | None = None,
    overwrite_a: bool = False,
    overwrite_b: bool = False,
    check_finite: bool = True,
    lapack_driver: str | None = None,
) -> tuple[Any, ...]:
    """Ours, called as scipy's: cond is eps by default there; the other settings tell LAPACK how, not what."""
    a, b = (np.asarray(array) for array in (a, b))
    single = all(array.dtype in (np.float16, np.float32, np.complex64) for array in (a, b))
    a, b = (array.astype(SHORTER.get(array.dtype.type, array.dtype), copy=False) for array in (a, b))
    return lstsq(a, b, float(np.finfo(np.float32 if single else np.float64).eps) if cond is None else cond)


def into_scipy(tests: ModuleType, count: Count) -> None:
    vars(tests)["lstsq"] = ours = count(scipy_lstsq)
    if hasattr(tests, "linalg"):
        vars(tests)["linalg"] = with_ours(tests.linalg, lstsq=ours)


PEERS = (
    Peer("numpy: lstsq", "numpy.linalg.tests.test_linalg", ("TestLstsq",), into_numpy),
    Peer("numpy: lstsq, all cases", "bench.lstsq_cases", ("test_every_case",), into_cases),
    Peer("numpy: lstsq of matrices", "numpy.matrixlib.tests.test_matrix_linalg", ("TestLstsqMatrix",), into_matrices),
    Peer(
        "numpy: lstsq, regressions",
        "numpy.linalg.tests.test_regression",
        ("TestRegression::test_lstsq_complex_larger_rhs",),
        into_numpy,
    ),
    Peer(
        "scipy: lstsq",
        "scipy.linalg.tests.test_basic",
        ("TestLstsq", "TestOverwrite::test_lstsq", "TestSolveCirculant::test_singular"),
        into_scipy,
    ),
    Peer("scipy: lstsq of stacks", "scipy.linalg.tests.test_batch", ("TestBatch::test_lstsq",), into_scipy),
)


class Run:
    """A pytest plugin that puts ours in once the tests are collected, and keeps what becomes of each test."""

    def __init__(self, peer: Peer) -> None:
        self.peer = peer
        self.missing = False
        self.calls = 0
        self.outcomes: Counter[str] = Counter()
        self.failures: list[str] = []
        self.skipped: Counter[tuple[str, str]] = Counter()  # test (without its parameters), reason

    def count(self, function: Function) -> Function:
        def counted(*arguments: Any, **settings: Any) -> Any:
            self.calls += 1
            return function(*arguments, **settings)

        return counted

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        for module in {item.module for item in items}:  # type: ignore[attr-defined]  # functions have one
            self.peer.patch(module, self.count)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.skipped:
            reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
            name = report.nodeid.partition("::")[2].partition("[")[0]
            self.skipped[name, reason.removeprefix("Skipped: ")] += 1
            self.outcomes["skipped"] += 1
        elif report.failed or report.when == "call":
            self.outcomes["failed" if report.failed else "passed"] += 1
            if report.failed:
                self.failures.append(f"{report.nodeid}\n{report.longreprtext}")

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.failures.append(report.longreprtext)

    def __str__(self) -> str:
        if self.missing:
            return f"{self.peer.name} ({self.peer.module}): not in the version that is installed"
        counts = ", ".join(f"{self.outcomes[outcome]} {outcome}" for outcome in ("passed", "failed", "skipped"))
        lines = [f"{self.peer.name} ({self.peer.module}): {counts}; ours was called {self.calls:,} times"]
        lines += [f"  skipped: {what} ({times}): {reason}" for (what, reason), times in self.skipped.items()]
        lines += [f"  FAILED {failure}" for failure in self.failures]
        return "\n".join(lines)


def _find(module: str) -> ModuleSpec | None:
    try:
        return importlib.util.find_spec(module)
    except ModuleNotFoundError:  # nor is the package that would hold it
        return None


def run(peer: Peer) -> Run:
    """Run a peer's tests as it ships them, without this project's settings of pytest."""
    outcome = Run(peer)
    found = _find(peer.module)
    if found is None or found.origin is None:
        outcome.missing = True
        return outcome
    plain = ["-p", "no:terminal", "-p", "no:cacheprovider"]
    chosen = [f"{found.origin}::{test}" for test in peer.tests]
    status = pytest.main(["-c", os.devnull, "--rootdir", os.path.dirname(found.origin), *plain, *chosen], [outcome])
    if not outcome.failures and (status != pytest.ExitCode.OK or not outcome.calls):
        outcome.failures.append(f"pytest ended with {status!r}, calls of ours {outcome.calls}: {', '.join(peer.tests)}")
    return outcome


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("peers", nargs="*", metavar="PEER", help="run only peers whose names hold one of these words")
    words = parser.parse_args().peers or [""]
    outcomes = [run(peer) for peer in PEERS if any(word in peer.name for word in words)]
    print("\n".join(map(str, outcomes)))
    return int(all(outcome.missing for outcome in outcomes) or any(outcome.failures for outcome in outcomes))


if __name__ == "__main__":
    sys.exit(main())
