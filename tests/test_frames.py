"""Studies and trials as tables of pandas and polars, and as arrays with named axes of xarray."""

import sys

import numpy as np
import pytest

from w2s_fast import GaussianModel, Study, Task, probe, simulate
from w2s_fast.results.metrics import METRICS

MODEL = GaussianModel.paper(6, 4, 2, d_target=9)
LIBRARIES = ("pandas", "polars")


def family(d_shared, noise_variance=0.5):
    return GaussianModel.paper(6, 4, d_shared, noise_variance, d_target=9)


def values(frame, name):
    return np.asarray(frame[name].to_list())


@pytest.fixture(scope="module")
def study():
    grid = {"n": [[20], [12]], "N": [9, 30, 15], "d_shared": [3, 0], "noise_variance": [0.1, 0.2]}
    return Study(family, **grid, trials=3, title="grid").run(progress=False)


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_studys_frame_is_its_table(study, library):
    pytest.importorskip(library)
    frame, table = study.to_frame(library), study.table()
    assert type(frame).__module__.startswith(library)
    assert list(frame.columns) == list(table[0])
    for name in ("n", "N", "metric", "mean", "stderr", "in_doubt"):
        np.testing.assert_array_equal(values(frame, name), [row[name] for row in table])


@pytest.mark.parametrize("library", LIBRARIES)
def test_axes_that_a_study_lacks_are_empty(library):
    pytest.importorskip(library)
    strong = np.random.default_rng(0).standard_normal((80, 4))
    study = Study(Task.of(strong[:, :2], strong, strong[:, 0]), n=10, N=15, trials=2).run(progress=False)
    assert set(study.to_frame(library)["d_shared"].to_list()) == {None}


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("N", [30, [9, 30], [[9, 30, 40]]])
def test_a_frame_of_trials_has_a_row_for_each(N, library):
    pytest.importorskip(library)
    trials = simulate(MODEL, 12, N, trials=4)
    frame = trials.to_frame(library)
    assert list(frame.columns) == ["n", "N", "trial", *METRICS]
    assert len(frame) == trials.w2s.size
    for name in METRICS:
        np.testing.assert_array_equal(values(frame, name), getattr(trials, name).ravel())
    np.testing.assert_array_equal(values(frame, "N"), np.repeat(trials.N.ravel(), 4))
    np.testing.assert_array_equal(values(frame, "trial"), np.tile(np.arange(4), trials.N.size))


@pytest.mark.parametrize("library", LIBRARIES)
def test_label_columns_are_a_column(library):
    pytest.importorskip(library)
    strong = np.random.default_rng(0).standard_normal((80, 4))
    trials = probe(strong[:, :2], strong, np.sign(strong[:, :3]), n=10, N=[15, 40], trials=2)
    frame = trials.to_frame(library)
    assert len(frame) == 2 * 3 * 2
    place = (values(frame, "N") == 40) & (values(frame, "column") == 2) & (values(frame, "trial") == 1)
    assert values(frame, "w2s")[place] == trials.w2s[1, 2, 1]
    assert values(frame, "accuracy_w2s")[place] == trials.accuracy.w2s[1, 2, 1]
    assert values(frame, "ill_conditioned_w2s")[place] == trials.ill_conditioned.w2s[1, 1]


def test_a_grid_has_an_axis_for_each_size_and_scenario(study):
    pytest.importorskip("xarray")
    found = study.to_xarray()
    assert dict(found.sizes) == {"d_shared": 2, "noise_variance": 2, "n": 2, "N": 3, "trial": 3}
    assert found.coords["n"].values.tolist() == [12, 20]
    assert found.coords["N"].values.tolist() == [9, 15, 30]
    assert (float(found.coords["ridge"]), found.attrs["title"]) == (0.0, "grid")
    for row in study.table():
        place = {name: row[name] for name in ("d_shared", "noise_variance", "n", "N")}
        here = found.sel(place)
        assert int(here["trials"]) == row["trials"]
        suffixes = {"": "mean", "_stderr": "stderr", "_expected": "expected", "_paper_bound": "paper_bound"}
        for suffix, column in suffixes.items():
            if row[column] is not None:
                np.testing.assert_equal(float(here[row["metric"] + suffix]), row[column])
    point = found.sel(d_shared=0.0, noise_variance=0.2, n=12, N=15)["w2s_by_trial"]
    np.testing.assert_array_equal(point, study.result.w2s[3, study.points.index((12, 15))])


def test_sizes_that_are_no_grid_lie_along_points():
    pytest.importorskip("xarray")
    found = Study(MODEL, n=[12, 20, 40], N=[30, 9, 15], trials=2).run(progress=False).to_xarray()
    assert dict(found.sizes) == {"point": 3, "trial": 2}
    assert found.coords["N"].values.tolist() == [30, 9, 15]
    assert found["w2s"].dims == ("point",)
    single = Study(MODEL, n=12, N=30, trials=2).run(progress=False).to_xarray()
    assert dict(single.sizes) == {"n": 1, "N": 1, "trial": 2}


def test_models_of_no_grid_lie_along_scenarios():
    """Here the model of the second noise has a d_shared of its own."""
    pytest.importorskip("xarray")

    def odd(noise_variance):
        return family(3 if noise_variance > 0.1 else 1, noise_variance)

    found = Study(odd, n=12, N=[9, 30], noise_variance=[0.1, 0.2], trials=2).run(progress=False).to_xarray()
    assert dict(found.sizes) == {"scenario": 2, "n": 1, "N": 2, "trial": 2}
    assert found.coords["d_shared"].values.tolist() == [1.0, 3.0]
    assert found["w2s"].dims == ("scenario", "n", "N")


def test_only_finished_studies_that_keep_trials_have_them(tmp_path):
    pytest.importorskip("xarray")
    grid = {"n": 12, "N": [9, 30]}
    path = tmp_path / "a.sqlite"
    assert "trial" not in Study(MODEL, **grid, trials=2, path=path).run(progress=False).to_xarray().sizes
    with pytest.raises(RuntimeError, match=r"call run\(\) first"):
        Study(MODEL, **grid, trials=2).to_xarray()
    merged = Study(MODEL, **grid, trials=2, seed=5).run(progress=False)
    merged.merge(Study(MODEL, **grid, trials=3, seed=1).run(progress=False))
    assert merged.to_xarray().coords["seed"].values.tolist() == [1, 1, 1, 5, 5]
    np.testing.assert_array_equal(merged.to_xarray()["w2s_by_trial"][0, 1], merged.result.w2s[1])
    unfinished = Study(MODEL, **grid, trials=2).run(progress=False)
    unfinished.seeds = {0: 9}
    assert "trial" not in unfinished.to_xarray().sizes


@pytest.mark.parametrize("library", [*LIBRARIES, "xarray"])
def test_a_missing_library_is_named_with_its_cure(library, study, monkeypatch):
    monkeypatch.setitem(sys.modules, library, None)
    make = study.to_xarray if library == "xarray" else lambda: study.to_frame(library)
    with pytest.raises(ImportError, match=f"needs {library}: python -m pip install {library}"):
        make()


def test_another_library_is_refused(study):
    for found in (study, study.result):
        with pytest.raises(ValueError, match="library must be one of 'pandas', 'polars', got 'cudf'"):
            found.to_frame("cudf")
