"""Buckets of coordinates by runs: the first half of a sketch of vectors too long to hold, a vector read once.

Coordinate i of a vector is added to one bucket, times a random sign. Coordinates go in runs of ``RUN`` neighbours,
which take neighbouring buckets, so that a run is one addition of vector registers; where it begins is a hash of (key,
i // RUN). Eight runs, a stretch, take turns at eight segments of the buckets. Two coordinates thus share a bucket with
the chance 1 / buckets where they are of different stretches, and never where they are of one: no addition waits for
the one before it, and on a GPU a stretch takes eight warps that meet nowhere.
"""

from typing import Any

import numba
import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from w2s_fast._check import FloatArray
from w2s_fast._jit import kernel
from w2s_fast.kernels.sketch import mix

RUN = 32  # coordinates: as many signs as half a word has bits
SEGMENTS = 8
STRETCH = RUN * SEGMENTS
TILE_RUNS = 4_096  # whose places are found once for all rows: 48 KiB of them, beside 512 KiB of a row in float32
AHEAD = 2_048  # coordinates that are fetched before they are used: without, two thirds of the speed
WEYL = np.uint64(0x9E3779B97F4A7C15)


@kernel
def stretch_word(key: np.uint64, stretch: int) -> np.uint64:
    """What the words of a stretch's runs are made of; its leading bits say which segment its first run takes."""
    return mix(key ^ mix(np.uint64(stretch) + WEYL))


@kernel
def run_word(of_stretch: np.uint64, place: int) -> np.uint64:
    """A word for run number ``place`` of a stretch: where it begins from the upper half, signs from the lower one."""
    return mix(of_stretch + np.uint64(place + 1) * WEYL)


@kernel
def segment_of(of_stretch: np.uint64, place: int) -> np.int64:
    """The segment that run number ``place`` takes."""
    return (np.int64(place) + np.int64(of_stretch >> np.uint64(61))) % np.int64(SEGMENTS)


@kernel
def start_of(word: np.uint64, segment: int) -> np.int64:
    """Where a run begins in a segment of so many buckets, a power of two up to 2^32."""
    return np.int64(((word >> np.uint64(32)) * np.uint64(segment)) >> np.uint64(32))


@kernel
def place_runs(
    key: np.uint64, first_run: int, segment: int, starts: npt.NDArray[np.int64], signs: npt.NDArray[np.uint32]
) -> None:
    """Fill in the first bucket and the signs of runs ``first_run``, ...; segments are RUN buckets apart."""
    for i in range(starts.size):
        stretch, place = (first_run + i) // SEGMENTS, (first_run + i) % SEGMENTS
        of_stretch = stretch_word(key, stretch)
        word = run_word(of_stretch, place)
        starts[i] = segment_of(of_stretch, place) * (segment + RUN) + start_of(word, segment)
        signs[i] = np.uint32(word & np.uint64(0xFFFFFFFF))


def prefetch(builder: Any, address: Any) -> None:
    """Bring the two cache lines from an address on; beyond the end of an array this does nothing."""
    byte, word = ir.IntType(8).as_pointer(), ir.IntType(32)
    function = ir.FunctionType(ir.VoidType(), [byte, word, word, word])
    fetch = cgutils.get_or_insert_function(builder.module, function, "llvm.prefetch.p0")
    start = builder.bitcast(address, byte)
    for offset in (0, 64):
        at = builder.gep(start, [ir.Constant(ir.IntType(64), offset)])
        builder.call(fetch, [at, word(0), word(3), word(1)])


@intrinsic  # type: ignore[untyped-decorator]
def add_run(typing_context: Any, row: Any, at: Any, buckets: Any, to: Any, signs: Any) -> Any:
    """Add ``row[at : at + RUN]``, negated where bits of ``signs`` are set, to ``buckets[to : to + RUN]``.

    Both contiguous, neither overlapping the other. In LLVM's vectors, since of a loop it makes no use of them: it
    unrolls the loop first, and then cannot prove that what is written is not read again.
    """

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        vector = ir.VectorType(context.get_value_type(row.dtype), RUN)

        def data(array: int) -> Any:
            return context.make_array(signature.args[array])(context, builder, arguments[array]).data

        def address(array: int, index: int) -> Any:
            return builder.bitcast(builder.gep(data(array), [arguments[index]]), vector.as_pointer())

        def aligned(instruction: Any) -> Any:
            instruction.align = row.dtype.bitwidth // 8
            return instruction

        ahead = builder.add(arguments[1], context.get_constant(types.intp, AHEAD))
        prefetch(builder, builder.gep(data(0), [ahead]))
        values, target = aligned(builder.load(address(0, 1))), address(2, 3)
        negative = builder.bitcast(arguments[4], ir.VectorType(ir.IntType(1), RUN))
        signed = builder.select(negative, builder.fneg(values), values)
        aligned(builder.store(builder.fadd(aligned(builder.load(target)), signed), target))
        return context.get_dummy_value()

    return types.void(row, types.intp, buckets, types.intp, types.uint32), build


def _add_run(row: FloatArray, at: int, buckets: FloatArray, to: int, signs: np.uint32) -> None:
    negative = (int(signs) >> np.arange(RUN)) & 1
    buckets[to : to + RUN] += np.where(negative, -1, 1).astype(row.dtype) * row[at : at + RUN]


if numba.config.DISABLE_JIT:
    add_run = _add_run


@kernel
def add_runs(block: FloatArray, start: int, stop: int, first: int, key: np.uint64, buckets: FloatArray) -> None:
    """Add columns ``start:stop`` of each row of ``block``, coordinates ``first``, ..., to its row of ``buckets``.

    A row of buckets has SEGMENTS segments, each followed by RUN places for what runs over its end. ``block`` is in C's
    order.
    """
    segment = buckets.shape[1] // SEGMENTS - RUN
    origin = start - first  # column of coordinate 0
    first_run, last_run = first // RUN, (stop - origin + RUN - 1) // RUN
    starts, signs = np.empty(TILE_RUNS, np.int64), np.empty(TILE_RUNS, np.uint32)
    for top in range(first_run, last_run, TILE_RUNS):
        runs = min(TILE_RUNS, last_run - top)
        place_runs(key, top, segment, starts[:runs], signs[:runs])
        for r in range(block.shape[0]):
            row, own = block[r], buckets[r]
            for i in range(runs):
                at = (top + i) * RUN + origin
                if at >= start and at + RUN <= stop:
                    add_run(row, at, own, starts[i], signs[i])
                else:
                    for j in range(max(at, start), min(at + RUN, stop)):
                        negative = (signs[i] >> np.uint32(j - at)) & np.uint32(1)
                        own[starts[i] + j - at] += -row[j] if negative else row[j]


@kernel
def empty_buckets(buckets: FloatArray, totals: npt.NDArray[np.float64]) -> None:
    """Add each row of ``buckets`` to one of ``totals`` (rows, SEGMENTS * segment), and make it zero."""
    segment = buckets.shape[1] // SEGMENTS - RUN
    for r in range(buckets.shape[0]):
        for s in range(SEGMENTS):
            own = buckets[r, s * (segment + RUN) : (s + 1) * (segment + RUN)]
            total = totals[r, s * segment : (s + 1) * segment]
            total += own[:segment]
            total[:RUN] += own[segment:]
            own[:] = 0.0
