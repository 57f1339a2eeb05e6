"""Subspaces and dimensions of rows that a Gram has summed, which are those of the rows."""

import numpy as np
import pytest

from tests.matrices import assert_orthonormal
from w2s_fast import Gram, Subspace, intrinsic_dimension

X = np.random.default_rng(0).standard_normal((300, 8)) * [5.0, 3.0, 2.0, 1.0, 0.5, 0.1, 0.02, 0.004] + 3.0


def assert_alike(found, expected, rtol):
    assert (found.rank, found.certificate, found.rank_bounds) == (expected.rank, "exact", (expected.rank,) * 2)
    np.testing.assert_allclose(found.eigenvalues, expected.eigenvalues, rtol=rtol)
    np.testing.assert_allclose(np.abs(np.sum(found.basis * expected.basis, axis=0)), 1.0, rtol=rtol)
    assert found.energy == pytest.approx(expected.energy, rel=rtol)
    assert_orthonormal(found.basis, 1e-12)


@pytest.mark.parametrize("centred", [False, True])
@pytest.mark.parametrize("how", [{"rank": 3}, {"energy": 0.999}, {}])
def test_it_is_the_subspace_of_the_rows(centred, how):
    gram = Gram(centred=centred).update(X[:100], X[:100, 0]).merge(Gram(centred=centred).update(X[100:], X[100:, 0]))
    expected = Subspace.fit(X, **how, centred=centred)
    assert_alike(Subspace.fit(gram, **how), expected, 1e-9)
    assert_alike(Subspace.fit(gram, **how, centred=centred), expected, 1e-9)


@pytest.mark.parametrize("centred", [False, True])
def test_products_in_float32_find_what_is_above_their_rounding(centred):
    rows = X.astype(np.float32)
    gram = Gram(centred=centred, product_dtype="float32").update(rows)
    assert_alike(Subspace.fit(gram, rank=3), Subspace.fit(rows, rank=3, centred=centred), 1e-5)
    squares = Gram(centred=centred).update(rows).xtx
    assert Subspace.fit(gram, energy=1.0 - 1e-12).rank < Subspace.fit(Gram().update(rows), energy=1.0 - 1e-12).rank
    best = np.linalg.eigvalsh(squares)[-3:].sum()
    basis = Subspace.fit(gram, rank=3).basis
    assert np.trace(basis.T @ squares @ basis) == pytest.approx(best, rel=1e-9)


def test_weights_count_as_copies_do():
    copies = np.arange(len(X)) % 3
    gram = Gram().update(X, weights=copies.astype(float))
    assert_alike(Subspace.fit(gram, rank=4), Subspace.fit(np.repeat(X, copies, axis=0), rank=4), 1e-9)


@pytest.mark.parametrize("energy", [0.5, 0.9, 0.999, 1.0])
def test_dimensions_are_those_of_the_rows(energy):
    assert intrinsic_dimension(Gram().update(X), energy) == intrinsic_dimension(X, energy)
    few = X[:3]
    assert intrinsic_dimension(Gram().update(few), energy) == intrinsic_dimension(few, energy)


def test_arrays_are_of_the_library_of_the_rows():
    torch = pytest.importorskip("torch")
    found = Subspace.fit(Gram().update(torch.from_numpy(X)), rank=2)
    assert isinstance(found.basis, torch.Tensor)
    assert isinstance(found.eigenvalues, torch.Tensor)


def test_what_cannot_be_is_refused():
    gram = Gram().update(X[:5])
    with pytest.raises(ValueError, match="rank must be at least 1 and at most 5, got 6"):
        Subspace.fit(gram, rank=6)
    with pytest.raises(ValueError, match=r"to centre them, sum them by Gram\(centred=True\)"):
        Subspace.fit(gram, rank=1, centred=True)
    for call in (Subspace.fit, intrinsic_dimension):
        with pytest.raises(ValueError, match="X is a Gram of no rows: update it first"):
            call(Gram())


@pytest.mark.parametrize("centred", [False, True])
@pytest.mark.parametrize("scale", [1e2, 1e9])
def test_what_rows_taken_away_leave_is_the_subspace_of_the_rest_or_refused(centred, scale):
    rest, others = (Gram(centred=centred).update(rows) for rows in (X, scale * X[::-1]))
    left = Gram(centred=centred).merge(rest).merge(others).downdate(others)
    if scale < 1e3:
        assert_alike(Subspace.fit(left), Subspace.fit(rest), 1e-6)
        assert intrinsic_dimension(left) == intrinsic_dimension(rest)
        return
    for call in (Subspace.fit, intrinsic_dimension):
        with pytest.raises(np.linalg.LinAlgError, match="Sum the rows that remain anew"):
            call(left)


def test_a_gram_on_a_gpu_is_to_be_copied():
    class OnDevice(Gram):
        _place = "the GPU"

    gram = OnDevice().merge(OnDevice())
    gram.n_rows = 1
    with pytest.raises(TypeError, match=r"X is a Gram on the GPU: give X.to_host\(\)"):
        Subspace.fit(gram)
