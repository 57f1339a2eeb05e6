"""Trials on a Dask cluster are those of one machine, whatever becomes of its workers."""

import asyncio
import operator
import os
import subprocess
import sys
import threading
import time
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from tests.clusters import KILL, PATIENT, Processes, die, local_cluster, pids, soon
from tests.conftest import COMPILED
from w2s_fast import GaussianModel, Gram, Study, Subspace, _workers, probe, simulate

dask = pytest.importorskip("dask")
da = pytest.importorskip("dask.array")
distributed = pytest.importorskip("distributed")
from w2s_fast import scale  # noqa: E402  needs Dask
from w2s_fast.linalg.rows import cutting, tree  # noqa: E402

if not COMPILED:
    pytest.skip("workers take seconds to start kernels as Python", allow_module_level=True)
pytestmark = pytest.mark.filterwarnings("ignore")  # Dask's own, while workers die

MODEL = GaussianModel.paper(d_weak=4, d_strong=3, d_shared=1, d_target=5, ambient=20)
X = np.random.default_rng(0).standard_normal((300, 10))
GRID = {"n": 9, "N": [8, 40], "trials": 60_000, "keep_trials": True}


@pytest.fixture(scope="module")
def client():
    with local_cluster() as cluster, distributed.Client(cluster, set_as_default=False) as client:
        yield client


@pytest.fixture
def doomed(request):
    """A client of workers of its own, with the number of deaths that its scheduler bears as a parameter."""
    allowed = {"distributed.scheduler.allowed-failures": getattr(request, "param", 3)}
    with (
        dask.config.set(allowed),
        local_cluster() as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def expected():
    return Study(MODEL, **GRID).run(progress=False).result.w2s


@pytest.fixture(autouse=True)
def short_batches(monkeypatch):
    """Batches of a tenth of a second, lest a study of a second be one of them."""
    monkeypatch.setattr(_workers, "TASK_SECONDS", 0.1)


def tasks_of(client):
    return client.run_on_scheduler(lambda dask_scheduler: len(dask_scheduler.tasks))


@pytest.mark.parametrize("method", ["wishart", "invariants"])
def test_trials_of_a_model_are_those_of_threads(client, method):
    there, here = (
        simulate(MODEL, 9, [8, 40], trials=70, method=method, workers=workers, seed=3) for workers in (client, 1)
    )
    assert np.array_equal(there.w2s, here.w2s)
    assert np.array_equal(there.variance.population.reduced.mean, here.variance.population.reduced.mean)
    soon(lambda: tasks_of(client) == 0)


def test_trials_of_features_are_those_of_threads(client, tmp_path):
    np.save(tmp_path / "strong.npy", X[:, 3:9])
    for strong in (X[:, 3:9], tmp_path / "strong.npy"):
        there, here = (
            probe(X[:, :3], strong, X[:, 9], n=[20, 40], N=[50, 90], trials=9, workers=workers)
            for workers in (client, 1)
        )
        assert np.array_equal(there.w2s, here.w2s)


def test_trials_whose_rows_fit_no_worker_are_summed_there(client, monkeypatch):
    monkeypatch.setattr(scale, "ROOM", 1e-9)
    lazy = [da.from_array(part, chunks=(100, -1)) for part in (X[:, :3], X[:, 3:9])]
    how = {"n": [20, 40], "N": [50, 90], "trials": 2}
    with client.as_current():
        found = probe(*lazy, X[:, 9], **how)
    with dask.config.set(scheduler="threads"):
        here = probe(*lazy, X[:, 9], **how)
    assert np.array_equal(found.w2s, here.w2s)
    assert np.allclose(found.w2s, probe(X[:, :3], X[:, 3:9], X[:, 9], **how).w2s, rtol=1e-10)
    soon(lambda: tasks_of(client) == 0)


def test_labels_that_are_many_are_sent_without_a_warning(client):
    labels = np.ones((300, 5_000))  # 12 MB
    with client.as_current(), warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        counted = scale.rows(da.from_array(X, chunks=(100, -1)), "X").total(rows_of_both, operator.add, labels)
    assert counted == 600


def rows_of_both(block, labels):
    return len(block) + len(labels)


def test_files_are_read_by_workers(client, tmp_path, monkeypatch):
    monkeypatch.setattr(cutting, "LONGEST_BLOCK", 20)
    monkeypatch.setattr(tree, "LEAF_BYTES", 50 * 10 * 8)
    for place, part in enumerate(np.split(X, 3)):
        np.save(tmp_path / f"{place}.npy", part)
    paths = [tmp_path / f"{place}.npy" for place in range(3)]
    there, here = (Subspace.fit(paths, rank=3, workers=workers).basis for workers in (client, None))
    assert np.array_equal(there, here)
    there, here = (Gram().update(paths, X[:, 0], workers=workers).xty for workers in (client, None))
    assert np.array_equal(there, here)
    soon(lambda: tasks_of(client) == 0)


def test_workers_that_join_are_warm(client):
    client.register_plugin(scale.WarmUp())
    assert all(client.run(lambda dask_worker: "w2s_fast" in dask_worker.plugins).values())
    loaded = client.run(lambda: "w2s_fast.kernels.invariants.trial" in sys.modules)
    assert all(loaded.values())


def test_a_study_says_on_what_it_ran(client, tmp_path, expected):
    study = Study(MODEL, **GRID, path=tmp_path / "study.sqlite").run(progress=False, workers=client)
    assert np.array_equal(study.result.w2s, expected)
    (run,) = Study.open(study.path).runs
    assert run["workers"] == 2
    assert "blas" in run["versions"]


def failing(item):
    if item == 5:
        raise ValueError("item 5 is no good")
    return item


def test_errors_come_back_where_they_belong(client):
    results, found = _workers.ordered_map(failing, range(9), client), []
    with pytest.raises(ValueError, match="item 5 is no good"):
        found += results
    assert found == list(range(len(found)))
    soon(lambda: tasks_of(client) == 0)


def test_an_interrupt_leaves_the_scheduler_empty_and_the_file_whole(client, tmp_path, expected):
    def interrupt(done, total):
        if done:
            raise KeyboardInterrupt

    path = tmp_path / "study.sqlite"
    with pytest.raises(KeyboardInterrupt):
        Study(MODEL, **GRID, path=path).run(progress=interrupt, workers=client)
    soon(lambda: tasks_of(client) == 0)
    assert 0 < Study.open(path).counts.sum() < expected.size
    assert np.array_equal(Study(MODEL, **GRID, path=path).run(progress=False, workers=client).result.w2s, expected)


@pytest.mark.parametrize(("how_many", "share"), [(1, 0.0), (1, 0.95), (2, 0.0), (2, 0.5)])
def test_killed_workers_cost_nothing(doomed, share, how_many, tmp_path, expected):
    dead = []

    def kill(done, total):
        if done >= share * total and not dead:
            dead.extend(pids(doomed)[:how_many])
            for pid in dead:
                os.kill(pid, KILL)

    path = tmp_path / "study.sqlite"
    study = Study(MODEL, **GRID, path=path).run(progress=kill, workers=doomed)
    assert len(dead) == how_many
    assert np.array_equal(study.result.w2s, expected)
    assert Study.open(path).is_complete


def test_chaos(doomed, expected, monkeypatch):
    monkeypatch.setattr(scale, "SENT_ALONG", 0)  # what batches share is lost with a worker, too
    over = threading.Event()

    def kill():
        for _ in range(5):  # no more, or a machine that takes seconds to start a worker would never come to an end
            if over.wait(2):
                return
            for pid in pids(doomed)[:1]:
                os.kill(pid, KILL)

    chaos = threading.Thread(target=kill)
    chaos.start()
    try:
        for _ in range(2):
            study = Study(MODEL, **GRID).run(progress=lambda done, total: time.sleep(0.05), workers=doomed)
            assert np.array_equal(study.result.w2s, expected)
    finally:
        over.set()
        chaos.join()


def test_workers_come_and_go(expected):
    with local_cluster(0) as cluster, distributed.Client(cluster, set_as_default=False) as client:
        pool = scale.pool(client)
        assert pool.count() == 0
        later = threading.Timer(1, cluster.scale, [1])
        later.start()
        scaled = []

        def scale_on(done, total):
            if done and not scaled:
                scaled.append(True)
                cluster.scale(2)
                client.wait_for_workers(2)
                first, *_ = client.scheduler_info()["workers"]
                client.retire_workers([first])

        study = Study(MODEL, **GRID).run(progress=scale_on, workers=client)
        later.join()
        assert np.array_equal(study.result.w2s, expected)


def poison(item):
    if item == 7:
        die()
    time.sleep(0.02)
    return item


@pytest.mark.parametrize("doomed", [1], indirect=True)
def test_what_kills_its_workers_is_named_and_the_rest_is_done(doomed):
    found = list(_workers.ordered_map(poison, range(20), doomed))
    assert [item for item in found if not isinstance(item, _workers.Lost)] == [*range(7), *range(8, 20)]
    assert found[7].item == 7
    assert "2 workers died one after the other" in str(found[7].reason)


class Poisoned:
    """Trials of a model, of which some kill the worker."""

    def __init__(self, run_span, N, first):
        self.run_span, self.N, self.first = run_span, N, first

    def __call__(self, span):
        if span.N == self.N and span.start >= self.first:
            die()
        return self.run_span(span)


@pytest.mark.parametrize("doomed", [1], indirect=True)
def test_a_study_goes_on_without_the_trials_that_kill(doomed, tmp_path, monkeypatch, expected):
    from w2s_fast.gaussian import simulate as module

    runner, path = module._runner, tmp_path / "study.sqlite"
    monkeypatch.setattr(module, "_runner", lambda *args: Poisoned(runner(*args), 8, 40_000))
    with pytest.raises(RuntimeError, match="trials 40,960 to 45,055 at n = 9 and N = 8: 2 workers died"):
        Study(MODEL, **GRID, path=path).run(progress=False, workers=doomed)
    assert Study.open(path).counts.ravel().tolist() == [40_960, 60_000]
    monkeypatch.undo()
    assert np.array_equal(Study(MODEL, **GRID, path=path).run(progress=False, workers=doomed).result.w2s, expected)


@pytest.fixture
def processes(tmp_path):
    """A scheduler and workers as processes of their own."""
    found = Processes(tmp_path)
    with dask.config.set(PATIENT):
        yield found
    found.end()


def test_a_scheduler_that_dies_is_told_at_once(processes, tmp_path, expected):
    scheduler = processes.start("scheduler", "--port", "0", "--no-dashboard")
    processes.start("worker", "--nthreads", "1", "--no-dashboard")
    path = tmp_path / "study.sqlite"
    client = processes.client(1)
    killed = []

    def kill(done, total):
        if done and not killed:
            scheduler.kill()
            killed.append(time.monotonic())

    with pytest.raises(ConnectionError, match=r"<Client.* lost its scheduler"):
        Study(MODEL, **GRID, path=path).run(progress=kill, workers=client)
    assert time.monotonic() - killed[0] < 60  # and not as long as a client goes on to ask
    client.close(timeout=1)
    assert 0 < Study.open(path).counts.sum() < expected.size
    assert np.array_equal(Study(MODEL, **GRID, path=path).run(progress=False).result.w2s, expected)


@dataclass(frozen=True)
class BesideAnother:
    """Works on an item once another process does so, too: none can do all of them before the other has begun."""

    folder: Path

    def __call__(self, item):
        (self.folder / str(os.getpid())).touch()
        soon(lambda: len(list(self.folder.iterdir())) > 1, 300)
        return item


def test_workers_that_differ_are_refused(processes, tmp_path, monkeypatch):
    processes.start("scheduler", "--port", "0", "--no-dashboard")
    for kernel in ("Nehalem", "Prescott"):
        processes.start("worker", "--nthreads", "1", "--no-dashboard", OPENBLAS_CORETYPE=kernel)
    with processes.client(2) as client, client.as_current():
        work = BesideAnother(tmp_path / "at_work")
        work.folder.mkdir()
        with pytest.raises(RuntimeError, match=r"workers differ in blas .*W2S_FAST_MIXED_WORKERS=1"):
            list(_workers.ordered_map(work, range(20), client))
        blocks = da.from_array(X, chunks=(150, -1)).map_blocks(work, dtype=X.dtype, meta=X[:0])
        with pytest.raises(RuntimeError, match=r"workers differ in blas .*W2S_FAST_MIXED_WORKERS=1"):
            Gram().update(blocks)
        monkeypatch.setenv("W2S_FAST_MIXED_WORKERS", "1")
        assert list(_workers.ordered_map(work, range(20), client)) == list(range(20))
        assert Gram().update(blocks).n_rows == len(X)


PROGRAM = """
import sys
from tests.test_clusters import GRID, MODEL
from w2s_fast import Study
from w2s_fast.scale import connected

def tell(done, total):
    print(done, flush=True)

if __name__ == "__main__":
    with connected(sys.argv[1]) as client:
        Study(MODEL, **GRID, path=sys.argv[2]).run(progress=tell, workers=client)
"""


def test_a_client_that_dies_leaves_its_file_and_an_empty_scheduler(client, tmp_path, expected):
    path = tmp_path / "study.sqlite"
    address = client.scheduler.address
    with subprocess.Popen([sys.executable, "-c", PROGRAM, address, path], stdout=subprocess.PIPE, text=True) as other:
        for line in other.stdout:
            if int(line):
                other.kill()
                break
    soon(lambda: tasks_of(client) == 0)
    assert 0 < Study.open(path).counts.sum() < expected.size
    assert np.array_equal(Study(MODEL, **GRID, path=path).run(progress=False, workers=client).result.w2s, expected)


def test_where_nobody_answers_is_said():
    dask = pytest.importorskip("dask")
    with (
        dask.config.set({"distributed.comm.timeouts.connect": "100 ms"}),
        pytest.raises(RuntimeError, match=r"no scheduler answers at 'tcp://127.0.0.1:1'"),
        scale.connected("tcp://127.0.0.1:1"),
    ):
        pass


def test_a_client_that_does_not_wait_is_refused():
    async def ask():
        async with distributed.Client(
            processes=False, n_workers=0, dashboard_address=":0", asynchronous=True
        ) as client:
            simulate(MODEL, 9, 8, trials=1, workers=client)

    with pytest.raises(TypeError, match="asynchronous=True"):
        asyncio.run(ask())


def test_a_sweep_runs_on_a_scheduler(client, tmp_path, capsys, monkeypatch):
    from w2s_fast import cli

    path, grid = tmp_path / "swept.sqlite", ["--d-weak=4", "--d-strong=3", "--d-target=5", "--d-shared=1"]
    command = ["w2s-fast", "sweep", *grid, "--n=9", "--N=8", "--trials=70", "--out", str(path), "--quiet"]
    monkeypatch.setattr(sys, "argv", [*command, "--scheduler", client.scheduler.address])
    cli.main()
    (run,) = Study.open(path).runs
    assert (run["workers"], run["trials"]) == (2, 70)
    monkeypatch.setattr(sys, "argv", [*command, "--scheduler", client.scheduler.address, "--workers", "2"])
    with pytest.raises(SystemExit):
        cli.main()
    assert "leave them out beside --scheduler" in capsys.readouterr().err
