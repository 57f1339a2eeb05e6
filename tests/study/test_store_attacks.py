"""Study files under attack: logs of others, pages out of place, and files that somebody made to be opened."""

import json
import os
import shutil
import sqlite3
from contextlib import closing
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest

from tests.studies import features, killed, made, table
from w2s_fast import Study
from w2s_fast.study import database, fields, migrations, store
from w2s_fast.study.store import StudyFileError
from w2s_fast.study.study import merge_files


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A finished study that keeps its trials."""
    return made(tmp_path_factory.mktemp("whole") / "study.sqlite", keep_trials=True).run(progress=False)


@pytest.fixture
def path(whole, tmp_path):
    return Path(shutil.copy(whole.path, tmp_path / "study.sqlite"))


def refused(path, words=None):
    with pytest.raises(StudyFileError, match=words) as caught:
        Study.open(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    before = os.path.isfile(path) and Path(path).read_bytes()
    with pytest.raises((StudyFileError, ValueError), match=words):  # or another study, by what it says
        made(path, keep_trials=True, trials=9).run(progress=False)
    assert before == (os.path.isfile(path) and Path(path).read_bytes())


def test_a_log_without_its_file_is_not_replayed_into_another(tmp_path):
    path = killed(tmp_path / "killed", tmp_path / "study.sqlite")
    path.unlink()
    log = Path(f"{path}-wal").read_bytes()
    for action in (made(path, seed=4).run, lambda: merge_files([tmp_path / "study.sqlite"], path)):
        with pytest.raises(StudyFileError, match=r"study.sqlite is gone, but .*study.sqlite-wal is there"):
            action()
        assert [file.name for file in path.parent.iterdir()] == ["study.sqlite-wal"]
    assert Path(f"{path}-wal").read_bytes() == log
    Path(f"{path}-wal").unlink()
    Path(f"{path}-journal").touch()
    with pytest.raises(StudyFileError, match=r"study.sqlite-journal is there"):
        made(path, seed=4).run(progress=False)


@pytest.mark.parametrize("changes", [{"seed": 4}, {"trials": 30}, {"ridge": [0.0, 0.6]}, {"keep_trials": True}])
def test_a_log_beside_another_file_gives_no_row_of_that(changes, tmp_path):
    left = killed(tmp_path / "killed", tmp_path / "study.sqlite")
    other = made(tmp_path / "other.sqlite", **changes).run(progress=False)
    expected = table(other)
    shutil.copy(other.path, left)  # its log stays
    try:
        found = Study.open(left)
    except StudyFileError:
        return
    assert table(found) in (expected, table(Study.open(tmp_path / "study.sqlite")))


def test_a_run_whose_file_is_deleted_or_replaced_stops(tmp_path):
    path = tmp_path / "study.sqlite"

    def delete(done, total):
        if done == 21:
            path.unlink()

    with pytest.raises(FileNotFoundError, match=r"study.sqlite was deleted or replaced while a run went on"):
        made(path).run(delete)
    with pytest.raises(StudyFileError, match=r"study.sqlite is gone, but .*-wal is there"):
        made(path, seed=4).run(progress=False)
    Path(f"{path}-wal").unlink()
    made(path, seed=4).run(progress=False)

    def replace(done, total):
        if done > 16 * 7:
            os.replace(shutil.copy(path, tmp_path / "copy"), path)

    with pytest.raises(FileNotFoundError, match=r"study.sqlite was deleted or replaced"):
        made(path, seed=4, trials=9).run(replace)


def test_a_page_in_the_place_of_another_shows(path, whole):
    content = path.read_bytes()
    size = int.from_bytes(content[16:18], "big")
    pages = [content[first : first + size] for first in range(0, len(content), size)]
    expected, messages = table(whole), []
    for source, target in permutations(range(len(pages)), 2):
        changed = list(pages)
        changed[target] = pages[source]
        path.write_bytes(b"".join(changed))
        try:
            study = Study.open(path)
        except StudyFileError as error:
            messages.append(str(error))
            continue
        assert table(study) == expected
        assert (study.runs, study.seeds) == (whole.runs, whole.seeds)
        assert np.array_equal(study.result.w2s, whole.result.w2s)
    assert len(messages) > len(pages) * (len(pages) - 1) // 2
    assert not any("\n" in message for message in messages)


def test_files_of_the_schema_before_are_read_and_gone_on_with(path, whole, tmp_path):
    as_before(path)
    before = path.read_bytes()
    with pytest.raises(ValueError, match="holds another study: not the same N; nothing was changed"):
        made(path, N=[9, 31], keep_trials=True).run(progress=False)
    assert table(Study.open(path)) == table(whole)
    assert path.read_bytes() == before
    assert np.array_equal(Study.open(path).result.w2s, whole.result.w2s)
    more = made(path, keep_trials=True, trials=9).run(progress=False)
    assert table(Study.open(path)) == table(more) == table(made(trials=9).run(progress=False))
    merge_files([path, made(tmp_path / "other", seed=1, keep_trials=True).run(progress=False).path], tmp_path / "both")
    assert Study.open(tmp_path / "both").seeds == {1: 7, 3: 9}


def test_files_of_the_schema_before_are_of_this_one_once_they_are_written_to(path, whole):
    as_before(path)
    made(path, keep_trials=True, trials=9).run(progress=False)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (database.SCHEMA,)
        assert connection.execute("SELECT count(*) FROM spec").fetchone() == (2,)


@pytest.mark.parametrize("name", ["models", "seeds", "runs", "points", "trials"])
def test_a_damaged_row_of_the_schema_before_is_told(name, path):
    as_before(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(f"UPDATE {name} SET seal = seal + 1 WHERE rowid = (SELECT min(rowid) FROM {name})")
    refused(path, f"is damaged: a row of its table {name} fails its checksum")


def test_a_later_schema_is_one_function_more(path, whole, monkeypatch):
    """Schema 4 of this test writes every run anew; 2 and 3 are read and gone on with."""
    written = []

    def note(connection):
        for number, content in database.rows(connection, "runs", "run", "content"):
            database.write(connection, "runs", number, json.dumps(json.loads(content) | {"noted": True}))
        written.append(connection)

    for module in (database, migrations, store):
        monkeypatch.setattr(module, "SCHEMA", 4)
    monkeypatch.setitem(migrations.MIGRATIONS, 3, migrations.Migration(database.TABLES, note))
    expected = table(made(trials=9).run(progress=False))
    for before in (2, 3):
        shutil.copy(whole.path, path)
        if before == 2:
            as_before(path)
        assert table(Study.open(path)) == table(whole)
        made(path, keep_trials=True, trials=9).run(progress=False)
        assert table(Study.open(path)) == expected
        assert Study.open(path).runs[0]["noted"]
    assert len(written) == 8  # a file once, and a copy for each time that it was read before


def as_before(path):
    """Make schema 2 of a file."""
    with closing(database.connected(path, "rw")) as connection:
        connection.execute("DELETE FROM spec WHERE id = 1")
        connection.execute("PRAGMA user_version = 2")
        for name in database.TABLES:
            for row in connection.execute(f"SELECT * FROM {name}").fetchall():
                holes = ", ".join("?" * len(row))
                sealed = (*row[:-1], migrations.plain_seal(row[:-1]))
                connection.execute(f"INSERT OR REPLACE INTO {name} VALUES ({holes})", sealed)


@pytest.mark.parametrize(
    "statements",
    [
        ["CREATE VIEW more AS SELECT 1"],
        ["CREATE TABLE more (a)"],
        ["CREATE INDEX more ON runs (content)"],
        ["CREATE TRIGGER more AFTER INSERT ON runs BEGIN DELETE FROM points; END"],
        ["ALTER TABLE runs ADD COLUMN more TEXT"],
        ["DROP TABLE trials"],
        ["DROP TABLE spec", "CREATE TABLE spec (id INTEGER PRIMARY KEY, content TEXT, seal)"],
        [
            "DROP TABLE spec",
            "CREATE VIEW spec AS WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n) "
            "SELECT i AS id, 'x' AS content, 0 AS seal FROM n",
        ],
        ["DROP TABLE runs", "CREATE TABLE runs (run INTEGER PRIMARY KEY, content TEXT AS ('{}'), seal INTEGER)"],
        ["CREATE VIRTUAL TABLE more USING fts5(a)"],
        ["ANALYZE"],
    ],
)
@pytest.mark.parametrize("before", [False, True])
def test_tables_that_are_not_ours_are_refused_before_a_row_is_read(statements, before, path):
    if before:
        as_before(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in statements:
            try:
                connection.execute(statement)
            except sqlite3.OperationalError as error:  # built without it
                pytest.skip(str(error))
    refused(path, "its tables are not those of a study")


def test_a_damaged_byte_of_the_schema_is_one_error(path):
    content = path.read_bytes()
    for name in (b"CREATE TABLE spec", b"PRIMARY KEY (seed, place)", b"seal INTEGER", b"sqlite_autoindex_points_1"):
        for byte in (0xFF, 0x80, 0x00, 0x27):
            damaged = bytearray(content)
            damaged[content.index(name) + 7] = byte
            path.write_bytes(damaged)
            refused(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="makes a pipe")
def test_pipes_and_devices_are_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", os.devnull, tmp_path):
        refused(path, "cannot be used: it is a folder or a device")


def rewritten(path, name, change):
    """Change the rows of a table and seal them anew, totals included."""
    with closing(database.connected(path, "rw")) as connection:
        about = connection.execute("SELECT content FROM spec WHERE id = 1").fetchone()
        connection.key = json.loads(about[0])["key"]
        rows = [row[:-1] for row in connection.execute(f"SELECT * FROM {name}").fetchall()]
        connection.execute("BEGIN")
        connection.execute(f"DELETE FROM {name}")
        for row in change(rows):
            database.write(connection, name, *row)
        if name != "spec":
            database.write_totals(connection)
        connection.execute("COMMIT")


def of_json(row, **changes):
    content = json.loads(row[1])
    for name, value in changes.items():
        content[name] = value(content[name]) if callable(value) else value
    return [(row[0], json.dumps(content))]


def of_spec(**changes):
    return "spec", lambda rows: of_json(rows[0], **changes) + rows[1:]


def of_setting(**changes):
    return of_spec(settings=lambda settings: [about | changes for about in settings])


def of_run(**changes):
    return "runs", lambda rows: of_json(rows[0], **changes)


def of_first(name, **places):
    """Change values of the first row, by their places."""

    def change(rows):
        first = list(rows[0])
        for place, value in places.items():
            first[int(place[1:])] = value
        return [tuple(first), *rows[1:]]

    return name, change


HOSTILE = [
    of_spec(title=5),
    of_spec(title="x" * 100_000),
    of_spec(n=[]),
    of_spec(n=[12, 12]),
    of_spec(n="1220"),
    of_spec(n=[12, 12, 20, -20]),
    of_spec(n=[12, 12, 20, 2**70]),
    of_spec(n=[12, 12, 20, True]),
    of_spec(N=[9, 9, 9, 9]),
    of_spec(N=[9.0, 30, 9, 30]),
    of_spec(settings=[]),
    of_spec(settings={}),
    of_spec(settings=lambda settings: settings[:1]),
    of_spec(settings=lambda settings: settings[::-1]),
    of_spec(columns=[]),
    of_spec(columns=lambda columns: columns[::-1]),
    of_spec(columns=lambda columns: [*columns, "<script>"]),
    of_spec(columns=lambda columns: columns[:-1]),
    of_spec(keep_trials=1),
    of_spec(keep_trials=False),
    of_spec(more=1),
    of_setting(kind="<script>"),
    of_setting(kind="features"),
    of_setting(sha256="0" * 64),
    of_setting(sha256="<script>"),
    of_setting(ridge="<script>"),
    of_setting(ridge=-1.0),
    of_setting(ridge=float("nan")),
    of_setting(noise_variance="0.5"),
    of_setting(noise_variance=0.6),
    of_setting(d_shared=None),
    of_setting(d_weak="6"),
    of_setting(method="<script>"),
    of_setting(more=["<script>"]),
    of_run(started="<script>"),
    of_run(started=5),
    of_run(seconds="1"),
    of_run(seconds=float("inf")),
    of_run(trials=-1),
    of_run(versions="<script>"),
    of_run(versions={"numpy": 5}),
    ("spec", lambda rows: [(0, "[]"), rows[1]]),
    ("spec", lambda rows: [(0, "{"), rows[1]]),
    ("spec", lambda rows: [(0, "[" * 100_000), rows[1]]),
    ("spec", lambda rows: [(0, b"\xff"), rows[1]]),
    ("spec", lambda rows: [rows[0], (1, "{}")]),
    ("spec", lambda rows: [rows[0], (1, "[]")]),
    ("spec", lambda rows: [rows[0], (1, '{"key": 5, "rows": {}}')]),
    ("spec", lambda rows: rows[:1]),
    ("spec", lambda rows: rows[1:]),
    ("spec", lambda rows: []),
    ("spec", lambda rows: [*rows, (2, "{}")]),
    ("models", lambda rows: []),
    ("models", lambda rows: rows[:1]),
    ("models", lambda rows: rows[::-1][:1]),
    of_first("models", _1=b""),
    of_first("models", _1=b"PK\x05\x06" + bytes(18)),
    of_first("models", _1="text"),
    of_first("models", _1=None),
    ("models", lambda rows: [(row[0], rows[2][1]) for row in rows]),
    ("seeds", lambda rows: []),
    of_first("seeds", _0=-1),
    of_first("seeds", _0=5),
    of_first("seeds", _1="<script>"),
    of_first("seeds", _1=-7),
    of_first("seeds", _1=0),
    of_first("seeds", _1=7.5),
    of_first("seeds", _1=None),
    ("runs", lambda rows: []),
    ("runs", lambda rows: [(1, rows[0][1])]),
    ("points", lambda rows: rows[1:]),
    of_first("points", _0="3 "),
    of_first("points", _0=4),
    of_first("points", _1=-1),
    of_first("points", _1=16),
    of_first("points", _1="<script>"),
    of_first("points", _2=0),
    of_first("points", _2=8),
    of_first("points", _2=2**62),
    of_first("seeds", _1=2**62),
    of_first("points", _2="seven"),
    of_first("points", _3=b""),
    of_first("points", _3=b"1234567"),
    of_first("points", _3="text"),
    of_first("points", _3=np.full((3, 14), 1.0).tobytes()),
    of_first("points", _3=np.full((2, 14), -1.0).tobytes()),
    ("trials", lambda rows: []),
    ("trials", lambda rows: rows[1:]),
    of_first("trials", _2=1),
    of_first("trials", _2="0 "),
    of_first("trials", _1=99),
    of_first("trials", _3=b""),
    of_first("trials", _3=b"1234"),
    of_first("trials", _3=np.zeros((8, 14)).tobytes()),
]


@pytest.mark.parametrize("number", range(len(HOSTILE)))
def test_fields_of_other_types_ranges_and_sizes_are_refused_whatever_their_seals(number, path):
    rewritten(path, *HOSTILE[number])
    refused(path)


def test_seeds_without_end_are_refused(path, monkeypatch):
    rewritten(path, "seeds", lambda rows: [*rows, *((seed, 1) for seed in range(10, 500))])
    monkeypatch.setattr(fields, "MOST_PLACES", 400)
    with pytest.raises(StudyFileError, match=r"it has 49\d seeds"):
        Study.open(path)


def test_sound_rows_that_are_sealed_anew_are_read(path, whole):
    for name in database.TABLES:
        rewritten(path, name, lambda rows: rows)
    assert table(Study.open(path)) == table(whole)
    study = made(keep_trials=True)
    assert len(study.measured.columns) == 14


def test_words_of_a_file_are_no_longer_than_they_may_be(tmp_path):
    study = Study(features(), n=10, N=15, trials=2, title="x" * 20_000, path=tmp_path / "long.sqlite")
    with pytest.raises(ValueError, match="title must be text"):
        study.run(progress=False)
    assert list(tmp_path.iterdir()) == []
