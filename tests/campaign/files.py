"""Files that were damaged, or forged: what is read is what was written, or the file is refused in one line."""

from __future__ import annotations

import functools
import importlib.util
import io
import json
import sqlite3
import struct
import tempfile
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tests.campaign.children import require_one_line
from tests.campaign.studies import study, table
from tests.formats import save
from w2s_fast import Gram, Study, Subspace
from w2s_fast.linalg.files.matrix import MatrixFile
from w2s_fast.linalg.rows.sources import rows_of
from w2s_fast.study import database
from w2s_fast.study.store import StudyFileError

PAGE = 4096
NUMBERS = (0, 1, -1, 2**40, 2**62, -(2**63), 0.5, float("nan"), float("inf"), 1e308)
WORDS = (None, *NUMBERS, "", "0", "3 ", "\x00", "\x1b[2J", "<script>", "x" * 10_000, "[" * 2_000)
LIBRARIES = [
    suffix
    for suffix, library in {
        **dict.fromkeys((".parquet", ".arrow", ".feather"), "pyarrow"),
        ".h5": "h5py",
        ".zip": "zarr",
        ".pt": "torch",
    }.items()
    if importlib.util.find_spec(library)
]
BLOBS = (b"", b"\xff", b"PK\x05\x06" + bytes(18), bytes(112), bytes(224))
X = np.random.default_rng(0).standard_normal((40, 6))


def damaged(rng: np.random.Generator, content: bytes, within: int | None = None) -> bytes:
    """Change a file at random: bits, ranges, pages, its end; ``within`` so many bytes of its start."""
    changed, size = bytearray(content), min(len(content), within or len(content))
    at, length = int(rng.integers(size)), int(2 ** rng.uniform(0, 12))
    match rng.integers(7):
        case 0 | 1:
            for _ in range(rng.integers(1, 9)):
                changed[int(rng.integers(size))] ^= 1 << int(rng.integers(8))
        case 2:
            changed[at : min(at + length, size)] = bytes(min(at + length, size) - at)
        case 3:
            changed[at : min(at + length, size)] = rng.bytes(min(at + length, size) - at)
        case 4:
            del changed[at : at + length]
        case 5:
            changed[at:at] = rng.bytes(length)
        case 6:
            pages = max(1, size // PAGE)
            source, target = (PAGE * int(page) for page in rng.integers(pages, size=2))
            changed[target : target + PAGE] = changed[source : source + PAGE]
    return bytes(changed)


@functools.cache
def finished(keep_trials: bool) -> tuple[bytes, Any]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "study.sqlite")
        found = study(path, keep_trials, trials=7).run(progress=False, workers=1)
        return path.read_bytes(), table(found)


def damaged_studies(rng: np.random.Generator, folder: Path) -> str:
    content, expected = finished(bool(rng.integers(2)))
    path = folder / "study.sqlite"
    path.write_bytes(damaged(rng, content))
    try:
        found = table(Study.open(path))
    except OSError as error:
        require_one_line(error, StudyFileError)
        return "refused"
    assert found == expected, "other numbers"
    return "the same numbers"


def forged_studies(rng: np.random.Generator, folder: Path) -> str:
    """Write anything in place of any value, and seal it as we do."""
    content, expected = finished(bool(rng.integers(2)))
    path = folder / "study.sqlite"
    path.write_bytes(content)
    forge(rng, path)
    try:
        found = Study.open(path)
        found.describe()
    except OSError as error:
        require_one_line(error, StudyFileError)
        return "refused"
    return "the same numbers" if table(found) == expected else "values that might be true"


def forge(rng: np.random.Generator, path: Path) -> None:
    with closing(database.connected(path, "rw")) as connection:
        connection.key = json.loads(connection.execute("SELECT content FROM spec WHERE id = 1").fetchone()[0])["key"]
        name = str(rng.choice([*database.TABLES]))
        rows = [list(row[:-1]) for row in connection.execute(f"SELECT * FROM {name}")]
        if not rows:
            return
        row = rows[int(rng.integers(len(rows)))]
        column = int(rng.integers(len(row)))
        row[column] = forged(rng, row[column])
        connection.execute(f"DELETE FROM {name}")
        for values in rows:
            with suppress(sqlite3.IntegrityError):  # SQLite does not take that as a key
                database.write(connection, name, *values)
        if name != "spec":
            database.write_totals(connection)


def forged(rng: np.random.Generator, value: Any) -> Any:
    """Something else in place of a value: of a part of it, where it is JSON."""
    if isinstance(value, str) and value[:1] == "{" and rng.random() < 0.9:
        return json.dumps(forged_part(rng, json.loads(value)))
    if isinstance(value, bytes) and rng.random() < 0.5:
        return damaged(rng, value)
    words = (*WORDS, *BLOBS)
    return words[int(rng.integers(len(words)))]


def forged_part(rng: np.random.Generator, value: Any) -> Any:
    if isinstance(value, dict) and value and rng.random() < 0.9:
        key = str(rng.choice([*value]))
        return value | {key: forged_part(rng, value[key])}
    if isinstance(value, list) and value and rng.random() < 0.7:
        place = int(rng.integers(len(value)))
        return [*value[:place], forged_part(rng, value[place]), *value[place + 1 :]]
    return WORDS[int(rng.integers(len(WORDS)))]


def as_npy(array: npt.NDArray[Any]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def as_npz(array: npt.NDArray[Any], compressed: bool) -> bytes:
    buffer = io.BytesIO()
    (np.savez_compressed if compressed else np.savez)(buffer, X=array)
    return buffer.getvalue()


def as_safetensors(array: npt.NDArray[Any]) -> bytes:
    header = {"X": {"dtype": "F64", "shape": list(array.shape), "data_offsets": [0, array.nbytes]}}
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + array.tobytes()


def read_by(reader: int, path: Path) -> npt.NDArray[Any]:
    """The matrix in a file, by one of the ways that it is read."""
    if reader == 0:
        return np.concatenate(list(rows_of(path, "X").blocks()))
    if reader == 1:
        return np.asarray(MatrixFile.open(path, "X").array())
    return Subspace.fit(path, rank=1).basis


def damaged_matrices(rng: np.random.Generator, folder: Path) -> str:
    """Damage a file of features: all of one with checksums, of the others the header."""
    suffix = str(rng.choice(["npy", "npz", "safetensors"]))
    content = {
        "npy": lambda: as_npy(X),
        "npz": lambda: as_npz(X, bool(rng.integers(2))),
        "safetensors": lambda: as_safetensors(X),
    }[suffix]()
    path, reader = folder / f"X.{suffix}", int(rng.integers(3))
    path.write_bytes(content)
    whole = read_by(reader, path)
    header = None if suffix == "npz" else len(content) - X.nbytes
    path.write_bytes(damaged(rng, content, header))
    try:
        found = read_by(reader, path)
    except (ValueError, OSError) as error:
        require_one_line(error, ValueError, OSError)
        return f"{suffix}: refused"
    if found.shape == whole.shape and np.array_equal(found, whole):
        return f"{suffix}: the same numbers"
    assert suffix != "npz", "other numbers"
    if reader < 2:
        assert np.array_equal(found, obvious(path), equal_nan=True), "other numbers than the header says"
    return f"{suffix}: what its header says now"


def obvious(path: Path) -> npt.NDArray[Any]:
    """The matrix that the header of a .npy or .safetensors file describes, read in the plainest way."""
    content = path.read_bytes()
    if path.suffix == ".npy":
        return np.asarray(np.load(path, allow_pickle=False), np.float64)
    (size,) = struct.unpack("<Q", content[:8])
    (tensor,) = (value for key, value in json.loads(content[8 : 8 + size]).items() if key != "__metadata__")
    dtype = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BOOL": "?", "I64": "<i8", "U64": "<u8"}[tensor["dtype"]]
    first, last = tensor["data_offsets"]
    found = np.frombuffer(content[8 + size :][first:last], dtype).reshape(tensor["shape"])
    return np.asarray(found, np.float64)


def damaged_tables(rng: np.random.Generator, folder: Path) -> str:
    """Damage a file that a library of its own reads; of those without checksums numbers may be others."""
    suffix = str(rng.choice(LIBRARIES))
    path, reader = save(folder / f"X{suffix}", X), int(rng.integers(2))
    whole = read_by(reader, path)
    path.write_bytes(damaged(rng, path.read_bytes()))
    try:
        found = read_by(reader, path)
    except (ValueError, OSError, MemoryError) as error:
        require_one_line(error, ValueError, OSError, MemoryError)
        return f"{suffix}: refused"
    same = found.shape == whole.shape and np.array_equal(found, whole)
    return f"{suffix}: {'the same numbers' if same else 'what it says now'}"


def damaged_grams(rng: np.random.Generator, folder: Path) -> str:
    path, gram = folder / "gram.npz", Gram(centred=bool(rng.integers(2))).update(X, X[:, 0])
    gram.save(path)
    path.write_bytes(damaged(rng, path.read_bytes()))
    try:
        found = Gram.load(path)
    except (ValueError, OSError) as error:
        require_one_line(error, ValueError, OSError)
        return "refused"
    assert np.array_equal(found.xtx, gram.xtx), "other numbers"
    assert np.array_equal(found.xty, gram.xty), "other numbers"
    return "the same numbers"


ATTACKS = {
    "damaged studies": damaged_studies,
    "forged studies": forged_studies,
    "damaged matrices": damaged_matrices,
    "damaged tables": damaged_tables,
    "damaged Gram matrices": damaged_grams,
}
