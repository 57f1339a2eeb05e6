"""Rows that people have set apart, and labels as they have them."""

import numpy as np
import pytest

from w2s_fast import Predictions, Study, Task, probe
from w2s_fast._random import stream
from w2s_fast.probing.design import SPLITS

rng = np.random.default_rng(0)
Z = rng.standard_normal((400, 8))
WEAK, STRONG = Z[:, :5], Z[:, 3:]
Y = Z[:, 4] + 0.3 * rng.standard_normal(400)
ROWS = rng.permutation(400)
LABELLED, PSEUDO, TEST = ROWS[:60], ROWS[60:200], ROWS[200:300]  # and a hundred that nothing has
GIVEN = {"labelled": LABELLED, "pseudo_labelled": PSEUDO, "test": TEST}


def error(X, y, X_test, y_test):
    """Of a least-squares fit, by NumPy."""
    return np.mean((X_test @ np.linalg.lstsq(X, y, rcond=None)[0] - y_test) ** 2)


def risks(labelled, pseudo, test):
    taught = WEAK[pseudo] @ np.linalg.lstsq(WEAK[labelled], Y[labelled], rcond=None)[0]
    both = np.concatenate((labelled, pseudo))
    return (
        error(WEAK[labelled], Y[labelled], WEAK[test], Y[test]),
        error(STRONG[labelled], Y[labelled], STRONG[test], Y[test]),
        error(STRONG[both], Y[both], STRONG[test], Y[test]),
        error(STRONG[pseudo], taught, STRONG[test], Y[test]),
    )


def found(trials):
    return np.stack((trials.weak, trials.baseline, trials.ceiling, trials.w2s))


def mask(index):
    return np.isin(np.arange(400), index)


@pytest.mark.parametrize("how", ["numbers", "masks", "lists", "files"])
def test_fixed_rows_are_all_taken(how, tmp_path):
    def in_file(index):
        np.save(tmp_path / f"{index[0]}.npy", index)
        return tmp_path / f"{index[0]}.npy"

    as_given = {"numbers": np.asarray, "masks": mask, "lists": lambda index: index.tolist(), "files": in_file}[how]
    given = {name: as_given(index) for name, index in GIVEN.items()}
    result = probe(WEAK, STRONG, Y, trials=1, ridge=0.0, **given)
    np.testing.assert_allclose(found(result)[:, 0], risks(LABELLED, PSEUDO, TEST), rtol=1e-9)
    assert (int(result.n), int(result.N)) == (60, 140)


def test_fewer_rows_are_drawn_of_each():
    result = probe(WEAK, STRONG, Y, n=[20, 30], N=[50, 90], trials=3, seed=5, ridge=0.0, **GIVEN)
    for trial in range(3):
        draw = stream(5, SPLITS, trial)
        first, others = (draw.permutation(np.sort(index)) for index in (LABELLED, PSEUDO))
        for point, (n, N) in enumerate(((20, 50), (30, 90))):
            np.testing.assert_allclose(found(result)[:, point, trial], risks(first[:n], others[:N], TEST), rtol=1e-9)


@pytest.mark.parametrize("left_out", [("labelled",), ("pseudo_labelled",), ("test",), ("labelled", "test")])
def test_what_is_left_out_is_drawn_from_what_is_left(left_out):
    given = {name: index for name, index in GIVEN.items() if name not in left_out}
    design = _design({"test": 40, **given}, n=20, N=30)
    taken = np.concatenate(list(given.values()))
    pools = dict(zip(("labelled", "pseudo_labelled"), design.pools, strict=True))
    for name, index in (pools | {"test": design.test_index}).items():
        if name in given:
            assert np.array_equal(index, np.sort(given[name]))
        else:
            assert not np.isin(index, taken).any()
    assert not np.isin(design.test_index, np.concatenate(design.pools)).any()


def _design(given, **sizes):
    from w2s_fast.probing.design import Design

    return Design.of(Task.of(WEAK, STRONG, Y, **given), **sizes, seed=0)


def test_rows_of_other_files(tmp_path):
    parts = {name: (WEAK[index], STRONG[index], Y[index]) for name, index in GIVEN.items()}
    expected = probe(WEAK, STRONG, Y, trials=1, **{name: np.sort(index) for name, index in GIVEN.items()})
    labelled = parts.pop("labelled")
    result = probe(*labelled, trials=1, **parts)
    np.testing.assert_allclose(found(result), found(expected), rtol=1e-9)
    paths = {}
    for name, arrays in (("labelled", labelled), *parts.items()):
        paths[name] = [tmp_path / f"{name}{kind}.npy" for kind in ("w", "s", "y")]
        for path, array in zip(paths[name], arrays, strict=True):
            np.save(path, array)
    from_files = probe(*paths.pop("labelled"), trials=1, **{name: tuple(files) for name, files in paths.items()})
    assert np.array_equal(found(from_files), found(result))
    mixed = probe(*labelled, trials=1, test=parts["test"], pseudo_labelled=tuple(paths["pseudo_labelled"]))
    assert np.array_equal(found(mixed), found(result))
    half = tuple(part.astype(np.float32) for part in parts["pseudo_labelled"])
    close = probe(*labelled, trials=1, test=parts["test"], pseudo_labelled=half)
    np.testing.assert_allclose(found(close), found(result), rtol=1e-3)


def test_a_study_of_fixed_rows_is_another(tmp_path):
    task = Task.of(WEAK, STRONG, Y, **GIVEN)
    study = Study(task, n=20, N=[30, 50], trials=3, keep_trials=True, path=tmp_path / "study.sqlite").run(
        progress=False
    )
    expected = probe(WEAK, STRONG, Y, n=20, N=[30, 50], trials=3, **GIVEN)
    assert np.array_equal(study.result.w2s.reshape(expected.w2s.shape), expected.w2s)
    others = {**GIVEN, "labelled": np.sort(ROWS[:59])}, {**GIVEN, "test": TEST[:99]}, {"test": TEST}
    for other in others:
        with pytest.raises(ValueError, match="other"):
            Study(
                Task.of(WEAK, STRONG, Y, **other), n=20, N=[30, 50], trials=3, keep_trials=True, path=study.path
            ).run()


def test_decompositions_of_fixed_rows():
    result = probe(WEAK, STRONG, Y, n=20, N=50, trials=4, decompose=True, **GIVEN)
    assert result.decomposition.weak_variance > 0


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"labelled": [0, 400]}, "labelled must name rows from 0 to 399, got 0 to 400"),
        ({"test": [-1, 4]}, "test must name rows from 0 to 399, got -1 to 4"),
        ({"labelled": [1, 2, 1]}, "labelled names row 1 more than once"),
        ({"labelled": [1, 2], "test": [7, 2]}, r"labelled and test have 1 row\(s\) in common, the first is 2"),
        ({"labelled": np.zeros(400, bool)}, "labelled must name at least one row"),
        ({"labelled": np.ones(3, bool)}, "labelled is a mask of 3 rows, y has 400"),
        ({"labelled": np.array([0.5, 1.0])}, "labelled must hold row numbers or a mask of the rows, got dtype float64"),
        ({"labelled": ROWS[:380]}, "test takes 80 rows, but 20 are left beside labelled and pseudo_labelled"),
        ({"labelled": [5, 6], "n": 3}, "n asks for up to 3 rows, labelled has 2: lower n"),
        ({"pseudo_labelled": [5, 6], "n": 3, "N": 3}, "N asks for up to 3 rows, pseudo_labelled has 2: lower N"),
        ({"n": None}, "n may be left out where labelled or pseudo_labelled rows are given"),
        ({"pseudo_labelled": (WEAK, STRONG)}, r"pseudo_labelled must be \(weak, strong, y\), got 2 items"),
        ({"pseudo_labelled": (STRONG, WEAK[:, :2], Y)}, "pseudo_labelled has widths"),
        ({"test": "some.npy"}, "test: there is no file 'some.npy'"),
        ({"test": {"a": 1}}, "test must be row numbers"),
    ],
)
def test_rows_that_cannot_be_are_refused(given, words):
    with pytest.raises((ValueError, TypeError, OSError), match=words):
        probe(WEAK, STRONG, Y, **{"n": 2, "N": 20, "trials": 1, **given})


SIGNS = np.where(Y > 0, 1.0, -1.0)
NAMES = np.where(Y > 0, "yes", "no")


def series(library):
    return getattr(pytest.importorskip(library), "Series", None)


@pytest.mark.parametrize(
    "given",
    [
        lambda: NAMES,
        NAMES.tolist,
        lambda: NAMES.astype(object),
        lambda: series("pandas")(NAMES),
        lambda: series("pandas")(NAMES).astype("category"),
        lambda: pytest.importorskip("pandas").Categorical(NAMES),
        lambda: pytest.importorskip("pandas").DataFrame({"label": NAMES}),
        lambda: series("polars")(NAMES.tolist()),
        lambda: pytest.importorskip("pyarrow").array(NAMES.tolist()),
    ],
)
def test_names_of_two_classes_are_signs(given):
    result, expected = (probe(WEAK, STRONG, y, n=40, N=80, trials=2) for y in (given(), SIGNS))
    assert np.array_equal(found(result), found(expected))
    assert np.array_equal(result.accuracy.w2s, expected.accuracy.w2s)


@pytest.mark.parametrize("kind", [int, bool, float])
def test_categories_of_numbers_are_numbers(kind):
    given = series("pandas")((SIGNS > 0).astype(kind)).astype("category")
    result, expected = (probe(WEAK, STRONG, y, n=40, N=80, trials=2) for y in (given, SIGNS > 0))
    assert np.array_equal(found(result), found(expected))
    given[3] = None
    with pytest.raises(ValueError, match=r"y holds 1 NaN or infinite value\(s\), the first at index \(3,\)"):
        probe(WEAK, STRONG, given, n=40, N=80, trials=2)


@pytest.mark.parametrize("missing", [None, np.nan])
@pytest.mark.parametrize("kind", [object, "category", "string"])
def test_rows_without_a_name_are_refused_by_number(kind, missing):
    given = series("pandas")(NAMES.astype(object))
    given[5] = missing
    for y in (given.astype(kind), given.tolist(), given.to_numpy()):
        with pytest.raises(ValueError, match=r"y has names, but .* in row 5: drop such rows, or name them"):
            probe(WEAK, STRONG, y, n=40, N=80, trials=2)
    with pytest.raises(ValueError, match=r"weak has names, but .* in row 5"):
        probe(Predictions(given.astype(kind)), STRONG, NAMES, n=40, N=80, trials=2)


def test_zeros_and_ones_have_accuracies():
    how = {"n": 40, "N": 80, "trials": 3, "intercept": True, "ridge": 0.0}
    result, expected = (probe(WEAK, STRONG, y, **how) for y in (SIGNS / 2 + 0.5, SIGNS))
    np.testing.assert_allclose(4.0 * found(result), found(expected), rtol=1e-9)
    assert np.array_equal(result.accuracy.w2s, expected.accuracy.w2s)
    assert np.array_equal(probe(WEAK, STRONG, SIGNS > 0, **how).accuracy.w2s, expected.accuracy.w2s)
    assert probe(WEAK, STRONG, np.where(SIGNS > 0, 2.0, 1.0), **how).accuracy is None


def test_names_of_more_classes_are_a_column_each():
    names = np.array(["b", "a", "c"])[np.digitize(Y, [-0.5, 0.5])]
    columns = np.stack([names == kind for kind in "abc"], axis=1).astype(float)
    result, expected = (probe(WEAK, STRONG, y, n=40, N=80, trials=2) for y in (names, columns))
    assert np.array_equal(found(result), found(expected))
    assert result.w2s.shape == (3, 2)


def test_test_rows_have_the_classes_of_the_others():
    test = WEAK[:50], STRONG[:50], NAMES[:50]
    rest = WEAK[50:], STRONG[50:], NAMES[50:]
    result = probe(*rest, n=40, N=80, trials=2, test=test)
    expected = probe(*rest[:2], SIGNS[50:], n=40, N=80, trials=2, test=(*test[:2], SIGNS[:50]))
    assert np.array_equal(found(result), found(expected))
    one = np.flatnonzero(NAMES[:50] == "yes")  # of one class alone, which is known from the others
    assert probe(*rest, n=40, N=80, trials=2, test=tuple(part[one] for part in test)).accuracy is not None
    with pytest.raises(ValueError, match="y of test names classes that y does not: 'maybe', beside 'no', 'yes'"):
        probe(*rest, n=40, N=80, trials=2, test=(*test[:2], np.array(["maybe"] * 50)))
    with pytest.raises(TypeError, match="y of test must hold names of classes as y does: 'no', 'yes'"):
        probe(*rest, n=40, N=80, trials=2, test=(*test[:2], SIGNS[:50]))


def test_names_that_are_no_classes_are_refused():
    with pytest.raises(ValueError, match="y must name 2 to 1,000 classes, got 1: 'a'"):
        probe(WEAK, STRONG, ["a"] * 400, n=40, N=80, trials=2)
    with pytest.raises(TypeError, match=r"y has names, but 1.0 in row 1: drop such rows, or name them"):
        probe(WEAK, STRONG, np.array(["a", 1.0] * 200, object), n=40, N=80, trials=2)
