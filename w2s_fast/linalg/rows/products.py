"""Products X'X, X V, X'Y and X'(X V) by blocks of rows over threads: the same bits for any number of them.

X is an array, centred or not, which is cut by shape alone, or Rows, whose blocks are taken as they come. Each block is
one or two BLAS calls on one thread, cast in cache to the precision asked for; results are added in order and in
float64, whatever the products are. NumPy makes X'X a symmetric rank-k update, half the work of a general product. NaN
and infinity are left to the caller, who finds them in the sums: finite numbers with finite squares cannot make them.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial, reduce
from operator import itemgetter, or_
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from w2s_fast._check import FloatArray
from w2s_fast._threads import ordered_map, single_threaded_blas
from w2s_fast.linalg.rows import cutting
from w2s_fast.linalg.rows.base import Progress, Rows
from w2s_fast.linalg.rows.centred import Centred
from w2s_fast.linalg.rows.thin import images, inner_products
from w2s_fast.linalg.rows.tree import leaves, merged

Matrix = npt.NDArray[np.float64]
Held = FloatArray | Centred  # in memory, or mapped
Source = Held | Rows
SizedPart = tuple[int, FloatArray]  # bytes of a block of rows, and a product of it
SERIAL_SIZE = 8_000  # elements: of a product with a vector, up to where BLAS takes one thread by itself
SERIAL_WORK = 200_000  # multiplications: of a product of matrices, likewise
SERIAL_FACTORS = 1_000  # elements of a matrix to be factored: older OpenBLAS shares its triangular products from there
LEAF_SIZES = 16  # of a wide X'X, to which the rows come that one leaf adds: nodes of the tree are then few
LARGEST_SERIAL = 500  # smaller side: LAPACK's SVD gains nothing from BLAS threads up to here


def gram(X: Source, precision: npt.DTypeLike = np.float64) -> Matrix:
    """X'X of X (m, n), its products taken in a precision of their own."""
    if isinstance(X, Rows):
        return gram_pass(X, X.opened()[0], precision=precision).product
    if X.shape[1] <= cutting.UNTILED:
        return total(partial(_gram, precision), X, factors=X.shape[1], longest=cutting.GRAM_ROWS)
    blocks = (X[cut] for cut in cutting.cuts(len(X), X.shape[1], X.shape[1], cutting.GRAM_ROWS))
    halves = (map(partial(_upper_half, precision), leaf) for leaf in leaves(blocks, least=_least(X.shape[1])))
    return _whole(merged((reduce(_add, leaf) for leaf in halves), _add))


def _least(columns: int) -> int:
    return LEAF_SIZES * 8 * columns**2


def gram_pass(
    X: Rows,
    columns: int,
    *beside: Any,
    precision: npt.DTypeLike = np.float64,
    step: int | None = None,
    progress: Progress | None = None,
) -> Sums:
    """[X, ...]'[X, ...] of so many columns in all, of Rows and of what lies beside them."""
    if columns <= cutting.UNTILED:
        return pass_over(X, partial(_gram_of_block, precision), *beside, step=step, progress=progress)
    how: dict[str, Any] = {"step": step, "progress": progress, "least": _least(columns), "alone": True}
    found = pass_over(X, partial(_upper_half, precision), *beside, **how)
    return found._replace(product=_whole(found.product))


def _gram_of_block(precision: npt.DTypeLike, *blocks: FloatArray) -> Matrix:
    """X'X of a block as it came, which may be large: in parts, so that no copy is."""
    return gram(_joined(blocks), precision)


def _gram(precision: npt.DTypeLike, block: FloatArray) -> FloatArray:
    rows = block.astype(precision, copy=False)
    return inner_products(rows, rows)


def _joined(blocks: Sequence[FloatArray]) -> FloatArray:
    return np.hstack(blocks) if len(blocks) > 1 else blocks[0]


def _upper_half(precision: npt.DTypeLike, *blocks: FloatArray) -> Matrix:
    """The tiles of X'X on and above its diagonal, of which threads take one at a time."""
    rows = _joined(blocks)
    half = np.zeros(2 * rows.shape[1:])
    product = partial(_quiet, partial(_tile_of_gram, precision))
    for a, b, part in ordered_map(product, ((rows, *pair) for pair in cutting.gram_tiles(rows.shape[1]))):
        half[a, b] = part
    return half


def _tile_of_gram(precision: npt.DTypeLike, block: FloatArray, a: slice, b: slice) -> tuple[slice, slice, FloatArray]:
    left = block[:, a].astype(precision, copy=False)
    return a, b, left.T @ (left if a == b else block[:, b].astype(precision, copy=False))


def _whole(half: Matrix) -> Matrix:
    """X'X from its upper half, in place."""
    for a, b in cutting.gram_tiles(len(half)):
        if a != b:
            half[b, a] = half[a, b].T
    return half


def joint_gram(X: FloatArray, Y: FloatArray) -> Matrix:
    """[X Y]'[X Y] of X (m, n) and Y (m, k), without joining them."""
    n, width = X.shape[1], X.shape[1] + Y.shape[1]
    found = total(joint_gram_of_block, X, Y, factors=width, longest=cutting.GRAM_ROWS)
    found[n:, :n] = found[:n, n:].T
    return np.asarray(found)


def joint_gram_of_block(rows: FloatArray, labels: FloatArray) -> Matrix:
    """The upper half of [X Y]'[X Y], by blocks, of rows that one thread takes at once."""
    if rows.dtype != np.float64 or labels.dtype != np.float64:
        rows, labels = rows.astype(np.float64, copy=False), labels.astype(np.float64, copy=False)
    n, width = rows.shape[1], rows.shape[1] + labels.shape[1]
    found = np.zeros((width, width))
    found[:n, :n] = inner_products(rows, rows)
    found[:n, n:] = inner_products(rows, labels)
    found[n:, n:] = inner_products(labels, labels)
    return found


def cross(X: Source, Y: FloatArray, precision: npt.DTypeLike = np.float64) -> Matrix:
    """X'Y of X (m, n) and Y (m, k)."""
    return total(partial(_cross, precision), X, Y, factors=Y.shape[1])


def _cross(precision: npt.DTypeLike, rows: FloatArray, labels: FloatArray) -> FloatArray:
    return inner_products(rows.astype(precision, copy=False), labels.astype(precision, copy=False))


def times(X: Source, V: FloatArray, out: FloatArray | None = None) -> FloatArray:
    """X V of X (m, n) and V (n, k), in the precision of V; ``out`` may be X itself."""
    if out is None and not isinstance(X, Rows):
        out = np.empty((len(X), V.shape[1]), V.dtype)
    if out is None:
        return np.concatenate(list(over_rows(partial(_times, _laid_out(V)), X, factors=V.shape[1])))
    for _ in over_rows(partial(_times, _laid_out(V)), X, out, factors=V.shape[1]):
        pass
    return out


def _times(V: FloatArray, rows: FloatArray, image: FloatArray | None = None) -> FloatArray:
    return images(rows.astype(V.dtype, copy=False), V, image)


def joined_times(parts: Sequence[FloatArray], V: FloatArray) -> FloatArray:
    """[X1 X2 ...] V of parts (m, n_i) and V (n, k) in one precision, without joining them."""
    result = np.empty((len(parts[0]), V.shape[1]), V.dtype)
    for _ in over_rows(partial(_joined_times, _laid_out(V)), *parts, result, factors=V.size // parts[0].shape[1]):
        pass
    return result


def _joined_times(V: FloatArray, *items: FloatArray) -> None:
    *blocks, image = items
    np.matmul(np.concatenate(blocks, axis=1), V, out=image)


def gram_times(X: Source, V: FloatArray, keep: FloatArray | None = None) -> Matrix:
    """X'(X V) of X (m, n) and V (n, k), in the precision of V, without a tall temporary.

    X V goes to ``keep`` (m, k) where that is given.
    """
    beside = () if keep is None else (keep,)
    return total(partial(_gram_times, _laid_out(V)), X, *beside, factors=V.shape[1])


def gram_times_pass(X: Rows, V: FloatArray, *, energy: bool, progress: Progress | None) -> Sums:
    """The same of Rows, with what else the pass found."""
    return pass_over(X, partial(_gram_times, _laid_out(V)), energy=energy, progress=progress)


def _gram_times(V: FloatArray, block: FloatArray, image: FloatArray | None = None) -> FloatArray:
    rows = block.astype(V.dtype, copy=False)
    return inner_products(rows, images(rows, V, image))


def residual_moment(X: Held, V: FloatArray, Y: FloatArray) -> Matrix:
    """X'(Y - X V) in the precision of V: one read of X, whose blocks stay in cache between products."""
    return total(partial(_residual_moment, _laid_out(V)), X, Y, factors=V.shape[1])


def _residual_moment(V: FloatArray, block: FloatArray, labels: FloatArray) -> FloatArray:
    rows = block.astype(V.dtype, copy=False)
    return inner_products(rows, labels - images(rows, V))


def misfit(X: Held, V: FloatArray, Y: FloatArray) -> Matrix:
    """Norms (k,) of the columns of X V - Y, in float64."""
    return np.asarray(np.sqrt(total(partial(_squared_misfit, _laid_out(V)), X, Y, factors=V.shape[1])))


def _squared_misfit(V: FloatArray, block: FloatArray, labels: FloatArray) -> FloatArray:
    image = images(block.astype(np.float64, copy=False), V)
    image -= labels
    return np.einsum("ij,ij->j", image, image)


def blas_threads(a: FloatArray, *labels: FloatArray) -> AbstractContextManager[None]:
    """One BLAS thread, for equal bits in all circumstances, unless BLAS keeps to one anyway or that costs too much."""
    alone = max(array.size for array in (a, *labels)) <= SERIAL_FACTORS or min(a.shape) > LARGEST_SERIAL
    return nullcontext() if alone else single_threaded_blas()


def serial_blas(work: int) -> AbstractContextManager[None]:
    """Hold BLAS to one thread for so many multiplications, unless it keeps to one anyway."""
    return nullcontext() if work <= SERIAL_WORK else single_threaded_blas()


class Sums(NamedTuple):
    """What one pass over rows found.

    Attributes
    ----------
    product : ndarray
    rows : int
    energy : float
        Sum of squares, 0 if that was not asked for.
    nonzero : tuple of bool
        Whether there was a number other than 0 in the rows, and in each of what lay beside them.
    """

    product: Matrix
    rows: int
    energy: float
    nonzero: tuple[bool, ...]


def pass_over(
    X: Rows, product: Callable[..., FloatArray] | None, *beside: Any, energy: bool = False, **how: Any
) -> Sums:
    """Sum a product of the blocks of Rows, and of what lies beside, as :meth:`Rows.total` takes them, in float64."""
    return X.total(partial(_sums, product, energy), _add_sums, *beside, **how)


def _sums(product: Callable[..., FloatArray] | None, energy: bool, *blocks: FloatArray) -> Sums:
    squares = float(np.einsum("ij,ij->", blocks[0], blocks[0], dtype=np.float64)) if energy else 0.0
    found = np.zeros(()) if product is None else product(*blocks).astype(np.float64, copy=False)
    nonzero = tuple(bool(block[:1].any() or block.any()) for block in blocks)  # the first row tells of most
    return Sums(found, len(blocks[0]), squares, nonzero)


def _add_sums(a: Sums, b: Sums) -> Sums:
    nonzero = tuple(map(or_, a.nonzero, b.nonzero))
    return Sums(_add(a.product, b.product), a.rows + b.rows, a.energy + b.energy, nonzero)


def total(
    product: Callable[..., Any],
    X: Source,
    *beside: Any,
    factors: int,
    longest: int = cutting.PRODUCT_ROWS,
    ends: Sequence[int] = (),
) -> Any:
    """Sum a product of the blocks of X, and of what lies beside it; overflow is left to the caller, who looks at it.

    Blocks of an array also end after the rows that ``ends`` count.
    """
    if isinstance(X, Rows):
        return pass_over(X, product, *beside).product
    if len(cutting.cuts(len(X), X.shape[1], factors, longest, ends)) == 1:
        return _in_one_piece(product, X, *beside, factors=factors).astype(np.float64, copy=False)
    parts = over_rows(partial(_with_size, product), X, *beside, factors=factors, longest=longest, ends=ends)
    try:
        return merged((_sum(leaf) for leaf in leaves(parts, itemgetter(0))), _add)
    finally:
        parts.close()  # else the traceback of an interrupt would keep it, and BLAS on one thread


def _with_size(product: Callable[..., FloatArray], block: FloatArray, *beside: Any) -> SizedPart:
    return block.nbytes, product(block, *beside)


def _sum(parts: Iterator[SizedPart]) -> Matrix:
    _, first = next(parts)
    found = first.astype(np.float64, copy=False)
    for _, part in parts:
        _add(found, part)
    return found


def over_rows(
    product: Callable[..., Any],
    X: Source,
    *beside: Any,
    factors: int,
    longest: int = cutting.PRODUCT_ROWS,
    ends: Sequence[int] = (),
) -> Generator[Any, None, None]:
    """Yield the product of each block of rows of X, and of the same rows of what lies beside it, in order.

    ``factors`` is the number of columns that blocks are multiplied with. Blocks of an array also end after the rows
    that ``ends`` count.
    """
    if isinstance(X, Rows):
        yield from X.map(partial(_quiet, product), _together(X.blocks(), beside))
        return
    pieces = cutting.cuts(len(X), X.shape[1], factors, longest, ends)
    if len(pieces) > 1:
        yield from ordered_map(partial(_quiet, product), _together((X[cut] for cut in pieces), beside))
    else:
        yield _in_one_piece(product, X, *beside, factors=factors)


def _in_one_piece(product: Callable[..., Any], X: Held, *beside: Any, factors: int) -> Any:
    with serial_blas(X.size * factors) if X.size <= SERIAL_SIZE else single_threaded_blas():
        return _quiet(product, (X, *beside))


def _together(blocks: Iterable[Held], beside: Sequence[Any]) -> Iterator[tuple[Any, ...]]:
    """Yield blocks, each with the same rows of the arrays beside them."""
    start = 0
    for block in blocks:
        rows = slice(start, start + len(block))
        yield block, *(array[rows] for array in beside)
        start = rows.stop


def _laid_out(V: FloatArray) -> FloatArray:
    """V with rows or columns together, as a pickle leaves it: BLAS then has the same bits there as here."""
    return V if V.flags.c_contiguous or V.flags.f_contiguous else np.ascontiguousarray(V)


def _add(found: Matrix, part: FloatArray) -> Matrix:
    with np.errstate(over="ignore", invalid="ignore"):
        return np.add(found, part, out=found)


def _quiet(product: Callable[..., Any], parts: tuple[Any, ...]) -> Any:
    """Run a product of a block and what lies beside it."""
    with np.errstate(over="ignore", invalid="ignore"):
        return product(*parts)
