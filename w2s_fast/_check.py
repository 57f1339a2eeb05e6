"""Every input check and its message: what the argument is called, what came, what was expected, how to mend it."""

from __future__ import annotations

import cmath
import math
import operator
from collections.abc import Iterable
from functools import reduce
from os import PathLike
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from w2s_fast import _arrays

FloatArray = npt.NDArray[np.floating[Any]]
LARGEST_COUNT = 2**62


class ArgumentError(TypeError, ValueError):
    """An argument of a wrong type, for callers who catch either class: scikit-learn's error is both, too."""


def numbers(value: Any, name: str, *, ndim: int | None = None, kinds: str = "fiub") -> npt.NDArray[Any]:
    """View ``value`` as an array of numbers, in whatever type it came: real ones, unless ``kinds`` has "c"."""
    if hasattr(value, "tocsr"):
        raise TypeError(f"{name} must be dense here, got a sparse matrix: call its toarray()")
    _refuse_unsaid(value, name)
    try:
        array = np.asarray(_arrays.as_numpy(value))
    except _arrays.ConversionError as error:
        raise ArgumentError(f"{name} {error}") from None
    except ValueError as error:
        raise ValueError(f"{name} must be a rectangular array of numbers: {error}") from None
    if array.dtype.kind not in kinds:
        raise ArgumentError(f"{name} must hold {'' if 'c' in kinds else 'real '}numbers, got dtype {array.dtype}")
    if ndim is not None and array.ndim != ndim:
        hint = {1: " Pass one number a row.", 2: " Reshape one feature with [:, None]."}.get(ndim, "")
        raise ValueError(f"{name} must have {ndim} dimension(s), got shape {array.shape}.{hint}")
    return array


def _has_masked(value: Any) -> bool:
    """Whether anything is masked, in arrays within lists too, whose masks NumPy drops without a word."""
    if not isinstance(value, list | tuple):
        return isinstance(value, np.ma.MaskedArray) and bool(np.ma.is_masked(value))
    holders = (list, tuple, np.ma.MaskedArray)
    return any(issubclass(kind, holders) for kind in set(map(type, value))) and any(map(_has_masked, value))


def _refuse_unsaid(value: Any, name: str) -> None:
    """Refuse what NumPy would do without a word: drop masks, and work out lazy arrays here, however large."""
    if type(value) is np.ndarray:
        return
    if _has_masked(value):
        raise ValueError(f"{name} has masked values: fill or drop them first")
    lazy = _first_lazy(value)
    if lazy is not None:
        raise ArgumentError(
            f"{name} is {'' if lazy is value else 'made of '}a Dask {type(lazy).__name__}, which NumPy would gather on "
            "this machine: call its compute() if it fits in memory"
        )


def _first_lazy(value: Any) -> Any:
    """What Dask has not worked out, the value itself or something within lists and tuples; None where nothing is."""
    if isinstance(value, list | tuple):
        kinds = set(map(type, value))
        if any(issubclass(kind, list | tuple) or hasattr(kind, "__dask_graph__") for kind in kinds):
            return next((lazy for lazy in map(_first_lazy, value) if lazy is not None), None)
        return None
    graph = getattr(value, "__dask_graph__", None)
    return value if callable(graph) and graph() is not None else None


def floats(value: Any, name: str, *, ndim: int | None = None, finite: bool = True) -> FloatArray:
    """View ``value`` as float32 or float64, without copying where it is one already, at addresses that fit.

    float16 becomes float32, integers and booleans float64. Complex numbers, objects and text are refused, and NaN and
    infinity unless ``finite=False``.
    """
    array = numbers(value, name, ndim=ndim)
    if array.dtype not in (np.float32, np.float64):  # which no other byte order equals
        array = array.astype(np.float32 if array.dtype.type in (np.float16, np.float32) else np.float64)
    if not array.flags.aligned:  # as buffers that were received or unpacked, which NumPy keeps from BLAS
        array = array.copy()
    if finite:
        all_finite(array, name)
    return array


def all_finite(array: npt.NDArray[Any], name: str) -> None:
    """Refuse NaN and infinity."""
    with np.errstate(all="ignore"):  # one pass without a temporary settles most arrays
        if cmath.isfinite(array.sum(dtype=np.result_type(array, np.float64))):
            return
    blocks_finite([array], name)


def blocks_finite(blocks: Iterable[npt.NDArray[Any]], name: str) -> None:
    """Refuse NaN and infinity in the rows of blocks that follow each other."""
    reduce(NotFinite.merged, map(NotFinite.of, blocks), NotFinite(0, 0, ())).refuse(name)


class NotFinite(NamedTuple):
    """How many of the numbers in so many rows are NaN or infinite, and where the first is."""

    rows: int
    bad: int
    first: tuple[int, ...]

    @classmethod
    def of(cls, block: npt.NDArray[Any]) -> Self:
        bad = ~np.isfinite(block)
        first = tuple(int(i) for i in np.argwhere(bad)[0]) if bad.any() else ()
        return cls(len(block), int(bad.sum()), first)

    def merged(self, other: NotFinite) -> NotFinite:
        """Of these rows and ``other`` below them."""
        moved = (self.rows + other.first[0], *other.first[1:]) if other.bad else ()
        return NotFinite(self.rows + other.rows, self.bad + other.bad, self.first or moved)

    def refuse(self, name: str) -> None:
        if self.bad:
            raise ValueError(
                f"{name} holds {self.bad} NaN or infinite value(s), the first at index {self.first}. Remove or impute "
                "them first."
            )


def integer(value: Any, name: str, *, minimum: int = 0, maximum: int = LARGEST_COUNT) -> int:
    """A whole number in ``minimum..maximum``."""
    if type(value) is int and minimum <= value <= maximum:  # without a question that only other kinds need
        return value
    if isinstance(value, bool | np.bool_) or _has_masked(value):
        raise ArgumentError(f"{name} must be a whole number, got {value!r}")
    try:
        number = operator.index(value)
    except TypeError:
        raise ArgumentError(f"{name} must be a whole number, got {value!r} of type {type(value).__name__}") from None
    if not minimum <= number <= maximum:
        upper = f" and at most {maximum:,}" if maximum != LARGEST_COUNT or number > maximum else ""
        raise ValueError(f"{name} must be at least {minimum:,}{upper}, got {number:,}")
    return number


def real(value: Any, name: str, *, minimum: float = 0.0, maximum: float = math.inf, open_left: bool = False) -> float:
    """A finite number in ``minimum..maximum``, without ``minimum`` itself if ``open_left``."""
    if isinstance(value, str | bytes | bool | np.bool_ | np.complexfloating) or _has_masked(value):
        raise TypeError(f"{name} must be a number, got {value!r}")
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise TypeError(f"{name} must be a number, got {value!r}") from None
    except OverflowError:
        raise ValueError(f"{name} must be a number that fits float64") from None
    inside = minimum < number <= maximum if open_left else minimum <= number <= maximum
    if not (math.isfinite(number) and inside):
        bounds = [f"{'more than' if open_left else 'at least'} {minimum:g}"] if math.isfinite(minimum) else []
        bounds += [f"at most {maximum:g}"] if math.isfinite(maximum) else []
        raise ValueError(f"{name} must be a finite number{', ' * bool(bounds)}{' and '.join(bounds)}, got {number}")
    return number


def cutoff(rcond: Any, name: str = "rcond") -> float:
    """A relative cut-off for singular values: a number in [0, 1)."""
    number = real(rcond, name)
    if number >= 1:
        raise ValueError(f"{name} must be a finite number, at least 0 and below 1, got {number}")
    return number


def workers(value: Any) -> Any:
    """A number of threads, None for one a core, or a pool."""
    if value is None or (callable(getattr(value, "submit", None)) and not isinstance(value, type)):
        return value
    if hasattr(value, "__index__"):
        return integer(value, "workers", minimum=1, maximum=1024)
    raise ArgumentError(
        f"workers must be a number of threads or have submit, as pools of concurrent.futures and clients of Dask, "
        f"got {value!r}"
    )


def choice(value: Any, name: str, *allowed: str) -> None:
    """Refuse anything but the strings allowed."""
    if not isinstance(value, str) or value not in allowed:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, allowed))}, got {value!r}")


def is_path(value: Any) -> bool:
    """Whether an argument names a file, or several."""
    several = isinstance(value, list | tuple) and bool(value) and all(isinstance(one, str | PathLike) for one in value)
    return several or isinstance(value, str | PathLike)


def boolean(value: Any, name: str) -> bool:
    """True or False, and nothing that merely counts as either."""
    if value is True or value is False:
        return value
    if not isinstance(value, np.bool_):
        raise ArgumentError(f"{name} must be True or False, got {value!r}")
    return bool(value)


def sizes(value: Any, name: str) -> npt.NDArray[np.int64]:
    """One sample size or an array of them, each at least 1."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = integer(value, name, minimum=1)
    _refuse_unsaid(value, name)
    expected = f"{name} must be a whole number or a non-empty array of them, got {value!r}"
    try:
        array = np.asarray(value)
    except ValueError:
        raise TypeError(expected) from None
    if array.dtype.kind not in "iu" or array.size == 0:
        raise TypeError(expected)
    for number in (array.min(), array.max()):
        integer(number, name, minimum=1)
    return array.astype(np.int64)


def sizes_or_limit(value: Any, name: str) -> npt.NDArray[np.float64]:
    """Sample sizes as :func:`sizes` takes them, or infinity, as floats."""
    _refuse_unsaid(value, name)
    try:
        array = np.asarray(value)
    except ValueError:
        array = np.array(None)
    if array.dtype.kind != "f" or array.size == 0:
        return sizes(value, name).astype(np.float64)
    finite = array[np.isfinite(array)]
    if np.isnan(array).any() or np.any(finite != np.floor(finite)):
        raise TypeError(f"{name} must be whole numbers or infinity, got {value!r}")
    for number in (array.min(), array.max()):
        if number < 1:
            raise ValueError(f"{name} must be at least 1, got {number:,.0f}")
        if number < math.inf:
            integer(int(number), name, minimum=1)
    return array.astype(np.float64)


def broadcast(**arrays: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], ...]:
    """Broadcast arrays against one another."""
    try:
        return np.broadcast_arrays(*arrays.values())
    except ValueError:
        shapes = " and ".join(f"{name} of shape {array.shape}" for name, array in arrays.items())
        raise ValueError(f"{shapes} do not broadcast to one grid") from None


def instance(value: Any, kind: type, name: str) -> None:
    """Refuse anything but a ``kind``."""
    if not isinstance(value, kind):
        raise TypeError(f"{name} must be a {kind.__name__}, got {type(value).__name__}")


def callback(value: Any, name: str) -> None:
    """Refuse what is neither callable nor None."""
    if value is not None and not callable(value):
        raise TypeError(f"{name} must be a function of (done, total), got {value!r}")


def same_place(own: str, other: str) -> None:
    """Refuse to join what is on the host with what is on a device."""
    if other != own:
        raise TypeError(f"other is on {other}, this one on {own}: copy one of them (to_host() of the one on the GPU)")


def same_rows(**arrays: FloatArray) -> int:
    """Refuse arrays of unequal length; return the common one."""
    lengths = {name: len(array) for name, array in arrays.items()}
    if len(set(lengths.values())) > 1:
        found = ", ".join(f"{name} has {length:,}" for name, length in lengths.items())
        raise ValueError(f"these must have the same number of rows: {found}")
    return next(iter(lengths.values()))
