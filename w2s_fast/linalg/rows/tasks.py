"""What tasks of a cluster run on blocks of rows: summands, their sums, and what these say of themselves."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from w2s_fast import _check
from w2s_fast._check import FloatArray
from w2s_fast._machine import Versions, versions
from w2s_fast._workers import refuse_mixture, run_batch


@dataclass(frozen=True)
class OfBlocks:
    """Makes the summand of a block and of what lies beside it: which of them are rows, of what name and exponent."""

    part: Callable[..., Any]
    rows: list[tuple[str, int] | None]

    def __call__(self, blocks: tuple[Any, ...]) -> Any:
        with np.errstate(over="ignore", invalid="ignore"):
            return self.part(*map(_as_rows, blocks, self.rows))


def _as_rows(block: Any, of: tuple[str, int] | None) -> Any:
    if of is None:
        return block
    name, exponent = of
    rows: FloatArray = _check.floats(block, f"a block of {name}", ndim=2, finite=False)
    return rows if exponent == 0 else np.ldexp(rows, -exponent)


def itself(content: bytes) -> bytes:
    """What many tasks share, in one of its own: each worker is sent it once.

    It is bytes, since arrays that are sent come at any address, and NumPy keeps them from BLAS.
    """
    return content


class Sum:
    """A node of the tree of sums, what the bits of it depend on, and how large it is: beyond memory it goes to disk."""

    def __init__(self, node: Any, versions: Versions) -> None:
        self.node, self.versions = node, versions
        buffers: list[pickle.PickleBuffer] = []
        pickle.dumps(node, 5, buffer_callback=buffers.append)
        self._size = sum(buffer.raw().nbytes for buffer in buffers)

    def __sizeof__(self) -> int:  # which Dask asks
        return super().__sizeof__() + self._size


def summand(*blocks: Any, content: bytes) -> Any:
    _, (result,), _ = run_batch(pickle.loads(content), [blocks])
    return result


def told_summand(*blocks: Any, content: bytes) -> Sum:
    return Sum(summand(*blocks, content=content), versions())


def added(merge: Callable[[Any, Any], Any], mixed: bool, a: Sum, b: Sum) -> Sum:
    """Merge copies: what other tasks may be given stays as it is."""
    if not mixed:
        for found in (b.versions, versions()):
            refuse_mixture(a.versions, found)
    _, (result,), _ = run_batch(_merged_copies, [(merge, a.node, b.node)])
    return Sum(result, a.versions)


def _merged_copies(given: tuple[Callable[[Any, Any], Any], Any, Any]) -> Any:
    merge, a, b = given
    return merge(deepcopy(a), deepcopy(b))


def taken(block: Any, index: npt.NDArray[np.int64]) -> Any:
    return _check.floats(block, "a block", ndim=2, finite=False)[index]
