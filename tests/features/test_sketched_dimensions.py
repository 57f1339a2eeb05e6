"""Dimensions from two sketches: beside the exact ones, with the bias that falls as 1/k."""

import numpy as np
import pytest

from w2s_fast import correlation_dimension, intrinsic_dimension
from w2s_fast.features import sketch_rows, sketched_correlation_dimension, sketched_dimension

pytestmark = pytest.mark.compiled  # thousands of buckets


@pytest.fixture(scope="module")
def gradients():
    """Rows of a spectrum that falls as 1/i, in many more coordinates than rows."""
    rng = np.random.default_rng(0)
    left = np.linalg.qr(rng.standard_normal((120, 120)))[0]
    return (left / np.sqrt(np.arange(1, 121))) @ rng.standard_normal((120, 20_000)) / np.sqrt(20_000)


def pair(rows, k, seed=0):
    return [sketch_rows(rows, k, random_state=seed + i) for i in range(2)]


def test_the_bias_falls_as_one_over_k_and_is_told(gradients):
    exact = intrinsic_dimension(gradients, 0.9)
    found = [sketched_dimension(*pair(gradients, k), energy=0.9) for k in (128, 512, 2_048)]
    misses = [exact - one.dimension for one in found]
    assert misses[0] > misses[1] > misses[2] >= 0
    for one in found:
        assert one.bias < 0 or one.dimension == exact
        assert abs(one.extrapolated - exact) < exact - one.dimension + 1
    assert abs(found[2].extrapolated - exact) <= 2


def test_the_error_bar_is_what_seeds_do(gradients):
    found = [sketched_dimension(*pair(gradients, 256, 10 * seed), energy=0.9) for seed in range(24)]
    halves = np.array([one.halves for one in found]).ravel()
    told = np.mean([one.stderr**2 for one in found])
    assert told == pytest.approx(halves.var(ddof=1) / 2, rel=1.0)  # of a mean of two; 24 degrees of freedom


def test_low_ranks_are_told_exactly():
    rng = np.random.default_rng(1)
    rows = rng.standard_normal((60, 7)) @ rng.standard_normal((7, 3_000))
    found = sketched_dimension(*pair(rows, 256), energy=1 - 1e-9)
    assert (found.dimension, found.stderr, found.bias, found.halves) == (7, 0, 0, (7, 7))
    outputs = [sketch.reshape(20, 3, 256) for sketch in pair(rows, 256)]
    assert sketched_dimension(*outputs, energy=1 - 1e-9) == found


def test_shared_dimensions_are_those_of_the_gradients(gradients):
    rng = np.random.default_rng(2)
    weak = gradients[:, :9_000]
    strong = gradients + 0.02 * rng.standard_normal((120, 40)) @ rng.standard_normal((40, 20_000)) / np.sqrt(20_000)
    # Rows with the same inner products in 120 columns: the joint Gram matrix of all coordinates would take 6 GB.
    exact = correlation_dimension(*(np.linalg.qr(rows.T, mode="r").T for rows in (weak, strong)), energy=0.8)
    found = sketched_correlation_dimension(pair(weak, 2_048), pair(strong, 1_024, 5), energy=0.8)
    assert found.weak.dimension <= intrinsic_dimension(weak, 0.8)
    assert found.strong.dimension <= intrinsic_dimension(strong, 0.8)
    assert abs(found.shared.extrapolated - exact) < abs(found.shared.dimension - exact) + 1
    assert found.shared.extrapolated == pytest.approx(exact, abs=0.1 * exact)


def test_what_is_no_pair_is_refused(gradients):
    one, other = pair(gradients[:9, :500], 32)
    with pytest.raises(ValueError, match="are the same sketch"):
        sketched_dimension(one, one)
    with pytest.raises(ValueError, match="one shape"):
        sketched_dimension(one, other[:, :16])
    with pytest.raises(TypeError, match="weak must be a pair of sketches, got ndarray"):
        sketched_correlation_dimension(one, (one, other))
    with pytest.raises(ValueError, match="same number of rows: weak has 9, strong has 8"):
        sketched_correlation_dimension((one, other), (one[:8], other[:8]))
    with pytest.raises(ValueError, match=r"first must be \(n, k\)"):
        sketched_dimension(one[0], other[0])
