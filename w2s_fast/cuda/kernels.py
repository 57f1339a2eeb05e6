"""Kernels: arrays in, arrays out, no checks. What they compute is the source of :mod:`w2s_fast.kernels`.

Sums run in an order that depends on shapes alone, so that bits repeat. By ptxas 13.0 for sm_90 none spills or needs a
stack: run_trials takes 229 registers a thread, part_moments and merge_parts 40 to 42, and fills 32 to 42, of which
fill_signs has 16 KiB of shared memory. On an H100 run_trials takes 7.0 us a trial at d_weak 200, d_strong 100, and
0.70 us at 32 and 32, where batched calls of CuPy take 0.31 us for three of the four fits; part_moments and merge_parts
take 4 to 6 times as long as one read of the rows (``bench/results/cuda-h100.json``).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from types import FunctionType
from typing import Any

import numpy as np
import numpy.typing as npt

from w2s_fast._check import FloatArray
from w2s_fast._jit import Matrix, Vector
from w2s_fast.cuda._shim import cuda, device_function, kernel
from w2s_fast.kernels import moments, philox, sketch
from w2s_fast.kernels.draws import Draws
from w2s_fast.kernels.invariants.setting import Room, Setting
from w2s_fast.kernels.invariants.trial import run_trial

FLOAT64, INT64 = cuda.types.float64, cuda.types.int64
SIGN_THREADS = 128  # of a block, a row of signs each
NONZEROS = sketch.NONZEROS
TILE_ROWS = 64  # summed, then read again from cache for their deviations


@cache
def on_device(function: Callable[..., Any]) -> Any:
    """Compile the source of a CPU kernel for the device, and with it the kernels that it calls."""
    source = getattr(function, "py_func", function)
    names = dict(source.__globals__)
    for name in source.__code__.co_names:
        called = names.get(name)
        ours = getattr(called, "__module__", "").startswith("w2s_fast.kernels")
        if ours and callable(called) and not isinstance(called, type):
            names[name] = on_device(called)
    return device_function(FunctionType(source.__code__, names, source.__name__))


_run_trial = on_device(run_trial)
_fill_normals = on_device(philox.fill_normals)
_fill_words = on_device(philox.fill_words)
_sparse_signs = on_device(sketch.sparse_signs)
_merged = on_device(moments.merged)


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
    words: npt.NDArray[np.uint64],
    taken: npt.NDArray[np.int64],
    rooms: Any,
    out: Matrix,
) -> None:
    """Fill each row of ``out`` (trials, 8) by a thread.

    ``words``, ``taken`` and ``rooms`` have a last axis of threads, so that neighbours touch neighbouring memory.
    ``blocks`` and ``axes``: the numbers of a :class:`Setting`, its spread last.
    """
    thread = cuda.grid(1)
    if thread >= taken.shape[1]:
        return
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
    for row in range(thread, out.shape[0], taken.shape[1]):
        _run_trial(Draws(key, first + row, taken[:, thread], words[:, thread]), n, N, setting, room, out[row])


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
