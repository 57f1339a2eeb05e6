"""Least squares is as accurate as LAPACK's gelsd, family by family and whatever route is taken."""

import json
import math
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import scipy.linalg

from tests import accuracy
from tests.matrices import random
from w2s_fast import MinNorm, lstsq, min_norm
from w2s_fast.linalg.leastsq import by_gram, by_qr, by_stack
from w2s_fast.linalg.leastsq.cholesky import factor_gram
from w2s_fast.linalg.leastsq.gram_factor import GramFactor
from w2s_fast.linalg.leastsq.policy import arithmetic
from w2s_fast.linalg.leastsq.spanned import SpannedFactor

FACTOR = 10.0  # of gelsd's backward error
ROUNDING = 0.5  # of eps: no one needs to do better than this, though gelsd may by luck
SAME_NORM = 1e-8
DIGITS_OF_LUCK, ORDERS = 0.5, 31
CLEARANCE = 3.0  # singular values this near to the cut-off may fall on either side: no solution is the one
SMALL = [(40, 20), (20, 40), (20, 20), (21, 20), (20, 21)]
MIDDLE = [(400, 120), (120, 400)]
LARGE = [(1400, 410), (410, 1400)]
LONG = [(9000, 60), (60, 9000)]


def with_spectrum(values, m, n, seed=0):
    """A matrix (m, n) with these singular values, those near the cut-off moved away from it."""
    values = np.asarray(values, np.float64)
    low, high = (eps * values.max() for eps in (arithmetic((m, n)), np.finfo(np.float64).eps * max(m, n)))
    values = np.where((values > low / 10) & (values < 30 * high), 30 * high, values)
    left, right = (np.linalg.qr(random(size, len(values), seed=seed + size))[0] for size in (m, n))
    return (left * values) @ right.T


def labels_for(A, seed=3):
    """Three columns: in the range of A, near it, and far from it."""
    A64 = A.astype(np.float64)
    noise = random(len(A), seed=seed)
    size = np.abs(A64).sum(axis=1)  # of a row: rows of unlike scales have labels of unlike scales
    fitted = A64 @ random(A.shape[1], seed=seed + 1)
    return np.column_stack((fitted, fitted + 1e-5 * size * noise, size * noise)).astype(A.dtype)


def polynomial(condition, k):
    return np.linspace(1.0, condition**-0.5, k) ** 2


def exponential(condition, k):
    return condition ** -np.linspace(0.0, 1.0, k)


def step(condition, k):
    return np.where(np.arange(k) < k // 2, 1.0, 1.0 / condition)


def kahan(n, angle=1.2):
    c, s = math.cos(angle), math.sin(angle)
    return s ** np.arange(n)[:, None] * (np.eye(n) - c * np.triu(np.ones((n, n)), 1))


def lauchli(n, delta):
    return np.vstack((np.ones(n), delta * np.eye(n)))


def hilbert(m, n):
    return 1.0 / (1.0 + np.arange(m)[:, None] + np.arange(n))


def repeated(m, n):
    """Features of full rank but for duplicated and zero rows and columns."""
    A = random(m, n)
    A[:, 3], A[:, 5], A[4], A[7] = A[:, 8], 0.0, A[9], 0.0
    return A


def scaled_rows(m, n, exponents, seed=5):
    scales = np.resize(10.0 ** np.asarray(exponents), m)
    return np.random.default_rng(seed).permutation(scales)[:, None] * random(m, n)


SPECTRA = (polynomial, exponential, step)


def families(cases):
    return pytest.mark.parametrize("A", [pytest.param(A, id=name) for name, A in cases.items()])


def notorious():
    """Matrices of Kahan, Läuchli, Hilbert and Vandermonde, tall and wide."""
    matrices = {f"kahan-{n}": kahan(n) for n in (10, 25, 60)}
    matrices |= {f"lauchli-{delta:.0e}": lauchli(12, delta) for delta in (1e-1, 1e-3, 1e-5, 1e-7, 1e-9, 1e-12, 1e-16)}
    matrices |= {f"hilbert-{m}x{n}": hilbert(m, n) for m, n in ((5, 5), (8, 8), (15, 8), (30, 9))}
    matrices |= {f"vandermonde-{n}": np.vander(np.linspace(0.0, 1.0, 40), n) for n in (4, 8, 10)}
    matrices |= {f"vandermonde-{n}-symmetric": np.vander(np.linspace(-1.0, 1.0, 60), n) for n in (12, 24)}
    return matrices | {f"{name}-transposed": A.T for name, A in matrices.items()}


def product(m, n):
    """Features of half the rank that they could have."""
    k = min(m, n) // 2
    return random(m, k) @ random(k, n, seed=2)


def conditioned(condition):
    def matrix(m, n):
        return with_spectrum(exponential(condition, min(m, n)), m, n)

    matrix.__name__ = f"condition {condition:.0e}"
    return matrix


def deficient(shapes):
    return {f"{matrix.__name__}-{m}x{n}": matrix(m, n) for m, n in shapes for matrix in (repeated, product)}


def unlike_rows():
    shapes = ((20, 8), (8, 20), (30, 12))
    exponents = {"1e150": [150], "1e-150": [-150], "1e+-150": [150, -150, 0], "1e+-6": [-6, 0, 6]}
    return {f"{m}x{n}-{name}": scaled_rows(m, n, powers) for m, n in shapes for name, powers in exponents.items()}


def cutoff(A):
    """Relative to the largest singular value: of float64 ours, of float32 what LAPACK's arithmetic in it leaves."""
    return arithmetic(A.shape) if A.dtype == np.float64 else float(np.finfo(A.dtype).eps) * max(A.shape)


def gelsd(A, b):
    """Solution, rank and singular values by LAPACK's gelsd, where it is certain which values are cut."""
    x, _, rank, s = scipy.linalg.lstsq(A, b, cond=cutoff(A), lapack_driver="gelsd")
    with np.errstate(divide="ignore"):
        assert np.all(np.abs(np.log(s / (cutoff(A) * s[0]))) > math.log(CLEARANCE)), "no rank is the one: choose anew"
    return x, int(rank), s


SOLVERS = {
    "min_norm": min_norm,
    "lstsq": lambda A, b: lstsq(A, b, cutoff(A))[0],
    "MinNorm": lambda A, b: MinNorm(A).solve(b),
}


def assert_no_worse_than_gelsd(A, b=None):
    b = labels_for(A) if b is None else b
    theirs, rank, s = gelsd(A, b)
    svd = np.linalg.svd(A.astype(np.float64), full_matrices=False)
    solutions = {name: solve(A, b) for name, solve in SOLVERS.items()}
    for column, (peer, labels) in enumerate(zip(theirs.T, b.T, strict=True)):
        allowed = allowed_error(accuracy.backward_error(A, labels, peer, svd), A.dtype)
        for name, ours in solutions.items():
            mine, what = ours[:, column], f"{name}, column {column}"
            assert mine.dtype == A.dtype
            assert accuracy.backward_error(A, labels, mine, svd) <= allowed, what
            assert_same_norm(A, labels, mine, peer, rank, s, what)
            if rank == len(A) < A.shape[1]:
                assert_consistent(A, labels, mine, peer, what)
            if rank < A.shape[1]:
                rounding = accuracy.rounding(A.dtype, max(A.shape)) * s[0] / s[rank - 1]
                assert_in_row_space(svd[2][:rank], mine, peer, rounding, what)


def allowed_error(theirs, dtype):
    return FACTOR * max(theirs, ROUNDING * np.finfo(dtype).eps)


def assert_consistent(A, b, mine, peer, what):
    """Wide problems of full rank leave nothing but rounding."""
    allowed = allowed_error(accuracy.residual_size(A, b, peer), A.dtype)
    assert accuracy.residual_size(A, b, mine) <= allowed, what


def assert_same_norm(A, b, mine, peer, rank, s, what):
    """To 1e-8, or to what rounding of A alone does to the solution where that is more."""
    eps = float(np.finfo(A.dtype).eps)
    peer = peer.astype(accuracy.Extended)
    length, misfit = (np.linalg.norm(array) for array in (peer, b - A @ peer))
    change = abs(np.linalg.norm(mine.astype(accuracy.Extended)) / length - 1)
    assert change <= SAME_NORM + FACTOR * eps * accuracy.sensitivity(s, rank, misfit, length), what


def assert_in_row_space(rows, mine, peer, rounding, what):
    """What sticks out of the span of the rows, as far as decompositions tell these, makes a solution too long."""
    outside = [np.linalg.norm(x - rows.T @ (rows @ x)) / np.linalg.norm(x) for x in (mine, peer)]
    assert outside[0] <= max(FACTOR * outside[1], rounding), what


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("shape", SMALL + MIDDLE, ids=str)
def test_gaussian(shape, dtype):
    assert_no_worse_than_gelsd(random(*shape).astype(dtype))


@pytest.mark.parametrize("shape", SMALL, ids=str)
@pytest.mark.parametrize("decades", range(17))
@pytest.mark.parametrize("spectrum", SPECTRA)
def test_any_spectrum_and_condition(spectrum, decades, shape):
    assert_no_worse_than_gelsd(with_spectrum(spectrum(10.0**decades, min(shape)), *shape))


@families(notorious())
def test_notorious_matrices(A):
    assert_no_worse_than_gelsd(A)


@pytest.mark.parametrize("shape", [*SMALL, *MIDDLE, LONG[0]], ids=str)
@pytest.mark.parametrize("decades", [3, 4, 5, 6])
def test_labels_far_from_the_columns_leave_the_route_as_it_is(shape, decades):
    """Corrections then end at what rounding makes of them, which is no failure."""
    A = conditioned(10.0**decades)(*shape)
    b = labels_for(A) + 1e3 * random(len(A), 1, seed=9)
    factor = MinNorm(A)
    factor.solve(b)
    assert factor.route == "gram"
    assert_no_worse_than_gelsd(A, b)


@pytest.mark.parametrize("scale", [1e-8, 1e-12, 1e4])
@pytest.mark.parametrize("noise", [0.0, 1.0])
@pytest.mark.parametrize("transposed", [False, True])
def test_a_column_of_other_units_hides_no_digits_of_the_others(scale, noise, transposed):
    """Its weight may be 1e8 times as large as theirs."""
    A = np.hstack((conditioned(1e6)(1000, 19), random(1000, 1, seed=7)))
    A[:, -1:] -= A[:, :-1] @ np.linalg.lstsq(A[:, :-1], A[:, -1:], rcond=None)[0]
    A[:, -1] *= scale
    if transposed:
        A = np.ascontiguousarray(A.T)
    truth = np.ones((A.shape[1], 1)) if transposed else np.vstack((np.ones((19, 1)), [[1.0 / scale]]))
    b = A @ truth + noise * random(len(A), 1, seed=8) * (0.0 if transposed else 1.0)
    factor = MinNorm(A, rcond=1e-15)
    mine, peer = factor.solve(b), np.linalg.lstsq(A, b, rcond=1e-16)[0]
    assert factor.route == "gram"
    if transposed:
        misfits = [np.abs((A @ x - b) / np.abs(b)).max() for x in (mine, peer)]
        assert misfits[0] <= 10 * misfits[1] + 1e-12
    else:
        exact = peer if noise else truth
        allowed = 1e3 * np.finfo(float).eps * 1e6 * (1e6 if noise else 1.0)
        assert np.linalg.norm((mine - exact)[:-1]) <= allowed * np.linalg.norm(exact[:-1])


@pytest.mark.parametrize("shape", [(4000, 2), (4000, 20), (600, 100)], ids=str)
def test_many_labels_end_each_by_itself(shape):
    """Rounding is below half of the correction before by chance, in one of many labels nearly always."""
    A, B = conditioned(1e6)(*shape), random(shape[0], 100, seed=3)
    factor = MinNorm(A)
    weights, peer = factor.solve(B), np.linalg.lstsq(A, B, rcond=None)[0]
    assert factor.route == "gram"
    assert np.linalg.norm(weights - peer) <= 1e-8 * np.linalg.norm(peer)


@pytest.mark.parametrize(("misstated", "serves"), [(0.0, True), (1e-3, True), (0.3, False)])
def test_a_factor_that_finds_no_known_solution_does_not_serve(misstated, serves):
    A = random(60, 20)
    product = A.T @ A
    values, directions = np.linalg.eigh(product)
    wrong = product + misstated * values[0] * np.outer(directions[:, 0], directions[:, 0])
    lower, scale, _ = factor_gram(wrong, 0.0)
    factor = GramFactor(A, 0.0, wrong, lower, scale)
    assert factor.serves(1e-14) == serves
    assert factor.serves(1e-6)  # of well-conditioned ones that is known


@families(deficient(SMALL + MIDDLE))
def test_deficient_rank(A):
    assert_no_worse_than_gelsd(A)


@families(unlike_rows())
def test_rows_of_unlike_scales(A):
    assert_no_worse_than_gelsd(A)


@pytest.mark.compiled
@pytest.mark.parametrize("decades", [1, 3, 8, 15])
@pytest.mark.parametrize("shape", MIDDLE + LARGE + LONG, ids=str)
def test_big_problems_of_any_condition(shape, decades):
    assert_no_worse_than_gelsd(with_spectrum(exponential(10.0**decades, min(shape)), *shape))


@pytest.mark.compiled
@pytest.mark.parametrize("shape", LARGE + LONG, ids=str)
@pytest.mark.parametrize("matrix", [repeated, product])
def test_big_problems_of_deficient_rank(matrix, shape):
    assert_no_worse_than_gelsd(matrix(*shape))


@pytest.mark.parametrize("shape", SMALL + MIDDLE, ids=str)
@pytest.mark.parametrize("matrix", [conditioned(10), conditioned(1e3), repeated, product])
def test_float32(matrix, shape):
    assert_no_worse_than_gelsd(matrix(*shape).astype(np.float32))


@pytest.mark.compiled
@pytest.mark.parametrize("shape", LARGE, ids=str)
@pytest.mark.parametrize("matrix", [conditioned(10), conditioned(1e3), repeated])
def test_large_float32(matrix, shape):
    assert_no_worse_than_gelsd(matrix(*shape).astype(np.float32))


@pytest.mark.parametrize("shape", [(40, 20), (20, 40), *MIDDLE], ids=str)
@pytest.mark.parametrize("matrix", [conditioned(10), conditioned(1e4), conditioned(1e6), conditioned(1e9), repeated])
def test_many_right_hand_sides(matrix, shape):
    A = matrix(*shape)
    assert_no_worse_than_gelsd(A, np.column_stack([labels_for(A, seed) for seed in range(3, 13)]))


@pytest.mark.parametrize("shape", SMALL, ids=str)
def test_a_stack_of_every_condition(shape):
    A = np.stack([with_spectrum(exponential(10.0**decades, min(shape)), *shape) for decades in range(16)])
    b = np.stack([labels_for(features) for features in A])
    for weights, features, labels in zip(min_norm(A, b), A, b, strict=True):
        theirs = gelsd(features, labels)[0]
        for mine, peer, column in zip(weights.T, theirs.T, labels.T, strict=True):
            allowed = allowed_error(accuracy.backward_error(features, column, peer), features.dtype)
            rounding = (
                min(shape) * np.finfo(np.float64).eps
            )  # of an SVD: its bound grows with the size, gelsd's luck not
            assert accuracy.backward_error(features, column, mine) <= max(allowed, rounding)


@pytest.mark.parametrize("shape", SMALL, ids=str)
def test_labels_out_of_reach_have_weights_of_zero(shape):
    A = np.zeros(shape)
    A[: shape[0] // 2] = random(shape[0] // 2, shape[1])
    b = np.zeros(shape[0])
    b[shape[0] // 2 :] = 1.0
    for name, solve in SOLVERS.items():
        assert np.linalg.norm(solve(A, b)) <= 1e-13, name


# NIST's reference data


def nist(name):
    """Features, labels and certified weights, as fractions and floats."""
    data = json.loads((Path(__file__).parents[1] / "data" / "nist_strd.json").read_text())
    if name in ("longley", "filip"):
        entry, degree = data[name], 10
        x = [[Fraction(str(value)) for value in np.atleast_1d(row)] for row in entry["x"]]
        A = [[1, *row] if name == "longley" else [row[0] ** power for power in range(degree + 1)] for row in x]
        return A, [Fraction(str(y)) for y in entry["y"]], np.array(entry["certified"])
    base = Fraction(1, 10) if name == "wampler2" else Fraction(1)
    certified = [base**power for power in range(6)]
    A = [[Fraction(x) ** power for power in range(6)] for x in range(21)]
    size = {"wampler3": 1, "wampler4": 100, "wampler5": 10_000}.get(name, 0)
    disturbed = zip(A, data["wampler_disturbance"], strict=True)
    b = [sum(p * q for p, q in zip(row, certified, strict=True)) + size * delta for row, delta in disturbed]
    return A, b, np.array(certified, np.float64)


def nist_problem(name):
    A, b, certified = nist(name)
    return np.array(A, np.float64), np.array(b, np.float64), certified


NIST = ["longley", "filip", "wampler1", "wampler2", "wampler3", "wampler4", "wampler5"]


@pytest.mark.parametrize("name", NIST)
def test_the_certified_values_are_the_exact_ones(name):
    A, b, certified = nist(name)
    np.testing.assert_allclose(accuracy.exact_least_squares(A, b), certified, rtol=1e-13)


def digits_of(solve, name, rcond):
    """Correct digits in the median over orders of rows and columns, between which a stable solver's vary by two."""
    (A, b, certified), rng, found = nist_problem(name), np.random.default_rng(0), []
    for _ in range(ORDERS):
        rows, columns = rng.permutation(len(b)), rng.permutation(len(certified))
        solution = solve(A[rows][:, columns], b[rows], rcond=rcond)
        found.append(accuracy.correct_digits(solution, certified[columns]))
    return np.median(found)


@pytest.mark.parametrize("rcond", [0.0, None])
@pytest.mark.parametrize("name", NIST)
def test_reference_data_have_the_digits_of_gelsd(name, rcond):
    def peer(A, b, rcond):
        return scipy.linalg.lstsq(A, b, cond=cutoff(A) if rcond is None else rcond, lapack_driver="gelsd")[0]

    expected = digits_of(peer, name, rcond) - DIGITS_OF_LUCK
    for solve in (
        min_norm,
        lambda A, b, rcond: lstsq(A, b, rcond)[0],
        lambda A, b, rcond: MinNorm(A, rcond=rcond).solve(b),
    ):
        assert digits_of(solve, name, rcond) >= expected


# Routes, ranks and conditions


def spy(monkeypatch, module, name, calls):
    original = getattr(module, name)

    def spied(*args, **kwargs):
        result = original(*args, **kwargs)
        calls[name] = args, result
        return result

    monkeypatch.setattr(module, name, spied)


def route_of(A, monkeypatch):
    """What min_norm does with features A."""
    calls = {}
    spied = {by_stack: ["solve"], by_gram: ["factor", "gram"], by_qr: ["_solve_triangle", "_reduce"]}
    for module, names in spied.items():
        for name in names:
            spy(monkeypatch, module, name, calls)
    min_norm(A, np.ones(len(A)))
    if "solve" in calls and not calls["solve"][1]:
        return "kernel"
    factor = calls["factor"][1] if "factor" in calls else None
    if isinstance(factor, SpannedFactor):
        return "spanned columns"
    if factor is not None:
        single = any(argument is np.float32 for argument in calls["gram"][0])
        return "float32 Gram" if single else "float64 Gram"
    if "_solve_triangle" in calls:
        return "triangle"
    return "gelsd of the triangle" if "_reduce" in calls else "gelsd"


@pytest.mark.compiled
@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize(
    ("matrix", "shape", "route"),
    [
        (conditioned(1e1), SMALL[0], "kernel"),
        (conditioned(1e8), SMALL[0], "gelsd"),
        (repeated, SMALL[0], "gelsd"),
        (conditioned(1e3), MIDDLE[0], "float64 Gram"),
        (conditioned(1e6), MIDDLE[0], "float64 Gram"),
        (conditioned(1e8), MIDDLE[0], "triangle"),
        (conditioned(1e15), MIDDLE[0], "gelsd of the triangle"),
        (repeated, MIDDLE[0], "spanned columns"),
        (product, MIDDLE[0], "spanned columns"),
        (conditioned(1e1), LARGE[0], "float32 Gram"),
        (conditioned(1e3), LARGE[0], "float64 Gram"),
        (conditioned(1e6), LARGE[0], "float64 Gram"),
        (conditioned(1e8), LARGE[0], "triangle"),
        (conditioned(1e15), LARGE[0], "gelsd of the triangle"),
        (repeated, LARGE[0], "spanned columns"),
        (conditioned(1e3), LONG[0], "float64 Gram"),
        (conditioned(1e8), LONG[0], "triangle"),
        (repeated, LONG[0], "spanned columns"),
    ],
)
def test_these_families_take_every_route(matrix, shape, route, transposed, monkeypatch):
    A = matrix(*shape)
    assert route_of(A.T if transposed else A, monkeypatch) == route


def scaled_condition(A):
    """Of A with the columns (the rows, if there are fewer) brought to length 1: what Cholesky's accuracy depends on."""
    Z = A if A.shape[0] >= A.shape[1] else A.T
    return float(np.linalg.cond(Z / np.linalg.norm(Z, axis=0)))


def assert_factor_is_described(A):
    factor, (_, rank, s) = MinNorm(A), gelsd(A, np.ones(len(A)))
    assert factor.rank == rank
    if rank == min(A.shape):
        condition = scaled_condition(A)
        assert factor.route in (["gram"] * (condition < 1e8) + ["svd"] * (condition > 1e6))
    if factor.route == "svd":
        true = s[0] / s[rank - 1]
        assert factor.condition == pytest.approx(true, rel=1e-6 + 20 * np.finfo(float).eps * true)
    elif rank == min(A.shape):
        assert 0.2 <= factor.condition / (s[0] / s[-1]) <= 0.2 * rank + 5


@pytest.mark.parametrize("shape", SMALL, ids=str)
@pytest.mark.parametrize("decades", range(17))
@pytest.mark.parametrize("spectrum", SPECTRA)
def test_factor_tells_route_rank_and_condition(spectrum, decades, shape):
    A = with_spectrum(spectrum(10.0**decades, min(shape)), *shape)
    assert_factor_is_described(A)


@families(notorious())
def test_factor_tells_route_rank_and_condition_of_notorious_matrices(A):
    assert_factor_is_described(A)


@pytest.mark.parametrize("shape", SMALL + MIDDLE, ids=str)
@pytest.mark.parametrize(("matrix", "lost"), [(repeated, lambda k: 2), (product, lambda k: k - k // 2)])
def test_features_spanned_by_some_of_them_have_a_gram_factor(matrix, lost, shape):
    factor = MinNorm(matrix(*shape))
    k = min(shape)
    assert (factor.route, factor.rank) == ("gram", k - lost(k))
    assert 1 <= factor.condition < 1e5


@pytest.mark.parametrize("shape", SMALL + MIDDLE, ids=str)
@pytest.mark.parametrize("matrix", [conditioned(1e1), conditioned(1e6), conditioned(1e9), repeated, product])
def test_a_factor_solves_for_many_labels_as_min_norm_does(matrix, shape):
    A = matrix(*shape)
    b = labels_for(A)
    factor, together = MinNorm(A), min_norm(A, b)
    _, rank, s = gelsd(A, b)
    for column in range(b.shape[1]):
        for labels, weights in ((b[:, column], together[:, column]), (b, together)):
            mine = factor.solve(labels)
            error = np.linalg.norm(mine - weights) / np.linalg.norm(weights)
            misfit = np.linalg.norm(labels - A @ weights)
            sensitivity = accuracy.sensitivity(s, rank, misfit, np.linalg.norm(weights))
            assert error <= FACTOR * np.finfo(float).eps * sensitivity


# The yardstick itself


@pytest.mark.parametrize("shape", SMALL, ids=str)
@pytest.mark.parametrize("size", [1e-15, 1e-12, 1e-6, 1e-2])
def test_the_backward_error_is_that_of_a_known_change(shape, size):
    """The solution for A + E has a backward error of about |E| at most, which a random E does not exceed by far."""
    A = with_spectrum(exponential(100.0, min(shape)), *shape)
    E = random(*shape, seed=9)
    E *= size * np.linalg.norm(A) / np.linalg.norm(E)
    b = labels_for(A)[:, 2]
    found = accuracy.backward_error(A, b, np.linalg.lstsq(A + E, b)[0])
    assert found <= 2 * size + 10 * np.finfo(float).eps
    assert found >= size / 50


@pytest.mark.parametrize("shape", SMALL, ids=str)
@pytest.mark.parametrize("column", range(3))
def test_both_ways_to_estimate_agree(shape, column, monkeypatch):
    A = with_spectrum(exponential(1e6, min(shape)), *shape)
    b = labels_for(A)[:, column]
    for error in (0.0, 1e-12, 1e-8):
        x = np.linalg.lstsq(A, b)[0] * (1 + error * random(shape[1], seed=11))
        with monkeypatch.context() as patch:
            extended = accuracy.backward_error(A, b, x)
            patch.setattr(accuracy, "EXTENDED_WORK", 0)
            assert 0.5 <= accuracy.backward_error(A, b, x) / extended <= 2


def test_an_exact_solution_has_no_backward_error():
    A, b = np.array([[1.0, 0.0], [1.0, 1.0], [1.0, 2.0]]), np.array([0.0, 3.0, 0.0])
    assert accuracy.backward_error(A, b, np.array([1.0, 0.0])) <= 1e-19
    assert accuracy.backward_error(A, b, np.array([1.0, 1e-9])) > 1e-11
