"""The comparison with peers runs, tells what is less accurate, and pages show what is on file."""

import json
import subprocess
import sys

import numpy as np
import pytest

from bench.peers import table
from bench.peers.__main__ import RESULTS, ROOT
from bench.peers.cases import OURS, Call, Case
from bench.peers.leastsq import exact
from bench.peers.measure import measure
from bench.workloads import features, gaussian
from tests.conftest import HANG

MACHINE = {"gemm_float32": 2e9, "gemm_float64": 1e9, "bandwidth": 8e9}


@pytest.mark.compiled
def test_every_case_runs(tmp_path):
    command = [sys.executable, "-m", "bench.peers", "--quick", "--out", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, timeout=HANG, capture_output=True)
    found = json.loads((tmp_path / "peers.json").read_text(encoding="utf-8"))
    ours = {(row["what"], row["dtype"]) for row in found["rows"] if row["library"] == OURS}
    assert ours == {(row["what"], row["dtype"]) for row in found["rows"]}
    assert {"cpu", "date", "commit", "versions", "machine"} <= set(found)
    assert (tmp_path / "peers.md").read_text(encoding="utf-8") == table.full(found)


def test_errors_ratios_and_floors():
    calls = [Call(OURS, "", lambda: 1.0), Call("NumPy", "", lambda: 1.0 + 1e-14), Call("SciPy", "", lambda: 1.5)]
    case = Case("one", "float64", calls, lambda found: abs(found - 1.0), flops=2e9, bytes=8.0)
    rows = measure(case, MACHINE, quick=True)
    assert [row["less_accurate"] for row in rows] == [False, False, True]
    assert rows[0]["ratio"] == 1.0
    assert rows[2]["ratio"] == pytest.approx(rows[2]["seconds"] / rows[0]["seconds"])
    assert rows[0]["floors"] == pytest.approx(rows[0]["seconds"] / 2.0)


@pytest.mark.parametrize(
    ("kind", "m", "n"), [("condition 1e10", 40, 8), ("gaussian", 8, 40), ("two equal columns", 40, 8)]
)
def test_exact_solutions(kind, m, n):
    """Normal equations in extended precision hold, and the solution is the shortest."""
    X, y = features(kind, m, n), gaussian((m,), seed=1)
    w = exact(kind, X, y)
    size = np.linalg.norm(X, axis=0).max() * np.linalg.norm(X) * np.linalg.norm(w)
    assert np.linalg.norm(X.T @ (y - X @ w)) <= 1e-14 * size
    if kind == "two equal columns":
        assert w[0] == w[1]
    if m < n:
        np.testing.assert_allclose(w, np.linalg.pinv(X) @ y, rtol=1e-12, atol=1e-14)


def test_pages_show_what_is_on_file():
    found = json.loads((RESULTS / "peers.json").read_text(encoding="utf-8"))
    for page, text in {"README.md": table.brief(found), "docs/benchmarks/peers.md": table.short(found)}.items():
        if (ROOT / page).exists():  # an sdist has no docs
            assert f"{table.BEGIN}\n{text}\n{table.END}" in (ROOT / page).read_text(encoding="utf-8")
    assert (RESULTS / "peers.md").read_text(encoding="utf-8") == table.full(found)


def test_three_rows_of_the_readme():
    found = json.loads((RESULTS / "peers.json").read_text(encoding="utf-8"))
    lines = table.brief(found).splitlines()
    assert len(lines) == 4 + len(table.SHOWN)
    assert max(map(len, lines)) <= 80
