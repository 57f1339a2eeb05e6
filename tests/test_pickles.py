"""What a map runs can be sent to another process: it pickles plainly, and gives the same bits when it comes back."""

import pickle
import sys
import tempfile

import numpy as np
import pytest

import w2s_fast.cli
import w2s_fast.linalg.spectral.randomized
import w2s_fast.study.study  # noqa: F401  names that maps are run by
from tests.pools import Here as Pool
from w2s_fast import (
    GaussianModel,
    Gram,
    MinNorm,
    Moments,
    Subspace,
    _workers,
    lstsq,
    min_norm,
    probe,
    randomized_svd,
    simulate,
)
from w2s_fast._threads import ordered_map, single_threaded_blas
from w2s_fast.features import sketch_rows
from w2s_fast.linalg.rows.base import Rows
from w2s_fast.linalg.rows.products import gram, gram_times, misfit, residual_moment, times
from w2s_fast.linalg.rows.sources import rows_of

MODEL = GaussianModel.paper(d_weak=4, d_strong=3, d_shared=1, d_target=5, ambient=20)


def normal(*shape):
    return np.random.default_rng(0).standard_normal(shape)


LONG, WIDE = normal(30_000, 40), normal(700, 2_100)
NEARLY = LONG @ np.eye(40)[:, [0, 0, *range(2, 40)]] + 1e-9 * LONG  # of a condition of 1e9
STACK, SMALL_STACK, LARGE_STACK = normal(12, 100, 80), normal(4_000, 12, 5), normal(3, 300, 200)


def of_file():
    with tempfile.TemporaryDirectory() as folder:
        np.save(f"{folder}/X.npy", LONG)
        return Gram().update(f"{folder}/X.npy", LONG[:, 0], workers=Pool()).xty


CALLS = {
    "trials of the Gaussian model": lambda: [
        simulate(MODEL, 9, [8, 40], trials=5, method=method).w2s for method in ("direct", "wishart", "invariants")
    ],
    "trials of features": lambda: probe(LONG[:200, :3], LONG[:200, 3:9], LONG[:200, 9], n=20, N=50, trials=4).w2s,
    "X'X": lambda: [gram(LONG), gram(WIDE, np.float32), gram(rows_of(LONG, "X")), Gram().update(LONG, LONG[:, 0]).xty],
    "X V": lambda: [times(LONG, WIDE[:40, :30]), times(rows_of(LONG, "X"), WIDE[:40, :30])],
    "X'(X V)": lambda: [gram_times(X, WIDE[:40, :30]) for X in (LONG, rows_of(LONG, "X"))],
    "residuals": lambda: [work(LONG, WIDE[:40, :3], LONG[:, :3]) for work in (residual_moment, misfit)],
    "moments": lambda: Moments().update(normal(60_000, 80)).m2,
    "stacks": lambda: [min_norm(STACK, STACK[..., 0]), min_norm(SMALL_STACK, SMALL_STACK[..., 0])],
    "stacks with intercepts": lambda: min_norm(SMALL_STACK[:9], SMALL_STACK[:9, :, 0], intercept=True)[0],
    "singular stacks": lambda: min_norm(SMALL_STACK[..., [0, 1, 1]], SMALL_STACK[..., 0]),
    "lstsq": lambda: [*lstsq(LARGE_STACK, LARGE_STACK[..., :2])[:2], lstsq(LONG, LONG[:, 0])[0]],
    "lstsq of small stacks": lambda: lstsq(SMALL_STACK, SMALL_STACK[..., 0])[0],
    "QR": lambda: [MinNorm(NEARLY).solve(LONG[:, 0]), lstsq(NEARLY, LONG[:, 0])[0]],
    "wide QR": lambda: [MinNorm(NEARLY.T).solve(LONG[0]), lstsq(NEARLY.T, LONG[0])[0]],
    "SVD": lambda: [*randomized_svd(LONG, 39, random_state=0), *randomized_svd(WIDE, 5, random_state=0)],
    "SVD at another scale": lambda: randomized_svd(np.ldexp(LONG, 900), 5, random_state=0),
    "files": of_file,
    "sketches": lambda: sketch_rows(WIDE, 64),
    "subspaces": lambda: [Subspace.fit(X, rank=3).eigenvalues for X in (WIDE, list(np.split(LONG, 6)))],
}


APART = {
    "w2s_fast._threads",
    "w2s_fast._workers",
    "w2s_fast.features.batches",
}  # the last runs networks of the caller's


def mapping_modules():
    modules = [module for name, module in sorted(sys.modules.items()) if name.startswith("w2s_fast.")]
    maps = ordered_map, _workers.ordered_map
    return [module for module in modules if getattr(module, "ordered_map", None) in maps]


def arrays(found):
    return [np.asarray(part) for part in (found if isinstance(found, list | tuple) else [found])]


def send(monkeypatch):
    """Send all that maps run through a pickle, and tell which modules did so."""
    senders = set()
    for module in mapping_modules():

        def mapped(function, items, workers=None, needed=None, who=module.__name__):
            senders.add(who)
            threads = workers if isinstance(workers, int | None) else None
            return ordered_map(pickle.loads(pickle.dumps(function)), items, threads)

        monkeypatch.setattr(module, "ordered_map", mapped)
    return senders


def test_what_is_run_is_sent_and_comes_back(monkeypatch):
    expected = {name: arrays(call()) for name, call in CALLS.items()}  # which imports all that maps
    modules = {module.__name__ for module in mapping_modules()} - APART
    senders = send(monkeypatch)
    for name, call in CALLS.items():
        found = arrays(call())
        assert all(np.array_equal(mine, theirs) for mine, theirs in zip(found, expected[name], strict=True)), name
    assert senders == modules


def test_the_test_above_can_fail(monkeypatch):
    class Elsewhere(Rows):
        shape = 6, 2

        def read(self, step):
            yield np.ones((6, 2))

        def map(self, function, items):
            return map(pickle.loads(pickle.dumps(lambda: function)), items)

    with pytest.raises((AttributeError, pickle.PicklingError)):
        gram(Elsewhere())


def test_rows_elsewhere_run_what_they_are_sent():
    class Elsewhere(Rows):
        """Rows whose blocks and products are worked on by another process."""

        shape = LONG.shape

        def read(self, step):
            return (LONG[top : top + step] for top in range(0, len(LONG), step))

        def map(self, function, items):
            with single_threaded_blas():
                yield from (pickle.loads(pickle.dumps(function))(pickle.loads(pickle.dumps(item))) for item in items)

    assert np.array_equal(gram(Elsewhere()), gram(rows_of(LONG, "X")))
    assert np.array_equal(times(Elsewhere(), WIDE[:40]), times(rows_of(LONG, "X"), WIDE[:40]))
    assert np.array_equal(Subspace.fit(Elsewhere(), rank=3).basis, Subspace.fit(rows_of(LONG, "X"), rank=3).basis)
