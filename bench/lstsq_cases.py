"""Every case of NumPy's tests of linear algebra, put to ``lstsq``: run by ``python -m bench.peer_tests cases``.

NumPy's test of its lstsq takes the single problems among them, square and not; those that are stacks, Hermitian or
without labels are here compared with NumPy's function, problem by problem, and so are all others.
"""

import numpy as np
import pytest
from numpy.linalg.tests.test_linalg import CASES

from w2s_fast import lstsq

NAMES = ("x", "residuals", "rank", "s")
TOLERANCE = {"f": 1e-3, "d": 1e-9, "F": 1e-3, "D": 1e-9}  # of problems whose condition is 1e4 at most


def labels_of(case):
    return np.ones(np.shape(case.a)[-2], np.asarray(case.a).dtype) if case.b is None else case.b


def assert_same(mine, peer, tolerance, what):
    assert np.shape(mine) == np.shape(peer), what
    assert np.asarray(mine).dtype == np.asarray(peer).dtype, what
    assert np.allclose(mine, peer, rtol=tolerance, atol=1e-12), what


def check(case):
    a, b = np.asarray(case.a), np.asarray(labels_of(case))
    m, n = a.shape[-2:]
    found = lstsq(case.a, labels_of(case))
    labels = np.broadcast_to(b, (*a.shape[:-2], *(b.shape if b.ndim == 1 else b.shape[-2:])))
    for problem in np.ndindex(a.shape[:-2]):
        expected = np.linalg.lstsq(a[problem], labels[problem])
        tolerance = TOLERANCE[expected[0].dtype.char]
        for what, mine, peer in zip(NAMES, found, expected, strict=True):
            if what == "residuals" and m <= n:
                assert np.shape(mine) == (0,), case.name
            elif what == "residuals" and problem and not peer.size:
                assert np.isnan(mine[problem]).all(), case.name
            else:
                assert_same(mine[problem], peer, tolerance, (case.name, what))


@pytest.mark.parametrize("generalized", [False, True])
def test_every_case(generalized):
    for case in CASES:
        if generalized == ("generalized" in case.tags):
            check(case)
