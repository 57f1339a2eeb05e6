"""The worker map keeps order, bounds memory, restores BLAS; random streams are independent of everything else."""

import threading

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from w2s_fast._random import key64, stream
from w2s_fast._threads import default_workers, ordered_map, single_threaded_blas


def blas_threads():
    return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]


@pytest.mark.parametrize("workers", [None, 1, 3])
def test_the_map_keeps_order(workers):
    assert list(ordered_map(lambda i: i * i, range(50), workers)) == [i * i for i in range(50)]


def test_the_map_takes_items_as_it_needs_them():
    taken = []

    def items():
        for i in range(1000):
            taken.append(i)
            yield i

    results = ordered_map(lambda i: i, items(), 2)
    assert next(results) == 0
    assert len(taken) <= 4
    results.close()
    assert len(taken) <= 5


def test_a_failure_reaches_the_caller_and_stops_the_rest():
    done = []

    def work(i):
        if i == 3:
            raise ZeroDivisionError("three")
        done.append(i)

    with pytest.raises(ZeroDivisionError, match="three"):
        list(ordered_map(work, range(10_000), 2))
    assert len(done) < 100


def test_blas_is_held_to_one_thread_and_given_back():
    import scipy.linalg  # noqa: F401  loads the pool before it is counted

    before = blas_threads()
    with single_threaded_blas():
        with single_threaded_blas():
            assert set(blas_threads()) == {1}
        assert set(blas_threads()) == {1}
    assert blas_threads() == before


def test_holders_in_many_threads_leave_blas_as_it_was():
    before = blas_threads()
    barrier = threading.Barrier(8)

    def hold():
        barrier.wait()
        for _ in range(20):
            assert sum(ordered_map(lambda i: i, range(10), 2)) == 45

    threads = [threading.Thread(target=hold) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert blas_threads() == before


def test_there_is_at_least_one_worker():
    assert default_workers() >= 1


def test_streams_repeat_and_differ():
    draws = {
        (seed, point, trial): tuple(stream(seed, point, trial).integers(0, 2**63, 4))
        for seed in (0, 1, 2**70)
        for point in ((), (1, 2), (2, 1), (1, 2**32), (1 + 2**32, 0), (1, 0))
        for trial in (0, 1, 2**40)
    }
    assert len(set(draws.values())) == len(draws)
    assert all(tuple(stream(*key).integers(0, 2**63, 4)) == draw for key, draw in draws.items())


def test_neighbouring_trials_are_uncorrelated():
    normals = np.array([stream(0, (5,), trial).standard_normal(2000) for trial in range(20)])
    correlations = np.corrcoef(normals)[np.triu_indices(20, 1)] * np.sqrt(2000)
    assert np.abs(correlations).max() < 4
    assert 0.85 < correlations.std() < 1.15


def test_any_random_state_makes_a_key():
    assert key64(3) == key64(3) != key64(4)
    assert key64(np.random.default_rng(1)) == key64(np.random.default_rng(1))
    assert key64(np.random.RandomState(1)) == key64(np.random.RandomState(1))
    assert key64(None) != key64(None)
    assert key64(np.random) != key64(np.random)
