"""Gram: sums over rows that merge and subtract, and solutions that are right or refused."""

from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.linalg import LinAlgError

from tests import naive
from tests.accuracy import rounding
from w2s_fast import Gram

LABELS = pytest.mark.parametrize("labels", [None, (), (1,), (3,)], ids=["no Y", "vector Y", "one column", "matrix Y"])


def problem(rows=12, columns=4, labels=(), seed=0):
    """Well-conditioned rows with labels (rows, *labels), or None."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((rows, columns))
    return X, None if labels is None else rng.standard_normal((rows, *labels))


def part(Y, rows):
    return None if Y is None else Y[rows]


def assert_gram(gram, X, Y, atol=1e-12):
    """The sums are those over the rows X, Y."""
    assert gram.n_rows == len(X)
    assert gram.xtx.dtype == np.float64
    np.testing.assert_allclose(gram.xtx, naive.gram(X, X), rtol=1e-13, atol=atol)
    if Y is None:
        assert gram.xty is None
        assert gram.yty is None
        return
    flat, label_shape = Y if Y.ndim == 2 else Y[:, None], Y.shape[1:]
    assert gram.xty.shape == (X.shape[1], *label_shape)
    assert gram.yty.shape == 2 * label_shape
    np.testing.assert_allclose(gram.xty.reshape(X.shape[1], -1), naive.gram(X, flat), rtol=1e-13, atol=atol)
    np.testing.assert_allclose(gram.yty.reshape(flat.shape[1], -1), naive.gram(flat, flat), rtol=1e-13, atol=atol)


@LABELS
@pytest.mark.parametrize("rows", [0, 1, 3, 12])
def test_update_adds_the_products_of_the_rows(labels, rows):
    X, Y = problem(rows, labels=labels)
    gram = Gram()
    assert gram.update(X, Y) is gram
    assert_gram(gram, X, Y)


@LABELS
def test_rows_may_come_in_any_blocks(labels, monkeypatch):
    monkeypatch.setattr("w2s_fast.linalg.rows.cutting.BLOCK_WORK", 1)  # also inside: two or three rows
    monkeypatch.setattr("w2s_fast.linalg.rows.cutting.GRAM_ROWS", 3)
    X, Y = problem(labels=labels)
    gram = Gram().update(X[:0], part(Y, slice(0, 0)))
    for rows in (slice(0, 5), slice(5, 5), slice(5, 6), slice(6, 12)):
        gram.update(X[rows], part(Y, rows))
    assert_gram(gram, X, Y)


@LABELS
def test_a_merge_is_the_gram_matrix_of_all_rows(labels):
    X, Y = problem(labels=labels)
    one, other = Gram().update(X[:5], part(Y, slice(5))), Gram().update(X[5:], part(Y, slice(5, None)))
    fresh = Gram().merge(other)
    assert one.merge(other).merge(Gram()) is one
    assert_gram(one, X, Y)
    for same in (other, fresh):
        assert_gram(same, X[5:], part(Y, slice(5, None)))
    assert_gram(other.merge(other), *(None if a is None else np.concatenate([a[5:], a[5:]]) for a in (X, Y)))


@LABELS
def test_a_downdate_takes_a_merge_back(labels):
    X, Y = problem(labels=labels)
    other = Gram().update(X[5:], part(Y, slice(5, None)))
    gram = Gram().update(X, Y)
    assert gram.downdate(other).downdate(Gram()) is gram
    assert_gram(gram, X[:5], part(Y, slice(5)))
    assert_gram(other, X[5:], part(Y, slice(5, None)))
    gram.downdate(gram)
    assert gram.n_rows == 0
    assert not gram.xtx.any()


@given(
    arrays(np.float64, st.tuples(st.integers(2, 8), st.integers(1, 3)), elements=st.floats(-9, 9, width=16)), st.data()
)
def test_rows_that_were_in_may_leave_one_at_a_time(X, data):
    gram = Gram().update(X)
    for row in data.draw(st.permutations(range(len(X)))):
        gram.downdate(Gram().update(X[row : row + 1]))
    assert gram.n_rows == 0
    np.testing.assert_allclose(gram.xtx, 0.0, atol=1e-13 * np.sum(X**2))


def test_a_small_row_may_leave_last():
    gram = Gram().update([[1.1], [1e-7]])
    gram.downdate(Gram().update([[1.1]])).downdate(Gram().update([[1e-7]]))
    assert gram.n_rows == 0


def test_rows_that_never_were_in_are_refused():
    X, _ = problem()
    gram = Gram().update(X)
    with pytest.raises(LinAlgError, match="other holds rows that this Gram matrix never saw"):
        gram.downdate(Gram().update(10 * X))
    with pytest.raises(ValueError, match="other has 13 rows, more than the 12 to take them from"):
        gram.downdate(Gram().update(X).update(X[:1]))
    with pytest.raises(ValueError, match="other has 12 rows, more than the 0 to take them from"):
        Gram().downdate(gram)
    assert_gram(gram, X, None)


def test_refused_rows_leave_an_empty_gram_matrix_free_to_take_any():
    gram = Gram()
    with pytest.raises(ValueError, match="more than the 0"):
        gram.downdate(Gram().update(np.eye(2)))
    with pytest.raises(ValueError, match="overflow"):
        gram.update(1e200 * np.eye(2))
    assert gram.update(np.eye(3)).n_rows == 3


@pytest.mark.parametrize("rcond", [None, 1e-6])
def test_nothing_is_solved_once_all_rows_left(rcond):
    for seed in range(20):
        X, Y = problem(rows=50, seed=seed)
        gram = Gram().update(X, Y)
        for start in range(0, 48, 8):
            gram.downdate(Gram().update(X[start : start + 8], Y[start : start + 8]))
        gram.downdate(Gram().update(X[48:], Y[48:]))
        with pytest.raises(LinAlgError):
            gram.solve(rcond=rcond)


@pytest.mark.parametrize("rcond", [None, 1e-6])
@pytest.mark.parametrize("size", [1e2, 1e5, 1e6, 1e7, 1e8])
def test_what_a_downdate_leaves_is_solved_right_or_not_at_all(size, rcond):
    X, _ = problem()
    big = Gram().update(*(size * a for a in problem(50, seed=1)))
    gram = Gram().update(X, X @ np.ones(4)).merge(big).downdate(big)
    try:
        weights = gram.solve(rcond=rcond)
    except LinAlgError:
        return
    np.testing.assert_allclose(weights, np.ones(4), rtol=1e-4)


def test_float32_is_accumulated_in_float64():
    X = np.array([[4097.0, 1.0], [1.0, 2.0**-12]], np.float32)  # 4097^2 needs 25 bits
    gram = Gram().update(X, X[:, 0])
    assert_gram(gram, X.astype(np.float64), X[:, 0].astype(np.float64), atol=0.0)
    assert gram.xtx[0, 0] == 4097**2 + 1


def test_every_layout_gives_the_same_and_is_left_alone():
    X, Y = problem(labels=(2,))
    for (name, rows), (_, labels) in zip(naive.layouts(X), naive.layouts(Y), strict=True):
        assert_gram(Gram().update(rows, labels), X, Y)
        assert np.array_equal(rows, X), name
        assert np.array_equal(labels, Y), name


def test_integers_and_booleans_count_as_numbers():
    gram = Gram().update(np.array([[1, 2], [3, 4]]), [True, False])
    assert gram.xtx.tolist() == [[10.0, 14.0], [14.0, 20.0]]
    assert gram.xty.tolist() == [1.0, 2.0]
    assert gram.yty == 1.0


@pytest.mark.parametrize("labels", [(), (1,), (3,)])
@pytest.mark.parametrize("ridge", [0.0, 1e-3, 1.0, 1e9])
def test_solve_minimises_the_squares(labels, ridge):
    X, Y = problem(labels=labels)
    weights = Gram().update(X, Y).solve(ridge=ridge)
    assert weights.shape == (4, *labels)
    np.testing.assert_allclose(weights, naive.min_norm(X, Y, ridge=ridge), rtol=1e-11, atol=1e-14 / (1 + ridge))


@pytest.mark.parametrize("rows", [1, 2, 3])
def test_ridge_makes_fewer_rows_than_columns_solvable(rows):
    X, Y = problem(rows)
    weights = Gram().update(X, Y).solve(ridge=1e-3)
    np.testing.assert_allclose(weights, naive.min_norm(X, Y, ridge=1e-3), rtol=1e-9)


def test_columns_of_unlike_scales_are_no_trouble():
    X, Y = problem()
    scales = np.array([1e-30, 1.0, 1e12, 1e60])
    weights = Gram().update(X * scales, Y).solve()
    np.testing.assert_allclose(weights * scales, naive.min_norm(X, Y), rtol=1e-11)


@pytest.mark.parametrize(
    "X",
    [
        np.ones((5, 2)),
        np.zeros((5, 2)),
        np.eye(5)[:, [0, 1, 0]],
        np.ones((1, 2)),
        np.column_stack([np.ones(5), np.ones(5) + 1e-7 * np.arange(5)]),
    ],
    ids=["rank one", "zeros", "twin columns", "one row", "nearly parallel"],
)
def test_a_matrix_that_cannot_be_trusted_is_refused(X):
    d = X.shape[1]
    with pytest.raises(LinAlgError, match=f"the {d} x {d} Gram matrix is too ill-conditioned to solve"):
        Gram().update(X, np.ones(len(X))).solve()


@pytest.mark.parametrize("labels", [(), (2,)])
@pytest.mark.parametrize("ridge", [0.0, 0.5])
@pytest.mark.parametrize("rank", [0, 1, 3, 4])
def test_rcond_cuts_a_deficient_matrix_to_its_shortest_solution(labels, ridge, rank):
    X, Y = problem(labels=labels)
    X = X[:, :rank] @ np.random.default_rng(9).standard_normal((rank, 4))
    weights = Gram().update(X, Y).solve(ridge=ridge, rcond=1e-5)
    np.testing.assert_allclose(weights, naive.min_norm(X, Y, 1e-5, ridge), rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("ridge", [0.0, 1.0])
def test_rcond_cuts_singular_values_of_the_rows_not_of_their_squares(ridge):
    X, Y = np.diag([1.0, 0.1, 0.001]), np.ones(3)
    for rcond, kept in ((0.5, 1), (0.01, 2), (1e-4, 3)):
        expected = np.where(np.arange(3) < kept, np.diagonal(X) / (np.diagonal(X) ** 2 + ridge), 0.0)
        np.testing.assert_allclose(Gram().update(X, Y).solve(ridge, rcond), expected, rtol=1e-12)


def test_rcond_finer_than_a_gram_matrix_resolves_is_refused():
    gram = Gram().update(*problem())
    with pytest.raises(LinAlgError, match=r"rcond=1\.0e-12 is finer than a Gram matrix resolves"):
        gram.solve(rcond=1e-12)


@pytest.mark.parametrize(("scale", "rcond"), [(1e200, None), (1e200, 1e-6), (1.2e154, 1e-6), (1e-200, None)])
def test_squares_that_overflow_or_vanish_are_refused(scale, rcond):
    rows = scale * np.eye(1)
    with np.errstate(over="ignore"), pytest.raises(ValueError):  # noqa: PT011  update or solve may refuse
        Gram().update(rows, [1.0]).update(rows, [1.0]).solve(rcond=rcond)


@pytest.mark.parametrize("rcond", [None, 1e-6])
@pytest.mark.parametrize(("columns", "labels"), [(0, ()), (0, (2,)), (2, (0,)), (0, (0,))])
def test_no_columns_or_no_labels_have_empty_solutions(columns, labels, rcond):
    gram = Gram().update(np.eye(3)[:, :columns], np.ones((3, *labels)))
    assert gram.solve(rcond=rcond).shape == (columns, *labels)


def test_before_the_first_row_there_is_nothing():
    gram = Gram()
    assert (gram.n_rows, gram.xtx.shape, gram.xty, gram.yty) == (0, (0, 0), None, None)
    assert Gram().merge(gram).n_rows == 0


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (([1.0, 2.0], None), ValueError, r"X must have 2 dimension\(s\), got shape \(2,\)"),
        (([[np.nan, 1.0]], [1.0]), ValueError, r"X holds 1 NaN or infinite value"),
        (([[1.0, 1.0]], [np.inf]), ValueError, r"Y holds 1 NaN or infinite value"),
        (([[1.0, 1.0]], [1.0, 2.0]), ValueError, r"same number of rows: X has 1, Y has 2"),
        (([[1.0, 1.0]], 1.0), ValueError, r"Y must have 1 or 2 dimensions, got shape \(\)"),
        (([[1.0, 1.0]], np.ones((1, 1, 1))), ValueError, r"Y must have 1 or 2 dimensions, got shape \(1, 1, 1\)"),
        (([[1j, 1.0]], [1.0]), TypeError, r"X must hold real numbers, got dtype complex128"),
        (([[1.0, 1.0, 1.0]], [1.0]), ValueError, r"X has 3 columns, the rows before have 2"),
        (([[1.0, 1.0]], None), ValueError, r"these rows have no Y, the ones before Y of shape \('rows',\)"),
        (([[1.0, 1.0]], [[1.0]]), ValueError, r"these rows have Y of shape \('rows', 1\), the ones before"),
    ],
)
def test_misfit_rows_are_refused_by_name_and_leave_no_trace(arguments, error, message):
    X, Y = problem(columns=2)
    gram = Gram().update(X, Y)
    with pytest.raises(error, match=message):
        gram.update(*arguments)
    assert_gram(gram, X, Y)


@pytest.mark.parametrize("method", ["merge", "downdate"])
def test_misfit_partners_are_refused_by_name(method):
    gram = Gram().update(*problem())
    with pytest.raises(TypeError, match="other must be a Gram, got list"):
        getattr(gram, method)([1.0])
    with pytest.raises(ValueError, match="X has 3 columns, the rows before have 4"):
        getattr(gram, method)(Gram().update(*problem(columns=3)))
    with pytest.raises(ValueError, match="these rows have no Y"):
        getattr(gram, method)(Gram().update(*problem(labels=None)))


def test_bad_settings_of_solve_are_refused_by_name():
    gram = Gram().update(*problem())
    with pytest.raises(ValueError, match=r"ridge must be a finite number, at least 0, got -1\.0"):
        gram.solve(ridge=-1)
    for rcond in (-0.1, 1.0, np.nan):
        with pytest.raises(ValueError, match="rcond must be a finite number"):
            gram.solve(rcond=rcond)
    with pytest.raises(ValueError, match=r"solve needs labels: call update\(X, Y\) first"):
        Gram().update(*problem(labels=None)).solve()


@LABELS
def test_a_centred_gram_matrix_is_that_of_deviations(labels):
    X, Y = problem(labels=labels)
    X = X + np.array([1e8, -5.0, 0.0, 3e-3])
    gram = Gram(centred=True).update(X[:5], part(Y, slice(5))).update(X[5:], part(Y, slice(5, None)))
    assert_gram(gram, X - naive.mean(X), None if Y is None else Y - Y.mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(gram.x_mean, naive.mean(X), rtol=1e-15)
    if Y is None:
        assert gram.y_mean is None
    else:
        np.testing.assert_allclose(gram.y_mean, Y.mean(axis=0), rtol=1e-12, atol=1e-15)


def test_centred_gram_matrices_merge_and_subtract():
    X, Y = problem(rows=30, labels=(2,))
    X, Y = X + np.arange(30)[:, None], Y + 100.0  # means that differ between the parts
    parts = [Gram(centred=True).update(X[i : i + 10], Y[i : i + 10]) for i in (0, 10, 20)]
    whole = Gram(centred=True).merge(parts[2]).merge(Gram(centred=True).merge(parts[0]).merge(parts[1]))
    assert_gram(whole, X - X.mean(axis=0), Y - Y.mean(axis=0), atol=1e-10)
    whole.downdate(parts[1])
    rest_X, rest_Y = np.delete(X, slice(10, 20), axis=0), np.delete(Y, slice(10, 20), axis=0)
    assert_gram(whole, rest_X - rest_X.mean(axis=0), rest_Y - rest_Y.mean(axis=0), atol=1e-10)
    np.testing.assert_allclose(whole.x_mean, rest_X.mean(axis=0), rtol=1e-12)
    whole.downdate(parts[0]).downdate(parts[2])
    assert whole.n_rows == 0
    assert not whole.x_mean.any()


def test_a_centred_fit_is_one_with_an_intercept():
    X, Y = problem(rows=40, labels=())
    gram = Gram(centred=True).update(X + 7.0, Y + 3.0)
    weights = gram.solve()
    fitted = np.linalg.lstsq(np.column_stack((X + 7.0, np.ones(40))), Y + 3.0)[0]
    np.testing.assert_allclose(weights, fitted[:-1], rtol=1e-10)
    np.testing.assert_allclose(gram.y_mean - gram.x_mean @ weights, fitted[-1], rtol=1e-10)


def test_centred_and_plain_do_not_mix():
    with pytest.raises(ValueError, match="other has centred=True, this one centred=False"):
        Gram().merge(Gram(centred=True))


@LABELS
@pytest.mark.parametrize("centred", [False, True])
def test_prefixes_are_the_gram_matrices_of_the_first_rows(labels, centred):
    X, Y = problem(labels=labels)
    sizes = [0, 1, 5, 5, 12]
    for size, gram in zip(sizes, Gram.prefixes(X, Y, sizes=sizes, centred=centred), strict=True):
        alone = Gram(centred=centred).update(X[:size], part(Y, slice(size)))
        assert gram.n_rows == size
        np.testing.assert_allclose(gram.xtx, alone.xtx, rtol=1e-12, atol=1e-13)


def test_prefixes_must_rise_and_end_within_the_rows():
    X, _ = problem()
    with pytest.raises(ValueError, match="sizes must be at least 5 and at most 12, got 3"):
        Gram.prefixes(X, sizes=[5, 3])
    with pytest.raises(ValueError, match="sizes must be at least 0 and at most 12, got 13"):
        Gram.prefixes(X, sizes=[13])


@LABELS
@pytest.mark.parametrize("centred", [False, True])
def test_what_is_saved_comes_back_bit_for_bit(labels, centred, tmp_path):
    X, Y = problem(labels=labels)
    gram = Gram(centred=centred).update(X, Y)
    gram.save(tmp_path / "gram.npz")
    back = Gram.load(tmp_path / "gram.npz")
    for name in ("n_rows", "xtx", "xty", "yty", "x_mean", "y_mean", "centred"):
        mine, theirs = getattr(gram, name), getattr(back, name)
        assert (mine is None and theirs is None) or np.array_equal(mine, theirs), name
    assert np.array_equal(back.update(X, Y).xtx, gram.update(X, Y).xtx)
    Gram().save(tmp_path / "empty.npz")
    assert Gram.load(tmp_path / "empty.npz").update(X, Y).n_rows == len(X)


def test_files_that_are_no_saved_gram_are_refused(tmp_path):
    path = tmp_path / "gram.npz"
    np.savez(path, a=np.ones(3))
    with pytest.raises(ValueError, match="is not a saved Gram"):
        Gram.load(path)
    np.save(tmp_path / "array.npy", np.ones(3))
    with pytest.raises(ValueError, match=r"is not a saved Gram|cannot be read"):
        Gram.load(tmp_path / "array.npy")
    np.save(tmp_path / "pickle.npy", np.array([{"a": 1}], object), allow_pickle=True)
    with pytest.raises(ValueError, match="cannot be read as a saved Gram"):
        Gram.load(tmp_path / "pickle.npy")
    Gram().update(np.eye(3)).save(path)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ValueError, match="cannot be read as a saved Gram"):
        Gram.load(path)
    with pytest.raises(FileNotFoundError):
        Gram.load(tmp_path / "none.npz")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"n_rows": -1}, "n_rows must be at least 0"),
        ({"n_rows": 3.0}, "n_rows must be whole numbers"),
        ({"n_rows": [3]}, "n_rows must be whole numbers"),
        ({"n_rows": np.uint64(2**64 - 1)}, "n_rows must be at least 0"),
        ({"n_rows": True}, "n_rows must be whole numbers"),
        ({"columns": -2}, "columns must be at least -1"),
        ({"columns": -1}, "there are rows or labels, and no columns"),
        ({"columns": 3}, r"joint must be float64 of shape \(5, 5\)"),
        ({"columns": 2**40}, "joint must be float64 of shape"),
        ({"centred": 1}, "centred must be one truth value"),
        ({"centred": [True]}, "centred must be one truth value"),
        ({"centred": "yes"}, "centred must be one truth value"),
        ({"label_shape": 5}, "label_shape must be a list or -1, got 5"),
        ({"label_shape": [-2]}, "label_shape must be at least 0"),
        ({"label_shape": [1, 2]}, "label_shape has shape"),
        ({"label_shape": [2**62]}, "joint must be float64 of shape"),
        ({"joint": np.zeros((4, 4), np.float32)}, "joint must be float64"),
        ({"joint": np.zeros((4, 4), complex)}, "cannot be read as a saved Gram"),
        ({"joint": np.zeros(16)}, "joint must be float64"),
        ({"joint": -np.eye(4)}, "squares of joint are below 0"),
        ({"joint": 1e9 * np.eye(4)}, "squares of joint are below 0 or above peak"),
        ({"joint": np.diag([1, 1, 1, np.nan])}, "joint holds NaN"),
        ({"joint": np.eye(4, k=1)}, "joint is not symmetric"),
        ({"mean": np.ones(3)}, "mean must be float64 of shape"),
        ({"mean": np.full(4, np.inf)}, "mean holds NaN or infinity"),
        ({"mean": np.ones(4)}, "mean must be 0 of rows that are not centred"),
        ({"peak": np.ones((4, 1))}, "peak must be float64 of shape"),
        ({"peak": np.full(4, np.nan)}, "peak holds NaN"),
        ({"peak": np.full(4, -1.0)}, "squares of joint are below 0 or above peak"),
        ({"kind": "w2s_fast.Gram 2"}, "is not a saved Gram of this version"),
        ({"kind": ["w2s_fast.Gram 1"]}, "is not a saved Gram of this version"),
        ({"kind": 1}, "is not a saved Gram of this version"),
        ({"kind": "x" * 1000}, "is not a saved Gram of this version"),
    ],
)
def test_parts_of_a_saved_gram_that_disagree_are_refused(changes, words, tmp_path):
    X, Y = problem(labels=(2,))
    path = tmp_path / "gram.npz"
    Gram().update(X[:, :2], Y).save(path)
    with np.load(path) as file:
        content = dict(file)
    np.savez(path, **(content | changes))
    with pytest.raises(ValueError, match=words) as caught:
        Gram.load(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 1_000


@pytest.mark.parametrize("centred", [False, True])
def test_every_state_of_a_gram_matrix_is_believed(centred, tmp_path):
    rng = np.random.default_rng(0)
    path = tmp_path / "gram.npz"

    def back(gram):
        gram.save(path)
        assert np.array_equal(Gram.load(path).xtx, gram.xtx)
        return Gram.load(path)

    for scale in (1e-140, 1e-5, 1.0, 1e5, 1e140):
        X, Y = rng.standard_normal((600, 5)) * [scale, 1.0, 1e-140, 0.0, 1.0], rng.standard_normal((600, 2)) / scale
        first, second = (Gram(centred=centred).update(X[part], Y[part]) for part in (slice(400), slice(400, 600)))
        both = back(back(first).merge(back(second)))
        left = back(back(both).downdate(second))
        back(left.downdate(first))
    back(Gram(centred=centred))
    back(Gram(centred=centred).update(np.zeros((0, 3))))
    back(Gram(centred=centred).update(np.zeros((2, 0)), np.zeros((2, 0))))


def test_a_save_that_fails_leaves_the_one_before(tmp_path, monkeypatch):
    path = tmp_path / "gram.npz"
    Gram().update(np.eye(3)).save(path)

    def full(*arguments, **arrays):
        arguments[0].write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(OSError, match="No space left"):
        Gram().update(np.ones((2, 3))).save(path)
    assert np.array_equal(Gram.load(path).xtx, np.eye(3))
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("labels", [(), (2,)])
@pytest.mark.parametrize("rcond", [None, 1e-5])
def test_many_ridges_are_solved_at_once(labels, rcond):
    X, Y = problem(labels=labels)
    gram, ridges = Gram().update(X, Y), [0.0, 1e-3, 2.0, 1e6]
    together = gram.solve(ridges, rcond=rcond)
    assert together.shape == (4, 4, *labels)
    for ridge, weights in zip(ridges, together, strict=True):
        np.testing.assert_allclose(weights, naive.min_norm(X, Y, ridge=ridge), rtol=1e-9, atol=1e-15)
    with pytest.raises(ValueError, match="ridge must be a finite number, at least 0, got -1"):
        gram.solve([1.0, -1.0])
    with pytest.raises(LinAlgError, match="too ill-conditioned"):
        Gram().update(np.ones((3, 2)), np.ones(3)).solve([1.0, 0.0])


@pytest.mark.compiled
def test_large_blocks_run_on_threads_and_give_the_same_bits_as_ever():
    rng = np.random.default_rng(0)
    X, Y = rng.standard_normal((3000, 200)), rng.standard_normal((3000, 3))
    gram = Gram().update(X, Y)
    atol = rounding(float, len(X)) * len(X)  # of columns whose squares sum to about that
    np.testing.assert_allclose(gram.xtx, X.T @ X, atol=atol)
    np.testing.assert_allclose(gram.xty, X.T @ Y, atol=atol)
    assert np.array_equal(gram.xtx, Gram().update(X, Y).xtx)
    centred = Gram(centred=True).update(X + 1e6, Y)
    np.testing.assert_allclose(centred.xtx, (len(X) - 1) * np.cov(X, rowvar=False), rtol=1e-6, atol=1e-4)


def test_a_damaged_file_is_a_value_error_wherever_the_damage_is(tmp_path):
    path = tmp_path / "gram.npz"
    Gram().update(np.eye(3), np.ones(3)).save(path)
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    for _ in range(300):
        damaged = bytearray(whole)
        for place in rng.integers(0, len(whole), 4):
            damaged[place] = rng.integers(256)
        path.write_bytes(damaged)
        with suppress(ValueError):  # no other kind
            Gram.load(path)


@pytest.mark.parametrize("seed", range(10))
def test_a_centred_downdate_knows_how_well_the_means_are_known(seed):
    rng = np.random.default_rng(seed)
    X = 1e6 + rng.standard_normal((1000, 1))
    Gram(centred=True).update(X).downdate(Gram(centred=True).update(X[1:]))  # no false accusation
    X = 1e8 + rng.standard_normal((20_000, 2))
    Y = X @ [1.0, 2.0]
    left = Gram(centred=True).update(X, Y).downdate(Gram(centred=True).update(X[3:], Y[3:]))
    with pytest.raises(LinAlgError, match="too ill-conditioned"):
        left.solve()
