"""Ours in place of what scikit-learn and NumPy export, for code that is not to change, and back again.

``with w2s_fast.patched("sklearn", "numpy"):`` in Python, ``python -m w2s_fast.patched script.py`` in the shell. The
module may be called itself: ``import w2s_fast.patched`` puts it where the function was.
"""

from __future__ import annotations

import argparse
import importlib
import os
import runpy
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial, wraps
from importlib.util import find_spec
from types import ModuleType
from typing import Any

from w2s_fast import _check

LIBRARIES = ("numpy", "sklearn")
CLASSES = {  # of w2s_fast.sklearn, and the modules that export scikit-learn's
    "PCA": "sklearn.decomposition",
    "TruncatedSVD": "sklearn.decomposition",
    "LinearRegression": "sklearn.linear_model",
    "Ridge": "sklearn.linear_model",
    "RidgeCV": "sklearn.linear_model",
}
SVD_NAMES = ("randomized_svd", "_randomized_svd")  # the second is what scikit-learn calls itself
_lock = threading.RLock()  # also against a signal handler that opens a block


@dataclass
class _Swap:
    """One object of a library, ours, and the places where it is put while anybody wants it there."""

    theirs: Any
    ours: Any
    modules: Callable[[], list[ModuleType]]
    users: int = 0

    def put(self) -> None:
        self.users += 1
        if self.users == 1:
            self._replace(self.theirs, self.ours)

    def take_back(self) -> None:
        self.users -= 1
        if self.users == 0:
            self._replace(self.ours, self.theirs)

    def _replace(self, old: Any, new: Any) -> None:
        for module in self.modules():
            for name, value in list(vars(module).items()):
                if value is old:
                    setattr(module, name, new)


_swaps: dict[str, list[_Swap]] = {}


@contextmanager
def patched(*libraries: str) -> Iterator[None]:
    """Put ours in place of what libraries export, until the block ends, however it ends.

    For "numpy" that is :func:`numpy.linalg.lstsq`, wherever NumPy itself holds it (``numpy.polyfit`` calls it too); for
    "sklearn" :func:`sklearn.utils.extmath.randomized_svd`, wherever scikit-learn holds it, and the classes of
    :mod:`w2s_fast.sklearn` where ``sklearn.decomposition`` and ``sklearn.linear_model`` export them. Blocks may be
    nested, and be open in several threads at once: what they share ends with the last of them. It is a decorator too.

    What cannot be reached: names that were imported before the block (``from sklearn.linear_model import Ridge``) stay
    scikit-learn's; those imported within it stay ours afterwards; other processes that start meanwhile know nothing of
    it, though they know ours where it is sent to them. Models made within a block stay ours, and pickle as such.

    Parameters
    ----------
    *libraries : {"numpy", "sklearn"}
        Those of the two that are installed, if none is named.

    Raises
    ------
    ValueError
        A library of another name.
    ModuleNotFoundError
        Where scikit-learn is named and not installed.

    Examples
    --------
    >>> import numpy as np
    >>> import w2s_fast
    >>> theirs = np.linalg.lstsq
    >>> with w2s_fast.patched("numpy"):
    ...     np.linalg.lstsq is theirs
    False
    >>> np.linalg.lstsq is theirs
    True
    """
    for library in libraries:
        _check.choice(library, "libraries", *LIBRARIES)
    wanted = sorted(set(libraries)) or [library for library in LIBRARIES if find_spec(library)]
    with _lock:
        swaps = [swap for library in wanted for swap in _swaps_of(library)]
        for swap in swaps:
            swap.put()
    try:
        yield
    finally:
        with _lock:
            for swap in reversed(swaps):
                swap.take_back()


def _swaps_of(library: str) -> list[_Swap]:
    if not any(swap.users for swap in _swaps.get(library, ())):  # what is there may be somebody else's since
        _swaps[library] = {"numpy": _numpy_swaps, "sklearn": _sklearn_swaps}[library]()
    return _swaps[library]


def _numpy_swaps() -> list[_Swap]:
    import numpy as np

    from w2s_fast.linalg.leastsq.lstsq import lstsq

    theirs = np.linalg.lstsq

    @wraps(theirs)
    def ours(a: Any, b: Any, rcond: Any = None) -> Any:
        return lstsq(a, b, rcond) if all(map(_is_for_numpy, (a, b))) else theirs(a, b, rcond)

    return [_Swap(theirs, ours, partial(_loaded, "numpy"))]


def _is_for_numpy(array: Any) -> bool:
    """Whether NumPy works on it itself, masks aside, which it forgets and ours refuses."""
    import numpy as np

    own = getattr(type(array), "__array_function__", np.ndarray.__array_function__)
    return own is np.ndarray.__array_function__ and not isinstance(array, np.ma.MaskedArray)


def _sklearn_swaps() -> list[_Swap]:
    import w2s_fast.sklearn as ours
    from w2s_fast.linalg.spectral.randomized import randomized_svd

    extmath = importlib.import_module("sklearn.utils.extmath")
    swaps = []
    for name in SVD_NAMES:
        if hasattr(extmath, name):
            theirs = getattr(extmath, name)
            svd = _svd_in_place_of(theirs, randomized_svd)
            swaps.append(_Swap(theirs, svd, partial(_loaded, "sklearn")))
    for name, home in CLASSES.items():
        exporter = importlib.import_module(home)
        swaps.append(_Swap(getattr(exporter, name), getattr(ours, name), partial(list, [exporter])))
    return swaps


def _svd_in_place_of(theirs: Callable[..., Any], ours: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(theirs)
    def replacement(M: Any, *settings: Any, **named: Any) -> Any:
        import sklearn

        other_arrays = sklearn.get_config().get("array_api_dispatch", False)
        return (theirs if other_arrays else ours)(M, *settings, **named)

    return replacement


def _loaded(library: str) -> list[ModuleType]:
    """Modules of a library that are imported by now: at the end of a block that may be more than at its beginning."""
    modules = [(name, module) for name, module in list(sys.modules.items()) if isinstance(module, ModuleType)]
    return [module for name, module in modules if name == library or name.startswith(library + ".")]


def main() -> None:
    """Run a script, or a module, with ours in place."""
    parser = argparse.ArgumentParser(prog="python -m w2s_fast.patched", description=main.__doc__)
    parser.add_argument("-l", "--library", action="append", choices=LIBRARIES, help="all that are installed by default")
    parser.add_argument("-m", "--module", action="store_true", help="SCRIPT is a module, as for python -m")
    parser.add_argument("script", metavar="SCRIPT")
    parser.add_argument("arguments", metavar="ARGUMENT", nargs=argparse.REMAINDER, help="passed on")
    given = parser.parse_args()
    if not given.module and not os.path.isfile(given.script):
        parser.error(f"SCRIPT must be a file, got {given.script!r}; -m takes the name of a module")
    sys.argv = [given.script, *given.arguments]
    sys.path[0] = os.getcwd() if given.module else os.path.dirname(os.path.abspath(given.script))
    with patched(*given.library or ()):
        if given.module:
            runpy.run_module(given.script, run_name="__main__", alter_sys=True)
        else:
            runpy.run_path(given.script, run_name="__main__")


class _Callable(ModuleType):
    """The module, which whoever imports it finds in place of the function."""

    def __call__(self, *libraries: str) -> Any:
        return patched(*libraries)


if __name__ == "__main__":
    # The one that everybody else imports, not this copy of it.
    importlib.import_module("w2s_fast.patched").main()
else:
    sys.modules[__name__].__class__ = _Callable
