"""Whatever calls at once, from threads, pools and processes: the same bits, no hang, BLAS as it was."""

import functools
import multiprocessing
import pickle
import subprocess
import sys
import threading
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context

import numpy as np
import pytest
import scipy.linalg  # noqa: F401  its BLAS must be loaded to be counted
from threadpoolctl import threadpool_info

from tests.conftest import COMPILED, HANG
from w2s_fast import CoMoments, Gram, MinNorm, Moments, lstsq, min_norm, principal_angles
from w2s_fast._threads import ordered_map

THREADS = 32
SCALE = 1 if COMPILED else 8  # sizes are divided by it


def random(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal([max(2, size // SCALE) for size in shape])


def deficient(m, n):
    X = random(m, n)
    X[:, 1] = X[:, 0]
    return X


def ill_conditioned(m, n):
    X = random(m, n)
    return X * np.logspace(0, -9, X.shape[1]) @ random(n, n, seed=1)


def gram_of(X, Y, **how):
    half = len(X) // 2
    gram, other = Gram(centred=True, **how).update(X[:half], Y[:half]), Gram(centred=True, **how)
    gram.merge(other.update(X[half:], Y[half:]))
    return gram.xtx, gram.xty, gram.x_mean, gram.solve(ridge=0.1), gram.solve(ridge=[0.1, 1.0])


def moments_of(kind, X):
    half = len(X) // 3
    moments = kind().update(X[:half]).merge(kind().update(X[half:]))
    spread = moments.variance(1) if kind is Moments else moments.covariance(1)
    return moments.mean, spread


# name: (call, its arguments), for every route and for sizes below and above those of which threads take a part
CALLS = {
    "min_norm kernel": (min_norm, lambda: (random(60, 20), random(60, seed=1))),
    "min_norm kernel, a product that BLAS would share": (min_norm, lambda: (random(300, 120), random(300, seed=1))),
    "min_norm Gram": (min_norm, lambda: (random(600, 120), random(600, 3, seed=1))),
    "min_norm Gram of rows": (min_norm, lambda: (random(120, 900), random(120, seed=1))),
    "min_norm float32 Gram": (min_norm, lambda: (random(1000, 410), random(1000, seed=1))),
    "min_norm many blocks": (min_norm, lambda: (random(12_000, 60), random(12_000, seed=1))),
    "min_norm spanned": (min_norm, lambda: (deficient(600, 120), random(600, seed=1))),
    "min_norm triangle": (min_norm, lambda: (ill_conditioned(1200, 60), random(1200, seed=1))),
    "min_norm ridge": (functools.partial(min_norm, ridge=1e-3), lambda: (ill_conditioned(200, 40), random(200))),
    "min_norm stack": (min_norm, lambda: (random(64, 120, 40), random(64, 120, seed=1))),
    "min_norm mixed stack": (
        min_norm,
        lambda: (np.stack([random(60, 40), deficient(60, 40)] * 8), np.ones((16, 60 // SCALE))),
    ),
    "MinNorm": (lambda X, Y: MinNorm(X).solve(Y), lambda: (random(300, 150), random(300, 2, seed=1))),
    "MinNorm svd": (lambda X, Y: MinNorm(X).solve(Y), lambda: (ill_conditioned(150, 100), random(150, seed=1))),
    "MinNorm svd, many labels": (
        lambda X, Y: MinNorm(X).solve(Y),
        lambda: (ill_conditioned(400, 300), random(400, 200, seed=1)),
    ),
    "MinNorm svd, wide and small": (
        lambda X, Y: MinNorm(X).solve(Y),
        lambda: (ill_conditioned(60, 120), random(60, 3, seed=1)),
    ),
    "min_norm ridge, many labels": (
        functools.partial(min_norm, ridge=1e-12),
        lambda: (ill_conditioned(400, 300), random(400, 200, seed=1)),
    ),
    "lstsq small": (lstsq, lambda: (random(50, 20), random(50, seed=1))),
    "lstsq": (lstsq, lambda: (random(300, 120), random(300, 2, seed=1))),
    "lstsq small, many labels": (lstsq, lambda: (random(80, 80), random(80, 2000, seed=1))),
    "lstsq long": (lstsq, lambda: (random(3000, 40), random(3000, seed=1))),
    "lstsq wide": (lstsq, lambda: (random(40, 3000), random(40, seed=1))),
    "lstsq stack": (lstsq, lambda: (random(16, 100, 80), random(16, 100, seed=1))),
    "Gram": (gram_of, lambda: (random(9000, 80), random(9000, 2, seed=1))),
    "Gram, more labels than columns": (gram_of, lambda: (random(80, 30), random(80, 80, seed=1))),
    "Gram wide": (gram_of, lambda: (random(1200, 500), random(1200, 2, seed=1))),
    "Gram float32": (gram_of, lambda: (random(2000, 50).astype(np.float32), random(2000, seed=1).astype(np.float32))),
    "Gram, float32 products": (
        functools.partial(gram_of, product_dtype="float32"),
        lambda: (random(20_000, 60).astype(np.float32), random(20_000, seed=1).astype(np.float32)),
    ),
    "principal_angles": (principal_angles, lambda: (random(600, 101), random(600, 21, seed=1))),
    "Moments": (functools.partial(moments_of, Moments), lambda: (random(9000, 200),)),
    "Moments of arrays": (functools.partial(moments_of, Moments), lambda: (random(60, 40, 30),)),
    "CoMoments": (functools.partial(moments_of, CoMoments), lambda: (random(9000, 60),)),
}


@functools.cache
def arguments(name):
    return CALLS[name][1]()


def outcome(name):
    """Results of a call, bit for bit."""
    result = CALLS[name][0](*arguments(name))
    parts = result if isinstance(result, tuple) else (result,)
    return [(np.shape(part), np.asarray(part).tobytes()) for part in parts]


@functools.cache
def alone(name):
    return outcome(name)


def outcomes(start=0):
    """All calls, from one of them on."""
    names = list(CALLS)
    return {name: outcome(name) for name in names[start % len(names) :] + names[: start % len(names)]}


@pytest.fixture(scope="module")
def expected():
    return {name: alone(name) for name in CALLS}


@pytest.fixture(autouse=True)
def blas_as_it_was():
    before = blas_threads()
    yield
    assert blas_threads() == before


def blas_threads():
    return [(pool["filepath"], pool["num_threads"]) for pool in threadpool_info() if pool["user_api"] == "blas"]


def run_threads(work, count=THREADS):
    """Run ``work(i)`` in plain threads, all let go at once; fail with what failed or hangs."""
    barrier, failures = threading.Barrier(count), []

    def run(i):
        try:
            barrier.wait(HANG)
            work(i)
        except BaseException as error:  # whatever it is, the test must hear of it
            failures.append(error)

    threads = [threading.Thread(target=run, args=(i,), daemon=True) for i in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(HANG)
    assert not any(thread.is_alive() for thread in threads), "hangs"
    if failures:
        raise failures[0]


def assert_same_bits(found, expected):
    assert [name for name in expected if found[name] != expected[name]] == []


def test_calls_repeat_bit_for_bit(expected):
    assert_same_bits(outcomes(), expected)


def test_threads_at_once(expected):
    """Each thread starts with another call, so that all kinds run beside all others."""
    names, repeats = list(CALLS), 3

    def work(i):
        for step in range(repeats):
            name = names[(i + 7 * step) % len(names)]
            assert outcome(name) == expected[name], name

    run_threads(work)


def test_one_object_a_thread_and_the_same_data_for_all(expected):
    """All threads in the same call at the same time."""
    for name in ("min_norm many blocks", "min_norm stack", "lstsq stack", "Moments", "CoMoments"):
        run_threads(lambda _, name=name: assert_same_bits({name: outcome(name)}, {name: expected[name]}), 8)


def test_a_pool_of_threads(expected):
    with ThreadPoolExecutor(8) as pool:
        found = dict(zip(CALLS, pool.map(outcome, CALLS, timeout=HANG), strict=True))
    assert_same_bits(found, expected)


def test_calls_within_a_map(expected):
    """From the package's own threads."""
    assert_same_bits(dict(zip(CALLS, ordered_map(outcome, CALLS), strict=True)), expected)


def test_blas_settings_other_than_the_default(expected):
    from threadpoolctl import threadpool_limits

    for limit in (1, 3):
        with threadpool_limits(limit, user_api="blas"):
            before = blas_threads()
            assert_same_bits(outcomes(), expected)
            assert blas_threads() == before


def test_failing_calls_give_blas_back(expected):
    bad = random(3000, 40)
    bad[-1, -1] = np.nan

    def work(i):
        for call in (
            lambda: lstsq(bad, bad[:, 0]),
            lambda: min_norm(bad, np.ones(len(bad))),
            lambda: Gram().update(bad),
        ):
            with pytest.raises(ValueError, match="NaN"):
                call()

    run_threads(work, 8)


# Processes

fork_only = pytest.mark.skipif(
    "fork" not in multiprocessing.get_all_start_methods() or sys.platform == "darwin",
    reason="this system does not fork, or its own libraries do not survive it",
)
# Python warns of forks beside threads; that these forks go well is what is tested.
forks = [fork_only, pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")]


def report(connection):
    connection.send_bytes(pickle.dumps((outcomes(), [threads for _, threads in blas_threads()])))
    connection.close()


class Child:
    """A process that makes all calls and reports them."""

    def __init__(self, method):
        context = get_context(method)
        self._receiver, sender = context.Pipe(duplex=False)
        self._process = context.Process(target=report, args=(sender,), daemon=True)
        self._process.start()
        sender.close()

    def result(self):
        try:
            assert self._receiver.poll(HANG), "hangs"
            return pickle.loads(self._receiver.recv_bytes())
        finally:
            self._process.join(5)
            self._process.kill()


def assert_child_agrees(child, expected):
    found, threads = child.result()
    assert_same_bits(found, expected)
    assert threads == [count for _, count in blas_threads()]


@pytest.mark.parametrize("method", [pytest.param("fork", marks=forks), "spawn"])
def test_processes(method, expected):
    for child in [Child(method) for _ in range(2)]:
        assert_child_agrees(child, expected)


@pytest.mark.parametrize("method", [pytest.param("fork", marks=forks), "spawn"])
def test_pools_of_processes(method, expected):
    with ProcessPoolExecutor(2, mp_context=get_context(method)) as pool:
        found = dict(zip(CALLS, pool.map(outcome, CALLS, timeout=HANG), strict=True))
    assert_same_bits(found, expected)


@fork_only
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_forks_while_other_threads_are_in_a_map(expected):
    """The child has neither the parent's threads, nor its locks, nor its hold on BLAS."""
    before, stop, inside = [count for _, count in blas_threads()], threading.Event(), threading.Semaphore(0)

    def item(i):
        inside.release()
        return float(np.sum(random(200, 200, seed=i)))

    def map_until_stopped():
        while not stop.is_set():
            list(ordered_map(item, range(8), 2))

    busy = [threading.Thread(target=map_until_stopped, daemon=True) for _ in range(3)]
    for thread in busy:
        thread.start()
    try:
        for _ in range(4):
            assert inside.acquire(timeout=HANG)
        reports = [Child("fork").result() for _ in range(2)]
    finally:
        stop.set()
        for thread in busy:
            thread.join(HANG)
    assert not any(thread.is_alive() for thread in busy), "the parent hangs"
    for found, threads in reports:
        assert_same_bits(found, expected)
        assert threads == before


def test_a_program_ends_after_its_calls():
    """Threads that stay do not keep the interpreter from leaving, nor does one that is in a call."""
    program = """
import threading, numpy as np
from w2s_fast import lstsq, min_norm
X = np.random.default_rng(0).standard_normal((32, 200, 60))
def forever():
    while True:
        min_norm(X, X[..., 0]), lstsq(X[0], X[0, :, 0])
threading.Thread(target=forever, daemon=True).start()
min_norm(X, X[..., 0])
print("done")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=HANG, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "done"), done.stderr


def run_program(program):
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=HANG, check=False)
    assert (done.returncode, done.stdout.split()) == (0, ["done"]), done.stderr


LATE = """
import atexit, threading, time
from w2s_fast import GaussianModel, Gram, Study, lstsq, min_norm, simulate
import numpy as np
def late():
    X, model = np.random.default_rng(0).standard_normal((16, 200, 60)), GaussianModel.paper(4, 3, 1, d_target=5)
    min_norm(X, X[..., 0]), lstsq(X[0], X[0, :, 0]), Gram().update(X[0], X[0]).solve()
    simulate(model, 9, 8, trials=300, workers=2), Study(model, n=9, N=8, trials=40).run(progress=False, workers=2)
    print("done")
"""


@pytest.mark.parametrize(
    "end", ["atexit.register(late)", "threading.Thread(target=lambda: (time.sleep(0.2), late())).start()"]
)
def test_calls_once_the_interpreter_ends(end):
    """From handlers at exit and from threads that outlive the main one, first calls too."""
    run_program(LATE + end)


BAR = """
    from w2s_fast.study.progress import progress_bar
    with progress_bar("a study", shown=True):
        pass"""
CALL = """
    from w2s_fast import min_norm
    min_norm(X[:60, :20], X[:60, 0]), min_norm(X, X[:, 0])"""


@fork_only
@pytest.mark.parametrize("delay", [0.0, 0.02, 0.1, 0.4])
@pytest.mark.parametrize("call", [CALL, BAR])
def test_forks_while_another_thread_makes_its_first_call(call, delay):
    run_program(f"""
import os, threading, time, warnings
import numpy as np, w2s_fast
warnings.simplefilter("ignore")
X = np.random.default_rng(0).standard_normal((300, 130))
def first():{call}
thread = threading.Thread(target=first)
thread.start()
time.sleep({delay})
child = os.fork()
if child == 0:
    first()
    os._exit(0)
end = time.monotonic() + {HANG / 2}  # both may compile, on a busy machine
while not (found := os.waitpid(child, os.WNOHANG))[0] and time.monotonic() < end:
    time.sleep(0.01)
if not found[0]:
    os.kill(child, 9)
thread.join()
print("done" if found[0] and found[1] == 0 else "hangs")
""")


@fork_only
def test_a_fork_while_another_thread_begins_an_import():
    """It has the module's lock already, and the module is not yet among those that are there."""
    run_program("""
import importlib.machinery, os, threading, time, warnings
import w2s_fast
warnings.simplefilter("ignore")
begun = threading.Event()

def create_module(loader, spec):
    if spec.name == "w2s_fast.linalg.leastsq.min_norm":
        begun.set()
        time.sleep(0.5)

importlib.machinery.SourceFileLoader.create_module = create_module
def first():
    from w2s_fast import min_norm
thread = threading.Thread(target=first)
thread.start()
begun.wait()
child = os.fork()
if child == 0:
    first()
    os._exit(0)
thread.join()
end = time.monotonic() + 30
while not (found := os.waitpid(child, os.WNOHANG))[0] and time.monotonic() < end:
    time.sleep(0.01)
if not found[0]:
    os.kill(child, 9)
print("done" if found[0] and found[1] == 0 else "hangs")
""")


def test_a_forked_child_may_end_within_a_map():
    if "fork" not in multiprocessing.get_all_start_methods() or sys.platform == "darwin":
        pytest.skip("this system does not fork")
    run_program("""
import os, sys, warnings
from w2s_fast._threads import ordered_map
warnings.simplefilter("ignore")
results = ordered_map(lambda i: i, range(1000), 3)
next(results)
child = os.fork()
if child == 0:
    assert next(results) == 1
    results.close()
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
assert list(results) == list(range(1, 1000))
print("done")
""")
