"""Trials of features that are Dask arrays have the bits of trials of the same features in memory."""

import threading

import numpy as np
import pytest

from w2s_fast import Study, Task, probe
from w2s_fast.linalg.rows import cutting

dask = pytest.importorskip("dask")
da = pytest.importorskip("dask.array")
pytest.importorskip("distributed")
from w2s_fast import scale  # noqa: E402  needs Dask

RNG = np.random.default_rng(0)
Z = RNG.standard_normal((400, 9)) + 3.0
FEATURES = {"weak": Z[:, :3].astype(np.float32), "strong": Z[:, 2:8]}
LABELS = Z[:, 0] + RNG.standard_normal(400)
HOW = {"n": [20, 40], "N": [50, 90], "trials": 4, "seed": 3}


def lazy(array, heights=(150, 7, 243)):
    return da.from_array(array, chunks=(heights, *(2,) * (array.ndim - 1)))


@pytest.fixture(autouse=True)
def threads(monkeypatch):
    """Several slabs of rows, which threads of this process read."""
    monkeypatch.setattr(cutting, "GATHERED", 200)
    with dask.config.set(scheduler="threads"):
        yield


@pytest.mark.parametrize(
    "how",
    [
        {},
        {"intercept": True, "label_noise": 0.1},
        {"nested": False, "test": 30},
        {"decompose": True, "test": np.arange(0, 400, 7)},
        {"labelled": np.arange(100), "pseudo_labelled": np.arange(100, 300)},
    ],
)
def test_bits_are_those_of_arrays(how):
    expected = probe(**FEATURES, y=LABELS, **HOW, **how)
    found = probe(*map(lazy, FEATURES.values()), lazy(LABELS), **HOW, **how)
    for fit in ("weak", "w2s", "ceiling"):
        assert np.array_equal(getattr(found, fit), getattr(expected, fit))
    if "decompose" in how:
        assert np.array_equal(found.decomposition.inherited, expected.decomposition.inherited)


def test_rows_of_their_own_and_models_by_name():
    more = tuple(part[:100] for part in (*FEATURES.values(), LABELS))
    lazies = tuple(lazy(part, (60, 40)) for part in more)
    for name in ("test", "pseudo_labelled"):
        n = {"N": 90, "labelled": np.arange(300), "test": 50} if name == "pseudo_labelled" else {}
        expected = probe(**FEATURES, y=LABELS, **HOW | n | {name: more})
        found = probe(*map(lazy, FEATURES.values()), LABELS, **HOW | n | {name: lazies})
        assert np.array_equal(found.w2s, expected.w2s)
    pairs = probe({"a": lazy(FEATURES["weak"]), "b": FEATURES["weak"]}, lazy(FEATURES["strong"]), LABELS, **HOW)
    assert np.array_equal(pairs["a", "strong"].w2s, pairs["b", "strong"].w2s)


def test_studies_go_on_with_the_same_arrays(tmp_path):
    path = tmp_path / "study.sqlite"
    grid = {"n": 20, "N": [50, 90], "ridge": [0.1, 1.0]}
    expected = Study(Task.of(**FEATURES, y=LABELS), **grid, trials=5).run(progress=False)
    for trials, cut in ((2, (150, 7, 243)), (5, (399, 1))):
        task = Task.of(*(lazy(part, cut) for part in FEATURES.values()), LABELS)
        study = Study(task, **grid, trials=trials, path=path).run(progress=False)
    mine, theirs = ([(row["metric"], row["mean"], row["stderr"]) for row in one.table()] for one in (study, expected))
    assert str(mine) == str(theirs)
    other = Task.of(lazy(FEATURES["weak"] + 1), lazy(FEATURES["strong"]), LABELS)
    with pytest.raises(ValueError, match="holds another study"):
        Study(other, **grid, trials=5, path=path).run(progress=False)


def test_each_pass_reads_what_it_needs_once():
    reads, lock = [], threading.Lock()

    def read(block):
        with lock:
            reads.append(len(block))
        return block

    strong = da.from_array(FEATURES["strong"], chunks=((100, 150, 150), -1))
    counted = strong.map_blocks(read, dtype=strong.dtype, meta=np.zeros((0, 0)))
    rows = np.arange(250)  # of the first two blocks
    task = Task.of(FEATURES["weak"], counted, LABELS, rows[200:], labelled=rows[:100], pseudo_labelled=rows[100:200])
    assert sorted(reads) == [100, 150, 150]  # ranges of columns
    reads.clear()
    Study(task, n=20, N=50, trials=3).run(progress=False)
    assert sorted(set(reads)) == [100, 150]
    assert reads.count(100) <= 2  # the digest of a study, and the rows of its trials


def test_more_rows_than_a_worker_holds_are_refused(monkeypatch):
    monkeypatch.setattr(scale, "MEMORY_LIMIT", 50_000)  # those of one trial fit
    with pytest.raises(
        ValueError,
        match=r"these trials use \d+ rows .*, [\d,]+ bytes, and a worker has room for 15,000: lower n",
    ):
        probe(*map(lazy, FEATURES.values()), LABELS, **HOW)


def test_what_cannot_be_learned_from_is_refused():
    damaged = FEATURES["strong"].copy()
    damaged[347, 5] = np.nan
    for strong, message in (
        (lazy(damaged), r"strong holds 1 NaN or infinite value\(s\), the first at index \(347, 5\)"),
        (lazy(np.ones((400, 3))), "strong is constant: all 400 rows are the same"),
        (lazy(FEATURES["strong"][:399], (399,)), "these must have the same number of rows"),
        (da.zeros(5), r"strong must have 2 dimension\(s\), got shape \(5,\)"),
    ):
        with pytest.raises(ValueError, match=message):
            probe(FEATURES["weak"], strong, LABELS, **HOW)
