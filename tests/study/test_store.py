"""Study files: a stopped run goes on to the same bits; seeds merge; nothing is ever overwritten."""

import random
import shutil
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from tests.studies import StopError, features, killed, made, table
from w2s_fast import Study
from w2s_fast.gaussian.simulate import LARGEST_CHUNK
from w2s_fast.results.metrics import METRICS
from w2s_fast.study import store
from w2s_fast.study.source import fingerprint
from w2s_fast.study.store import StudyFileError, opened
from w2s_fast.study.study import merge_files


@pytest.fixture(scope="module")
def reference():
    return made().run(progress=False)


@pytest.fixture
def finished(tmp_path):
    return made(tmp_path / "study.sqlite").run(progress=False)


def stop_after(calls):
    def progress(done, total):
        nonlocal calls
        calls -= 1
        if calls < 0:
            raise StopError

    return progress


def test_a_file_holds_what_memory_does(finished, reference):
    assert table(finished) == table(reference)
    read = Study.open(finished.path)
    assert table(read) == table(reference)
    assert (read.title, read.seeds, read.points, read.is_complete) == ("tiny", {3: 7}, reference.points, True)
    assert read.runs[0]["versions"]["numpy"] == np.__version__
    assert read.runs[0]["trials"] == 7 * 16
    assert sorted(path.name for path in finished.path.parent.iterdir()) == ["study.sqlite"]


@pytest.mark.parametrize("keep_trials", [False, True])
def test_a_run_stopped_anywhere_goes_on_to_the_same_bits(tmp_path, monkeypatch, keep_trials):
    monkeypatch.setitem(LARGEST_CHUNK, "invariants", 64)  # stops fall between points and within them
    path, reference = tmp_path / "study.sqlite", made(trials=70).run(progress=False)
    stops = 0
    for calls in (0, 1, 3, 2, 5):
        with pytest.raises(StopError):
            made(path, trials=70, keep_trials=keep_trials).run(stop_after(calls))
        stops += 1
        assert not Study.open(path).is_complete
    study = made(path, trials=70, keep_trials=keep_trials).run(progress=False)
    assert table(study) == table(reference)
    assert len(study.runs) == stops  # the first was stopped before its first chunk
    if keep_trials:
        assert all(np.array_equal(getattr(study.result, name), getattr(reference.result, name)) for name in METRICS)
    else:
        with pytest.raises(RuntimeError, match="keep_trials=True"):
            _ = study.result


def test_a_chunk_is_kept_whole_or_not_at_all(tmp_path, monkeypatch):
    written = []

    def fail_at_trials(connection, table, *values):
        written.append(table)
        if table == "trials" and len(written) > 6:
            raise StopError
        write(connection, table, *values)

    write = store.write
    study = made(tmp_path / "study.sqlite", keep_trials=True)
    with monkeypatch.context() as patch, pytest.raises(StopError):
        patch.setattr(store, "write", fail_at_trials)
        study.run(progress=False)
    assert written[-2:] == ["points", "trials"]
    assert table(study.run(progress=False)) == table(made().run(progress=False))
    assert study.result.w2s.shape == (4, 4, 7)


def test_finished_trials_are_not_run_again(finished):
    seen = []
    made(finished.path).run(lambda done, total: seen.append((done, total)))
    assert seen == [(112, 112)]


def test_more_trials_later_are_those_of_one_long_run(finished):
    more = made(finished.path, trials=20).run(progress=False)
    assert table(more) == table(made(trials=20).run(progress=False))
    fewer = made(finished.path, trials=5).run(progress=False)  # what is there is used
    assert table(fewer) == table(more)
    assert table(Study.open(finished.path).run(progress=False)) == table(more)


def test_an_unfinished_study_can_be_read(tmp_path):
    with pytest.raises(StopError):
        made(tmp_path / "study.sqlite").run(stop_after(3))
    study = Study.open(tmp_path / "study.sqlite")
    rows = study.table()
    assert {row["trials"] for row in rows} == {0, 7}
    assert all(np.isnan(row["mean"]) == (row["trials"] == 0) for row in rows if row["metric"] == "weak")
    assert study.run(progress=False).is_complete


def test_real_features_resume_and_are_told_apart(tmp_path):
    def study(path=None, seed=0, **options):
        return Study(features(seed), n=10, N=[15, 40], trials=6, path=path, keep_trials=True, **options)

    path, plain = tmp_path / "real.sqlite", study().run(progress=False)
    with pytest.raises(StopError):
        study(path).run(stop_after(3))
    assert 0 < Study.open(path).counts[0] < 6
    with pytest.raises(ValueError, match="does not hold real features: give them again"):
        Study.open(path).run(progress=False)
    with pytest.raises(ValueError, match="holds another study: not the same the data; nothing was changed"):
        study(path, seed=1).run(progress=False)
    with pytest.raises(ValueError, match="not the same ridge"):
        study(path, ridge=0.5).run(progress=False)
    assert table(study(path).run(progress=False)) == table(plain)
    assert np.array_equal(study(path).run(progress=False).result.w2s, plain.result.w2s)


def test_fingerprints_tell_values_shapes_and_types_apart():
    arrays = [np.zeros((2, 3)), np.zeros((3, 2)), np.zeros((2, 3), np.float32), np.ones((2, 3)), np.zeros(())]
    assert len({fingerprint([array]) for array in arrays}) == len(arrays)
    assert fingerprint([np.arange(6.0).reshape(2, 3).T]) == fingerprint([np.arange(6.0).reshape(2, 3).T.copy()])


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"n": 12}, "n, N"),
        ({"N": [9, 31]}, "N"),
        ({"d_shared": [0, 2]}, "d_shared"),
        ({"ridge": [0.0, 0.6]}, "ridge"),
        ({"noise_variance": 0.6}, "noise_variance"),
        ({"keep_trials": True}, "keep_trials"),
    ],
)
def test_another_spec_is_refused_and_changes_nothing(finished, changes, named):
    before = finished.path.read_bytes()
    with pytest.raises(ValueError, match=f"holds another study: not the same {named}; nothing was changed"):
        made(finished.path, **changes).run(progress=False)
    with pytest.raises(ValueError, match="holds seed 3, asked for 4: run another seed in a file of its own"):
        made(finished.path, seed=4).run(progress=False)
    assert finished.path.read_bytes() == before


def test_studies_of_disjoint_seeds_merge(tmp_path, finished, reference):
    other = made(tmp_path / "other.sqlite", seed=1, trials=4).run(progress=False)
    merge_files([finished.path, other.path], tmp_path / "both.sqlite")
    both = Study.open(tmp_path / "both.sqlite")
    assert (both.seeds, both.trials, both.is_complete) == ({1: 4, 3: 7}, 11, True)
    in_memory = made(seed=1, trials=4).run(progress=False).merge(reference)
    assert table(both) == table(in_memory) == table(other.merge(finished))
    assert table(Study.open(other.path)) == table(both)
    assert [run["trials"] for run in both.runs] == [112, 64]
    every = np.concatenate((made(seed=1, trials=4).run(progress=False).result.w2s, reference.result.w2s), axis=-1)
    assert np.array_equal(in_memory.result.w2s, every)
    assert both.summary()["w2s"].mean == pytest.approx(every.mean(axis=-1).ravel())
    third = made(seed=9, trials=2).run(progress=False)  # keeps trials, which the file leaves out
    assert table(Study.open(both.merge(third).path)) == table(in_memory.merge(third))
    more = made(both.path, trials=9).run(progress=False)
    assert more.seeds == {1: 4, 3: 9, 9: 2}


def test_what_a_merged_study_runs_stays_its_own(reference):
    other = made(seed=1, trials=9)
    with pytest.raises(StopError):
        other.run(stop_after(3))
    counts, kept = other.counts.tolist(), [len(chunks) for chunks in other.measured.kept[1]]
    both = made().run(progress=False).merge(other).run(progress=False)
    assert table(both) == table(made(seed=1, trials=9).run(progress=False).merge(reference))
    assert (other.counts.tolist(), [len(chunks) for chunks in other.measured.kept[1]]) == (counts, kept)
    with pytest.raises(RuntimeError, match=r"this study is not finished: call run\(\) first"):
        _ = other.result


def test_merges_that_cannot_be(tmp_path, finished):
    before = finished.path.read_bytes()
    with pytest.raises(ValueError, match="both studies hold seed 3, whose trials would count twice"):
        finished.merge(made().run(progress=False))
    with pytest.raises(ValueError, match="other is another study: not the same N"):
        finished.merge(made(seed=4, N=[9, 8]).run(progress=False))
    with pytest.raises(ValueError, match="other is another study: not the same keep_trials"):
        made(seed=4).merge(finished)
    with pytest.raises(TypeError, match="other must be a Study, got int"):
        finished.merge(5)
    with pytest.raises(ValueError, match="hold seed 3"):
        merge_files([finished.path, finished.path], tmp_path / "both.sqlite")
    with pytest.raises(FileExistsError):
        merge_files([finished.path], finished.path)
    assert finished.path.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["study.sqlite"]


def test_a_killed_run_is_read_where_nothing_can_be_written(tmp_path, monkeypatch):
    path = killed(tmp_path / "killed", tmp_path / "study.sqlite")
    Path(f"{path}-shm").symlink_to(tmp_path / "none" / "index")  # the index of the log cannot be made
    before = {file: file.read_bytes() for file in path.parent.iterdir() if file.is_file()}
    assert table(Study.open(path)) == table(Study.open(tmp_path / "study.sqlite"))
    assert Study.open(path).counts.sum() > 20
    merge_files([path], tmp_path / "merged.sqlite")
    assert table(Study.open(tmp_path / "merged.sqlite")) == table(Study.open(path))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "none"))
    with pytest.raises(StudyFileError, match=r"study.sqlite was left by a run that was killed.*copy it and .*-wal to"):
        Study.open(path)
    assert before == {file: file.read_bytes() for file in path.parent.iterdir() if file.is_file()}


def test_nothing_is_left_of_killed_runs_and_their_readers_once_they_are_finished(tmp_path, reference):
    path = killed(tmp_path / "killed", tmp_path / "study.sqlite")
    Study.open(path)
    Path(f"{path}-journal").touch()  # a kill within the end of a run can leave one
    assert len(list(path.parent.iterdir())) == 4
    assert table(made(path).run(progress=False)) == table(reference)
    assert list(path.parent.iterdir()) == [path]


def test_a_run_killed_before_its_log_was_begun_is_read_where_nothing_can_be_written(finished, reference):
    with closing(sqlite3.connect(finished.path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
    Path(f"{finished.path}-shm").symlink_to(finished.path.parent / "none" / "index")
    assert not Path(f"{finished.path}-wal").exists()
    assert table(Study.open(finished.path)) == table(reference)


def test_a_run_into_a_file_that_cannot_be_written_says_so(finished, monkeypatch):
    connected = store.connected
    monkeypatch.setattr(store, "connected", lambda name, mode: connected(name, "ro"))
    with pytest.raises(StudyFileError, match=r"study.sqlite cannot be written to \(attempt to write a readonly"):
        made(finished.path, trials=9).run(progress=False)


def test_a_kill_amid_a_change_of_the_file_itself_is_read_too(tmp_path, finished, reference):
    folder = tmp_path / "killed"
    folder.mkdir()
    with closing(sqlite3.connect(finished.path, isolation_level=None)) as connection:
        connection.execute("PRAGMA cache_size = 1")  # pages go to the file before the commit
        connection.execute("BEGIN")
        connection.execute("UPDATE points SET moments = zeroblob(2000)")
        for file in tmp_path.glob("study.sqlite*"):
            shutil.copy(file, folder)
        connection.execute("ROLLBACK")
    path = folder / "study.sqlite"
    assert path.read_bytes() != finished.path.read_bytes()
    assert Path(f"{path}-journal").exists()
    before = path.read_bytes()
    assert table(Study.open(path)) == table(reference)
    assert path.read_bytes() == before
    assert table(made(path).run(progress=False)) == table(reference)


def test_a_second_writer_and_a_reader_are_told_to_wait(finished):
    before = table(finished)
    with opened(finished.path, write=True):
        for action in (made(finished.path, trials=9).run, lambda: Study.open(finished.path)):
            with pytest.raises(StudyFileError, match="is in use by another run: wait for it to end"):
                action()
    assert table(Study.open(finished.path)) == before


def damaged(path, change):
    content = bytearray(path.read_bytes())
    path.write_bytes(change(content))
    return path.read_bytes()


def refused(path, words):
    """Neither a run nor a look takes the file, and both leave it as it is."""
    before = path.read_bytes()
    for action in (lambda: made(path, trials=9).run(progress=False), lambda: Study.open(path)):
        with pytest.raises(StudyFileError, match=words):
            action()
    assert path.read_bytes() == before


@pytest.mark.parametrize("share", [0.0, 0.001, 0.01, 0.02, 0.1, 0.5, 0.9, 0.999])
def test_a_truncated_file_is_refused(finished, share):
    damaged(finished.path, lambda content: content[: int(share * len(content))])
    refused(finished.path, "is empty or nearly so, not a study|is damaged|is truncated|is not a study")


def test_files_of_other_kinds_are_refused(tmp_path):
    text, other = tmp_path / "text.sqlite", tmp_path / "other.sqlite"
    text.write_text("weak,strong\n" * 100)
    refused(text, "is not a study file")
    with closing(sqlite3.connect(other)) as connection:
        connection.execute("CREATE TABLE birds (name TEXT)")
    refused(other, "is an SQLite file, but not a study; nothing was written to it")
    with pytest.raises(StudyFileError, match="cannot be used"):
        Study.open(tmp_path)
    with pytest.raises(FileNotFoundError, match="there is no study file"):
        Study.open(tmp_path / "none.sqlite")
    with pytest.raises(FileNotFoundError, match="does not exist"):
        made(tmp_path / "none" / "study.sqlite").run(progress=False)


@pytest.mark.parametrize(("schema", "advice"), [(4, "upgrade w2s_fast"), (1, "it has no flags for fits in doubt")])
def test_other_schemas_are_refused(finished, schema, advice):
    with closing(sqlite3.connect(finished.path)) as connection:
        connection.execute(f"PRAGMA user_version = {schema}")
    refused(finished.path, f"has schema {schema}, this version reads 2 and 3: {advice}")


def test_no_flipped_bit_goes_unseen(finished, reference):
    content = finished.path.read_bytes()
    rng = random.Random(0)
    seen = 0
    for _ in range(120):
        bad = bytearray(content)
        bad[rng.randrange(len(bad))] ^= 1 << rng.randrange(8)
        finished.path.write_bytes(bad)
        try:
            study = Study.open(finished.path)
        except StudyFileError:
            seen += 1
        else:  # it lay in unused space
            assert table(study) == table(reference)
            assert study.seeds == {3: 7}
    assert seen > 20


def test_a_full_disk_is_one_clear_error_and_loses_nothing(finished, reference):
    full = pytest.raises(StudyFileError, match="cannot be used: database or disk is full")
    with full, opened(finished.path, write=True) as file:
        file._connection.execute("PRAGMA max_page_count = 1")  # none beyond those there are
        file.save_seeds(dict.fromkeys(range(5_000), 1))
    assert table(Study.open(finished.path)) == table(reference)
    assert Study.open(finished.path).seeds == {3: 7}
