"""Columns of Parquet, Feather and Arrow files, folders of them, and datasets of Hugging Face."""

import json
import struct

import numpy as np
import pytest

from tests.formats import both, refused, save
from w2s_fast import _check
from w2s_fast.linalg.files import arrow_ipc
from w2s_fast.linalg.files.matrix import MatrixFile
from w2s_fast.linalg.files.words import words_in

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

X = np.random.default_rng(0).standard_normal((40, 6))
LABELS = np.arange(40)


def write(path, table, rows=9):
    """In batches of some rows, as Parquet, a file or a stream."""
    if path.suffix == ".parquet":
        pq.write_table(table, path, row_group_size=rows)
        return path
    new = pa.ipc.new_file if path.suffix == ".feather" else pa.ipc.new_stream
    with pa.OSFile(str(path), "wb") as file, new(file, table.schema) as writer:
        writer.write_table(table, max_chunksize=rows)
    return path


@pytest.fixture(params=[".parquet", ".feather", ".arrow"])
def path(request, tmp_path):
    return tmp_path / f"X{request.param}"


def lists(values, kind=None):
    return pa.array(values.tolist() if values.dtype != np.float16 else list(map(list, values)), kind)


def test_the_only_column_of_lists_or_all_of_numbers_are_features(path):
    write(path, pa.table({"id": [str(i) for i in LABELS], "label": LABELS, "X": lists(X)}))
    both(path, X)
    both(f"{path}#X", X)
    assert np.array_equal(MatrixFile.open(f"{path}#label", "y", (1, 2)).array(), LABELS)
    refused(f"{path}#id", "column 'id' holds string, no numbers")
    refused(f"{path}#q", "there is no 'q': write path#name, with a name of ['X', 'id', 'label']")
    columns = {"a": X[:, 0].astype(np.float32), "id": ["x"] * 40, "b": LABELS, "c": LABELS % 2 == 0}
    write(path, pa.table(columns | {"__index_level_0__": LABELS}))
    both(path, np.column_stack([columns["a"], columns["b"], columns["c"]]))
    both(f"{path}#[:,1:]", np.column_stack([columns["a"], columns["b"], columns["c"]])[:, 1:])
    write(path, pa.table({"X": lists(X), "Y": lists(X)}))
    refused(path, "it has 2 columns of lists: write path#column, with a column of ['X', 'Y']")
    write(path, pa.table({"id": ["x"]}))
    refused(path, "it has no column of numbers: write path#column")


@pytest.mark.parametrize("name", [None, "id"])
def test_an_index_of_pandas_is_no_feature(name, path):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X, columns=[f"x{i}" for i in range(6)], index=pandas.Index(LABELS + 5, name=name))
    table = pa.Table.from_pandas(frame)
    assert len(table.schema.names) == 7
    write(path, table)
    both(path, X)
    assert np.array_equal(_check.floats(table, "X"), X)
    column = table.schema.names[-1]
    assert np.array_equal(MatrixFile.open(f"{path}#{column}", "y", (1,)).array(), LABELS + 5)
    write(path, pa.Table.from_pandas(pandas.DataFrame({"y": ["a", "b"]}, index=pandas.Index([4, 7], name=name))))
    assert words_in(path, "y").tolist() == ["a", "b"]


@pytest.mark.parametrize(
    "kind",
    [
        pa.list_(pa.float32()),
        pa.large_list(pa.float64()),
        pa.list_(pa.float64(), 6),
        pa.list_(pa.float16()),
        pa.list_(pa.int8()),
        pa.list_(pa.bool_()),
        pa.list_(pa.list_(pa.float32()), 2),
        pa.large_list(pa.list_(pa.int32(), 3)),
    ],
    ids=str,
)
def test_lists_of_every_kind(kind, path):
    values = np.rint(8 * X).astype(
        kind.value_type.to_pandas_dtype() if not hasattr(kind.value_type, "value_type") else "i4"
    )
    if hasattr(kind.value_type, "value_type"):
        deep = values.reshape(40, 2, 3).astype(kind.value_type.value_type.to_pandas_dtype())
        write(path, pa.table({"X": pa.array(deep.tolist(), kind)}))
        both(f"{path}#[:,1]", deep[:, 1])
        return
    rows = lists(values, kind)
    write(path, pa.table({"X": rows}))
    both(path, values)
    write(path, pa.table({"X": rows}).slice(5, 30))
    both(path, values[5:35])


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([[1.0, 2.0]] * 20 + [None] + [[1.0, 2.0]], "row 20 of column 'X' has a null"),
        ([[1.0, 2.0]] * 20 + [[1.0, None]], "row 20 of column 'X' has a null"),
        ([[1.0, 2.0]] * 20 + [[1.0]], "row 20 of column 'X' has 1 numbers, the first has 2"),
        ([[1.0, 2.0]] * 18 + [[1.0]] * 9, "row 18 of column 'X' has 1 numbers"),
        ([[[1.0], [2.0]]] * 20 + [[[1.0], [2.0, 3.0]]], "row 20 of column 'X' has 2 numbers, the first has 1"),
        ([1.0] * 20 + [None], "row 20 of column 'X' has a null"),
        ([[]] * 3 + [[1.0]], "row 3 of column 'X' has 1 numbers, the first has 0"),
        ([["a"]] * 3, "column 'X' holds string, no numbers"),
        ([None] * 3, "row 0 of column 'X' has a null"),
    ],
)
def test_nulls_and_ragged_lists_are_refused_by_row_and_column(rows, words, path):
    write(path, pa.table({"X": rows}))
    refused(
        f"{path}#X{'[:,0]' * isinstance(rows[-1][0] if isinstance(rows[-1], list) else 0, list)}", words, ndims=(1, 2)
    )


def test_dictionaries_and_extensions_are_what_they_stand_for(path):
    write(path, pa.table({"y": pa.array([3, 3, 5] * 10).dictionary_encode()}))
    assert MatrixFile.open(f"{path}#y", "y", (1,)).array().tolist() == [3, 3, 5] * 10
    tensors = pa.FixedShapeTensorArray.from_numpy_ndarray(X.reshape(40, 2, 3))
    write(path, pa.table({"X": tensors}))
    both(path, X)


def test_compressed_batches_are_read(tmp_path):
    for compression in ("lz4", "zstd"):
        options = pa.ipc.IpcWriteOptions(compression=compression)
        table = pa.table({"X": lists(X)})
        with (
            pa.OSFile(str(tmp_path / "X.arrow"), "wb") as file,
            pa.ipc.new_stream(file, table.schema, options=options) as w,
        ):
            w.write_table(table, max_chunksize=9)
        both(tmp_path / "X.arrow", X)


def test_a_folder_of_files_is_one_table_in_their_order(tmp_path, path):
    folder = tmp_path / "shards"
    folder.mkdir()
    for name, part in (("b", X[15:15]), ("c", X[15:]), ("a", X[:15])):
        write(
            folder / f"{name}{path.suffix}",
            pa.table({"X": lists(part, pa.list_(pa.float64())), "y": LABELS[: len(part)]}),
        )
    both(folder, X)
    both(f"{folder}#X[:,1:3]", X[:, 1:3])
    write(folder / f"d{path.suffix}", pa.table({"Z": LABELS}))
    refused(folder, f"d{path.suffix} has other columns than a{path.suffix}")
    (folder / f"d{path.suffix}").unlink()
    (folder / "notes.txt").write_text("")
    refused(folder, "a folder must hold only files of type .parquet, .arrow, .feather, this one has 'notes.txt' too")
    (tmp_path / "empty").mkdir()
    refused(tmp_path / "empty", "this one has none")
    write(tmp_path / "1.arrow", pa.table({"X": lists(X)}))
    other = tmp_path / "wide"
    other.mkdir()
    write(other / f"1{path.suffix}", pa.table({"X": lists(X)}))
    write(other / f"2{path.suffix}", pa.table({"X": lists(X[:, :4])}))
    refused(other, "row 40 of column 'X' has 4 numbers, the first row 6")


def saved_to_disk(folder, *parts):
    """What save_to_disk of datasets writes, by hand."""
    folder.mkdir()
    files = [f"data-{number:05}-of-{len(parts):05}.arrow" for number in range(len(parts))]
    for name, part in zip(files, parts, strict=True):
        write(folder / name, pa.table({"X": lists(part), "label": LABELS[: len(part)]}))
    state = {"_data_files": [{"filename": name} for name in files[::-1]], "_fingerprint": "f", "_split": "train"}
    (folder / "state.json").write_text(json.dumps(state))
    (folder / "dataset_info.json").write_text("{}")


def test_a_dataset_saved_to_disk_is_read_in_the_order_that_it_says(tmp_path):
    folder = tmp_path / "train"
    saved_to_disk(folder, X[30:], X[12:30], X[:12])
    both(folder, X)
    assert MatrixFile.open(f"{folder}#label", "y", (1,)).shape == (40,)
    (folder / "data-00001-of-00003.arrow").unlink()
    refused(folder, "its state.json names files that are not in it: ['data-00001-of-00003.arrow']")
    (folder / "state.json").write_text(json.dumps({"_data_files": [{"filename": "../secret.arrow"}]}))
    refused(folder, "names files that are not in it: ['../secret.arrow']")
    for state in ("", "[]", "{}", '{"_data_files": 5}', '{"_data_files": [{"filename": []}]}', '{"_data_files": []}'):
        (folder / "state.json").write_text(state)
        refused(folder)
    (tmp_path / "dataset_dict.json").write_text('{"splits": ["train"]}')
    refused(tmp_path, "it holds the splits of a dataset: write one of the folders in it, ['train']")


def test_rows_are_counted_by_the_headers_of_batches_alone(path):
    if path.suffix == ".parquet":
        return
    write(path, pa.table({"X": lists(X)}), rows=7)
    with path.open("rb") as file:
        assert arrow_ipc.count_rows(file) == 40
    whole = bytearray(path.read_bytes())
    start = 8 if path.suffix == ".feather" else 0
    for change in (b"\x00\x00\x00\x00", b"\xff\xff\xff\xff"):
        damaged = whole.copy()
        damaged[start + 4 : start + 8] = change
        path.write_bytes(damaged)
        refused(path)
    damaged = whole.copy()
    damaged[start : start + 4] = struct.pack("<I", 5)
    path.write_bytes(damaged)
    refused(path)


def test_no_damage_crashes_or_gives_other_shapes(path):
    """Whatever bytes are changed: one line, or an array of the shape that was said."""
    save(path, X)
    whole, rng = path.read_bytes(), np.random.default_rng(0)
    messages = []
    for _ in range(60):
        damaged = bytearray(whole)
        for place in rng.integers(len(whole), size=3):
            damaged[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(damaged)
        try:
            file = MatrixFile.open(path, "X")
            assert file.array().shape == file.shape
        except (ValueError, OSError, MemoryError) as error:
            messages.append(str(error))
    assert not any("\n" in message for message in messages)
