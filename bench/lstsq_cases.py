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


def assert_same(mine, peer, what):
    assert np.shape(mine) == np.shape(peer), what
    assert np.asarray(mine).dtype == peer.dtype, what
    tolerance = TOLERANCE.get(peer.dtype.char, 0.0)  # ranks are equal
    assert np.allclose(mine, peer, rtol=tolerance, atol=1e-12, equal_nan=True), what


def filled(peer, shape):
    """NaN for residuals that NumPy leaves out, as those of deficient problems, whose place in a stack is there."""
    return peer if np.size(peer) else np.full(shape, np.nan, peer.dtype)


def check(case):
    a, b = np.asarray(case.a), np.asarray(labels_of(case))
    (*stack, m, n) = a.shape
    found = lstsq(case.a, labels_of(case))
    labels = np.broadcast_to(b, (*stack, *(b.shape if b.ndim == 1 else b.shape[-2:])))
    answers = [np.linalg.lstsq(a[problem], labels[problem]) for problem in np.ndindex(*stack)]
    for what, mine, *peers in zip(NAMES, found, *answers, strict=True):
        if what == "residuals" and m <= n:
            assert np.shape(mine) == (0,), case.name
            continue
        if peers:
            alike = [filled(peer, mine.shape[len(stack) :]) for peer in peers] if stack else peers
            assert_same(mine, np.reshape(alike, (*stack, *np.shape(alike[0]))), (case.name, what))


@pytest.mark.parametrize("generalized", [False, True])
def test_every_case(generalized):
    for case in CASES:
        if generalized == ("generalized" in case.tags):
            check(case)
