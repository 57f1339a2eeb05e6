"""scikit-learn's own tests with ours in place of its own: ``python -m bench.sklearn_suite [FILE ...]``.

Runs the tests that the installed scikit-learn brings along, of what :func:`w2s_fast.patched` replaces, collected and
run while it does: ``randomized_svd`` and the classes of :mod:`w2s_fast.sklearn`. Prints what was left out and why, and
how often ours was called. Options are passed on to pytest. It exits with pytest's status. Where array-api-strict, torch
or CuPy are installed, scikit-learn's tests with arrays of these run too.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

os.environ.setdefault("SCIPY_ARRAY_API", "1")  # before SciPy is imported, or tests with arrays of others are skipped

import numpy as np
import pytest

import w2s_fast

FILES = {  # which of their tests concern us, and what of ours they call
    "sklearn.utils.tests.test_extmath": ("randomized_svd or svd_flip", "randomized_svd"),
    "sklearn.decomposition.tests.test_truncated_svd": ("", "TruncatedSVD"),
    "sklearn.decomposition.tests.test_pca": ("", "PCA"),
    "sklearn.linear_model.tests.test_base": ("", "LinearRegression"),
    "sklearn.linear_model.tests.test_ridge": ("", "Ridge, RidgeCV"),
}
LEFT_OUT = {  # tests, or single choices of their parameters
    "test_inplace_data_preprocessing[42-False-None]": "asks that copy_X=False writes to X; ours never does",
    "test_randomized_svd_power_iteration_normalizer": "asks that iterations diverge without a normalizer; ours always "
    "have one (its other half is in tests/linalg/test_subspace.py)",
    "test_array_api_error_and_warnings_on_unsupported_params": "asks that LU be refused for arrays of other libraries, "
    "whose standard has none; ours takes QR, which they all have",
}


@contextmanager
def counted() -> Iterator[Counter[str]]:
    """Count the calls of ours while they are in place."""
    import w2s_fast.sklearn as ours
    from w2s_fast.linalg.spectral import randomized

    calls: Counter[str] = Counter()

    def counting(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def replacement(*arguments: Any, **settings: Any) -> Any:
            calls[name] += 1
            return function(*arguments, **settings)

        return replacement

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(randomized, "randomized_svd", counting("randomized_svd", randomized.randomized_svd))
        for name in ("PCA", "TruncatedSVD", "LinearRegression", "Ridge", "RidgeCV"):
            kind = getattr(ours, name)
            method = "fit_transform" if name == "TruncatedSVD" else "_fit_here" if name == "PCA" else "fit"
            patch.setattr(kind, method, counting(name, getattr(kind, method)))
        yield calls


class Choice:
    """A pytest plugin that leaves out tests by their names."""

    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        left = [item for item in items if {item.name, item.name.partition("[")[0]} & set(LEFT_OUT)]
        config.hook.pytest_deselected(items=left)
        items[:] = [item for item in items if item not in left]


def run(file: str, options: list[str], calls: Counter[str]) -> int:
    """Run the tests of a file that concern us; return pytest's status."""
    chosen, names = FILES[file]
    found = importlib.util.find_spec(file)
    assert found is not None, f"{file} is not in the version that is installed"
    before = calls.copy()
    plain = ["-q", "-p", "no:cacheprovider", "-c", os.devnull]
    status = int(pytest.main([*plain, "-k", chosen, str(found.origin), *options], [Choice()]))
    new = calls - before
    print(f"{file}: ours were called:", *(f"{name} {times:,} times" for name, times in new.items()), flush=True)
    missed = [name for name in names.split(", ") if not new[name]]
    assert not missed, f"nothing called {', '.join(missed)}: the patch has lost its target"
    return status


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", metavar="FILE", help="run only files whose names hold one of these words")
    given, options = parser.parse_known_args()
    for test, reason in LEFT_OUT.items():
        print(f"left out: {test}: {reason}")
    files = [file for file in FILES if any(word in file for word in given.files or [""])]
    with counted() as calls, w2s_fast.patched("sklearn"):
        statuses = [run(file, options, calls) for file in files]
    print("NumPy", np.__version__)
    return max(statuses, default=1)


if __name__ == "__main__":
    sys.exit(main())
