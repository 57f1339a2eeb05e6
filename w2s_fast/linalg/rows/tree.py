"""Sums over blocks of rows, added in a tree whose shape follows from sizes alone.

A leaf adds consecutive blocks one by one until they come to ``LEAF_BYTES``; every ``FANOUT`` nodes in a row make one
of the level above. Leaves may thus be worked out anywhere, and the sum has the bits that one machine gives it, which
holds one node a level and the leaf under way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import groupby
from operator import attrgetter
from typing import TypeVar

Node = TypeVar("Node")
Block = TypeVar("Block")

LEAF_BYTES = 1 << 30
FANOUT = 16


def leaves(
    blocks: Iterable[Block], nbytes: Callable[[Block], int] = attrgetter("nbytes"), least: int = 0
) -> Iterator[Iterator[Block]]:
    """Part blocks into those of each leaf, which are to be used up before the next leaf is asked for.

    A leaf whose sum is large comes to ``least`` bytes, lest sums take more room than rows.
    """
    leaf, held = 0, 0

    def leaf_of(block: Block) -> int:
        nonlocal leaf, held
        mine = leaf
        held += nbytes(block)
        if held >= max(LEAF_BYTES, least):
            leaf, held = leaf + 1, 0
        return mine

    return (group for _, group in groupby(blocks, leaf_of))


def merged(nodes: Iterable[Node], merge: Callable[[Node, Node], Node]) -> Node:
    """Merge leaves, one at least, which come in order; ``merge`` may change and return its first argument."""
    levels: list[tuple[int, Node] | None] = []  # of each node that is not whole yet: how many it has, and their sum
    for leaf in nodes:
        node, level = leaf, 0
        while True:
            if level == len(levels):
                levels.append(None)
            count, node = _joined(levels[level], node, merge)
            if count < FANOUT:
                levels[level] = count, node
                break
            levels[level] = None
            level += 1
    lowest, *above = [found for found in levels if found is not None]
    root = lowest[1]
    for found in above:
        _, root = _joined(found, root, merge)
    return root


def _joined(found: tuple[int, Node] | None, node: Node, merge: Callable[[Node, Node], Node]) -> tuple[int, Node]:
    return (1, node) if found is None else (found[0] + 1, merge(found[1], node))
