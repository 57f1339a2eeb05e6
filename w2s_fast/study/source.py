"""What a study runs: the protocol that every kind of source follows.

A source is what is run at every point (n, N) of one scenario, that is, at one value of every further axis. Its
description is what a study file and a page say of it. A further kind of study is one file that implements
:class:`Source`, and a line in the registry of :mod:`w2s_fast.study.scenarios`.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple, Protocol, Self

import numpy as np
import numpy.typing as npt

from w2s_fast._devices import CPU
from w2s_fast._display import facts
from w2s_fast._workers import Workers
from w2s_fast.gaussian.runners import Device
from w2s_fast.gaussian.simulate import Method
from w2s_fast.linalg.rows.cutting import gathered
from w2s_fast.results.metrics import DIFFERENCES, FITS, METRICS, measure_and_part

if TYPE_CHECKING:
    from w2s_fast.probing.data import Stored
    from w2s_fast.probing.design import Points

Matrix = npt.NDArray[np.float64]
Axis = Literal["n", "N"]
ByMetric = dict[str, Matrix]
# Values of some trials at some points, that belong together: (point, first trial, (trials, columns)).
Chunk = list[tuple[int, int, Matrix]]
ALWAYS = (*FITS, *DIFFERENCES, "pgr", "opr")  # columns of every study; later metrics are those of later files
COMMON_AXES = ("d_shared", "noise_variance", "ridge")  # tables have a column of each, of the others where they vary
AXES = ("teacher", "student", *COMMON_AXES, "label_noise", "flips")


class Theory(NamedTuple):
    """What theory says at some points, by metric; empty where it says nothing.

    Attributes
    ----------
    expected : dict of ndarray
        Expectations, exact or by deterministic equivalents.
    order : dict of ndarray
        Order of the relative error of what is expected: 0 where exact.
    bounds : dict of ndarray
        The paper's bounds, NaN where they do not hold.
    """

    expected: ByMetric
    order: ByMetric
    bounds: ByMetric

    def kind(self, point: int) -> str:
        """Name what is expected at a point: "exact" where all is, else "equivalent"."""
        return "exact" if all(order[point] == 0 for order in self.order.values()) else "equivalent"

    def __repr__(self) -> str:
        return facts(type(self).__name__, {"of": ", ".join(self.expected), "with bounds of": ", ".join(self.bounds)})


class Description:
    """What is known of a source without its data; a frozen dataclass for each kind.

    Attributes
    ----------
    kind : str
        The source's name in the registry.
    d_weak, d_strong : int
        Dimensions of the teacher's and the student's features.
    ridge : float
        Of every fit.
    sha256 : str
        Fingerprint of the data.
    """

    kind: str
    d_weak: int
    d_strong: int
    ridge: float
    sha256: str
    told_by: ClassVar[tuple[str, ...]]  # fields that tell two studies apart in words

    @classmethod
    def read(cls, about: Mapping[str, Any]) -> Self:
        """Take the values of a study file, which may be anybody's; refuse those of other types and ranges."""
        raise NotImplementedError

    def as_dict(self) -> dict[str, Any]:
        """Every field, fit for JSON."""
        raise NotImplementedError

    @property
    def axes(self) -> Mapping[str, Any]:
        """Values on the further axes that this kind of source has: numbers, and names of models."""
        return {"ridge": self.ridge}

    @property
    def identity(self) -> tuple[Any, ...]:
        """What makes it another study where it differs; rounding in what is derived from the data does not."""
        return self.sha256, self.ridge


class Source(Protocol):
    """Something that a study runs.

    Attributes
    ----------
    kind : str
        Names the kind in study files.
    own_columns : tuple of str
        Names of the values that each trial has beside metrics and differences of risks.
    risk_name : str
        What the risks are, on the axis of a figure.
    risk_scale : float
        Factor by which tables for people show risks.
    risk_note : str
        Says that factor, or the unit, above a table.
    has_log_risks : bool
        Whether figures show risks on a logarithmic axis.
    is_at_hand : bool
        Whether trials can be run: a study file does not hold the data of every kind.
    can_plan : bool
        Whether :meth:`required_size` answers, exactly.
    description : Description
        What a study file and a page say of the source.
    """

    kind: ClassVar[str]
    own_columns: ClassVar[tuple[str, ...]] = ()
    risk_name: ClassVar[str] = "test mean squared error"
    risk_scale: ClassVar[float] = 1.0
    risk_note: ClassVar[str] = "Risks are test mean squared errors."
    has_log_risks: ClassVar[bool] = False
    description: Description

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the values that each of its trials has."""
        return (*METRICS, *DIFFERENCES, *self.own_columns)

    @classmethod
    def optional_columns(cls) -> Sequence[Sequence[str]]:
        """Groups of columns that some studies of this kind have too, in order, each of them whole or not at all."""
        return ()

    @classmethod
    def has_columns(cls, columns: Sequence[Any]) -> bool:
        """Whether a study of this kind may have these columns, in this order; a file may be older than a metric."""
        there = [group for group in cls.optional_columns() if any(name in columns for name in group)]
        optional = list(itertools.chain(*there))
        possible = (*METRICS, *DIFFERENCES, *cls.own_columns, *optional)
        needed = {*ALWAYS, *cls.own_columns, *(name for name in optional if measure_and_part(name)[1] in ALWAYS)}
        return list(columns) == [name for name in possible if name in columns] and needed <= set(columns)

    @property
    def is_at_hand(self) -> bool:
        return True

    @property
    def can_plan(self) -> bool:
        return False

    @classmethod
    def accepts(cls, given: Any) -> bool:
        """Whether what a user gave to ``Study`` is of this kind."""

    @classmethod
    def parts(cls, given: Any) -> Sequence[Any]:
        """Each pair of a teacher and a student in what a user gave, as if it were given alone."""
        return [given]

    @classmethod
    def of(cls, given: Any, method: Method, axes: Mapping[str, Any]) -> Self:
        """Make the source of what a user gave at one value of each given axis; refuse axes that it does not have.

        ``axes`` names the ``ceiling`` too, where that is given.
        """

    @classmethod
    def described(cls, about: Mapping[str, Any]) -> Description:
        """Read a description from a study file."""

    @classmethod
    def restored(cls, description: Description, stored: Any) -> Self:
        """Make the source that a study file describes, from what :meth:`stored` gave; None where it gave nothing."""

    def stored(self) -> bytes | None:
        """What a study file keeps of the data, so that the file alone can be gone on with."""
        return None

    def require(self, points: Points, seed: int) -> None:
        """Refuse points that cannot be run: before anything is written."""

    def require_device(self, device: Device) -> None:
        """Refuse a device that cannot run the source: before anything is written."""
        if device != CPU:
            raise ValueError(f"studies of kind {self.kind!r} run on the CPU, got device={device!r}")

    def run(
        self, points: Points, done: Sequence[int], trials: int, *, seed: int, device: Device, workers: Workers
    ) -> Iterator[Chunk]:
        """Run trials ``done[point]`` to ``trials - 1`` of every point, each point's in order."""

    def theory(self, n: Any, N: Any) -> Theory:
        """Expectations, how good they are, and the paper's bounds."""
        return Theory({}, {}, {})

    def bands(self, n: Any, N: Any, share: float) -> dict[str, tuple[Matrix, Matrix]]:
        """Ends of the interval that holds a share of all trials, by metric; empty where it is not known."""
        return {}

    def required_size(self, axis: Axis, fixed: int, pgr: float, certainty: float | None = None) -> int:
        """Smallest size along an axis whose expected risks, or so many of its trials, reach a PGR.

        For sources that can plan.
        """
        raise NotImplementedError

    def overlap(self) -> float | None:
        """Share of the teacher's dimensions that the student shares, d_sw / d_w; None where nobody can tell."""
        return None

    def points_to_time(self, points: Points) -> Points:
        """Points whose trials stand for all in an estimate of the time that a study takes."""
        return points

    def trials_to_time(self, workers: int) -> int:
        """How many trials of each such point to begin with."""
        return workers

    def label(self, axes: Sequence[str]) -> str:
        """Name the scenario by its values on the given axes."""
        values = self.description.axes
        return ", ".join(_in_words(axis, values.get(axis, 0.0)) for axis in axes)

    def __repr__(self) -> str:
        told = {
            name: value if isinstance(value, str) else f"{value:g}" for name, value in self.description.axes.items()
        }
        sizes = {name: f"{getattr(self.description, name):,}" for name in ("d_weak", "d_strong")}
        return facts(type(self).__name__, sizes | told)


def _in_words(axis: str, value: float | str) -> str:
    return f"{axis} {value}" if isinstance(value, str) else f"{axis} = {value:g}"


def fingerprint(arrays: Sequence[npt.NDArray[Any] | Stored]) -> str:
    """SHA-256 of arrays, in memory, sparse or in files, with their shapes and types.

    Of features in a cluster it is that of the SHA-256 of blocks, which workers make: another one.
    """
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(json.dumps([array.dtype.str, array.shape]).encode())
        for block in _blocks_of(array):
            digest.update(np.ascontiguousarray(block).data)
    return digest.hexdigest()


def _blocks_of(array: npt.NDArray[Any] | Stored) -> Iterable[Any]:
    if isinstance(array, np.ndarray):
        return (array[block] for block in (gathered(len(array), math.prod(array.shape[1:])) if array.ndim else [()]))
    from w2s_fast.probing.gathering import Elsewhere

    if isinstance(array, Elsewhere):
        return (np.frombuffer(array.digest, np.uint8),)
    return (array.read(block) for block in gathered(*array.shape))
