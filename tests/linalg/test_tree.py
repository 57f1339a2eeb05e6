"""Sums over blocks are added in one tree, whose shape follows from sizes alone."""

from functools import reduce
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from w2s_fast import CoMoments, Gram, Moments
from w2s_fast.linalg.rows import tree
from w2s_fast.linalg.rows.base import Rows
from w2s_fast.linalg.rows.products import cross, gram, gram_times
from w2s_fast.linalg.rows.sources import rows_of

X = np.random.default_rng(0).standard_normal((900, 5))


def merge(a, b):
    return f"({a} {b})"


def plainly(leaves):
    """Merge level by level."""
    while len(leaves) > 1:
        groups = [leaves[start : start + tree.FANOUT] for start in range(0, len(leaves), tree.FANOUT)]
        leaves = [reduce(merge, group) for group in groups]
    return leaves[0]


@given(count=st.integers(1, 1_000), fanout=st.integers(2, 5))
def test_nodes_are_merged_level_by_level(count, fanout):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tree, "FANOUT", fanout)
        leaves = [str(number) for number in range(count)]
        assert tree.merged(iter(leaves), merge) == plainly(leaves)


@given(sizes=st.lists(st.integers(0, 30), min_size=1), leaf=st.integers(1, 60))
def test_leaves_hold_so_many_bytes_and_no_block_more(sizes, leaf):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tree, "LEAF_BYTES", leaf)
        found = [list(blocks) for blocks in tree.leaves(sizes, lambda size: size)]
    assert [size for blocks in found for size in blocks] == sizes
    assert all(sum(blocks) >= leaf for blocks in found[:-1])
    assert all(sum(blocks[:-1]) < leaf for blocks in found)


def elsewhere(step_rows=50):
    """Rows that are read fifty at a time."""

    class Blocks(Rows):
        def read(self, step):
            yield from np.split(X, range(step_rows, len(X), step_rows))

    return Blocks()


SUMS = {
    "X'X": (gram, np.add),
    "X'X by tiles": (gram, np.add),
    "X'(X V)": (lambda rows: gram_times(rows, X[:5, :2].copy()), np.add),
    "Gram": (lambda rows: Gram().update(rows), Gram.merge),
    "Gram of deviations": (lambda rows: Gram(centred=True).update(rows), Gram.merge),
    "Moments": (lambda rows: Moments().update(rows), Moments.merge),
    "CoMoments": (lambda rows: CoMoments().update(rows), CoMoments.merge),
}


def numbers(found):
    return {Gram: lambda f: f.xtx, Moments: lambda f: f.m2, CoMoments: lambda f: f.covariance()}.get(
        type(found), lambda f: f
    )(found)


@pytest.mark.parametrize("name", SUMS)
def test_leaves_worked_out_apart_give_the_bits_of_one_pass(name, monkeypatch):
    work, join = SUMS[name]
    if name == "X'X by tiles":
        monkeypatch.setattr("w2s_fast.linalg.rows.products.LEAF_SIZES", 1)
        monkeypatch.setattr("w2s_fast.linalg.rows.cutting.UNTILED", 2)
        monkeypatch.setattr("w2s_fast.linalg.rows.cutting.TILE_COLUMNS", 2)
    monkeypatch.setattr(tree, "FANOUT", 3)
    at_once = numbers(work(elsewhere()))
    monkeypatch.setattr(tree, "LEAF_BYTES", 100 * 5 * 8)  # two blocks
    apart = [work(rows_of(np.split(X[start:stop], 2), "X")) for start, stop in pairwise(range(0, 901, 100))]
    levels = [reduce(join, apart[start : start + 3]) for start in (0, 3, 6)]
    found = numbers(work(elsewhere()))
    assert np.array_equal(found, numbers(reduce(join, levels)))
    assert name == "Moments" or not np.array_equal(found, at_once)  # those hold more digits than they show
    assert found == pytest.approx(at_once, rel=1e-12, abs=1e-11)


def test_sums_that_are_large_wait_for_more_rows(monkeypatch):
    monkeypatch.setattr(tree, "LEAF_BYTES", 1)
    blocks = [np.ones(10)] * 9
    assert [len(list(leaf)) for leaf in tree.leaves(blocks, least=160)] == [2, 2, 2, 2, 1]


def test_labels_go_with_the_rows_of_every_leaf(monkeypatch):
    expected = Gram().update(X, X[:, :2]).xty
    monkeypatch.setattr(tree, "LEAF_BYTES", 4_000)
    assert Gram().update(elsewhere(), X[:, :2]).xty == pytest.approx(expected, rel=1e-12, abs=1e-11)
    assert cross(elsewhere(), X[:, :2]) == pytest.approx(expected, rel=1e-12, abs=1e-11)
    with pytest.raises(ValueError, match="X has 900, Y has 899"):
        Gram().update(elsewhere(), X[:-1, 0])


def test_below_a_leaf_nothing_is_added_otherwise():
    parts = [block.T @ block for block in np.split(X, 3)]
    assert np.array_equal(gram(rows_of(np.split(X, 3), "X")), reduce(np.add, parts))
