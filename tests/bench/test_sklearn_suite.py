"""scikit-learn's own tests pass on ours, and the script that says so can tell."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import HANG

pytest.importorskip("sklearn")
pytestmark = pytest.mark.compiled
ROOT = Path(__file__).parents[2]
PROGRAM = """
import sys
from bench import sklearn_suite
from w2s_fast.sklearn import decomposition

sys.argv = ["sklearn_suite", "test_truncated_svd", "--disable-warnings", "--tb=no"]
statuses = [sklearn_suite.main()]
right = decomposition.randomized_svd
decomposition.randomized_svd = lambda *given, **named: (*right(*given, **named)[:2], 1.01 * right(*given, **named)[2])
statuses.append(sklearn_suite.main())
sys.argv = ["sklearn_suite", "no such file"]
print("statuses", *statuses, sklearn_suite.main())
"""


def test_tests_of_truncated_svd_pass_and_a_wrong_class_fails_them():
    command = [sys.executable, "-c", PROGRAM]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=HANG, check=False)
    assert "left out: test_randomized_svd_power_iteration_normalizer: asks that" in done.stdout
    assert "test_truncated_svd: ours were called: TruncatedSVD" in done.stdout
    assert done.stdout.splitlines()[-1] == "statuses 0 1 1", done.stdout + done.stderr
