"""Peers' own tests, run on our functions in place of theirs: ``python -m bench.peer_tests [PEER ...]``.

Prints what passed, what failed and what was left out and why. Exit status 1 if anything failed or a peer has no tests
that ran. A further peer is one more entry of ``PEERS``.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import re
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from w2s_fast import lstsq

COMPLEX = "complex numbers are refused, with an error that names the argument"
Patch = Callable[[ModuleType], Mapping[str, str]]  # puts ours into a test module; tells which cases it left out and why


@dataclass(frozen=True)
class Peer:
    """Tests of a peer: the module that holds them, which to run, how to put ours in, which to skip."""

    name: str
    module: str
    tests: tuple[str, ...]  # classes, functions or methods, as pytest writes them after the file
    patch: Patch
    skipped: Mapping[str, str] = field(default_factory=dict)  # pattern of the test's name: reason


def with_ours(theirs: ModuleType, **ours: Any) -> ModuleType:
    """Copy a module with some of its names replaced: ours may itself call what it replaces."""
    copy = ModuleType(theirs.__name__)
    vars(copy).update(vars(theirs), **ours)
    return copy


# numpy


def into_numpy(tests: ModuleType) -> Mapping[str, str]:
    vars(tests)["linalg"] = with_ours(np.linalg, lstsq=lstsq)
    if not hasattr(tests, "LstsqCases"):
        return {}
    left_out = [case for case in tests.CASES if any(np.iscomplexobj(array) for array in (case.a, case.b))]
    tests.LstsqCases.TEST_CASES = [case for case in tests.CASES if case not in left_out]
    return {f"LstsqCases, {len(left_out)} of {len(tests.CASES)} cases": COMPLEX}


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
    single = all(np.asarray(array).dtype in (np.float16, np.float32) for array in (a, b))
    return lstsq(a, b, float(np.finfo(np.float32 if single else np.float64).eps) if cond is None else cond)


def into_scipy(tests: ModuleType) -> Mapping[str, str]:
    vars(tests)["lstsq"] = scipy_lstsq
    check = getattr(tests, "assert_no_overwrite", None)
    if check is None:
        vars(tests)["linalg"] = with_ours(tests.linalg, lstsq=scipy_lstsq)
        return {}

    def check_reals(call: Any, shapes: Any, dtypes: Any = (np.float32, np.float64)) -> None:
        check(call, shapes, dtypes)

    vars(tests)["assert_no_overwrite"] = check_reals
    return {"assert_no_overwrite, complex64 and complex128": COMPLEX}


PEERS = (
    Peer("numpy: lstsq", "numpy.linalg.tests.test_linalg", ("TestLstsq",), into_numpy),
    Peer(
        "numpy: lstsq, regressions",
        "numpy.linalg.tests.test_regression",
        ("TestRegression::test_lstsq_complex_larger_rhs",),
        into_numpy,
        {"complex": COMPLEX},
    ),
    Peer(
        "scipy: lstsq",
        "scipy.linalg.tests.test_basic",
        ("TestLstsq", "TestOverwrite::test_lstsq", "TestSolveCirculant::test_singular"),
        into_scipy,
        {"complex": COMPLEX},
    ),
    Peer(
        "scipy: lstsq of stacks",
        "scipy.linalg.tests.test_batch",
        ("TestBatch::test_lstsq",),
        into_scipy,
        {
            "complex": COMPLEX,
            r"bdim[01]\b": "labels are not broadcast: a stack of features goes with a stack of labels",
        },
    ),
)


class Run:
    """A pytest plugin that puts ours in once the tests are collected, and keeps what becomes of each test."""

    def __init__(self, peer: Peer) -> None:
        self.peer = peer
        self.outcomes: Counter[str] = Counter()
        self.failures: list[str] = []
        self.left_out: Counter[tuple[str, str]] = Counter()  # test (without its parameters), reason

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        for module in {item.module for item in items}:  # type: ignore[attr-defined]  # functions have one
            self.left_out.update((what, reason) for what, reason in self.peer.patch(module).items())
        for item in items:
            for pattern, reason in self.peer.skipped.items():
                if re.search(pattern, item.name):
                    item.add_marker(pytest.mark.skip(reason=reason))
                    break

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.skipped:
            reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
            name = report.nodeid.partition("::")[2].partition("[")[0]
            self.left_out[name, reason.removeprefix("Skipped: ")] += 1
            self.outcomes["skipped"] += 1
        elif report.failed or report.when == "call":
            self.outcomes["failed" if report.failed else "passed"] += 1
            if report.failed:
                self.failures.append(f"{report.nodeid}\n{report.longreprtext}")

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.failures.append(report.longreprtext)

    def __str__(self) -> str:
        counts = ", ".join(f"{self.outcomes[outcome]} {outcome}" for outcome in ("passed", "failed", "skipped"))
        lines = [f"{self.peer.name} ({self.peer.module}): {counts}"]
        lines += [f"  left out: {what} ({times}): {reason}" for (what, reason), times in self.left_out.items()]
        lines += [f"  FAILED {failure}" for failure in self.failures]
        return "\n".join(lines)


def run(peer: Peer) -> Run:
    """Run a peer's tests as it ships them, without this project's settings of pytest."""
    outcome = Run(peer)
    found = importlib.util.find_spec(peer.module)
    if found is None or found.origin is None:
        outcome.failures.append(f"{peer.module} is not installed: this peer's wheel comes without its tests")
        return outcome
    plain = ["-p", "no:terminal", "-p", "no:cacheprovider"]
    chosen = [f"{found.origin}::{test}" for test in peer.tests]
    status = pytest.main(["-c", os.devnull, "--rootdir", os.path.dirname(found.origin), *plain, *chosen], [outcome])
    ran = outcome.outcomes["passed"] or outcome.outcomes["skipped"]
    if not outcome.failures and (status != pytest.ExitCode.OK or not ran):
        outcome.failures.append(f"pytest ended with {status!r}: {', '.join(peer.tests)}")
    return outcome


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("peers", nargs="*", metavar="PEER", help="run only peers whose names hold one of these words")
    words = parser.parse_args().peers or [""]
    outcomes = [run(peer) for peer in PEERS if any(word in peer.name for word in words)]
    print("\n".join(map(str, outcomes)))
    return int(not outcomes or any(outcome.failures for outcome in outcomes))


if __name__ == "__main__":
    sys.exit(main())
