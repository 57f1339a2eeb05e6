"""What makes points of a study mean nothing: no gap to recover, or weights that hang on rounding."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from w2s_fast._display import record
from w2s_fast.results.measures import MEASURES
from w2s_fast.results.metrics import FITS, measures_in, of_name, ratio_columns
from w2s_fast.results.summary import Estimate, Matrix

Flags = npt.NDArray[np.bool_]
GAP_ERRORS = 3.0  # standard errors that a gap must keep from zero for a share of it to mean something
ILL_CONDITIONED = {fit: f"ill_conditioned_{fit}" for fit in FITS}  # columns of 0 or 1, of probes


class Doubts(NamedTuple):
    """Points that mean nothing, and why.

    Attributes
    ----------
    no_gap : ndarray of bool, shape points
        The ceiling is not better than the teacher by three standard errors: a share of that gap is noise.
    ill_conditioned : mapping of str to ndarray, shape points
        For each fit the share of trials in which its weights hang on rounding; empty for simulated trials.
    no_gap_in : mapping of str to ndarray of bool, shape points
        Likewise, for each measure that was asked for and is better high or low.
    """

    no_gap: Flags
    ill_conditioned: Mapping[str, Matrix]
    no_gap_in: Mapping[str, Flags] = {}

    def of(self, metric: str) -> Flags:
        """Points where a metric is in doubt: for PGR no gap, for all an ill-conditioned fit that they stand on."""
        found = of_name(metric)
        flags = np.zeros(self.no_gap.shape, np.bool_)
        if found is not None and found.needs_gap:
            flags = self.no_gap_in.get(found.measure, flags) if found.measure else self.no_gap
        for fit in found.fits if found is not None else ():
            if fit in self.ill_conditioned:
                flags = flags | (self.ill_conditioned[fit] > 0)
        return flags

    def at(self, places: Any) -> Doubts:
        """Doubts at some of the points."""
        return Doubts(
            self.no_gap[places],
            {fit: share[places] for fit, share in self.ill_conditioned.items()},
            {measure: flags[places] for measure, flags in self.no_gap_in.items()},
        )

    def in_words(self, place: Any) -> str:
        """Say what is in doubt at one point; nothing if nothing is.

        >>> Doubts(np.array([True]), {"weak": np.array([0.25]), "w2s": np.array([1.0])}).in_words(0)
        'no gap, weak ill-conditioned in 25 % of trials, w2s ill-conditioned'
        """
        words = ["no gap"] if self.no_gap[place] else []
        words += [f"no gap in {MEASURES[measure].label}" for measure, flags in self.no_gap_in.items() if flags[place]]
        for fit, shares in self.ill_conditioned.items():
            share = shares[place]
            if share > 0:
                words.append(f"{fit} ill-conditioned" + (f" in {100 * share:.2g} % of trials" if share < 1 else ""))
        return ", ".join(words)

    @property
    def has_gapless(self) -> bool:
        """Whether a gap is missing anywhere, in risks or in a measure."""
        return any(bool(flags.any()) for flags in (self.no_gap, *self.no_gap_in.values()))

    def __repr__(self) -> str:
        return record(self)


def doubts_of(columns: Mapping[str, Estimate]) -> Doubts:
    """Find doubts from means over trials."""
    shares = {fit: columns[name].mean for fit, name in ILL_CONDITIONED.items() if name in columns}
    with_ratios = [measure for measure in measures_in(columns) if ratio_columns(measure)]
    return Doubts(
        _no_gap(columns["gap"]), shares, {measure: _no_gap(columns[f"{measure}_gap"]) for measure in with_ratios}
    )


def _no_gap(gap: Estimate) -> Flags:
    return np.asarray(gap.mean <= GAP_ERRORS * np.nan_to_num(gap.stderr))
