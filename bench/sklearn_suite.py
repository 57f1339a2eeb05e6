"""scikit-learn's own tests with our ``randomized_svd`` in place of its own: ``python -m bench.sklearn_suite``.

Runs the tests that the installed scikit-learn brings along: of ``randomized_svd`` itself, and of the estimators that
call it. Arguments are passed on to pytest. It exits with pytest's status. Where array-api-strict, torch or CuPy are
installed, its tests with arrays of these run too.
"""

from __future__ import annotations

import importlib
import os
import sys
from types import ModuleType
from typing import Any

os.environ.setdefault("SCIPY_ARRAY_API", "1")  # before SciPy is imported, or tests with arrays of others are skipped

import numpy as np
import pytest

from w2s_fast import randomized_svd

FILES = {  # and which of their tests concern us
    "sklearn.utils.tests.test_extmath": "randomized_svd or svd_flip",
    "sklearn.decomposition.tests.test_truncated_svd": "",
    "sklearn.decomposition.tests.test_pca": "",
}
CALLERS = (
    "sklearn.utils.extmath",
    "sklearn.utils.tests.test_extmath",
    "sklearn.decomposition",
    "sklearn.decomposition._truncated_svd",
    "sklearn.decomposition._pca",
)
SKIPPED = {
    "test_randomized_svd_power_iteration_normalizer": "asks that iterations diverge without a normalizer; ours always "
    "have one (its other half is in tests/linalg/test_subspace.py)",
    "test_array_api_error_and_warnings_on_unsupported_params": "asks that LU be refused for arrays of other libraries, "
    "whose standard has none; ours takes QR, which they all have",
}


def counted(calls: list[int]) -> Any:
    """Our function, counting its calls."""

    def replacement(*arguments: Any, **settings: Any) -> Any:
        calls.append(1)
        return randomized_svd(*arguments, **settings)

    return replacement


def patch(replacement: Any) -> list[str]:
    """Put ``replacement`` wherever scikit-learn holds its function; return the places."""
    places = []
    for name in CALLERS:
        module: ModuleType = importlib.import_module(name)
        for attribute in ("randomized_svd", "_randomized_svd"):
            if hasattr(module, attribute):
                setattr(module, attribute, replacement)
                places.append(f"{name}.{attribute}")
    return places


def main() -> int:
    calls: list[int] = []
    print("patched:", *patch(counted(calls)), sep="\n  ")
    for test, reason in SKIPPED.items():
        print(f"skipped: {test}: {reason}")
    status = 0
    for file, chosen in FILES.items():
        path = str(importlib.import_module(file).__file__)
        kept = " and ".join(filter(None, [f"({chosen})" if chosen else "", *(f"not {test}" for test in SKIPPED)]))
        before = len(calls)
        status |= int(pytest.main(["-q", "-p", "no:cacheprovider", "-c", "/dev/null", "-k", kept, path, *sys.argv[1:]]))
        print(f"{file}: our function was called {len(calls) - before:,} times", flush=True)
    assert calls, "nothing called our function: the patch has lost its target"
    print("NumPy", np.__version__)
    return status


if __name__ == "__main__":
    sys.exit(main())
