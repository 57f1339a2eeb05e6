"""Subspaces of deviations from the mean, as principal component analysis takes them."""

import numpy as np
import pytest

from tests.matrices import assert_orthonormal
from w2s_fast import Subspace
from w2s_fast.linalg.rows.sources import StreamRows

X = np.random.default_rng(0).standard_normal((200, 6)) * [5.0, 3.0, 2.0, 1.0, 0.5, 0.1]


@pytest.mark.parametrize("offset", [0.0, 7.0, 1e6])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("as_blocks", [False, True])
def test_axes_are_those_of_the_deviations(offset, dtype, as_blocks):
    rows = (X + offset).astype(dtype)
    deviations = rows.astype(np.float64) - rows.astype(np.float64).mean(axis=0)
    _, s, Vt = np.linalg.svd(deviations, full_matrices=False)
    found = Subspace.fit(iter([rows[:70], rows[70:]]) if as_blocks else rows, rank=3, centred=True)
    np.testing.assert_allclose(found.eigenvalues, s[:3] ** 2, rtol=1e-7)
    assert_orthonormal(found.basis, 1e-12)
    np.testing.assert_allclose(np.abs(np.sum(found.basis * Vt[:3].T, axis=0)), 1.0, rtol=1e-9)
    share = np.cumsum(s**2) / np.sum(s**2)
    assert Subspace.fit(rows, energy=0.9, centred=True).rank == np.searchsorted(share, 0.9) + 1
    assert found.energy == pytest.approx(share[2])


def test_it_is_what_scikit_learn_finds():
    PCA = pytest.importorskip("sklearn.decomposition").PCA
    pca = PCA(3).fit(X + 100.0)
    np.testing.assert_allclose(Subspace.fit(X + 100.0, rank=3, centred=True).eigenvalues / 199, pca.explained_variance_)


def test_progress_is_told():
    told = []
    Subspace.fit(StreamRows([X[:70], X[70:]], "X"), rank=2, centred=True, progress=lambda *rows: told.append(rows))
    assert told == [(70, 0), (200, 0)]


def test_what_cannot_be_is_refused(monkeypatch):
    with pytest.raises(TypeError, match="centred must be True or False"):
        Subspace.fit(X, rank=1, centred=1)
    with pytest.raises(ValueError, match="X holds 1 NaN"):
        Subspace.fit(np.where(X == X[3, 2], np.nan, X), rank=1, centred=True)
    with pytest.raises(ValueError, match="rank must be at least 1 and at most 6"):
        Subspace.fit(StreamRows([X], "X"), rank=7, centred=True)
    monkeypatch.setattr("w2s_fast.linalg.spectral.dimension.LARGEST_GRAM", 5)
    with pytest.raises(ValueError, match="centred takes up to 5 columns, X has 6: subtract the means first"):
        Subspace.fit(X, rank=1, centred=True)
