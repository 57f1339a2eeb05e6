"""Series of a study: points along n or N with everything else fixed, as figures and tables show them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from w2s_fast._display import facts, shortened, spread
from w2s_fast.results.doubts import Doubts
from w2s_fast.results.metrics import METRICS
from w2s_fast.results.summary import Estimate, Quartiles, in_brief
from w2s_fast.study.source import Axis, Source, Theory

if TYPE_CHECKING:
    from w2s_fast.probing.design import Points

Matrix = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Series:
    """Some points of one scenario, by rising size along an axis.

    Attributes
    ----------
    title : str
        Of the study.
    label : str
        The scenario's values on the axes that the study varies; empty if there are none.
    sizes : ndarray of int
        Along ``axis``; the other size is ``fixed``.
    trials : ndarray of int
        At each size, over all seeds.
    summary : dict of Estimate
        Mean and standard error of each metric at each size.
    doubts : Doubts
        Sizes at which ratios mean nothing.
    chosen : dict of Quartiles
        Of the ridge that each fit chose at each size, where it had a choice and trials are kept.
    """

    title: str
    label: str
    scenario: Source
    axis: Axis
    fixed: int
    sizes: npt.NDArray[np.int64]
    trials: npt.NDArray[np.int64]
    summary: Mapping[str, Estimate]
    doubts: Doubts
    chosen: Mapping[str, Quartiles] = field(default_factory=dict)

    def theory(self, sizes: Any) -> Theory:
        """Expectations and bounds at any sizes along the axis."""
        return self.scenario.theory(*self._rows(sizes))

    def bands(self, sizes: Any, share: float) -> dict[str, tuple[Matrix, Matrix]]:
        """Ends of the interval that holds a share of all trials at any sizes along the axis, where it is known."""
        return self.scenario.bands(*self._rows(sizes), share)

    def with_deviations(self) -> Series:
        """The same with standard deviations of trials where standard errors of means are."""
        found = {name: Estimate(mean, error * np.sqrt(self.trials)) for name, (mean, error) in self.summary.items()}
        return replace(self, summary=found)

    def _rows(self, sizes: Any) -> tuple[Any, Any]:
        return (sizes, self.fixed) if self.axis == "n" else (self.fixed, sizes)

    @property
    def doubtful(self) -> npt.NDArray[np.bool_]:
        """Sizes at which some metric is in doubt."""
        return np.logical_or.reduce([self.doubts.of(metric) for metric in (*METRICS, *self.summary)])

    @property
    def where(self) -> str:
        """What is fixed, in words."""
        return f"{'N' if self.axis == 'n' else 'n'} = {self.fixed:,}"

    def __repr__(self) -> str:
        told = {self.axis: spread(self.sizes), "at": self.where, "trials": spread(self.trials)}
        shown = {name: in_brief(self.summary[name]) for name in METRICS if name in self.summary}
        return facts(f"{type(self).__name__} '{shortened(self.label or self.title)}'", told | shown)


def with_overlap(many: Sequence[Series]) -> list[Series]:
    """Add to the labels of series what teacher and student share, where their scenario can tell."""
    shares = {id(scenario): scenario.overlap() for scenario in dict.fromkeys(series.scenario for series in many)}

    def named(series: Series) -> Series:
        share = shares[id(series.scenario)]
        words = "" if share is None else f"d_sw / d_w = {share:.2f}"
        return replace(series, label=", ".join(filter(None, (series.label, words))))

    return [named(series) for series in many]


def split(points: Points) -> Iterator[tuple[Axis, int, list[int]]]:
    """Choose series that cover all points, those that cover most first: (axis, fixed size, rising points)."""
    found: dict[tuple[Axis, int], list[int]] = {}
    for index, (n, N) in enumerate(points):
        found.setdefault(("N", n), []).append(index)
        found.setdefault(("n", N), []).append(index)
    left = set(range(len(points)))
    while left:
        axis, fixed = max(found, key=lambda place: len(left.intersection(found[place])))
        members = found[axis, fixed]
        yield axis, fixed, sorted(members, key=lambda index: points[index])
        left.difference_update(members)


def series_of(
    title: str,
    axes: Sequence[str],
    scenarios: Sequence[Source],
    points: Points,
    counts: npt.NDArray[np.int64],
    summary: Mapping[str, Estimate],
    doubts: Doubts,
    chosen: Mapping[str, Quartiles] | None = None,
) -> list[Series]:
    """Return the series of all scenarios; ``counts`` and all behind it run over scenarios, then points."""
    found = []
    for index, scenario in enumerate(scenarios):
        for axis, fixed, members in split(points):
            sizes = np.array([points[member][axis == "N"] for member in members])
            places = index * len(points) + np.array(members)
            estimates = {name: Estimate(mean[places], stderr[places]) for name, (mean, stderr) in summary.items()}
            ridges = {name: Quartiles(*(part[places] for part in every)) for name, every in (chosen or {}).items()}
            measured = counts[places], estimates, doubts.at(places), ridges
            found.append(Series(title, scenario.label(axes), scenario, axis, fixed, sizes, *measured))
    return found
