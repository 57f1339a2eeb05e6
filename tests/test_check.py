"""Every refusal names the argument, what came and what was expected."""

import re

import numpy as np
import pytest
import scipy.sparse

from tests import naive
from w2s_fast import (
    CoMoments,
    GaussianModel,
    Gram,
    MinNorm,
    Moments,
    Subspace,
    _check,
    intrinsic_dimension,
    lstsq,
    min_norm,
    principal_angles,
    probe,
    randomized_svd,
    w2s_variance,
)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_floats_views_floats_without_a_copy(dtype):
    array = np.arange(6, dtype=dtype).reshape(2, 3)
    assert _check.floats(array, "X") is array


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [
        (np.float16, np.float32),
        (np.int8, np.float64),
        (np.uint64, np.float64),
        (np.bool_, np.float64),
        (np.longdouble, np.float64),
    ],
)
def test_floats_widens_other_numbers(dtype, expected):
    array = _check.floats(np.array([0, 1], dtype), "X")
    assert array.dtype == expected
    assert array.tolist() == [0.0, 1.0]


def test_floats_takes_every_layout():
    array = np.arange(6.0).reshape(2, 3)
    for name, same in naive.layouts(array):
        assert np.array_equal(_check.floats(same, "X", ndim=2), array), name


@pytest.mark.parametrize(
    ("value", "ndim", "error", "message"),
    [
        ([[1.0], [1.0, 2.0]], None, ValueError, "X must be a rectangular array of numbers"),
        (["a"], None, TypeError, "X must hold real numbers, got dtype <U1"),
        ([None], None, TypeError, "X must hold real numbers, got dtype object"),
        ([1j], None, TypeError, "X must hold real numbers, got dtype complex128"),
        ([1.0], 2, ValueError, "X must have 2 dimension(s), got shape (1,). Reshape one feature with [:, None]."),
        ([[1.0]], 1, ValueError, "X must have 1 dimension(s), got shape (1, 1). Pass one number a row."),
        (1.0, 3, ValueError, "X must have 3 dimension(s), got shape ()."),
    ],
)
def test_floats_refuses_what_is_no_array_of_reals(value, ndim, error, message):
    with pytest.raises(error, match=re.escape(message)):
        _check.floats(value, "X", ndim=ndim)


@pytest.mark.parametrize("code", ["f4", "f8", "f2", "i4"])
def test_floats_keeps_the_precision_of_foreign_byte_orders(code):
    array = np.array([1, 2, 3], code)
    swapped = array.astype(array.dtype.newbyteorder())
    found = _check.floats(swapped, "X")
    assert found.dtype == _check.floats(array, "X").dtype
    assert found.tolist() == [1.0, 2.0, 3.0]


MASKED = np.ma.array([1.0, 2.0], mask=[False, True])


@pytest.mark.parametrize(
    "value",
    [MASKED, [MASKED, MASKED], (MASKED, [3.0, 4.0]), [[MASKED], [MASKED]], [[[1.0, 2.0]], [MASKED]]],
    ids=["array", "list", "tuple", "lists", "deep"],
)
def test_no_mask_is_dropped(value):
    for check in (_check.floats, _check.numbers, _check.sizes, _check.sizes_or_limit):
        with pytest.raises(ValueError, match="X has masked values: fill or drop them first"):
            check(value, "X")


class Lazy:
    """What Dask's collections have in common."""

    shape, ndim = (60, 5), 2

    def __dask_graph__(self):
        return {}

    def __array__(self, dtype=None, copy=None):
        raise AssertionError("this would be gathered")


@pytest.mark.parametrize(
    "call",
    [
        lambda X: Subspace.fit(X, rank=2),
        lambda X: Subspace.fit([X, X], rank=2),
        intrinsic_dimension,
        lambda X: principal_angles(X, X),
        lambda X: Moments().update(X),
        lambda X: CoMoments().update(X),
        lambda X: Gram().update(np.ones((60, 2)), X),
        lambda X: Gram().update(np.eye(3), np.ones(3)).solve(ridge=X),
        MinNorm,
        lambda X: min_norm(np.ones((60, 2)), X),
        lambda X: lstsq(X, np.ones(60)),
        lambda X: randomized_svd(X, 2),
        lambda X: probe(X, np.ones((60, 2)), np.arange(60), n=5, N=9, trials=1),
        lambda X: w2s_variance(GaussianModel.paper(d_shared=10), X, 4_000),
    ],
)
def test_what_dask_holds_is_not_gathered_without_a_word(call):
    with pytest.raises(TypeError, match=r"is a Dask Lazy, which NumPy would gather .* call its compute\(\) if it fits"):
        call(Lazy())


@pytest.mark.parametrize("value", [[Lazy(), Lazy()], ([[1.0], Lazy()],)], ids=["list", "deep"])
def test_nor_what_lists_hold(value):
    with pytest.raises(TypeError, match="X is made of a Dask Lazy, which NumPy would gather"):
        _check.numbers(value, "X")


def test_what_dask_has_worked_out_is_an_array(monkeypatch):
    monkeypatch.setattr(Lazy, "__dask_graph__", lambda self: None)  # as xarray has it for arrays in memory
    monkeypatch.setattr(Lazy, "__array__", lambda self, dtype=None, copy=None: np.eye(2))
    assert _check.floats(Lazy(), "X").tolist() == [[1, 0], [0, 1]]


def test_masked_arrays_without_masked_values_are_arrays():
    rows = [np.ma.array([1.0, 2.0]), np.ma.array([3.0, 4.0], mask=False)]
    assert _check.floats(rows, "X").tolist() == [[1.0, 2.0], [3.0, 4.0]]


@pytest.mark.parametrize("value", [np.ma.masked, np.ma.array(3, mask=True), np.ma.array(3.0, mask=True)], ids=repr)
def test_a_masked_number_is_none(value):
    with pytest.raises(TypeError, match="n must be a whole number"):
        _check.integer(value, "n")
    with pytest.raises(TypeError, match="n must be a number"):
        _check.real(value, "n")


@pytest.mark.parametrize("flag", [True, False, np.True_, np.False_])
def test_boolean_takes_booleans(flag):
    assert _check.boolean(flag, "flag") is bool(flag)


@pytest.mark.parametrize("value", [0, 1, None, "False", "", np.nan, [True], np.array([True]), np.array(True)], ids=repr)
def test_boolean_takes_nothing_that_merely_counts_as_one(value):
    with pytest.raises(TypeError, match=re.escape(f"flag must be True or False, got {value!r}")):
        _check.boolean(value, "flag")


def test_errors_of_type_are_caught_as_either_class():
    for check in (_check.integer, _check.boolean, _check.floats):
        for kind in (TypeError, ValueError):
            with pytest.raises(kind):
                check("text", "X")


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_floats_counts_and_places_what_is_not_finite(bad):
    array = np.ones((3, 4), np.float32)
    array[1, 2] = array[2, 0] = bad
    with pytest.raises(ValueError, match=re.escape("X holds 2 NaN or infinite value(s), the first at index (1, 2)")):
        _check.floats(array, "X")
    assert _check.floats(array, "X", finite=False) is array


def test_no_blocks_hold_nothing_that_is_not_finite():
    _check.blocks_finite([], "X")
    with pytest.raises(ValueError, match=r"X holds 1 NaN or infinite value\(s\), the first at index \(3, 1\)"):
        _check.blocks_finite([np.zeros((3, 2)), np.array([[0.0, np.nan]])], "X")


def test_finite_numbers_pass_though_their_sum_overflows():
    _check.all_finite(np.full(4, 1e308), "X")
    with pytest.raises(ValueError, match=r"2 NaN or infinite value\(s\), the first at index \(0,\)"):
        _check.all_finite(np.array([np.inf, -np.inf]), "X")


@pytest.mark.parametrize("value", [3, np.int8(3), np.uint64(3), np.array(3)])
def test_integer_takes_whole_numbers(value):
    number = _check.integer(value, "n")
    assert type(number) is int
    assert number == 3


@pytest.mark.parametrize(
    ("value", "bounds", "error", "message"),
    [
        (3.0, {}, TypeError, "n must be a whole number, got 3.0 of type float"),
        ("3", {}, TypeError, "n must be a whole number, got '3' of type str"),
        (None, {}, TypeError, "n must be a whole number, got None"),
        (True, {}, TypeError, "n must be a whole number, got True"),
        (np.True_, {}, TypeError, "n must be a whole number, got np.True_"),
        (-1, {}, ValueError, "n must be at least 0, got -1"),
        (1, {"minimum": 2}, ValueError, "n must be at least 2, got 1"),
        (5000, {"maximum": 4000}, ValueError, "n must be at least 0 and at most 4,000, got 5,000"),
        (2**62 + 1, {}, ValueError, "at most 4,611,686,018,427,387,904, got 4,611,686,018,427,387,905"),
    ],
)
def test_integer_refuses_anything_else(value, bounds, error, message):
    with pytest.raises(error, match=re.escape(message)):
        _check.integer(value, "n", **bounds)


def test_integer_takes_its_bounds():
    assert [_check.integer(value, "n", minimum=2, maximum=4) for value in (2, 4)] == [2, 4]
    assert _check.integer(2**62, "n") == 2**62


def test_floats_refuse_what_would_lose_its_meaning():
    with pytest.raises(TypeError, match=r"X must be dense here, got a sparse matrix: call its toarray\(\)"):
        _check.floats(scipy.sparse.eye_array(2), "X")
    with pytest.raises(ValueError, match="X has masked values"):
        _check.floats(np.ma.masked_equal([1.0, 2.0], 2.0), "X")


@pytest.mark.parametrize("value", [0, 0.0, 2.5, np.float32(0.5), np.array(1.5), np.int64(7)])
def test_real_takes_finite_numbers(value):
    number = _check.real(value, "ridge")
    assert type(number) is float
    assert number == value


@pytest.mark.parametrize(
    ("value", "bounds", "error", "message"),
    [
        ("abc", {}, TypeError, "ridge must be a number, got 'abc'"),
        (1j, {}, TypeError, "ridge must be a number, got 1j"),
        (None, {}, TypeError, "ridge must be a number, got None"),
        (True, {}, TypeError, "ridge must be a number, got True"),
        ("1.5", {}, TypeError, "ridge must be a number, got '1.5'"),
        ([1.0, 2.0], {}, TypeError, "ridge must be a number, got [1.0, 2.0]"),
        (np.nan, {}, ValueError, "ridge must be a finite number, at least 0, got nan"),
        (np.inf, {}, ValueError, "ridge must be a finite number, at least 0, got inf"),
        (-np.inf, {"minimum": -np.inf}, ValueError, "ridge must be a finite number"),
        (-0.5, {}, ValueError, "ridge must be a finite number, at least 0, got -0.5"),
        (0, {"open_left": True}, ValueError, "ridge must be a finite number, more than 0, got 0.0"),
        (3, {"maximum": 2}, ValueError, "ridge must be a finite number, at least 0 and at most 2, got 3.0"),
        pytest.param(10**400, {}, ValueError, "ridge must be", id="huge"),
    ],
)
def test_real_refuses_anything_else(value, bounds, error, message):
    with pytest.raises(error, match=re.escape(message)):
        _check.real(value, "ridge", **bounds)


def test_real_takes_its_bounds_unless_open():
    assert [_check.real(value, "energy", minimum=1, maximum=2) for value in (1, 2)] == [1.0, 2.0]
    assert _check.real(2, "energy", minimum=1, maximum=2, open_left=True) == 2.0


def test_cutoff_takes_zero_up_to_but_not_including_one():
    assert [_check.cutoff(value) for value in (0, 0.5, np.nextafter(1, 0))] == [0.0, 0.5, np.nextafter(1, 0)]
    with pytest.raises(ValueError, match=r"tol must be a finite number, at least 0.*got -1"):
        _check.cutoff(-1, "tol")
    with pytest.raises(ValueError, match=r"rcond must be.*got 1\.0") as refusal:
        _check.cutoff(1.0)
    assert "at most 1," not in str(refusal.value)  # 1 is what came


def test_workers_are_a_number_or_none():
    assert _check.workers(None) is None
    assert _check.workers(3) == 3
    for bad in (0, 1025):
        with pytest.raises(ValueError, match=f"workers must be at least 1 and at most 1,024, got {bad:,}"):
            _check.workers(bad)


@pytest.mark.parametrize("value", ["c", None, 1, np.array(["a", "b"])], ids=repr)
def test_choice_names_what_is_allowed(value):
    _check.choice("a", "method", "a", "b")
    with pytest.raises(ValueError, match="method must be one of 'a', 'b', got"):
        _check.choice(value, "method", "a", "b")


@pytest.mark.parametrize(("value", "shape"), [(4, ()), ([4, 5], (2,)), (np.array([[4]], np.uint8), (1, 1))])
def test_sizes_keep_their_shape_as_int64(value, shape):
    array = _check.sizes(value, "n")
    assert array.dtype == np.int64
    assert array.shape == shape
    assert np.array_equal(array, value)


@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        (4.0, TypeError, "n must be a whole number or a non-empty array of them, got 4.0"),
        ([], TypeError, "n must be a whole number or a non-empty array of them, got []"),
        (True, TypeError, "n must be a whole number or a non-empty array of them, got True"),
        ([[1], [1, 2]], (TypeError, ValueError), "n must be a whole number or a non-empty array of them"),
        ([3, 0], ValueError, "n must be at least 1, got 0"),
        (np.array([1, 2**63], np.uint64), ValueError, "got 9,223,372,036,854,775,808"),
    ],
)
def test_sizes_refuse_anything_else(value, error, message):
    with pytest.raises(error, match=re.escape(message)):
        _check.sizes(value, "n")


def test_same_rows_returns_the_length_or_names_all_of_them():
    assert _check.same_rows(X=np.ones((3, 2)), Y=np.ones(3)) == 3
    message = "these must have the same number of rows: weak has 1,200, strong has 3, y has 3"
    with pytest.raises(ValueError, match=message):
        _check.same_rows(weak=np.ones((1200, 2)), strong=np.ones((3, 2)), y=np.ones(3))


@pytest.mark.parametrize(
    "call",
    [
        lambda: Gram(centred="False"),
        lambda: Gram.prefixes(np.eye(2), sizes=[1], centred="no"),
        lambda: Moments().update([1.0], finite="no"),
        lambda: randomized_svd(np.eye(3), 1, flip_sign="no"),
        lambda: randomized_svd(np.eye(3), 1, transpose=0),
        lambda: w2s_variance(GaussianModel.paper(), n=2000, N=4000, population="no"),
        lambda: probe(np.eye(9), np.eye(9), np.arange(9.0), n=2, N=2, trials=1, intercept="no"),
        lambda: probe(np.eye(9), np.eye(9), np.arange(9.0), n=2, N=2, trials=1, nested=1),
        lambda: probe(np.eye(9), np.eye(9), np.arange(9.0), n=2, N=2, trials=1, decompose="no"),
    ],
)
def test_text_is_no_flag_of_a_public_function(call):
    with pytest.raises(TypeError, match=r"\w+ must be True or False, got"):
        call()
