"""``w2s-fast inspect`` says what is in files of every format, and of a damaged one that it is, in one line."""

import json

import numpy as np
import pytest

from tests import commands
from tests.formats import OF_TEXT, SUFFIXES, save
from w2s_fast.linalg.files import contents as module
from w2s_fast.linalg.files.contents import contents

X = np.random.default_rng(0).standard_normal((40, 3)).astype(np.float32)
BAD = X.copy()
BAD[[3, 4, 39], [0, 1, 2]] = np.nan, np.inf, -np.inf


@pytest.fixture
def run(capsys, monkeypatch):
    def inspected(*arguments):
        return commands.run(capsys, "inspect", *map(str, arguments), monkeypatch=monkeypatch)

    return inspected


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_names_shapes_types_and_what_is_not_finite(suffix, tmp_path, run, monkeypatch):
    monkeypatch.setattr(module, "AT_ONCE", 10)
    for name, values, counts in (("X", X, (0, 0)), ("bad", BAD, (1, 2))):
        path = save(tmp_path / f"{name}{suffix}", values.astype(float) if suffix in OF_TEXT else values)
        status, out, err = run(path, "--json")
        assert (status, err) == (0, "")
        found = json.loads(out)
        if suffix in OF_TEXT:  # a column each
            assert [row["shape"] for row in found] == [[40]] * 3
            assert (sum(row["nan"] for row in found), sum(row["infinite"] for row in found)) == counts
            continue
        ((row),) = found
        assert row == {
            "file": str(path),
            "name": "" if suffix == ".npy" else "X",
            "shape": [40, 3],
            "dtype": "float32",
            "nan": counts[0],
            "infinite": counts[1],
            "note": "",
        }


def test_several_arrays_of_several_files_are_tables(tmp_path, run):
    np.savez(tmp_path / "f.npz", weak=BAD, y=np.arange(4), deep=np.zeros((2, 3, 4), np.float16), words=np.array(["a"]))
    np.save(tmp_path / "one.npy", np.float64(3.0))
    (tmp_path / "t.csv").write_text("id,label\nx,1\ny,2\n")
    status, out, _ = run(tmp_path / "f.npz", tmp_path / "one.npy", tmp_path / "t.csv", f"{tmp_path}/f.npz#weak[:,1:]")
    assert status == 0
    words = " ".join(out.split())
    for said in (
        "weak 40 x 3 float32 1 2",
        "y 4 int64 0 0",
        "deep 2 x 3 x 4 float16 0 0",
        "one number float64",
        "label 2",
    ):
        assert said in words, out
    assert "line 2 of column 'id' is 'x', no number" in words.replace("' id'", "'id'")
    assert "40 x 2 float32 0 2" in words
    assert "X must hold" not in words


def test_headers_alone_are_read_where_that_is_asked_for(tmp_path, run, monkeypatch):
    path = save(tmp_path / "X.npy", BAD)
    monkeypatch.setattr(module.MatrixFile, "flat", lambda *given: pytest.fail("the numbers were read"))
    status, out, _ = run(path, "--no-scan", "--json")
    assert status == 0
    assert [(row["nan"], row["infinite"]) for row in json.loads(out)] == [(None, None)]
    assert run(path, "--no-scan")[0] == 0


def test_what_cannot_be_read_is_one_line(tmp_path, run):
    (tmp_path / "X.npy").write_bytes(b"\x93NUMPY")
    (tmp_path / "X.pt").write_bytes(b"PK")
    (tmp_path / "X.txt").write_text("1")
    np.savez(tmp_path / "empty.npz")
    for where, words in (
        ("X.npy", "cannot read"),
        ("X.pt", "cannot read"),
        ("X.txt", "FILE must be an array or a file of type .npy"),
        ("none.h5", "there is no file"),
        ("empty.npz", "holds no arrays"),
        ("empty.npz#X", "there is no 'X'"),
    ):
        status, out, err = run(tmp_path / where)
        assert (status, out) == (1, "")
        assert err.count("\n") == 1
        assert words in err
    assert run()[0] == 2


def test_names_of_strangers_steer_no_terminal(tmp_path, run):
    np.savez(tmp_path / "X.npz", **{"a\x1b[31m [bold]": X, "b[:,0]": X})
    status, out, _ = run(tmp_path / "X.npz")
    assert status == 0
    assert "\x1b" not in out
    assert "[bold]" in out
    assert [item.shape for item in contents(tmp_path / "X.npz")] == [(40, 3), None]


def test_folders_are_listed(tmp_path, run):
    pytest.importorskip("pyarrow")
    folder = tmp_path / "shards"
    folder.mkdir()
    for name in "ab":
        save(folder / f"{name}.parquet", X)
    status, out, _ = run(folder, "--json")
    assert status == 0
    assert [(row["name"], row["shape"]) for row in json.loads(out)] == [("X", [80, 3])]
