"""A matrix that lives elsewhere is a class with a shape and a way to read; a file format is a function and a line."""

import json
import struct

import numpy as np
import pytest
import scipy.sparse

from w2s_fast import (
    CoMoments,
    Gram,
    MinNorm,
    Moments,
    Subspace,
    correlation_dimension,
    intrinsic_dimension,
    lstsq,
    min_norm,
    padded_correlation_dimension,
    predict_gap,
    principal_angles,
    probe,
    projected_correlation_dimension,
    randomized_svd,
)
from w2s_fast.linalg.files.header import Header
from w2s_fast.linalg.files.registry import READERS
from w2s_fast.linalg.rows.base import Rows


def wave(start, stop, columns):
    """Rows that are computed: smooth, of falling columns and full rank."""
    i, j = np.arange(start, stop)[:, None], np.arange(columns)
    return np.cos((i + 1.0) * (j + 1.0) ** 1.5) / (1.0 + j)


class Wave(Rows):
    """Elsewhere: nobody holds it, and no more than seven rows are there at a time."""

    def __init__(self, rows, columns, scale=1.0):
        self.shape, self.scale, self.reads = (rows, columns), scale, []

    def read(self, step):
        self.reads.append(step)  # a list, which copies share
        for start in range(0, self.shape[0], min(step, 7)):
            yield wave(start, min(start + min(step, 7), self.shape[0]), self.shape[1]) * self.scale


class Sparse(Rows):
    """A sparse matrix, made dense a few rows at a time."""

    def __init__(self, matrix):
        self.matrix, self.shape = matrix, matrix.shape

    def read(self, step):
        for start in range(0, self.shape[0], step):
            yield self.matrix[start : start + step].toarray()


class Unmeasured(Wave):
    """Its rows are not counted before they were read."""

    def __init__(self, rows, columns):
        super().__init__(rows, columns)
        self.rows, self.columns, self.shape = rows, columns, None

    def read(self, step):
        yield from (wave(start, start + 10, self.columns) for start in range(0, self.rows, 10))


TOY, WHOLE = Wave(60, 9), wave(0, 60, 9)
LABELS = np.cos(np.arange(60.0))
CALLS = {
    "Gram": lambda X: (Gram().update(X, LABELS).xtx, Gram().update(X, LABELS).solve()),
    "Gram centred": lambda X: (Gram(centred=True).update(X, LABELS).xtx, Gram(centred=True).update(X).x_mean),
    "Gram prefixes": lambda X: tuple(gram.xtx for gram in Gram.prefixes(X, sizes=[5, 60])),
    "Moments": lambda X: (Moments().update(X).mean, Moments().update(X).variance()),
    "CoMoments": lambda X: (CoMoments().update(X).mean, CoMoments().update(X).covariance()),
    "Subspace, rank": lambda X: np.abs(Subspace.fit(X, rank=3).basis),
    "Subspace, energy": lambda X: np.abs(Subspace.fit(X, energy=0.9).basis),
    "intrinsic_dimension": lambda X: intrinsic_dimension(X, 0.9),
    "correlation_dimension": lambda X: correlation_dimension(X, X, energy=0.9),
    "projected_correlation_dimension": lambda X: projected_correlation_dimension(X, X, energy=0.9, random_state=0),
    "padded_correlation_dimension": lambda X: padded_correlation_dimension(X, X, energy=0.9, random_state=0),
    "predict_gap": lambda X: predict_gap(X, X, LABELS, ridge=0.5),
    "randomized_svd": lambda X: randomized_svd(X, 3, n_iter=9, random_state=0),
    "principal_angles": lambda X: principal_angles(X, WHOLE[:, :4]),
    "min_norm": lambda X: min_norm(X, LABELS),
    "MinNorm": lambda X: MinNorm(X).solve(LABELS),
    "lstsq": lambda X: lstsq(X, LABELS)[0],
}


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("toy", [TOY, Sparse(scipy.sparse.csr_array(WHOLE)), Unmeasured(60, 9)])
def test_every_call_takes_a_matrix_that_lives_elsewhere(name, toy):
    if name == "randomized_svd" and toy.shape is None:
        with pytest.raises(ValueError, match="M must have a known shape"):
            CALLS[name](toy)
        return
    found, expected = CALLS[name](toy), CALLS[name](WHOLE)
    for mine, right in zip(*(x if isinstance(x, tuple) else (x,) for x in (found, expected)), strict=True):
        np.testing.assert_allclose(mine, right, rtol=1e-9, atol=1e-7)


def test_passes_over_wide_rows_read_them_by_blocks(monkeypatch):
    for limit in ("LARGEST_GRAM", "CERTIFIED_FROM"):
        monkeypatch.setattr(f"w2s_fast.linalg.spectral.dimension.{limit}", 4)
    toy = Wave(60, 9)
    found, right = Subspace.fit(toy, rank=3, random_state=0), np.linalg.svd(WHOLE)[2][:3]
    assert len(toy.reads) > 1
    np.testing.assert_allclose(np.abs(np.linalg.det(right @ found.basis)), 1.0, rtol=1e-9)
    assert intrinsic_dimension(Wave(60, 9), 0.9) == intrinsic_dimension(WHOLE, 0.9)


@pytest.mark.parametrize("scale", [1e-170, 1e160])
def test_a_scale_of_its_own_is_found(scale):
    _, s, _ = randomized_svd(Wave(60, 9, scale), 3, n_iter=9, random_state=0)
    np.testing.assert_allclose(s / scale, np.linalg.svd(WHOLE)[1][:3], rtol=1e-9)
    assert intrinsic_dimension(Wave(60, 9, scale), 0.9) == intrinsic_dimension(WHOLE, 0.9)


def test_a_failed_update_by_blocks_leaves_everything_as_it_was():
    class Broken(Wave):
        def read(self, step):
            yield from super().read(step)
            yield np.full((1, 9), np.nan)

    for kind in (Gram, Moments, CoMoments):
        sums = kind().update(WHOLE)
        before = sums.xtx if kind is Gram else sums.mean
        with pytest.raises(ValueError, match="NaN"):
            sums.update(Broken(60, 9))
        np.testing.assert_array_equal(sums.xtx if kind is Gram else sums.mean, before)


def test_blocks_that_disagree_are_refused_by_name():
    class Ragged(Rows):
        shape = 4, 3

        def read(self, step):
            yield np.ones((2, 3))
            yield np.ones((2, 2))

    class Empty(Rows):
        def read(self, step):
            yield from ()

    with pytest.raises(ValueError, match="block 1 of X has 2 columns, its shape says 3"):
        Subspace.fit(Ragged(), rank=1)
    with pytest.raises(ValueError, match="X holds no row blocks"):
        intrinsic_dimension(Empty())
    with pytest.raises(ValueError, match=r"X has 60, Y has 3"):
        Gram().update(TOY, LABELS[:3])


def read_toy(path, entry):
    """Two sizes of four bytes each, then float32."""
    with path.open("rb") as stream:
        rows, columns = struct.unpack("<II", stream.read(8))
    return Header((rows, columns), np.dtype("<f4"), 8, path.stat().st_size - 8)


def test_a_file_format_is_a_function_and_a_line(tmp_path, monkeypatch):
    X = WHOLE.astype(np.float32)
    path = tmp_path / "X.toy"
    path.write_bytes(struct.pack("<II", *X.shape) + X.tobytes())
    with pytest.raises(ValueError, match=r"a file of type \.npy, \.npz, \.safetensors, .*, got"):
        intrinsic_dimension(path)
    monkeypatch.setitem(READERS, ".toy", read_toy)
    assert intrinsic_dimension(path, 0.9) == intrinsic_dimension(X, 0.9)
    np.testing.assert_array_equal(Subspace.fit(path, rank=2).basis, Subspace.fit(X, rank=2).basis)
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(ValueError, match="ends early"):
        intrinsic_dimension(path)


class ToyChunks:
    """Rows as text, a line each."""

    dtype = np.dtype(np.float64)

    def __init__(self, path, entry):
        self.rows = [json.loads(line) for line in path.read_text().splitlines()]
        self.shape = len(self.rows), len(self.rows[0])

    def read(self, rows):
        return np.array(self.rows[rows])


def test_a_format_in_pieces_of_its_own_is_a_class_and_a_line(tmp_path, monkeypatch):
    path = tmp_path / "X.rows"
    path.write_text("\n".join(json.dumps(row) for row in WHOLE.tolist()))
    monkeypatch.setitem(READERS, ".rows", ToyChunks)
    assert intrinsic_dimension(path, 0.9) == intrinsic_dimension(WHOLE, 0.9)
    np.testing.assert_array_equal(Subspace.fit(path, rank=2).basis, Subspace.fit(WHOLE, rank=2).basis)
    columns = [WHOLE[:, :2], WHOLE, WHOLE[:, 0]]
    settings = {"n": 10, "N": 20, "trials": 3, "test": 10}
    np.testing.assert_array_equal(probe(columns[0], path, columns[2], **settings).w2s, probe(*columns, **settings).w2s)
    path.write_text("[1, 2]\n[3, 4")
    with pytest.raises(ValueError, match=r"X: cannot read '.*X\.rows'"):
        intrinsic_dimension(path)
    path.write_text("[1, 2]\n[3]")
    with pytest.raises(ValueError, match=r"cannot read '.*X\.rows'"):
        intrinsic_dimension(path)
    path.write_text("[1, 2]\n[3, 4]")
    monkeypatch.setattr(ToyChunks, "dtype", property(lambda self: int("two\nlines")))
    with pytest.raises(ValueError, match=r"X: cannot read '.*X\.rows': invalid literal"):
        intrinsic_dimension(path)
    monkeypatch.setattr(ToyChunks, "dtype", np.dtype(np.float64))
    monkeypatch.setattr(ToyChunks, "read", lambda self, rows: np.ones((1, 2)))
    with pytest.raises(ValueError, match=r"cannot read '.*X\.rows': rows 0 to 2 came as float64 of shape \(1, 2\)"):
        intrinsic_dimension(path)
