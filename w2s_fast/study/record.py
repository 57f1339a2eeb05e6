"""What a study has measured: moments of every metric at every place, for each seed, and every trial where kept.

A place is a point (n, N) of a setting. Its moments take one trial after the other, in order, so that they depend on
nothing but how many there are: not on how a run was cut.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from w2s_fast.linalg.moments import Moments
from w2s_fast.model.trials import Estimate, estimate_of

Matrix = npt.NDArray[np.float64]


class Record:
    """Moments, and trials if kept, of ``places`` places with the named columns."""

    def __init__(self, places: int, columns: Sequence[str], keep_trials: bool) -> None:
        self.columns = tuple(columns)
        self.places = places
        self.moments: dict[int, list[Moments]] = {}
        self.kept: dict[int, list[list[Matrix]]] | None = {} if keep_trials else None

    def require(self, seed: int) -> list[Moments]:
        """Moments of a seed, empty at first."""
        if seed not in self.moments:
            nothing = np.zeros(len(self.columns))
            self.moments[seed] = [Moments.of_state(0, nothing, nothing) for _ in range(self.places)]
            if self.kept is not None:
                self.kept[seed] = [[] for _ in range(self.places)]
        return self.moments[seed]

    def done(self, seed: int) -> list[int]:
        """Trials there are at each place."""
        return [moments.count for moments in self.require(seed)]

    def add(self, seed: int, place: int, values: Matrix) -> Moments:
        """Add the next trials of a place; return its moments."""
        before = self.require(seed)[place]
        moments = Moments().merge(before)
        for row in values:  # each leaves what a file holds, so that it does not matter where a run was cut
            moments.update(row[None], finite=False)
            moments = Moments.of_state(moments.count, moments.mean, moments.m2)
        if self.kept is not None:
            self.kept[seed][place].append(values)
        self.moments[seed][place] = moments
        return moments

    def adopt(self, other: Record) -> None:
        """Add the seeds of another record, none of which is here; what either adds later stays its own."""
        self.moments |= {seed: list(places) for seed, places in other.moments.items()}
        if self.kept is not None and other.kept is not None:
            self.kept |= {seed: [list(chunks) for chunks in places] for seed, places in other.kept.items()}

    def counts(self) -> npt.NDArray[np.int64]:
        """Trials at each place, over all seeds."""
        return np.sum([self.done(seed) for seed in self.moments] or [[0] * self.places], axis=0, dtype=np.int64)

    def summary(self) -> Mapping[str, Estimate]:
        """Mean and standard error of each column over all seeds, an array over places; NaN where nothing was run."""
        estimates = [estimate_of(self._over_seeds(place)) for place in range(self.places)]
        means, stderrs = (np.array(part).T for part in zip(*estimates, strict=True))
        return {name: Estimate(*pair) for name, *pair in zip(self.columns, means, stderrs, strict=True)}

    def _over_seeds(self, place: int) -> Moments:
        nothing = np.zeros(len(self.columns))
        total = Moments.of_state(0, nothing, nothing)
        for seed in sorted(self.moments):  # so that merging commutes to the bit
            total.merge(self.moments[seed][place])
        return total

    def trials(self) -> Matrix:
        """Every trial, (places, trials, columns), seed after seed."""
        if self.kept is None:
            raise RuntimeError("this study kept no single trials: make it with keep_trials=True")
        if len(set(self.counts().tolist())) > 1 or not self.counts().any():
            raise RuntimeError("this study is not finished: call run() first")
        seeds = sorted(self.kept)
        return np.stack([np.concatenate([c for s in seeds for c in self.kept[s][p]]) for p in range(self.places)])
