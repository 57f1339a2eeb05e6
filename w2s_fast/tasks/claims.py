"""What the paper claims of weak-to-strong studies, beside what a real task measured."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from w2s_fast.model.trials import Estimate, estimate
from w2s_fast.study.report import cell
from w2s_fast.tasks.real import RealTask, Run, comparable

Values = npt.NDArray[np.float64]
SURE = 2.0  # standard errors
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
        return "; ".join(f"{whom} {cell(float(mean), float(stderr))}" for whom, (mean, stderr) in self.found.items())


def claims(task: RealTask, runs: Sequence[Run]) -> list[Claim]:
    """Confront the runs with each claim."""
    clean = [run for run in runs if not run.noise_variance]
    same_student = comparable(task, runs)
    n, N = task.fixed
    here = f"at n = {n:,}, N = {N:,}"
    return [
        judged("The student beats its teacher", f"PGR {here}", +1, {str(r.pair): _at(r, "pgr", n, N) for r in clean}),
        judged("The student beats the strong model trained on the teacher's labelled rows", f"OPR - 1 {here}", +1,
               {str(r.pair): _at(r, "opr", n, N) - 1 for r in clean}),
        _ranked("PGR is larger where teacher and student share less", "pgr", same_student, task.fixed),
        _ranked("OPR is larger where teacher and student share less", "opr", same_student, task.fixed),
        _slopes("PGR falls as n grows", "pgr", "n", -1, clean, task.fixed),
        _slopes("PGR grows with N", "pgr", "N", +1, clean, task.fixed),
        _slopes("OPR grows with N", "opr", "N", +1, clean, task.fixed),
        _noise("PGR is larger under label noise", "pgr", runs, task.fixed),
        _noise("OPR is larger under label noise", "opr", runs, task.fixed),
        _small("The strong model's intrinsic dimension is small", clean),
    ]  # fmt: skip


def judged(claim: str, measured: str, sign: int, values: Mapping[str, Values]) -> Claim:
    """Judge values of each pair over trials that the claim says are positive (``sign`` 1) or negative (-1).

    Pairs whose values are NaN, having no gap to recover, are left out.
    """
    found = {whom: estimate(trials) for whom, trials in values.items() if not np.isnan(trials).any()}
    return _verdict(claim, measured, sign, found)


def _verdict(claim: str, measured: str, sign: int, found: Mapping[str, Estimate]) -> Claim:
    scores = [sign * float(mean) / float(stderr) for mean, stderr in found.values()]
    held, opposed = sum(score > SURE for score in scores), sum(score < -SURE for score in scores)
    if not scores:
        verdict = "cannot be judged here"
    elif held == len(scores):
        verdict = "holds"
    elif opposed == len(scores):
        verdict = "the opposite holds"
    elif len(scores) == 1:
        verdict = "undecided"
    else:
        verdict = f"holds for {held} of {len(scores)}" + (f", the opposite for {opposed}" if opposed else "")
    return Claim(claim, measured, found, verdict)


def _at(run: Run, metric: str, n: int, N: int) -> Values:
    """Every trial of a metric at one point."""
    return run.trials(metric)[run.study.points.index((n, N))]


def _slopes(claim: str, metric: str, axis: str, sign: int, runs: Sequence[Run], fixed: tuple[int, int]) -> Claim:
    """Judge each trial's least-squares slope against the logarithm of a size."""
    other = "N" if axis == "n" else "n"
    measured = f"change of {metric.upper()} with {UNITS[axis]} at {other} = {fixed[axis == 'n']:,}"
    return judged(claim, measured, sign, {str(run.pair): slope(run, metric, axis, fixed) for run in runs})


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


def _ranked(claim: str, metric: str, runs: Sequence[Run], fixed: tuple[int, int]) -> Claim:
    """Judge the rank correlation, over teachers, of a metric with their overlap; its error is that of chance."""
    measured = f"rank correlation of {metric.upper()} with d_shared/d_weak"
    pairs = [(float(_at(run, metric, *fixed).mean()), run.dimensions.overlap) for run in runs]
    means, overlaps = np.array([pair for pair in pairs if not math.isnan(pair[0])]).reshape(-1, 2).T
    if len(means) < 3:
        return _verdict(claim, measured, -1, {})
    correlation = np.corrcoef(ranks(means), ranks(overlaps))[0, 1]
    found = {f"{len(means)} teachers": Estimate(correlation, np.asarray(1 / math.sqrt(len(means) - 1)))}
    return _verdict(claim, measured, -1, found)


def ranks(values: Values) -> Values:
    """Ranks from 0; ties share no rank, being improbable."""
    return np.argsort(np.argsort(values)).astype(np.float64)


def _noise(claim: str, metric: str, runs: Sequence[Run], fixed: tuple[int, int]) -> Claim:
    """Judge the change from no added noise to the most, trial by trial: the trials have the same rows."""
    most = max(run.noise_variance for run in runs)
    clean = {run.pair: run for run in runs if not run.noise_variance}
    changes = {
        str(run.pair): _at(run, metric, *fixed) - _at(clean[run.pair], metric, *fixed)
        for run in runs
        if run.noise_variance == most
    }
    return judged(claim, f"change of {metric.upper()} as noise variance goes from 0 to {most:.2g}", +1, changes)


def _small(claim: str, runs: Sequence[Run]) -> Claim:
    shares = {run.pair.student: run.dimensions.strong / run.study.settings[0].about["d_strong"] for run in runs}
    found = {student: Estimate(np.asarray(share), np.asarray(0.0)) for student, share in shares.items()}
    held = sum(share < SMALL for share in shares.values())
    verdict = {len(shares): "holds", 0: "does not hold"}.get(held, f"holds for {held} of {len(shares)}")
    return Claim(
        claim, f"share of its width that holds 99 % of the energy; small means below {SMALL:g}", found, verdict
    )
