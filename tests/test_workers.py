"""Pools of processes and threads run the trials of one machine, in order, and no more at a time than they can."""

import multiprocessing
import os
import pickle
import threading
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool

import numpy as np
import pytest

from tests.conftest import COMPILED
from tests.pools import Here
from w2s_fast import GaussianModel, Study, _workers, probe, simulate
from w2s_fast._blas import _libraries
from w2s_fast._threads import default_workers

MODEL = GaussianModel.paper(d_weak=4, d_strong=3, d_shared=1, d_target=5, ambient=20)
X = np.random.default_rng(0).standard_normal((300, 10))
processes = pytest.mark.skipif(not COMPILED, reason="a process takes seconds to start kernels as Python")


@pytest.fixture(scope="module", params=["spawn", "threads", "here"])
def pool(request):
    if request.param == "here":
        yield Here()
        return
    if request.param == "spawn" and not COMPILED:
        pytest.skip("a process takes seconds to start kernels as Python")
    spawn = {"mp_context": multiprocessing.get_context("spawn")}
    kind, more = (ThreadPoolExecutor, {}) if request.param == "threads" else (ProcessPoolExecutor, spawn)
    with kind(2, **more) as executor:
        yield executor


@pytest.mark.parametrize("method", ["wishart", "invariants", "direct"])
def test_trials_of_a_model_are_those_of_threads(pool, method):
    for more in ({"n": 9, "N": [8, 40]}, {"n": [5, 30], "N": 9}):
        there, here = (
            simulate(MODEL, **more, trials=70, method=method, workers=workers, seed=3) for workers in (pool, 1)
        )
        assert np.array_equal(there.w2s, here.w2s)
        assert np.array_equal(there.variance.population.reduced.mean, here.variance.population.reduced.mean)


def test_trials_of_features_are_those_of_threads(pool, tmp_path):
    np.save(tmp_path / "strong.npy", X[:, 3:9])
    for strong in (X[:, 3:9], tmp_path / "strong.npy"):
        there, here = (
            probe(X[:, :3], strong, X[:, 9], n=[20, 40], N=[50, 90], trials=9, intercept=True, workers=workers)
            for workers in (pool, 1)
        )
        assert np.array_equal(there.w2s, here.w2s)
        assert np.array_equal(there.ill_conditioned.ceiling, here.ill_conditioned.ceiling)


def test_studies_go_on_wherever_they_began(pool, tmp_path):
    grid = {"n": 9, "N": [8, 40], "trials": 150, "keep_trials": True}
    expected = Study(MODEL, **grid).run(progress=False, workers=1)
    path = tmp_path / "study.sqlite"

    def stop(done, total):
        if done:
            raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        Study(MODEL, **grid, path=path).run(progress=stop, workers=pool)
    begun = int(Study.open(path).counts.sum())
    assert 0 < begun < 300
    study = Study(MODEL, **grid, path=path).run(progress=False, workers=pool)
    assert np.array_equal(study.result.w2s, expected.result.w2s)
    assert study.runs[-1]["workers"] == (3 if isinstance(pool, Here) else 2)


def test_items_under_way_are_few_and_batches_grow():
    pool = Here(workers=4)
    assert list(_workers.ordered_map(abs, range(-500, 0), pool)) == list(range(500, 0, -1))
    assert pool.most == 2 * 4
    assert pool.batches[:8] == [1] * 8
    assert max(pool.batches) > 50
    assert sum(pool.batches) == 500


def slow(item):
    threading.Event().wait(0.05)
    return item


def test_a_batch_takes_a_second_or_so(monkeypatch):
    monkeypatch.setattr(_workers, "TASK_SECONDS", 0.1)
    pool = Here(workers=1)
    assert list(_workers.ordered_map(slow, range(12), pool)) == list(range(12))
    assert max(pool.batches) <= 3


def test_what_waits_is_dropped_where_the_caller_stops():
    pool = Here(workers=2)
    results = _workers.ordered_map(abs, range(100), pool)
    assert next(results) == 0
    results.close()
    assert pool.cancelled == 3
    assert sum(pool.batches) < 10


def failing(item):
    if item == 5:
        raise ValueError("item 5 is no good")
    return item


def test_errors_come_back_where_they_belong(pool):
    results = _workers.ordered_map(failing, range(9), pool)
    found = []
    with pytest.raises(ValueError, match="item 5 is no good"):
        found += results
    assert list(_workers.ordered_map(abs, [-1], pool)) == [1]


def blas_threads(item):
    return [library.num_threads for library in _libraries()]


def test_a_worker_has_one_thread_and_blas_too(pool):
    assert set(map(tuple, _workers.ordered_map(blas_threads, range(4), pool))) == {(1,) * len(_libraries())}


def ends(item):
    import os

    os._exit(1)


@processes
def test_a_worker_that_dies_is_told_and_what_was_done_is_kept(tmp_path):
    path = tmp_path / "study.sqlite"
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as executor:

        def kill(done, total):
            if done >= 64:
                # Killed from here it may be sending a result, of whose other half Python's executor waits for ever.
                executor.submit(ends, None)

        with pytest.raises(BrokenProcessPool):
            Study(MODEL, n=9, N=8, trials=100_000, path=path).run(progress=kill, workers=executor)
    begun = int(Study.open(path).counts[0])
    assert 64 <= begun < 100_000
    study = Study(MODEL, n=9, N=8, trials=100_000, path=path).run(progress=False)
    assert study.is_complete


class Hoards(Here):
    """Hands out what it has again where the same is asked for, as Dask does with pure tasks of its own process."""

    def __init__(self):
        super().__init__(1)
        self.had = {}

    def submit(self, function, *arguments):
        key = pickle.dumps(arguments)
        if key not in self.had:
            self.had[key] = super().submit(function, *arguments)
        return self.had[key]


def test_results_that_a_pool_keeps_stay_as_they_are():
    pool, expected = Hoards(), simulate(MODEL, 9, 8, trials=200, workers=1).w2s
    for _ in range(3):
        assert np.array_equal(simulate(MODEL, 9, 8, trials=200, workers=pool).w2s, expected)


def test_this_process_keeps_nothing_of_what_its_threads_were_sent():
    with ThreadPoolExecutor(2) as executor:
        probe(X[:, :3], X[:, 3:9], X[:, 9], n=20, N=50, trials=9, workers=executor)
    assert _workers._received == {}


def test_features_in_files_are_found_from_another_folder(tmp_path, monkeypatch):
    np.save(tmp_path / "strong.npy", X[:, 3:9])
    monkeypatch.chdir(tmp_path)
    expected = probe(X[:, :3], X[:, 3:9], X[:, 9], n=20, N=50, trials=3, workers=1).w2s
    with ThreadPoolExecutor(1, initializer=os.chdir, initargs=("/",)) as executor:
        found = probe(X[:, :3], "strong.npy", X[:, 9], n=20, N=50, trials=3, workers=executor).w2s
    assert np.array_equal(found, expected)


def test_a_pool_feeds_no_gpu():
    with pytest.raises(ValueError, match="device='cuda' is fed by this process alone, got workers="):
        simulate(MODEL, 9, 8, trials=1, device="cuda", workers=Here())
    study = Study(MODEL, n=9, N=8, trials=1, method="invariants")
    with pytest.raises(ValueError, match="device='cuda' is fed by this process alone, got workers="):
        study.run(progress=False, device="cuda", workers=Here())


def test_pools_that_do_not_say_how_many_they_are_count_as_cores():
    assert _workers.count_of(Here(5)) == 5
    assert _workers.count_of(object()) == default_workers() == _workers.count_of(None)
    assert _workers.count_of(7) == 7


def test_numbers_of_any_kind_are_threads():
    for workers in (np.int64(2), np.array(2)):
        assert simulate(MODEL, 9, 8, trials=3, workers=workers).w2s.shape == (3,)


@pytest.mark.parametrize("workers", ["2", 2.0, object(), True, ThreadPoolExecutor])
def test_what_is_no_number_and_no_pool_is_refused(workers):
    with pytest.raises(TypeError, match=r"workers must be"):
        simulate(MODEL, 9, 8, trials=1, workers=workers)
