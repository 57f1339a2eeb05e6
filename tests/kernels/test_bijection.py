"""Orders of rows that are worked out one by one are permutations, the same however they are asked for, and uniform."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from tests import naive
from tests.conftest import COMPILED
from w2s_fast.kernels import bijection
from w2s_fast.probing.drawing import ORDERS, Rest, Shuffle

SIZES = [*range(1, 18), 31, 32, 33, 63, 64, 65, 100, *([1_023, 1_024, 1_025, 4_097, 100_003] if COMPILED else [])]
LARGEST = 2**63 - 1


@pytest.mark.parametrize("size", SIZES)
def test_every_number_comes_once_and_goes_back(size):
    order, every = Shuffle.of(size, 3, (ORDERS,), 5), np.arange(size)
    found = order.numbers(every)
    assert np.array_equal(np.sort(found), every)
    assert np.array_equal(order.places(found), every)
    digits = bijection.digits_of(size)
    inside = int(digits.lefts) << int(digits.bits)
    assert size <= inside < size + 2 ** int(digits.bits)


@given(st.integers(1, LARGEST), st.integers(0, 2**128), st.integers(0, 2**63 - 1), st.data())
def test_there_and_back_at_any_size(size, seed, trial, data):
    places = np.array(data.draw(st.lists(st.integers(0, size - 1), min_size=1, max_size=5, unique=True)))
    order = Shuffle.of(size, seed, (ORDERS, 7), trial)
    found = order.numbers(places)
    assert found.min() >= 0
    assert found.max() < size
    assert len(set(found.tolist())) == len(places)
    assert np.array_equal(order.places(found), places)
    assert np.array_equal([order.numbers(places[i : i + 1])[0] for i in range(len(places))], found)


@pytest.mark.parametrize("size", [1, 2, 7, 100, 10**10, 2**40 + 1, LARGEST])
def test_numbers_are_those_of_the_network_in_plain_words(size):
    order = Shuffle.of(size, 1, (ORDERS,), 2**33 + 1)
    places = [0, 1 % size, size // 2, size - 1]
    assert order.numbers(np.array(places)).tolist() == [naive.shuffled(order, place) for place in places]


@pytest.mark.compiled
@pytest.mark.parametrize("size", [100, 257, 1_000])
def test_where_one_row_and_a_pair_of_rows_come_is_uniform(size):
    """Chi-square of the place of the first row, and of how far others are from it, of the same digits and not."""
    apart = 1 << int(bijection.digits_of(size).bits)
    rows = np.array([0, 1, apart, apart + 1])
    first, *others = np.transpose([Shuffle.of(size, 0, (ORDERS,), trial).places(rows) for trial in range(40 * size)])
    assert stats.chisquare(np.bincount(first, minlength=size)).pvalue > 1e-3
    for other in others:
        away = np.bincount((other - first) % size, minlength=size)
        assert away[0] == 0
        assert stats.chisquare(away[1:]).pvalue > 1e-3


@pytest.mark.compiled
def test_the_first_of_many_rows_are_a_fair_sample():
    """Means of numbers and of gaps, rank correlation with the place, and counts in cells, of 10^10 rows."""
    size, drawn = 10**10, 200_000
    for trial in range(3):
        found = Shuffle.of(size, 0, (ORDERS,), trial).numbers(np.arange(drawn))
        assert abs(found.mean() / size - 0.5) < 4 * (12 * drawn) ** -0.5
        assert abs(stats.spearmanr(np.arange(drawn), found).statistic) < 4 * drawn**-0.5
        assert stats.chisquare(np.bincount(found * 1_000 // size, minlength=1_000)).pvalue > 1e-3
        for bits in (0, 8, 20):  # digits of a number
            assert stats.chisquare(np.bincount(found >> bits & 255, minlength=256)).pvalue > 1e-3
        low, high = np.sort(found)[:-1:2], np.sort(found)[1::2]
        assert stats.kstest((high - low) / size * drawn, "expon").pvalue > 1e-3


def test_orders_of_trials_points_and_seeds_have_nothing_in_common():
    orders = [
        Shuffle.of(10**12, seed, (ORDERS, point), trial) for seed in (0, 1) for point in (0, 1) for trial in (0, 1)
    ]
    found = np.concatenate([order.numbers(np.arange(100)) for order in orders])
    assert len(set(found.tolist())) == 800


def test_what_is_left_of_an_order_is_taken_from_as_a_list_is():
    rest = Rest(Shuffle.of(100, 0, (5,), 0), 30)
    rows = rest[np.arange(len(rest))]
    assert sorted([*rows, *rest.test_rows()]) == list(range(100))
    assert np.array_equal(rest.places(rows), np.arange(70))
    assert rest.places(rest.test_rows()).max() < 0
