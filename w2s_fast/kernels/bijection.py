"""Random orders of any number of rows, worked out row by row: a keyed bijection of 0, ..., size - 1, either way.

A Feistel network (Luby and Rackoff 1988) on two digits of a number, x = left 2^bits + right, the left one below any
number and not only a power of two (Black and Rogaway, Ciphers with arbitrary finite domains, 2002): rounds add a word
of one digit to the other, in turns. Numbers below ``size`` that leave it go on until they come back (cycle walking,
likewise there), which of 10^10 one in 10^5 does. Words come from Philox 4x32-10 with digit, round and trial for a
counter. Six rounds of random functions cannot be told from a random permutation by far fewer pairs than a digit has
values, and by no known means with less work than all pairs are (Patarin 2004). Of 29 numbers half a million trials show
that pairs are not uniform, of 100 no more. Mitchell, Stokes, Frank and Holmes (2022) shuffle on GPUs likewise.

A number takes 6 ns with vector registers of 512 bits, for which rounds are loops over numbers.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from w2s_fast._jit import inlined, vector_kernel
from w2s_fast.kernels.draws import philox32
from w2s_fast.kernels.philox import HALF_WORD, LOW, Key

NETWORK_ROUNDS = 6
WORD_BITS = 64


class Digits(NamedTuple):
    """Two digits of numbers below a size.

    Attributes
    ----------
    size : int
    bits : uint64
        Of the right digit.
    mask : uint64
        2^bits - 1.
    lefts : uint64
        The left digit is below.
    spare : uint64
        Bits of a word by which ``lefts`` can be multiplied.
    """

    size: np.uint64
    bits: np.uint64
    mask: np.uint64
    lefts: np.uint64
    spare: np.uint64


def digits_of(size: int) -> Digits:
    """Take both digits as long as each other, nearly."""
    bits = (size - 1).bit_length() // 2
    lefts = -(-size >> bits) if size else 0
    spare = WORD_BITS - lefts.bit_length()
    return Digits(*map(np.uint64, (size, bits, (1 << bits) - 1, lefts, spare)))


@inlined
def _word(key: Key, digit: np.uint64, turn: int, trial: int) -> np.uint64:
    number = np.uint64(trial)
    return philox32(key, digit, np.uint64(turn), number & LOW, number >> HALF_WORD)[0]


@inlined
def _step(key: Key, trial: int, digits: Digits, x: np.uint64, turn: int, back: bool) -> np.uint64:
    """One round, or what takes it back."""
    left, right = x >> digits.bits, x & digits.mask
    if turn % 2:
        return (left << digits.bits) | (right ^ (_word(key, left, turn, trial) & digits.mask))
    more = ((_word(key, right, turn, trial) >> (np.uint64(WORD_BITS) - digits.spare)) * digits.lefts) >> digits.spare
    moved = left + (digits.lefts - more if back else more)
    return ((moved - digits.lefts if moved >= digits.lefts else moved) << digits.bits) | right


@vector_kernel
def forth(key: Key, trial: int, digits: Digits, numbers: npt.NDArray[np.uint64]) -> None:
    """Put the image in place of each number."""
    for turn in range(NETWORK_ROUNDS):
        for i in range(numbers.size):
            numbers[i] = _step(key, trial, digits, numbers[i], turn, False)
    for i in range(numbers.size):
        while numbers[i] >= digits.size:
            for turn in range(NETWORK_ROUNDS):
                numbers[i] = _step(key, trial, digits, numbers[i], turn, False)


@vector_kernel
def back(key: Key, trial: int, digits: Digits, numbers: npt.NDArray[np.uint64]) -> None:
    """Put the number of which each is the image in its place."""
    for turn in range(NETWORK_ROUNDS - 1, -1, -1):
        for i in range(numbers.size):
            numbers[i] = _step(key, trial, digits, numbers[i], turn, True)
    for i in range(numbers.size):
        while numbers[i] >= digits.size:
            for turn in range(NETWORK_ROUNDS - 1, -1, -1):
                numbers[i] = _step(key, trial, digits, numbers[i], turn, True)
