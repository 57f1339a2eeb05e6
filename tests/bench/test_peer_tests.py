"""Peers' own tests pass with ours in place of theirs, and the script that says so can tell."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from bench import peer_tests
from tests.conftest import HANG

ROOT = Path(__file__).parents[2]


def script(*words):
    command = [sys.executable, "-m", "bench.peer_tests", *words]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=HANG, check=False)


BOTH = """
import sys
from dataclasses import replace
from bench import peer_tests

sys.argv = ["peer_tests", "lstsq"]
print("status", peer_tests.main())
right = peer_tests.lstsq
peer_tests.lstsq = lambda *args, **kwargs: (right(*args, **kwargs)[0] * 1.001, *right(*args, **kwargs)[1:])
few = {"scipy: lstsq": ("TestLstsq::test_simple_exact",)}  # of 104 that fail: their tracebacks take ten seconds
peer_tests.PEERS = [replace(peer, tests=few.get(peer.name, peer.tests)) for peer in peer_tests.PEERS]
print("status", peer_tests.main())
"""


@pytest.fixture(scope="module")
def outcomes():
    """What the script prints of the right function, and of one that is off by a thousandth: text, then status."""
    command = [sys.executable, "-c", BOTH]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=HANG, check=False)
    assert done.returncode == 0, done.stderr
    right, first, wrong, second, _ = re.split(r"^status (\d+)$", done.stdout, flags=re.MULTILINE)
    return (right, int(first)), (wrong, int(second))


@pytest.mark.compiled
def test_peers_tests_pass_on_ours(outcomes):
    (printed, status), _ = outcomes
    assert status == 0, printed
    lines = [line for line in printed.splitlines() if line.strip() and not line.startswith(" ")]
    assert len(lines) == sum("lstsq" in peer.name for peer in peer_tests.PEERS)
    assert all(" 0 failed" in line or "not in the version" in line for line in lines)
    assert any("all cases" in line and " 0 failed" in line for line in lines)


def test_tests_that_the_installed_version_has_not_are_no_failure_of_ours():
    for module in ("numpy.linalg.tests.test_of_tomorrow", "numpy.tomorrow.tests"):
        outcome = peer_tests.run(peer_tests.Peer("numpy", module, ("Test",), peer_tests.into_cases))
        assert outcome.missing
        assert not outcome.failures
        assert "not in the version that is installed" in str(outcome)


def test_no_such_peer_is_a_failure():
    assert script("nobody").returncode == 1


@pytest.mark.compiled
def test_a_wrong_function_fails(outcomes):
    _, (printed, status) = outcomes
    assert status == 1
    for name in ("test_sq_cases", "test_nonsq_cases", "TestLstsqMatrix", "TestLstsq::test_simple", "test_every_case"):
        assert name in printed


def test_a_wrong_function_fails_among_all_cases():
    program = """
from bench import lstsq_cases
right = lstsq_cases.lstsq
lstsq_cases.lstsq = lambda *given: (right(*given)[0] * 1.001, *right(*given)[1:])
lstsq_cases.test_every_case(True)
"""
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=HANG, check=False)
    assert done.returncode == 1
    assert "AssertionError" in done.stderr
