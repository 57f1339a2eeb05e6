"""Which parameters of a model gradients are taken by, and where each stands among all of them."""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

TOLD = 8  # names of an error message


def torch_library(what: str) -> Any:
    """Import PyTorch; in one line what is missing where it is."""
    try:
        return importlib.import_module("torch")
    except ImportError as error:
        raise ImportError(f'{what} needs PyTorch ({error}): pip install "w2s_fast[models]"') from None


@dataclass(frozen=True, eq=False)
class Parameters:
    """Tensors by name, and the number of the first coordinate of each among those of all of the model's parameters."""

    tensors: dict[str, Any]
    firsts: dict[str, int]

    @classmethod
    def of(cls, model: Any, patterns: Any) -> Parameters:
        """Those that train, or those whose names match one of the patterns (``fnmatch``'s)."""
        named = dict(model.named_parameters())
        if not named:
            raise ValueError(f"model has no parameters: {type(model).__name__}")
        names = [name for name, tensor in named.items() if tensor.requires_grad]
        if patterns is None and not names:
            raise ValueError(
                f"every parameter of model is frozen ({_listed(named)}): call requires_grad_(True) on those to "
                "differentiate by"
            )
        if patterns is not None:
            names = _matching(named, [patterns] if isinstance(patterns, str) else list(patterns))
        firsts, first = {}, 0
        for name, tensor in named.items():
            firsts[name], first = first, first + tensor.numel()
        return cls({name: named[name].detach() for name in names}, {name: firsts[name] for name in names})

    @property
    def size(self) -> int:
        """Coordinates of those chosen."""
        return sum(tensor.numel() for tensor in self.tensors.values())


def _matching(named: dict[str, Any], patterns: list[Any]) -> list[str]:
    found = set()
    for pattern in patterns:
        if not isinstance(pattern, str):
            raise TypeError(f"parameters must be names or patterns of names, got {pattern!r}")
        matches = [name for name in named if fnmatchcase(name, pattern)]
        if not matches:
            raise ValueError(f"no parameter of model matches {pattern!r}; there are {_listed(named)}")
        frozen = [name for name in matches if not named[name].requires_grad]
        if len(frozen) == len(matches):
            raise ValueError(
                f"what matches {pattern!r} is frozen ({_listed(frozen)}): call requires_grad_(True) on it, or leave "
                "it out of parameters"
            )
        found.update(set(matches) - set(frozen))
    if not found:
        raise ValueError("parameters must name some, got an empty list")
    return [name for name in named if name in found]


def _listed(names: Iterable[str]) -> str:
    names = list(names)
    more = f" and {len(names) - TOLD:,} more" if len(names) > TOLD else ""
    return ", ".join(names[:TOLD]) + more
