"""Every format gives the rows that were saved, whole, by blocks and by an index, or refuses in one line."""

import os
import shutil
import subprocess
import sys
import textwrap
from importlib.util import find_spec

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.formats import ALIKE, OF_TEXT, SUFFIXES, both, refused, save
from w2s_fast import Subspace, probe
from w2s_fast.linalg.files.header import Header
from w2s_fast.linalg.files.index import parsed, sizes, split_index, steps
from w2s_fast.linalg.files.matrix import MatrixFile
from w2s_fast.linalg.rows.sources import rows_of

RNG = np.random.default_rng(0)
X = RNG.standard_normal((40, 6))
LAYERS = RNG.standard_normal((30, 5, 4)).astype(np.float32)
WITH_AXES = [suffix for suffix in SUFFIXES if suffix not in OF_TEXT]
INDICES = ["[:,2]", "[:,-1]", "[:,:,3]", "[:, 1, ::2]", "[:,1:4,0]", "[:, -2:, -1]", "[:,0,:]", "[:,0:0,1]"]


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("dtype", ["f8", "f4", "f2", "i4", "?"])
def test_every_format_gives_the_same_rows(suffix, dtype, tmp_path):
    if (suffix in OF_TEXT and dtype != "f8") or (suffix == ".safetensors" and dtype == "?"):
        pytest.skip("not in this format")
    values = np.rint(8 * X).astype(dtype)
    path = save(tmp_path / f"X{suffix}", values)
    both(path, values)
    plain = values.astype(np.float32 if dtype in ("f2", "f4") else np.float64)
    np.testing.assert_array_equal(Subspace.fit(path, rank=2).basis, Subspace.fit(plain, rank=2).basis)


@pytest.mark.parametrize("suffix", ALIKE)
def test_other_ends_of_names_are_the_same_formats(suffix, tmp_path):
    both(save(tmp_path / f"X{suffix}", X), X)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_one_row_and_one_column_are_matrices(suffix, tmp_path):
    for shape in ((1, 3), (3, 1), (1, 1)):
        path = save(tmp_path / f"{shape[0]}{shape[1]}{suffix}", np.ones(shape))
        both(path, np.ones(shape))


@pytest.mark.parametrize("suffix", WITH_AXES)
def test_an_array_without_rows_is_read_as_one(suffix, tmp_path):
    both(save(tmp_path / f"X{suffix}", np.ones((0, 3))), np.ones((0, 3)))


@pytest.mark.parametrize("suffix", WITH_AXES)
def test_an_index_is_that_of_numpy(suffix, tmp_path):
    path = save(tmp_path / f"X{suffix}", LAYERS)
    for index in INDICES:
        both(f"{path}#{'' if suffix == '.npy' else 'X'}{index}", eval(f"LAYERS{index}"))
    both(f"{path}#[:,2]", LAYERS[:, 2])
    vector = MatrixFile.open(f"{path}#[:,2,3]", "y", (1, 2)).array()
    np.testing.assert_array_equal(vector, LAYERS[:, 2, 3])
    refused(path, "X must have 2 dimension(s), got shape (30, 5, 4)", "path#name[:,0]")
    np.testing.assert_array_equal(
        np.sort(np.concatenate([block.ravel() for block in MatrixFile.open(path, "X", (3,)).flat(50)])),
        np.sort(LAYERS.ravel()),
    )


@pytest.mark.parametrize("save_one", [np.save, lambda path, array: np.savez(path, X=array)])
def test_an_index_of_an_array_saved_by_columns(save_one, tmp_path):
    path = tmp_path / ("X.npy" if save_one is np.save else "X.npz")
    for axes in ((2, 1, 0), (0, 2, 1), (1, 0, 2)):
        values = LAYERS.transpose(axes).copy().transpose(axes)  # in Fortran order for the first
        save_one(path, values)
        for index in INDICES:
            both(f"{path}#{index}", eval(f"values{index}"))


def test_numbers_far_from_each_other_are_read_by_a_few_rows(tmp_path, monkeypatch):
    monkeypatch.setattr("w2s_fast.linalg.files.plain.PANEL_BYTES", 200)  # of rows that take 80
    for order in "CF":
        np.save(tmp_path / "X.npy", np.asarray(LAYERS, order=order))
        for index in ("[:,:,3]", "[:,::2,1]", "[:,2]", "[:,3,::3]"):
            both(f"{tmp_path}/X.npy#{index}", eval(f"LAYERS{index}"))


@pytest.mark.parametrize("suffix", WITH_AXES)
def test_all_numbers_of_a_part_of_several_axes_are_counted(suffix, tmp_path):
    """In whatever order: as inspect looks for what is not finite."""
    deep = RNG.standard_normal((9, 3, 4, 5)).astype(np.float32)
    path = save(tmp_path / f"X{suffix}", deep)
    for index in ("", "[:,1]", "[:,:2]", "[:,1:,::2]", "[:,:,1,2:]", "[:,0,1,2]"):
        file = MatrixFile.open(f"{path}#{index}", "X", (1, 2, 3, 4))
        np.testing.assert_array_equal(file.array(), eval(f"deep{index or '[:]'}"))
        for count in (1, 7, 10_000):
            found = np.concatenate([block.ravel() for block in file.flat(count)])
            np.testing.assert_array_equal(np.sort(found), np.sort(eval(f"deep{index or '[:]'}").ravel()))


@st.composite
def indexed(draw):
    """An array of some axes, and an index that NumPy takes too."""
    shape = tuple(draw(st.lists(st.integers(1, 5), min_size=2, max_size=4)))
    parts = []
    for size in shape[1 : 1 + draw(st.integers(1, len(shape) - 1))]:
        ends = st.one_of(st.just(""), st.integers(-7, 7).map(str))
        slices = st.builds("{}:{}:{}".format, ends, ends, st.integers(1, 3))
        parts.append(draw(st.one_of(st.integers(-size, size - 1).map(str), slices)))
    return np.arange(np.prod(shape), dtype=np.int64).reshape(shape), f"[:,{','.join(parts)}]"


@given(indexed(), st.booleans())
def test_sizes_and_steps_of_an_index_are_those_of_numpy(case, fortran):
    values, text = case
    values = np.asarray(values, order="F" if fortran else "C")
    expected = eval(f"values{text}")
    index = parsed(text, values.shape)
    assert sizes(values.shape, index) == expected.shape
    header = Header(values.shape, values.dtype, 0, values.nbytes, fortran=fortran)
    moved, strides = steps(header.steps, index)
    if expected.size:
        buffer = values.ravel("K")
        found = np.ndarray(expected.shape, values.dtype, buffer, offset=moved, strides=strides)
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    ("index", "words"),
    [
        ("[:,9]", "asks for 9 of an axis of 5"),
        ("[:,-6]", "asks for -6 of an axis of 5"),
        ("[:,0,0,0]", "has 4 axes, the array 3"),
        ("[:3,0]", "must begin with a colon"),
        ("[:,x]", "must have whole numbers and slices such as 2:8, got 'x'"),
        ("[:,]", "got ''"),
        ("[:,1.0]", "got '1.0'"),
        ("[:,::-1]", "got '::-1'"),
        ("[:,::0]", "got '::0'"),
        ("[:,*]", "* is for the models of a probe"),
        (f"[:,{'9' * 300}]", "asks for 999"),
        ("[0]", "there is none called '[0]'"),
    ],
)
def test_indices_that_do_not_fit_are_refused(index, words, tmp_path):
    refused(f"{save(tmp_path / 'X.npy', LAYERS)}#{index}", words)


def test_a_name_with_brackets_that_are_no_index_is_a_name(tmp_path):
    assert split_index("a[0]") == ("a[0]", "")
    np.savez(tmp_path / "X.npz", **{"a[0]": X, "b": X})
    both(f"{tmp_path}/X.npz#a[0]", X)
    both(f"{tmp_path}/X.npz#a[0][:,:3]", X[:, :3])


@pytest.mark.parametrize("suffix", [".npy", ".pt", ".h5", ".parquet"])
def test_every_layer_is_a_model_of_a_probe(suffix, tmp_path):
    path = save(tmp_path / f"states{suffix}", LAYERS, "hidden")
    y, entry = LAYERS[:, 0, 0] + RNG.standard_normal(30), "" if suffix == ".npy" else "hidden"
    settings = {"n": 10, "N": 12, "trials": 2, "test": 6}
    found = probe({"llama": f"{path}#{entry}[:,*]"}, f"{path}#{entry}[:, *, :3]", y, **settings)
    strong = entry or "strong"
    assert list(found) == [(f"llama[:,{i}]", f"{strong}[:,{j},:3]") for i in range(5) for j in range(5)]
    weak, strong = ({f"{i}": values[:, i] for i in range(5)} for values in (LAYERS, LAYERS[:, :, :3]))
    plain = probe(weak, strong, y, **settings)
    for one, other in zip(found.values(), plain.values(), strict=True):
        np.testing.assert_array_equal(one.w2s, other.w2s)


def test_stars_that_name_no_layers_are_refused(tmp_path):
    path, y = save(tmp_path / "X.npz", LAYERS), LAYERS[:, 0, 0]
    for weak, words in (
        (f"{path}#[:,*,*]", r"weak must have one \* in its index"),
        (f"{path}#[:,0,0,*]", r"weak: its index .* has 4 axes, the array 3"),
        ({"a": f"{path}#q[:,*]"}, r"weak\['a'\]: cannot read .*there is no 'q'"),
        (f"{path}#[:,*,7]", r"asks for 7 of an axis of 4"),
        ({"a": f"{path}#[:,*]", "a[:,3]": LAYERS[:, 0]}, "weak must name each model differently"),
    ):
        with pytest.raises(ValueError, match=words):
            probe(weak, X, y, n=5, N=5, trials=2)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_file_that_changes_while_it_is_read_is_refused(suffix, tmp_path):
    values = RNG.standard_normal((400, 30))
    path, other = (save(tmp_path / f"{name}{suffix}", values) for name in ("X", "other"))
    blocks = rows_of(path, "X").blocks(20)
    next(blocks)
    if path.is_dir():
        shutil.rmtree(path)
    os.replace(other, path)
    with pytest.raises(ValueError, match=rf"X{suffix}' changed while it was read") as caught:
        list(blocks)
    assert str(caught.value).count(suffix) == 1
    blocks = rows_of(path, "X").blocks(20)
    next(blocks)
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    with pytest.raises(ValueError, match=rf"X{suffix}' changed while it was read"):
        list(blocks)


@pytest.mark.parametrize("suffix", [suffix for suffix in SUFFIXES if suffix not in (".zarr", *OF_TEXT)])
def test_a_file_that_is_cut_anywhere_is_refused(suffix, tmp_path):
    path = save(tmp_path / f"X{suffix}", X)
    whole = path.read_bytes()
    messages = []
    for end in {*range(12), *np.linspace(12, len(whole) - 1, 25).astype(int).tolist()}:
        path.write_bytes(whole[:end])
        try:
            found = MatrixFile.open(path, "X").array()
        except (ValueError, OSError) as error:
            messages.append(str(error))
        else:
            assert suffix in (".arrow", ".h5"), end
            assert np.array_equal(found, X)  # what ends a stream, or nothing, was cut off
    assert len(messages) > 25
    assert all(path.name in message and "\n" not in message for message in messages)


MISSING = {".pt": "torch", ".parquet": "arrow", ".feather": "arrow", ".h5": "hdf5", ".zarr": "zarr"}


@pytest.mark.parametrize(("suffix", "extra"), MISSING.items())
def test_a_library_that_is_missing_is_named_with_its_extra(suffix, extra, tmp_path, monkeypatch):
    path = save(tmp_path / f"X{suffix}", X)
    for name in ("torch", "pyarrow.ipc", "pyarrow.parquet", "h5py", "zarr"):
        monkeypatch.setitem(sys.modules, name, None)
    refused(path, f'python -m pip install "w2s_fast[{extra}]"', error=ImportError)


MEMORY = """
    import resource, sys
    from w2s_fast.linalg.files.matrix import MatrixFile

    def resident():
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * resource.getpagesize() / 2**20  # MiB

    for name in sys.argv[1:]:
        small, large = (MatrixFile.open(f"{name.replace('*', size)}#[:,1]", "X") for size in ("small", "large"))
        assert len(list(small.blocks(2_000))) == 1
        assert large.shape == (40_000, 200)
        before = resident()
        print(max(resident() for block in large.blocks(2_000)) - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux tells what is resident")
def test_files_are_read_in_memory_for_some_blocks(tmp_path, monkeypatch):
    suffixes = [*[".pt"] * (find_spec("torch") is not None), ".parquet", ".arrow", ".h5", ".zarr"]
    values = np.random.default_rng(0).standard_normal((40_000, 2 * 200), np.float32).reshape(40_000, 2, 200)
    for suffix in suffixes:
        monkeypatch.setattr("tests.formats.ROWS_AT_ONCE", 100_000 if suffix == ".parquet" else 1_000)
        for name, part in (("small", values[:10]), ("large", values)):
            save(tmp_path / f"{name}{suffix}", part)
    program = [sys.executable, "-c", textwrap.dedent(MEMORY), *(f"{tmp_path}/*{suffix}" for suffix in suffixes)]
    done = subprocess.run(program, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = dict(zip(suffixes, map(float, done.stdout.split()), strict=True))
    assert max(found.values()) < 40, found  # of 61; a block takes 1.5, and twice that with the layer beside it
