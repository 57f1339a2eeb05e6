"""Sketches of gradients beside memory bandwidth, TRAK's projection and torch's: ``python -m bench.gradients``.

The same gradients, of a multilayer perceptron's output at random rows, go through each in a process of its own, which
tells the time, how much its peak of memory grew, and the root mean square error of inner products relative to norms,
about 1/sqrt(k) for all. Needs PyTorch, and ``traker`` (pip install --no-deps traker, and tqdm) for TRAK's
BasicProjector, which is what it has for the CPU; without, the same is written out: a dense matrix of signs, made anew
from its seed 100 columns at a time. Bandwidth is that of reading (BLAS's dot product with itself, on the same threads)
and of copying (both ways counted), by turns with the sketch, of which medians are taken.

``--model base`` takes a BERT-base of transformers with random weights instead, 110 million parameters, and as many rows
of 32 random tokens: the gradients alone and with their sketches, one at a time, and the dimension of finetuning.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
from collections.abc import Callable
from time import perf_counter
from typing import Any

import numpy as np
import numpy.typing as npt

from bench import medians
from w2s_fast._threads import ordered_map
from w2s_fast.features import gradient_features, sketched_dimension
from w2s_fast.features.borrowing import evaluating
from w2s_fast.features.parameters import Parameters
from w2s_fast.features.per_example import PerExample
from w2s_fast.features.sketching import Sketch, SketchedRows

INPUTS = 256
TOKENS = 32  # of a row, for BERT
ROWS_TIMED = 8  # of them, by turns
ENERGY = 0.9  # that the dimension holds
TRAK_COLUMNS = 100  # that its projector makes at a time
DENSE_COLUMNS = 256  # of the other dense matrices, which as a whole may not fit
WAYS = ("sketch", "trak", "rademacher", "gaussian", "gradients")
Floats = npt.NDArray[np.float32]


def model_of(parameters: int) -> Any:
    """Three layers with about so many parameters in all."""
    import torch

    torch.manual_seed(0)
    width = max(1, round((((INPUTS + 3) ** 2 + 4 * parameters) ** 0.5 - INPUTS - 3) / 2))
    layers = torch.nn.Linear(INPUTS, width), torch.nn.Tanh(), torch.nn.Linear(width, width), torch.nn.Tanh()
    return torch.nn.Sequential(*layers, torch.nn.Linear(width, 1)), torch.randn(64, INPUTS)


def gradients_of(parameters: int, rows: int) -> Floats:
    model, inputs = model_of(parameters)
    found: Floats = gradient_features(model, inputs[:rows], k=None, batch=1).numpy()
    return found


def read(G: Floats) -> None:
    parts = np.array_split(G.reshape(-1), 16)
    sum(ordered_map(lambda part: float(np.dot(part, part)), parts))


def copy(G: Floats, to: Floats) -> None:
    pairs = zip(np.array_split(G.reshape(-1), 16), np.array_split(to.reshape(-1), 16), strict=True)
    list(ordered_map(lambda pair: np.copyto(pair[1], pair[0]), pairs))


def sketched(G: Floats, k: int) -> Any:
    rows = SketchedRows(Sketch.of(k, 0), len(G), G.dtype)
    rows.add(G, 0)
    return rows.columns()


def by_trak(G: Floats, k: int) -> Any:
    import torch

    try:
        from trak.projectors import BasicProjector, ProjectionType
    except ImportError:
        return by_blocks(G, k, "rademacher", TRAK_COLUMNS)
    projector = BasicProjector(G.shape[1], k, 0, ProjectionType.rademacher, torch.device("cpu"))
    return projector.project(torch.from_numpy(G), 0).numpy() / k**0.5


def by_blocks(G: Floats, k: int, kind: str, columns: int) -> Any:
    """A dense matrix of so many columns at a time, which torch draws and multiplies by."""
    import torch

    generator, rows, found = torch.Generator().manual_seed(0), torch.from_numpy(G), []
    for left in range(0, k, columns):
        P = torch.empty(G.shape[1], min(columns, k - left))
        P = (
            P.normal_(generator=generator)
            if kind == "normal"
            else P.bernoulli_(0.5, generator=generator).mul_(2).sub_(1)
        )
        found.append(rows @ P)
    return torch.cat(found, dim=1).numpy() / k**0.5


def peak_bytes() -> int:
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def relative_error(G: Floats, found: Any) -> float:
    exact, norms = G @ G.T, np.linalg.norm(G, axis=1)
    return float(np.sqrt(np.mean(((found @ found.T - exact) / np.outer(norms, norms)) ** 2)))


def measured(way: str, parameters: int, rows: int, k: int, rounds: int) -> dict[str, float]:
    """Time, memory and error of one way, in this process."""
    if way == "gradients":
        return of_gradients(parameters, rows, k, rounds)
    G = gradients_of(parameters, rows)
    if way == "sketch":
        sketched(G[:1], k)
    before = peak_bytes()
    how: dict[str, Callable[[], Any]] = {
        "sketch": lambda: sketched(G, k),
        "trak": lambda: by_trak(G, k),
        "rademacher": lambda: by_blocks(G, k, "rademacher", DENSE_COLUMNS),
        "gaussian": lambda: by_blocks(G, k, "normal", DENSE_COLUMNS),
    }
    start = perf_counter()
    found = how[way]()
    told = {"seconds": perf_counter() - start, "peak_bytes": peak_bytes() - before, "error": relative_error(G, found)}
    if way == "sketch":
        other = np.empty_like(G)
        copy(G, other)  # which maps its pages
        own, reading, copying = medians(how[way], lambda: read(G), lambda: copy(G, other), rounds=rounds, seconds=0)
        told |= {"seconds": own, "read_GBps": G.nbytes / reading / 1e9, "copy_GBps": 2 * G.nbytes / copying / 1e9}
        told |= {"share_of_read": reading / own, "share_of_copy": copying / 2 / own}
    if way == "trak":
        told["is_traker"] = float("trak.projectors" in sys.modules)
    return told | {"GBps": G.nbytes / told["seconds"] / 1e9, "gradient_bytes": G.nbytes}


def of_gradients(parameters: int, rows: int, k: int, rounds: int) -> dict[str, float]:
    """Gradients by themselves, and with their sketches."""
    model, inputs = model_of(parameters)
    inputs = inputs[:rows]
    chosen = Parameters.of(model, None)
    alone = PerExample(model, chosen, inputs, None, None)
    step = min(rows, 8)
    before = peak_bytes()
    cuts = [slice(start, min(start + step, rows)) for start in range(0, rows, step)]
    features, gradients = medians(
        lambda: gradient_features(model, inputs, k=k, batch=step),
        lambda: [alone.gradients(cut, slice(0, 1)) for cut in cuts],
        rounds=rounds,
        seconds=0,
    )
    told = {"seconds": features, "seconds_without_sketch": gradients, "peak_bytes": peak_bytes() - before}
    return told | {"gradient_bytes": 4 * chosen.size * rows}


def of_base(rows: int, k: int, rounds: int) -> dict[str, Any]:
    """Time and memory of a gradient of BERT-base with its sketch and without, and the dimension from two sketches."""
    import torch
    from transformers import BertConfig, BertForSequenceClassification

    torch.manual_seed(0)
    model = BertForSequenceClassification(BertConfig(num_labels=1))
    tokens = torch.randint(1_000, 30_000, (rows, TOKENS))
    chosen = Parameters.of(model, None)
    alone, before = PerExample(model, chosen, tokens, None, None), peak_bytes()
    with evaluating(model):
        whole, gradient = medians(
            lambda: gradient_features(model, tokens[:ROWS_TIMED], k=k),
            lambda: [alone.gradients(slice(row, row + 1), slice(0, 1)).clear() for row in range(ROWS_TIMED)],
            rounds=rounds,
            seconds=0,
        )
    start = perf_counter()
    sketches = [gradient_features(model, tokens, k=k, random_state=seed).numpy() for seed in (1, 2)]
    told = {"parameters": chosen.size, "seconds_a_row": whole / ROWS_TIMED, "without_sketch": gradient / ROWS_TIMED}
    told |= {"seconds": perf_counter() - start, "peak_bytes": peak_bytes(), "peak_bytes_of_model": before}
    centred = [rows - rows.mean(axis=0) for rows in sketches]
    named = {
        "dimension": sketched_dimension(*sketches, energy=ENERGY),
        "centred": sketched_dimension(*centred, energy=ENERGY),
    }
    return told | {name: {**found._asdict(), "extrapolated": found.extrapolated} for name, found in named.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--parameters", type=int, default=4_000_000)
    parser.add_argument("--rows", type=int, default=32)
    parser.add_argument("--columns", type=int, default=1_024)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--way", choices=WAYS, help="one alone, in this process, as JSON")
    parser.add_argument("--model", choices=("perceptron", "base"), default="perceptron", help="base: BERT-base alone")
    options = parser.parse_args()
    if options.model == "base":
        print(json.dumps(of_base(options.rows, options.columns, options.rounds)))
        return
    sizes = [str(value) for value in (options.parameters, options.rows, options.columns, options.rounds)]
    if options.way:
        print(json.dumps(measured(options.way, *map(int, sizes))))
        return
    flags = [
        word for pair in zip(("--parameters", "--rows", "--columns", "--rounds"), sizes, strict=True) for word in pair
    ]
    for way in WAYS:
        command = [sys.executable, "-m", "bench.gradients", *flags, "--way", way]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:  # a dense matrix may not fit
            print(f"{way}: {(done.stderr.strip().splitlines() or [f'status {done.returncode}'])[-1]}")
            continue
        told = json.loads(done.stdout)
        print(f"{way}: " + ", ".join(f"{name} {value:.4g}" for name, value in told.items()), flush=True)


if __name__ == "__main__":
    main()
