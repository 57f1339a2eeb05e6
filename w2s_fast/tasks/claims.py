"""What the paper claims of weak-to-strong studies, beside what a real task measured."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from w2s_fast.results.measures import MEASURES
from w2s_fast.results.metrics import column_name
from w2s_fast.results.summary import Estimate, in_brief
from w2s_fast.results.trials import estimate
from w2s_fast.tasks.real import RealTask, Run, comparable, of_measure
from w2s_fast.tasks.variance import Shed

Values = npt.NDArray[np.float64]
SURE = 2.0  # standard errors
CHANCE = 0.05  # of a rank correlation; every order of 8 teachers is tried
CLOSE = 0.05  # to the theorem's share
SMALL = 0.1  # share of the width below which an intrinsic dimension counts as small
UNITS = {"n": "a doubling of n", "N": "a doubling of N"}


class Claim(NamedTuple):
    """A claim of the paper, what was measured and of whom, and whether it holds."""

    claim: str
    measured: str
    found: Mapping[str, Estimate]
    verdict: str

    @property
    def found_in_words(self) -> str:
        return "; ".join(f"{whom} {in_brief(found)}" for whom, found in self.found.items())


def claims(task: RealTask, runs: Sequence[Run], variances: Mapping[str, Shed]) -> list[Claim]:
    """Confront the runs with each claim."""
    clean = [run for run in runs if not run.noise]
    same_student = comparable(task, runs)
    overlaps = {
        "99 % of the energy": {run.pair.teacher: run.dimensions.overlap for run in same_student},
        "all columns": {run.pair.teacher: run.overlap for run in same_student},
    }
    sheds = {teacher: float(found.measured.mean) for teacher, found in variances.items()}
    of_variance = [
        _close("The student sheds its teacher's variance outside what they share, as the theorem says", variances),
        ranked("It sheds more where they share less", "share of variance shed", sheds, overlaps),
    ]
    return [
        *(claim for measure in task.measures for claim in _beats(measure, clean, task.fixed)),
        *(of_variance if variances else []),
        *(claim for measure in task.measures for claim in _trends(task, measure, runs, overlaps)),
        _small("The strong model's intrinsic dimension is small", clean),
    ]


def _beats(measure: str, clean: Sequence[Run], fixed: tuple[int, int]) -> list[Claim]:
    """Claims on who is better than whom by a measure."""
    n, N = fixed
    here, by = f"at n = {n:,}, N = {N:,}", f", by {MEASURES[measure].label}" if measure else ""
    pgr, opr = (of_measure(measure, ratio) for ratio in ("pgr", "opr"))
    return [
        judged(f"The student beats its teacher{by}", f"{column_name(pgr)} {here}", +1,
               {str(r.pair): _at(r, pgr, n, N) for r in clean}),
        judged(f"The student beats the strong model trained on the teacher's labelled rows{by}",
               f"{column_name(opr)} - 1 {here}", +1, {str(r.pair): _at(r, opr, n, N) - 1 for r in clean}),
    ]  # fmt: skip


def _trends(
    task: RealTask, measure: str, runs: Sequence[Run], overlaps: Mapping[str, Mapping[str, float]]
) -> list[Claim]:
    """Claims on what PGR and OPR of a measure grow and fall with."""
    clean, same_student = [run for run in runs if not run.noise], comparable(task, runs)
    pgr, opr = names = [of_measure(measure, ratio) for ratio in ("pgr", "opr")]
    values = {name: {r.pair.teacher: float(_at(r, name, *task.fixed).mean()) for r in same_student} for name in names}
    return [
        *(ranked(f"{column_name(name)} is larger where they share less", column_name(name), values[name], overlaps)
          for name in names),
        _slopes("falls as n grows", pgr, "n", -1, clean, task.fixed),
        _slopes("grows with N", pgr, "N", +1, clean, task.fixed),
        _slopes("grows with N", opr, "N", +1, clean, task.fixed),
        *(_noise(task, name, runs) for name in (names if any(run.noise for run in runs) else [])),
    ]  # fmt: skip


def judged(claim: str, measured: str, sign: int, values: Mapping[str, Values]) -> Claim:
    """Judge values of each pair over trials that the claim says are positive (``sign`` 1) or negative (-1).

    Pairs whose values are NaN, having no gap to recover, are left out.
    """
    found = {whom: estimate(trials) for whom, trials in values.items() if not np.isnan(trials).any()}
    return _verdict(claim, measured, sign, found)


def _verdict(claim: str, measured: str, sign: int, found: Mapping[str, Estimate]) -> Claim:
    held, opposed = (
        sum(bool(side * sign * mean > SURE * stderr) for mean, stderr in found.values()) for side in (1, -1)
    )
    return Claim(claim, measured, found, verdict_of(held, opposed, len(found)))


def verdict_of(held: int, opposed: int, total: int) -> str:
    """Say of how many a claim holds for sure."""
    if total == 0:
        return "cannot be judged here"
    if held == total:
        return "holds"
    if opposed == total:
        return "the opposite holds"
    if held == opposed == 0:
        return "undecided"
    if held == 0:
        return f"the opposite holds for {opposed} of {total}"
    return f"holds for {held} of {total}" + (f", the opposite for {opposed}" if opposed else "")


def _at(run: Run, metric: str, n: int, N: int) -> Values:
    """Every trial of a metric at one point."""
    return run.trials(metric)[run.study.points.index((n, N))]


def _slopes(claim: str, metric: str, axis: str, sign: int, runs: Sequence[Run], fixed: tuple[int, int]) -> Claim:
    """Judge each trial's least-squares slope against the logarithm of a size."""
    other, name = "N" if axis == "n" else "n", column_name(metric)
    measured = f"change of {name} with {UNITS[axis]} at {other} = {fixed[axis == 'n']:,}"
    return judged(f"{name} {claim}", measured, sign, {str(run.pair): slope(run, metric, axis, fixed) for run in runs})


def slope(run: Run, metric: str, axis: str, fixed: tuple[int, int]) -> Values:
    """Change of a metric with each doubling of n or N, the other one fixed, in each trial."""
    moving, still = (run.study.n, run.study.N) if axis == "n" else (run.study.N, run.study.n)
    values = run.trials(metric)
    chosen = np.flatnonzero((still == fixed[axis == "n"]) & ~np.isnan(values).any(axis=1))
    if len(chosen) < 2:
        return np.full(values.shape[1], np.nan)
    doublings = np.log2(moving[chosen])
    weights = doublings - doublings.mean()
    return np.asarray(weights @ values[chosen] / (weights @ weights))


def _close(claim: str, variances: Mapping[str, Shed]) -> Claim:
    """Compare what is shed with the theorem; differences of a few hundredths are no surprise, as fits have bias too."""
    found = {
        teacher: Estimate(shed.measured.mean - shed.expected, shed.measured.stderr)
        for teacher, shed in variances.items()
    }
    close = sum(abs(float(mean)) <= CLOSE for mean, _ in found.values())
    measured = f"share of variance shed, less the theorem's; holds within {CLOSE:g}"
    return Claim(claim, measured, found, _counted(close, len(found)))


def _counted(held: int, total: int) -> str:
    """Say of how many a claim holds, where nothing is left to chance."""
    return {total: "holds", 0: "does not hold"}.get(held, f"holds for {held} of {total}")


def ranked(
    claim: str, measured: str, values: Mapping[str, float], overlaps: Mapping[str, Mapping[str, float]]
) -> Claim:
    """Judge the rank correlation, over teachers, of a value with each kind of overlap.

    It is sure, with either sign, where fewer than one in twenty orders of the teachers have one as large by chance.
    """
    found, chances = {}, []
    known = [teacher for teacher, value in values.items() if not math.isnan(value)]
    for kind, overlap in overlaps.items() if len(known) > 2 else ():
        of_values, of_overlaps = (
            ranks(np.array([numbers[teacher] for teacher in known])) for numbers in (values, overlap)
        )
        correlation, chance = permuted(of_values, of_overlaps)
        chances.append((correlation, chance))
        found[f"overlap of {kind}, {len(known)} teachers"] = Estimate(
            np.asarray(correlation), np.asarray(1 / math.sqrt(len(known) - 1))
        )
    held, opposed = (sum(sign * r < 0 and chance < CHANCE for r, chance in chances) for sign in (1, -1))
    return Claim(claim, f"rank correlation of {measured} with overlap", found, verdict_of(held, opposed, len(found)))


def permuted(x: Values, y: Values) -> tuple[float, float]:
    """Correlation, and how often a random order of ``x`` has one as far from zero."""
    correlation = float(np.corrcoef(x, y)[0, 1])
    orders = np.array(list(itertools.permutations(x)))
    all_orders = (orders - x.mean()) @ (y - y.mean()) / (x.size * x.std() * y.std())
    return correlation, float(np.mean(np.abs(all_orders) >= abs(correlation) - 1e-9))


def ranks(values: Values) -> Values:
    """Ranks from 0; ties share no rank, being improbable."""
    return np.argsort(np.argsort(values)).astype(np.float64)


def _noise(task: RealTask, metric: str, runs: Sequence[Run]) -> Claim:
    """Judge the change from no added noise to the most, trial by trial: the trials have the same rows."""
    most, name = max(run.noise for run in runs), column_name(metric)
    clean = {run.pair: run for run in runs if not run.noise}
    changes = {
        str(run.pair): _at(run, metric, *task.fixed) - _at(clean[run.pair], metric, *task.fixed)
        for run in runs
        if run.noise == most
    }
    measured = f"change of {name} as {task.noise_name} goes from 0 to {most:.2g}"
    return judged(f"{name} is larger under label noise", measured, +1, changes)


def _small(claim: str, runs: Sequence[Run]) -> Claim:
    shares = {run.pair.student: run.dimensions.strong / run.study.scenarios[0].description.d_strong for run in runs}
    found = {student: Estimate(np.asarray(share), np.asarray(0.0)) for student, share in shares.items()}
    held = sum(share < SMALL for share in shares.values())
    measured = f"share of its width that holds 99 % of the energy; small means below {SMALL:g}"
    return Claim(claim, measured, found, _counted(held, len(shares)))
