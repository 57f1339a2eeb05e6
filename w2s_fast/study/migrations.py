"""Study files of earlier schemas, brought to today's: one entry of a table for each schema.

A file that is only read is migrated in a copy in memory. One that a run goes on with is migrated by the run's first
transaction, so that a run that is refused leaves the file as it was.
"""

from __future__ import annotations

import json
import secrets
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from typing import Any, NamedTuple

from w2s_fast.study.database import (
    SCHEMA,
    TABLES,
    Connection,
    StudyFileError,
    in_memory,
    sound,
    write,
    write_totals,
)

KEYLESS = 2  # the last schema whose rows are sealed without a key


class Migration(NamedTuple):
    """How files of a schema are told, and brought to the schema that follows it."""

    tables: Mapping[str, str]
    apply: Callable[[Connection], None]


def plain_seal(values: Sequence[Any]) -> int:
    """Checksum of a row of schema 2, which covers its values alone."""
    parts = [value if isinstance(value, bytes) else str(value).encode() for value in values]
    return zlib.crc32(b"|".join(parts))


def _seal_with_key(connection: Connection) -> None:
    """Seal every row with the study's key and its table's name too, and note how many rows each table has."""
    connection.key = connection.key or secrets.token_hex(8)
    for table in TABLES:
        rows = connection.execute(f"SELECT * FROM {table}").fetchall()
        if table == "spec" and [row[0] for row in rows] != [0]:
            raise StudyFileError("is damaged: it holds no spec")
        for *values, seal in rows:
            if plain_seal(values) != seal:
                raise StudyFileError(f"is damaged: a row of its table {table} fails its checksum")
            write(connection, table, *values)
    write_totals(connection)


MIGRATIONS: dict[int, Migration] = {KEYLESS: Migration(TABLES, _seal_with_key)}


def tables_of() -> dict[int, Mapping[str, str]]:
    """Tables of every schema that can be read, the earliest first."""
    return {schema: migration.tables for schema, migration in sorted(MIGRATIONS.items())} | {SCHEMA: TABLES}


def migrate(connection: Connection, schema: int) -> None:
    """Bring a file of an earlier schema to today's, within the transaction that is open."""
    if KEYLESS < schema < SCHEMA:
        (totals,) = connection.execute("SELECT content FROM spec WHERE id = 1").fetchone()
        connection.key = json.loads(totals)["key"]
    for earlier in range(schema, SCHEMA):
        MIGRATIONS[earlier].apply(connection)
        connection.execute(f"PRAGMA user_version = {earlier + 1}")


@contextmanager
def migrated(connection: Connection, schema: int) -> Iterator[Connection]:
    """Yield a file of today's schema as it is, and a migrated copy in memory of an earlier one."""
    if schema == SCHEMA:
        yield connection
        return
    with closing(in_memory()) as copy:
        connection.backup(copy)
        copy.text_factory = connection.text_factory
        with sound():
            migrate(copy, schema)
        yield copy
