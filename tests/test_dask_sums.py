"""Trials whose rows fit no worker, by sums: the fits of trials that gather them, within rounding."""

import pickle
import threading
from dataclasses import replace

import numpy as np
import pytest

from w2s_fast import Predictions, Study, Task, probe
from w2s_fast.linalg.rows import cutting, tree
from w2s_fast.linalg.rows.base import Rows
from w2s_fast.probing import drawing
from w2s_fast.probing.design import Design, most
from w2s_fast.probing.gathering import Elsewhere
from w2s_fast.probing.probe import run_design

dask = pytest.importorskip("dask")
da = pytest.importorskip("dask.array")
pytest.importorskip("distributed")
from w2s_fast import scale  # noqa: E402  needs Dask

ROWS, HEIGHTS = 1_500, (700, 1, 299, 500)
RNG = np.random.default_rng(0)
Z = RNG.standard_normal((ROWS, 9)) + 1.0
WEAK, STRONG = Z[:, :3].astype(np.float32), Z[:, 2:8]
LABELS = Z[:, 0] + RNG.standard_normal(ROWS)
ROW = 3 * 4 + 6 * 8  # bytes
HOW = {"n": [20, 60], "N": [300, 900], "trials": 2, "seed": 3, "ridge": 0.01}
EPS = np.finfo(float).eps
NOTHING, LABELLED, TEST, ALL = (count * ROW for count in (10, 70, 350, 10_000))  # what fits a worker


def lazy(array, heights=HEIGHTS):
    if len(array) != ROWS:
        heights = (len(array) - 7, 7)
    return da.from_array(array, chunks=(heights, *(-1,) * (array.ndim - 1)))


def lazies(weak=WEAK, strong=STRONG, y=LABELS):
    return lazy(weak), lazy(strong), lazy(y)


def bound(how):
    """By how much fits by sums may differ from those that gather, relative to errors of size 1.

    A Gram matrix of m rows is off by m eps of the sums of magnitudes, weights by its condition, with unit diagonal,
    times that (Higham 2002, section 20.4), and p of them make a prediction.
    """
    task = Task.of(
        WEAK, STRONG, LABELS, **{name: how[name] for name in how if name not in ("n", "N", "trials", "seed")}
    )
    design = Design.of(task, how["n"], how["N"], how["seed"])
    worst = 1.0
    for trial in range(how["trials"]):
        for points in design.nested_points:
            order, (n, _) = design.order_of(trial, points), most(points)
            for X in (WEAK, STRONG):
                for rows in (*(order[:n] for n, _ in points), *(order[n : n + N] for _, N in points)):
                    part = X[rows].astype(float)
                    worst = max(worst, np.linalg.cond(part / np.linalg.norm(part, axis=0)) ** 2)
    return 10 * STRONG.shape[1] * ROWS * EPS * worst


class Here(Rows):
    """The same blocks on one machine."""

    def __init__(self, array, name, heights=HEIGHTS):
        self.array, self.name, self.heights, self.shape, self.dtype = array, name, heights, array.shape, array.dtype

    def read(self, step):
        return iter(np.split(self.array, np.cumsum(self.heights)[:-1]))

    def take(self, index):
        return self.array[index]

    def cut_evenly(self, height):
        return Here(self.array, self.name, (height,) * (len(self.array) // height) + (len(self.array) % height,))


@pytest.fixture(autouse=True)
def threads(monkeypatch):
    """Several leaves, and slabs of rows, which threads of this process read."""
    monkeypatch.setattr(cutting, "GATHERED", 200)
    monkeypatch.setattr(tree, "LEAF_BYTES", 800 * 24)
    with dask.config.set(scheduler="threads"):
        yield


@pytest.fixture
def room(monkeypatch):
    return lambda size: monkeypatch.setattr(scale, "MEMORY_LIMIT", size / scale.ROOM + 1)


def fits_of(trials):
    return np.stack([trials.weak, trials.baseline, trials.ceiling, trials.w2s])


@pytest.mark.parametrize("listed", [10**8, 100])
@pytest.mark.parametrize(
    "how",
    [
        {},
        {"intercept": True, "label_noise": 0.1},
        {"label_noise": 0.1, "noise_on_test": True, "ceiling": "pseudo"},
        {"nested": False, "rounds": 2},
        {"test": tuple(part[:400] for part in (WEAK, STRONG, LABELS))},
        {"test": tuple(part[:400] for part in (WEAK, STRONG, LABELS)), "label_noise": 0.1, "noise_on_test": True},
        {"test": 50, "ridge": (0.5, 0.0)},
        {"labelled": np.arange(200), "pseudo_labelled": np.arange(200, 1_200), "test": np.arange(1_200, 1_500)},
    ],
)
def test_fits_by_sums_are_those_of_rows(how, listed, room, monkeypatch):
    monkeypatch.setattr(drawing, "LISTED", listed)
    how = HOW | how
    room(ALL)
    expected = fits_of(probe(*lazies(), **how))
    if isinstance(how.get("test"), tuple):
        how["test"] = lazies(*how["test"])
    for size in (NOTHING, LABELLED, TEST):
        room(size)
        found = fits_of(probe(*lazies(), **how))
        assert not np.array_equal(found, expected)
        known = how | {"test": 0.2} if isinstance(how.get("test"), tuple) else how
        assert np.allclose(found, expected, rtol=bound(known), atol=0)


@pytest.mark.parametrize("size", [NOTHING, LABELLED, TEST])
def test_bits_are_those_of_the_same_blocks_on_one_machine(size, room):
    room(size)
    here = [Elsewhere(Here(array, name)) for array, name in ((WEAK, "weak"), (STRONG, "strong"))]
    for how in ({}, {"intercept": True, "label_noise": 0.1, "nested": False}):
        expected = probe(*here, LABELS, **HOW | how)
        found = probe(*lazies(), **HOW | how)
        with dask.config.set(scheduler="synchronous"):
            again = probe(*lazies(), **HOW | how)
        assert np.array_equal(fits_of(found), fits_of(expected))
        assert np.array_equal(fits_of(found), fits_of(again))


def test_labels_by_column_and_models_by_name_beside_others_in_memory(room):
    y = np.column_stack((LABELS, Z[:, 8]))
    expected = probe({"a": WEAK, "b": STRONG[:, :4]}, {"c": STRONG, "d": Z[:, :8]}, y, **HOW)
    room(NOTHING)
    strong = {"c": lazy(STRONG, (1_000, 500)), "d": Z[:, :8]}
    found = probe({"a": WEAK, "b": lazy(STRONG[:, :4])}, strong, y, **HOW)
    assert found.keys() == expected.keys()
    for pair, trials in expected.items():
        assert np.allclose(fits_of(found[pair]), fits_of(trials), rtol=100 * bound(HOW), atol=0)


def test_labelled_rows_that_are_few_are_gathered(room):
    """Fewer than columns, and ill-conditioned: no Gram matrix of these serves."""
    how = HOW | {"n": [4, 60], "ridge": 0.0, "test": 100}
    expected = probe(*lazies(), **how)
    room(200 * ROW)
    assert np.allclose(fits_of(probe(*lazies(), **how)), fits_of(expected), rtol=1e3 * bound(how), atol=0)
    room(NOTHING)
    with pytest.raises(ValueError, match=r"one of the fits needs the rows: .* Raise n, N or ridge"):
        probe(*lazies(), **how)


def test_what_is_measured_on_test_rows_needs_these_alone(room):
    y = np.sign(LABELS)
    expected = probe(*lazies(y=y), **HOW, metrics=("accuracy", "auroc", "misfit"))
    room(TEST)
    found = probe(*lazies(y=y), **HOW, metrics=("accuracy", "auroc", "misfit"))
    for name in ("accuracy", "auroc", "misfit"):
        values = ([getattr(of.scores[name], fit) for fit in ("weak", "w2s")] for of in (found, expected))
        assert np.allclose(*values, rtol=1e3 * bound(HOW), atol=0)
    room(NOTHING)
    with pytest.raises(ValueError, match=r"a worker has room for 600. By sums there is no accuracy: lower test"):
        probe(*lazies(y=y), **HOW)


def test_a_study_goes_on_by_sums(room, tmp_path):
    room(NOTHING)
    path, grid = tmp_path / "study.sqlite", {"n": 20, "N": [300, 900], "ridge": [0.1, 1.0]}
    task = Task.of(*lazies(), ridge=0.1)
    whole = Study(task, **grid, trials=3).run(progress=False)
    for trials in (1, 3):
        study = Study(task, **grid, trials=trials, path=path).run(progress=False)
    assert str(study.table()) == str(whole.table())


def test_labels_stay_where_they_are_and_are_sent_to_nobody():
    given = lazy(LABELS)
    task = Task.of(lazy(WEAK), lazy(STRONG), given)
    assert task.rows.labels_elsewhere is given
    assert pickle.loads(pickle.dumps(replace(task.rows, teachers={}, students={}))).labels_elsewhere is None
    classes = lazy(np.where(LABELS > 1, 5, 3))  # which become numbers
    for y, pseudo_labels in ((LABELS, "soft"), (classes, "hard")):
        assert Task.of(WEAK, lazy(STRONG), y, pseudo_labels=pseudo_labels).rows.labels_elsewhere is None


def test_a_trial_is_one_pass(room):
    reads, lock = [], threading.Lock()

    def read(block):
        with lock:
            reads.append(len(block))
        return block

    counted = lazy(STRONG).map_blocks(read, dtype=float, meta=np.zeros((0, 0)))
    task = Task.of(lazy(WEAK), counted, LABELS)
    reads.clear()
    room(NOTHING)
    design = Design.of(task, HOW["n"], HOW["N"], 3)
    run_design(design, 3)
    assert sorted(reads) == sorted(3 * HEIGHTS)


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"fit": "softmax"}, "not fit='softmax' with ridge=0.01"),
        ({"ridge": [0.1, 1.0]}, "not fit='ridge' with ridge=0.1, 1 by leave-one-out"),
        ({"fit": ("ridge", "flow")}, "not fit='flow'"),
        ({"pseudo_labels": "hard"}, "not pseudo_labels='hard'"),
        ({"confident": 0.5}, "not confident=0.5"),
        ({"decompose": True}, "not decompose=True"),
    ],
)
def test_what_sums_do_not_tell_is_refused(how, message, room):
    room(TEST)
    with pytest.raises(ValueError, match=r"and a worker has room for 21,000.*" + message):
        probe(*lazies(y=np.sign(LABELS)), **HOW | how)


def test_features_that_cannot_be_summed_are_refused(room, tmp_path):
    room(NOTHING)
    np.save(tmp_path / "weak.npy", WEAK)
    with pytest.raises(ValueError, match="To be summed, weak must be a Dask array or in memory, got PlainMatrix"):
        probe(tmp_path / "weak.npy", lazy(STRONG), LABELS, **HOW)
    with pytest.raises(ValueError, match="not a teacher given by its Predictions"):
        probe(Predictions(LABELS + 0.1), lazy(STRONG), LABELS, **HOW)


def test_test_errors_that_are_rounding_are_refused(room):
    room(NOTHING)
    with pytest.raises(
        ValueError, match=r"test errors by sums over 300 rows are down to .*, where rounding is .*: lower"
    ):
        probe(*lazies(y=Z[:, 2].astype(np.float32).astype(float)), **HOW | {"ridge": 0.0})
