"""Buckets of coordinates by runs: the first half of a sketch of vectors too long to hold, a vector read once.

Coordinate i of a vector is added to one bucket, times a random sign. Coordinates go in runs of ``RUN`` neighbours,
which take as many neighbouring buckets, so that a run is one addition of vector registers. A hash of (key, i // RUN)
names the bucket where it begins: the cache line of that bucket is the first that is written, and the place in the line
is by how many coordinates the run is turned, so that no addition writes to parts of lines. Eight runs, a stretch, take
turns at eight segments of the buckets. Two coordinates thus share a bucket with the chance 1 / buckets where they are
of different stretches, and never where they are of one: no addition waits for the one before it, and on a GPU a stretch
takes eight warps that meet nowhere.
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
LINE = RUN // 2  # places that a run may be turned by: of float32 they are a cache line
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
    """Add ``row[at : at + RUN]``, turned, to the buckets from the line of number ``to`` on.

    Bucket number l of these takes coordinate (l + turn) % RUN of the run, negated where bit l of ``signs`` is set; turn
    is ``to`` % LINE. LINE more coordinates than these are read on both sides. Arrays are contiguous and do not overlap.
    In LLVM's vectors, since of a loop it makes no use of them: it unrolls the loop first, and then cannot prove that
    what is written is not read again.
    """

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        number = context.get_value_type(row.dtype)
        half, of_lanes = ir.VectorType(number, LINE), ir.VectorType(ir.IntType(16), LINE)
        at, to = arguments[1], arguments[3]

        def word(value: int) -> Any:
            return context.get_constant(types.intp, value)

        def data(array: int, index: Any) -> Any:
            start = context.make_array(signature.args[array])(context, builder, arguments[array]).data
            return builder.gep(start, [index])

        def vector(address: Any) -> Any:
            return builder.bitcast(address, half.as_pointer())

        def aligned(instruction: Any) -> Any:
            instruction.align = row.dtype.bitwidth // 8
            return instruction

        def coordinates(index: Any) -> Any:
            return aligned(builder.load(vector(data(0, index))))

        prefetch(builder, data(0, builder.add(at, word(AHEAD))))
        turn = builder.and_(to, word(LINE - 1))
        first, line = builder.add(at, turn), builder.sub(to, turn)
        # Of the second half, places before LINE - turn have coordinates up to the end, the others those from the start.
        lanes = ir.Constant(of_lanes, [ir.Constant(ir.IntType(16), lane + 1) for lane in range(LINE)])
        left = builder.trunc(builder.sub(word(LINE), turn), ir.IntType(16))
        splat = builder.insert_element(ir.Constant(of_lanes, ir.Undefined), left, ir.IntType(32)(0))
        zeros = ir.Constant(ir.VectorType(ir.IntType(32), LINE), [ir.IntType(32)(0)] * LINE)
        splat = builder.shuffle_vector(splat, ir.Constant(of_lanes, ir.Undefined), zeros)
        before = builder.icmp_unsigned("<=", lanes, splat)
        start, end = coordinates(builder.sub(first, word(LINE))), coordinates(builder.add(first, word(LINE)))
        halves = coordinates(first), builder.select(before, end, start)
        for part, values in enumerate(halves):
            own = builder.trunc(builder.lshr(arguments[4], ir.IntType(32)(part * LINE)), ir.IntType(LINE))
            negative = builder.bitcast(own, ir.VectorType(ir.IntType(1), LINE))
            signed = builder.select(negative, builder.fneg(values), values)
            target = vector(data(2, builder.add(line, word(part * LINE))))
            aligned(builder.store(builder.fadd(aligned(builder.load(target)), signed), target))
        return context.get_dummy_value()

    return types.void(row, types.intp, buckets, types.intp, types.uint32), build


def _add_run(row: FloatArray, at: int, buckets: FloatArray, to: int, signs: np.uint32) -> None:
    turn = to % LINE
    negative = (int(signs) >> np.arange(RUN)) & 1
    line = buckets[to - turn : to - turn + RUN]
    line += np.where(negative, -1, 1).astype(row.dtype) * np.roll(row[at : at + RUN], -turn)


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
                if at >= max(start, LINE) and at + RUN <= min(stop, row.size - LINE):
                    add_run(row, at, own, starts[i], signs[i])
                else:
                    turn = starts[i] % LINE
                    for place in range(RUN):
                        j = at + (place + turn) % RUN
                        if start <= j < stop:
                            negative = (signs[i] >> np.uint32(place)) & np.uint32(1)
                            own[starts[i] - turn + place] += -row[j] if negative else row[j]


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
