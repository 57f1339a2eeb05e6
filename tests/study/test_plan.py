"""Planning from pilots: fits find the answer of a known law, and say when they guess."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest

from w2s_fast import GaussianModel, Study, Task, expected_risks, required_labels, required_pseudo_labels
from w2s_fast.results.trials import Estimate
from w2s_fast.study import forecast
from w2s_fast.study.forecast import answer, fit, run_time


@pytest.fixture(scope="module")
def model():
    return GaussianModel.paper(20, 10, 4, d_target=30)


def exact_pilot(model, axis, sizes, error):
    """A line whose means are the exact expectations, times normal noise, and whose setting has no closed form."""
    fixed = {"n": 500} if axis == "N" else {"N": 500}
    study = Study(model, **{axis: sizes}, **fixed, ridge=1e-9, trials=2).run(progress=False)
    (line,) = study.lines()
    risks = expected_risks(model, study.n, study.N)._asdict()
    rng = np.random.default_rng(0)
    drawn = {name: mean * (1 + error * rng.standard_normal(mean.shape)) for name, mean in risks.items()}
    summary = {name: Estimate(drawn[name], error * mean) for name, mean in risks.items()}
    return dataclasses.replace(line, summary=summary)


def test_a_fit_finds_the_law():
    x = np.array([20.0, 40, 80, 160, 320])
    found = fit(x, 2 + 30 / (x - 12), np.full(5, 1e-3))
    assert found.at(x) == pytest.approx(2 + 30 / (x - 12), rel=0.01)
    assert found.at(np.array(1e9)) == pytest.approx(2, rel=0.02)
    assert fit(x, np.array([1.0, 2, 3, 4, 5]), np.ones(5)).b == 0  # a rising risk has no such law: its mean


@pytest.mark.parametrize("axis", ["n", "N"])
@pytest.mark.parametrize(("error", "within"), [(1e-6, 0.03), (0.003, 0.5)])
def test_fits_to_exact_means_find_the_exact_answer(model, axis, error, within):
    line = exact_pilot(model, axis, np.geomspace(40, 4_000, 12).astype(int), error)
    pgr = float(expected_risks(model, 500, 100).pgr if axis == "N" else expected_risks(model, 100, 500).pgr)
    required = {"N": required_pseudo_labels, "n": required_labels}[axis]
    exact = required(model, 500, pgr=pgr)
    found = answer(line, pgr)
    assert (found.basis, found.extrapolated) == ("fit", False)
    assert found.size == pytest.approx(exact, rel=within)
    assert found.low <= found.size <= found.high


def test_answers_beyond_the_pilot_are_marked(model):
    line = exact_pilot(model, "N", np.array([15, 20, 25, 30, 35]), 1e-5)
    pgr = float(expected_risks(model, 500, 60).pgr)
    found = answer(line, pgr)
    assert found.extrapolated
    assert found.size == pytest.approx(60, rel=0.2)
    assert answer(line, 1.0).size is None
    assert "fits do not reach it up to N = 35,000" in answer(line, 1.0).note


def test_a_pilot_of_a_model_is_answered_exactly(model):
    study = Study(model, n=500, N=[20, 40], trials=2).run(progress=False)
    found = answer(study.lines()[0], 0.7)
    assert (found.basis, found.size) == ("exact", required_pseudo_labels(model, 500, pgr=0.7))


def test_too_small_a_pilot_says_so():
    rng = np.random.default_rng(0)
    task = Task.of(rng.standard_normal((90, 3)), rng.standard_normal((90, 4)), rng.standard_normal(90))
    study = Study(task, n=10, N=[20, 40], trials=2).run(progress=False)
    assert (
        "a fit takes 4 measured sizes along N of 2 trials or more and no ill-conditioned fit, got 2"
        in answer(study.lines()[0], 0.5).note
    )


def test_predicted_time_is_that_of_the_trials_timed(model, monkeypatch):
    """By a clock on which compiling, before anything is timed, takes 100 s and each trial 2 ms."""
    now = [0.0]

    def exhaust(setting, points, done, trials, workers):
        now[0] += 2e-3 * trials * len(points) if now[0] else 100.0

    monkeypatch.setattr(forecast, "time", SimpleNamespace(perf_counter=lambda: now[0]))
    monkeypatch.setattr(forecast, "_exhaust", exhaust)
    predicted = run_time(Study(model, n=[50, 500], N=[40, 400], trials=4_000), 4_000, workers=1)
    assert (predicted.trials, predicted.workers, predicted.basis) == (8_000, 1, "timed")
    assert predicted.seconds == pytest.approx(2e-3 * 8_000)


def test_predicted_time_is_that_of_trials_that_really_ran(model):
    assert run_time(Study(model, n=[50, 500], N=[40, 400], trials=40), 4_000, workers=1).seconds > 0
