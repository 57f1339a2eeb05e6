"""The stream of a trial: words of the published generator, numbers of the right distribution at any place."""

import math

import numpy as np
import pytest
from scipy import stats

from tests.conftest import COMPILED
from w2s_fast._jit import small_kernel
from w2s_fast.kernels import draws

KNOWN = [  # of philox4x32, 10 rounds: counter, key, words (Random123, tests/kat_vectors)
    ([0] * 4, [0] * 2, [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]),
    ([0xFFFFFFFF] * 4, [0xFFFFFFFF] * 2, [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]),
    (
        [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344],
        [0xA4093822, 0x299F31D0],
        [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1],
    ),
]
COUNT = 200_000 if COMPILED else 4_000


def stream(trial=0, key=(1, 2)):
    words = np.zeros(draws.BUFFER, np.uint64)
    return draws.Draws(tuple(map(np.uint64, key)), np.array([0, trial]), words)


@small_kernel
def next_word(state):
    return draws.next_word(state)


@pytest.mark.parametrize(("counter", "key", "words"), KNOWN, ids=range(3))
def test_words_are_those_of_random123(counter, key, words):
    first, second = draws.philox32(tuple(map(np.uint64, key)), *map(np.uint64, counter))
    low = 2**32 - 1
    assert [int(first) & low, int(first) >> 32, int(second) & low, int(second) >> 32] == words


def test_words_are_all_of_the_counters_and_differ_between_trials_and_keys():
    def taken(count, *which):
        state = stream(*which)
        return [int(next_word(state)) for _ in range(count)]

    ours = taken(3 * draws.BUFFER + 5)
    made = [draws.philox32((np.uint64(1), np.uint64(2)), np.uint64(block), *[np.uint64(0)] * 3) for block in range(128)]
    assert set(ours) <= {int(word) for pair in made for word in pair}
    assert len(set(ours)) == len(ours)
    for other in ((1,), (2**32,), (0, (1, 3)), (0, (2, 2))):
        assert not set(ours) & set(taken(len(ours), *other))


def test_layers_are_of_one_area_and_end_at_the_top():
    edges, curve = draws.EDGES, np.exp(-0.5 * draws.EDGES**2)
    areas = edges[1:-1] * (curve[2:] - curve[1:-1])
    lowest = draws.TAIL * curve[1] + math.sqrt(2 * math.pi) * stats.norm.sf(draws.TAIL)
    assert areas == pytest.approx(np.full(draws.LAYERS - 1, lowest), rel=1e-11)
    assert edges[0] * curve[1] == pytest.approx(lowest, rel=1e-14)


def test_normals_are_normal_also_in_the_tail():
    state, out = stream(), np.empty(COUNT)
    draws.fill_normals(state, COUNT, out)
    assert stats.kstest(out, "norm").pvalue > 1e-3
    beyond = out[np.abs(out) > draws.TAIL - 1.0]
    assert stats.kstest(stats.norm.sf(np.abs(beyond)) / stats.norm.sf(draws.TAIL - 1.0), "uniform").pvalue > 1e-3
    assert abs(np.sign(out).sum()) < 4 * np.sqrt(COUNT)
    assert np.abs(out).max() < 7


def test_the_tail_and_the_edges_of_layers_are_drawn_right():
    state = stream(trial=3)
    tail = [draws.outer_normal(state, np.int64(0), -1.0) for _ in range(COUNT // 20)]
    assert stats.kstest(stats.norm.sf(-np.array(tail)) / stats.norm.sf(draws.TAIL), "uniform").pvalue > 1e-3


@pytest.mark.parametrize("dof", [1.0, 2.0, 3.0, 10.0, 1e4])
def test_chis_have_their_distribution(dof):
    state = stream(trial=int(dof))
    squares = [draws.next_chi(state, dof) ** 2 for _ in range(COUNT // 10)]
    assert stats.kstest(squares, stats.chi2(dof).cdf).pvalue > 1e-3
    kept = [draws.rejected_chi(state, dof / 2 - 1 / 3, -2.0, 0.5) ** 2 for _ in range(COUNT // 40) if dof > 1]
    assert not kept or stats.kstest(kept, stats.chi2(dof).cdf).pvalue > 1e-3


@pytest.mark.parametrize("dof", [1e12, 2.0**62, 1e18])
def test_chis_of_many_degrees_keep_their_spread(dof):
    state, count = stream(), COUNT // 20
    standard = np.array([draws.next_chi(state, dof) / math.sqrt(dof) - 1 for _ in range(count)]) * math.sqrt(2 * dof)
    assert abs(standard.mean()) < 4 / np.sqrt(count)  # rounding of the draws: 0.3 at most
    assert standard.std() == pytest.approx(1, abs=4 / np.sqrt(2 * count))


def test_no_normals_have_length_zero():
    assert draws.next_chi(stream(), 0.0) == 0.0


@pytest.mark.parametrize(("rows", "columns"), [(5.0, 3), (3.0, 3), (2.0, 4), (0.0, 3), (4.0, 0)])
def test_staircases_have_the_gram_matrix_of_normals(rows, columns):
    state, count = stream(), 4_000 if COMPILED else 200
    height = int(min(rows, columns))
    grams = np.zeros((count, columns, columns))
    for gram in grams:
        out = np.full((height + 1, columns + 1), np.nan)
        assert draws.staircase(state, rows, columns, out) == height
        kept = out[:height, :columns]
        assert np.array_equal(kept, np.triu(kept))
        gram[:] = kept.T @ kept
    if height:
        error = (grams.mean(axis=0) - rows * np.eye(columns)) / (grams.std(axis=0) / np.sqrt(count))
        assert np.abs(error).max() < 4.5
