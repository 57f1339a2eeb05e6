"""Sketches of vectors that come in pieces, such as gradients: k numbers of each, whose inner products are kept.

The map S from R^p to R^k is the product of two that are never stored: coordinates are added to buckets, times random
signs (:mod:`w2s_fast.kernels.runs`), and the buckets are sketched with eight nonzeros each
(:mod:`w2s_fast.kernels.sketch`). Both are functions of a key and of the coordinate's number alone.

E <Sx, Sy> = <x, y>. The columns of S have norm 1, and two of them an inner product of mean 0 and variance c = 1/k where
coordinates never share a bucket, else 1/k + (1 - 1/k) / buckets; the inner products of different pairs are
uncorrelated, since every coordinate has a sign of its own. Hence

    Var <Sx, Sy> <= c (||x||^2 ||y||^2 + <x, y>^2 - 2 sum_i x_i^2 y_i^2)

with equality where all coordinates are of different stretches. It does not depend on the number s of nonzeros: s of
them collide s^2/k times on average, and weigh 1/s^2. That is the variance of feature hashing (Weinberger et al. 2009,
lemma 2) and of sparse embeddings (Kane and Nelson 2014); s makes large errors rarer where few coordinates are large.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from w2s_fast import _check, _devices
from w2s_fast._arrays import Home
from w2s_fast._check import FloatArray
from w2s_fast._random import key64
from w2s_fast._threads import default_workers, ordered_map
from w2s_fast.kernels.runs import RUN, SEGMENTS
from w2s_fast.linalg.rows.products import Matrix

BUCKETS_PER_COLUMN = 8  # which add an eighth to the variance, 6 % to the standard error; 16 cost a tenth of the speed
LEAST_BUCKETS = 4_096
LARGEST_WIDTH = 2**24
SPAN = 2**20  # coordinates that are summed in their own precision, then in float64
GROUP_BYTES = 2**20  # of buckets that one thread fills for hashes found once: of three rows alone they take a tenth
LINE_BYTES = 64  # of a cache
LEAST_WORK = 2**18  # numbers: with fewer, threads cost more than they save


@dataclass(frozen=True)
class Sketch:
    """A random linear map from coordinates, however many, to ``width`` columns.

    Attributes
    ----------
    width : int
    key : int
        Below 2^64. The same key makes the same map.
    """

    width: int
    key: int

    @classmethod
    def of(cls, width: Any, random_state: Any) -> Sketch:
        """Check both."""
        return cls(_check.integer(width, "k", minimum=1, maximum=LARGEST_WIDTH), key64(random_state))

    @property
    def buckets(self) -> int:
        """Of the first half: a power of two."""
        return int(max(LEAST_BUCKETS, 1 << (BUCKETS_PER_COLUMN * self.width - 1).bit_length()))

    @property
    def keys(self) -> tuple[np.uint64, np.uint64]:
        """Of the two halves."""
        first, second = np.random.SeedSequence(self.key).generate_state(2, np.uint64)
        return first, second

    @property
    def row_length(self) -> int:
        """Places of a row of buckets, with those for runs that go over the end of a segment."""
        return self.buckets + SEGMENTS * RUN

    @property
    def spread(self) -> float:
        """The most that the inner product of two columns of the map has as its variance, c above."""
        return 1.0 / self.width + (1.0 - 1.0 / self.width) / self.buckets

    def variance(self, x: Any, y: Any) -> Any:
        """Bound the variance of <Sx, Sy> by the formula above, over the last axis of ``x`` and ``y``."""
        x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
        squares = np.sum(x * x, axis=-1) * np.sum(y * y, axis=-1)
        return self.spread * (squares + np.sum(x * y, axis=-1) ** 2 - 2.0 * np.sum(x * x * y * y, axis=-1))


def sketch_rows(X: Any, k: int, *, random_state: Any = 0) -> Any:
    """Sketch rows that are held: (n, p) to (n, k), as :func:`gradient_features` does those that are not.

    Parameters
    ----------
    X : (n, p) array_like
        Such as gradients that something else has made; column i is coordinate i.
    k : int
        Columns, of which the variance of inner products is about 1/k (module docstring).
    random_state : int, RandomState, Generator, np.random or None
        The same one makes the same map.

    Returns
    -------
    (n, k) array

    Examples
    --------
    >>> import numpy as np
    >>> from w2s_fast.features import sketch_rows
    >>> rows = np.random.default_rng(0).standard_normal((2, 5_000))
    >>> sketched = sketch_rows(rows, 1_024)
    >>> bool(np.allclose(sketched @ sketched.T / 5_000, rows @ rows.T / 5_000, atol=0.2))
    True
    """
    sketch = Sketch.of(k, random_state)
    kind = _devices.twin("SketchedRows", X)
    if kind is None:
        rows = np.ascontiguousarray(_check.floats(X, "X", ndim=2))
        found = SketchedRows(sketch, len(rows), rows.dtype)
    else:
        rows = kind.rows_of(X)
        found = kind(sketch, len(rows), rows.dtype)
    found.add(rows, 0)
    return Home.of(X).give(found.columns())


class SketchedRows:
    """Sketches of some vectors whose coordinates come in blocks, in any order, each block once.

    What a vector's sketch is does not depend on the vectors beside it, to the bit. The order of blocks changes it by
    rounding in float64, and of coordinates within ``SPAN`` of each other in the precision of the blocks.
    """

    def __init__(self, sketch: Sketch, rows: int, dtype: Any) -> None:
        self._sketch, self._dtype = sketch, np.dtype(dtype)
        self._key, self._mixing_key = sketch.keys
        self._buckets = _zeros_at_a_line(rows, sketch.row_length, self._dtype)
        self._totals = np.zeros((rows, sketch.buckets))
        self._span: int | None = None  # whose coordinates the buckets hold

    def add(self, block: Any, first: int) -> None:
        """Take coordinates ``first``, ``first + 1``, ... of every vector: (rows, coordinates), contiguous."""
        start = 0
        while start < block.shape[1]:
            span = (first + start) // SPAN
            stop = min(block.shape[1], (span + 1) * SPAN - first)
            if self._span not in (None, span):
                self._empty()
            self._span = span
            self._fill(block, start, stop, first + start)
            start = stop

    def columns(self) -> FloatArray:
        """(rows, width) in the dtype of the blocks; no more can be added."""
        self._empty()
        return self._mixed().astype(self._dtype)

    def _fill(self, block: FloatArray, start: int, stop: int, first: int) -> None:
        most = max(1, GROUP_BYTES // (self._sketch.row_length * self._dtype.itemsize))
        self._each_group(partial(_fill, start, stop, first, self._key), stop - start, most, block, self._buckets)

    def _empty(self) -> None:
        self._each_group(_empty, self._sketch.buckets, len(self._totals), self._buckets, self._totals)

    def _mixed(self) -> FloatArray:
        found = np.empty((len(self._totals), self._sketch.width))
        self._each_group(partial(_mix, self._mixing_key), self._sketch.buckets, len(found), self._totals, found)
        return found

    def _each_group(self, function: Callable[[Any], None], columns: int, most: int, *arrays: FloatArray) -> None:
        """Call a function with groups of ``most`` rows of arrays, on threads where that pays."""
        rows = len(self._totals)
        if rows * columns < LEAST_WORK:
            function(arrays)
            return
        step = min(-(-rows // default_workers()), most)
        groups = (tuple(array[top : top + step] for array in arrays) for top in range(0, rows, step))
        for _ in ordered_map(function, groups):
            pass


def _zeros_at_a_line(rows: int, columns: int, dtype: Any) -> FloatArray:
    """Zeros that begin where a cache line does, as NumPy's need not: else each run of buckets would touch one more."""
    spare = LINE_BYTES // dtype.itemsize
    room = np.zeros(rows * columns + spare, dtype)
    first = -room.ctypes.data % LINE_BYTES // dtype.itemsize
    return room[first : first + rows * columns].reshape(rows, columns)


def _fill(start: int, stop: int, first: int, key: np.uint64, rows: tuple[FloatArray, FloatArray]) -> None:
    from w2s_fast.kernels.runs import add_runs

    block, buckets = rows
    add_runs(block, start, stop, first, key, buckets)


def _empty(rows: tuple[FloatArray, Matrix]) -> None:
    from w2s_fast.kernels.runs import empty_buckets

    empty_buckets(*rows)


def _mix(key: np.uint64, rows: tuple[Matrix, Matrix]) -> None:
    from w2s_fast.kernels.sketch import add_sketch

    totals, found = rows
    own = np.zeros(found.shape[::-1])
    add_sketch(np.ascontiguousarray(totals.T), 0, key, own)
    found[:] = own.T
