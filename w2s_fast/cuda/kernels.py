"""Kernels: arrays in, arrays out, no checks. What they compute is the source of :mod:`w2s_fast.kernels`.

Sums run in an order that depends on shapes alone, so that bits repeat. By ptxas 13.0 for sm_90 none but run_trials
spills or needs a stack: part_moments and merge_parts take 40 to 42 registers a thread, and fills 32 to 42, of which
fill_signs has 16 KiB of shared memory. run_trials takes all 255 and a stack of 640 bytes, beside 9 KB and more of
global memory in which a trial works; at most 128 registers made some trials faster by a tenth and others slower.

On an H100, of 100,000 trials, the paper's and those of d = 32 take 0.05 to 0.09 us each, copies counted in; with 20
tilted angles they take 1.2 us, and with 60, where each works in 1.1 MB, 36 to 69 us. part_moments and merge_parts take
4 to 6 times as long as one read of the rows (``bench/results/cuda-h100.json``).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from types import FunctionType
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from w2s_fast._check import FloatArray
from w2s_fast._jit import Matrix, Vector
from w2s_fast.cuda._shim import cuda, device_function, kernel
from w2s_fast.kernels import draws, moments, philox, runs, sketch
from w2s_fast.kernels.draws import BUFFER, EDGES, INNER, LAST, LAYER_BITS, LAYERS, TAKEN, TRIAL
from w2s_fast.kernels.invariants import trial
from w2s_fast.kernels.invariants.setting import Room, Setting
from w2s_fast.kernels.philox import DROPPED_BITS, HALF_WORD, LOW, MIDDLE, ULP
from w2s_fast.kernels.runs import LINE, RUN, SEGMENTS, STRETCH

FLOAT64, INT64 = cuda.types.float64, cuda.types.int64
TRIAL_THREADS = 128  # of a block, a trial each
SIGN_THREADS = 128  # of a block, a row of signs each
NONZEROS = sketch.NONZEROS
TILE_ROWS = 64  # summed, then read again from cache for their deviations


@cache
def on_device(function: Callable[..., Any]) -> Any:
    """Compile the source of a CPU kernel for the device, and with it the kernels that it calls."""
    if function in OURS:
        return OURS[function]
    source = getattr(function, "py_func", function)
    names = dict(source.__globals__)
    for name in source.__code__.co_names:
        called = names.get(name)
        ours = getattr(called, "__module__", "").startswith("w2s_fast.kernels")
        if ours and callable(called) and not isinstance(called, type):
            names[name] = on_device(called)
    # What the CPU calls the device calls too: copied to every place, run_trials took 106 s to compile instead of 16.
    options = getattr(function, "targetoptions", {})
    apart = options.get("_nrt") is False and not options.get("forceinline")
    return device_function(FunctionType(source.__code__, names, source.__name__), apart)


class Draws(NamedTuple):
    """Where the stream of a trial stands: that of :mod:`w2s_fast.kernels.draws`, with the ziggurat in shared memory."""

    key: tuple[np.uint64, np.uint64]
    at: npt.NDArray[np.int64]
    edges: Vector
    inner: Vector


OURS: dict[Callable[..., Any], Any] = {}
_philox32 = device_function(getattr(draws.philox32, "py_func", draws.philox32))


@device_function
def next_word(draws: Draws) -> np.uint64:
    """The word alone: neighbours, which have rejected different draws, would fill their buffers one after the other.

    That, and the ziggurat in shared memory, halve the time of a trial without tilted angles.
    """
    place = draws.at[TAKEN]
    draws.at[TAKEN] = place + 1
    within = place & LAST
    block, trial = (place - within) // 2 + within % (BUFFER // 2), np.uint64(draws.at[TRIAL])
    first, second = _philox32(draws.key, np.uint64(block), np.uint64(0), trial & LOW, trial >> HALF_WORD)
    return first if within < BUFFER // 2 else second


OURS[draws.next_word] = next_word
_outer_normal = on_device(draws.outer_normal)


@device_function
def next_normal(draws: Draws) -> float:
    word = next_word(draws)
    place = (float(np.int64(word >> DROPPED_BITS) - MIDDLE) + 0.5) * (2.0 * ULP)
    layer = np.int64(word & LAYER_BITS)
    x = place * draws.edges[layer]
    return x if abs(place) < draws.inner[layer] else _outer_normal(draws, layer, x)


OURS[draws.next_normal] = next_normal
_run_trials = on_device(trial.run_trials)
_fill_normals = on_device(philox.fill_normals)
_fill_words = on_device(philox.fill_words)
_sparse_signs = on_device(sketch.sparse_signs)
_merged = on_device(moments.merged)
_stretch_word, _run_word = on_device(runs.stretch_word), on_device(runs.run_word)
_segment_of, _start_of = on_device(runs.segment_of), on_device(runs.start_of)


@kernel
def run_trials(
    key: tuple[np.uint64, np.uint64],
    first: int,
    n: float,
    N: float,
    blocks: tuple[float, float, float, float, float],
    axes: tuple[int, int],
    tilted: Matrix,
    outside: Vector,
    frame: Matrix,
    rooms: Any,
    out: Matrix,
) -> None:
    """Fill each row of ``out`` (trials, 8) by a thread.

    ``rooms`` have a last axis of threads, so that neighbours touch neighbouring memory. ``blocks`` and ``axes``: the
    numbers of a :class:`Setting`, its spread last.
    """
    at = cuda.shared.array((TRIAL_THREADS, 2), INT64)
    edges = cuda.shared.array(LAYERS, FLOAT64)
    inner = cuda.shared.array(LAYERS, FLOAT64)
    for layer in range(cuda.threadIdx.x, LAYERS, cuda.blockDim.x):
        edges[layer], inner[layer] = EDGES[layer], INNER[layer]
    cuda.syncthreads()
    thread, threads = cuda.grid(1), cuda.gridsize(1)
    shared, weak_only, strong_only, target_strong, spread = blocks
    setting = Setting(shared, weak_only, strong_only, axes[0], axes[1], target_strong, tilted, outside, spread, frame)
    room = Room(
        rooms[0][:, :, thread],
        rooms[1][:, :, thread],
        rooms[2][:, :, thread],
        rooms[3][:, :, thread],
        rooms[4][:, :, thread],
        rooms[5][:, :, thread],
        rooms[6][:, :, thread],
        rooms[7][:, :, thread],
        rooms[8][:, :, thread],
        rooms[9][:, :, thread],
        rooms[10][:, :, thread],
        rooms[11][:, :, thread],
        rooms[12][:, :, thread],
        rooms[13][:, :, thread],
    )
    draws = Draws(key, at[cuda.threadIdx.x], edges, inner)
    for row in range(thread, out.shape[0], threads):
        _run_trials(first + row, n, N, draws, setting, room, out[row : row + 1])


@kernel
def fill_normals(key0: np.uint64, key1: np.uint64, trial: int, strand: int, out: Vector) -> None:
    _fill_normals((key0, key1), trial, strand, out, out.size, cuda.grid(1), cuda.gridsize(1))


@kernel
def fill_words(key0: np.uint64, key1: np.uint64, trial: int, strand: int, out: npt.NDArray[np.uint64]) -> None:
    _fill_words((key0, key1), trial, strand, out, out.size, cuda.grid(1), cuda.gridsize(1))


@kernel
def fill_signs(first_row: int, key: np.uint64, out: FloatArray) -> None:
    """Write the signs of rows ``first_row``, ... of a sketch, as on the CPU, to their places in zeros (rows, width)."""
    places = cuda.shared.array((SIGN_THREADS, NONZEROS), INT64)
    signs = cuda.shared.array((SIGN_THREADS, NONZEROS), FLOAT64)
    thread, row = cuda.threadIdx.x, cuda.grid(1)
    nonzeros = min(NONZEROS, out.shape[1])
    if row < out.shape[0]:
        _sparse_signs(key, first_row + row, out.shape[1], places[thread, :nonzeros], signs[thread, :nonzeros])
        for k in range(nonzeros):
            out[row, places[thread, k]] = signs[thread, k]


@kernel
def part_moments(block: FloatArray, part_rows: int, states: npt.NDArray[np.float64]) -> None:
    """State (4,) of each column of ``block`` (n, d) over each part of its rows, into ``states`` (parts, 4, d).

    Threads are columns, blocks (columns, parts). Tile by tile: a sum, then squared deviations from its mean.
    """
    column, part = cuda.grid(1), cuda.blockIdx.y
    if column < block.shape[1]:
        mean, mean_rest, m2, m2_rest = 0.0, 0.0, 0.0, 0.0
        first = part * part_rows
        last = min(first + part_rows, block.shape[0])
        for top in range(first, last, TILE_ROWS):
            bottom = min(top + TILE_ROWS, last)
            height = bottom - top
            total, drift, squares = 0.0, 0.0, 0.0
            for i in range(top, bottom):
                total += np.float64(block[i, column])
            center = total / height
            for i in range(top, bottom):
                deviation = np.float64(block[i, column]) - center
                drift += deviation
                squares += deviation * deviation
            squares -= drift * drift / height
            mean, mean_rest, m2, m2_rest = _merged(
                top - first, mean, mean_rest, m2, m2_rest, height, center, drift / height, squares, 0.0
            )
        states[part, 0, column], states[part, 1, column] = mean, mean_rest
        states[part, 2, column], states[part, 3, column] = m2, m2_rest


@kernel
def merge_parts(rows: int, part_rows: int, states: npt.NDArray[np.float64], count: int, state: Matrix) -> None:
    """Merge the states of all parts into ``state`` (4, d) of ``count`` samples, in order."""
    column = cuda.grid(1)
    if column < state.shape[1]:
        mean, mean_rest, m2, m2_rest = state[0, column], state[1, column], state[2, column], state[3, column]
        for part in range(states.shape[0]):
            first = part * part_rows
            mean, mean_rest, m2, m2_rest = _merged(
                count + first,
                mean,
                mean_rest,
                m2,
                m2_rest,
                min(first + part_rows, rows) - first,
                states[part, 0, column],
                states[part, 1, column],
                states[part, 2, column],
                states[part, 3, column],
            )
        state[0, column], state[1, column], state[2, column], state[3, column] = mean, mean_rest, m2, m2_rest


@kernel
def add_runs(
    block: FloatArray, start: int, stop: int, first: int, part_stretches: int, key: np.uint64, buckets: FloatArray
) -> None:
    """Add columns ``start:stop`` of ``block``, coordinates ``first``, ..., to ``buckets`` (parts, rows, buckets).

    As :func:`w2s_fast.kernels.runs.add_runs`, without places beyond the ends of segments. Blocks are (parts, rows), and
    warps the eight runs of a stretch in turn, each in the segment that is its own: nothing is added at once to one
    place, and sums have one order.
    """
    part, row = cuda.blockIdx.x, cuda.blockIdx.y
    warp, lane = cuda.threadIdx.x // RUN, cuda.threadIdx.x % RUN
    segment = buckets.shape[2] // SEGMENTS
    origin = start - first
    own = buckets[part, row, warp * segment : (warp + 1) * segment]
    top = first // STRETCH + part * part_stretches
    bottom = min(top + part_stretches, (stop - origin + STRETCH - 1) // STRETCH)
    for stretch in range(top, bottom):
        of_stretch = _stretch_word(key, stretch)
        place = (warp + SEGMENTS - _segment_of(of_stretch, 0)) % SEGMENTS
        word = _run_word(of_stretch, place)
        first_bucket = _start_of(word, segment)
        turn = first_bucket % LINE
        column = (stretch * SEGMENTS + place) * RUN + (lane + turn) % RUN + origin
        if start <= column < stop:
            value = block[row, column]
            negative = (word >> np.uint64(lane)) & np.uint64(1)
            own[(first_bucket - turn + lane) % segment] += -value if negative else value
        cuda.syncthreads()  # the next run may take the same places by other lanes
