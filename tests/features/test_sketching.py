"""Sketches of vectors that come in pieces: the map entry by entry, any pieces, and the moments of inner products."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from tests import naive
from tests.conftest import COMPILED
from w2s_fast.features import sketch_rows, sketching
from w2s_fast.features.sketching import Sketch, SketchedRows
from w2s_fast.kernels.runs import STRETCH

KEYS = 2_000 if COMPILED else 3


@pytest.fixture(autouse=True)
def few_buckets(monkeypatch):
    """As Python, thousands of buckets take long."""
    monkeypatch.setattr(sketching, "LEAST_BUCKETS", 512)


def sketched(pieces, rows, dtype, sketch):
    found = SketchedRows(sketch, rows, dtype)
    for first, piece in pieces:
        found.add(np.ascontiguousarray(piece), first)
    return found.columns()


@pytest.mark.parametrize("width", [1, 5, 8, 40])
@pytest.mark.parametrize("first", [0, 31, 10**12 + 5])
def test_the_map_is_that_of_the_naive_one(width, first):
    sketch, p = Sketch(width, 2**64 - 5), 300
    found = sketched([(first, np.eye(p))], p, np.float64, sketch)
    expected = naive.sketch_in_runs(sketch.keys, sketch.buckets, width, first + np.arange(p))
    assert found == pytest.approx(expected, abs=1e-15)
    assert np.linalg.norm(found, axis=1) == pytest.approx(1.0)


@settings(max_examples=40 if COMPILED else 4)
@given(
    cuts=st.lists(st.integers(0, 700), max_size=6),
    order=st.randoms(use_true_random=False),
    first=st.integers(0, 2_000),
    span=st.sampled_from([100, 256, 2**20]),
    dtype=st.sampled_from([np.float32, np.float64]),
)
def test_any_pieces_in_any_order_give_the_same(cuts, order, first, span, dtype):
    x = np.random.default_rng(0).standard_normal((3, 700)).astype(dtype)
    edges = sorted({0, 700, *cuts})
    pieces = [(first + a, x[:, a:b]) for a, b in pairwise(edges)]
    order.shuffle(pieces)
    sketch = Sketch(16, 1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sketching, "SPAN", span)
        found = sketched(pieces, 3, dtype, sketch)
    expected = sketched([(first, x)], 3, dtype, sketch)
    assert found.dtype == dtype
    # Every coordinate is added once to some columns, and no column has more than 700 of them.
    assert found == pytest.approx(expected, abs=float(700 * np.finfo(dtype).eps * np.abs(x).sum(axis=1).max()))


@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize("work", [1, 10**9])
def test_a_vector_has_the_same_bits_beside_any_others(monkeypatch, threads, work):
    x = np.random.default_rng(1).standard_normal((7, 1_000)).astype(np.float32)
    sketch = Sketch(24, 3)
    alone = np.concatenate([sketched([(9, x[i : i + 1])], 1, np.float32, sketch) for i in range(7)])
    monkeypatch.setattr(sketching, "LEAST_WORK", work)
    monkeypatch.setenv("W2S_FAST_NUM_THREADS", str(threads))
    assert np.array_equal(sketched([(9, x)], 7, np.float32, sketch), alone)
    monkeypatch.setattr(sketching, "GROUP_BYTES", 1)
    assert np.array_equal(sketched([(9, x)], 7, np.float32, sketch), alone)


@pytest.mark.parametrize("scale", [1e-300, 1e-30, 1e30, 1e300])
def test_it_is_linear_at_any_scale(scale):
    x = np.random.default_rng(2).standard_normal((2, 400))
    assert sketch_rows(x * scale, 8) == pytest.approx(sketch_rows(x, 8) * scale, rel=1e-12)


def test_rows_of_any_layout_give_the_same_bits():
    x = np.random.default_rng(3).standard_normal((4, 500))
    expected = sketch_rows(x, 32, random_state=6)
    locked = x.copy()
    locked.flags.writeable = False
    for view in (np.asfortranarray(x), np.repeat(x, 2, axis=1)[:, ::2], locked, x.tolist()):
        assert np.array_equal(sketch_rows(view, 32, random_state=6), expected)
    assert sketch_rows(x[:0], 32).shape == (0, 32)
    assert sketch_rows(x[:, :0], 32).tolist() == np.zeros((4, 32)).tolist()
    assert not np.array_equal(sketch_rows(x, 32, random_state=7), expected)


def exact_variance(x, y, sketch):
    """Of the inner product: pairs of one stretch never share a bucket."""
    stretch = np.arange(x.size) // STRETCH
    pairs = np.where(stretch[:, None] == stretch, 1.0 / sketch.width, sketch.spread)
    np.fill_diagonal(pairs, 0.0)
    xy = np.outer(x, y)
    return float(np.sum(pairs * (xy**2 + xy * xy.T)))


@pytest.mark.compiled
@pytest.mark.parametrize("width", [8, 64, 250])
def test_inner_products_have_the_stated_mean_and_variance(width):
    """Of gradients whose energy is spread, and of some with few large coordinates."""
    rng = np.random.default_rng(4)
    rows = rng.standard_normal((4, 700)) * np.array([[1.0], [1.0], [0.0], [0.0]])
    rows[1] += rows[0]
    rows[2, ::90], rows[3, ::60] = 1.0, 2.0
    products = []
    for key in range(KEYS):
        found = sketched([(100, rows)], 4, np.float64, Sketch(width, key))
        products.append([found[0] @ found[1], found[0] @ found[0], found[2] @ found[3]])
    padded = np.pad(rows, ((0, 0), (100, 0)))
    pairs = (padded[0], padded[1]), (padded[0], padded[0]), (padded[2], padded[3])
    for (x, y), values in zip(pairs, np.array(products).T, strict=True):
        variance = exact_variance(x, y, Sketch(width, 0))
        assert variance <= Sketch(width, 0).variance(x, y) * (1 + 1e-12)
        z = (values.mean() - x @ y) / np.sqrt(variance / KEYS)
        assert abs(z) < 3.5
        squares = (values - x @ y) ** 2
        z = (squares.mean() - variance) / (squares.std() / np.sqrt(KEYS))
        assert abs(z) < 3.5


@pytest.mark.compiled
def test_the_variance_grows_by_what_buckets_add():
    """Of two coordinates in different stretches: 1/k + (1 - 1/k) / buckets, which few buckets make plain."""
    x = np.zeros((2, 600))
    x[0, 3], x[1, 555] = 1.0, 1.0
    keys = 40_000
    found = np.empty(keys)
    for key in range(keys):
        first, second = (naive.bucket_and_sign(key, i, 512)[0] for i in (3, 555))
        found[key] = first == second
    share = found.mean()
    assert abs(share - 1 / 512) < 3.5 * np.sqrt(share / keys)


def test_places_and_signs_are_uniform():
    count = 3_000 if COMPILED else 300
    found = [naive.bucket_and_sign(77, 32 * run + run % 32, 512) for run in range(count)]
    buckets, signs = np.array(found).T
    assert stats.chisquare(np.bincount(buckets // 32, minlength=16)).pvalue > 1e-3
    assert stats.binomtest(int((signs > 0).sum()), count).pvalue > 1e-3


def test_what_is_no_sketch_is_refused():
    with pytest.raises(ValueError, match="k must be at least 1 and at most 16,777,216, got 0"):
        sketch_rows(np.ones((2, 3)), 0)
    with pytest.raises(ValueError, match="X must have 2 dimension"):
        sketch_rows(np.ones(3), 8)
    with pytest.raises(ValueError, match="X holds 1 NaN or infinite"):
        sketch_rows([[np.nan, 1.0]], 8)
