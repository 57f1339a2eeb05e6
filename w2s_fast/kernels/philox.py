"""Counter-based random numbers: each is a function of (key, trial, strand, place), on the CPU and on GPUs alike.

Philox 4x64-10 (Salmon, Moraes, Dror and Shaw 2011). Place i of strand 0 is word number i of the NumPy generator
:func:`w2s_fast._random.stream`; the strand is the third word of its counter, so that strands never meet. A normal takes
one word, by the inverse of its distribution function: any lane can draw any entry of a matrix. No function here knows
what it is compiled for: ``numba.cuda`` takes the same source.
"""

import math

import numpy as np
import numpy.typing as npt

from w2s_fast._jit import Vector, kernel

LOW, HALF_WORD = np.uint64(0xFFFFFFFF), np.uint64(32)
MULTIPLIERS = np.uint64(0xD2E7470EE14C6C93), np.uint64(0xCA5A826395121157)
WEYL = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBB67AE8584CAA73B)
ROUNDS = 10
WORDS = 4  # that come at once
DROPPED_BITS = np.uint64(11)  # of a word; the others fill a float64's significand
MIDDLE = 2**52  # of what is left of a word
ULP = 2.0**-53
CENTRE, FAR = 0.425, 5.0  # where one approximation of Wichura's takes over from another

Key = tuple[np.uint64, np.uint64]
Words = tuple[np.uint64, np.uint64, np.uint64, np.uint64]


@kernel
def high_product(a: np.uint64, b: np.uint64) -> np.uint64:
    """Upper half of the 128-bit product of two words."""
    a0, a1, b0, b1 = a & LOW, a >> HALF_WORD, b & LOW, b >> HALF_WORD
    carry = a1 * b0 + ((a0 * b0) >> HALF_WORD)
    return a1 * b1 + (carry >> HALF_WORD) + ((a0 * b1 + (carry & LOW)) >> HALF_WORD)


@kernel
def philox(key: Key, c0: np.uint64, c1: np.uint64, c2: np.uint64, c3: np.uint64) -> Words:
    """Four words for a counter."""
    k0, k1 = key
    for _ in range(ROUNDS):
        h0, l0 = high_product(MULTIPLIERS[0], c0), MULTIPLIERS[0] * c0
        h1, l1 = high_product(MULTIPLIERS[1], c2), MULTIPLIERS[1] * c2
        c0, c1, c2, c3 = h1 ^ c1 ^ k0, l1, h0 ^ c3 ^ k1, l0
        k0, k1 = k0 + WEYL[0], k1 + WEYL[1]
    return c0, c1, c2, c3


@kernel
def block_of_words(key: Key, trial: int, strand: int, block: int) -> Words:
    """Words 4 block, ..., 4 block + 3 of a strand; NumPy counts from 1."""
    return philox(key, np.uint64(block + 1), np.uint64(0), np.uint64(strand), np.uint64(trial))


@kernel
def uniform(word: np.uint64) -> float:
    """A multiple of 2^-53 in [0, 1), as NumPy's ``Generator.random`` makes it."""
    return float(np.int64(word >> DROPPED_BITS)) * ULP


@kernel
def normal(word: np.uint64) -> float:
    """Standard normal quantile at the centre of the word's cell: algorithm AS 241 (Wichura 1988), 16 digits."""
    q = (float(np.int64(word >> DROPPED_BITS) - MIDDLE) + 0.5) * ULP  # exact, as is the distance to the nearer end
    if abs(q) <= CENTRE:
        r = CENTRE * CENTRE - q * q
        above = 2509.0809287301226727
        above = above * r + 33430.575583588128105
        above = above * r + 67265.770927008700853
        above = above * r + 45921.953931549871457
        above = above * r + 13731.693765509461125
        above = above * r + 1971.5909503065514427
        above = above * r + 133.14166789178437745
        above = above * r + 3.387132872796366608
        below = 5226.495278852854561
        below = below * r + 28729.085735721942674
        below = below * r + 39307.89580009271061
        below = below * r + 21213.794301586595867
        below = below * r + 5394.1960214247511077
        below = below * r + 687.1870074920579083
        below = below * r + 42.313330701600911252
        return q * above / (below * r + 1.0)
    r = math.sqrt(-math.log(0.5 - abs(q)))
    if r <= FAR:
        r -= 1.6
        above = 7.7454501427834140764e-4
        above = above * r + 0.0227238449892691845833
        above = above * r + 0.24178072517745061177
        above = above * r + 1.27045825245236838258
        above = above * r + 3.64784832476320460504
        above = above * r + 5.7694972214606914055
        above = above * r + 4.6303378461565452959
        above = above * r + 1.42343711074968357734
        below = 1.05075007164441684324e-9
        below = below * r + 5.475938084995344946e-4
        below = below * r + 0.0151986665636164571966
        below = below * r + 0.14810397642748007459
        below = below * r + 0.68976733498510000455
        below = below * r + 1.6763848301838038494
        below = below * r + 2.05319162663775882187
    else:
        r -= FAR
        above = 2.01033439929228813265e-7
        above = above * r + 2.71155556874348757815e-5
        above = above * r + 0.0012426609473880784386
        above = above * r + 0.026532189526576123093
        above = above * r + 0.29656057182850489123
        above = above * r + 1.7848265399172913358
        above = above * r + 5.4637849111641143699
        above = above * r + 6.6579046435011037772
        below = 2.04426310338993978564e-15
        below = below * r + 1.4215117583164458887e-7
        below = below * r + 1.8463183175100546818e-5
        below = below * r + 7.868691311456132591e-4
        below = below * r + 0.0148753612908506148525
        below = below * r + 0.13692988092273580531
        below = below * r + 0.59983220655588793769
    return math.copysign(above / (below * r + 1.0), q)


@kernel
def fill_words(
    key: Key, trial: int, strand: int, out: npt.NDArray[np.uint64], size: int, lane: int, lanes: int
) -> None:
    """Write the first ``size`` words of a strand to ``out``; this lane of ``lanes`` takes its share."""
    for block in range(lane, (size + WORDS - 1) // WORDS, lanes):
        words = block_of_words(key, trial, strand, block)
        for i in range(min(WORDS, size - WORDS * block)):
            out[WORDS * block + i] = words[i]


@kernel
def fill_normals(key: Key, trial: int, strand: int, out: Vector, size: int, lane: int, lanes: int) -> None:
    """Write the first ``size`` normals of a strand likewise."""
    for block in range(lane, (size + WORDS - 1) // WORDS, lanes):
        words = block_of_words(key, trial, strand, block)
        for i in range(min(WORDS, size - WORDS * block)):
            out[WORDS * block + i] = normal(words[i])
