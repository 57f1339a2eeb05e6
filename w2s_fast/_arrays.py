"""The border between libraries of arrays: what callers hold as NumPy sees it, and results where callers hold theirs.

Inside all is NumPy. Arrays in the host's memory come without a copy wherever DLPack, the buffer protocol or their
library's own view allow it; numbers that NumPy has no type for, bfloat16 and float8, come as float32. Results go back
into the library and to the device that the arguments came from. Tables (pandas, polars, Arrow) get NumPy arrays.
"""

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

HOST, CUDA, CUDA_HOST = 1, 2, 3  # DLPack's numbers for where memory is
Array = npt.NDArray[Any]
UNNAMED_INDEX = re.compile(r"__index_level_\d+__")


class ConversionError(TypeError, ValueError):
    """What came cannot be seen as an array of numbers: says what it is, and how to convert it."""


def as_numpy(value: Any) -> Any:
    """See what another library holds as a NumPy array; what NumPy takes as it is comes back as it came.

    Raises
    ------
    ConversionError
        Without the name of the argument, which callers put in front.
    """
    if type(value) is np.ndarray:
        return _known(value)
    if type(value) in (list, tuple):
        return [as_numpy(row) for row in value] if value and _view(value[0]) is not None else value
    view = _view(value)
    return _known(value if view is None else view(value))


def is_array(value: Any) -> bool:
    """Whether something is one array or table, and no iterable of them."""
    return hasattr(value, "shape") or _view(value) is not None


def device_of(value: Any) -> int | None:
    """Where an array's memory is, as DLPack numbers it; None for what does not say."""
    if type(value) is np.ndarray:
        return HOST
    if hasattr(value, "__cuda_array_interface__"):
        return CUDA
    ask = getattr(value, "__dlpack_device__", None)
    if ask is None:
        return None
    try:
        return int(ask()[0])
    except Exception:  # each library has its own error for arrays that are nowhere, as torch's on "meta"
        return None


def _known(value: Any) -> Any:
    """Arrays of a type that ml_dtypes adds to NumPy's, as float32, which holds all of them."""
    if isinstance(value, np.ndarray) and value.dtype.type.__module__ == "ml_dtypes":
        return value.astype(np.float32)
    return value


def _view(value: Any) -> Callable[[Any], Any] | None:
    """How a value is seen; None for what is NumPy's own, or left to NumPy."""
    kind: Any = type(value)
    return _view_of(kind)


@cache
def _view_of(kind: Any) -> Callable[[Any], Any] | None:
    """How instances of a class are seen, by the library that it or a base of it is from."""
    for base in kind.__mro__:
        marks, view = VIEWS.get(base.__module__.partition(".")[0], ((), None))
        if any(hasattr(kind, mark) for mark in marks):
            return view
    numpy_own = issubclass(kind, np.ndarray | np.generic)
    return _by_protocol if hasattr(kind, "__array_namespace__") and not numpy_own else None


def _by_protocol(value: Any) -> Any:
    """Arrays of a library that follows the array API standard."""
    _require_host(value)
    try:
        return np.from_dlpack(value)
    except (BufferError, RuntimeError, TypeError, ValueError):  # of types that DLPack lacks, or NumPy's side of it
        return np.asarray(value)


def _require_host(value: Any) -> None:
    where = device_of(value)
    if where not in (HOST, CUDA_HOST):
        hint = ", or call what w2s_fast.cuda has for the GPU" if where == CUDA else ""
        raise ConversionError(f"is on {getattr(value, 'device', 'another device')}: copy it to the host first{hint}")


def _of_torch(tensor: Any) -> Any:
    if str(tensor.layout) != "torch.strided":
        raise ConversionError(f"is a torch tensor of layout {tensor.layout}: call its to_dense()")
    _require_host(tensor)
    plain = tensor.detach().resolve_conj().resolve_neg()
    return (plain.float() if plain.is_floating_point() and plain.element_size() < 4 else plain).numpy()


def _of_pandas(table: Any) -> Any:
    """Frames, series, indices and arrays, nullable too: what is missing becomes NaN."""
    dtypes = {table.dtype} if table.ndim == 1 else set(table.dtypes)
    categories = getattr(table.dtype, "categories", None) if table.ndim == 1 else None
    if categories is not None and _plain_of_pandas(categories.dtype) is not None:  # as labels may be
        return np.asarray(table.astype(np.float64))
    plain = {dtype: _plain_of_pandas(dtype) for dtype in dtypes}
    if unfit := next((dtype for dtype, found in plain.items() if found is None), None):
        column = None if table.ndim == 1 else table.columns[[dtype == unfit for dtype in table.dtypes].index(True)]
        raise _no_numbers(column, unfit)
    if all(dtype is found for dtype, found in plain.items()):
        return np.asarray(table)
    common = np.result_type(*plain.values())
    if common.kind in "iub" and np.asarray(table.isna()).any():
        common = np.dtype(np.float64)
    return table.to_numpy(dtype=common, na_value=0 if common.kind in "iub" else np.nan)


def _plain_of_pandas(dtype: Any) -> Any:
    """NumPy's type for the numbers of a column, whether these may be missing or sparse; None for what is no number."""
    plain = dtype if isinstance(dtype, np.dtype) else getattr(dtype, "numpy_dtype", getattr(dtype, "subtype", None))
    return plain if isinstance(plain, np.dtype) and plain.kind in NUMBERS else None


def _of_polars(table: Any) -> Any:
    """Frames and series, among them columns of lists of one length; what is null becomes NaN."""
    if hasattr(table, "collect"):
        raise ConversionError("is a polars LazyFrame: call its collect()")
    if not hasattr(table, "get_columns"):
        return _of_series(table)
    return _side_by_side([_of_series(column) for column in table.get_columns()], table.height)


def _of_series(series: Any) -> Array:
    dtype = series.dtype
    if dtype.is_nested():
        return _of_column(series.to_arrow(), series.name)
    if str(dtype) == "Boolean" or dtype.is_decimal():
        series = series.cast(float)
    elif not dtype.is_numeric():
        raise _no_numbers(series.name, dtype)
    return np.asarray(series.to_numpy())


def _of_arrow(table: Any) -> Any:
    """Tables, batches, arrays and chunked arrays, among them those of lists of one length; null becomes NaN."""
    if hasattr(table, "null_count"):
        return _of_column(table, None)
    left_out = indices_of_pandas(table.schema)
    names = [(i, name) for i, name in enumerate(table.schema.names) if name not in left_out]
    columns = [_of_column(table.column(i), name) for i, name in names]
    return _side_by_side(columns, table.num_rows)


def indices_of_pandas(schema: Any) -> set[str]:
    """Names of columns of Arrow that hold the index of a frame of pandas, or of Dask, and are none of its columns."""
    told = (getattr(schema, "metadata", None) or {}).get(b"pandas", b"{}")
    try:
        named = json.loads(told).get("index_columns", [])
    except (ValueError, AttributeError):
        named = []
    return {name for name in schema.names if name in named or UNNAMED_INDEX.fullmatch(name)}


def _side_by_side(columns: list[Array], rows: int) -> Array:
    """Columns as one matrix; a column of lists alone is one already."""
    if len(columns) == 1 and columns[0].ndim == 2:
        return columns[0]
    if any(column.ndim == 2 for column in columns):
        raise ConversionError("has columns of lists beside others: pick one of them")
    return np.stack(columns, axis=1) if columns else np.zeros((rows, 0))


def _of_column(column: Any, name: str | None) -> Array:
    """One column of Arrow: (rows,), or (rows, d) where each row is a list of d numbers."""
    import pyarrow as pa

    if isinstance(column, pa.ChunkedArray):
        column = pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)
    if isinstance(column, pa.ExtensionArray):
        column = column.storage
    kind = column.type
    if pa.types.is_fixed_size_list(kind) or pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return _of_lists(column, name)
    if pa.types.is_boolean(kind) or pa.types.is_decimal(kind):
        column = column.cast(pa.uint8() if pa.types.is_boolean(kind) else pa.float64())
    elif not (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
        raise _no_numbers(name, kind)
    return np.asarray(column.to_numpy(zero_copy_only=False))


def _of_lists(lists: Any, name: str | None) -> Array:
    where = "" if name is None else f" in column {name!r}"
    if lists.null_count:
        raise ConversionError(f"has {lists.null_count:,} null list(s){where}: fill or drop them")
    if (width := getattr(lists.type, "list_size", None)) is None:
        lengths = lists.value_lengths().unique().to_pylist()
        if len(lengths) > 1:
            raise ConversionError(f"has lists of unequal lengths{where}: pad or drop them")
        width = lengths[0] if lengths else 0
    return _of_column(lists.flatten(), name).reshape(len(lists), width)


def _no_numbers(column: Any, dtype: Any) -> ConversionError:
    found = f"got {dtype}" if column is None else f"column {column!r} holds {dtype}: drop or encode it"
    return ConversionError(f"must hold numbers, {found}")


NUMBERS = "fiubc"  # kinds of NumPy's types
# By the package of a class: attributes of those classes in it that are arrays or tables, and how these are seen.
VIEWS: dict[str, tuple[tuple[str, ...], Callable[[Any], Any] | None]] = {
    "torch": (("layout",), _of_torch),
    "pandas": (("dtype", "dtypes"), _of_pandas),
    "polars": (("to_numpy", "collect"), _of_polars),
    "pyarrow": (("null_count", "column"), _of_arrow),
}


@dataclass(frozen=True)
class Home:
    """Where a caller's arrays are: the module of their library, and its device where that is not the default one."""

    library: str = "numpy"
    device: Any = None

    @classmethod
    def of(cls, *values: Any) -> Home:
        """That of the first of them that is an array of another library's."""
        for value in values:
            view = None if type(value) is np.ndarray else _view(value)
            if view is _of_torch:
                return cls("torch", None if value.device.type == "cpu" else value.device)
            if view is _by_protocol:
                namespace = value.__array_namespace__()
                default, own = namespace.__array_namespace_info__().default_device(), getattr(value, "device", None)
                return cls(namespace.__name__, own if default is not None and own != default else None)
        return HERE

    def give(self, result: Any) -> Any:
        """Bring an array there, or each of a tuple; what is no array stays as it is."""
        if self.library == "numpy":
            return result
        if isinstance(result, tuple):
            return tuple(map(self.give, result))
        library = importlib.import_module(self.library)
        if isinstance(result, np.ndarray):
            if self.library == "torch":
                return library.from_numpy(result if _may_be_shared(result) else result.copy()).to(self.device)
            return library.asarray(result, **({} if self.device is None else {"device": self.device}))
        return library.from_dlpack(result) if device_of(result) == CUDA else result


HERE = Home()


def _may_be_shared(result: Array) -> bool:
    """Whether torch can take the memory as it is."""
    return result.flags.writeable and min(result.strides, default=0) >= 0


def names(value: Any) -> npt.NDArray[np.str_] | None:
    """Text, one piece a row, of lists, arrays, series and columns of text or categories; None for anything else.

    Raises
    ------
    ConversionError
        Where there is text, and rows have none; without the name of the argument, as :func:`as_numpy` does.
    """
    view = _view(value)
    if view in (_of_torch, _by_protocol) or getattr(getattr(value, "dtype", None), "kind", "O") in NUMBERS:
        return None
    if view is _of_pandas and value.ndim == 2:
        value = value.iloc[:, 0] if value.shape[1] == 1 else None
    if hasattr(value, "to_pylist"):  # Arrow's
        value = value.to_pylist()
    elif view is not None and getattr(value, "ndim", 1) == 1 and hasattr(value, "__iter__"):  # of pandas and polars
        value = list(value)
    if isinstance(value, list | tuple):
        return np.array(value) if _are_text(value) else None
    if isinstance(value, np.ndarray) and value.dtype.kind in "OUT" and _are_text(value.ravel().tolist()):
        return value.astype(np.str_)
    return None


def _are_text(items: Any) -> bool:
    """Whether all are pieces of text; refuse those that are missing beside some."""
    other = next((row for row, item in enumerate(items) if not isinstance(item, str)), None)
    if other is None:
        return len(items) > 0
    if any(isinstance(item, str) for item in items):
        raise ConversionError(f"has names, but {items[other]!r} in row {other:,}: drop such rows, or name them")
    return False
