"""What a kernel is compiled with, and what compiling leaves as it was."""

import gc
import re

import numba
import numpy as np
import pytest

from w2s_fast._jit import UNCOUNTED, inlined, small_kernel

pytestmark = pytest.mark.compiled  # as Python there is nothing to compile


def summed(values, power):
    total = 0.0
    for value in values:
        total += value**power
    return total


def test_what_an_inlined_function_calls_stays_a_function():
    called = numba.njit(**UNCOUNTED)(summed)  # not from a file, where it would be as an earlier run compiled it
    between = inlined(lambda values: called(values, 3) + called(values, 5))
    caller = small_kernel(lambda values: between(values) + between(values[1:]))
    caller(np.arange(4.0))
    (code,) = caller.inspect_llvm().values()
    assert re.search(r"call .*summed", code)


@pytest.mark.parametrize("collects", [True, False])
def test_compiling_leaves_the_garbage_collector_as_it_was(collects):
    before = gc.isenabled()
    try:
        (gc.enable if collects else gc.disable)()
        assert small_kernel(summed)(np.arange(4.0), 2) == 14.0
        assert gc.isenabled() == collects
        with pytest.raises(Exception, match="values"):
            small_kernel(lambda values: values.nothing)(np.arange(4.0))
        assert gc.isenabled() == collects
    finally:
        (gc.enable if before else gc.disable)()
