"""What the last bits of results depend on beside the seed: versions, and the kernels that BLAS picks."""

from __future__ import annotations

import platform
from functools import cache

from w2s_fast import _blas

Versions = dict[str, str]


@cache
def _found() -> Versions:
    from importlib.metadata import version  # which takes as long to import as half of NumPy

    from w2s_fast import __version__

    return {
        "w2s_fast": __version__,
        "python": platform.python_version(),
        **{name: version(name) for name in ("numba", "numpy", "scipy")},
        "machine": f"{platform.system()} {platform.machine()}",
        "blas": _blas.kernels(),
    }


def versions() -> Versions:
    """Versions of everything that results depend on."""
    return dict(_found())
