"""QR decompositions on the thread that calls, by LAPACK's recursive reflections (Elmroth and Gustavson 2000).

``np.linalg.qr`` takes columns one by one within each panel, stops other threads below 500 columns, and knows nothing of
triangles: it takes a quarter longer for 5,000 x 1,000, and to merge two triangles five times as long.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from w2s_fast._check import FloatArray
from w2s_fast.linalg.leastsq.lapack import call

Matrix = npt.NDArray[np.float64]
PANEL = 64  # columns, whose reflections are applied as one product: half as many take 10 % longer
STRIP = 256  # rows that are turned into columns at a time: all at once take half as long again
MERGED_PANEL = 32  # of triangles, which are cheap: twice as many take 10 % longer


class Reflections:
    """Q and R of [A B ...] (m, n) in float64."""

    def __init__(self, *parts: FloatArray) -> None:
        m, n = len(parts[0]), sum(part.shape[1] for part in parts)
        self._v, self._panel = np.empty((m, n), order="F"), max(1, min(PANEL, m, n))
        for strip in (slice(top, top + STRIP) for top in range(0, m, STRIP)):
            np.concatenate([part[strip] for part in parts], axis=1, out=self._v[strip])
        self._t = np.empty((self._panel, n), order="F")
        spare = np.empty(self._panel * n)
        call("dgeqrt", m, n, self._panel, self._v, max(m, 1), self._t, self._panel, spare)

    @property
    def R(self) -> Matrix:  # noqa: N802
        """The triangle (n, n), of which fewer rows leave the uppermost."""
        return np.triu(self._v[: self._v.shape[1]])

    def times(self, x: FloatArray) -> Matrix:
        """Q x (m, k) of x (n, k), where rows are as many as columns or more."""
        (m, n), k = self._v.shape, x.shape[1]
        found = np.zeros((m, k), order="F")
        found[:n] = x
        spare, rows = np.empty(self._panel * k), max(m, 1)
        call("dgemqrt", b"L", b"N", m, k, n, self._panel, self._v, rows, self._t, self._panel, found, rows, spare)
        return found


class MergedReflections:
    """Q and R of two triangles (n, n), one below the other."""

    def __init__(self, a: FloatArray, b: FloatArray) -> None:
        n = len(a)
        self.R, self._v = np.array(a, np.float64, order="F"), np.array(b, np.float64, order="F")
        self._panel, self._rows = max(1, min(MERGED_PANEL, n)), max(n, 1)
        self._t = np.empty((self._panel, n), order="F")
        spare = np.empty(self._panel * n)
        call("dtpqrt", n, n, n, self._panel, self.R, self._rows, self._v, self._rows, self._t, self._panel, spare)

    def times(self, x: FloatArray) -> tuple[Matrix, Matrix]:
        """Q x of x (n, k), for the one triangle and for the other."""
        n, k = x.shape
        top, bottom = np.array(x, np.float64, order="F"), np.zeros((n, k), order="F")
        rows, spare = self._rows, np.empty(self._panel * k)
        how = n, k, n, n, self._panel, self._v, rows, self._t, self._panel
        call("dtpmqrt", b"L", b"N", *how, top, rows, bottom, rows, spare)
        return top, bottom
