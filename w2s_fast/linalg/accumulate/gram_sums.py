"""The sums that a Gram matrix is, as values that add up and subtract."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from w2s_fast import _check
from w2s_fast._check import FloatArray
from w2s_fast.linalg.accumulate.gram_file import DOWNDATE_ROUNDING, PRODUCT_DTYPES
from w2s_fast.linalg.accumulate.weighting import Counted
from w2s_fast.linalg.rows.few import is_few
from w2s_fast.linalg.rows.products import joint_gram_of_block
from w2s_fast.linalg.rows.scale import SMALLEST_SUM, refuse_vanishing
from w2s_fast.linalg.rows.scatter import merge_few, merge_scatter

Matrix = npt.NDArray[np.float64]
FLOAT64 = np.dtype(np.float64)
LARGEST_SUM = 1e300  # of squares: products of columns with sums below are finite


class Sums(NamedTuple):
    """Of [X | Y] over some rows.

    Attributes
    ----------
    joint, mean : ndarray
        [X | Y]'[X | Y], of deviations if centred, and the mean (2, d) as a sum of two numbers.
    peak : ndarray
        The largest diagonal there ever was: what downdates leave is relative to it.
    n_rows, weight : int, float
        How many rows, and the sum of their weights.
    single : bool
        Whether products of some of them were taken in float32.
    """

    joint: Matrix
    mean: Matrix
    peak: Matrix
    n_rows: int
    weight: float
    single: bool = False

    @classmethod
    def of(
        cls,
        arrays: tuple[FloatArray, ...],
        counted: Counted | None,
        centred: bool,
        products: Callable[..., Matrix],
        scatter: Callable[..., tuple[Matrix, Matrix]],
    ) -> Sums:
        """Of arrays X and Y by a place's ``products`` or ``scatter``; refuse squares that overflow or vanish."""
        n_rows, width = len(arrays[0]), sum(array.shape[1] for array in arrays)
        mean, joint = (np.zeros_like(arrays[0], np.float64, shape=(size, width)) for size in (2, width))
        if n_rows and width:
            if not centred:
                joint = products(*arrays)
            else:
                mean, joint = scatter(*arrays) if counted is None else counted.scatter()
        squares, start = np.diagonal(joint), 0
        if not np.isfinite(squares).all():  # tells of any NaN or infinity without a pass of its own
            for name, array in zip("XY", arrays, strict=False):
                _check.all_finite(array, name)
        for name, array in zip("XY", arrays, strict=False):
            part = slice(start, start + array.shape[1])
            refuse_vanishing(array, squares[part], mean[0, part], name)
            start = part.stop
        return cls(joint, mean, squares, n_rows, float(n_rows) if counted is None else counted.weight)

    def empty(self) -> Sums:
        """Sums of the same shape over no rows."""
        return Sums(np.zeros_like(self.joint), np.zeros_like(self.mean), np.zeros_like(self.peak), 0, 0.0, self.single)

    @classmethod
    def of_few(cls, X: Any, y: Any) -> Sums | None:
        """Of a few plain rows and their labels, with BLAS's sums, to the bit; None as of :meth:`with_few`."""
        if not is_few(X, y):
            return None
        with np.errstate(over="ignore", invalid="ignore"):
            joint = joint_gram_of_block(X, y[:, None])
        joint[-1, :-1] = joint[:-1, -1]
        joint += 0.0  # as if added to no rows: there is no -0
        peak = joint.diagonal().copy()
        if not all(SMALLEST_SUM <= square <= LARGEST_SUM for square in peak.tolist()):
            return None
        return cls(joint, np.zeros((2, len(joint))), peak, len(X), float(len(X))).frozen()

    def with_few(self, X: Any, y: Any) -> Sums | None:
        """With a few plain rows and their labels, in one compiled call; None where these are more, or not safe so."""
        if len(self.peak) == 0:  # no rows yet
            return self.of_few(X, y)
        if not (is_few(X, y) and len(self.peak) == X.shape[1] + 1):
            return None
        joint, peak = np.empty_like(self.joint), np.empty_like(self.peak)
        if not _add_few()(X, y, self.joint, self.peak, joint, peak):
            return None
        return Sums(joint, self.mean, peak, self.n_rows + len(X), self.weight + len(X), self.single).frozen()

    def with_few_centred(self, X: Any, y: Any) -> Sums | None:
        """The same of deviations from the mean, to the bit of general routes."""
        seen = len(self.peak)
        if not (is_few(X, y) and seen in (0, X.shape[1] + 1)) or min(self.joint.diagonal().tolist(), default=0.0) < 0.0:
            return None
        rows = np.concatenate((X, y[:, None]), axis=1, dtype=np.float64)
        if (found := merge_few(self.weight, self.mean, self.joint, rows)) is None:
            return None
        mean, joint = found
        peak = np.maximum(self.peak, joint.diagonal()) if seen else joint.diagonal().copy()
        return Sums(joint, mean, peak, self.n_rows + len(X), self.weight + len(X), self.single).frozen()

    def frozen(self) -> Sums:
        """The same, products that nobody can write to: views of them are handed out."""
        if isinstance(self.joint, np.ndarray):
            self.joint.flags.writeable = False
        return self

    def joined(self, other: Sums, sign: int, centred: bool) -> Sums:
        """Both together (``sign`` 1), or these without the other's rows (-1)."""
        rows, weight = self.n_rows + sign * other.n_rows, self.weight + sign * other.weight
        if rows and other.n_rows and weight <= 0.0:
            raise np.linalg.LinAlgError(
                f"downdate: {rows:,} rows are left, and a weight of {weight:g}: other has rows that this Gram matrix "
                "never saw, or weights so large that rounding drowns the others"
            )
        mean, joint = np.zeros_like(other.mean), self.joint
        moves = centred and rows and other.n_rows
        with np.errstate(over="ignore", invalid="ignore"):
            if moves:
                mine = self.weight, self.mean, self.joint
                mean, joint = merge_scatter(*mine, sign * other.weight, other.mean, other.joint)
            elif other.n_rows:
                joint = self.joint + sign * other.joint
            else:
                mean = self.mean
        if not np.isfinite(np.diagonal(joint)).all():
            raise ValueError("the squares of X or Y overflow float64: scale them down first")
        peak = np.maximum(np.maximum(self.peak, other.peak), np.diagonal(joint))
        if moves and sign < 0:
            peak = np.maximum(peak, self._peak_of_moving(other, weight))
        if np.any(np.diagonal(joint) < -DOWNDATE_ROUNDING * peak):
            raise np.linalg.LinAlgError("downdate: other holds rows that this Gram matrix never saw")
        weight = weight if rows else 0.0  # no rounding of weights that were taken away
        return Sums(joint, mean, peak, rows, weight, self.single or other.single)

    def _peak_of_moving(self, other: Sums, weight: float) -> Matrix:
        """What rounding of means, and of weights, is relative to where the other's rows go and ``weight`` is left."""
        apart = np.abs(other.mean[0] - self.mean[0])
        moved = apart * (self.weight * other.weight / weight)
        peak = (np.abs(self.mean[0]) + np.abs(other.mean[0])) * moved
        if (self.weight, other.weight) == (self.n_rows, other.n_rows):  # which are exact
            return peak
        return np.maximum(peak, apart * moved * (self.weight / weight))


@cache
def _add_few() -> Any:
    from w2s_fast.kernels.few import add_gram_few

    return add_gram_few


def checked_product_dtype(value: npt.DTypeLike, place: str) -> np.dtype[Any]:
    """Take float64 or float32 by any of their names; float32 on the host alone."""
    if value is np.float64:  # as a rule: names of dtypes take longer to look up than few rows to add
        return FLOAT64
    try:
        found = np.dtype(value)
    except TypeError:
        found = np.dtype(object)
    if value is None or found.name not in PRODUCT_DTYPES:
        raise ValueError(f"product_dtype must be one of {', '.join(map(repr, PRODUCT_DTYPES))}, got {value!r}")
    if found != FLOAT64 and place != "the host":
        raise TypeError(f"product_dtype='float32' is the host's alone, these sums are on {place}: leave it out")
    return found
