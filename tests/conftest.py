"""Two ways to run: compiled, and with ``NUMBA_DISABLE_JIT=1``, where kernels are Python and sizes must be tiny."""

import os

import pytest
from hypothesis import HealthCheck, settings
from threadpoolctl import threadpool_limits

from w2s_fast.gaussian import simulate
from w2s_fast.tasks import beyond

COMPILED = os.environ.get("NUMBA_DISABLE_JIT", "0") == "0"
HANG = 600.0  # seconds: no work of a test takes that long, on however slow and busy a machine

if not COMPILED:  # as Python, a trial from invariants takes 20 times as long as one from sufficient statistics
    simulate.FEW_TILTED = simulate.TILTED_SHARE = -1
    grown = beyond.Growth.__init__
    beyond.Growth.__init__ = lambda self, *, points=2, trials=2, seed=0: grown(self, points=2, trials=2, seed=seed)

# Compilation happens inside the first example, so there is no deadline; failures must repeat, so nothing is random.
settings.register_profile(
    "default",
    deadline=None,
    derandomize=True,
    database=None,
    max_examples=100 if COMPILED else 15,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("default")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if COMPILED:
        return
    slow = [item for item in items if item.get_closest_marker("compiled")]
    config.hook.pytest_deselected(items=slow)
    items[:] = [item for item in items if item not in slow]


@pytest.fixture(autouse=True)
def lines_of_any_length(monkeypatch):
    """Tables fit the lines that a shell tells of, as some do that run tests."""
    monkeypatch.delenv("COLUMNS", raising=False)


@pytest.fixture(scope="module", autouse=True)
def cores_are_shared(request):
    """Hold BLAS to one thread where tests call LAPACK in earnest beside others: they take a fifth of the time so.

    Threads of BLAS that wait for work keep a core busy. Maps have two threads all the same. CI runs kernels as Python
    beside other tests.
    """
    alone = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")) == 1
    if (alone and COMPILED) or request.path.parent.name not in ("linalg", "gaussian"):
        yield
        return
    with threadpool_limits(1, user_api="blas"), pytest.MonkeyPatch.context() as patch:
        patch.setenv("W2S_FAST_NUM_THREADS", "2")
        yield
