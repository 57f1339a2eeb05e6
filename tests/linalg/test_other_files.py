"""HDF5, zarr and tables of text: names, what is refused, and what never runs."""

import json

import numpy as np
import pytest

from tests.formats import both, refused, save
from w2s_fast.linalg.files import csv
from w2s_fast.linalg.files.matrix import MatrixFile
from w2s_fast.linalg.files.words import words_in

X = np.random.default_rng(0).standard_normal((40, 6))


def test_datasets_of_hdf5_are_named_by_their_groups(tmp_path):
    h5py = pytest.importorskip("h5py")
    path = tmp_path / "X.h5"
    with h5py.File(path, "w") as file:
        file["train/X"] = X
        file.create_dataset("test/X", data=2 * X, chunks=(7, 3), compression="gzip")
        file["test/big"] = X.astype(">f4")
        file["words"] = ["a", "b"]
        file["nothing"] = h5py.Empty("f8")
        file["deep/er/flags"] = X > 0
    both(f"{path}#train/X", X)
    both(f"{path}#/test/X", 2 * X)
    both(f"{path}#test/X[:,1::2]", 2 * X[:, 1::2])
    both(f"{path}#test/big", X.astype(">f4"))
    both(f"{path}#deep/er/flags", X > 0)
    refused(path, "it holds 6 arrays: write path#name", "'deep/er/flags'")
    refused(f"{path}#train", "there is no 'train'")
    refused(f"{path}#words", "X must hold real numbers, got dtype object")
    refused(f"{path}#nothing", "holds nothing")


def test_links_of_hdf5_to_other_files_are_not_followed(tmp_path):
    h5py = pytest.importorskip("h5py")
    save(tmp_path / "secret.h5", X)
    path = tmp_path / "X.h5"
    (tmp_path / "raw").write_bytes(X.tobytes())
    layout = h5py.VirtualLayout((40, 6), "f8")
    layout[:] = h5py.VirtualSource(str(tmp_path / "secret.h5"), "X", (40, 6))
    with h5py.File(path, "w") as file:
        file["link"] = h5py.ExternalLink(str(tmp_path / "secret.h5"), "X")
        file.create_virtual_dataset("virtual", layout)
        file.create_dataset("raw", (40, 6), "f8", external=[(str(tmp_path / "raw"), 0, X.nbytes)])
    refused(f"{path}#link", "there is no 'link'")
    refused(f"{path}#virtual", "lies in other files")
    refused(f"{path}#raw", "lies in other files")


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("suffix", [".zarr", ".zip"])
def test_arrays_of_zarr_alone_and_in_groups(version, suffix, tmp_path):
    zarr = pytest.importorskip("zarr")
    for name in ("one", "group"):
        path = tmp_path / f"{name}{suffix}"
        store = zarr.storage.ZipStore(path, mode="w") if suffix == ".zip" else zarr.storage.LocalStore(path)
        if name == "one":
            zarr.create_array(store, shape=X.shape, dtype="f4", chunks=(9, 4), zarr_format=version)[:] = X
        else:
            group = zarr.open_group(store, mode="w", zarr_format=version)
            group.create_array("deep/X", shape=X.shape, dtype="f8", chunks=(9, 4))[:] = X
            group.create_array("y", shape=(40,), dtype="i4", chunks=(9,))[:] = np.arange(40)
        store.close()
    both(tmp_path / f"one{suffix}", X.astype("f4"))
    both(f"{tmp_path}/group{suffix}#deep/X", X)
    both(f"{tmp_path}/group{suffix}#deep/X[:,2:4]", X[:, 2:4])
    assert MatrixFile.open(f"{tmp_path}/group{suffix}#y", "y", (1,)).array().tolist() == list(range(40))
    refused(tmp_path / f"group{suffix}", "it holds 2 arrays: write path#name, with a name of ['deep/X', 'y']")


def test_zarr_that_is_made_of_pickles_is_refused(tmp_path):
    zarr = pytest.importorskip("zarr")
    path = tmp_path / "X.zarr"
    zarr.create_array(path, shape=X.shape, dtype="f8", chunks=(9, 4), zarr_format=2, compressors=None)[:] = X
    both(path, X)
    meta = json.loads((path / ".zarray").read_text())
    (path / ".zarray").write_text(json.dumps(meta | {"filters": [{"id": "pickle", "protocol": 5}]}))
    refused(path, "pickle")
    for damage in ("", "{}", "[]", json.dumps(meta | {"shape": [40, -6]}), json.dumps(meta | {"dtype": "|O"})):
        (path / ".zarray").write_text(damage)
        refused(path)


def text(path, *lines):
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def test_tables_of_text_have_names_or_not(tmp_path):
    path = tmp_path / "y.csv"
    both(text(path, "1,2", "3,4.5"), np.array([[1, 2], [3, 4.5]]))
    both(text(path, "\ufeffa, b", "1,2", "", "3 , 4e1"), np.array([[1.0, 2], [3, 40]]))
    both(text(tmp_path / "y.tsv", "a\tb", "1\t2"), np.array([[1.0, 2]]))
    both(text(path, '"a, b","c"', '"1",2'), np.array([[1.0, 2]]))
    text(path, "id,label", "x,1", "y,-1")
    assert MatrixFile.open(f"{path}#label", "y", (1, 2)).array().tolist() == [1, -1]
    refused(path, "line 2 of column 'id' is 'x', no number")
    refused(f"{path}#q", "there is no 'q'")
    assert MatrixFile.open(text(path, "a,b"), "y").shape == (0, 2)
    both(f"{text(path, 'a,b,c', '1,2,3')}#[:,::2]", np.array([[1.0, 3]]))


def test_tables_of_text_as_pandas_writes_them_unasked(tmp_path):
    """Numbers of rows in a column without a name, and numbers of columns in the first line, are no features."""
    path, rows = tmp_path / "y.csv", np.array([[1.0, 2, 3], [4, 5, 6]])
    both(text(path, ",a,b,c", "0,1,2,3", "7,4,5,6"), rows)
    both(text(path, ",0,1,2", "0,1,2,3", "7,4,5,6"), rows)
    both(text(path, "0,1,2", "1,2,3", "4,5,6"), rows)
    assert MatrixFile.open(f"{path}#2", "y", (1,)).array().tolist() == [3, 6]
    both(text(path, "0,1", "1,0"), np.array([[0.0, 1], [1, 0]]))  # labels of two classes, a column each
    both(text(path, "1,2,0", "1,2,3"), np.array([[1.0, 2, 0], [1, 2, 3]]))
    both(text(path, ",0", "0,5", "1,6"), np.array([[5.0], [6]]))
    assert words_in(text(path, ",label", "0,yes", "1,no"), "y").tolist() == ["yes", "no"]
    pandas = pytest.importorskip("pandas")
    for name in (["a", "b", "c"], None):
        for index in (True, False):
            pandas.DataFrame(rows, columns=name).to_csv(path, index=index)
            both(path, rows)


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (["a,b", "1,2", "1"], "line 3 has 1 cells, the first line 2"),
        (["a,b", "1,"], "line 2 of column 'b' is empty"),
        (["1,2", "1_0,2"], "line 2 of column '0' is '1_0', no number"),
        (["a", "1,5"], "line 2 has 2 cells, the first line 1"),
        ([""], "it is empty"),
        (["a", '"1'], "cannot read"),
        ([",1,2", "0,3,4"], "line 1 of column '0' is empty"),
    ],
)
def test_tables_of_text_that_are_none_are_refused(lines, words, tmp_path):
    refused(text(tmp_path / "y.csv", *lines), words)


def test_large_tables_of_text_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(csv, "LARGEST", 10)
    refused(
        text(tmp_path / "y.csv", *["1,2"] * 5), "it has 19 bytes of text, more than 10: save it as .npy or .parquet"
    )
    (tmp_path / "y.tsv").write_bytes(b"\xff\xfe1")
    refused(tmp_path / "y.tsv")
