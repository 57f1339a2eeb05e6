"""The gap that features predict, against N x N kernels; published correlation dimensions against drawn noise."""

import numpy as np
import pytest
import scipy.sparse
from scipy import stats

from tests import naive
from tests.matrices import random
from w2s_fast import correlation_dimension, padded_correlation_dimension, predict_gap, projected_correlation_dimension
from w2s_fast.linalg.spectral.published import _wishart_root


def projection(X, ridge, energy=1.0):
    """P = K (K + ridge)^-1 of K = X X', or the projection on the span of X; X cut to its leading directions."""
    u, s, vt = np.linalg.svd(X, full_matrices=False)
    rank = naive.intrinsic_dimension(X, energy) if energy < 1 else int(np.sum(s > 1e-10 * s[0]))
    X = (u[:, :rank] * s[:rank]) @ vt[:rank]
    if ridge == 0.0:
        return u[:, :rank] @ u[:, :rank].T
    K = X @ X.T
    return np.linalg.solve(K + ridge * np.eye(len(K)), K)


def by_kernels(weak, strong, y, ridges, energy=1.0):
    P_w, P_s = projection(weak, ridges[0], energy), projection(strong, ridges[1], energy)
    missed = P_s @ (np.eye(len(P_w)) - P_w)
    gap = np.sum((missed @ y) ** 2, axis=0) / len(y)
    return gap, np.linalg.norm(missed, 2), np.trace(P_w), np.trace(P_s), np.trace(P_s @ P_w)


def assert_same(found, expected):
    """The norm by its square: next to 0 it is the root of rounding."""
    for place, (mine, theirs) in enumerate(zip(found, expected, strict=True)):
        power = 2 if place == 1 else 1
        np.testing.assert_allclose(mine**power, theirs**power, rtol=1e-7, atol=1e-10)


def features(rows=40, shared=2):
    """Weak and strong features that share directions, and labels."""
    X = random(rows, 9)
    weak = X[:, :5] @ random(5, 6, seed=1)  # of rank 5
    strong = X[:, 5 - shared :] * np.array([3.0, 1.0, 0.3, 1.0, 2.0, 0.1])[: 4 + shared]
    return weak, strong, X @ random(9, 2, seed=2) + 0.5 * random(rows, 2, seed=3)


@pytest.mark.parametrize("ridge", [0.0, 0.3, (0.0, 2.0), (5.0, 0.0), (1e6, 1e-3)])
@pytest.mark.parametrize("rows", [40, 5])
def test_gaps_are_those_of_kernels(ridge, rows):
    weak, strong, y = features(rows)
    ridges = ridge if isinstance(ridge, tuple) else (ridge, ridge)
    found, expected = predict_gap(weak, strong, y, ridge=ridge), by_kernels(weak, strong, y, ridges)
    assert_same(found, expected)
    assert found.unshared == pytest.approx(expected[3] - expected[4], abs=1e-8)


def test_features_are_cut_to_a_share_of_their_energy():
    weak, strong, y = features()
    expected = by_kernels(weak, strong, y, (0.4, 0.0), energy=0.9)
    found = predict_gap(weak, strong, y, ridge=(0.4, 0.0), energy=0.9)
    assert_same(found, expected)


def test_known_cases():
    X = np.linalg.qr(random(30, 6))[0]
    y = X @ np.arange(1.0, 7.0)
    same = predict_gap(X, X, y)
    assert same.gap == pytest.approx(0.0, abs=1e-12)
    assert (same.worst, same.unshared) == (pytest.approx(0.0, abs=1e-6), pytest.approx(0.0, abs=1e-9))
    apart = predict_gap(X[:, :2], X[:, 2:], y)
    assert apart.gap == pytest.approx(np.sum(np.arange(3.0, 7.0) ** 2) / 30)
    assert (apart.worst, apart.d_shared) == (pytest.approx(1.0), pytest.approx(0.0, abs=1e-12))
    assert np.isnan(predict_gap(X[:, :2], X[:, 2:]).gap)
    nothing = predict_gap(X, np.zeros((30, 2)), y)
    assert (nothing.gap, nothing.worst, nothing.d_strong) == (0.0, 0.0, 0.0)
    silent = predict_gap(np.zeros((30, 2)), X, y)
    assert silent.gap == pytest.approx(float(y @ y) / 30)


def test_labels_are_one_column_or_several():
    weak, strong, y = features()
    both, one = predict_gap(weak, strong, y), predict_gap(weak, strong, y[:, 0])
    assert both.gap.shape == (2,)
    assert isinstance(one.gap, float)
    assert one.gap == pytest.approx(both.gap[0], rel=1e-12)


@pytest.mark.parametrize("scale", [1e-200, 1e-20, 1e20, 1e200])
def test_scales_of_features_are_borne_and_ridges_follow_them(scale):
    weak, strong, y = features()
    plain = predict_gap(weak, strong, y, ridge=(0.5, 2.0))
    if 1e-150 < scale < 1e150:
        scaled = predict_gap(scale * weak, strong, y, ridge=(0.5 * scale**2, 2.0))
    else:  # a ridge in squared units is beyond float64 where these are
        plain, scaled = predict_gap(weak, strong, y), predict_gap(scale * weak, strong, y)
    for mine, theirs in zip(scaled, plain, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-7, atol=1e-10)


def test_files_blocks_and_sparse_matrices_are_taken(tmp_path):
    weak, strong, y = features()
    np.save(tmp_path / "weak.npy", weak)
    expected = predict_gap(weak, strong, y, ridge=0.5)
    cut = [strong[:15], strong[15:]]
    for given in (
        (tmp_path / "weak.npy", strong),
        ([weak[:15], weak[15:]], iter(cut)),
        (scipy.sparse.csr_array(weak), strong),
        (weak.astype(np.float32).astype(np.float64), np.asfortranarray(strong)),
    ):
        found = predict_gap(*given, y, ridge=0.5)
        for mine, theirs in zip(found, expected, strict=True):
            np.testing.assert_allclose(mine, theirs, rtol=1e-5)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"strong": np.ones((39, 2))}, ValueError, "same number of rows: weak has 40, strong has 39"),
        ({"y": np.ones(39)}, ValueError, "same number of rows: weak has 40, y has 39"),
        ({"y": np.ones((40, 1, 1))}, ValueError, "y must have 1 or 2 dimensions"),
        ({"y": np.full(40, np.nan)}, ValueError, "y holds 40 NaN"),
        ({"y": np.full(40, 1e200)}, ValueError, "the squares of y overflow: scale it first"),
        ({"y": np.full(40, 1e-200)}, ValueError, "the squares of y vanish: scale it first"),
        ({"weak": np.full((40, 1), np.inf)}, ValueError, "weak holds"),
        ({"ridge": -1.0}, ValueError, "ridge must be a finite number, at least 0"),
        ({"ridge": (1.0, 2.0, 3.0)}, ValueError, "one number or the teacher's and the student's, got 3"),
        ({"ridge": (1.0, -2.0)}, ValueError, "ridge of the student must be a finite number"),
        ({"energy": 0.0}, ValueError, "energy must be"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(change, error, message):
    weak, strong, y = features()
    with pytest.raises(error, match=message):
        predict_gap(**({"weak": weak, "strong": strong, "y": y} | change))


# As the paper's code takes correlation dimensions


def drawn_padding(A, B, energy, rng):
    """Pad the narrower features row by row, as the published recipe does."""
    wide = max(A.shape[1], B.shape[1])
    bases = []
    for X in (A, B):
        rank = naive.intrinsic_dimension(X, energy)
        noise = rng.standard_normal((len(X), wide - X.shape[1])) / np.sqrt(wide)
        padded = np.hstack([X, noise])
        bases.append(np.linalg.eigh(padded.T @ padded)[1][:, ::-1][:, :rank])
    return float(np.sum((bases[0].T @ bases[1]) ** 2))


@pytest.mark.parametrize("rows", [200, 14, 6])
@pytest.mark.parametrize("scale", [1.0, 0.1])
def test_padding_has_the_law_of_noise_that_is_drawn(rows, scale):
    A, B, rng = scale * random(rows, 8), random(rows, 20, seed=4), np.random.default_rng(3)
    ours = [padded_correlation_dimension(A, B, energy=0.8, random_state=seed) for seed in range(120)]
    theirs = [drawn_padding(A, B, 0.8, rng) for _ in range(120)]
    assert stats.ks_2samp(ours, theirs).pvalue > 1e-5


def test_noise_beyond_what_features_span_is_wishart():
    rng = np.random.default_rng(1)
    for rows, columns in ((9, 4), (2, 4), (0, 3)):
        roots = [_wishart_root(rows, columns, rng) for _ in range(2_000)]
        mean = np.mean([root.T @ root for root in roots], axis=0)
        assert roots[0].shape == (min(rows, columns), columns)
        assert np.abs(mean - rows * np.eye(columns)).max() <= 5 * np.sqrt(2 * rows / 2_000)


def test_both_recipes_find_what_chance_gives_whatever_the_features_share():
    """Spaces of 4 and 10 dimensions, of which the wider holds the narrower one."""
    rng = np.random.default_rng(0)
    common = rng.standard_normal((400, 4))
    spread = np.hstack([common, rng.standard_normal((400, 6))])
    weak = 5 * common @ np.linalg.qr(rng.standard_normal((15, 4)))[0].T  # 4 of 15 dimensions
    strong = 5 * spread @ np.linalg.qr(rng.standard_normal((45, 10)))[0].T
    how = {"energy": 1 - 1e-6}
    padded = [padded_correlation_dimension(weak, strong, random_state=seed, **how) for seed in range(8)]
    projected = [projected_correlation_dimension(weak, strong, random_state=seed, **how) for seed in range(8)]
    assert np.mean(padded) == pytest.approx(4 * 10 / 45, abs=0.5)
    assert np.mean(projected) == pytest.approx(4 * 10 / 15, abs=0.5)
    assert predict_gap(weak, strong, **how).d_shared == pytest.approx(4, abs=1e-6)


def test_features_of_one_width_are_compared_as_they_are():
    X = random(50, 6)
    assert padded_correlation_dimension(X, X) == pytest.approx(naive.intrinsic_dimension(X, 0.99))
    assert padded_correlation_dimension(X, X) == projected_correlation_dimension(X, X)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_features_wider_than_rows_are_compared_by_their_rows_products(dtype):
    core = random(30, 12, seed=4)
    weak, strong = (
        core[:, own] @ random(8, width, seed=width) for own, width in ((slice(8), 9_000), (slice(4, 12), 20_000))
    )
    weak, strong, y = weak.astype(dtype), strong.astype(dtype), core[:, 0]
    spans = [np.linalg.svd(rows.astype(float), full_matrices=False)[0][:, :8] for rows in (weak, strong)]
    expected = np.sum((spans[0].T @ spans[1]) ** 2)
    assert correlation_dimension(weak, strong, energy=1.0) == pytest.approx(expected, rel=1e-5)
    found = predict_gap(weak, strong, y, energy=1.0)  # the joint Gram matrix of the columns would take 6.7 GB
    assert found.gap == pytest.approx(0.0, abs=1e-5)
    weak[3, 700] = np.nan
    with pytest.raises(ValueError, match=r"A holds 1 NaN or infinite value\(s\), the first at index \(3, 700\)"):
        correlation_dimension(weak, strong, energy=1.0)
