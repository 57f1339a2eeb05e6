"""Files that fsspec opens: the same rows, by ranges where the format allows, and changes are seen."""

import numpy as np
import pytest

from tests.formats import SUFFIXES, both, refused, save
from w2s_fast import Subspace, probe
from w2s_fast.linalg.files.contents import contents
from w2s_fast.linalg.files.matrix import MatrixFile
from w2s_fast.linalg.files.place import split_name
from w2s_fast.linalg.files.remote import RemotePath, is_remote

fsspec = pytest.importorskip("fsspec")
X = np.random.default_rng(0).standard_normal((40, 6))
LAYERS = np.random.default_rng(1).standard_normal((30, 5, 4)).astype(np.float32)


@pytest.fixture
def away():
    """An empty place in fsspec's memory."""
    system = fsspec.filesystem("memory")
    system.rm("/w2s", recursive=True) if system.exists("/w2s") else None
    system.mkdir("/w2s")
    yield system
    system.rm("/w2s", recursive=True)


def put(system, path):
    """Copy a file or folder of this machine to the memory of fsspec; return its address."""
    system.put(str(path), f"/w2s/{path.name}", recursive=path.is_dir())
    return f"memory://w2s/{path.name}"


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_format_is_read_from_elsewhere(suffix, tmp_path, away):
    both(put(away, save(tmp_path / f"X{suffix}", X)), X)
    if suffix != ".csv":
        address = put(away, save(tmp_path / f"L{suffix}", LAYERS))
        both(f"{address}#[:,2]", LAYERS[:, 2])
        both(f"{address}#[:,:,1]", LAYERS[:, :, 1])
        assert [item.shape for item in contents(address)] == [LAYERS.shape]


def test_addresses_are_split_at_their_first_mark():
    for text in ("s3://b/x.npy", "hf://datasets/a/b/x.parquet", "simplecache::https://h/x.pt?v=1", "file:///x.h5"):
        assert is_remote(text)
        assert split_name(f"{text}#a#b") == (RemotePath(text), "a#b")
        assert split_name(text)[0].suffix == "." + text.partition("x.")[2].partition("?")[0]
    assert not any(map(is_remote, ("x.npy", "/a/b.npy", r"C:\x.npy", "C:/x.npy", "a::b")))


def test_what_is_not_there_is_said(away):
    for where in ("memory://w2s/none.npy", "memory://w2s/none.pt#X"):
        refused(where, "X: there is no file", error=FileNotFoundError)
    refused("nonsense://w2s/x.npy", "nonsense")
    away.pipe("/w2s/x.txt", b"1")
    refused("memory://w2s/x.txt", "a file of type .npy")


@pytest.mark.parametrize("suffix", [".npy", ".safetensors", ".parquet", ".feather", ".npz"])
def test_a_part_is_read_without_the_rest(suffix, tmp_path, away, monkeypatch):
    monkeypatch.setattr("tests.formats.ROWS_AT_ONCE", 100)
    monkeypatch.setattr("w2s_fast.linalg.files.arrow.BATCH_BYTES", 1 << 17)
    values = np.random.default_rng(0).standard_normal((5_000, 100))
    address = put(away, save(tmp_path / f"X{suffix}", values))
    read = []

    class Counted:
        def __init__(self, file):
            self.file = file

        def __getattr__(self, name):
            return getattr(self.file, name)

        def __enter__(self):
            return self

        def __exit__(self, *error):
            self.file.close()

        def read(self, *size):
            found = self.file.read(*size)
            read.append(len(found))
            return found

        def readinto(self, room):
            count = self.file.readinto(room)
            read.append(count)
            return count

    opened = RemotePath.open
    monkeypatch.setattr(RemotePath, "open", lambda *given, **more: Counted(opened(*given, **more)))
    blocks = MatrixFile.open(address, "X").blocks(50)
    np.testing.assert_array_equal(next(blocks), values[:50])
    assert 0 < sum(read) < values.nbytes / 3
    np.testing.assert_array_equal(np.concatenate(list(blocks)), values[50:])


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".parquet"])
def test_a_change_elsewhere_is_seen(suffix, tmp_path, away):
    path = save(tmp_path / f"X{suffix}", X)
    address = put(away, path)
    blocks = MatrixFile.open(address, "X").blocks(9)
    next(blocks)
    put(away, path)  # anew, at a later time
    with pytest.raises(ValueError, match=rf"'memory://w2s/X{suffix}' changed while it was read"):
        list(blocks)
    away.rm(f"/w2s/X{suffix}")
    refused(address, error=FileNotFoundError)


def test_a_file_is_not_asked_whether_it_is_a_folder(tmp_path, away, monkeypatch):
    """Over HTTP that reads all of it, as a page of links."""
    address = put(away, save(tmp_path / "X.npy", X))
    with monkeypatch.context() as patch:
        patch.setattr(type(away), "isdir", lambda *given: pytest.fail("it was asked"))
        both(address, X)


def test_folders_elsewhere_are_one_table(tmp_path, away):
    folder = tmp_path / "shards"
    folder.mkdir()
    for name, part in (("b", X[15:]), ("a", X[:15])):
        save(folder / f"{name}.parquet", part)
    both(put(away, folder), X)


def test_studies_take_addresses(tmp_path, away):
    y = X[:, 0] + np.random.default_rng(2).standard_normal(40)
    layers = np.concatenate([LAYERS, LAYERS[:10]])
    arrays = {"X": X, "y": y, "L": layers}
    where = {name: put(away, save(tmp_path / f"{name}.npy", array)) for name, array in arrays.items()}
    settings = {"n": 12, "N": 14, "trials": 2, "test": 8}
    found = probe(f"{where['L']}#[:,*]", where["X"], where["y"], **settings)
    plain = probe({f"weak[:,{i}]": layers[:, i] for i in range(5)}, {"strong": X}, y, **settings)
    assert list(found) == list(plain)
    for pair, trials in found.items():
        np.testing.assert_array_equal(trials.w2s, plain[pair].w2s)
    np.testing.assert_array_equal(Subspace.fit(where["X"], rank=2).basis, Subspace.fit(X, rank=2).basis)


def test_a_missing_fsspec_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "fsspec.core", None)
    with pytest.raises(ImportError, match=r'fsspec: python -m pip install "w2s_fast\[remote\]"'):
        MatrixFile.open("memory://w2s/x.npy", "X")
