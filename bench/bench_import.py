"""Importing the package against importing NumPy, each in fresh processes; the goal is a ratio of at most 1.5."""

from __future__ import annotations

import subprocess
import sys
from functools import partial

from bench import medians
from bench.workloads import SIZES, WORKLOADS


def run(statement: str) -> None:
    """Run one statement in a fresh interpreter, whose own start counts too."""
    subprocess.run([sys.executable, "-c", statement], check=True)


def import_medians(processes: int) -> tuple[float, float]:
    """Median seconds to import the package and NumPy, by turns."""
    ours, numpy = medians(partial(run, "import w2s_fast"), partial(run, "import numpy"), rounds=processes, seconds=0)
    return ours, numpy


class Statement:
    """The last one loads every public name, which the package otherwise puts off until first use."""

    params = (("import numpy", "import w2s_fast", "from w2s_fast import *"),)
    param_names = ("statement",)

    def setup(self, statement: str) -> None:
        try:
            run(statement)  # byte code is written the first time
        except subprocess.CalledProcessError as error:
            raise NotImplementedError(f"{statement!r} fails on this commit") from error

    def time_fresh_process(self, statement: str) -> None:
        run(statement)


class Ratio:
    params = (SIZES,)
    param_names = ("size",)
    unit = "times import numpy"

    def setup(self, size: str) -> None:
        import_medians(processes=1)

    def track_ratio_to_numpy(self, size: str) -> float:
        ours, numpy = import_medians(WORKLOADS[size].processes)
        return ours / numpy


if __name__ == "__main__":
    import_medians(processes=1)
    ours, numpy = import_medians(WORKLOADS["real"].processes)
    print(f"import w2s_fast  {1e3 * ours:6.1f} ms")
    print(f"import numpy     {1e3 * numpy:6.1f} ms")
    print(f"ratio            {ours / numpy:6.2f}")
