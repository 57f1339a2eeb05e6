"""Files of strangers: no byte is taken for a number before the header agrees with the file; errors are one line."""

import io
import json
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest

from tests.matrices import save_safetensors
from w2s_fast import Subspace, intrinsic_dimension, probe
from w2s_fast.linalg.files.matrix import MatrixFile
from w2s_fast.linalg.files.place import split_name
from w2s_fast.linalg.rows.sources import rows_of

X = np.arange(12.0).reshape(4, 3)
DATA = X.tobytes()


def refused(path, *words):
    """Whatever reads a matrix refuses the file in one line that names the argument and the file."""
    for read in (
        lambda: list(rows_of(path, "X").blocks()),
        lambda: MatrixFile.open(path, "X").array(),
        lambda: Subspace.fit(path, rank=1),
    ):
        with pytest.raises(ValueError, match="X") as caught:
            read()
        message = str(caught.value)
        assert "\n" not in message
        assert len(message) < 1_000
        assert str(path).partition("#")[0] in message
        for word in words:
            assert word in message, message


def safetensors(folder, header, data=DATA):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path = folder / "X.safetensors"
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)
    return path


def tensor(**changes):
    return {"dtype": "F64", "shape": [4, 3], "data_offsets": [0, 96]} | changes


def one(**changes):
    return {"X": tensor(**changes)}


@pytest.mark.parametrize(
    ("header", "words"),
    [
        (one(shape=[4, 2]), "span 96 bytes"),
        (one(shape=[4, 4]), "span 96 bytes"),
        (one(dtype="F32"), "span 96 bytes"),
        (one(shape=[-4, -3]), "its shape must be a list of whole numbers"),
        (one(shape="88"), "its shape must be a list of whole numbers, at least 0, got '88'"),
        (one(shape=[True, 12]), "its shape must be"),
        (one(shape=[4.0, 3]), "its shape must be"),
        (one(shape=[[4], 3]), "its shape must be"),
        (one(shape=None), "its shape must be"),
        (one(shape={"4": 3}), "its shape must be"),
        (one(shape=[2**62, 2**62]), "its shape"),
        (one(shape=[0, 2**62], data_offsets=[0, 0]), "none that an array can have"),
        (one(shape=[1] * 1000), "none that an array can have"),
        (one(shape=[10**400]), "none that an array can have"),
        (one(dtype=["F64"]), "dtype of 'X' must be a name"),
        (one(dtype="F8_E4M3"), "'F8_E4M3', is none of F64"),
        (one(data_offsets=[]), "data_offsets of 'X' must be two whole numbers, got []"),
        (one(data_offsets=[0]), "must be two whole numbers"),
        (one(data_offsets=[0, 96, 0]), "must be two whole numbers"),
        (one(data_offsets="00"), "must be two whole numbers"),
        (one(data_offsets=[False, 96]), "must be two whole numbers"),
        (one(data_offsets=[0.0, 96.0]), "must be two whole numbers"),
        (one(data_offsets=[-96, 0]), "lie outside the 96 bytes"),
        (one(data_offsets=[96, 0]), "lie outside the 96 bytes"),
        (one(data_offsets=[8, 104]), "lie outside the 96 bytes"),
        (one(data_offsets=[0, 10**30]), "lie outside the 96 bytes"),
        (one(shape=[2, 3], data_offsets=[0, 48]), "take 48 bytes of data, the file has 96"),
        (one(shape=[2, 3], data_offsets=[48, 96]), "leave a hole"),
        ({"X": tensor(), "Y": tensor()}, "'Y' overlap others"),
        ({"X": tensor(), "Y": tensor(shape=[2, 3], data_offsets=[48, 96])}, "'Y' overlap others"),
        ({"X": tensor(), "Y": tensor(dtype="F8_E5M2", data_offsets=[95, 96])}, "'Y' overlap others"),
        ({"X": 5}, "'X' must have dtype, shape, data_offsets, got 5"),
        ({"X": {"dtype": "F64"}}, "'X' must have dtype, shape, data_offsets"),
        ({"X": {}}, "'X' must have"),
        ({"X" * 9_000: 5}, "must have dtype"),
        ({}, "take 0 bytes of data, the file has 96"),
        ([], "must be a JSON object, got []"),
        (b"5", "must be a JSON object"),
        (b"null", "must be a JSON object"),
        (b"", "cannot read"),
        (b"{", "cannot read"),
        (b"\xff\xfe", "cannot read"),
        (b"[" * 100_000, "cannot read"),
        (b'{"X": ' * 100_000, "cannot read"),
        (b'{"X": %s, "X": %s}' % ((json.dumps(tensor()).encode(),) * 2), "names 'X' more than once"),
        (b'{"X": {"shape": [1], "dtype": "F64", "shape": [4, 3], "data_offsets": [0, 96]}}', "names 'shape' more than"),
        (b'{"X": {"dtype": "F64", "shape": [NaN, 3], "data_offsets": [0, 96]}}', "its shape must be"),
        (b'{"X": {"dtype": "F64", "shape": [' + b"9" * 5_000 + b'], "data_offsets": [0, 96]}}', "cannot read"),
    ],
)
def test_safetensors_whose_fields_disagree_are_refused(header, words, tmp_path):
    refused(safetensors(tmp_path, header), words)


def test_safetensors_that_are_cut_anywhere_are_refused(tmp_path):
    path = safetensors(tmp_path, one())
    whole = path.read_bytes()
    for end in range(len(whole)):
        path.write_bytes(whole[:end])
        refused(path)
    path.write_bytes(whole + b"0")
    refused(path, "take 96 bytes of data, the file has 97")
    path.write_bytes((2**64 - 1).to_bytes(8, "little") + whole[8:])
    refused(path, "its header is longer than the file")


def test_a_sound_safetensors_file_is_read_whatever_else_it_says(tmp_path):
    header = {"__metadata__": {"format": "pt"}, "Y": tensor(data_offsets=[96, 192], more=1), "X": tensor()}
    path = safetensors(tmp_path, header, X.tobytes() + (2 * X).tobytes())
    assert np.array_equal(next(rows_of(f"{path}#Y", "X").blocks()), 2 * X)
    assert np.array_equal(next(rows_of(f"{path}#X", "X").blocks()), X)


def npy(header, data=DATA, version=(1, 0)):
    text = header.encode("latin1") if isinstance(header, str) else header
    length = struct.pack("<H" if version == (1, 0) else "<I", len(text))
    return b"\x93NUMPY" + bytes(version) + length + text + data


def said(shape="(4, 3)", descr="'<f8'", fortran="False", more=""):
    return f"{{'descr': {descr}, 'fortran_order': {fortran}, 'shape': {shape}{more}, }}\n"


HEADERS = [
    (said(shape="(4, 4)"), "ends early"),
    (said(shape="(4, 2)"), "32 bytes more than 4 x 2 float64 takes"),
    (said(shape="(2**30, 3)"), "cannot read"),
    (said(shape="(10**12, 3)"), "cannot read"),
    (said(shape="(1000000000000, 3)"), "ends early"),
    (said(shape="(4611686018427387904, 3)"), "more bytes than there can be"),
    (said(shape="(9999999999999999999999, 3)"), "none that an array can have"),
    (said(shape="(9999999999999, 0)"), "none that an array can have"),
    (said(shape=f"({'1, ' * 99})"), "none that an array can have"),
    (said(shape=f"(0x{'f' * 9_000}, 3)"), "none that an array can have"),
    (said(shape="(-4, -3)"), "its shape must be a list of whole numbers, at least 0, got (-4, -3)"),
    (said(shape="(True, 12)"), "its shape must be"),
    (said(shape="(4.0, 3)"), "its shape must be"),
    (said(shape="'43'"), "its shape must be"),
    (said(shape="12"), "its shape must be"),
    (said(fortran="1"), "fortran_order must be True or False"),
    (said(fortran="None"), "fortran_order must be True or False"),
    (said(descr="'f9'"), "descr must name a dtype"),
    (said(descr="5"), "descr must name a dtype"),
    (said(descr="None"), "descr must name a dtype"),
    (said(descr="'<f4'"), "48 bytes more than 4 x 3 float32 takes"),
    (said(more=", 'shape': (2, 3)"), "each once"),
    (said(more=", 'more': 1"), "each once"),
    (said(more=", **{}"), "each once"),
    ("{'descr': '<f8', 'shape': (4, 3)}", "each once"),
    ("[1, 2]", "must be a dictionary"),
    ("open('x')", "must be a dictionary"),
    ("", "cannot read"),
    ("{" * 9_000, "cannot read"),
    ("(" * 9_000, "cannot read"),
    ("-" * 9_000 + "1", "cannot read"),
    (b"\x00" * 50, "cannot read"),
    (b"\xff" * 50, "cannot read"),
]


@pytest.mark.parametrize(("header", "words"), HEADERS)
@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_npy_headers_that_disagree_with_the_file_are_refused(header, words, suffix, tmp_path):
    path = tmp_path / f"X{suffix}"
    for version in ((1, 0), (2, 0), (3, 0)):
        content = npy(header, version=version)
        if suffix == ".npz":
            with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
                archive.writestr("X.npy", content)
        else:
            path.write_bytes(content)
        refused(path, *[words] * (version != (3, 0)))


def test_npy_files_that_are_cut_anywhere_are_refused(tmp_path):
    path = tmp_path / "X.npy"
    np.save(path, X)
    whole = path.read_bytes()
    for end in range(len(whole)):
        path.write_bytes(whole[:end])
        refused(path)
    path.write_bytes(whole + b"0")
    refused(path, "holds 1 bytes more than 4 x 3 float64 takes")
    path.write_bytes(npy(b"", version=(4, 0)))
    refused(path, "version 1, 2 or 3")
    path.write_bytes(b"\x93NUMPY\x02\x00" + struct.pack("<I", 2**32 - 1) + b"{" * 70_000)
    refused(path, "its header says that it has 4,294,967,295 bytes")


def test_headers_of_python_2_and_of_every_version_are_read(tmp_path):
    path = tmp_path / "X.npy"
    for version in ((1, 0), (2, 0), (3, 0)):
        path.write_bytes(npy(said(shape="(4L, 3L)"), version=version))
        assert np.array_equal(next(rows_of(path, "X").blocks()), X)
    path.write_bytes(npy(said(descr="'>f8'"), X.astype(">f8").tobytes()))
    assert np.array_equal(next(rows_of(path, "X").blocks()), X)


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_no_flipped_bit_of_an_archive_goes_unseen(compression, tmp_path):
    path, buffer = tmp_path / "X.npz", io.BytesIO()
    values = np.random.default_rng(0).standard_normal((40, 6))
    np.save(buffer, values)
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("X.npy", buffer.getvalue())
    whole = path.read_bytes()
    rng = np.random.default_rng(1)
    messages = []
    for place in [*range(60), *rng.integers(60, len(whole), 240).tolist()]:
        damaged = bytearray(whole)
        damaged[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(damaged)
        for read in (
            lambda: np.concatenate(list(rows_of(path, "X").blocks())),
            lambda: MatrixFile.open(path, "X").array(),
        ):
            try:
                found = read()
            except ValueError as error:
                messages.append(str(error))
            else:  # a date, say
                assert np.array_equal(found, values)
    assert len(messages) > 400
    assert all(str(path) in message and "\n" not in message for message in messages)


def archive(path, *members, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as file:
        for name, content in members:
            file.writestr(name, content)
    return path


def test_archives_of_other_kinds_are_refused(tmp_path, recwarn):
    path, sound = tmp_path / "X.npz", npy(said())
    for compression in (zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2):
        refused(archive(path, ("X.npy", sound), compression=compression), "'X.npy' is compressed by another method")
    refused(archive(path, ("X.npy", sound), ("X.npy", sound)), "several arrays of one name")
    refused(archive(path), "it holds 0 arrays")
    refused(archive(path, ("X.txt", sound)), "it holds 0 arrays")
    refused(archive(path, ("X.npy", archive(tmp_path / "in.npz", ("X.npy", sound)).read_bytes())), "does not begin as")
    whole = bytearray(archive(path, ("X.npy", sound)).read_bytes())
    central = whole.index(b"PK\x01\x02")
    encrypted = bytearray(whole)
    encrypted[6] |= 1
    encrypted[central + 8] |= 1
    path.write_bytes(encrypted)
    refused(path, "'X.npy' is encrypted")
    larger = bytearray(whole)
    larger[central + 24 : central + 28] = struct.pack("<I", 2**31)
    path.write_bytes(larger)
    refused(path, "cannot have the 2,147,483,648 bytes")
    assert np.array_equal(next(rows_of(archive(path, ("a/X.npy", sound)), "X").blocks()), X)


def test_an_array_without_rows_or_columns_is_read_as_one(tmp_path):
    for shape in ((0, 3), (3, 0), (0, 0)):
        np.save(tmp_path / "X.npy", np.zeros(shape))
        np.savez(tmp_path / "X.npz", np.zeros(shape))
        for path in (tmp_path / "X.npy", tmp_path / "X.npz"):
            assert sum(map(len, rows_of(path, "X").blocks())) == shape[0]
            assert MatrixFile.open(path, "X").array().shape == shape


@pytest.mark.parametrize("order", ["C", "F"])
def test_a_few_rows_of_many_columns_take_no_more_room_than_they_have(order, tmp_path):
    row = np.random.default_rng(0).standard_normal((1, 10_000_000)).astype(np.float32)
    np.save(tmp_path / "X.npy", np.asarray(row, order=order))
    rows = rows_of(tmp_path / "X.npy", "X")
    assert rows.held() is not None  # by X X', one number here, where a sketch of the columns took 10 GiB
    assert intrinsic_dimension(tmp_path / "X.npy") == 1
    assert Subspace.fit(tmp_path / "X.npy").basis.shape == (10_000_000, 1)


def test_the_name_follows_the_last_mark_that_leaves_a_file(tmp_path, monkeypatch):
    folder = tmp_path / "run#3"
    folder.mkdir()
    np.save(folder / "X.npy", X)
    np.save(folder / "a.npy#b.npy", X)
    np.save(folder / "a.npy", 2 * X)
    np.savez(folder / "X.npz", one=X, other=2 * X)
    save_safetensors(folder / "X.safetensors", **{"a#b": X, "b": 2 * X})
    for path, factor in (
        (f"{folder}/X.npy", 1),
        (folder / "X.npy", 1),
        (f"{folder}/a.npy#b.npy", 1),
        (folder / "a.npy#b.npy", 1),
        (f"{folder}/X.npz#other", 2),
        (f"{folder}/X.safetensors#a#b", 1),
        (f"{folder}/X.safetensors#b", 2),
    ):
        assert np.array_equal(np.concatenate(list(rows_of(path, "X").blocks())), factor * X)
    with pytest.raises(FileNotFoundError, match=r"X: there is no file '.*X.npz#one'"):
        rows_of(folder / "X.npz#one", "X")  # a path object is all path
    with pytest.raises(FileNotFoundError, match=r"X: there is no file '.*none.npz#one'"):
        rows_of(f"{folder}/none.npz#one", "X")
    monkeypatch.chdir(folder)
    assert split_name("X.npz#") == (Path("X.npz"), "")
    assert split_name("#") == (Path("#"), "")


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "i4", "?", ">f8"])
@pytest.mark.parametrize("shape", [(50, 7), (7, 50), (3000, 3), (1, 5), (5, 1)])
@pytest.mark.parametrize("suffix", [".npy", ".npz", "-small.npz"])
def test_transposes_are_read_as_they_are(dtype, shape, suffix, tmp_path):
    path = tmp_path / f"X{suffix}"
    values = np.asfortranarray(np.rint(8 * np.random.default_rng(0).standard_normal(shape)).astype(dtype))
    write = {".npy": np.save, ".npz": np.savez}.get(suffix, np.savez_compressed)
    write(path, values)
    file = MatrixFile.open(path, "X")
    for step in (1, 4, 2 * max(shape)):
        assert np.array_equal(np.concatenate(list(file.blocks(step))), values.astype(float))
    found = file.array()
    assert found.dtype == values.dtype
    assert np.array_equal(found, values)


def test_long_columns_are_read_by_parts_of_each(tmp_path, monkeypatch):
    monkeypatch.setattr("w2s_fast.linalg.files.plain.PANEL_BYTES", 3 * 8 * 50)  # three columns
    values = np.random.default_rng(0).standard_normal((5, 50)).T  # a saved transpose
    np.save(tmp_path / "X.npy", values)
    for shortest in (0, 8 * 50):
        monkeypatch.setattr("w2s_fast.linalg.files.plain.SHORT_STRIDE", shortest)
        found = list(MatrixFile.open(tmp_path / "X.npy", "X").blocks(7))
        assert [len(block) for block in found] == [7] * 7 + [1]
        assert np.array_equal(np.concatenate(found), values)


def test_transposes_are_probed_like_their_copies(tmp_path):
    rng = np.random.default_rng(0)
    weak, strong = rng.standard_normal((5, 300)).T, rng.standard_normal((7, 300)).T
    y = strong[:, 0] + rng.standard_normal(300)
    np.save(tmp_path / "w.npy", weak)
    np.savez(tmp_path / "s.npz", strong)
    found = probe(tmp_path / "w.npy", tmp_path / "s.npz", y, n=20, N=[30, 90], trials=3)
    plain = probe(weak.copy("C"), strong.copy("C"), y, n=20, N=[30, 90], trials=3)
    assert np.array_equal(found.w2s, plain.w2s)


@pytest.mark.parametrize("suffix", ["npy", "npz", "safetensors"])
def test_truth_values_are_labels_and_features(suffix, tmp_path):
    rng = np.random.default_rng(0)
    strong = rng.standard_normal((200, 5))
    arrays = {"y": strong[:, 0] + rng.standard_normal(200) > 0, "w": strong[:, :3] > 0}
    for name, array in arrays.items():
        path = tmp_path / f"{name}.{suffix}"
        if suffix == "safetensors":
            offsets = {"dtype": "BOOL", "shape": array.shape, "data_offsets": [0, array.size]}
            path.write_bytes(safetensors(tmp_path, {name: offsets}, array.tobytes()).read_bytes())
        else:
            (np.save if suffix == "npy" else np.savez)(path, array)
    arguments = {"n": 20, "N": 50, "trials": 2}
    found = probe(tmp_path / f"w.{suffix}", strong, tmp_path / f"y.{suffix}", **arguments)
    plain = probe(arrays["w"].astype(float), strong, arrays["y"].astype(float), **arguments)
    np.testing.assert_allclose(found.w2s, plain.w2s, rtol=1e-12)


def test_any_byte_but_0_is_true(tmp_path):
    path = safetensors(tmp_path, one(dtype="BOOL", shape=[2, 2], data_offsets=[0, 4]), bytes([0, 1, 2, 255]))
    assert next(rows_of(path, "X").blocks()).tolist() == [[0, 1], [1, 1]]
    assert MatrixFile.open(path, "X").array().astype(float).tolist() == [[0, 1], [1, 1]]
