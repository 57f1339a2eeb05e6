"""Counter-based random numbers: Philox's known answers, NumPy's stream, and the distributions made of its words."""

import numpy as np
import pytest
from scipy import special, stats

from tests import naive
from tests.conftest import COMPILED
from w2s_fast._random import key, stream
from w2s_fast.kernels import philox

ONES = 2**64 - 1
KNOWN = [  # of philox4x64, 10 rounds: counter, key, words (Random123, tests/kat_vectors)
    (
        (0, 0, 0, 0),
        (0, 0),
        (0x16554D9ECA36314C, 0xDB20FE9D672D0FDC, 0xD7E772CEE186176B, 0x7E68B68AEC7BA23B),
    ),
    (
        (ONES, ONES, ONES, ONES),
        (ONES, ONES),
        (0x87B092C3013FE90B, 0x438C3C67BE8D0224, 0x9CC7D7C69CD777B6, 0xA09CAEBF594F0BA0),
    ),
    (
        (0x243F6A8885A308D3, 0x13198A2E03707344, 0xA4093822299F31D0, 0x082EFA98EC4E6C89),
        (0x452821E638D01377, 0xBE5466CF34E90C6C),
        (0xA528F45403E61D95, 0x38C72DBD566E9788, 0xA5A1610E72FD18B5, 0x57BD43B5E52B7FE6),
    ),
]
CORNERS = [0, 1, 2**11 - 1, 2**11, 2**52, 2**63 - 1, 2**63, 2**64 - 2**11, ONES]


def words_of(*numbers):
    return tuple(np.uint64(number) for number in numbers)


@pytest.fixture(scope="module")
def words():
    drawn = np.random.default_rng(0).integers(0, 2**64, 200_000 if COMPILED else 500, dtype=np.uint64)
    return np.concatenate([np.array(CORNERS, np.uint64), drawn])


@pytest.mark.parametrize(("counter", "key", "words"), KNOWN)
def test_known_answers(counter, key, words):
    assert philox.philox(words_of(*key), *words_of(*counter)) == words


def test_strand_zero_is_the_stream_of_numpy():
    seed, point, trial = 3, (2**40, 7), 2**33 + 1
    expected = stream(seed, point, trial).bit_generator.random_raw(12).tolist()
    found = [philox.block_of_words(tuple(key(seed, point)), trial, 0, block) for block in range(3)]
    assert [int(word) for block in found for word in block] == expected
    doubles = stream(seed, point, trial).random(12).tolist()
    assert [philox.uniform(np.uint64(word)) for word in expected] == doubles


def test_strands_are_streams_with_another_counter():
    own = tuple(key(1, (2, 3)))
    for strand in (1, 9):
        expected = naive.philox_words(own, 5, strand, 4).tolist()
        assert [int(word) for word in philox.block_of_words(own, 5, strand, 0)] == expected


def test_normals_are_quantiles_to_sixteen_digits(words):
    found = np.array([philox.normal(word) for word in words])
    assert found == pytest.approx(naive.normals(words), rel=2e-15)
    assert np.array_equal(found, -np.array([philox.normal(~word) for word in words]))  # no side is favoured
    assert np.abs(found).max() == pytest.approx(-special.ndtri(2.0**-54))


@pytest.mark.compiled
def test_normals_are_normal_in_bulk():
    out = np.empty(10**6)
    philox.fill_normals(words_of(4, 5), 6, 7, out, out.size, 0, 1)
    assert stats.kstest(out, "norm").pvalue > 0.01
    assert np.corrcoef(out[:-1], out[1:])[0, 1] == pytest.approx(0, abs=0.004)


@pytest.mark.parametrize("size", [0, 1, 3, 4, 5, 8, 11])
@pytest.mark.parametrize("lanes", [1, 2, 5])
def test_lanes_fill_what_one_fills(size, lanes):
    own = words_of(1, 2)
    out = np.full(12, np.nan)
    for lane in range(lanes):
        philox.fill_normals(own, 3, 4, out, size, lane, lanes)
    assert out[:size] == pytest.approx(naive.normals(naive.philox_words(own, 3, 4, size)), rel=2e-15)
    assert np.isnan(out[size:]).all()
