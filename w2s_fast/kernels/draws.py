"""The random numbers of a trial, one after the other, from a counter: functions of (key, trial, place) alone.

Words come from Philox 4x32-10 (Salmon, Moraes, Dror and Shaw 2011), many at a time, for which a loop runs in vector
registers: 1.2 ns a word, where Philox 4x64 takes 8.7. A normal takes one by the ziggurat (Marsaglia and Tsang 2000;
with bits of their own for layer and place, as Doornik 2005 asks for), in 99 of 100 cases without a logarithm.
"""

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from w2s_fast._jit import Matrix, Vector, inlined, small_kernel, vector_kernel
from w2s_fast.kernels.philox import DROPPED_BITS, HALF_WORD, LOW, MIDDLE, ROUNDS, ULP

TAKEN, TRIAL = 0, 1  # places of ``at``
BUFFER = 64  # words that are made at a time
LAST = BUFFER - 1
MULTIPLIERS = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
WEYL = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)
LAYERS = 256
LAYER_BITS = np.uint64(LAYERS - 1)  # none of which makes the place
TAIL = 3.6541528853610088  # where the lowest layer of LAYERS gives way to the tail


def layer_edges() -> Vector:
    """Right edges of the ziggurat's layers, all of one area: the lowest's is where it would end without a tail."""
    height = math.exp(-0.5 * TAIL**2)
    area = TAIL * height + math.sqrt(math.pi / 2) * math.erfc(TAIL / math.sqrt(2))
    edges = [area / height, TAIL]
    while len(edges) < LAYERS:
        edges.append(math.sqrt(-2.0 * math.log(area / edges[-1] + math.exp(-0.5 * edges[-1] ** 2))))
    return np.array([*edges, 0.0])


EDGES = layer_edges()
INNER = EDGES[1:] / EDGES[:-1]  # the part of a layer that lies under the curve as a whole


def short_key(key: npt.NDArray[np.uint64]) -> tuple[np.uint64, np.uint64]:
    """The first word of a key of :mod:`w2s_fast._random` in two halves."""
    return key[0] & LOW, key[0] >> HALF_WORD


class Draws(NamedTuple):
    """Where the stream of a trial stands.

    Attributes
    ----------
    key : two words of 32 bits
    at : (2,) ndarray of int64
        Words given out, zero at the start of a trial, and the number of the trial.
    words : (BUFFER,) ndarray of uint64
        Those that come next.
    """

    key: tuple[np.uint64, np.uint64]
    at: npt.NDArray[np.int64]
    words: npt.NDArray[np.uint64]


@small_kernel
def philox32(
    key: tuple[np.uint64, np.uint64], c0: np.uint64, c1: np.uint64, c2: np.uint64, c3: np.uint64
) -> tuple[np.uint64, np.uint64]:
    """128 bits for a counter, in two words; all arguments have 32 bits."""
    k0, k1 = key
    for _ in range(ROUNDS):
        p0, p1 = MULTIPLIERS[0] * c0, MULTIPLIERS[1] * c2
        c0, c1, c2, c3 = (p1 >> HALF_WORD) ^ c1 ^ k0, p1 & LOW, (p0 >> HALF_WORD) ^ c3 ^ k1, p0 & LOW
        k0, k1 = (k0 + WEYL[0]) & LOW, (k1 + WEYL[1]) & LOW
    return (c1 << HALF_WORD) | c0, (c3 << HALF_WORD) | c2


@vector_kernel
def refill(key: tuple[np.uint64, np.uint64], trial: int, taken: int, words: npt.NDArray[np.uint64]) -> None:
    """Make the next words; ``taken`` is a multiple of their number."""
    first, trial_low, trial_high = taken // 2, np.uint64(trial) & LOW, np.uint64(trial) >> HALF_WORD
    half = words.size // 2
    for block in range(half):
        words[block], words[half + block] = philox32(key, np.uint64(first + block), np.uint64(0), trial_low, trial_high)


@inlined
def next_word(draws: Draws) -> np.uint64:
    place = draws.at[TAKEN] & LAST
    if place == 0:
        refill(draws.key, draws.at[TRIAL], draws.at[TAKEN], draws.words)
    draws.at[TAKEN] += 1
    return draws.words[place]


@inlined
def next_uniform(draws: Draws) -> float:
    """A number in (0, 1]: the centre of one of 2^53 cells."""
    return (float(np.int64(next_word(draws) >> DROPPED_BITS)) + 0.5) * ULP


@inlined
def next_normal(draws: Draws) -> float:
    word = next_word(draws)
    place = (float(np.int64(word >> DROPPED_BITS) - MIDDLE) + 0.5) * (2.0 * ULP)  # in (-1, 1)
    layer = np.int64(word & LAYER_BITS)
    x = place * EDGES[layer]
    return x if abs(place) < INNER[layer] else outer_normal(draws, layer, x)


@small_kernel
def outer_normal(draws: Draws, layer: np.int64, x: float) -> float:
    """The normal where ``x`` in its layer may lie beyond the curve: keep it, or draw again."""
    while True:
        if layer == 0:
            while True:  # an exponential beyond TAIL, kept with the chance that makes it a normal
                step = -math.log(next_uniform(draws)) / TAIL
                if -2.0 * math.log(next_uniform(draws)) > step * step:
                    return math.copysign(TAIL + step, x)
        above = math.exp(-0.5 * (EDGES[layer] ** 2 - x * x))
        below = math.exp(-0.5 * (EDGES[layer + 1] ** 2 - x * x))
        if above + next_uniform(draws) * (below - above) < 1.0:
            return x
        word = next_word(draws)
        place = (float(np.int64(word >> DROPPED_BITS) - MIDDLE) + 0.5) * (2.0 * ULP)
        layer = np.int64(word & LAYER_BITS)
        x = place * EDGES[layer]
        if abs(place) < INNER[layer]:
            return x


@small_kernel
def next_chi(draws: Draws, dof: float) -> float:
    """The length of ``dof`` normals; none have length 0. Twice a gamma variable by Marsaglia and Tsang (2000)."""
    if dof < 1.0:
        return 0.0
    x = next_normal(draws)
    if dof == 1.0:
        return abs(x)
    d = 0.5 * dof - 1.0 / 3.0
    root = math.sqrt(d)
    y, u = x / (3.0 * root), next_uniform(draws)
    # Enough for the test below: its right side is at least -0.75 d y^4 / (1 - |y|), and exp(-t) at least 1 - t.
    if (1.0 - u) * (1.0 - abs(y)) > 0.75 * d * (y * y) * (y * y):
        return math.sqrt(2.0 + 2.0 * y) * (1.0 + y) * root
    return rejected_chi(draws, d, y, u)


@small_kernel
def rejected_chi(draws: Draws, d: float, y: float, u: float) -> float:
    """Decide by logarithms, and draw again until one is kept; a loop in the function above would double its time."""
    root = math.sqrt(d)
    while True:
        # Their log u < x^2 / 2 + d - d v + d log v, without its cancellations at a large ``dof``.
        if y > -1.0 and math.log(u) < 3.0 * d * (math.log1p(y) - y + y * y * (0.5 - y / 3.0)):
            return math.sqrt(2.0 + 2.0 * y) * (1.0 + y) * root
        y, u = next_normal(draws) / (3.0 * root), next_uniform(draws)


@small_kernel
def fill_normals(draws: Draws, count: int, out: Vector) -> None:
    for i in range(count):
        out[i] = next_normal(draws)


@small_kernel
def staircase(draws: Draws, rows: float, columns: int, out: Matrix) -> int:
    """Columns of ``rows`` independent normals each, up to a rotation of the rows (Bartlett 1933).

    Writes the rows that are not zero, at most one a column, and returns their number.
    """
    height = int(min(rows, float(columns)))
    for i in range(height):
        for j in range(i):
            out[i, j] = 0.0
        out[i, i] = next_chi(draws, rows - i)
        for j in range(i + 1, columns):
            out[i, j] = next_normal(draws)
    return height
