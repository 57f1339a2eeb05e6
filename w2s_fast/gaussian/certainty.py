"""The smallest sizes at which a trial reaches a PGR with a wanted probability, by simulation."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from w2s_fast.gaussian.model import GaussianModel
from w2s_fast.gaussian.simulate import simulate

TRIALS = 4_000
GLANCE, CLEAR = 400, 5.0  # So many trials decide where their share lies so many standard errors from the wanted one.
BEYOND = 8  # times the size of the largest PGR of means, the search ends
ZOOMS = 5  # between the best of the sizes tried and its neighbours


@dataclass(frozen=True)
class Reach:
    """Whether trials at a size reach a PGR often enough.

    Attributes
    ----------
    axis : {"n", "N"}
        What the size is, the other being ``fixed``.
    pgr, certainty : float
        Wanted PGR, and the wanted share of trials that reach it.
    trials, seed : int
        How many are drawn at each size, and from where.
    """

    model: GaussianModel
    axis: str
    fixed: int
    pgr: float
    certainty: float
    trials: int
    seed: int

    def share(self, size: int, trials: int) -> float:
        """Share of trials that have a gap and reach the PGR."""
        n, N = (self.fixed, size) if self.axis == "N" else (size, self.fixed)
        drawn = simulate(self.model, n, N, trials=trials, seed=self.seed)
        gap = drawn.weak - drawn.ceiling
        return float(np.mean((gap > 0) & (drawn.weak - drawn.w2s >= self.pgr * gap)))

    def share_seen(self, size: int) -> float:
        """The share, of few trials where that is clearly more or less than what is wanted."""
        few = min(GLANCE, self.trials)
        share = self.share(size, few)
        stderr = math.sqrt(self.certainty * (1.0 - self.certainty) / few)
        return share if abs(share - self.certainty) > CLEAR * stderr else self.share(size, self.trials)

    def first(self, offset: int, likely: int) -> int:
        """Smallest size beyond ``offset`` that reaches it, on the way to the size at which the share is largest.

        Tried are 1, 2, 4, ... more than ``offset``, somewhat past ``likely``, where PGR of means is largest: low
        quantiles of PGR peak later. Where none reaches it, sizes around the best are; then comes bisection.
        """
        last = BEYOND * (likely - offset)
        steps = [2**power for power in range(last.bit_length()) if 2**power < last]
        shares: dict[int, float] = {}
        for size in (*(offset + step for step in steps), offset + last):
            shares[size] = self.share_seen(size)
            if shares[size] >= self.certainty:
                break
        for _ in range(ZOOMS):
            best = max(shares, key=shares.__getitem__)
            if shares[best] >= self.certainty:
                break
            sizes = sorted((offset, *shares, offset + last))
            place = sizes.index(best)
            between = {(best + sizes[place + side]) // 2 for side in (-1, 1)} - {offset, *shares}
            shares |= {size: self.share_seen(size) for size in between}
        best = max(shares, key=shares.__getitem__)
        if shares[best] < self.certainty:
            raise ValueError(
                f"no {self.axis} reaches a PGR of {self.pgr:g} in {100 * self.certainty:g} % of trials: the most is "
                f"{100 * shares[best]:.3g} %, at {self.axis} = {best:,}"
            )
        high = min(size for size in shares if shares[size] >= self.certainty)
        low = max((size for size in shares if size < high), default=offset)
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if self.share_seen(middle) >= self.certainty else (middle, high)
        return high
