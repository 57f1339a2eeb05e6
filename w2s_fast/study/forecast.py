"""Forecasts from a study: sample sizes that reach a wanted PGR, and how long a grid takes.

Where a study can be planned exactly, by its closed form, it is. Elsewhere (real features, ridge) the measured risks of
a pilot are fitted by the form that ridgeless fits have, a + b / (x - c), and the answer is read off the fits.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from w2s_fast._threads import default_workers
from w2s_fast.results.metrics import METRICS, value_of
from w2s_fast.results.summary import Estimate
from w2s_fast.study.base import BaseStudy
from w2s_fast.study.series import Series
from w2s_fast.study.source import Axis, Source

Matrix = npt.NDArray[np.float64]
FEWEST_SIZES = 4  # A fit has three numbers and takes at least so many sizes along an axis.
POLES = 40  # A fit tries so many values of c at a time.
ZOOMS = 4  # Each narrows the range of c by a factor of 20 or so.
EXTRAPOLATION_LIMIT = 1_000  # Fits are followed up to so many times the largest size of a pilot.
RESAMPLES = 200
SAMPLE_SECONDS = 0.3  # spent on timing trials of all scenarios


@dataclass(frozen=True)
class Answer:
    """The smallest size that reaches a wanted PGR.

    Attributes
    ----------
    label : str
        Names the scenario.
    axis : {"n", "N"}
        What was asked for, the other being ``fixed``.
    size : int or None
        None where no size reaches it; ``note`` says how far PGR gets.
    basis : {"exact", "fit"}
        Closed form of the model, or fits to measured means.
    low, high : float or None
        Of fits: 5 % and 95 % quantiles over resampled means, infinity where those do not reach it.
    extrapolated : bool
        The answer lies outside the measured sizes.
    certainty : float or None
        Probability with which a trial was asked to reach it too.
    certain_size : int or None
        The smallest size at which trials do; where there is none, ``certain_note`` says how many do at most.
    """

    label: str
    axis: Axis
    fixed: int
    size: int | None
    basis: Literal["exact", "fit"]
    low: float | None = None
    high: float | None = None
    extrapolated: bool = False
    note: str = ""
    certainty: float | None = None
    certain_size: int | None = None
    certain_note: str = ""


def exact_answer(
    scenario: Source, label: str, axis: Axis, fixed: int, pgr: float, certainty: float | None = None
) -> Answer:
    """Answer by the closed form of a source that can plan, and for trials by drawing them."""
    try:
        found = Answer(label, axis, fixed, scenario.required_size(axis, fixed, pgr), "exact")
    except ValueError as error:
        return Answer(label, axis, fixed, None, "exact", note=str(error))
    if certainty is None:
        return found
    try:
        size = scenario.required_size(axis, fixed, pgr, certainty)
    except ValueError as error:
        return replace(found, certainty=certainty, certain_note=str(error))
    return replace(found, certainty=certainty, certain_size=size)


def answer(series: Series, pgr: float, certainty: float | None = None) -> Answer:
    """Answer for what a series of a pilot study holds fixed: exactly where its model can, else by fits."""
    if series.scenario.can_plan:
        return exact_answer(series.scenario, series.label, series.axis, series.fixed, pgr, certainty)
    ill = np.logical_or.reduce([series.doubts.of(fit) for fit in METRICS["pgr"].fits])
    measured = np.flatnonzero((series.trials > 1) & ~ill)
    if measured.size < FEWEST_SIZES:
        note = (
            f"a fit takes {FEWEST_SIZES} measured sizes along {series.axis} of 2 trials or more and no ill-conditioned "
            f"fit, got {measured.size}"
        )
        return Answer(series.label, series.axis, series.fixed, None, "fit", note=note)
    x = series.sizes[measured].astype(np.float64)
    risks = {name: Estimate(*(part[measured] for part in series.summary[name])) for name in METRICS["pgr"].fits}
    size = _first(_curves(series.axis, x, {name: mean for name, (mean, _) in risks.items()}, risks), x, pgr)
    rng = np.random.default_rng(0)
    again = [
        _first(
            _curves(series.axis, x, {name: rng.normal(mean, stderr) for name, (mean, stderr) in risks.items()}, risks),
            x,
            pgr,
        )
        for _ in range(RESAMPLES)
    ]
    low, high = np.quantile([math.inf if value is None else value for value in again], (0.05, 0.95), method="nearest")
    if size is None:
        note = f"fits do not reach it up to {series.axis} = {EXTRAPOLATION_LIMIT * x.max():,.0f}"
        return Answer(series.label, series.axis, series.fixed, None, "fit", float(low), float(high), True, note)
    note = "reached at the smallest size measured" if size <= x.min() else ""
    return Answer(
        series.label, series.axis, series.fixed, size, "fit", float(low), float(high), bool(size > x.max()), note
    )


class Hyperbola(NamedTuple):
    """a + b / (x - c)."""

    a: float
    b: float
    c: float

    def at(self, x: Matrix) -> Matrix:
        return self.a + self.b / (x - self.c)


def fit(x: Matrix, y: Matrix, stderr: Matrix) -> Hyperbola:
    """Fit by least squares weighted with standard errors, with b >= 0 and the pole c below all x."""
    weight = 1.0 / np.maximum(stderr, 1e-12 * np.abs(y).max()) ** 2
    weight /= weight.sum()
    mean_y = float(y @ weight)
    low, high = 1e-4 * np.ptp(x), 1e2 * np.ptp(x)  # of the distance from the pole to the smallest x
    for _ in range(ZOOMS):
        distance = np.geomspace(low, high, POLES)
        u = 1.0 / (x - x.min() + distance[:, None])
        mean_u = u @ weight
        centred = u - mean_u[:, None]
        b = np.maximum((centred @ (weight * y)) / (centred**2 @ weight), 0.0)
        error = (y - mean_y - b[:, None] * centred) ** 2 @ weight
        best = int(np.argmin(error))
        low, high = distance[max(best - 1, 0)], distance[min(best + 1, POLES - 1)]
    return Hyperbola(mean_y - float(b[best] * mean_u[best]), float(b[best]), float(x.min() - distance[best]))


def _curves(axis: Axis, x: Matrix, means: dict[str, Matrix], risks: dict[str, Estimate]) -> Callable[[Matrix], Matrix]:
    """PGR as a function of the size, from fits to the means."""
    fits = {name: fit(x, means[name], risks[name].stderr) for name in means}
    if axis == "N":  # the teacher does not see the pseudo-labelled rows
        weight = 1.0 / np.maximum(risks["weak"].stderr, np.finfo(float).tiny) ** 2
        fits["weak"] = Hyperbola(float(np.average(means["weak"], weights=weight)), 0.0, -1.0)

    def pgr(sizes: Matrix) -> Matrix:
        risks = {name: fits[name].at(sizes) for name in METRICS["pgr"].fits}
        return np.where(risks["weak"] > risks["ceiling"], value_of("pgr", risks), -np.inf)

    return pgr


def _first(pgr: Callable[[Matrix], Matrix], x: Matrix, wanted: float) -> int | None:
    """Smallest whole size at which ``pgr`` reaches ``wanted``, from the smallest measured to far beyond the largest."""
    sizes = np.geomspace(x.min(), EXTRAPOLATION_LIMIT * x.max(), 4_000)
    reached = np.flatnonzero(pgr(sizes) >= wanted)
    if reached.size == 0:
        return None
    first = int(reached[0])
    low, high = math.floor(sizes[max(first - 1, 0)]), math.ceil(sizes[first])
    while high - low > 1:
        middle = (low + high) // 2
        if pgr(np.array(float(middle))) >= wanted:
            high = middle
        else:
            low = middle
    return high


class RunTime(NamedTuple):
    """Predicted seconds of a study, and what they were reckoned from."""

    seconds: float
    trials: int  # in all
    workers: int
    basis: Literal["timed", "recorded"]


def run_time(study: BaseStudy, trials: int, workers: int | None = None) -> RunTime | None:
    """Reckon what ``trials`` at each point take.

    Some are timed now, without compilation. Where the data is not at hand, the study's own runs tell, compilation
    included; None if there were none.
    """
    workers = workers or default_workers()
    if all(scenario.is_at_hand for scenario in study.scenarios):
        share = SAMPLE_SECONDS / len(study.scenarios)
        each = [_seconds_per_trial(scenario, study.points, workers, share) for scenario in study.scenarios]
        return RunTime(sum(each) * trials * len(study.points), trials * study.counts.size, workers, "timed")
    done = sum(run["trials"] for run in study.runs)
    if done == 0:
        return None
    total = trials * study.counts.size
    return RunTime(study.seconds / done * total, total, study.runs[-1]["workers"], "recorded")


def _seconds_per_trial(scenario: Source, points: Sequence[tuple[int, int]], workers: int, enough: float) -> float:
    """Seconds of a trial at one point, with all workers busy."""
    points = scenario.points_to_time(points)
    done = [0] * len(points)
    _exhaust(scenario, points, done, 1, workers)  # compiles
    trials = scenario.trials_to_time(workers)
    while True:
        start = time.perf_counter()
        _exhaust(scenario, points, done, trials, workers)
        seconds = time.perf_counter() - start
        if seconds >= enough:
            return seconds / (trials * len(points))
        trials *= 4


def _exhaust(
    scenario: Source, points: Sequence[tuple[int, int]], done: Sequence[int], trials: int, workers: int
) -> None:
    for _ in scenario.run(points, done, trials, seed=0, device="cpu", workers=workers):
        pass
