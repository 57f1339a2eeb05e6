"""The same kernels on NVIDIA GPUs (needs the extra ``cuda13``).

``simulate(..., device="cuda")`` runs its trials here. The names below take arrays that live on the GPU, CuPy's or any
with ``__cuda_array_interface__`` or DLPack, and leave their results there. What does not fit comes by blocks:
:func:`row_blocks` brings them over from arrays, files and iterables on the host.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from w2s_fast.cuda.accumulate import Gram, Moments
    from w2s_fast.cuda.arrays import row_blocks
    from w2s_fast.cuda.gradients import SketchedRows
    from w2s_fast.cuda.random import random_normals, random_words
    from w2s_fast.cuda.solve import fit_subspace, min_norm, randomized_svd, sketch

_HOME = {
    "Gram": "accumulate",
    "Moments": "accumulate",
    "SketchedRows": "gradients",
    "fit_subspace": "solve",
    "min_norm": "solve",
    "random_normals": "random",
    "random_words": "random",
    "randomized_svd": "solve",
    "row_blocks": "arrays",
    "sketch": "solve",
}

__all__ = [
    "Gram",
    "Moments",
    "SketchedRows",
    "fit_subspace",
    "min_norm",
    "random_normals",
    "random_words",
    "randomized_svd",
    "row_blocks",
    "sketch",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'w2s_fast.cuda' has no attribute {name!r}")
    return getattr(importlib.import_module(f"w2s_fast.cuda.{_HOME[name]}"), name)
