"""Arrays of every dtype, scale, shape and layout, against float64 or more."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tests import naive
from tests.accuracy import Extended, backward_error, rounding
from tests.matrices import spectrum
from w2s_fast import (
    CoMoments,
    Gram,
    MinNorm,
    Moments,
    Subspace,
    intrinsic_dimension,
    lstsq,
    min_norm,
    principal_angles,
    randomized_svd,
)

Array = npt.NDArray[Any]
INTEGERS = ("?", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8")
REALS = ("f4", "f8", ">f4", ">f8")
SIZES = (1, 2, 3, 5, 8, 13, 30, 64, 129)
ENOUGH = 64.0  # times what rounding may do


def size(rng: np.random.Generator, largest: int = max(SIZES)) -> int:
    return int(rng.choice([number for number in SIZES if number <= largest]))


def laid_out(rng: np.random.Generator, array: Array) -> Any:
    """The numbers of an array as any kind of array that a caller may hold."""
    kinds = dict(naive.layouts(array))
    if array.dtype != np.float64:
        del kinds["list"]  # of which NumPy makes another dtype
    return kinds[str(rng.choice([*kinds]))]


def scaled(rng: np.random.Generator, array: Array) -> tuple[Array, int]:
    """An array times a power of two that its dtype bears, where its squares need not exist; and the exponent."""
    widest = 100 if array.dtype.itemsize == 4 else 900
    exponent = int(rng.integers(-widest, widest)) if rng.random() < 0.4 else 0
    return np.ldexp(array, exponent).astype(array.dtype), exponent


def features(rng: np.random.Generator, largest: int) -> tuple[Array, Array]:
    """Features (m, n) of some dtype, and their singular values: far above all cut-offs, or exactly none."""
    m, n = size(rng, largest), size(rng, largest)
    rank = int(rng.integers(1, min(m, n) + 1)) if rng.random() < 0.3 else min(m, n)
    values = 10.0 ** -rng.uniform(0, rng.choice([0.0, 1.0, 3.0]), rank)
    dtype = str(rng.choice(REALS)) if rank == min(m, n) else "f8"  # rounded, it would be of a higher rank
    return spectrum(np.sort(values)[::-1], m, n, int(rng.integers(2**31))).astype(dtype), values


def labels(rng: np.random.Generator, m: int) -> Array:
    shape = (m,) if rng.random() < 0.5 else (m, int(rng.choice([0, 1, 3, 40])))
    return rng.standard_normal(shape).astype(str(rng.choice(["f4", "f8"])))


def least_squares(rng: np.random.Generator, _: Path) -> str:
    """min_norm, MinNorm and lstsq: the solution of a problem near the one given, and the shortest."""
    X, values = features(rng, 129 if rng.random() < 0.05 else 30)
    Y = labels(rng, len(X))
    X, exponent = scaled(rng, X)
    kind = int(rng.integers(3))
    given, wanted = laid_out(rng, X), laid_out(rng, Y)
    try:
        if kind == 2:
            W, _, rank, _ = lstsq(given, wanted)
        else:
            factor = MinNorm(given)
            rank = factor.rank
            W = factor.solve(wanted) if kind else min_norm(given, wanted)
    except ValueError as error:
        if not exponent:
            raise
        return f"refused for its scale: {' '.join(str(error).split()[:4])}"
    expected = len(values) if kind < 2 else np.linalg.lstsq(X.astype(X.dtype.newbyteorder("=")), Y)[2]
    assert rank == expected, f"rank {rank} of {expected}"
    if rank != len(values):
        return "lstsq, a rank of rounding as NumPy's"
    assert W.shape == X.shape[1:] + Y.shape[1:]
    dtype = np.result_type(X.dtype.newbyteorder("="), Y)
    assert W.dtype == dtype
    A = np.ldexp(X.astype(Extended), -exponent)
    columns = np.ldexp(W.astype(Extended), exponent).reshape(X.shape[1], -1)
    if not (np.isfinite(W).all() and (np.abs(W[W != 0]) > np.finfo(dtype).tiny / np.finfo(dtype).eps).all()):
        return "beyond the dtype"
    bound = ENOUGH * rounding(dtype, max(X.shape)) * values.max() / values.min()
    if columns.shape[1]:
        j = int(rng.integers(columns.shape[1]))  # one, as backward errors in extended precision take long
        column, y = columns[:, j], Y.astype(np.float64).reshape(len(X), -1)[:, j]
        assert backward_error(A, y, column) < bound, "no solution"
        beside = np.linalg.svd(A.astype(np.float64))[2][len(values) :] @ column.astype(np.float64)
        assert np.linalg.norm(beside) <= bound * np.linalg.norm(column.astype(np.float64)), "not the shortest"
    return ("min_norm", "MinNorm", "lstsq")[kind]


def streams(rng: np.random.Generator, _: Path) -> str:
    """Moments, CoMoments and Gram of rows in blocks, in parts that are merged, with offsets, against extended sums."""
    rows, columns = int(10 ** rng.uniform(0, 3.5)), int(rng.choice(SIZES[:8]))
    dtype = str(rng.choice([*REALS, *INTEGERS]))
    if dtype in INTEGERS:
        X = rng.integers(0, 2 if dtype == "?" else 100, (rows, columns)).astype(dtype)
    else:
        X = (rng.standard_normal((rows, columns)) + 10.0 ** rng.uniform(0, 6) * rng.integers(2)).astype(dtype)
    moments, comoments, gram = Moments(), CoMoments(), Gram()
    others = Moments(), CoMoments(), Gram()
    for place, block in enumerate(np.array_split(X, int(rng.integers(1, min(rows, 9) + 1)))):
        for sums in others if place % 2 else (moments, comoments, gram):
            sums.update(laid_out(rng, block))
    moments.merge(others[0])
    comoments.merge(others[1])
    gram.merge(others[2])
    exact = X.astype(Extended)
    mean = exact.mean(axis=0)
    centred = exact - mean
    eps = rounding(np.float64, rows)
    size_of_mean = np.abs(exact).mean(axis=0)
    assert moments.count == rows
    assert np.all(np.abs(moments.mean - mean) <= 4 * np.finfo(np.float64).eps * size_of_mean), "mean"
    spread = (centred**2).sum(axis=0)
    slack = eps * (spread + rows * np.finfo(np.float64).eps ** 2 * size_of_mean**2 + 1e-300)
    assert np.all(np.abs(moments.m2 - spread) <= ENOUGH * slack), "squares"
    if rows > 1:
        roots = np.sqrt(spread / (rows - 1)).astype(np.float64)
        bound = ENOUGH * (eps * np.outer(roots, roots) + 1e-300)
        offset = (np.finfo(np.float64).eps * size_of_mean).astype(np.float64)
        bound += ENOUGH * eps * np.outer(offset, offset)
        covariance = (centred.T @ centred / (rows - 1)).astype(np.float64)
        assert np.all(np.abs(comoments.covariance(ddof=1) - covariance) <= bound), "covariance"
    lengths = np.sqrt((exact**2).sum(axis=0)).astype(np.float64)
    single = np.float32 if X.dtype.itemsize == 4 and X.dtype.kind == "f" else np.float64
    bound = ENOUGH * rounding(single, rows) * np.outer(lengths, lengths)
    assert np.all(np.abs(gram.xtx - (exact.T @ exact).astype(np.float64)) <= bound), "products"
    return dtype


def subspaces(rng: np.random.Generator, _: Path) -> str:
    """Truncated SVD, intrinsic dimensions and principal angles, against whole decompositions."""
    X, values = features(rng, 129)
    X, exponent = scaled(rng, X)
    given = laid_out(rng, X)
    whole = np.ldexp(X.astype(np.float64), -exponent)
    k, eps = int(rng.integers(1, min(X.shape) + 1)), rounding(X.dtype.newbyteorder("="), max(X.shape))
    found = int(rng.integers(3))
    if found == 0:
        U, s, Vt = randomized_svd(given, k, n_iter=9, random_state=int(rng.integers(1000)))
        U, s, V = U.astype(np.float64), np.ldexp(s.astype(np.float64), -exponent), Vt.T.astype(np.float64)
        for basis in (U, V):
            assert np.abs(basis.T @ basis - np.eye(k)).max() < ENOUGH * eps, "not orthonormal"
        left = np.linalg.norm(whole - (U * s) @ V.T)
        least = math.sqrt(max(0.0, (np.sort(values)[::-1][k:] ** 2).sum()))
        assert left <= 1.01 * least + ENOUGH * eps * values.max() * math.sqrt(min(X.shape)), "not the nearest"
        return "randomized_svd"
    if found == 1:
        energy = float(rng.choice([0.5, 0.9, 0.99]))
        dimension = intrinsic_dimension(given, energy=energy)
        shares = np.cumsum(np.sort(values**2)[::-1]) / (values**2).sum()
        near = math.sqrt(eps)
        allowed = {int(np.searchsorted(shares, energy + shift)) + 1 for shift in (-near, 0.0, near)}
        assert min(allowed) <= dimension <= max(allowed), f"dimension {dimension}, not {sorted(allowed)}"
        return "intrinsic_dimension"
    other = spectrum(np.ones(min(X.shape[0], 4)), X.shape[0], min(X.shape[0], 4), int(rng.integers(1000)))
    angles = principal_angles(given, other)
    expected = naive.principal_angles(np.linalg.svd(whole)[0][:, : len(values)], other)
    bound = ENOUGH * eps * values.max() / values.min() + 1e-7  # as cosines tell small angles
    assert np.abs(np.sort(angles) - np.sort(expected)).max() < bound, "angles"
    return "principal_angles"


def poisoned(rng: np.random.Generator, _: Path) -> str:
    """NaN or infinity anywhere is refused by the name of the argument, by every function."""
    m, n = max(4, size(rng)), max(2, size(rng))
    X, y = rng.standard_normal((m, n)).astype(str(rng.choice(["f4", "f8"]))), rng.standard_normal(m)
    X[rng.integers(m), rng.integers(n)] = rng.choice([np.nan, np.inf, -np.inf])
    given = laid_out(rng, X)
    calls = {
        "min_norm": lambda: min_norm(given, y),
        "MinNorm": lambda: MinNorm(given),
        "lstsq": lambda: lstsq(given, y),
        "Moments": lambda: Moments().update(given),
        "CoMoments": lambda: CoMoments().update(given),
        "Gram": lambda: Gram().update(given),
        "randomized_svd": lambda: randomized_svd(given, 1),
        "Subspace": lambda: Subspace.fit(given, rank=1),
        "intrinsic_dimension": lambda: intrinsic_dimension(given, energy=0.9),
        "principal_angles": lambda: principal_angles(given, given),
    }
    name = str(rng.choice([*calls]))
    try:
        calls[name]()
    except ValueError as error:
        if "NaN" not in str(error):
            raise
        return f"{name}: refused"
    raise AssertionError(f"{name} took {X.dtype} ({m}, {n}) with NaN or infinity")


ATTACKS = {"least squares": least_squares, "streams": streams, "subspaces": subspaces, "poison": poisoned}
