"""A study in one SQLite file.

A run holds the file to itself and commits each chunk of trials with the moments it led to, so that whatever moment a
process dies at, the file holds whole chunks (a write-ahead log makes a commit cost 10 microseconds; the log is the
file's neighbour NAME-wal until the run ends or the file is next opened).
"""

from __future__ import annotations

import itertools
import json
import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, nullcontext
from typing import Any

import numpy as np
import numpy.typing as npt

from w2s_fast._files import whole_file
from w2s_fast.linalg.accumulate.moments import LARGEST_EXACT, Moments
from w2s_fast.study import fields
from w2s_fast.study.database import (
    KEYS,
    SCHEMA,
    SMALLEST,
    Connection,
    PathLike,
    StudyFileError,
    connected,
    explained,
    image_of,
    in_memory,
    make,
    recovered,
    require_no_logs,
    require_study,
    rows,
    sound,
    write,
    write_totals,
)
from w2s_fast.study.measured import Measured
from w2s_fast.study.migrations import migrate, migrated, tables_of
from w2s_fast.study.scenarios import kind_named
from w2s_fast.study.source import Chunk, Source
from w2s_fast.study.spec import Spec

Totals = dict[str, Any]


class Store:
    """An open study file; see :func:`opened`."""

    def __init__(self, connection: Connection, name: str, current: Connection, schema: int = SCHEMA) -> None:
        """Take the file's connection, and one to its content in today's schema, which are the same for most files."""
        self._connection, self._current, self._name = connection, current, os.path.abspath(name)
        self._schema = schema
        self._file = self._identity()
        self._logging = False
        self._fresh: dict[str, set[tuple[Any, ...]]] = {table: set() for table in KEYS}  # keys of rows not yet there
        with sound():
            found = self._rows("spec", "id", "content")
            if len(found) != 2:
                raise StudyFileError("is damaged: it holds no spec")
            (_, content), (_, totals) = found
            self.spec = Spec.from_json(content)
            self._keys = {table: set(current.keys(table, KEYS[table])) for table in KEYS}
            self._take_totals(json.loads(totals))

    def _take_totals(self, totals: Totals) -> None:
        self._current.key = fields.text(totals["key"], "key")
        for table, keys in self._keys.items():
            if totals["rows"][table] != len(keys):
                raise StudyFileError(f"is damaged: rows of its table {table} are missing, or there are too many")

    def scenarios(self) -> list[Source]:
        """Scenarios with what the file keeps of their data; a source may need to be given again."""
        with sound():
            kept = dict(self._rows("models", "setting", "arrays"))
            if kept and list(kept) != list(range(len(self.spec.scenarios))):
                raise ValueError("its models are not those of its settings")
            described = enumerate(self.spec.scenarios)
            return [kind_named(about.kind).restored(about, kept.get(index)) for index, about in described]

    def seeds(self) -> dict[int, int]:
        """Trials wanted of each seed."""
        with sound():
            found = self._rows("seeds", "seed", "trials")
            if not 0 < len(found) * self.spec.places <= fields.MOST_PLACES:
                raise ValueError(f"it has {len(found):,} seeds")
            seeds = {fields.whole(seed, "seed"): fields.whole(trials, "trials", 1) for seed, trials in found}
            if sum(seeds.values()) > LARGEST_EXACT:
                raise ValueError(f"it wants {sum(seeds.values()):,} trials")
            return seeds

    def runs(self) -> list[dict[str, Any]]:
        with sound():
            found = self._rows("runs", "run", "content")
            if [number for number, _ in found] != list(range(len(found))):
                raise ValueError("some of its runs are missing")
            return [fields.run(content) for _, content in found]

    def measured(self) -> Measured:
        """Read all that was measured."""
        columns, seeds = self.spec.columns, self.seeds()
        measured = Measured(self.spec.places, columns, self.spec.keep_trials)
        for seed in seeds:
            measured.require(seed)
        with sound():
            points = self._rows("points", "seed, place", "trials, moments")
            if points and not self._keys["runs"]:
                raise ValueError("it has results of no run")
            for seed, place, trials, blob in points:
                fields.place(seed, place, seeds, self.spec.places)
                mean, m2 = fields.values(blob, columns, "moments")
                if np.any(m2 < 0):
                    raise ValueError("squares of its moments are below 0")
                if fields.whole(trials, "trials", 1) > seeds[seed]:
                    raise ValueError(f"it has {trials:,} trials where {seeds[seed]:,} are wanted")
                measured.require(seed)[place] = Moments.of_state(trials, mean, m2)
            self._read_trials(measured, seeds)
        return measured

    def _read_trials(self, measured: Measured, seeds: dict[int, int]) -> None:
        """Read every trial, where they are kept: as many as went into the moments, one after the other."""
        for seed, place, first, blob in self._rows("trials", "seed, place, first", "risks"):
            fields.place(seed, place, seeds, self.spec.places)
            if measured.kept is None or first != sum(map(len, measured.kept[seed][place])):
                raise ValueError("its trials are not one after the other")
            measured.kept[seed][place].append(fields.values(blob, self.spec.columns, "risks"))
        for seed, places in (measured.kept or {}).items():
            if [sum(map(len, chunks)) for chunks in places] != measured.done(seed):
                raise ValueError("its trials are not as many as its moments say")

    def save_seeds(self, seeds: dict[int, int]) -> None:
        """Write how many trials are wanted of each seed."""
        with self._transaction():
            self._write_seeds(seeds)

    def save_chunk(self, seed: int, chunk: Chunk, measured: Measured, runs: Sequence[dict[str, Any]]) -> None:
        """Write a chunk that ``measured`` has taken in and the last of the runs, both or neither."""
        with self._transaction():
            self._put("runs", len(runs) - 1, json.dumps(runs[-1]))
            for place, first, values in chunk:
                self._write_moments(seed, place, measured.moments[seed][place])
                if measured.kept is not None:
                    self._put("trials", seed, place, first, _blob(values))

    def save_merged(self, seeds: dict[int, int], other: Measured, runs: Sequence[dict[str, Any]]) -> None:
        """Write the seeds of another study, what it measured and all runs, or nothing."""
        with self._transaction():
            self._write_seeds(seeds)
            for number, run in enumerate(runs):
                self._put("runs", number, json.dumps(run))
            for seed, place in itertools.product(other.moments, range(other.places)):
                self._write_moments(seed, place, other.moments[seed][place])
                if self.spec.keep_trials and other.kept is not None and other.kept[seed][place]:
                    self._put("trials", seed, place, 0, _blob(np.concatenate(other.kept[seed][place])))

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        if not self._logging:  # put off until there is something to write
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = NORMAL")
            self._logging = True
        if self._identity() != self._file:
            raise FileNotFoundError(
                f"{self._name} was deleted or replaced while a run went on into it: what it did since is lost"
            )
        self._fresh = {table: set() for table in KEYS}
        self._connection.execute("BEGIN IMMEDIATE")
        with self._connection:  # commits, or rolls back
            self._connection.key = self._current.key
            migrate(self._connection, self._schema)
            yield
            totals = {table: len(keys) + len(self._fresh[table]) for table, keys in self._keys.items()}
            write_totals(self._connection, totals)
        self._schema, self._current = SCHEMA, self._connection
        for table, keys in self._fresh.items():
            self._keys[table] |= keys

    def _put(self, table: str, *values: Any) -> None:
        write(self._connection, table, *values)
        key = values[: KEYS[table]]
        if key not in self._keys[table]:
            self._fresh[table].add(key)

    def _identity(self) -> tuple[int, int] | None:
        try:
            status = os.stat(self._name)
        except FileNotFoundError:
            return None
        return status.st_dev, status.st_ino

    def _write_seeds(self, seeds: dict[int, int]) -> None:
        for seed, trials in seeds.items():
            self._put("seeds", seed, trials)

    def _write_moments(self, seed: int, place: int, moments: Moments) -> None:
        if moments.count:
            blob = _blob(np.concatenate((moments.mean, moments.m2)))
            self._put("points", seed, place, moments.count, blob)

    def _rows(self, table: str, keys: str, others: str) -> list[tuple[Any, ...]]:
        return rows(self._current, table, keys, others)


def create(
    path: PathLike,
    spec: Spec,
    scenarios: Sequence[Source],
    seeds: dict[int, int],
    measured: Measured,
    runs: Sequence[dict[str, Any]],
) -> None:
    """Make a study file of what ``measured`` holds, the results of ``runs``.

    It appears whole, and never in the place of another.
    """
    require_no_logs(path)
    content = spec.to_json()
    kept = {index: stored for index, scenario in enumerate(scenarios) if (stored := scenario.stored()) is not None}
    with explained(path), closing(in_memory()) as connection:
        make(connection)
        connection.key = secrets.token_hex(8)
        write(connection, "spec", 0, content)
        for index, stored in kept.items():
            write(connection, "models", index, stored)
        write_totals(connection, dict.fromkeys(KEYS, 0) | {"models": len(kept)})
        Store(connection, ":memory:", connection).save_merged(seeds, measured, runs)
        image = image_of(connection)
    with whole_file(path, replace=False) as file:
        file.write(image)


@contextmanager
def opened(path: PathLike, *, write: bool = False) -> Iterator[Store]:
    """Open and check a study file; for writing, hold it alone."""
    name = os.fsdecode(path)
    if not os.path.exists(name):
        raise FileNotFoundError(f"there is no study file {name}")
    if not os.path.isfile(name):  # a pipe would be waited for
        raise StudyFileError(f"{name} cannot be used: it is a folder or a device, not a file")
    if os.path.getsize(name) < SMALLEST:
        raise StudyFileError(f"{name} is empty or nearly so, not a study: it may be truncated; name another file")
    with (
        explained(path),
        nullcontext(name) if write else recovered(name) as found,
        closing(connected(found, "rw" if write or found != name else "ro")) as connection,
    ):
        if write:
            connection.hold()
        with sound():
            schema = require_study(connection, found, tables_of())
        with migrated(connection, schema) as current:
            yield Store(connection, found, current, schema)
        if write:
            connection.clear(found)


def _blob(values: npt.NDArray[np.float64]) -> bytes:
    return values.astype("<f8").tobytes()
