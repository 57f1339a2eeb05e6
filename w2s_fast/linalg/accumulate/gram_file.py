"""Gram matrices in .npz files: written whole or not at all, and believed only where every part fits the others."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import IO, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from w2s_fast._check import LARGEST_COUNT
from w2s_fast._files import whole_file
from w2s_fast.linalg.files import npz
from w2s_fast.linalg.files.header import explained, shown

Matrix = npt.NDArray[np.float64]
KIND = "w2s_fast.Gram 1"
PRODUCT_DTYPES = ("float64", "float32")
REST = "mean_rest"  # what rounding left of the means
DOWNDATE_ROUNDING = 1e-12  # of the largest diagonal: below zero by more than this is no rounding
ASYMMETRY = 1e-9  # likewise, of products that are summed in one order
ROWS = 512  # compared with columns at a time


class Parts(NamedTuple):
    """All that a Gram matrix is made of.

    Attributes
    ----------
    columns, label_shape : int, tuple of int
        None before the first rows, and where they came without labels.
    joint, mean, peak : ndarray
        Of the columns and the labels behind them: products, means as sums (2, n) of two numbers, the largest squares
        there ever were.
    single, product_dtype : bool, str
        Whether products of some rows were taken in float32, and in which those of further ones are to be.
    """

    centred: bool
    columns: int | None
    label_shape: tuple[int, ...] | None
    joint: Matrix
    mean: Matrix
    peak: Matrix
    n_rows: int
    weight: float
    single: bool = False
    product_dtype: str = "float64"


def save(path: str | os.PathLike[str], parts: Parts) -> None:
    """Write a file that takes the place of one of before only once it is whole."""
    content = parts._asdict() | {
        "kind": KIND,
        "columns": -1 if parts.columns is None else parts.columns,
        "label_shape": np.array(-1 if parts.label_shape is None else parts.label_shape, np.int64),
        "mean": parts.mean[0],
        REST: parts.mean[1],
    }
    with whole_file(path) as file:
        np.savez(file, **content)


def load(path: str | os.PathLike[str]) -> Parts:
    """Read what :func:`save` wrote; ValueError where it is anything else."""
    name = os.fspath(path)
    with open(path, "rb") as file, explained(f"{name!r} cannot be read as a saved Gram"):
        content = _content(file)
    if content.get("kind", np.array("")).tolist() != KIND:
        raise ValueError(f"{name!r} is not a saved Gram of this version")
    with explained(f"{name!r} is damaged, its parts disagree"):
        return _checked(content)


def _content(file: IO[bytes]) -> Mapping[str, npt.NDArray[Any]]:
    """The arrays of a saved Gram matrix; nothing if it is something else.

    Also of one saved before products were taken in float32, before rows had weights, and before means were sums.
    """
    fields = ("kind", *Parts._fields[:-3])
    products = {name: np.array(Parts._field_defaults[name]) for name in Parts._fields[-2:]}
    for names in ((*fields, "weight", REST, *products), (*fields, "weight", REST), (*fields, REST), fields):
        try:
            content = npz.load(file, names)
        except KeyError:
            continue
        rest, weight = np.zeros_like(content["mean"]), content["n_rows"].astype(np.float64)
        return {REST: rest, "weight": weight} | products | content
    return {}


def _checked(content: Mapping[str, npt.NDArray[Any]]) -> Parts:
    """Refuse parts of other types, shapes, signs or sizes than a Gram matrix has."""
    for name in ("centred", "single"):
        if content[name].dtype != np.bool_ or content[name].shape != ():
            raise ValueError(f"{name} must be one truth value")
    product_dtype: Any = content["product_dtype"].tolist()
    if product_dtype not in PRODUCT_DTYPES:
        raise ValueError(f"product_dtype must be one of {', '.join(PRODUCT_DTYPES)}, got {shown(product_dtype)}")
    n_rows, columns = (_whole(content, name, (), least) for name, least in (("n_rows", 0), ("columns", -1)))
    labels = content["label_shape"]
    if labels.shape not in ((), (0,), (1,)):
        raise ValueError(f"label_shape has shape {labels.shape}")
    sizes = [int(size) for size in _whole(content, "label_shape", labels.shape, 0 if labels.ndim else -1).ravel()]
    label_shape = tuple(sizes) if labels.ndim else None
    if label_shape is None and sizes != [-1]:
        raise ValueError(f"label_shape must be a list or -1, got {shown(sizes[0])}")
    empty = int(columns) < 0
    if empty and (n_rows or label_shape is not None):
        raise ValueError("there are rows or labels, and no columns")
    width = 0 if empty else int(columns) + (0 if label_shape is None else int(np.prod(label_shape)))
    centred = bool(content["centred"])
    joint = _numbers(content, "joint", (width, width))
    *means, peak = (_numbers(content, name, (width,)) for name in ("mean", REST, "peak"))
    mean = np.stack(means)
    _require_products(joint, peak)
    if mean.any() and not centred:
        raise ValueError("mean must be 0 of rows that are not centred")
    weight = float(_numbers(content, "weight", ()))
    if weight < 0.0 or (weight > 0.0) != (int(n_rows) > 0):
        raise ValueError(f"{int(n_rows)} rows cannot have a weight of {weight}")
    shape = None if empty else int(columns), label_shape
    return Parts(
        centred,
        *shape,
        joint,
        mean,
        peak,
        int(n_rows),
        weight,
        bool(content["single"]),
        content["product_dtype"].tolist(),
    )


def _whole(content: Mapping[str, npt.NDArray[Any]], name: str, shape: tuple[int, ...], least: int) -> npt.NDArray[Any]:
    array = content[name]
    if array.dtype.kind not in "iu" or array.shape != shape:
        raise ValueError(f"{name} must be whole numbers of shape {shape}, got {array.dtype} of shape {array.shape}")
    if array.size and not least <= int(array.min()) <= int(array.max()) <= LARGEST_COUNT:
        raise ValueError(f"{name} must be at least {least}, got {shown(array.tolist())}")
    return array


def _numbers(content: Mapping[str, npt.NDArray[Any]], name: str, shape: tuple[int, ...]) -> Matrix:
    array = content[name]
    if array.dtype != np.float64 or array.shape != shape:
        raise ValueError(f"{name} must be float64 of shape {shape}, got {array.dtype} of shape {array.shape}")
    if not all(np.isfinite(part).all() for part in _parts(np.atleast_1d(array))):
        raise ValueError(f"{name} holds NaN or infinity")
    return array


def _parts(array: npt.NDArray[Any]) -> Iterator[npt.NDArray[Any]]:
    """Cut it so that what is computed of a part takes little room."""
    return (array[first : first + ROWS] for first in range(0, len(array), ROWS))


def _require_products(joint: Matrix, peak: Matrix) -> None:
    """Refuse a matrix that is not symmetric, or has squares below zero or above the largest there ever were."""
    squares = np.diagonal(joint)
    if np.any(squares < -DOWNDATE_ROUNDING * peak) or np.any(squares > peak):
        raise ValueError("squares of joint are below 0 or above peak")
    heights = np.sqrt(np.maximum(peak, np.finfo(np.float64).tiny))
    for number, rows in enumerate(_parts(joint)):
        there = slice(number * ROWS, number * ROWS + len(rows))
        if np.any(np.abs(rows - joint[:, there].T) > ASYMMETRY * heights[there, None] * heights):
            raise ValueError("joint is not symmetric")
