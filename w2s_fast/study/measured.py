"""What a study has measured: moments of every metric at every place, for each seed, and every trial where kept.

A place is a point (n, N) of a scenario. Its moments take one trial after the other, in order, so that they depend on
nothing but how many there are: not on how a run was cut.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from w2s_fast._display import facts
from w2s_fast.linalg.accumulate.moments import Moments
from w2s_fast.results.summary import Estimate
from w2s_fast.results.trials import estimate_of

Matrix = npt.NDArray[np.float64]


class Measured:
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
            if self.kept is not None:
                self.kept[seed] = [[] for _ in range(self.places)]
            self.moments[seed] = [Moments.of_state(0, nothing, nothing) for _ in range(self.places)]
        return self.moments[seed]

    def done(self, seed: int) -> list[int]:
        """Trials there are at each place."""
        return [moments.count for moments in self.require(seed)]

    def add(self, seed: int, chunk: Iterable[tuple[int, int, Matrix]]) -> None:
        """Add the next trials of some places: (place, number of the first, values).

        All are taken in at once, or none where an interrupt comes: the two assignments at the end let nothing between.
        """
        moments = list(self.require(seed))
        kept = None if self.kept is None else list(self.kept[seed])
        for place, _, values in chunk:
            moments[place] = _followed_by(moments[place], values)
            if kept is not None:
                kept[place] = [*kept[place], values]
        all_moments = self.moments | {seed: moments}
        all_kept = None if self.kept is None or kept is None else self.kept | {seed: kept}
        self.moments, self.kept = all_moments, all_kept

    def adopt(self, other: Measured) -> None:
        """Add the seeds of another study, none of which is here; what either adds later stays its own."""
        self.moments |= {seed: list(places) for seed, places in other.moments.items()}
        if self.kept is not None and other.kept is not None:
            self.kept |= {seed: [list(chunks) for chunks in places] for seed, places in other.kept.items()}

    def having(self, columns: Sequence[str]) -> Measured:
        """The same of these columns alone, in their order: a study may be older than some of another's."""
        if self.columns == tuple(columns):
            return self
        places = [self.columns.index(name) for name in columns]
        found = Measured(self.places, columns, self.kept is not None)
        for seed, every in self.moments.items():
            found.moments[seed] = [Moments.of_state(one.count, one.mean[places], one.m2[places]) for one in every]
        if self.kept is not None:
            found.kept = {
                seed: [[values[:, places] for values in chunks] for chunks in every]
                for seed, every in self.kept.items()
            }
        return found

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

    def __repr__(self) -> str:
        done, seeds = f"{int(self.counts().sum()):,}", ", ".join(map(str, self.moments))
        return facts(type(self).__name__, {"trials": done, "places": f"{self.places:,}", "seeds": seeds})

    def trials(self) -> Matrix:
        """Every trial, (places, trials, columns), seed after seed."""
        if self.kept is None:
            raise RuntimeError("this study kept no single trials: make it with keep_trials=True")
        if len(set(self.counts().tolist())) > 1 or not self.counts().any():
            raise RuntimeError("this study is not finished: call run() first")
        seeds = sorted(self.kept)
        return np.stack([np.concatenate([c for s in seeds for c in self.kept[s][p]]) for p in range(self.places)])


def _followed_by(before: Moments, values: Matrix) -> Moments:
    """Moments of further trials too, one after the other.

    Each leaves what a file holds, so that it does not matter where a run was cut.
    """
    from w2s_fast.kernels.moments import add_each_row

    state = np.zeros((4, values.shape[1]))
    if before.count:
        state[0], state[2] = before.mean, before.m2
    add_each_row(np.ascontiguousarray(values, dtype=np.float64), before.count, state)
    return Moments.of_state(before.count + len(values), state[0], state[2])
