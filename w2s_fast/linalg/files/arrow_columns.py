"""Columns of Arrow as NumPy has numbers: a number a row, or lists of one length, within each other or not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt


def is_list(kind: Any) -> bool:
    """Whether rows of a column are lists."""
    from pyarrow import types

    kind = _stored(kind)
    return types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind)


def is_number(kind: Any) -> bool:
    """Whether rows of a column are real numbers or truth values."""
    from pyarrow import types

    kind = _stored(kind)
    return types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind)


def is_text(kind: Any) -> bool:
    """Whether rows of a column are words, each written out or by its number in a list of them."""
    from pyarrow import types

    kind = _stored(kind)
    kind = kind.value_type if types.is_dictionary(kind) else kind
    return types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind)


def numbers(column: Any, name: str, first: int) -> npt.NDArray[Any]:
    """Values of an array of Arrow, of which the first is that of row ``first``; ValueError where one is missing."""
    return _numbers(column, name, lambda place: first + place)


def first(kind: Any, column: Any, name: str) -> npt.NDArray[Any]:
    """Values of the first rows, of which there may be none: their shape is that of all rows."""
    import pyarrow

    return numbers(pyarrow.array([], kind) if column is None else column, name, 0)


def _stored(kind: Any) -> Any:
    """What an extension of Arrow's types is made of, and a dictionary's values."""
    from pyarrow import types

    while isinstance(kind, _extension()) or types.is_dictionary(kind):
        kind = kind.value_type if types.is_dictionary(kind) else kind.storage_type
    return kind


def _extension() -> Any:
    import pyarrow

    return pyarrow.BaseExtensionType


def _numbers(column: Any, name: str, row: Callable[[int], int]) -> npt.NDArray[Any]:
    from pyarrow import compute, types

    while isinstance(column.type, _extension()) or types.is_dictionary(column.type):
        column = column.dictionary_decode() if types.is_dictionary(column.type) else column.storage
    if column.null_count:
        missing = int(np.flatnonzero(column.is_null().to_numpy(zero_copy_only=False))[0])
        raise ValueError(f"row {row(missing):,} of column {name!r} has a null: fill or drop it first")
    if not is_list(column.type):
        if not is_number(column.type):
            raise ValueError(f"column {name!r} holds {column.type}, no numbers")
        return np.asarray(column.to_numpy(zero_copy_only=False))
    if types.is_fixed_size_list(column.type):
        size = column.type.list_size
    else:
        lengths = compute.list_value_length(column).to_numpy(zero_copy_only=False)
        size = int(lengths[0]) if len(lengths) else 0
        if (other := np.flatnonzero(lengths != size)).size:
            where, length = row(int(other[0])), int(lengths[other[0]])
            raise ValueError(f"row {where:,} of column {name!r} has {length:,} numbers, the first has {size:,}")
    inner = _numbers(column.flatten(), name, lambda place: row(place // max(size, 1)))
    return inner.reshape(len(column), size, *inner.shape[1:])
