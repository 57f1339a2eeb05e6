"""Float32 products in short runs of rows: errors that no number of rows adds to, and no ranks made of rounding."""

import numpy as np
import pytest
from numpy.linalg import LinAlgError

from tests import naive
from w2s_fast import Gram
from w2s_fast.linalg.leastsq.policy import gram_rounding
from w2s_fast.linalg.rows import cutting

UNIT = 2.0**-24  # what rounding to float32 moves a number by, relative to it
FAST = {"product_dtype": "float32"}


def gamma(roundings):
    """What so many roundings one after the other come to at most (Higham 2002, lemma 3.1)."""
    return roundings * UNIT / (1.0 - roundings * UNIT)


def rows32(rows=50, columns=4, seed=0):
    return np.random.default_rng(seed).standard_normal((rows, columns), dtype=np.float32)


def exact(X):
    """X'X in float64, and what one relative rounding of all products would come to; products are exact in float64."""
    X = X.astype(np.float64)
    return X.T @ X, np.abs(X).T @ np.abs(X)


def assert_within(found, right, bound):
    assert found.dtype == np.float64
    assert np.all(np.abs(found - right) <= bound)


@pytest.mark.parametrize("labels", [None, (), (2,)])
@pytest.mark.parametrize("rows", [0, 1, 2, 7, 30])
def test_sums_are_right_to_float32_roundings_of_a_run(rows, labels, monkeypatch):
    monkeypatch.setattr(cutting, "RUN_ROWS", 3)
    monkeypatch.setattr(cutting, "GRAM_ROWS", 8)
    monkeypatch.setattr(cutting, "BLOCK_WORK", 1)
    X = rows32(rows)
    Y = (
        None
        if labels is None
        else rows32(rows, 2, seed=1).reshape(rows, 2)[:, : 1 + len(labels)].reshape(rows, *labels)
    )
    gram = Gram(**FAST).update(X, Y)
    joint = X if Y is None else np.column_stack((X, Y))
    right, bound = naive.gram(joint, joint), (gamma(3) + 1e-14) * naive.gram(np.abs(joint), np.abs(joint))
    assert_within(gram.xtx, right[:4, :4], bound[:4, :4])
    assert np.array_equal(gram.xtx, gram.xtx.T)
    assert gram.n_rows == rows
    if Y is not None:
        assert_within(gram.xty.reshape(4, -1), right[:4, 4:], bound[:4, 4:])
        assert_within(gram.yty.reshape(right[4:, 4:].shape), right[4:, 4:], bound[4:, 4:])


def test_errors_do_not_grow_with_the_rows():
    X = np.ones((64 * cutting.RUN_ROWS, 2), np.float32)
    X[0] = 4096.0  # of the square 2^24, to which float32 adds no single 1
    found = Gram(**FAST).update(X).xtx
    assert_within(found, 2.0**24 + len(X) - 1, cutting.RUN_ROWS)


@pytest.mark.parametrize("centred", [False, True])
def test_labels_in_float64_keep_their_digits(centred):
    X, Y = rows32(3_000), np.random.default_rng(1).standard_normal(3_000)
    fast, slow = (Gram(centred=centred, **how).update(X, Y) for how in (FAST, {}))
    assert not np.array_equal(fast.xtx, slow.xtx)
    np.testing.assert_allclose(fast.yty, slow.yty, rtol=1e-13)
    np.testing.assert_allclose(fast.xty, slow.xty, atol=1e-13 * 3_000 if not centred else gamma(3) * 3_000)


@pytest.mark.parametrize("offset", [0.0, 1e4, -3e7])
def test_deviations_lose_nothing_to_a_large_mean(offset):
    X = rows32(1_000_000, 3) * np.float32(max(1.0, abs(offset) / 1e4)) + np.float32(offset)
    X[:, 2] = X[:, 0]
    gram = Gram(centred=True, **FAST).update(X)
    deviations = X.astype(np.float64)
    deviations -= deviations.mean(axis=0)
    right, lengths = deviations.T @ deviations, np.linalg.norm(deviations, axis=0)
    # Squares of deviations are twice those from the mean at most; each is rounded once, products once an addition.
    assert_within(gram.xtx, right, 2.0 * gamma(cutting.RUN_ROWS + 4) * np.outer(lengths, lengths))
    np.testing.assert_allclose(gram.xtx, right, atol=1e-6 * lengths[0] ** 2)
    np.testing.assert_allclose(gram.x_mean, X.mean(axis=0, dtype=np.float64), rtol=1e-12, atol=1e-12)


def test_rows_that_drift_are_no_trouble():
    X = np.linspace(0, 1e6, 20_000, dtype=np.float32)[:, None] + rows32(20_000, 3)
    fast, slow = (Gram(centred=True, **how).update(X) for how in (FAST, {}))
    lengths = np.sqrt(np.diagonal(slow.xtx))
    assert_within(fast.xtx, slow.xtx, 2.0 * gamma(cutting.RUN_ROWS + 4) * np.outer(lengths, lengths))


@pytest.mark.parametrize("centred", [False, True])
@pytest.mark.parametrize("scale", [1e-44, 1e-30, 1e-20, 1e-12, 1e18, 1e25, 1e37])
def test_what_float32_cannot_hold_is_multiplied_in_float64(scale, centred):
    X = (rows32(300, 5) + 0.5).astype(np.float64)
    X[:, 1] *= scale
    X[:, 2:4] *= [0.0, scale]
    X[:, 4] = 1.0
    X = X.astype(np.float32)
    fast, slow = (Gram(centred=centred, **how).update(X).xtx for how in (FAST, {}))
    lengths = np.sqrt(np.diagonal(slow))
    assert_within(fast, slow, 1e-5 * np.outer(lengths, lengths))
    assert np.all(fast[2] == 0.0)


def test_only_the_block_that_needs_it_pays(monkeypatch):
    monkeypatch.setattr(cutting, "GRAM_ROWS", 100)
    monkeypatch.setattr(cutting, "BLOCK_WORK", 1)
    X = rows32(400)
    X[250] *= 1e20
    X[250, :3] = 0.0
    right, size = exact(X)
    found = Gram(**FAST).update(X).xtx
    assert_within(found, right, gamma(100) * size + 1e-13 * np.abs(right))
    np.testing.assert_allclose(found[3, 3], right[3, 3], rtol=1e-14)


@pytest.mark.parametrize("centred", [False, True])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_finite_is_refused_by_name(bad, centred):
    gram = Gram(centred=centred, **FAST)
    X = rows32()
    X[3, 2] = bad
    with pytest.raises(ValueError, match=r"X holds 1 NaN or infinite value"):
        gram.update(X, X[:, 0])
    assert gram.update(rows32(), rows32(columns=1)[:, 0]).n_rows == 50
    fine = np.isfinite(X).all(axis=1) if np.isnan(bad) else slice(None)
    if np.isnan(bad):
        skipped = Gram(centred=centred, **FAST).update(X, skip_nan=True)
        np.testing.assert_allclose(skipped.xtx, Gram(centred=centred).update(X[fine]).xtx, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("centred", [False, True])
def test_every_layout_is_read_right_and_left_alone(centred):
    X = rows32(2_000, 3)
    lengths = np.linalg.norm(X, axis=0).astype(np.float64)
    right = Gram(centred=centred).update(X).xtx
    for name, rows in naive.layouts(X):
        assert_within(Gram(centred=centred, **FAST).update(rows).xtx, right, gamma(1_100) * np.outer(lengths, lengths))
        assert np.array_equal(rows, X), name


def test_float64_and_weighted_rows_keep_products_in_float64():
    X, weights = rows32(2_000), np.arange(2_000.0)
    assert np.array_equal(Gram(**FAST).update(X.astype(np.float64)).xtx, Gram().update(X.astype(np.float64)).xtx)
    assert np.array_equal(Gram(**FAST).update(X, weights=weights).xtx, Gram().update(X, weights=weights).xtx)


@pytest.mark.parametrize("bad", ["float16", "half", int, None, "fast", complex, []])
def test_other_products_are_refused_by_name(bad):
    with pytest.raises(ValueError, match="product_dtype must be one of 'float64', 'float32', got"):
        Gram(product_dtype=bad)
    assert Gram(product_dtype=np.float32).product_dtype == Gram(product_dtype="f4").product_dtype == np.float32
    assert Gram().product_dtype == Gram(product_dtype=float).product_dtype == np.float64


def with_condition(condition, rows=3_000, columns=8, seed=0):
    """Float32 rows of a condition, and labels of weights 1."""
    rng = np.random.default_rng(seed)
    basis, turned = (np.linalg.qr(rng.standard_normal((size, columns)))[0] for size in (rows, columns))
    X = np.float32(basis * np.geomspace(1.0, 1.0 / condition, columns) @ turned * np.sqrt(rows))
    return X, X.astype(np.float64).sum(axis=1)


@pytest.mark.parametrize("ridge", [0.0, [0.0, 1e-9]])
@pytest.mark.parametrize("condition", [1.0, 10.0, 50.0, 1e3, 1e5, 1e9])
def test_weights_are_right_or_refused(condition, ridge):
    """The condition of the squares, 10^4 at most, times what a run rounds as a rule: .1 % and less."""
    X, y = with_condition(condition)
    gram = Gram(**FAST).update(X, y)
    if condition > 300.0:
        with pytest.raises(LinAlgError, match=r"with products in float32 is too ill-.*sum products in float64, or"):
            gram.solve(ridge)
    else:
        np.testing.assert_allclose(gram.solve(ridge), np.broadcast_to(1.0, (*np.shape(ridge), 8)), atol=1e-2)


@pytest.mark.parametrize("constants", [False, True], ids=["Gaussian", "constant columns"])
@pytest.mark.parametrize("centred", [False, True])
def test_rounding_never_counts_for_rank(constants, centred):
    for seed in range(10):
        rng = np.random.default_rng(seed)
        factors = rng.standard_normal((5_000, 2)) if not constants else np.ones((5_000, 1))
        X = (factors @ rng.uniform(0.1, 1.0, (factors.shape[1], 6))).astype(np.float32)
        gram = Gram(centred=centred, **FAST).update(X, X[:, 0])
        with pytest.raises(LinAlgError, match="too ill-conditioned"):
            gram.solve()
        if centred and constants:
            continue
        finest = 1.01 * np.sqrt(gram_rounding(6, single=True))
        values = np.linalg.eigvalsh(gram.xtx)
        rank = np.linalg.matrix_rank(factors - centred * factors.mean(axis=0))
        assert np.sum(values > finest**2 * values[-1]) == rank
        shortest = Gram(centred=centred).update(X, X[:, 0]).solve(rcond=finest)
        np.testing.assert_allclose(gram.solve(rcond=finest), shortest, atol=1e-3)
        with pytest.raises(LinAlgError, match="finer than a Gram matrix resolves"):
            gram.solve(rcond=0.9 * finest)


@pytest.mark.parametrize("condition", [1e3, 1e5])
def test_whatever_holds_such_products_is_trusted_to_no_more(condition, tmp_path):
    X, y = with_condition(condition / 3.0)
    slow, fast = Gram().update(X, y), Gram(**FAST).update(X, y)
    assert slow.solve().shape == (8,)
    fast.save(tmp_path / "fast.npz")
    for gram in (
        Gram().merge(fast),
        Gram().update(X, y).merge(fast),
        Gram(**FAST).merge(slow).merge(fast),
        Gram.load(tmp_path / "fast.npz"),
        Gram().merge(fast).merge(slow).downdate(fast),
        Gram().merge(fast).update(X[:3], y[:3].astype(np.float32)),
    ):
        with pytest.raises(LinAlgError, match="products in float32"):
            gram.solve()
    assert Gram(**FAST).merge(slow).solve().shape == (8,)  # it has seen none


@pytest.mark.parametrize("centred", [False, True])
def test_what_is_saved_goes_on_as_it_would_have(centred, tmp_path):
    X, path = rows32(3_000), tmp_path / "gram.npz"
    gram = Gram(centred=centred, **FAST).update(X, X[:, 0])
    gram.save(path)
    back = Gram.load(path)
    assert back.product_dtype == np.float32
    assert np.array_equal(back.update(X, X[:, 0]).xtx, gram.update(X, X[:, 0]).xtx)


def test_files_of_before_open_and_damaged_ones_are_refused(tmp_path):
    X, path = rows32(), tmp_path / "gram.npz"
    gram = Gram().update(X, X[:, 0])
    gram.save(path)
    with np.load(path) as file:
        content = dict(file)
    np.savez(path, **{name: part for name, part in content.items() if name not in ("single", "product_dtype")})
    back = Gram.load(path)
    assert back.product_dtype == np.float64
    assert np.array_equal(back.xtx, gram.xtx)
    for changes, words in (
        ({"single": 1}, "single must be one truth value"),
        ({"product_dtype": "float16"}, "product_dtype must be one of float64, float32, got"),
        ({"product_dtype": ["float32"]}, "product_dtype must be one of float64, float32, got"),
        ({"product_dtype": 4}, "product_dtype must be one of float64, float32, got 4"),
    ):
        np.savez(path, **(content | changes))
        with pytest.raises(ValueError, match=words):
            Gram.load(path)


def test_prefixes_take_it_too():
    X = rows32(5_000)
    for size, gram in zip((0, 10, 5_000), Gram.prefixes(X, sizes=[0, 10, 5_000], **FAST), strict=True):
        right, bound = exact(X[:size])
        assert gram.n_rows == size
        assert_within(gram.xtx, right, gamma(cutting.RUN_ROWS) * bound)


def test_downdates_take_away_what_was_added():
    X = rows32(5_000)
    right, bound = exact(X[:4_000])
    left = Gram(**FAST).update(X).downdate(Gram(**FAST).update(X[4_000:]))
    assert_within(left.xtx, right, 2.0 * gamma(cutting.RUN_ROWS) * exact(X)[1])
    assert left.n_rows == 4_000
    assert "in float32" in repr(left)
    assert "in float32" not in repr(Gram(**FAST))
    assert bound.min() > 0.0


def test_few_rows_have_the_same_bits_whatever_is_compiled():
    X = rows32(20)
    alone = Gram(**FAST).update(X, X[:, 0])
    Gram().update(X, X[:, 0]).update(X, X[:, 0])  # compiles, or loads, what adds a few rows
    assert np.array_equal(Gram(**FAST).update(X, X[:, 0]).xtx, alone.xtx)


@pytest.mark.parametrize("centred", [False, True])
def test_bits_are_the_same_for_any_number_of_threads(centred, monkeypatch):
    monkeypatch.setattr(cutting, "BLOCK_WORK", 1)
    X, found = rows32(30_000, 5), set()
    for workers in (1, 2, 5):
        monkeypatch.setattr("w2s_fast._threads.default_workers", lambda workers=workers: workers)
        found.add(Gram(centred=centred, **FAST).update(X, X[:, 0]).xtx.tobytes())
    assert len(found) == 1
