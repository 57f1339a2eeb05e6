"""Tensors that torch.save wrote: one, or those in dictionaries and lists, named as in ``path#model/hidden/0``.

They are opened by torch.load(weights_only=True, mmap=True), which runs nothing of what the file says. On Linux numbers
are then read from where they lie in the file, as those of .npy files are, and from torch's own map elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np

from w2s_fast.linalg.files.header import Header, needed, pick, shown
from w2s_fast.linalg.files.place import Place, fetched, stamp_of
from w2s_fast.linalg.files.plain import Mapping as Mapped
from w2s_fast.linalg.files.sliced import Sliced

DEEPEST = 16  # dictionaries and lists within another
REFUSED = re.compile(r"GLOBAL ([\w.]+)")


def read(path: Place, entry: str) -> Header | Sliced:
    """Look at one tensor."""
    tensor = _tensor(path, entry)
    if tensor.layout != _library().strided or tensor.is_quantized:
        raise ValueError(f"it holds a tensor of layout {tensor.layout}: save its to_dense()")
    return (_in_file(path, tensor) if isinstance(path, Path) else None) or Sliced.loaded(partial(_values, path, entry))


def names(path: Place) -> list[str]:
    """Name the tensors."""
    return [name for name, _ in _tensors(fetched(path))]


def _tensor(path: Place, entry: str) -> Any:
    tensors = _tensors(fetched(path))
    return dict(tensors)[pick([name for name, _ in tensors], entry)]


def _tensors(path: Path) -> list[tuple[str, Any]]:
    torch = _library()
    try:
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except UnpicklingError as error:
        found = REFUSED.search(str(error))
        what = f"it holds {found[1]}" if found else "it is damaged, or holds other things than tensors"
        raise ValueError(
            f"{what}: torch.load(weights_only=True) refuses that, since to load it could run any code; save tensors, "
            "or dictionaries and lists of them"
        ) from None
    except RuntimeError as error:
        if "mmap can only be used" in str(error):
            raise ValueError(
                "it was written in torch's format before version 1.6: save it again by torch.save"
            ) from None
        raise
    return list(_walk(content, (), torch.Tensor))


def _walk(content: Any, above: tuple[str, ...], kind: type) -> Iterator[tuple[str, Any]]:
    """Name every tensor by the keys and places that lead to it."""
    if isinstance(content, kind):
        yield "/".join(above), content
    elif isinstance(content, Mapping | list | tuple) and len(above) < DEEPEST:
        for key, value in content.items() if isinstance(content, Mapping) else enumerate(content):
            yield from _walk(value, (*above, str(key)), kind)


def _in_file(path: Path, tensor: Any) -> Header | None:
    """Where the numbers of a mapped tensor lie; None where the system does not tell, or they are not in the file."""
    if tensor.numel() == 0 or tensor.is_conj() or tensor.is_neg() or 0 in tensor.stride():
        return None
    found = Mapped.at(tensor.data_ptr())
    if found is None or found.stamp != stamp_of(path.stat()):
        return None
    values, is_bfloat16 = _numbers(tensor)
    start = tensor.data_ptr() - found.address + found.offset
    return Header(values.shape, values.dtype, start, values.nbytes, bfloat16=is_bfloat16, strides=_strides(values))


def _strides(values: np.ndarray[Any, Any]) -> tuple[int, ...] | None:
    """Bytes from a number to the next along each axis; None where rows lie one after the other."""
    return None if values.flags.c_contiguous else values.strides


def _values(path: Place, entry: str) -> np.ndarray[Any, Any]:
    """A tensor as torch maps it, or as it made it."""
    tensor = _tensor(path, entry)
    values, is_bfloat16 = _numbers(tensor)
    return tensor.to(_library().float32).numpy() if is_bfloat16 else values


def _numbers(tensor: Any) -> tuple[np.ndarray[Any, Any], bool]:
    """Its numbers as NumPy has them, of bfloat16 the bits."""
    torch, plain = _library(), tensor.detach().resolve_conj().resolve_neg()
    if tensor.dtype == torch.bfloat16:
        return plain.view(torch.int16).numpy().view(np.uint16), True
    try:
        return plain.numpy(), False
    except (TypeError, RuntimeError):
        raise ValueError(f"it holds a tensor of {shown(str(tensor.dtype))}, which NumPy has not") from None


def _library() -> Any:
    with needed("torch", "torch"):
        import torch
    return torch
