"""Importing the package, and first calls in fresh processes, with and without a cache of compiled code."""

from __future__ import annotations

import subprocess
import sys
from functools import partial

from bench import medians
from bench.first_calls import CALLS, PRELUDE

COLD = "import os, tempfile\ncache = tempfile.TemporaryDirectory()\nos.environ['NUMBA_CACHE_DIR'] = cache.name\n"
IMPORTS = ("import numpy", "import w2s_fast", "from w2s_fast import *")  # the last one loads every public name
SHOWN = ("Moments", "min_norm", "randomized_svd", "simulate", "probe")


def run(statement: str) -> None:
    """Run a statement in a fresh interpreter, whose own start counts too."""
    try:
        subprocess.run([sys.executable, "-c", statement], check=True, stderr=subprocess.PIPE)
    except subprocess.CalledProcessError as error:
        raise NotImplementedError(f"{statement!r} fails on this commit: {error.stderr.decode()}") from error


def at_module_level(code: str) -> str:
    """A statement that runs the code: timeit puts it into a function, where ``import *`` may not stand.

    It is of one line and has no escapes, which asv would resolve too early.
    """
    line = "; ".join(filter(None, code.splitlines()))
    return f"exec({line!r}, {{}})"


class Import:
    params = (IMPORTS,)
    param_names = ("statement",)

    def setup(self, statement: str) -> None:
        run(statement)  # byte code is written the first time

    def timeraw_import(self, statement: str) -> str:
        return at_module_level(statement)


class Ratio:
    unit = "times import numpy"

    def track_ratio_to_numpy(self) -> float:
        calls = [partial(run, statement) for statement in IMPORTS[1::-1]]
        ours, numpy = medians(*calls, rounds=7, seconds=0)
        return ours / numpy


class FirstCall:
    params = (("cold", "warm"), SHOWN)
    param_names = ("cache", "function")
    rounds, repeat, number = 1, 2, 1

    def setup(self, _: str, function: str) -> None:
        run(PRELUDE + CALLS[function])

    def timeraw_call(self, cache: str, function: str) -> str:
        return at_module_level((COLD if cache == "cold" else "") + PRELUDE + CALLS[function])
