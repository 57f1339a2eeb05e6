"""Sums of Dask arrays and of files outlive whatever becomes of the workers, or say what it was."""

import os
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from tests.array_calls import HEIGHTS, Here, X, Y
from tests.clusters import KILL, PATIENT, Processes, die, local_cluster, pids, soon
from tests.conftest import COMPILED
from w2s_fast import Gram, Subspace, intrinsic_dimension
from w2s_fast._workers import DeadWorkersError
from w2s_fast.linalg.rows import tree

dask = pytest.importorskip("dask")
da = pytest.importorskip("dask.array")
distributed = pytest.importorskip("distributed")

if not COMPILED:
    pytest.skip("workers take seconds to start kernels as Python", allow_module_level=True)
pytestmark = pytest.mark.filterwarnings("ignore")  # Dask's own, while workers die


@pytest.fixture(scope="module")
def client():
    """A client of workers that come again when they were killed."""
    with local_cluster() as cluster, distributed.Client(cluster, set_as_default=False) as client:
        yield client


@pytest.fixture
def set_up(request):
    """A client of workers of its own, with settings of Dask and of the cluster as a parameter."""
    settings, how = request.param
    with (
        dask.config.set(settings),
        local_cluster(**how) as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
        client.as_current(),
    ):
        yield client


@pytest.fixture(autouse=True)
def current(request):
    """Dask arrays are worked out where the client of the test says."""
    if "client" not in request.fixturenames:
        yield
        return
    client = request.getfixturevalue("client")
    client.wait_for_workers(2, timeout=300)
    with client.as_current():
        yield


def lazily(function, *arguments, heights=HEIGHTS):
    """The rows, of which a function sees each block where it is made."""
    rows = da.from_array(X, chunks=(heights, -1))
    return rows.map_blocks(function, *arguments, dtype=X.dtype, meta=np.zeros((0, 0)))


def kill(pid):
    os.kill(pid, KILL)


def kill_once(block, flags):
    """Kill the worker at the first block, and at one in the middle, once each."""
    flag = flags / str(len(block))
    if len(block) in (100, 249) and not flag.exists():
        flag.touch()
        die()
    return block


def kill_others_once(block, folder):
    """Kill the other worker in the last block but one, when it holds sums of what came before."""
    (folder / str(os.getpid())).touch()
    soon(lambda: len(list(folder.glob("[0-9]*"))) > 1, 300)
    if len(block) == 250 and not (folder / "done").exists():
        (folder / "done").touch()
        for path in folder.glob("[0-9]*"):
            if path.name != str(os.getpid()):
                kill(int(path.name))
    return block


def slowly(block):
    time.sleep(0.2)
    return block


def kill_always(block):
    if len(block) == 249:
        die()
    return block


def count(block, folder):
    path = folder / str(len(block))
    with path.open("a") as file:
        file.write("x")
    return block


def test_sums_outlive_workers(client, tmp_path):
    assert np.array_equal(Gram().update(lazily(kill_once, tmp_path), Y).xty, Gram().update(Here(X), Y).xty)
    assert len(list(tmp_path.iterdir())) == 2


def test_sums_that_are_lost_with_their_holder_are_made_anew(client, tmp_path):
    heights = (10,) * 25 + (250,) + (200,)
    found = Gram().update(lazily(kill_others_once, tmp_path, heights=heights), Y)
    assert (tmp_path / "done").exists()
    assert np.array_equal(found.xty, Gram().update(Here(X, heights), Y).xty)


SPILLING = {
    "distributed.worker.memory.target": 0.002,
    "distributed.worker.memory.spill": False,
    "distributed.worker.memory.pause": False,
    "distributed.worker.memory.terminate": False,
}


@pytest.mark.parametrize("set_up", [(SPILLING, {"memory_limit": "1 GB"})], indirect=True)
def test_sums_beyond_the_memory_of_workers_go_to_disk(set_up, monkeypatch):
    """Each of 16 sums has 0.72 MB, of 2 MB that a worker keeps in memory."""
    monkeypatch.setattr(tree, "LEAF_BYTES", 1)  # none are added before all are there
    wide = np.random.default_rng(0).standard_normal((160, 300))
    heights = (10,) * 16
    lazy = da.from_array(wide, chunks=(heights, -1))
    found = Gram().update(lazy).xtx
    assert np.array_equal(found, Gram().update(Here(wide, heights)).xtx)
    written = set_up.run(lambda dask_worker: dask_worker.data.cumulative_metrics["disk-write", "count"])
    assert sum(written.values()) > 0


@pytest.mark.parametrize("set_up", [({"distributed.scheduler.allowed-failures": 1}, {})], indirect=True)
def test_blocks_that_kill_are_named(set_up):
    named = r"rows [\d,]+ to [\d,]+ of X, or what was beside them: 2 workers died one after the other"
    with pytest.raises(DeadWorkersError, match=named):
        Gram().update(lazily(kill_always))
    soon(lambda: set_up.run_on_scheduler(lambda dask_scheduler: len(dask_scheduler.tasks)) == 0)


def test_what_is_not_finite_is_named_and_read_no_more_than_twice(client, tmp_path):
    damaged = X.copy()
    damaged[347, 5] = np.nan
    rows = da.from_array(damaged, chunks=(HEIGHTS, -1)).map_blocks(count, tmp_path, dtype=X.dtype, meta=X[:0])
    for times, call in enumerate((intrinsic_dimension, Gram().update), 1):
        with pytest.raises(ValueError, match=r"X holds 1 NaN or infinite value\(s\), the first at index \(347, 5\)"):
            call(rows)
        assert len((tmp_path / "249").read_text()) == 2 * times  # one pass to sum, one to name


@pytest.mark.parametrize("set_up", [({"distributed.scheduler.allowed-failures": 9}, {})], indirect=True)
def test_chaos(set_up):
    """A worker is killed every two seconds, three times."""
    over, killed = threading.Event(), []

    def chaos():
        while not over.wait(2) and len(killed) < 3:
            for pid in pids(set_up)[:1]:
                killed.append(pid)
                kill(pid)

    thread = threading.Thread(target=chaos)
    heights = (35,) * 20
    expected = Subspace.fit(Here(X, heights), rank=3).basis
    thread.start()
    try:
        while len(killed) < 2 and thread.is_alive():
            assert np.array_equal(Subspace.fit(lazily(slowly, heights=heights), rank=3).basis, expected)
    finally:
        over.set()
        thread.join()
    assert len(killed) >= 2


@pytest.fixture
def processes(tmp_path):
    """A scheduler and workers as processes of their own."""
    found = Processes(tmp_path)
    with dask.config.set(PATIENT):
        yield found
    found.end()


def tell_and_wait(block, folder):
    """Say that rows are being read, which goes on for a while."""
    (folder / "read").touch()
    time.sleep(0.2)
    return block


def test_a_scheduler_that_dies_is_told_at_once(processes, tmp_path):
    scheduler = processes.start("scheduler", "--port", "0", "--no-dashboard")
    processes.start("worker", "--nthreads", "1", "--no-dashboard")
    client, killed = processes.client(1), []

    def kill_in_the_middle():
        soon((tmp_path / "read").exists)
        scheduler.kill()
        killed.append(time.monotonic())

    thread = threading.Thread(target=kill_in_the_middle)
    rows = lazily(tell_and_wait, tmp_path, heights=(10,) * 70)
    with client.as_current():
        thread.start()
        with pytest.raises(ConnectionError, match="the scheduler is gone, or lost the sums of X"):
            Subspace.fit(rows, rank=3)
        thread.join()
        assert time.monotonic() - killed[0] < 60  # and not as long as a client goes on to ask
    client.close(timeout=1)


PROGRAM = """
import sys
from pathlib import Path
from tests.test_array_failures import lazily, tell_and_wait
from w2s_fast import Gram
from w2s_fast.scale import connected

if __name__ == "__main__":
    with connected(sys.argv[1]) as client, client.as_current():
        Gram().update(lazily(tell_and_wait, Path(sys.argv[2]), heights=(10,) * 70))
"""


def test_a_client_that_dies_leaves_nothing_on_the_workers(client, tmp_path):
    with subprocess.Popen([sys.executable, "-c", PROGRAM, client.scheduler.address, tmp_path]) as other:
        soon((tmp_path / "read").exists)
        other.kill()
    soon(lambda: client.run_on_scheduler(lambda dask_scheduler: len(dask_scheduler.tasks)) == 0)
    soon(lambda: not any(client.run(lambda dask_worker: len(dask_worker.data) + len(dask_worker.state.tasks)).values()))
    assert np.array_equal(Gram().update(lazily(np.asarray), Y).xty, Gram().update(Here(X), Y).xty)
