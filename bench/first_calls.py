"""Cold start, ``python -m bench.first_calls``: seconds of a fresh process to import and call each public function once.

Cold is with an empty cache of compiled code, warm with the one that the cold process left. The time is that of the
whole process, start of Python and import included.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from time import perf_counter

PRELUDE = """
import numpy as np
from w2s_fast import *
X, y = np.random.default_rng(0).standard_normal((60, 5)), np.arange(60.0)
"""
MODEL = "model = GaussianModel.paper(d_weak=8, d_strong=5, d_shared=2, d_target=12, ambient=100)\n"
CALLS = {  # one of each public function
    "import": "",
    "lstsq": "lstsq(X, y)",
    "min_norm": "min_norm(X, y)",
    "min_norm, a stack": "min_norm(np.stack((X, X)), np.stack((y, y)))",
    "MinNorm": "MinNorm(X).solve(y)",
    "Gram": "Gram().update(X, y).solve()",
    "Moments": "Moments().update(X).merge(Moments().update(X))",
    "CoMoments": "CoMoments().update(X).ratio(y[:5], y[1:6])",
    "randomized_svd": "randomized_svd(X, 2, random_state=0)",
    "Subspace": "Subspace.fit(X, rank=2)",
    "Subspace, one look": "Subspace.fit(iter([X, X]), rank=2)",
    "intrinsic_dimension": "intrinsic_dimension(X)",
    "principal_angles": "principal_angles(X, X[:, :2])",
    "correlation_dimension": "correlation_dimension(X, X[:, :2])",
    "projected_correlation_dimension": "projected_correlation_dimension(X, X[:, :2], random_state=0)",
    "padded_correlation_dimension": "padded_correlation_dimension(X, X[:, :2], random_state=0)",
    "predict_gap": "predict_gap(X[:, :2], X, y)",
    "expected_misfit": MODEL + "expected_misfit(model, 30, 40)",
    "expected_risks": MODEL + "expected_risks(model, 30, 40)",
    "expected_risks, ridge": MODEL + "expected_risks(model, 6, 4, ridge=0.1)",
    "best_ridge": MODEL + "best_ridge(model, 30, 40)",
    "paper_bounds": MODEL + "paper_bounds(model, 30, 40)",
    "paper_ratio_bounds": MODEL + "paper_ratio_bounds(model, 30, 40)",
    "w2s_variance": MODEL + "w2s_variance(model, 30, 40)",
    "required_pseudo_labels": MODEL + "required_pseudo_labels(model, n=30, pgr=0.01)",
    "required_labels": MODEL + "required_labels(model, N=40, pgr=0.01)",
    "best_labels": MODEL + "best_labels(model, N=40)",
    "risk_distribution": MODEL + "risk_distribution(model, 30, 40).w2s.interval(0.9)",
    "simulate": MODEL + "simulate(model, 30, 40, trials=2)",
    "simulate, few rows": MODEL + "simulate(model, 6, 7, trials=2)",
    "simulate, ridge": MODEL + "simulate(model, 30, 40, trials=2, ridge=0.1)",
    "patched": "with patched(): np.linalg.lstsq(X, y)",
    "probe": "probe(X, X[:, :3], y, n=10, N=20, trials=2)",
    "probe, a given teacher": "probe(Predictions(y), X[:, :3], y, n=10, N=20, trials=2)",
    "Study": MODEL + "Study(model, n=30, N=40, trials=2).run(progress=False)",
}


def seconds(call: str, cache: str) -> float:
    """Run a call in a fresh process whose compiled code is kept in ``cache``."""
    environment = os.environ | {"NUMBA_CACHE_DIR": cache}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # pip leaves bytecode, too: a tenth of a second
    start = perf_counter()
    subprocess.run([sys.executable, "-c", PRELUDE + call], check=True, env=environment)
    return perf_counter() - start


def main() -> None:
    print("| first call | cold, s | warm, s |\n|---|---|---|")
    seconds("", tempfile.gettempdir())  # writes the bytecode
    for name, call in CALLS.items():
        with tempfile.TemporaryDirectory() as cache:
            print(
                f"| {name} | {seconds(call, cache):.2f} | {min(seconds(call, cache) for _ in range(3)):.2f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
