"""Files whose rows the workers of a pool read: the bits of one machine, and nothing sent but where they are."""

import os
import pickle
import shutil
from concurrent.futures import Future

import numpy as np
import pytest

from tests.array_calls import CALLS, COLUMNS, ROWS, Here, X, Y, differ
from tests.formats import SUFFIXES, save
from tests.pools import Here as Pool
from w2s_fast import Gram, Moments, Subspace, Task, lstsq, min_norm, principal_angles, probe, randomized_svd
from w2s_fast._workers import DeadWorkersError
from w2s_fast.linalg.files.matrix import MatrixFile
from w2s_fast.linalg.rows import cutting, tree
from w2s_fast.linalg.rows.file_rows import FileRows, Files

HEIGHTS = (150, 1, 300, 249)
NEEDS = {".pt": "torch", ".h5": "h5py", ".zarr": "zarr", ".zip": "zarr"} | dict.fromkeys(
    (".parquet", ".arrow", ".feather"), "pyarrow"
)


def shards(folder, suffixes, dtype=np.float64, heights=HEIGHTS):
    """Files of different kinds that hold the rows, one below the other."""
    folder.mkdir(exist_ok=True)
    parts = np.split(X.astype(dtype), np.cumsum(heights)[:-1])
    return [
        str(save(folder / f"part{place}{suffixes[place % len(suffixes)]}", part)) for place, part in enumerate(parts)
    ]


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    """Several blocks a file, and two of these a leaf."""
    monkeypatch.setattr(cutting, "LONGEST_BLOCK", 60)
    for module in ("angles", "joint"):
        monkeypatch.setattr(f"w2s_fast.linalg.spectral.{module}.LONGEST_BLOCK", 60)
    monkeypatch.setattr(tree, "LEAF_BYTES", 100 * 8 * COLUMNS)
    monkeypatch.setattr(tree, "FANOUT", 3)


@pytest.mark.parametrize("name", CALLS)
def test_bits_are_those_of_one_machine(name, tmp_path):
    for dtype in (np.float64, np.float32):
        paths = shards(tmp_path / np.dtype(dtype).name, (".npy", ".safetensors"), dtype)
        pool, labels = Pool(), Y.astype(dtype)
        here = CALLS[name](paths, labels, {})
        assert not differ(CALLS[name](paths, labels, {"workers": pool}), here)
        assert len(pool.batches) > 3
        cut = np.concatenate([np.diff([*range(0, height, 60), height]) for height in HEIGHTS])
        assert not differ(CALLS[name](Here(X.astype(dtype), tuple(cut)), labels, {}), here)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_format_is_read_by_ranges(suffix, tmp_path):
    pytest.importorskip(NEEDS.get(suffix, "numpy"))
    paths = shards(tmp_path / "parts", (suffix,))
    assert not differ(*(min_norm(paths, Y, workers=workers) for workers in (Pool(), None)))


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_any_rows_of_a_file_are_read_for_themselves(suffix, tmp_path):
    pytest.importorskip(NEEDS.get(suffix, "numpy"))
    file = pickle.loads(pickle.dumps(MatrixFile.open(save(tmp_path / f"X{suffix}", X[:40]), "X")))
    for first, stop in ((0, 40), (7, 8), (13, 40), (20, 20), (39, 40)):
        blocks = list(file.blocks(5, slice(first, stop)))
        np.testing.assert_array_equal(np.concatenate(blocks), X[first:stop])
        assert max(map(len, blocks)) <= 5


def test_rows_of_folders_and_transposes_are_read_for_themselves(tmp_path):
    pytest.importorskip("pyarrow")
    (tmp_path / "table").mkdir()
    for place, part in enumerate(np.split(X[:60], 3)):
        save(tmp_path / "table" / f"{place}.parquet", part)
    np.savez(tmp_path / "turned.npz", X=np.asfortranarray(X[:60]))
    for where in (tmp_path / "table", tmp_path / "turned.npz"):
        for first, stop in ((0, 60), (19, 21), (20, 40), (41, 59)):
            (found,) = Files.opened(where, "X").blocks(slice(first, stop), 60)
            np.testing.assert_array_equal(found, X[first:stop])


def test_labels_and_weights_lie_in_files_too(tmp_path):
    paths = shards(tmp_path, (".npy",))
    np.save(tmp_path / "y.npy", Y[:, 0])
    for place, part in enumerate(np.split(Y, 2)):
        np.save(tmp_path / f"Y{place}.npy", part)
    labels, weights = [str(tmp_path / "Y0.npy"), tmp_path / "Y1.npy"], np.linspace(0, 2, ROWS)
    for how in ({}, {"workers": Pool()}):
        assert not differ(min_norm(paths, labels, **how), min_norm(paths, Y))
        assert not differ(min_norm(paths, tmp_path / "y.npy", **how), min_norm(paths, Y[:, 0]))
        assert not differ(lstsq(paths, tmp_path / "y.npy", **how), lstsq(paths, Y[:, 0]))
        assert not differ(Gram().update(paths, tmp_path / "y.npy", **how).xty, Gram().update(paths, Y[:, 0]).xty)
        found = Moments().update(paths, weights=weights, **how)
        assert not differ(found.m2, Moments().update(paths, weights=weights).m2)


@pytest.mark.parametrize("power", [0, 540])
def test_a_truncated_svd_has_its_tall_factor_here(power, tmp_path):
    np.save(tmp_path / "X.npy", np.ldexp(X, power))
    paths = [tmp_path / "X.npy", tmp_path / "X.npy"]
    mine = randomized_svd(paths, 4, random_state=0, workers=Pool())
    assert not differ(mine, randomized_svd(paths, 4, random_state=0))
    assert not differ(
        randomized_svd(paths[0], 4, random_state=0, workers=Pool()), randomized_svd(paths[0], 4, random_state=0)
    )


def test_one_file_gives_what_it_gave(tmp_path):
    np.save(tmp_path / "X.npy", X)
    found = Subspace.fit(tmp_path / "X.npy", rank=3, workers=Pool())
    assert not differ(found.basis, Subspace.fit(tmp_path / "X.npy", rank=3).basis)
    few = Subspace.fit([tmp_path / "X.npy"], rank=3).basis
    assert not differ(found.basis, few)


def test_what_is_sent_is_small_and_found_from_another_folder(tmp_path, monkeypatch):
    big = np.random.default_rng(0).standard_normal((20_000, COLUMNS))
    np.save(tmp_path / "X.npy", big)
    pytest.importorskip("pyarrow")
    save(tmp_path / "X.parquet", big[:5_000])
    monkeypatch.chdir(tmp_path)
    pool = Pool()
    expected = Gram().update(["X.npy", "X.parquet"]).xtx

    class Moves(Pool):
        def submit(self, function, *arguments):
            os.chdir("/")
            try:
                return super().submit(function, *arguments)
            finally:
                os.chdir(tmp_path)

    pool = Moves()
    assert not differ(Gram().update(["X.npy", "X.parquet"], workers=pool).xtx, expected)
    assert pool.bytes < 10_000


def test_a_file_that_changed_meanwhile_is_refused(tmp_path):
    path = tmp_path / "X.npy"
    np.save(path, X)
    sent = pickle.dumps(MatrixFile.open(path, "X"))
    shutil.copy2(path, tmp_path / "copy.npy")
    os.replace(tmp_path / "copy.npy", path)  # as on another machine: another inode, of the same size and time
    assert np.array_equal(pickle.loads(sent).array(), X)
    os.utime(path, ns=(0, 0))
    with pytest.raises(ValueError, match=r"X.npy' changed while it was read"):
        pickle.loads(sent).array()


class Deadly(Pool):
    """Workers that die of the rows from 300 on."""

    def submit(self, function, *arguments):
        if any(getattr(item, "first", 0) == 271 for item in arguments[-1]):
            future = Future()
            future.set_exception(DeadWorkersError("4 workers died one after the other"))
            return future
        return super().submit(function, *arguments)


def test_rows_that_kill_are_named(tmp_path):
    paths = shards(tmp_path, (".npy",))
    with pytest.raises(DeadWorkersError, match=r"rows 271 to 390 of X: 4 workers died one after the other"):
        Gram().update(paths, workers=Deadly())


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_finite_is_named_by_its_row(bad, tmp_path):
    damaged = X.copy()
    damaged[347, 5] = damaged[620, 1] = bad
    for place, part in enumerate(np.split(damaged, 2)):
        np.save(tmp_path / f"{place}.npy", part)
    paths = [tmp_path / "0.npy", tmp_path / "1.npy"]
    for how in ({}, {"workers": Pool()}):
        for call in (Subspace.fit, Gram().update, Moments().update, lambda X, **how: principal_angles(X, X, **how)):
            with pytest.raises(ValueError, match=r"holds 2 NaN or infinite value\(s\), the first at index \(347, 5\)"):
                call(paths, **how)


def test_what_does_not_fit_is_refused(tmp_path):
    for name, array in {"X": X, "wide": X[:, :3], "y": Y[:, 0]}.items():
        np.save(tmp_path / f"{name}.npy", array)
    x, wide, y = (tmp_path / f"{name}.npy" for name in ("X", "wide", "y"))
    with pytest.raises(ValueError, match=r"X\[1\] has \(3,\), X\[0\] has \(24,\)"):
        Gram().update([x, wide])
    with pytest.raises(FileNotFoundError, match=r"X\[1\]: there is no file"):
        Gram().update([x, tmp_path / "none.npy"])
    for how in ({}, {"workers": Pool()}):
        with pytest.raises(ValueError, match="these must have the same number of rows: X has 1,400, Y has 700"):
            Gram().update([x, x], y, **how)
    with pytest.raises(TypeError, match=r"workers must be a Dask client or a pool here, got 2"):
        Gram().update(x, workers=2)
    for mapped in (np.load(x, mmap_mode="r"), [X]):
        with pytest.raises(TypeError, match=r"workers read files, got X of type \w+: give a path or a list of paths"):
            Subspace.fit(mapped, rank=2, workers=Pool())
    with pytest.raises(TypeError, match=r"B must be files or an array beside files, got Here"):
        principal_angles(x, Here(X), workers=Pool())


def test_progress_hears_of_every_leaf(tmp_path):
    paths, told = shards(tmp_path, (".npy",)), []
    Subspace.fit(paths, rank=2, progress=lambda done, total: told.append((done, total)), workers=Pool())
    assert told[-1] == (ROWS, ROWS)
    assert told == sorted(told)
    assert len(told) > 3


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".safetensors", ".parquet", ".h5", ".zarr", ".csv"])
def test_a_task_is_sent_as_its_files(suffix, tmp_path):
    pytest.importorskip(NEEDS.get(suffix, "numpy"))
    rows = np.random.default_rng(0).standard_normal((300, 60))
    weak, strong = (
        save(tmp_path / f"{name}{suffix}", rows[:, part]) for name, part in (("w", slice(40)), ("s", slice(30, 60)))
    )
    task = Task.of(weak, strong, rows[:, 0])
    sent = pickle.dumps(task)
    assert len(sent) < 20_000  # of 168,000: labels, ranges, means and where the files are
    index = np.array([250, 3])
    mine = pickle.loads(sent).rows.teachers["weak"].take(index)
    np.testing.assert_array_equal(mine, rows[index, :40])
    pool, how = Pool(), {"n": 50, "N": 100, "trials": 3}
    expected = probe(rows[:, :40], rows[:, 30:60], rows[:, 0], **how).w2s
    assert np.array_equal(probe(weak, strong, rows[:, 0], workers=pool, **how).w2s, expected)
    assert pool.bytes < 30_000


def test_rows_of_files_are_rows(tmp_path):
    rows = FileRows(Files.opened(shards(tmp_path, (".npy",)), "X"), "X")
    np.testing.assert_array_equal(np.asarray(rows), X)
