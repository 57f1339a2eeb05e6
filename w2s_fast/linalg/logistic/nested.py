"""Fits of several targets to the first rows of one matrix, of several sizes, the largest first.

Weights of nested samples lie near each other, and what a fit has learned of the curvature helps the next ones. So fits
go in waves from large sizes to small ones: those of a wave descend side by side, and rows are read once for them all.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np

from w2s_fast.linalg.logistic.curvature import Curvature
from w2s_fast.linalg.logistic.fit import WORTH_ROUNDING
from w2s_fast.linalg.logistic.lockstep import answered
from w2s_fast.linalg.logistic.objective import rounded
from w2s_fast.linalg.logistic.problem import NOT_KNOWN, Problem, SoftmaxFit
from w2s_fast.linalg.logistic.reduced import solve
from w2s_fast.linalg.rows.products import Matrix, gram

WORTH_SHARING = 200  # columns: of fewer a metric of its own costs a fit less than the steps that it saves
WAVE = 64  # columns of weights that fits of a wave have together: products with more are not faster, steps are more


def solve_nested(
    problems: Sequence[Problem], metrics: Mapping[int, Matrix | None], starts: Sequence[Matrix | None]
) -> list[dict[int, SoftmaxFit]]:
    """Fit weights (p, K) of the same first rows, for each problem and each size, of which the metric may be None."""
    if not problems or not metrics:
        return [{} for _ in problems]
    *fewer, most = sorted(metrics)
    problems = [problem.first_rows(most) for problem in problems]
    rows = problems[0].rows
    if rows.size * max(problem.targets.shape[1] for problem in problems) >= WORTH_ROUNDING:
        rows_in_float32 = rounded(rows)
        problems = [replace(problem, rounded=rows_in_float32) for problem in problems]
    leaders = _leaders(problems[0], [*fewer, most])
    known = _squares(problems[0], metrics, set(leaders.values()))
    shared = [{leader: Curvature() for leader in known} for _ in problems]
    found: list[dict[int, SoftmaxFit]] = [{} for _ in problems]
    columns = sum(problem.targets.shape[1] for problem in problems)
    for wave in _waves([*fewer, most], max(WAVE // columns, 1)):
        begun = [(min(fits.items())[1] if fits else None) for fits in found]
        work = [
            solve(
                problem.first_rows(size, known[leaders[size]] * (size / leaders[size]), last),
                start if last is None else last.weights,
                curvatures[leaders[size]],
            )
            for problem, last, start, curvatures in zip(problems, begun, starts, shared, strict=True)
            for size in wave
        ]
        ended = iter(answered(work))
        for fits in found:
            fits.update((size, next(ended)) for size in wave)
    return found


def _waves(sizes: list[int], most: int) -> Iterator[list[int]]:
    """The largest of the rising sizes by itself, then the others from above."""
    yield sizes[-1:]
    for stop in range(len(sizes) - 1, 0, -most):
        yield sizes[max(stop - most, 0) : stop][::-1]


def _leaders(problem: Problem, sizes: list[int]) -> dict[int, int]:
    """Of each of the rising sizes one whose curvature serves: that of up to twice as many rows, where both are many.

    Without a penalty fewer rows may have fewer directions.
    """
    shares = problem.rows.shape[1] >= WORTH_SHARING and problem.penalty.any()
    found: dict[int, int] = {}
    for size in reversed(sizes):
        last = min(found.values(), default=size)
        found[size] = last if shares and 2 * size >= last and size >= problem.sample else size
    return found


def _squares(problem: Problem, metrics: Mapping[int, Matrix | None], leaders: set[int]) -> dict[int, Matrix]:
    """X'X of the first rows, of the sizes that lead."""
    known = {size: metric for size, metric in metrics.items() if metric is not None and size in leaders}
    if len(known) == len(leaders):
        return known
    if problem.is_wide:  # it takes others, in the span of the rows
        return dict.fromkeys(leaders, NOT_KNOWN)
    if len(leaders) == 1:
        return dict.fromkeys(leaders, problem.sampled_squares())
    found, sums = {}, np.zeros((problem.rows.shape[1],) * 2)
    with np.errstate(over="ignore", invalid="ignore"):  # who needs it looks at it
        for start, stop in pairwise([0, *sorted(leaders)]):
            found[stop] = sums = sums + gram(problem.rows[start:stop])
    return found
