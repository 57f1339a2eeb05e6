"""Time against the number of rows, and one thread against two: ``python -m bench.scaling``, some five minutes.

Every call here has operations in proportion to its rows, since columns are fixed: from 10^3 rows to 10^6 its time a row
is to fall, or to stay. It may rise once, where rows no longer fit the cache, for calls that do little with each number.
Two threads are to take 1/1.8 of the time of one, where that is 10 ms or more. Writes ``results/scaling.json`` and
``results/scaling.png``; ``--quick`` tells at tiny sizes that everything works.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from bench import medians
from bench.peers.floors import bandwidth
from bench.peers.measure import commit, cpu
from bench.workloads import Floats, classes, decaying, gaussian
from w2s_fast import (
    CoMoments,
    GaussianModel,
    Gram,
    Moments,
    Subspace,
    lstsq,
    min_norm,
    probe,
    randomized_svd,
    simulate,
)
from w2s_fast.linalg.logistic import fit_softmax

Call = Callable[[], object]
RESULTS = Path(__file__).parent / "results"
ROWS, QUICK_ROWS = (10**3, 10**4, 10**5, 10**6), (300, 600)
COLUMNS, QUICK_COLUMNS = (64, 256), (10, 20)  # narrow, whose sums cost about what reading costs, and wide
THREADS = (1, 2)
WORTH_THREADS = 0.01  # seconds


def calls(rows: int, columns: tuple[int, int]) -> dict[str, Call]:
    """What is timed, on so many rows, pseudo-labels or trials."""
    narrow, wide = (decaying((rows, width), "float32") for width in columns)
    y = np.asarray(narrow[:, :5].sum(axis=1) + 0.1 * gaussian((rows,), seed=1), np.float32)
    X, label = classes((rows, columns[0]), 3)
    targets, model = np.eye(3)[label], GaussianModel.paper()
    return {
        "Moments.update": lambda: Moments().update(narrow),
        "CoMoments.update": lambda: CoMoments().update(narrow[:, :8]),
        "Gram.update": lambda: Gram().update(narrow, y),
        "Gram.update, wide": lambda: Gram().update(wide),
        "min_norm": lambda: min_norm(narrow, y),
        "lstsq": lambda: lstsq(narrow, y),
        "Subspace.fit": lambda: Subspace.fit(wide, rank=10),
        "randomized_svd": lambda: randomized_svd(wide, 10, random_state=0),
        "softmax fit, 3 classes": lambda: fit_softmax(X, targets, penalty=1.0, tolerance=1e-6),
        "probe, two trials": partial(two_trials, wide[:, : columns[0]], narrow, y),
        "simulate, trials": lambda: simulate(model, 2_000, 4_000, trials=rows),
    }


def two_trials(weak: Floats, strong: Floats, y: Floats) -> object:
    """A tenth of the rows has labels, a fifth is for tests, all others get pseudo-labels."""
    rows = len(y)
    return probe(weak, strong, y, n=rows // 10, N=rows * 7 // 10, trials=2, test=rows // 5)


@contextmanager
def threads(count: int) -> Iterator[None]:
    before = os.environ.get("W2S_FAST_NUM_THREADS")
    os.environ["W2S_FAST_NUM_THREADS"] = str(count)
    try:
        yield
    finally:
        os.environ.pop("W2S_FAST_NUM_THREADS")
        if before is not None:
            os.environ["W2S_FAST_NUM_THREADS"] = before


def on(count: int, call: Call) -> None:
    with threads(count):
        call()


def measured(all_rows: tuple[int, ...], columns: tuple[int, int], **how: float) -> list[dict[str, Any]]:
    """Median seconds of each call, at each number of rows and of threads."""
    found = []
    for rows in all_rows:
        for name, call in calls(rows, columns).items():
            call()  # compiles
            on_each = medians(*(partial(on, count, call) for count in THREADS), rounds=3, **how)
            found.append({"call": name, "rows": rows, "seconds": on_each})
            print(told(found[-1]), flush=True)
    return found


def told(row: dict[str, Any]) -> str:
    one, two = row["seconds"]
    a_row = f"{1e9 * two / row['rows']:,.0f} ns a row"
    return f"{row['call']}, {row['rows']:,}: {1e3 * one:,.2f} ms, {one / two:.2f} as fast on two threads, {a_row}"


def draw(found: list[dict[str, Any]], path: Path) -> None:
    from matplotlib import colormaps
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    colours = colormaps["tab20"].colors[::2] + colormaps["tab20"].colors[1::2]
    names = dict.fromkeys(row["call"] for row in found)
    for name, marker, colour in zip(names, "osD^vP*X<>h", colours, strict=False):
        mine = [row for row in found if row["call"] == name]
        style = {"marker": marker, "color": colour}
        a_row = [1e9 * row["seconds"][1] / row["rows"] for row in mine]
        left.plot([row["rows"] for row in mine], a_row, label=name, **style)
        slow = [row for row in mine if row["seconds"][0] >= WORTH_THREADS]
        right.plot([row["rows"] for row in slow], [row["seconds"][0] / row["seconds"][1] for row in slow], **style)
    left.set(xscale="log", yscale="log", xlabel="rows, or trials", ylabel="ns a row, two threads")
    right.set(xscale="log", xlabel="rows, or trials", ylabel="times as fast as one thread, from 10 ms", ylim=(0.9, 2.1))
    for axis in (left, right):
        axis.grid(linewidth=0.3)
    figure.legend(loc="outside right upper", fontsize=8, frameon=False)
    figure.savefig(path, dpi=110, metadata={"Software": None})


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--out", type=Path, default=RESULTS)
    given = parser.parse_args(arguments)
    memory = {f"bandwidth, {count} threads": _bandwidth(count, given.quick) for count in THREADS}
    if given.quick:
        found = measured(QUICK_ROWS, QUICK_COLUMNS, seconds=0.0)
    else:
        found = measured(ROWS, COLUMNS, seconds=0.5, pause=0.1)
    record = {"commit": commit(), "cpu": cpu(), "memory": memory, "rows": found}
    (given.out / "scaling.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    draw(found, given.out / "scaling.png")


def _bandwidth(count: int, quick: bool) -> float:
    from threadpoolctl import threadpool_limits

    with threadpool_limits(count):
        return bandwidth(10**5 if quick else 3 * 10**7)


if __name__ == "__main__":
    main()
