"""Arrays on the GPU: what comes in, checked as the CPU's are, and host data brought over block by block."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from typing import Any

import numpy as np

from w2s_fast import _check
from w2s_fast.cuda._shim import CHUNKS, SIMULATED, array_library, explained
from w2s_fast.linalg.rows.base import Item, Result, Rows
from w2s_fast.linalg.rows.sources import ArrayRows, rows_of

ON_CUDA = 2  # device type of DLPack
BLOCK_BYTES = 256 << 20  # of float64: products of fewer rows keep a GPU busy for less time than their launch takes


def floats(value: Any, name: str, *, ndim: int | None = None, finite: bool = True) -> Any:
    """View an array of the current GPU, CuPy's or another library's, as float32 or float64 without copying those.

    It comes by ``__cuda_array_interface__`` or DLPack. Refused are host arrays, arrays of another GPU, and what
    :func:`w2s_fast._check.floats` refuses.
    """
    array = _device_array(value, name)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"{name} must hold real numbers, got dtype {array.dtype}")
    if ndim is not None and array.ndim != ndim:
        raise ValueError(f"{name} must have {ndim} dimension(s), got shape {array.shape}")
    if array.dtype not in (np.float32, np.float64):
        array = array.astype(np.float32 if array.dtype == np.float16 else np.float64)
    if finite:
        _check.all_finite(array, name)
    return array


def height(columns: int) -> int:
    """Rows that products on the GPU take at a time."""
    return max(1, BLOCK_BYTES // (8 * max(columns, 1)))


def _device_array(value: Any, name: str) -> Any:
    xp = array_library()
    if isinstance(value, xp.ndarray):
        array = value
    elif hasattr(value, "__cuda_array_interface__"):
        array = xp.asarray(value)
    elif hasattr(value, "__dlpack_device__") and value.__dlpack_device__()[0] == ON_CUDA:
        array = xp.from_dlpack(value)
    else:
        kind = f"{type(value).__module__}.{type(value).__name__}"
        raise TypeError(f"{name} must be an array on the GPU, got {kind}: copy it with cupy.asarray, or {CHUNKS}")
    if not SIMULATED and array.device.id != xp.cuda.Device().id:
        raise ValueError(
            f"{name} is on GPU {array.device.id}, the current one is GPU {xp.cuda.Device().id}: copy it there, or work "
            f"under cupy.cuda.Device({array.device.id})"
        )
    return array


def row_blocks(X: Any, *, rows: int | None = None) -> Iterator[Any]:
    """Bring the rows of anything to the GPU, block by block, in float32 or float64: what does not fit at once, streams.

    Parameters
    ----------
    X : (N, D) array_like, memmap, path, or iterable of row blocks
        On the host, as :meth:`w2s_fast.Subspace.fit` takes it, or on the GPU, whose rows are views.
    rows : int, optional
        Of a block; by default 64 MB of float64 or less from the host, 256 MB of what is on the GPU.

    Examples
    --------
    >>> gram = w2s_fast.cuda.Gram()  # doctest: +SKIP
    >>> for block in w2s_fast.cuda.row_blocks("features.npy"):  # doctest: +SKIP
    ...     gram.update(block)
    """
    step = None if rows is None else _check.integer(rows, "rows", minimum=1)
    for block in _rows_of(X, "X").blocks(step):
        with explained():
            moved = array_library().asarray(block)
        yield moved


def _rows_of(X: Any, name: str) -> Rows:
    if isinstance(X, array_library().ndarray) or hasattr(X, "__cuda_array_interface__"):
        return DeviceRows(floats(X, name, ndim=2, finite=False), name)
    return rows_of(X, name)


class DeviceRows(ArrayRows):
    """Rows of an array on the GPU, whose library has a queue of its own."""

    _floats = staticmethod(floats)

    def blocks(self, step: int | None = None) -> Iterator[Any]:
        return super().blocks(step or height(self.array.shape[1]))

    def map(self, function: Callable[[Item], Result], items: Iterable[Item]) -> Generator[Result, None, None]:
        yield from map(function, items)

    def held(self) -> None:  # not in the host's memory
        return None
