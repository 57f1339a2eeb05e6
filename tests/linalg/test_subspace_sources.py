"""Subspaces of what is not in memory, proofs of rank, and features compared over their rows."""

import re

import numpy as np
import pytest

from tests import naive
from tests.matrices import assert_leading, assert_orthonormal, matrix, random, save_safetensors
from w2s_fast import Subspace, correlation_dimension, intrinsic_dimension, projected_correlation_dimension
from w2s_fast.linalg.rows.sources import rows_of
from w2s_fast.linalg.spectral import dimension, passes, subspace
from w2s_fast.linalg.spectral.dimension import rank_bounds
from w2s_fast.linalg.spectral.krylov import Ritz, nystrom


def files(folder, X):
    """Yield X in every file format."""
    np.save(folder / "X.npy", X)
    yield folder / "X.npy"
    np.savez(folder / "one.npz", X=X)
    yield str(folder / "one.npz")
    np.savez_compressed(folder / "two.npz", X=X, other=X.T)
    yield f"{folder / 'two.npz'}#X"
    save_safetensors(folder / "X.safetensors", first=X[:2], X=X)
    yield f"{folder / 'X.safetensors'}#X"


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "i4"])
def test_files_hold_the_rows_of_arrays(dtype, tmp_path):
    X = np.rint(10 * random(10, 4)).astype(dtype)
    for file in files(tmp_path, X):
        parts = list(rows_of(file, "X").blocks(3))
        assert [len(part) for part in parts] == [3, 3, 3, 1]
        assert parts[0].dtype == (np.float32 if dtype in ("f2", "f4") else np.float64)
        assert np.array_equal(np.concatenate(parts), X)
        assert_leading(Subspace.fit(file, rank=2), X, 2)
        assert intrinsic_dimension(file, 0.9) == naive.intrinsic_dimension(X.astype(float), 0.9)


def test_bfloat16_is_the_upper_half_of_float32(tmp_path):
    X = np.rint(random(5, 3) * 8).astype(np.float32)
    save_safetensors(tmp_path / "X.safetensors", X=(X.view(np.uint32) >> 16).astype(np.uint16))
    (found,) = rows_of(tmp_path / "X.safetensors", "X").blocks()
    assert np.array_equal(found, X)


def write_npy(path, X):
    np.save(path, X, allow_pickle=X.dtype == object)
    return path


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda at: at / "none.npy", FileNotFoundError, "X: there is no file"),
        (lambda at: at.joinpath("X.txt").write_text("1") and at / "X.txt", ValueError, "a file of type .npy, .npz"),
        (lambda at: write_npy(at / "X.npy", np.ones(3)), ValueError, "X must have 2 dimension(s), got shape (3,)"),
        (lambda at: write_npy(at / "X.npy", np.eye(2) * 1j), TypeError, "X must hold real numbers, got dtype complex"),
        (lambda at: write_npy(at / "X.npy", np.array([[None]])), TypeError, "X must hold real numbers, got dtype obj"),
        (lambda at: f"{write_npy(at / 'X.npy', np.eye(2))}#Y", ValueError, "holds one array, there is none called"),
        (lambda at: at.joinpath("X.npy").write_bytes(b"what") and at / "X.npy", ValueError, "X: cannot read"),
        (lambda at: at.joinpath("X.npz").write_bytes(b"what") and at / "X.npz", ValueError, "X: cannot read"),
        (
            lambda at: at.joinpath("X.safetensors").write_bytes(b"\xff" * 9) and at / "X.safetensors",
            ValueError,
            "its header is longer than the file",
        ),
    ],
)
def test_files_of_other_kinds_are_refused(make, error, message, tmp_path):
    with pytest.raises(error, match=re.escape(message)):
        Subspace.fit(make(tmp_path), rank=1)


def test_archives_of_several_arrays_want_a_name(tmp_path):
    np.savez(tmp_path / "X.npz", a=np.eye(2), b=np.eye(3))
    save_safetensors(tmp_path / "X.safetensors", a=np.eye(2), b=np.eye(3))
    for file in ("X.npz", "X.safetensors"):
        with pytest.raises(
            ValueError, match=re.escape("it holds 2 arrays: write path#name, with a name of ['a', 'b']")
        ):
            Subspace.fit(tmp_path / file)
        with pytest.raises(ValueError, match="there is no 'c'"):
            Subspace.fit(f"{tmp_path / file}#c")


@pytest.mark.parametrize("early", [True, False])
def test_a_file_that_is_cut_or_changes_is_refused(early, tmp_path):
    path = write_npy(tmp_path / "X.npy", random(9, 4))
    whole = path.read_bytes()
    if early:
        path.write_bytes(whole[:-8])
        with pytest.raises(ValueError, match=r"X.npy' ends early: 9 x 4 float64 expected"):
            list(rows_of(path, "X").blocks(3))
        return
    reading = rows_of(path, "X").blocks(3)
    next(reading)
    path.write_bytes(whole + b"more")
    with pytest.raises(ValueError, match=r"X.npy' changed while it was read"):
        list(reading)


def test_not_a_number_in_a_file_is_found(tmp_path):
    X = random(9, 4)
    X[7, 2] = np.nan
    with pytest.raises(ValueError, match=re.escape("X holds 1 NaN or infinite value(s), the first at index (7, 2)")):
        Subspace.fit(write_npy(tmp_path / "X.npy", X))


@pytest.fixture
def small(monkeypatch):
    """Treat 20 columns as too many for X'X."""
    monkeypatch.setattr(dimension, "LARGEST_GRAM", 10)
    monkeypatch.setattr(dimension, "CERTIFIED_FROM", 5)
    monkeypatch.setattr(subspace, "FIRST_RANK", 4)
    monkeypatch.setattr(passes, "OVERSAMPLES", 2)


FALLING = 3.0 ** -np.arange(20.0)


@pytest.mark.usefixtures("small")
def test_wide_rows_are_fitted_by_passes(tmp_path):
    X = matrix(FALLING)
    for source in (X, write_npy(tmp_path / "X.npy", X), [X[:40], X[40:]]):
        first, again = (Subspace.fit(source, rank=3, random_state=5) for _ in range(2))
        assert_leading(first, X, 3)
        assert np.array_equal(first.basis, again.basis)
        assert (first.rank_bounds, first.energy_stderr) == ((3, 3), 0.0)
    assert_leading(Subspace.fit(random(8, 20), rank=3), random(8, 20), 3)
    with pytest.raises(ValueError, match="rank must be at least 1 and at most 3, got 4"):
        Subspace.fit([X[:2], X[2:3]], rank=4)


@pytest.mark.usefixtures("small")
def test_rows_that_come_once_get_one_look_and_an_error_estimate():
    X = matrix(FALLING)
    found = Subspace.fit(iter([X[:40], X[40:]]), rank=4, random_state=0)
    assert_orthonormal(found.basis, 1e-12)
    truth = 1 - np.linalg.norm(X - X @ found.basis @ found.basis.T) ** 2 / np.linalg.norm(X) ** 2
    assert abs(found.energy - truth) <= 6 * found.energy_stderr + 1e-12
    np.testing.assert_allclose(found.eigenvalues, FALLING[:4] ** 2, rtol=1e-3)
    with pytest.raises(ValueError, match="X is an iterator over rows of 20 columns"):
        Subspace.fit(iter([X]), energy=0.9)
    with pytest.raises(ValueError, match="rank must be at least 1 and at most 3, got 4"):
        Subspace.fit(iter([X[:3]]), rank=4)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("power", [1.0, 0.5])
def test_one_look_leaves_less_than_three_sketches_of_as_many_columns(power):
    X, rank = random(300, 100) * np.arange(1.0, 101.0) ** -power, 6

    def left_over(basis):
        return np.linalg.norm(X - X @ basis @ basis.T) ** 2

    ours = [left_over(Subspace.fit(iter([X]), rank=rank, random_state=seed).basis) for seed in range(5)]
    width = passes.ONE_VIEW_FACTOR * rank + passes.OVERSAMPLES
    theirs = [left_over(naive.three_sketches(X, rank, width, np.random.default_rng(seed))) for seed in range(5)]
    assert np.mean(ours) < 0.9 * np.mean(theirs)


def test_the_error_estimate_has_the_right_size_on_average():
    X, inside = random(50, 20), 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dimension, "LARGEST_GRAM", 10)
        for seed in range(60):
            found = Subspace.fit(iter([X]), rank=3, random_state=seed)
            truth = 1 - np.linalg.norm(X - X @ found.basis @ found.basis.T) ** 2 / np.linalg.norm(X) ** 2
            inside += abs(found.energy - truth) <= 2 * found.energy_stderr
    assert 45 <= inside <= 60  # 92 % of Student's t with 9 degrees of freedom


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("once", [False, True])
@pytest.mark.parametrize("rank", [0, 3, 10])
def test_more_directions_than_rows_have_are_found_all_the_same(rank, once, dtype, monkeypatch):
    monkeypatch.setattr(dimension, "LARGEST_GRAM", 10)
    X = (random(60, rank) @ random(rank, 40, seed=2)).astype(dtype)
    blocks = [X[:30], X[30:]]
    found = Subspace.fit(iter(blocks) if once else blocks, rank=12, random_state=0)
    np.testing.assert_allclose(found.basis.T @ found.basis, np.eye(12), atol=1e-6)
    largest = np.linalg.norm(X) ** 2
    np.testing.assert_allclose(X.T @ (X @ found.basis), found.basis * found.eigenvalues, atol=1e-5 * largest)
    assert found.energy == pytest.approx(1.0 if rank else 0.0)
    assert found.energy <= 1.0


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("rank", [3, 12, 25])
def test_low_rank_is_certified_by_the_first_blocks(rank, dtype, monkeypatch):
    """Of 18 columns: the rows have fewer directions, or hardly more, than a block."""
    monkeypatch.setattr(dimension, "LARGEST_GRAM", 10)
    monkeypatch.setattr(dimension, "CERTIFIED_FROM", 10)
    monkeypatch.setattr(subspace, "FIRST_RANK", 8)
    monkeypatch.setattr(passes.Passes, "rows_at_least", lambda _: 0)  # no second try
    values = np.r_[np.arange(1.0, rank + 1) ** -0.5, np.zeros(100 - rank)]
    found = Subspace.fit(matrix(values, 150).astype(dtype), energy=0.9, random_state=0)
    expected = int(np.searchsorted(np.cumsum(values**2), 0.9 * np.sum(values**2))) + 1
    assert (found.certificate, found.rank_bounds) == ("certified", (expected, expected))


def test_nystrom_is_exact_on_low_rank():
    G = matrix(np.r_[3.0, 2.0, np.zeros(18)]).T @ matrix(np.r_[3.0, 2.0, np.zeros(18)])
    test = random(20, 5)
    values, vectors = nystrom(test, G @ test, np.float64)
    np.testing.assert_allclose((vectors * values) @ vectors.T, G, atol=1e-6)


@pytest.mark.parametrize("energy", [0.5, 0.9, 0.99, 0.9999])
@pytest.mark.parametrize("base", [1.2, 2.0, 5.0])
def test_bounds_hold_the_rank_and_a_certificate_names_it(energy, base, monkeypatch):
    monkeypatch.setattr(dimension, "LARGEST_GRAM", 10)
    monkeypatch.setattr(dimension, "CERTIFIED_FROM", 5)
    monkeypatch.setattr(subspace, "FIRST_RANK", 4)
    X = matrix(base ** -np.arange(60.0), 80)
    found = Subspace.fit(X, energy=energy, random_state=1)
    low, high = found.rank_bounds
    truth = naive.intrinsic_dimension(X, energy)
    assert low <= truth <= high
    assert found.certificate == ("certified" if low == high else "bracketed")
    if base > 1.5:
        assert found.certificate == "certified"
        assert (found.rank, intrinsic_dimension(X, energy)) == (truth, truth)


def test_a_flat_spectrum_is_bracketed_or_exact(monkeypatch):
    X = matrix(np.ones(60), 80)
    monkeypatch.setattr(dimension, "CERTIFIED_FROM", 5)
    monkeypatch.setattr(subspace, "FIRST_RANK", 4)
    exact = Subspace.fit(X, energy=0.55)
    assert (exact.rank, exact.certificate) == (33, "exact")
    monkeypatch.setattr(dimension, "LARGEST_GRAM", 10)
    found = Subspace.fit(X, energy=0.55, random_state=0)
    assert found.certificate == "bracketed"
    assert found.rank_bounds[0] <= 33 <= found.rank_bounds[1]
    with pytest.warns(RuntimeWarning, match="the intrinsic dimension lies between"):
        assert intrinsic_dimension(X, 0.55) == found.rank_bounds[1]


def test_zeros_of_many_columns(monkeypatch):
    monkeypatch.setattr(dimension, "LARGEST_GRAM", 10)
    monkeypatch.setattr(dimension, "CERTIFIED_FROM", 5)
    assert Subspace.fit(np.zeros((30, 20))).rank == intrinsic_dimension(np.zeros((30, 20))) == 0


@pytest.mark.parametrize("seed", range(20))
def test_bounds_hold_for_any_trial_subspace(seed):
    """Ritz pairs of a random subspace, far from converged: the bounds may be wide but never wrong."""
    rng = np.random.default_rng(seed)
    root = rng.standard_normal((30, 12)) * rng.uniform(0.1, 3, 12)
    G, V = root.T @ root, np.linalg.qr(rng.standard_normal((12, 6)) + 3 * np.eye(12, 6))[0]
    values, rotation = np.linalg.eigh(V.T @ G @ V)
    vectors = (V @ rotation)[:, ::-1]
    outside = np.eye(12) - vectors @ vectors.T
    rest = np.linalg.norm(outside @ G @ outside, 2)
    ritz = Ritz(values[::-1], vectors, G @ vectors - vectors * values[::-1])
    for energy in (0.2, 0.5, 0.8, 0.95):
        low, high = rank_bounds(ritz, np.trace(G), rest, energy, 12)
        assert low <= naive.intrinsic_dimension(root, energy) <= high


def test_progress_counts_rows_and_stops_cleanly():
    X, seen = random(30, 4), []
    Subspace.fit(X, progress=lambda done, total: seen.append((done, total)))
    Subspace.fit([X[:9], X[9:]], progress=lambda done, total: seen.append((done, total)))
    Subspace.fit(X.T, progress=lambda done, total: seen.append((done, total)))  # columns, where they are more
    assert seen == [(30, 30), (9, 0), (30, 0), (30, 30)]

    def interrupt(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Subspace.fit(X, progress=interrupt)
    assert_leading(Subspace.fit(X, rank=2), X, 2)


def features(N=200):
    """Weak and strong features over the same rows that share two of 3 and 4 directions, and little noise."""
    latent = np.linalg.qr(random(N, 5))[0]
    noise = 1e-3 * random(N, 9, seed=4)
    weak = latent[:, :3] @ random(3, 9, seed=2) + noise
    return weak, latent[:, 1:] @ random(4, 30, seed=3)


def test_sample_space_compares_features_of_any_width(tmp_path):
    weak, strong = features()
    u, v = (np.linalg.svd(X, full_matrices=False)[0] for X in (weak, strong))
    a, b = naive.intrinsic_dimension(weak, 0.999), naive.intrinsic_dimension(strong, 0.999)
    expected = np.sum((u[:, :a].T @ v[:, :b]) ** 2)
    assert 1.5 < expected < 2.5
    sources = [(weak, strong), (write_npy(tmp_path / "w.npy", weak), write_npy(tmp_path / "s.npy", strong))]
    sources += [((weak[:50], weak[50:]), [strong[:50], strong[50:]]), (iter([weak]), iter([strong]))]
    for pair in sources:
        assert correlation_dimension(*pair, energy=0.999) == pytest.approx(expected, rel=1e-9)
    assert correlation_dimension(weak, weak, energy=0.999) == pytest.approx(a)
    assert correlation_dimension(weak, np.zeros((200, 2)), energy=0.9) == 0.0
    assert correlation_dimension(weak, strong) == pytest.approx(np.sum((u.T @ v[:, :4]) ** 2))  # all columns


def test_projected_dimensions_are_those_of_chance():
    rng = np.random.default_rng(0)
    rows, D = 3_000, 12
    weak, strong = (rng.standard_normal((rows, d)) @ rng.standard_normal((d, width)) for d, width in ((3, D), (4, 40)))
    values = [projected_correlation_dimension(weak, strong, energy=1 - 1e-9, random_state=seed) for seed in range(200)]
    stderr = np.std(values) / np.sqrt(len(values))
    assert abs(np.mean(values) - 3 * 4 / D) < 5 * stderr
    assert projected_correlation_dimension(weak, weak) == pytest.approx(naive.intrinsic_dimension(weak, 0.99))


@pytest.mark.parametrize("function", [correlation_dimension, projected_correlation_dimension])
def test_features_of_other_rows_are_refused(function):
    with pytest.raises(ValueError, match="these must have the same number of rows: A has 3, B has 4"):
        function(np.eye(3), np.eye(4), energy=0.9)
    with pytest.raises(ValueError, match="block 0 has 2 rows in A and 3 in B: cut both alike"):
        function([np.ones((2, 2)), np.ones((1, 2))], [np.ones((3, 2))], energy=0.9)
    with pytest.raises(ValueError, match="block 1 has 0 rows in A and 1 in B"):
        function([np.ones((2, 2))], [np.ones((2, 2)), np.ones((1, 2))], energy=0.9)
    with pytest.raises(ValueError, match="B holds 1 NaN"):
        function(np.eye(2), [[1.0], [np.nan]], energy=0.9)
    with pytest.raises(ValueError, match="energy must be a finite number, more than 0 and at most 1, got 2"):
        function(np.eye(2), np.eye(2), energy=2)
