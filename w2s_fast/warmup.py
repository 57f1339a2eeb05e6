"""Compile every kernel ahead of time, so that no later process of this user has to wait for it.

What is compiled depends on the types of arguments. These are all there are: float32 and float64 rows, ridge and none,
fits of plenty of rows and of few.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from w2s_fast.gaussian.simulate import Method
    from w2s_fast.results.risks import Ceiling


def warm_up(progress: Callable[[int, int], None] | None = None) -> None:
    """Call every kernel on tiny inputs; half a minute where nothing is cached, and under one where all is.

    Parameters
    ----------
    progress : callable, optional
        Called with (steps done, steps).
    """
    linear = _few, _least_squares, _stacks, _factors, _sketch, _sketched_rows
    steps = (_moments, _record, *linear, _orders, *_simulations())
    for done, step in enumerate(steps):
        if progress is not None:
            progress(done, len(steps))
        step()
    if progress is not None:
        progress(len(steps), len(steps))


def _simulations() -> tuple[Callable[[], None], ...]:
    return _simulation, _ceiling_apart, _wishart_simulation, _simulation_of_few_rows, _ridge_simulation


def compiling_simulations() -> AbstractContextManager[None]:
    """Meanwhile compile in another process the last half of a warm-up, which by then has only to be loaded."""
    return _compiling_elsewhere(*_simulations())


def compiling_few_rows_and_ridge() -> AbstractContextManager[None]:
    """Meanwhile compile in another process what trials of few rows and of ridge take."""
    return _compiling_elsewhere(_simulation_of_few_rows, _ridge_simulation, _moments)


@contextmanager
def _compiling_elsewhere(*steps: Callable[[], None]) -> Iterator[None]:
    """Take these steps in another process, since compiling fills one core.

    It is for the cache: who comes too early compiles the same, and where there is no other process all goes on as well.
    For commands, whose ``sys.executable`` is Python: that of a frozen application would start the application again.
    """
    calls = "; ".join(f"warmup.{step.__name__}()" for step in steps)
    command = [sys.executable or "python", "-P", "-c", f"from w2s_fast import warmup; {calls}"]
    nowhere = subprocess.DEVNULL
    try:
        process = subprocess.Popen(command, stdin=nowhere, stdout=nowhere, stderr=nowhere)
    except OSError:
        yield
        return
    try:
        yield
    finally:
        process.terminate()
        process.wait()


def _rows(dtype: npt.DTypeLike = np.float64) -> npt.NDArray[np.floating]:
    return np.random.default_rng(0).standard_normal((60, 5)).astype(dtype)


def _moments() -> None:
    from w2s_fast.linalg.accumulate.moments import Moments

    for dtype in (np.float32, np.float64):
        Moments().update(_rows(dtype)).merge(Moments().update(_rows(dtype)))


def _record() -> None:
    from w2s_fast.study.measured import Measured

    Measured(1, list("abcde"), keep_trials=False).add(0, [(0, 0, np.ones((2, 5)))])


def _few() -> None:
    from w2s_fast.linalg.accumulate.co_moments import CoMoments
    from w2s_fast.linalg.accumulate.gram import Gram
    from w2s_fast.linalg.leastsq import few

    for dtype in (np.float32, np.float64):
        few.min_norm(_rows(dtype), np.ones(60, dtype))
        few.lstsq(_rows(dtype), np.ones(60, dtype))
        Gram().update(_rows(dtype), np.ones(60, dtype)).update(_rows(dtype), np.ones(60, dtype))
        CoMoments().update(_rows(dtype))
        Gram(centred=True).update(_rows(dtype), np.ones(60, dtype)).update(_rows(dtype), np.ones(60, dtype))


def _least_squares() -> None:
    from w2s_fast.linalg.leastsq.min_norm import min_norm

    min_norm(_rows(), _rows()[:, :2])


def _stacks() -> None:
    from w2s_fast.linalg.leastsq.by_stack import LEAST_STACK
    from w2s_fast.linalg.leastsq.lstsq import lstsq
    from w2s_fast.linalg.leastsq.min_norm import min_norm

    X, y = np.ones((LEAST_STACK, 3, 2)), np.ones((LEAST_STACK, 3))  # of rank 1, which takes singular values
    min_norm(X, y)
    lstsq(X, y)


def _factors() -> None:
    from w2s_fast.linalg.accumulate.gram import Gram
    from w2s_fast.linalg.leastsq.min_norm import MinNorm

    factor = MinNorm(_rows(), rcond=1e-9, ridge=1.0)
    factor.solve(np.arange(60.0))
    _ = factor.condition  # estimated when asked for
    Gram().update(_rows(), np.arange(60.0)).solve()


def _sketch() -> None:
    from w2s_fast.kernels.sketch import add_sketch

    for dtype in (np.float32, np.float64):
        add_sketch(_rows(dtype), 0, np.uint64(0), np.zeros((8, 5), dtype))


def _sketched_rows() -> None:
    from w2s_fast.features.sketching import Sketch, SketchedRows
    from w2s_fast.kernels.sketch import fill_sparse_signs

    for dtype in (np.float32, np.float64):
        rows = SketchedRows(Sketch(8, 0), 60, dtype)
        rows.add(_rows(dtype), 0)
        rows.columns()
    fill_sparse_signs(np.uint64(0), 0, 8, np.empty((1, 8), np.int64), np.empty((1, 8), np.float32))


def _orders() -> None:
    from w2s_fast.probing.drawing import Shuffle

    order = Shuffle.of(7, 0, (), 0)
    order.places(order.numbers(np.arange(7)))


def _simulation(N: int = 8, ridge: float = 0.0, method: Method = "auto", ceiling: Ceiling = "all") -> None:
    from w2s_fast.gaussian.model import GaussianModel
    from w2s_fast.gaussian.simulate import simulate

    model = GaussianModel.paper(d_weak=3, d_strong=2, d_shared=1, d_target=4, ambient=10)
    simulate(model, 8, N, trials=1, ridge=ridge, method=method, workers=1, ceiling=ceiling)


def _ceiling_apart() -> None:
    _simulation(method="invariants", ceiling="pseudo")


def _simulation_of_few_rows() -> None:
    _simulation(N=3, method="wishart")


def _ridge_simulation() -> None:
    _simulation(ridge=0.1)


def _wishart_simulation() -> None:
    _simulation(method="wishart")
