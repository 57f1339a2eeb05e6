"""lstsq is NumPy's in every respect, for stacks too: its cases, dtypes, cut-offs, shapes, scales and errors."""

import warnings

import numpy as np
import pytest

from tests import naive
from tests.matrices import random, spectrum
from w2s_fast import lstsq
from w2s_fast.linalg.leastsq import by_qr

SHAPES = [(1, 1), (1, 4), (4, 1), (3, 7), (7, 3), (5, 5)]
LONG = [(3000, 12), (12, 3000), (40_000, 1), (1, 40_000), (9000, 600)]  # go by way of triangles
CLASSES = (np.linalg.LinAlgError, TypeError, OverflowError, ValueError)  # from the narrowest


def assert_same(ours, theirs, rtol, atol=0.0):
    """Equal in type, shape and dtype; in values by the norms, as rounding goes."""
    for mine, peer in zip(ours, theirs, strict=True):
        assert type(mine) is type(peer)
        assert np.shape(mine) == np.shape(peer)
        assert mine.dtype == peer.dtype
        error, size = (np.linalg.norm(np.ravel(array).astype(complex)) for array in (np.subtract(mine, peer), peer))
        assert error <= rtol * size + atol


def assert_same_as_numpy(a, b, rcond, rtol, atol=0.0):
    assert_same(lstsq(a, b, rcond), np.linalg.lstsq(a, b, rcond), rtol, atol)


# Single problems


@pytest.mark.parametrize("labels", [(), (1,), (3,)])
@pytest.mark.parametrize(("m", "n"), SHAPES)
@pytest.mark.parametrize("dtypes", ["dd", "ff", "fd", "df", "ll", "lf", "bF", "?f", "FF", "DD", "dF", "fD", "HB", "Qd"])
def test_agrees_with_numpy(m, n, labels, dtypes):
    a, b = (30 * random(m, n)).astype(dtypes[0]), (30 * random(m, *labels, seed=2)).astype(dtypes[1])
    with warnings.catch_warnings(action="ignore"):
        assert_same_as_numpy(a, b, None, 1e-4 if set(dtypes) <= set("fF") else 1e-11, 1e-11)


@pytest.mark.parametrize("dtype", ["f4", "f8", "c8", "c16", "i4", "u8"])
def test_either_byte_order(dtype):
    a, b = np.abs(9 * random(7, 3)).astype(dtype), np.abs(9 * random(7, seed=2)).astype(dtype)
    swapped = (array.astype(array.dtype.newbyteorder()) for array in (a, b))
    assert_same(lstsq(*swapped), np.linalg.lstsq(a, b), 1e-5 if dtype in ("f4", "c8") else 1e-12)


@pytest.mark.parametrize(("m", "n"), [(0, 3), (3, 0), (0, 0), (3, 2), (9000, 0), (0, 9000)])
@pytest.mark.parametrize("labels", [(), (0,), (2,)])
@pytest.mark.parametrize("dtype", "fdFD")
def test_of_nothing(m, n, labels, dtype):
    assert_same_as_numpy(np.ones((m, n), dtype), np.ones((m, *labels), dtype), None, 1e-6)


@pytest.mark.parametrize("m", [3000, 9000])
def test_long_problems_without_labels(m):
    assert_same_as_numpy(random(m, 12), np.ones((m, 0)), None, 1e-12)


@pytest.mark.parametrize("dtype", "fd")
@pytest.mark.parametrize("labels", [(), (3,)])
@pytest.mark.parametrize("shape", LONG, ids=str)
def test_long_problems_agree_with_numpy(shape, labels, dtype):
    a, b = random(*shape).astype(dtype), random(shape[0], *labels, seed=2).astype(dtype)
    assert_same_as_numpy(a, b, None, 1e-11 if dtype == "d" else 2 * np.finfo(dtype).eps)


RCONDS = [None, -1, 0, 0.0, -0.5, 1, 1.0, 7, np.inf, -np.inf, 10**30, True, False, 1e-3, 0.3, 0.9]
RCONDS += [np.float32(0.3), np.float16(0.3), np.longdouble("0.3"), np.array(0.3), np.array(1)]


@pytest.mark.parametrize("rcond", RCONDS, ids=repr)
@pytest.mark.parametrize("shape", [(6, 4), (4, 6), (4, 4), *LONG[:2]], ids=str)
@pytest.mark.parametrize("dtype", "fdF")
def test_cuts_where_numpy_cuts(shape, rcond, dtype):
    a = spectrum([2.0, 1.0, 0.1, 1e-3], *shape).astype(dtype)
    if min(shape) > 4:  # what rounding leaves beyond may be cut or not
        a = a[:, :4] if shape[0] > shape[1] else a[:4]
    assert_same_as_numpy(a, random(len(a)).astype(dtype), rcond, 1e-5 if dtype in "fF" else 1e-9)


@pytest.mark.parametrize(("m", "n"), [(6, 4), (4, 6), (5, 5), *LONG[:2]])
@pytest.mark.parametrize("rank", [0, 1, 2])
def test_of_a_deficient_matrix(m, n, rank):
    assert_same_as_numpy(random(m, rank) @ random(rank, n), random(m, 2), 1e-10, 1e-10, 1e-11)


@pytest.mark.parametrize("rcond", [-1, 0, 2.0, 3e-16])
@pytest.mark.parametrize("shape", LONG[:2], ids=str)
def test_where_rounding_decides_on_the_rank_lapack_does(shape, rcond):
    a = random(*shape)
    if shape[0] > shape[1]:
        a[:, 1] = a[:, 0]
    else:
        a[1] = a[0]
    assert by_qr._by_triangle(a, np.ones((len(a), 1)), rcond) is None
    assert by_qr._by_triangle(a, np.ones((len(a), 1)), max(shape) * np.finfo(float).eps) is not None


def test_long_float32_features_are_cut_at_the_precision_of_float64():
    rng = np.random.default_rng(0)
    X = np.column_stack((rng.normal(170, 10, 10**6), rng.normal(70, 15, 10**6))).astype(np.float32)
    y = 2 * X[:, 0] - X[:, 1]
    x, residuals, rank, s = lstsq(X, y)
    assert rank == 2
    assert x.dtype == residuals.dtype == s.dtype == np.float32
    np.testing.assert_allclose(x, [2.0, -1.0], rtol=1e-5)  # labels are rounded to float32
    exact = np.linalg.svd(X.astype(float), compute_uv=False)
    np.testing.assert_allclose(s, exact, rtol=2 * np.finfo(np.float32).eps)


# Scales

EXTREMES = {"f": [-149, -140, -126, -100, 100, 124], "d": [-1074, -1060, -1022, -900, -600, -400, 400, 600, 900, 1018]}


@pytest.mark.parametrize("side", ["a", "b", "both"])
@pytest.mark.parametrize(("dtype", "power"), [(dtype, power) for dtype in EXTREMES for power in EXTREMES[dtype]])
@pytest.mark.parametrize("shape", [(30, 5), (5, 30), *LONG[:2]], ids=str)
def test_every_scale_that_numpy_serves(shape, dtype, power, side):
    """Whole numbers times a power of two, so that none is rounded; of x beyond the range nothing is asked."""
    rng = np.random.default_rng(5)
    shapes = {"a": shape, "b": (shape[0], 2)}
    scaled, plain = {}, {}
    for name, size in shapes.items():
        plain[name] = rng.integers(-8, 9, size).astype(float)
        scaled[name] = np.ldexp(plain[name], power if side in (name, "both") else 0).astype(dtype)
    reference = np.linalg.lstsq(plain["a"], plain["b"])
    with np.errstate(all="ignore"):  # both: of x and squares that float32 does not hold
        x, residuals, rank, s = lstsq(scaled["a"], scaled["b"])
        theirs = np.linalg.lstsq(scaled["a"], scaled["b"])
        weights = np.ldexp(reference[0], {"a": -power, "b": power, "both": 0}[side])
        singular_values = np.ldexp(reference[3], power if side != "b" else 0)
    assert rank == reference[2] == theirs[2]
    limits = np.finfo(dtype)
    for mine, exact in ((x, weights), (s, singular_values)):
        largest = np.abs(exact).max()
        if largest < limits.max / 2:
            assert np.abs(mine - exact).max() <= 256 * limits.eps * largest + 4 * float(limits.smallest_subnormal)
    assert residuals.shape == theirs[1].shape
    np.testing.assert_array_equal(np.isfinite(residuals), np.isfinite(theirs[1]))
    np.testing.assert_allclose(residuals, theirs[1], rtol=1e-5, atol=8 * float(limits.smallest_normal))


def test_labels_that_would_overflow_beside_columns_that_do_not():
    a, b = random(3000, 12), np.full(3000, 1e308)
    b[::2] *= -1
    x, residuals, _, _ = lstsq(a, b)
    np.testing.assert_allclose(x, np.linalg.lstsq(a, b)[0], rtol=1e-9)
    assert np.isinf(residuals).all()


# Stacks


def assert_near(mine, theirs):
    """Of two stable algorithms, for problems that are far from singular."""
    np.testing.assert_allclose(
        mine, theirs, rtol=1e3 * np.finfo(theirs.dtype).eps, atol=1e2 * np.finfo(theirs.dtype).eps
    )


@pytest.mark.parametrize(("m", "n"), [*SHAPES, (0, 2), (2, 0)])
@pytest.mark.parametrize("labels", [(), (2,), (0,)])
@pytest.mark.parametrize("lead", [(0,), (1,), (3,), (2, 3)])
@pytest.mark.parametrize("dtype", "fdF")
def test_a_stack_of_problems_is_each_problem(m, n, labels, lead, dtype):
    a, b = random(*lead, m, n).astype(dtype), random(*lead, m, *labels, seed=2).astype(dtype)
    x, residuals, rank, s = lstsq(a, b)
    assert x.shape == (*lead, n, *labels)
    assert residuals.shape == ((*lead, *(labels or (1,))) if m > n else (0,))
    assert rank.shape == lead
    assert s.shape == (*lead, min(m, n))
    for i in np.ndindex(lead):
        x_i, residuals_i, rank_i, s_i = np.linalg.lstsq(a[i], b[i])
        assert_near(x[i], x_i)
        assert_near(s[i], s_i)
        assert x.dtype == x_i.dtype
        assert s.dtype == s_i.dtype
        assert residuals.dtype == residuals_i.dtype
        assert rank[i] == rank_i
        if m > n and rank_i == n:
            assert_near(residuals[i], residuals_i)


@pytest.mark.parametrize("labels", [(), (2,)])
@pytest.mark.parametrize("dtype", "fD")
def test_one_deficient_problem_leaves_the_others_their_residuals(labels, dtype):
    a = np.stack([random(4, 2), np.ones((4, 2)), random(4, 2, seed=3)]).astype(dtype)
    b = random(3, 4, *labels).astype(dtype)
    _, residuals, rank, _ = lstsq(a, b)
    assert rank.tolist() == [2, 1, 2]
    assert residuals.dtype == np.finfo(dtype).dtype
    assert np.isnan(residuals[1]).all()
    for good in (0, 2):
        assert_near(residuals[good], np.linalg.lstsq(a[good], b[good])[1])


def test_a_stack_without_a_problem_of_full_rank_keeps_its_shape():
    _, residuals, rank, _ = lstsq(np.ones((2, 4, 2)), np.ones((2, 4)))
    assert rank.tolist() == [1, 1]
    assert residuals.shape == (2, 1)
    assert np.isnan(residuals).all()


@pytest.mark.parametrize(
    ("features", "labels", "vectors", "lead"),
    [
        ((5, 4, 2), (4,), True, (5,)),
        ((5, 4, 2), (5, 4), True, (5,)),
        ((5, 4, 2), (1, 4), True, (5,)),
        ((1, 4, 2), (5, 4), True, (5,)),
        ((5, 4, 2), (4, 3), False, (5,)),
        ((5, 4, 2), (4, 4), False, (5,)),
        ((5, 4, 2), (1, 4, 3), False, (5,)),
        ((5, 4, 2), (5, 4, 3), False, (5,)),
        ((4, 2), (5, 4, 3), False, (5,)),
        ((1, 4, 2), (5, 4, 3), False, (5,)),
        ((4, 4, 2), (4, 4), True, (4,)),
        ((6, 5, 4, 2), (4,), True, (6, 5)),
        ((6, 5, 4, 2), (4, 3), False, (6, 5)),
        ((6, 5, 4, 2), (5, 4, 3), False, (6, 5)),
        ((6, 5, 4, 2), (6, 1, 4, 3), False, (6, 5)),
        ((6, 1, 4, 2), (5, 4, 3), False, (6, 5)),
        ((6, 1, 4, 2), (1, 5, 4), True, (6, 5)),
        ((5, 4, 2), (6, 1, 4, 3), False, (6, 5)),
        ((0, 4, 2), (4,), True, (0,)),
    ],
)
def test_labels_are_broadcast(features, labels, vectors, lead):
    a, b = random(*features), random(*labels, seed=2)
    x, residuals, rank, s = lstsq(a, b)
    core = (b[..., None] if vectors else b).shape[-2:]
    A = np.broadcast_to(a, (*lead, 4, 2))
    B = np.broadcast_to(b[..., None] if vectors else b, (*lead, *core))
    assert x.shape == (*lead, 2) if vectors else (*lead, 2, core[1])
    assert residuals.shape == (*lead, core[1])
    assert rank.shape == lead
    assert s.shape == (*lead, 2)
    for i in np.ndindex(lead):
        expected = np.linalg.lstsq(A[i], B[i])
        assert_near(x[i], expected[0][:, 0] if vectors else expected[0])
        assert_near(residuals[i], expected[1])


def test_each_problem_may_have_its_own_cutoff():
    a, b = spectrum([2.0, 1.0, 0.1], 6, 3), random(6)
    for rcond in ([0.01], [[0.0]]):
        assert_same_as_numpy(a, b, rcond, 1e-12)
    x, residuals, rank, s = lstsq(a, b, [-1, 0.01, 0.3, 0.8])
    assert rank.tolist() == [3, 3, 2, 1]
    assert x.shape == s.shape == (4, 3)
    np.testing.assert_array_equal(np.isnan(residuals[:, 0]), [False, False, True, True])
    stack = lstsq(np.stack([a, a]), b, [[0.01], [0.3]])
    assert stack[2].tolist() == [[3, 3], [2, 2]]
    with pytest.raises(np.linalg.LinAlgError, match="Incompatible dimensions"):
        lstsq(np.stack([a, a]), b, [0.1, 0.2, 0.3])


# What callers hold


@pytest.mark.parametrize(("m", "n"), [(6, 3), (3, 6)])
@pytest.mark.parametrize("dtype", "fdFDlB")
def test_every_layout(m, n, dtype):
    a, b = (np.abs(9 * array).astype(dtype) for array in (random(m, n), random(m, 2, seed=2)))
    expected = np.linalg.lstsq(a, b)
    for (name, features), (_, labels) in zip(naive.layouts(a), naive.layouts(b), strict=True):
        given = features, labels
        for mine, peer in zip(lstsq(*given), expected, strict=True):
            np.testing.assert_allclose(mine, peer, rtol=1e-4 if dtype in "fF" else 1e-11, err_msg=name)
        for array, same in zip(given, (a, b), strict=True):
            assert np.array_equal(array, same), name


@pytest.mark.filterwarnings("ignore:the matrix subclass:PendingDeprecationWarning")
def test_subclasses_come_back_as_numpy_gives_them(tmp_path):
    a, b = random(6, 3), random(6, 1, seed=2)
    mapped = np.memmap(tmp_path / "b", np.float64, "w+", shape=b.shape)
    mapped[:] = b
    for labels in (np.matrix(b), np.ma.array(b), mapped):
        for features in (a, np.matrix(a)):
            assert_same_as_numpy(features, labels, None, 1e-13)


WRONG = {
    "vector": ([1.0, 2.0], [1.0, 2.0]),
    "number": (3.0, [1.0]),
    "number for labels": (np.eye(2), 1.0),
    "rows": (np.eye(2), np.ones(3)),
    "rows of columns": (np.eye(2), np.ones((3, 2))),
    "ragged": ([[1.0, 2.0], [3.0]], [1.0, 2.0]),
    "ragged labels": (np.eye(2), [[1.0, 2.0], [3.0]]),
    "objects": (np.eye(2), np.array([None, 1])),
    "whole numbers as objects": (np.eye(2, dtype=object), np.ones(2)),
    "text": (np.eye(2).astype(str), np.ones(2)),
    "dates": (np.eye(2).astype("m8[s]"), np.ones(2)),
    "structured": (np.eye(2), np.zeros(2, [("x", "f8")])),
    "longdouble": (np.eye(2, dtype=np.longdouble), np.ones(2)),
    "clongdouble": (np.eye(2), np.ones(2, np.clongdouble)),
    "NaN": ([[np.nan, 1.0], [0.0, 1.0]], [1.0, 1.0]),
    "infinity": ([[np.inf, 1.0], [0.0, 1.0]], [1.0, 1.0]),
    "complex NaN": ([[complex(1, np.nan), 1.0], [0.0, 1.0]], [1.0, 1.0]),
    "cut-off of text": (np.eye(2), np.ones(2), "0.1"),
    "complex cut-off": (np.eye(2), np.ones(2), 1j),
    "cut-off of objects": (np.eye(2), np.ones(2), np.array(1, object)),
    "long cut-off": (np.eye(2), np.ones(2), 10**400),
}


@pytest.mark.parametrize("what", WRONG)
def test_errors_are_of_numpys_classes(what):
    with pytest.raises(Exception) as theirs:  # noqa: PT011  whatever it is
        np.linalg.lstsq(*WRONG[what])
    expected = next(kind for kind in CLASSES if issubclass(theirs.type, kind))
    with pytest.raises(expected):
        lstsq(*WRONG[what])


@pytest.mark.parametrize(
    ("a", "b", "rcond", "error", "message"),
    [
        ([1.0], [1.0], None, ValueError, r"a must have at least 2 dimensions \(\.\.\., m, n\), got shape \(1,\)"),
        (np.eye(2), np.ones(3), None, ValueError, r"b must have shape \(m,\).* of shape \(2, 2\), got \(3,\)"),
        (np.ones((5, 3, 2)), np.ones(2), None, ValueError, r"of shape \(5, 3, 2\), got \(2,\)"),
        (np.ones((5, 3, 2)), np.ones((4, 3, 1)), None, ValueError, r"of shape \(5, 3, 2\), got \(4, 3, 1\)"),
        (np.eye(2), [np.nan, 1.0], None, ValueError, "b holds 1 NaN or infinite value"),
        (np.eye(2), [complex(0, np.inf), 1.0], None, ValueError, "b holds 1 NaN or infinite value"),
        ([[np.inf, 1.0]], [1.0], None, ValueError, "a holds 1 NaN or infinite value"),
        (np.eye(2), np.array([None, 1]), None, TypeError, "b must hold numbers, got dtype object"),
        (np.eye(2, dtype="g"), np.ones(2), None, TypeError, r"a must be of double precision at most.*cast it"),
        (np.eye(2), np.ma.array([1.0, 2.0], mask=[0, 1]), None, ValueError, "b has masked values"),
        (np.eye(2), np.ones(2), np.nan, ValueError, "rcond must be a number or an array of them, got nan"),
        (np.eye(2), np.ones(2), "tiny", TypeError, "rcond must hold real numbers"),
    ],
)
def test_bad_input_is_refused_by_name(a, b, rcond, error, message):
    with pytest.raises(error, match=message):
        lstsq(a, b, rcond)
