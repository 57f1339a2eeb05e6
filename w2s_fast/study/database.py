"""SQLite under a study: one schema and no other, rows with seals, and what a killed run left beside its file.

Every row carries a checksum, since SQLite's own checks see pages but not what is in them. It covers the study and the
table too, and a row of its own says how many rows there are of each: pages of another file, or of another place, show.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import tempfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Any

from w2s_fast.linalg.files.header import one_line

PathLike = str | os.PathLike[str]
APPLICATION = 0x77327366  # "w2sf", in SQLite's header
SCHEMA = 3
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
KEYS = {"models": 1, "seeds": 1, "runs": 1, "points": 2, "trials": 3}  # columns that name a row, in tables that grow


class StudyFileError(OSError):
    """A file that is no study, damaged, of a newer version, or in use."""


class Connection(sqlite3.Connection):
    """A connection that knows how the rows of its file are sealed."""

    key = ""  # of the study, which every row but those of the table "spec" is sealed with

    def keys(self, table: str, width: int) -> list[tuple[Any, ...]]:
        """Names of the rows of a table: its first ``width`` columns."""
        columns = ", ".join(part.split()[0] for part in TABLES[table].split(", ")[:width])
        return self.execute(f"SELECT {columns} FROM {table}").fetchall()

    def hold(self) -> None:
        """Keep everybody else out until the connection is closed."""
        self.execute("PRAGMA locking_mode = EXCLUSIVE")
        self.execute("BEGIN EXCLUSIVE")
        self.execute("COMMIT")  # the lock stays

    def clear(self, name: str) -> None:
        """Fold the log into the file of that name, held alone, and remove what killed runs and their readers left."""
        self.execute("PRAGMA journal_mode = DELETE")
        for suffix in ("-shm", "-journal"):  # what of a journal mattered was taken in when the file was opened
            with suppress(OSError):
                os.unlink(name + suffix)


def statements(tables: Mapping[str, str] = TABLES) -> dict[str, str]:
    """SQL that makes each table."""
    made = {}
    for table, columns in tables.items():
        body, _, key = columns.partition(", PRIMARY KEY")
        made[table] = f"CREATE TABLE {table} ({body}, seal INTEGER{key and ', PRIMARY KEY' + key})"
    return made


def connected(name: PathLike, mode: str) -> Connection:
    uri = f"{Path(os.fsdecode(name)).absolute().as_uri()}?mode={mode}"
    return sqlite3.connect(uri, uri=True, timeout=BUSY_SECONDS, isolation_level=None, factory=Connection)


def in_memory() -> Connection:
    return sqlite3.connect(":memory:", isolation_level=None, factory=Connection)


def image_of(connection: Connection) -> bytes:
    """Return the file that a connection's content would be."""
    if hasattr(connection, "serialize"):
        return connection.serialize()
    with tempfile.TemporaryDirectory(prefix="w2s-") as scratch:  # some systems build SQLite without
        path = os.path.join(scratch, "study.sqlite")
        with closing(sqlite3.connect(path)) as copy:
            connection.backup(copy)
        return Path(path).read_bytes()


def make(connection: Connection) -> None:
    """Make the tables of a new file."""
    connection.execute(f"PRAGMA application_id = {APPLICATION}")
    connection.execute(f"PRAGMA user_version = {SCHEMA}")
    for statement in statements().values():
        connection.execute(statement)


def write(connection: Connection, table: str, *values: Any) -> None:
    holes = ", ".join("?" * (len(values) + 1))
    connection.execute(f"INSERT OR REPLACE INTO {table} VALUES ({holes})", (*values, _seal(connection, table, values)))


def rows(connection: Connection, table: str, keys: str, others: str) -> list[tuple[Any, ...]]:
    """Read a table in the order of its keys."""
    found = connection.execute(f"SELECT {keys}, {others}, seal FROM {table} ORDER BY {keys}").fetchall()
    for *values, seal in found:
        if _seal(connection, table, values) != seal:
            raise StudyFileError(f"is damaged: a row of its table {table} fails its checksum")
    return [row[:-1] for row in found]


def _seal(connection: Connection, table: str, values: Sequence[Any]) -> int:
    parts = [value if isinstance(value, bytes) else str(value).encode() for value in values]
    parts = [(connection.key if table != "spec" else "").encode(), table.encode(), *parts]
    return zlib.crc32(b"|".join(parts))


def write_totals(connection: Connection, totals: Mapping[str, int] | None = None) -> None:
    """Write how many rows each table has, and what they are sealed with: none can be missing, or another study's.

    The rows are counted where no ``totals`` are given.
    """
    if totals is None:
        totals = {table: len(set(connection.keys(table, width))) for table, width in KEYS.items()}
    write(connection, "spec", 1, json.dumps({"key": connection.key, "rows": totals}))


def require_study(connection: Connection, name: str, tables_of: Mapping[int, Mapping[str, str]]) -> int:
    """Refuse any file but one that this package made, before a row of it is read; return its schema.

    ``tables_of``: the tables of each schema that can be read.
    """
    connection.text_factory = lambda text: text.decode("utf-8", "backslashreplace")  # a flipped bit, say
    connection.execute("PRAGMA trusted_schema = OFF")
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (schema,) = connection.execute("PRAGMA user_version").fetchone()
    if application != APPLICATION:
        raise StudyFileError("is an SQLite file, but not a study")
    if schema not in tables_of:
        advice = "upgrade w2s_fast" if schema > SCHEMA else "it has no flags for fits in doubt; run it again elsewhere"
        readable = " and ".join(map(str, tables_of))
        raise StudyFileError(f"has schema {schema}, this version reads {readable}: {advice}")
    tables = tables_of[schema]
    (pages,), (size,) = (connection.execute(f"PRAGMA {what}").fetchone() for what in ("page_count", "page_size"))
    if os.path.getsize(name) < pages * size and not os.path.exists(f"{name}-wal"):  # a log may hold the last pages
        raise StudyFileError("is truncated: its last pages are missing")
    found = connection.execute("SELECT type, name, tbl_name, sql FROM sqlite_master LIMIT 100").fetchall()
    expected: list[tuple[str | None, ...]] = [("table", name, name, sql) for name, sql in statements(tables).items()]
    expected += [("index", f"sqlite_autoindex_{name}_1", name, None) for name in tables if "KEY (" in tables[name]]
    if sorted(found, key=str) != sorted(expected, key=str):
        raise StudyFileError("is damaged, or made by another program: its tables are not those of a study")
    (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if verdict != "ok":
        raise StudyFileError(f"is damaged: {verdict}")
    return int(schema)


@contextmanager
def sound() -> Iterator[None]:
    """Take whatever reading a row raises for damage."""
    try:
        yield
    except (StudyFileError, sqlite3.Error):
        raise
    except Exception as error:  # of JSON, of NumPy, of the checks of fields, of text that is none
        raise StudyFileError(f"is damaged: {one_line(error)}") from None


def require_no_logs(path: PathLike) -> None:
    """Refuse a name beside which lies the log of another file: SQLite would replay it into the new one."""
    for suffix in LOGS:
        log = os.fsdecode(path) + suffix
        if os.path.lexists(log):
            raise StudyFileError(
                f"{os.fsdecode(path)} is gone, but {log} is there: a run was killed, or goes on, whose file was "
                "deleted or moved. Put the file back, or delete the log too once no run uses it, or name another file"
            )


@contextmanager
def recovered(name: str) -> Iterator[str]:
    """Yield a study file for reading, or a copy with its log taken in where that cannot be done in place.

    What a killed run left beside the file has to be written into it, or at least indexed in a third file: neither can
    be on a disk that is full or in a folder that is read-only.
    """
    if _reads_in_place(name):
        yield name
        return
    logs = [suffix for suffix in LOGS if os.path.exists(name + suffix)]
    with ExitStack() as stack:
        try:
            copy = os.path.join(stack.enter_context(tempfile.TemporaryDirectory(prefix="w2s-")), "study.sqlite")
            for suffix in ("", *logs):
                shutil.copyfile(name + suffix, copy + suffix)
        except OSError as error:
            raise StudyFileError(
                f"was left by a run that was killed, where nothing can be written, nor is there room for a copy of it "
                f"({error}): copy {' and '.join(['it', *(name + suffix for suffix in logs)])} to a folder that has room"
            ) from None
        yield copy


def _reads_in_place(name: str) -> bool:
    with closing(connected(name, "ro")) as connection:
        try:
            with sound():
                connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF in UNWRITABLE:
                return False
            raise
    return True


@contextmanager
def explained(path: PathLike) -> Iterator[None]:
    """Say in terms of studies what SQLite reports."""
    name = os.fsdecode(path)
    try:
        yield
    except StudyFileError as error:
        raise StudyFileError(f"{name} {one_line(error)}; nothing was written to it") from None
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
        raise StudyFileError(f"{name} {' '.join(message.split())}") from error
