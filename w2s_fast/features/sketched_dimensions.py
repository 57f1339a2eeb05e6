"""Intrinsic and correlation dimensions of gradients that are known by two independent sketches each."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from w2s_fast import _check
from w2s_fast._check import FloatArray
from w2s_fast.linalg.spectral.intrinsic import intrinsic_dimension
from w2s_fast.linalg.spectral.joint import ENERGY, Dimensions


class SketchedDimension(NamedTuple):
    """A dimension from two sketches of k columns.

    Attributes
    ----------
    dimension : float
        Of both together, 2 k columns.
    stderr : float
        What chance of the map does to it: half of the difference of the two, one degree of freedom. Whole numbers may
        agree by luck.
    bias : float
        What is left of the sketch's bias, if it falls as 1/k: the mean of the two less ``dimension``. Negative where
        sketches make the dimension too small, as they mostly do.
    halves : (float, float)
        Of each sketch alone.
    """

    dimension: float
    stderr: float
    bias: float
    halves: tuple[float, float]

    @classmethod
    def of(cls, dimension: float, first: float, second: float) -> SketchedDimension:
        return cls(dimension, abs(first - second) / 2, (first + second) / 2 - dimension, (first, second))

    @property
    def extrapolated(self) -> float:
        """Without the bias that falls as 1/k: what many columns would show."""
        return self.dimension - self.bias


class SketchedDimensions(NamedTuple):
    """Of a teacher and a student in gradient space, and what they share over the same examples."""

    weak: SketchedDimension
    strong: SketchedDimension
    shared: SketchedDimension


def sketched_dimension(first: Any, second: Any, *, energy: float = ENERGY) -> SketchedDimension:
    """Intrinsic dimension of gradients from two independent sketches, with an error bar and what is left of the bias.

    A column of a sketch is one random combination of the coordinates: the inner products of k columns have the law of a
    sample covariance of k draws, to whose true covariance the exact inner products correspond. Leading eigenvalues of
    such are too large and trailing ones too small, by a share of order d/k (Lawley 1956), so that fewer hold a share of
    the energy: dimensions come out too small, and never larger than k. The bias halves as k doubles; comparing k
    columns with 2 k tells how much is left.

    Parameters
    ----------
    first, second : (n, k) or (n, outputs, k) array_like
        :func:`gradient_features` of the same rows with two values of ``random_state``. Not centred; subtract the mean
        of the rows for that, since sketches are linear.
    energy : float
        In (0, 1].

    Examples
    --------
    >>> import numpy as np
    >>> from w2s_fast.features import sketch_rows, sketched_dimension
    >>> rng = np.random.default_rng(0)
    >>> rows = rng.standard_normal((20, 3)) @ rng.standard_normal((3, 2_000))
    >>> found = sketched_dimension(*(sketch_rows(rows, 64, random_state=seed) for seed in range(2)))
    >>> found.dimension, found.stderr, found.bias
    (3.0, 0.0, 0.0)
    """
    share = _check.real(energy, "energy", maximum=1.0, open_left=True)
    first, second = _pair(first, second, "first", "second")
    both, one, other = (float(intrinsic_dimension(rows, share)) for rows in (_joined(first, second), first, second))
    return SketchedDimension.of(both, one, other)


def sketched_correlation_dimension(weak: Any, strong: Any, *, energy: float = ENERGY) -> SketchedDimensions:
    """d_w, d_s and d_sw of two models' gradients over the same examples (sample space), each by two sketches.

    As :func:`w2s_fast.correlation_dimension` with ``energy``: the leading directions of R^n that hold a share of the
    energy of each model's gradients, and the sum of their squared cosines. Error bars and bias as
    :func:`sketched_dimension` has them.

    Parameters
    ----------
    weak, strong : pair of (n, k) or (n, outputs, k) array_like
        Two sketches each, of any widths, with as many rows. Take four values of ``random_state``: the same one for both
        models would give their sketches errors that go together.
    energy : float
        In (0, 1].

    Examples
    --------
    >>> import numpy as np
    >>> from w2s_fast.features import sketch_rows, sketched_correlation_dimension
    >>> rng = np.random.default_rng(0)
    >>> factors = rng.standard_normal((20, 5))
    >>> weak, strong = factors[:, :3] @ rng.standard_normal((3, 900)), factors[:, 2:] @ rng.standard_normal((3, 900))
    >>> weak_pair = [sketch_rows(weak, 64, random_state=seed) for seed in (0, 1)]
    >>> strong_pair = [sketch_rows(strong, 64, random_state=seed) for seed in (2, 3)]
    >>> found = sketched_correlation_dimension(weak_pair, strong_pair, energy=1 - 1e-9)
    >>> found.weak.dimension, found.strong.dimension, 1 < found.shared.dimension < 3
    (3.0, 3.0, True)
    """
    share = _check.real(energy, "energy", maximum=1.0, open_left=True)
    sides = [
        _pair(*_two(given, name), f"{name}[0]", f"{name}[1]") for given, name in ((weak, "weak"), (strong, "strong"))
    ]
    _check.same_rows(weak=sides[0][0], strong=sides[1][0])
    w, s = ((_joined(*side), *side) for side in sides)
    found = [Dimensions.of(a, b, share) for a, b in zip(w, s, strict=True)]
    return SketchedDimensions(*(SketchedDimension.of(*map(float, values)) for values in zip(*found, strict=True)))


def _two(given: Any, name: str) -> tuple[Any, Any]:
    if not isinstance(given, list | tuple) or len(given) != 2:
        raise TypeError(f"{name} must be a pair of sketches, got {type(given).__name__}: two values of random_state")
    first, second = given
    return first, second


def _pair(first: Any, second: Any, *names: str) -> tuple[FloatArray, FloatArray]:
    """Two sketches of the same rows, outputs below each other."""
    a, b = (_flat(_check.floats(given, name), name) for given, name in zip((first, second), names, strict=True))
    if a.shape != b.shape:
        raise ValueError(f"two sketches must have one shape: {names[0]} has {a.shape}, {names[1]} {b.shape}")
    if np.array_equal(a, b):
        raise ValueError(f"{names[0]} and {names[1]} are the same sketch: take two values of random_state")
    return a, b


def _flat(rows: FloatArray, name: str) -> FloatArray:
    if rows.ndim not in (2, 3) or 0 in rows.shape:
        raise ValueError(f"{name} must be (n, k) or (n, outputs, k), got shape {rows.shape}")
    return rows.reshape(-1, rows.shape[-1])


def _joined(first: FloatArray, second: FloatArray) -> FloatArray:
    """A sketch of twice as many columns, with the mean of the inner products of the two."""
    return np.concatenate([first, second], axis=1) / np.sqrt(2.0).astype(first.dtype)
