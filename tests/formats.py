"""Arrays saved in every format that is read, under the name X where the format has names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from tests.matrices import save_safetensors
from w2s_fast.linalg.files.matrix import MatrixFile

Array = npt.NDArray[Any]
OF_TEXT = (".csv",)  # matrices of float64 alone
SUFFIXES = (
    *(".npy", ".npz", ".safetensors", ".pt", ".parquet", ".arrow", ".feather", ".h5", ".zarr", ".zip"),
    *OF_TEXT,
)
ALIKE = (".pth", ".hdf5", ".tsv")  # other ends of names
ROWS_AT_ONCE = 7  # in a record batch, a row group or a chunk


def both(where: Any, expected: Array) -> None:
    """By blocks of several heights and whole, an array in a file is what is expected."""
    file = MatrixFile.open(where, "X")
    assert file.shape == expected.shape
    for step in (4, 100):
        blocks = list(file.blocks(step))
        assert {len(block) for block in blocks[:-1]} <= {step}
        np.testing.assert_array_equal(np.concatenate(blocks), expected.astype(float))
    found = file.array()
    np.testing.assert_array_equal(found, expected)
    assert found.dtype == expected.dtype
    if file.plain is not None:
        places = np.arange(len(expected))[::-3]
        np.testing.assert_array_equal(file.plain.take(places), expected[places])


def refused(where: Any, *words: str, error: type[Exception] = ValueError, ndims: tuple[int, ...] = (2,)) -> None:
    """Refuse in one line that names the argument and the file."""
    with pytest.raises(error) as caught:
        MatrixFile.open(where, "X", ndims).array()
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 1_000
    assert str(where).partition("#")[0] in message
    for word in words:
        assert word in message, message


def save(path: Path, array: Array, name: str = "X") -> Path:
    """Write an array in the format that the end of the path says."""
    SAVE[path.suffix](path, array, name)
    return path


def save_torch(path: Path, array: Array, name: str) -> None:
    torch = pytest.importorskip("torch")
    torch.save({name: torch.from_numpy(array.copy())}, path)


def table(array: Array, name: str) -> Any:
    """One column of numbers, or of lists, within each other where there are three axes."""
    arrow = pytest.importorskip("pyarrow")
    column = arrow.array(array.reshape(-1))
    for size in array.shape[:0:-1]:
        column = arrow.FixedSizeListArray.from_arrays(column, size)
    return arrow.table({name: column})


def save_parquet(path: Path, array: Array, name: str) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    parquet.write_table(table(array, name), path, row_group_size=ROWS_AT_ONCE)


def save_arrow(path: Path, array: Array, name: str) -> None:
    """As a stream, as Hugging Face's datasets do; Feather is the file."""
    arrow, rows = pytest.importorskip("pyarrow"), table(array, name)
    new = arrow.ipc.new_file if path.suffix == ".feather" else arrow.ipc.new_stream
    with arrow.OSFile(str(path), "wb") as file, new(file, rows.schema) as writer:
        writer.write_table(rows, max_chunksize=ROWS_AT_ONCE)


def save_hdf5(path: Path, array: Array, name: str) -> None:
    with pytest.importorskip("h5py").File(path, "w") as file:
        file[name] = array


def save_zarr(path: Path, array: Array, name: str) -> None:
    zarr = pytest.importorskip("zarr")
    store = zarr.storage.ZipStore(path, mode="w") if path.suffix == ".zip" else zarr.storage.LocalStore(path)
    chunks = tuple(min(max(size, 1), ROWS_AT_ONCE) for size in array.shape)
    made = zarr.open_group(store, mode="w").create_array(name, shape=array.shape, dtype=array.dtype, chunks=chunks)
    made[...] = array
    store.close()


def save_text(path: Path, array: Array, name: str) -> None:
    np.savetxt(path, array, delimiter="," if path.suffix == ".csv" else "\t", fmt="%.17g")


SAVE = {
    ".npy": lambda path, array, name: np.save(path, array),
    ".npz": lambda path, array, name: np.savez_compressed(path, **{name: array}),
    ".safetensors": lambda path, array, name: save_safetensors(path, **{name: array}),
    ".pt": save_torch,
    ".pth": save_torch,
    ".parquet": save_parquet,
    ".arrow": save_arrow,
    ".feather": save_arrow,
    ".h5": save_hdf5,
    ".hdf5": save_hdf5,
    ".zarr": save_zarr,
    ".zip": save_zarr,
    ".csv": save_text,
    ".tsv": save_text,
}
