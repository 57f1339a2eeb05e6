"""What callers hold goes in as it is, and comes back in the library, type and device that it came from."""

import pickle
from decimal import Decimal
from types import SimpleNamespace

import numpy as np
import pytest
import scipy.sparse

from w2s_fast import (
    CoMoments,
    Gram,
    MinNorm,
    Moments,
    Subspace,
    _arrays,
    _devices,
    correlation_dimension,
    intrinsic_dimension,
    lstsq,
    min_norm,
    predict_gap,
    principal_angles,
    probe,
    randomized_svd,
)
from w2s_fast._check import floats

X = np.random.default_rng(0).standard_normal((60, 5))
Y = X @ np.arange(5.0) + 0.1


def of_torch(array):
    return pytest.importorskip("torch").from_numpy(array.copy())


def of_jax(array):
    return pytest.importorskip("jax.numpy").asarray(array)


def of_strict(array, device="CPU_DEVICE"):
    strict = pytest.importorskip("array_api_strict")
    return strict.asarray(array, device=strict.Device(device))


def of_pandas(array):
    pd = pytest.importorskip("pandas")
    return pd.Series(array) if array.ndim == 1 else pd.DataFrame(array)


def of_polars(array):
    pl = pytest.importorskip("polars")
    return pl.Series(array) if array.ndim == 1 else pl.DataFrame(array)


def of_arrow(array):
    pa = pytest.importorskip("pyarrow")
    return pa.array(array) if array.ndim == 1 else pa.table({str(i): column for i, column in enumerate(array.T)})


def of_lists(array):
    pa = pytest.importorskip("pyarrow")
    if array.ndim == 1:
        return pa.chunked_array([array[:7], array[7:]])
    return pa.FixedSizeListArray.from_arrays(pa.array(array.ravel()), array.shape[1])


ARRAYS = {
    "torch": of_torch,
    "jax": of_jax,
    "array_api_strict": of_strict,
    "another device": lambda array: of_strict(array, "device1"),
}
TABLES = {
    "pandas": of_pandas,
    "nullable": lambda array: of_pandas(array).convert_dtypes(),
    "Arrow in pandas": lambda array: of_pandas(array).astype("double[pyarrow]"),
    "polars": of_polars,
    "Arrow": of_arrow,
    "lists": of_lists,
}


def from_library(array):
    """As NumPy sees it, by no function of ours."""
    if hasattr(array, "detach"):
        return array.numpy()
    return np.from_dlpack(array) if hasattr(array, "__dlpack__") else np.asarray(array)


CALLS = {
    "randomized_svd": lambda X, Y: randomized_svd(X, 2, random_state=0),
    "lstsq": lstsq,
    "min_norm": lambda X, Y: min_norm(X, Y, ridge=0.5),
    "MinNorm": lambda X, Y: MinNorm(X).solve(Y),
    "Gram": lambda X, Y: [
        (gram.xtx, gram.xty, gram.yty, gram.x_mean, gram.y_mean, gram.solve(), gram.solve([0.0, 1.0]))
        for gram in (Gram(centred=True).update(X, Y), *Gram.prefixes(X, Y, sizes=[9, 60]))
    ],
    "Moments": lambda X, Y: [(m.mean, m.m2, m.variance(ddof=1)) for m in (Moments().update(X), Moments().update(Y))],
    "CoMoments": lambda X, Y: [(pairs.mean, pairs.covariance(ddof=1)) for pairs in (CoMoments().update(X),)],
    "Subspace": lambda X, Y: [(space.basis, space.eigenvalues) for space in (Subspace.fit(X, rank=2),)],
    "principal_angles": lambda X, Y: principal_angles(X, X),
    "of subspaces": lambda X, Y: principal_angles(Subspace.fit(X, rank=3), Subspace.fit(X, rank=2)),
    "correlation_dimension": lambda X, Y: (correlation_dimension(X, X), correlation_dimension(X, X, energy=0.9)),
    "intrinsic_dimension": lambda X, Y: intrinsic_dimension(X, 0.9),
    "predict_gap": lambda X, Y: predict_gap(X, X, Y, ridge=0.5),
    "probe": lambda X, Y: probe(X, X, Y, n=20, N=28, trials=2).w2s,
}


def flat(result):
    return [leaf for part in result for leaf in flat(part)] if isinstance(result, list | tuple) else [result]


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("library", ARRAYS)
def test_arrays_come_back_in_their_library_and_on_their_device(library, name):
    given = [ARRAYS[library](part.astype(np.float32)) for part in (X, Y)]
    found = flat(CALLS[name](*given))
    expected = flat(CALLS[name](X.astype(np.float32), Y.astype(np.float32)))
    for mine, theirs in zip(found, expected, strict=True):
        if isinstance(theirs, np.ndarray) and name != "probe":  # whose trials are NumPy's
            assert type(mine) is type(given[0])
            assert mine.device == given[0].device
            seen = from_library(mine)
            assert seen.dtype == theirs.dtype or library == "jax"  # which has no float64 unless it is told to
            assert np.array_equal(seen, theirs.astype(seen.dtype)) or (library, name) == ("jax", "of subspaces")
        else:
            assert type(mine) is type(theirs)
            assert np.array_equal(mine, theirs)
    for mine, part in zip(given, (X, Y), strict=True):
        assert np.array_equal(from_library(mine), part.astype(np.float32))  # not written to


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("library", TABLES)
def test_tables_are_taken_as_arrays(library, name):
    found, expected = (flat(CALLS[name](*parts)) for parts in ((TABLES[library](X), TABLES[library](Y)), (X, Y)))
    for mine, theirs in zip(found, expected, strict=True):
        assert type(mine) is type(theirs)
        np.testing.assert_allclose(
            mine, theirs, rtol=1e-12, atol=1e-12
        )  # columns lie together, for sums in another order


@pytest.mark.parametrize("library", [*ARRAYS, *TABLES])
def test_nothing_and_one_row(library):
    make = (ARRAYS | TABLES)[library]
    assert floats(make(np.ones((1, 3))), "X").tolist() == [[1.0, 1.0, 1.0]]
    assert floats(make(np.zeros(0)), "X").shape == (0,)
    assert floats(make(np.zeros((0, 3))), "X").shape == (0, 3)


@pytest.mark.parametrize("library", ["torch", "array_api_strict"])
def test_memory_is_shared(library):
    given = ARRAYS[library](X)
    assert np.shares_memory(floats(given, "X"), from_library(given))
    strided = given[::2, 1:]
    assert np.array_equal(floats(strided, "X"), X[::2, 1:])
    assert np.shares_memory(floats(strided, "X"), from_library(given))


@pytest.mark.parametrize("kind", ["bfloat16", "float16", "float8_e4m3fn"])
def test_numbers_that_numpy_has_no_type_for_come_as_float32(kind):
    torch = pytest.importorskip("torch")
    given = of_torch(X).to(getattr(torch, kind))
    assert np.array_equal(floats(given, "X"), given.float().numpy())
    labels = of_torch(Y).to(getattr(torch, kind))
    solution = min_norm(given, labels)
    assert solution.dtype == torch.float32
    assert np.array_equal(solution.numpy(), min_norm(given.float().numpy(), labels.float().numpy()))


def test_types_of_ml_dtypes():
    ml_dtypes = pytest.importorskip("ml_dtypes")
    for kind in (ml_dtypes.bfloat16, ml_dtypes.float8_e5m2, ml_dtypes.int4):
        given = np.arange(6).reshape(3, 2).astype(kind)
        assert floats(given, "X").dtype == np.float32
        assert np.array_equal(floats(given, "X"), np.arange(6).reshape(3, 2))
    half = of_jax(X.astype(np.float32)).astype("bfloat16")
    assert np.array_equal(floats(half, "X"), np.asarray(half).astype(np.float32))


def test_tensors_of_every_kind():
    torch = pytest.importorskip("torch")
    grown = torch.nn.Parameter(of_torch(X))
    assert min_norm(grown, Y).requires_grad is False
    assert torch.equal(min_norm(grown, Y), of_torch(min_norm(X, Y)))
    turned = torch.complex(of_torch(X), of_torch(X)).conj().imag  # a view that is negated when it is read
    assert turned.is_neg()
    assert np.array_equal(floats(turned, "X"), -X)
    assert np.array_equal(floats(of_torch(X).T, "X"), X.T)
    assert np.array_equal(floats([of_torch(row) for row in X], "X"), X)
    assert np.array_equal(floats(of_torch(X).to(torch.int8), "X"), X.astype(np.int8))
    whole, _, _, s = lstsq(torch.complex(of_torch(X), of_torch(X)), of_torch(Y))
    assert (whole.dtype, s.dtype) == (torch.complex128, torch.float64)


def test_tensors_that_are_not_here_are_refused():
    torch = pytest.importorskip("torch")
    with pytest.raises(TypeError, match=r"X is a torch tensor of layout torch.sparse_coo: call its to_dense\(\)"):
        min_norm(of_torch(X).to_sparse(), Y)
    with pytest.raises(TypeError, match="X is on meta: copy it to the host first"):
        min_norm(torch.empty(3, 2, device="meta"), Y)


@pytest.mark.parametrize("library", [*ARRAYS, *TABLES])
def test_nan_is_named(library):
    bad = X.copy()
    bad[7, 2] = np.nan
    with pytest.raises(ValueError, match=r"X holds 1 NaN or infinite value\(s\), the first at index \(7, 2\)"):
        min_norm((ARRAYS | TABLES)[library](bad), Y)


def test_what_is_missing_in_a_table_is_nan():
    pd, pl, pa = (pytest.importorskip(name) for name in ("pandas", "polars", "pyarrow"))
    for kind in ("Int64", "boolean", "Float32", "int64[pyarrow]"):
        frame = pd.DataFrame({"a": pd.array([1, None, 0], dtype=kind), "b": [0.5, 1.0, 2.0]})
        assert np.array_equal(floats(frame, "X", finite=False)[:, 0], [1, np.nan, 0], equal_nan=True)
        assert np.array_equal(floats(frame["a"], "X", finite=False), [1, np.nan, 0], equal_nan=True)
    values = [True, None, False]
    for given in (pl.Series(values), pa.array(values), pl.DataFrame({"a": values}), pa.table({"a": values})):
        found = floats(given, "X", finite=False)
        assert np.array_equal(found.ravel(), [1, np.nan, 0], equal_nan=True)


def test_numbers_of_tables():
    pd, pl, pa = (pytest.importorskip(name) for name in ("pandas", "polars", "pyarrow"))
    sparse = pd.DataFrame.sparse.from_spmatrix(scipy.sparse.eye_array(3, format="csr"))
    assert np.array_equal(floats(sparse, "X"), np.eye(3))
    assert floats(pd.DataFrame({"a": np.ones(2, np.int8), "b": np.ones(2, np.float32)}), "X").dtype == np.float32
    assert floats(pd.DataFrame({"a": [True]}).convert_dtypes(), "X").dtype == np.float64
    twice = pd.DataFrame(X[:, :2], columns=["a", "a"])
    assert np.array_equal(floats(twice, "X"), X[:, :2])
    assert np.array_equal(floats(pl.Series([[1, 2], [3, 4]]), "X"), [[1, 2], [3, 4]])
    assert np.array_equal(floats(pl.DataFrame({"e": [[1, 2], [3, 4]]}), "X"), [[1, 2], [3, 4]])
    decimals = pa.array([Decimal(1), Decimal(2)])
    assert np.array_equal(floats(decimals, "X"), [1.0, 2.0])
    assert np.array_equal(floats(pl.from_arrow(decimals), "X"), [1.0, 2.0])
    lists = of_lists(X)
    assert np.array_equal(floats(lists[3:9], "X"), X[3:9])
    assert np.array_equal(floats(pa.table({"embedding": lists}), "X"), X)
    assert np.array_equal(floats(pa.record_batch({"a": Y, "b": Y}), "X"), np.stack((Y, Y), axis=1))
    assert floats(pa.table({}), "X").shape == (0, 0)


def frames():
    pd, pl, pa = (pytest.importorskip(name) for name in ("pandas", "polars", "pyarrow"))
    pair = {"age": [1.0, 2.0], "name": ["a", "b"]}
    return {
        "column 'name' holds": [pd.DataFrame(pair), pl.DataFrame(pair), pa.table(pair)],
        "got ": [pd.Series(["a", "b"]).astype("category"), pa.array(["a", "b"])],
        "holds datetime64": [pd.DataFrame({"when": pd.to_datetime(["2026-01-01"])})],
        r"LazyFrame: call its collect\(\)": [pl.DataFrame({"a": [1.0]}).lazy()],
        "unequal lengths": [pa.array([[1.0], [1.0, 2.0]]), pl.Series([[1.0], [1.0, 2.0]])],
        r"1 null list\(s\) in column 'e'": [pa.table({"e": [[1.0], None]})],
        "columns of lists beside others": [make({"e": [[1.0]], "a": [1.0]}) for make in (pa.table, pl.DataFrame)],
    }


def test_tables_that_hold_no_numbers_are_refused_by_column():
    for words, tables in frames().items():
        for table in tables:
            with pytest.raises(TypeError, match=words) as caught:
                floats(table, "X")
            assert str(caught.value).startswith("X ")
            assert "\n" not in str(caught.value)


@pytest.mark.parametrize("library", [*ARRAYS, *TABLES])
def test_blocks_of_any_library(library):
    make = (ARRAYS | TABLES)[library]
    blocks = [make(X[:20]), make(X[20:])]
    expected = Subspace.fit([X[:20], X[20:]], rank=2).eigenvalues
    for given in (blocks, iter(blocks)):
        np.testing.assert_allclose(Subspace.fit(given, rank=2).eigenvalues, expected, rtol=1e-6)
    gram = Gram()
    for block, labels in zip(blocks, (Y[:20], Y[20:]), strict=True):
        gram.update(block, make(labels))
    assert np.allclose(np.asarray(floats(gram.solve(), "w")), Gram().update(X, Y).solve(), atol=1e-5)


def test_batches_of_an_arrow_reader():
    pa = pytest.importorskip("pyarrow")
    table = of_arrow(X)
    reader = pa.RecordBatchReader.from_batches(table.schema, table.to_batches(max_chunksize=25))
    assert intrinsic_dimension(reader, 0.9) == intrinsic_dimension(X, 0.9)


def test_sums_go_where_the_first_rows_came_from():
    torch = pytest.importorskip("torch")
    for new, result in (
        (Gram, lambda gram: gram.solve()),
        (Moments, lambda moments: moments.variance()),
        (CoMoments, lambda pairs: pairs.covariance()),
    ):
        rows = (of_torch(X), of_torch(Y)) if new is Gram else (of_torch(X),)
        here = (X, Y) if new is Gram else (X,)
        first, second = new().update(*rows), new().update(*here)
        assert isinstance(result(pickle.loads(pickle.dumps(first))), torch.Tensor)
        assert isinstance(result(new().merge(first).merge(second)), torch.Tensor)
        assert isinstance(result(new().merge(second).merge(first)), np.ndarray)
        assert isinstance(result(second.update(*rows)), np.ndarray)


def test_ratios_and_files_of_sums_of_tensors(tmp_path):
    assert CoMoments().update(of_torch(X + 9.0)).ratio([1, 0, 0, 0, 0], [0, 1, 0, 0, 0]) == CoMoments().update(
        X + 9.0
    ).ratio([1, 0, 0, 0, 0], [0, 1, 0, 0, 0])
    Gram().update(of_torch(X), of_torch(Y)).save(tmp_path / "sums.npz")
    assert np.array_equal(Gram.load(tmp_path / "sums.npz").solve(), Gram().update(X, Y).solve())


class OnGpu:
    """An array on a GPU, as its library tells it."""

    shape, ndim, device = (60, 5), 2, "cuda:0"

    def __dlpack_device__(self):
        return _arrays.CUDA, 0


def test_arrays_on_a_gpu_are_worked_on_there(monkeypatch):
    made = Subspace(X[:, :2], X[0, :2], 1.0, 0.0, (2, 2), "exact")
    called = []

    def told(name, result):
        return lambda *given, **how: (called.append((name, given, how)), result)[1]

    names = {"min_norm": 1, "randomized_svd": 2, "fit_subspace": made}
    module = SimpleNamespace(**{name: told(name, result) for name, result in names.items()})
    monkeypatch.setattr(_devices.importlib, "import_module", lambda name: {"w2s_fast.cuda": module}[name])
    there = OnGpu()
    assert min_norm(there, there, ridge=0.5) == 1
    assert randomized_svd(there, 3, random_state=7) == 2
    assert randomized_svd(there, 3, n_iter=2) == 2
    assert Subspace.fit(there, rank=2).rank == 2
    assert called == [
        ("min_norm", (there, there), {"rcond": None, "ridge": 0.5}),
        ("randomized_svd", (there, 3), {"n_oversamples": 10, "random_state": 7}),
        ("randomized_svd", (there, 3), {"n_oversamples": 10, "random_state": None, "n_iter": 2}),
        ("fit_subspace", (there,), {"rank": 2, "energy": None}),
    ]


SPARSE = ("csr", "csc", "coo", "bsr", "lil", "dok")


@pytest.mark.parametrize("kind", [scipy.sparse.random_array, scipy.sparse.random])
@pytest.mark.parametrize("form", SPARSE)
def test_sparse_matrices_are_summed_by_blocks(form, kind, monkeypatch):
    given = scipy.sparse.random(60, 5, 0.4, random_state=0)
    S = (scipy.sparse.coo_array if kind is scipy.sparse.random_array else scipy.sparse.coo_matrix)(given).asformat(form)
    dense = given.toarray()
    monkeypatch.setattr("w2s_fast.linalg.rows.cutting.height", lambda width: 7)
    calls = {name: CALLS[name] for name in ("Moments", "CoMoments", "Subspace", "min_norm", "probe")} | {
        "Gram": lambda X, Y: (Gram().update(X, Y).solve(), Gram(centred=True).update(X, Y).solve()),
        "lstsq": lambda X, Y: lstsq(X, Y)[0],
        "dimensions": lambda X, Y: (intrinsic_dimension(X, 0.9), correlation_dimension(X, X, energy=0.9)),
    }
    for name, call in calls.items():
        for mine, theirs in zip(flat(call(S, Y)), flat(call(dense, Y)), strict=True):
            np.testing.assert_allclose(mine, theirs, atol=1e-12, err_msg=name)


def test_sparse_matrices_that_are_hard():
    twice = scipy.sparse.coo_array((np.ones(4), ([0, 0, 1, 2], [1, 1, 0, 1])), shape=(3, 2))  # adds up to 2
    assert np.array_equal(Gram().update(twice).xtx, [[1.0, 0.0], [0.0, 5.0]])
    empty = scipy.sparse.csr_array((0, 4))
    assert Moments().update(empty).count == 0
    with pytest.raises(ValueError, match="X holds 1 NaN"):
        Gram().update(scipy.sparse.csr_array([[0.0, np.nan]]))
    with pytest.raises(TypeError, match="X must hold real numbers, got dtype complex128"):
        Gram().update(scipy.sparse.csr_array([[1j]]))
    with pytest.raises(TypeError, match=r"X must be dense here, got a sparse matrix: call its toarray\(\)"):
        MinNorm(scipy.sparse.eye_array(3))
    whole = scipy.sparse.random_array((30, 400), density=0.1, rng=0, dtype=np.float32)
    assert intrinsic_dimension(whole, 0.9) == intrinsic_dimension(whole.toarray(), 0.9)
