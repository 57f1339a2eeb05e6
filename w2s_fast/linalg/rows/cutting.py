"""How much is worked on at a time: every number that cuts rows into blocks, and columns into tiles.

Cuts follow from shapes alone, so that results have the same bits for any number of threads.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np

GRAM_ROWS = 4_096  # of a block in X'X; fewer leave BLAS too short a sum, 10 % slower at 2,048
RUN_ROWS = 1_024  # of X'X that BLAS adds in float32: twice as many save 2 to 6 % of the time, and may round twice
PRODUCT_ROWS = 2_048  # of a block in other products; 4 % more of BLAS's speed than 1,024
FEW_FACTORS = 4  # columns of weights of logistic fits: with fewer, handing over a block of PRODUCT_ROWS shows,
THIN_ROWS = 8_192  # and blocks of so many take a sixth less time, of 384 columns
UNTILED = 2_048  # columns of X'X made whole: more at a time, and adding the blocks up shows beside making them
TILE_COLUMNS = 512  # of X'X beyond: 6 % over BLAS's time for all of it at 4,096, against 26 % in one piece
READING = 16  # multiplications that BLAS does on one thread in the time it takes to read an element
BLOCK_WORK = 10**7  # multiplications, 0.2 ms: below, handing a block to a thread costs more than it saves
LONGEST_BLOCK = 4_096  # rows that are read at once: BLAS wants long sums
LARGEST_BLOCK = 64 << 20  # bytes of float64, likewise
MOMENTS_SIZE = 2**21  # elements that one thread reads for moments, 0.5 ms: handing out smaller tiles shows
MOMENTS_COLUMNS = 2**14
GATHERED = 2**21  # numbers gathered from scattered rows at a time, 16 MiB of float64
ELONGATED = 4  # rows a column: from here QR of two blocks on threads beats LAPACK's with BLAS threads
QR_ROWS = 20  # a column, where there are more than two blocks: with fewer, their triangles cost what threads save
QR_BLOCKS = 16  # that are enough, but for blocks beyond the cache:
QR_SIZE = 2**19  # elements, 4 MiB of float64


def cuts(rows: int, columns: int, factors: int, longest: int = PRODUCT_ROWS, ends: Sequence[int] = ()) -> list[slice]:
    """Cut rows evenly, into an even number of blocks where their products with ``factors`` columns are worth threads.

    Reading an element costs what ``READING`` products do. The last of
    ``ends``, which rise, is ``rows``: blocks end at the others, too.
    """
    if ends:
        return [
            slice(start + cut.start, start + cut.stop)
            for start, stop in pairwise([0, *ends])
            for cut in cuts(stop - start, columns, factors, longest)
        ]
    least = -(-BLOCK_WORK // max(columns * max(factors, READING), 1))
    if rows <= least:
        return [slice(0, rows)]
    count = -(-rows // max(least, longest))
    step = -(-rows // (count + count % 2))
    return [slice(start, min(start + step, rows)) for start in range(0, rows, step)]


def height(columns: int) -> int:
    """Rows that are read at once where nothing is known of what they are read for."""
    return max(1, min(LONGEST_BLOCK, LARGEST_BLOCK // (8 * max(columns, 1))))


def gram_tiles(columns: int) -> list[tuple[slice, slice]]:
    """Cut the upper half of X'X into tiles of rows and columns."""
    count = 1 if columns <= UNTILED else -(-columns // TILE_COLUMNS)
    tiles = [slice(a, b) for a, b in pairwise(np.linspace(0, columns, count + 1).astype(int))]
    return [(a, b) for i, a in enumerate(tiles) for b in tiles[i:]]


def moments_tiles(rows: int, columns: int) -> list[tuple[slice, slice]]:
    """Cut rows whose moments one thread should not take alone."""
    step = max(1, MOMENTS_SIZE // min(columns, MOMENTS_COLUMNS))
    return [
        (slice(top, top + step), slice(left, left + MOMENTS_COLUMNS))
        for left in range(0, columns, MOMENTS_COLUMNS)
        for top in range(0, rows, step)
    ]


def qr_cuts(rows: int, columns: int) -> list[slice]:
    """Cut a long thin matrix into one block, or an even number of which threads take the QR decompositions."""
    most = max(QR_BLOCKS, rows * columns // QR_SIZE)
    count = max(1 + (rows >= ELONGATED * columns), min(most, rows // (QR_ROWS * columns)) // 2 * 2)
    step = -(-rows // count)
    return [slice(start, start + step) for start in range(0, rows, step)]


def gathered(rows: int, columns: int) -> Iterator[slice]:
    """Cut rows into blocks of ``GATHERED`` numbers."""
    step = max(1, GATHERED // max(columns, 1))
    return (slice(top, min(top + step, rows)) for top in range(0, rows, step))
