"""Matrices that are read from where they lie: the numbers of NumPy's maps, also while files are cut."""

import io
import mmap
import os
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from w2s_fast.linalg.files import plain
from w2s_fast.linalg.files.matrix import MatrixFile
from w2s_fast.linalg.files.plain import PlainMatrix

LINUX = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux tells what memory is mapped from")
CUTS = st.one_of(st.none(), st.integers(-25, 25))
STEPS = st.sampled_from([None, None, 2, -1, -3])


@pytest.fixture(scope="module", params=[("f4", "C"), ("f8", "F"), (">f8", "C"), ("i2", "F")], ids="".join)
def saved(request, tmp_path_factory):
    dtype, order = request.param
    path = tmp_path_factory.mktemp("plain") / "X.npy"
    values = np.asarray(np.rint(1000 * np.random.default_rng(0).standard_normal((23, 17))), dtype, order)
    np.save(path, values)
    return path, values


@given(rows=st.tuples(CUTS, CUTS), columns=st.tuples(CUTS, CUTS), index=st.lists(st.integers(0, 22)))
def test_parts_and_rows_are_those_of_the_matrix(saved, rows, columns, index):
    path, values = saved
    matrix = MatrixFile.open(path, "X").plain
    rows, columns = slice(*rows), slice(*columns)
    assert np.array_equal(matrix.read(rows, columns), values[rows, columns])
    assert np.array_equal(matrix.take(np.array(index, np.int64)), values[index])
    assert matrix.read().dtype == values.dtype


@LINUX
@given(rows=st.tuples(CUTS, CUTS, STEPS), columns=st.tuples(CUTS, CUTS, STEPS))
def test_maps_are_found_again_whatever_part_is_taken_of_them(saved, rows, columns):
    path, values = saved
    rows, columns = slice(*rows), slice(*columns)
    for mapped, held in ((np.load(path, mmap_mode="r"), values), (np.load(path, mmap_mode="r").T, values.T)):
        view, expected = mapped[rows, columns], held[rows, columns]
        matrix = PlainMatrix.of_map(view)
        if matrix is None:
            assert view.size == 0
            continue
        assert np.array_equal(matrix.read(), expected)
        index = np.arange(len(view))[::-2]
        assert np.array_equal(matrix.take(index), expected[index])
        assert np.array_equal(matrix.read(slice(1, 3), slice(2, 5)), expected[1:3, 2:5])


@LINUX
def test_what_is_no_file_of_that_name_stays_as_it_is(tmp_path):
    path = tmp_path / "X.npy"
    values = np.ones((6, 4))
    np.save(path, values)

    def mapped(mode):
        return np.load(path, mmap_mode=mode)

    assert PlainMatrix.of_map(mapped("r")) is not None
    assert PlainMatrix.of_map(mapped("r+")) is None  # the caller may write to it, and take its name away
    assert PlainMatrix.of_map(np.frombuffer(mmap.mmap(-1, 4096)).reshape(2, -1)) is None
    with path.open("rb") as file:
        raw = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    view = np.frombuffer(raw, np.float64, offset=128).reshape(6, 4)
    assert np.array_equal(PlainMatrix.of_map(view).read(), values)
    assert PlainMatrix.of_map(values) is None
    assert PlainMatrix.of_map(mapped("c")) is None  # it has changes of its own
    assert PlainMatrix.of_map(np.broadcast_to(mapped("r")[0], (3, 4))) is None
    before = mapped("r")
    np.save(tmp_path / "other.npy", 2 * values)
    os.replace(tmp_path / "other.npy", path)
    assert PlainMatrix.of_map(before) is None  # another file has its name now
    before = mapped("r")
    path.unlink()
    assert PlainMatrix.of_map(before) is None


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("read", [lambda matrix: matrix.read(), lambda matrix: matrix.take(np.array([3, 1]))])
@pytest.mark.parametrize("change", ["cut", "touched", "deleted before", "replaced before"])
def test_a_change_at_the_instant_of_a_read_is_refused(order, read, change, tmp_path, monkeypatch):
    path = tmp_path / "X.npy"
    np.save(path, np.asarray(np.ones((40, 30)), order=order))
    matrix = MatrixFile.open(path, "X").plain

    class Changing(io.FileIO):
        def seek(self, place):
            if change == "cut":
                os.truncate(path, 150)
            elif change == "touched":
                os.utime(path, ns=(0, 0))
            return super().seek(place)

    monkeypatch.setattr(plain, "FileIO", Changing)
    if change == "deleted before":
        path.unlink()
    elif change == "replaced before":
        np.save(tmp_path / "other.npy", np.ones((40, 30)))
        os.replace(tmp_path / "other.npy", path)
    with pytest.raises(ValueError, match=r"X\.npy' changed while it was read: start again when it is complete"):
        read(matrix)


@LINUX
@pytest.mark.parametrize("name", ["two\nlines.npy", "a (deleted).npy", "back\\012slash.npy", " spaces .npy", "é☃.npy"])
def test_files_of_any_name_are_found(name, tmp_path):
    np.save(tmp_path / name, np.eye(5))
    assert np.array_equal(PlainMatrix.of_map(np.load(tmp_path / name, mmap_mode="r")).read(), np.eye(5))


def test_a_relative_path_is_where_it_was(tmp_path, monkeypatch):
    np.save(tmp_path / "X.npy", np.eye(5))
    monkeypatch.chdir(tmp_path)
    matrix = MatrixFile.open("X.npy", "X").plain
    monkeypatch.chdir("/")
    assert np.array_equal(matrix.read(), np.eye(5))


def test_reads_that_come_in_pieces_are_put_together(saved, monkeypatch):
    path, values = saved

    class Short(io.FileIO):
        def readinto(self, buffer):
            return super().readinto(memoryview(buffer).cast("B")[:50] if memoryview(buffer).nbytes > 50 else buffer)

    matrix = MatrixFile.open(path, "X").plain
    monkeypatch.setattr(plain, "FileIO", Short)
    assert np.array_equal(matrix.read(), values)
    assert np.array_equal(matrix.take(np.arange(23)), values)
