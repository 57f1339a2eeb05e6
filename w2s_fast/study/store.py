"""A study in one SQLite file.

A run holds the file to itself and commits each chunk of trials with the moments it led to, so that whatever moment a
process dies at, the file holds whole chunks (a write-ahead log makes a commit cost 10 microseconds; the log is the
file's neighbour NAME-wal until the run ends or the file is next opened). Every row carries a checksum, since SQLite's
own checks see pages but not what is in them.
"""

from __future__ import annotations

import io
import itertools
import json
import os
import shutil
import sqlite3
import tempfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from w2s_fast._files import whole_file
from w2s_fast.linalg.moments import Moments
from w2s_fast.model.gaussian import GaussianModel
from w2s_fast.study.record import Record
from w2s_fast.study.setting import Chunk, Setting

PathLike = str | os.PathLike[str]
APPLICATION = 0x77327366  # "w2sf", in SQLite's header
SCHEMA = 2
SMALLEST = 512  # bytes; SQLite takes less for a new file
LOGS = ("-wal", "-journal")  # neighbours of a file whose run was killed, without which it is not whole
UNWRITABLE = (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL)
BUSY_SECONDS = 1.0  # readers hold a file for less
TABLES = {
    "spec": "id INTEGER PRIMARY KEY, content TEXT",
    "models": "setting INTEGER PRIMARY KEY, arrays BLOB",
    "seeds": "seed INTEGER PRIMARY KEY, trials INTEGER",
    "runs": "run INTEGER PRIMARY KEY, content TEXT",
    "points": "seed INTEGER, place INTEGER, trials INTEGER, moments BLOB, PRIMARY KEY (seed, place)",
    "trials": "seed INTEGER, place INTEGER, first INTEGER, risks BLOB, PRIMARY KEY (seed, place, first)",
}


class StudyFileError(OSError):
    """A file that is no study, damaged, of a newer version, or in use."""


@dataclass(frozen=True)
class Spec:
    """What a study is, apart from its seeds and how many trials each has."""

    title: str
    n: list[int]
    N: list[int]
    settings: list[dict[str, Any]]
    columns: list[str]  # names of the values that a trial has
    keep_trials: bool

    def differences(self, other: Spec) -> list[str]:
        """Name what makes another study of ``other``; titles do not, nor rounding in what is derived from data."""
        found = [name for name in ("n", "N", "keep_trials") if getattr(self, name) != getattr(other, name)]
        mine, theirs = ([(s["sha256"], s["ridge"], s.get("method")) for s in spec.settings] for spec in (self, other))
        if mine != theirs:
            names = ("kind", "d_weak", "d_strong", "d_shared", "noise_variance", "ridge", "method", "rows")
            values = ([{s.get(name) for s in spec.settings} for name in names] for spec in (self, other))
            differing = [name for name, *pair in zip(names, *values, strict=True) if pair[0] != pair[1]]
            found += differing or ["the data"]
        return found


class Store:
    """An open study file; see :func:`opened`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._logging = False
        rows = self._rows("spec", "id", "content")
        if not rows:
            raise StudyFileError("is damaged: it holds no spec")
        self.spec = Spec(**json.loads(rows[0][1]))

    def settings(self) -> list[Setting]:
        """Settings with the Gaussian models built anew; real features are not in the file."""
        arrays = dict(self._rows("models", "setting", "arrays"))
        return [_restored(about, arrays.get(index)) for index, about in enumerate(self.spec.settings)]

    def seeds(self) -> dict[int, int]:
        """Trials wanted of each seed."""
        return dict(self._rows("seeds", "seed", "trials"))

    def runs(self) -> list[dict[str, Any]]:
        return [json.loads(content) for _, content in self._rows("runs", "run", "content")]

    def record(self) -> Record:
        """Read all that was measured."""
        columns = self.spec.columns
        record = Record(len(self.spec.settings) * len(self.spec.n), columns, self.spec.keep_trials)
        for seed in self.seeds():
            record.require(seed)
        for seed, place, trials, blob in self._rows("points", "seed, place", "trials, moments"):
            mean, m2 = np.frombuffer(blob, "<f8").reshape(2, len(columns))
            record.require(seed)[place] = Moments.of_state(trials, mean, m2)
        if record.kept is not None:
            for seed, place, _, blob in self._rows("trials", "seed, place, first", "risks"):
                record.kept[seed][place].append(np.frombuffer(blob, "<f8").reshape(-1, len(columns)))
        return record

    def copy(self, path: PathLike) -> None:
        """Copy the file, what its log holds included, over an empty one."""
        target = sqlite3.connect(path)
        self._connection.backup(target)
        target.close()

    def save_seeds(self, seeds: dict[int, int]) -> None:
        """Write how many trials are wanted of each seed."""
        with self._transaction():
            self._write_seeds(seeds)

    def save_chunk(self, seed: int, chunk: Chunk, record: Record, runs: Sequence[dict[str, Any]]) -> None:
        """Write a chunk that ``record`` has taken in and the last of the runs, both or neither."""
        with self._transaction():
            _write(self._connection, "runs", len(runs) - 1, json.dumps(runs[-1]))
            for place, first, values in chunk:
                self._write_moments(seed, place, record.moments[seed][place])
                if record.kept is not None:
                    _write(self._connection, "trials", seed, place, first, _blob(values))

    def save_merged(self, seeds: dict[int, int], other: Record, runs: Sequence[dict[str, Any]]) -> None:
        """Write the seeds of another record and all runs, or nothing."""
        with self._transaction():
            self._write_seeds(seeds)
            for number, run in enumerate(runs):
                _write(self._connection, "runs", number, json.dumps(run))
            for seed, place in itertools.product(other.moments, range(other.places)):
                self._write_moments(seed, place, other.moments[seed][place])
                if self.spec.keep_trials and other.kept is not None and other.kept[seed][place]:
                    _write(self._connection, "trials", seed, place, 0, _blob(np.concatenate(other.kept[seed][place])))

    def finish(self) -> None:
        """Fold the log into the file."""
        if self._logging:
            self._connection.execute("PRAGMA journal_mode = DELETE")

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        if not self._logging:  # put off until there is something to write
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = NORMAL")
            self._logging = True
        self._connection.execute("BEGIN IMMEDIATE")
        with self._connection:  # commits, or rolls back
            yield

    def _write_seeds(self, seeds: dict[int, int]) -> None:
        for seed, trials in seeds.items():
            _write(self._connection, "seeds", seed, trials)

    def _write_moments(self, seed: int, place: int, moments: Moments) -> None:
        if moments.count:
            blob = _blob(np.concatenate((moments.mean, moments.m2)))
            _write(self._connection, "points", seed, place, moments.count, blob)

    def _rows(self, table: str, keys: str, others: str) -> list[tuple[Any, ...]]:
        """Read a table in the order of its keys."""
        rows = self._connection.execute(f"SELECT {keys}, {others}, seal FROM {table} ORDER BY {keys}").fetchall()
        for *values, seal in rows:
            if _seal(values) != seal:
                raise StudyFileError(f"is damaged: a row of its table {table} fails its checksum")
        return [row[:-1] for row in rows]


def create(path: PathLike, spec: Spec, settings: Sequence[Setting], seeds: dict[int, int]) -> None:
    """Make a study file without results; it appears whole, and never in the place of another."""
    with whole_file(path, replace=False) as temporary, _explained(path):
        connection = sqlite3.connect(temporary, isolation_level=None)
        try:
            connection.execute(f"PRAGMA application_id = {APPLICATION}")
            connection.execute(f"PRAGMA user_version = {SCHEMA}")
            for table, columns in TABLES.items():
                body, _, key = columns.partition(", PRIMARY KEY")
                connection.execute(f"CREATE TABLE {table} ({body}, seal INTEGER{key and ', PRIMARY KEY' + key})")
            _write(connection, "spec", 0, json.dumps(asdict(spec)))
            for index, setting in enumerate(settings):
                if isinstance(setting.source, GaussianModel):
                    _write(connection, "models", index, _packed(setting.source))
            for seed, trials in seeds.items():
                _write(connection, "seeds", seed, trials)
        finally:
            connection.close()


@contextmanager
def opened(path: PathLike, *, write: bool = False) -> Iterator[Store]:
    """Open and check a study file; for writing, hold it alone."""
    name = os.fsdecode(path)
    if not os.path.exists(name):
        raise FileNotFoundError(f"there is no study file {name}")
    if os.path.isfile(name) and os.path.getsize(name) < SMALLEST:
        raise StudyFileError(f"{name} is empty or nearly so, not a study: it may be truncated; name another file")
    with _explained(path), nullcontext(name) if write else _recovered(name) as found:
        connection = _connected(found, "ro" if found == name and not write else "rw")
        try:
            if write:
                connection.execute("PRAGMA locking_mode = EXCLUSIVE")
                connection.execute("BEGIN EXCLUSIVE")
                connection.execute("COMMIT")  # the lock stays
            _check_file(connection, found)
            store = Store(connection)
            yield store
            store.finish()
        finally:
            connection.close()


def _connected(name: str, mode: str) -> sqlite3.Connection:
    uri = f"{Path(name).absolute().as_uri()}?mode={mode}"
    return sqlite3.connect(uri, uri=True, timeout=BUSY_SECONDS, isolation_level=None)


@contextmanager
def _recovered(name: str) -> Iterator[str]:
    """Yield a study file for reading, or a copy with its log taken in where that cannot be done in place.

    What a killed run left beside the file has to be written into it, or at least indexed in a third file: neither can
    be on a disk that is full or in a folder that is read-only.
    """
    logs = [suffix for suffix in LOGS if os.path.exists(name + suffix)]
    if not logs or _reads_in_place(name):
        yield name
        return
    with ExitStack() as stack:
        try:
            copy = os.path.join(stack.enter_context(tempfile.TemporaryDirectory(prefix="w2s-")), "study.sqlite")
            for suffix in ("", *logs):
                shutil.copyfile(name + suffix, copy + suffix)
        except OSError as error:
            raise StudyFileError(
                f"was left by a run that was killed, where nothing can be written, nor is there room for a copy of it "
                f"({error}): copy it and {', '.join(name + suffix for suffix in logs)} to a folder that has room"
            ) from None
        yield copy


def _reads_in_place(name: str) -> bool:
    with closing(_connected(name, "ro")) as connection:
        try:
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF in UNWRITABLE:
                return False
            raise
    return True


def _check_file(connection: sqlite3.Connection, name: str) -> None:
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (schema,) = connection.execute("PRAGMA user_version").fetchone()
    if application != APPLICATION:
        raise StudyFileError("is an SQLite file, but not a study")
    if schema != SCHEMA:
        advice = "upgrade w2s_fast" if schema > SCHEMA else "it has no flags for fits in doubt; run it again elsewhere"
        raise StudyFileError(f"has schema {schema}, this version reads {SCHEMA}: {advice}")
    (pages,), (size,) = (connection.execute(f"PRAGMA {what}").fetchone() for what in ("page_count", "page_size"))
    if os.path.getsize(name) < pages * size and not os.path.exists(f"{name}-wal"):  # a log may hold the last pages
        raise StudyFileError("is truncated: its last pages are missing")
    (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if verdict != "ok":
        raise StudyFileError(f"is damaged: {verdict}")


@contextmanager
def _explained(path: PathLike) -> Iterator[None]:
    """Say in terms of studies what SQLite reports."""
    name = os.fsdecode(path)
    try:
        yield
    except StudyFileError as error:
        raise StudyFileError(f"{name} {error}; nothing was written to it") from None
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code == sqlite3.SQLITE_BUSY:
            message = "is in use by another run: wait for it to end, or name another file"
        elif code == sqlite3.SQLITE_NOTADB:
            message = "is not a study file"
        elif code in UNWRITABLE[:2] or (code in UNWRITABLE and not os.access(os.path.dirname(name) or ".", os.W_OK)):
            message = f"cannot be written to ({error}): give yourself the right to write it and its folder, or copy it"
        elif code == sqlite3.SQLITE_CORRUPT:
            message = f"is damaged or truncated: {error}"
        else:
            message = f"cannot be used: {error}"
        raise StudyFileError(f"{name} {message}") from error


def _blob(values: npt.NDArray[np.float64]) -> bytes:
    return values.astype("<f8").tobytes()


def _write(connection: sqlite3.Connection, table: str, *values: Any) -> None:
    holes = ", ".join("?" * (len(values) + 1))
    connection.execute(f"INSERT OR REPLACE INTO {table} VALUES ({holes})", (*values, _seal(values)))


def _seal(values: Sequence[Any]) -> int:
    return zlib.crc32(b"|".join(v if isinstance(v, bytes) else str(v).encode() for v in values))


def _packed(model: GaussianModel) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, target=model.target, weak=model.weak, strong=model.strong)
    return buffer.getvalue()


def _restored(about: dict[str, Any], arrays: bytes | None) -> Setting:
    if arrays is None:
        return Setting(None, about)
    with np.load(io.BytesIO(arrays), allow_pickle=False) as data:
        return Setting(GaussianModel(**data, noise_variance=about["noise_variance"]), about)
