"""Beyond so many rows trials draw by a bijection: their fits are those of the rows that it names."""

import numpy as np
import pytest

from tests import naive
from w2s_fast import Study, Task, probe
from w2s_fast.probing import drawing
from w2s_fast.probing.design import Design, most
from w2s_fast.probing.drawing import ORDERS, TESTED, Shuffle

RNG = np.random.default_rng(0)
Z = RNG.standard_normal((400, 7))
WEAK, STRONG, Y = Z[:, :3], Z[:, 2:6], Z[:, 6] + Z[:, 0]
HOW = {"n": [20, 40], "N": [50, 90], "trials": 2, "seed": 3, "ridge": 0.1}


@pytest.fixture(autouse=True)
def few(monkeypatch):
    monkeypatch.setattr(drawing, "LISTED", 50)


@pytest.mark.parametrize("nested", [True, False])
def test_errors_are_those_of_the_rows_that_are_named(nested):
    found = probe(WEAK, STRONG, Y, **HOW, nested=nested, test=60)
    tested = Shuffle.of(400, 3, (TESTED,), 0)
    test = np.sort(tested.numbers(np.arange(60)))
    for trial in range(2):
        for place, (n, N) in enumerate(zip(HOW["n"], HOW["N"], strict=True)):
            n_most, N_most = (40, 90) if nested else (n, N)
            order = Shuffle.of(340, 3, (ORDERS, 0, *(() if nested else (n, N))), trial)
            rows = tested.numbers(order.numbers(np.arange(n_most + N_most)) + 60)
            assert not np.isin(rows, test).any()
            expected = naive.probe_errors(WEAK, STRONG, Y, rows[:n], rows[n_most : n_most + N], test, 0.1)
            errors = [getattr(found, fit)[place, trial] for fit in ("weak", "baseline", "ceiling", "w2s")]
            assert errors == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(
    "how",
    [
        {"labelled": np.arange(100), "pseudo_labelled": np.arange(100, 300)},
        {"labelled": np.arange(100)},
        {"test": np.arange(0, 400, 5)},
        {"test": (WEAK[:30], STRONG[:30], Y[:30])},
    ],
)
def test_rows_that_are_set_apart_stay_so(how):
    task = Task.of(WEAK, STRONG, Y, **how)
    design = Design.of(task, HOW["n"], HOW["N"], 3)
    orders = [design.order_of(trial, design.points)[: sum(most(design.points))] for trial in range(20)]
    for order in orders:
        assert len(np.unique(order)) == 130
        if len(design.pools) > 1:
            assert np.isin(order[:40], design.pools[0]).all()
            assert np.isin(order[40:], design.pools[1]).all()
        if design.test is task.rows:
            assert not np.isin(order, design.test_index).any()
    assert len({tuple(order) for order in orders}) == 20
    assert probe(WEAK, STRONG, Y, **HOW, **how).w2s.shape == (2, 2)


def test_studies_say_nothing_else(tmp_path):
    grid = {"n": 20, "N": [50, 90], "trials": 3}
    path = tmp_path / "study.sqlite"
    whole = Study(Task.of(WEAK, STRONG, Y), **grid).run(progress=False)
    Study(Task.of(WEAK, STRONG, Y), **grid | {"trials": 1}, path=path).run(progress=False)
    after = Study(Task.of(WEAK, STRONG, Y), **grid, path=path).run(progress=False)
    assert str(after.table()) == str(whole.table())
