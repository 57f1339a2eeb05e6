"""Sketches of gradients where they are: on the GPU, by the map that the CPU has for the same key."""

from __future__ import annotations

from typing import Any

import numpy as np

from w2s_fast.cuda import arrays, kernels
from w2s_fast.cuda._shim import array_library, explained
from w2s_fast.cuda.accumulate import parts_of
from w2s_fast.cuda.solve import _sketch
from w2s_fast.features import sketching
from w2s_fast.kernels.runs import RUN, SEGMENTS, STRETCH

PART_STRETCHES, MOST_PARTS = 512, 8  # of a block's coordinates that one block of threads reads: by shape alone


class SketchedRows(sketching.SketchedRows):
    """Sketches of vectors on the GPU whose coordinates come in blocks: the CPU's class, results on the GPU."""

    def __init__(self, sketch: sketching.Sketch, rows: int, dtype: Any) -> None:
        self._sketch, self._dtype = sketch, np.dtype(dtype)
        self._key, self._mixing_key = sketch.keys
        self._span = None
        with explained():
            self._totals = array_library().zeros((rows, sketch.buckets))

    @staticmethod
    def rows_of(X: Any) -> Any:
        """View rows on the GPU in C's order."""
        return array_library().ascontiguousarray(arrays.floats(X, "X", ndim=2))

    def add(self, block: Any, first: int) -> None:
        """Take coordinates ``first``, ``first + 1``, ... of every vector: an array on the GPU, of any library."""
        super().add(array_library().ascontiguousarray(arrays.floats(block, "block", ndim=2, finite=False)), first)

    def _fill(self, block: Any, start: int, stop: int, first: int) -> None:
        stretches = -(-(first + stop - start) // STRETCH) - first // STRETCH
        step, parts = parts_of(stretches, PART_STRETCHES, MOST_PARTS)
        rows = len(block)
        with explained():
            found = array_library().zeros((parts, rows, self._sketch.buckets), block.dtype)
            launch = kernels.add_runs[(parts, rows), RUN * SEGMENTS]
            launch(block, start, stop, first, step, self._key, found)
            for part in found:
                self._totals += part

    def _empty(self) -> None:
        """Nothing to do: blocks are summed in float64 at once."""

    def _mixed(self) -> Any:
        totals = array_library().ascontiguousarray(self._totals.T)
        return _sketch(totals, self._sketch.width, int(self._mixing_key)).T
