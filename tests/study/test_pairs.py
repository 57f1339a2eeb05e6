"""Studies of several teachers and students: a scenario a pair, and one figure of all."""

import itertools

import numpy as np
import pytest

from tests.studies import table
from w2s_fast import GaussianModel, Predictions, Study, Task, correlation_dimension, intrinsic_dimension, probe


def several_models(seed=0):
    rng = np.random.default_rng(seed)
    z = rng.standard_normal((120, 8))
    weak = {"few": z[:, :3], "more": z[:, :6]}
    return weak, {"last": z[:, [0, 6, 7]], "other": z[:, :5]}, z[:, 0] + 0.1 * rng.standard_normal(120)


def test_each_pair_of_models_is_a_scenario_over_the_same_rows(tmp_path):
    weak, strong, y = several_models()
    path = tmp_path / "pairs.study"
    study = Study(Task.of(weak, strong, y, test=30), n=20, N=[30, 60], trials=3, seed=5, path=path)
    assert study.axes == ["teacher", "student"]
    study.run(progress=False)
    expected = probe(weak, strong, y, n=20, N=[30, 60], trials=3, seed=5, test=30)
    summary, pairs = study.summary(), list(itertools.product(weak, strong))
    for place, pair in enumerate(pairs):
        for fit in ("weak", "baseline", "ceiling", "w2s"):
            mean = summary[fit].mean[2 * place : 2 * place + 2]
            assert mean == pytest.approx(getattr(expected[pair], fit).mean(axis=-1), rel=1e-9)
    again = Study.open(path)
    assert [series.label for series in again.series()] == [f"teacher {t}, student {s}" for t, s in pairs]
    assert table(again) == table(study)
    assert {(row["teacher"], row["student"]) for row in study.table()} == set(pairs)


def test_models_are_axes_of_a_data_set():
    pytest.importorskip("xarray")
    weak, strong, y = several_models()
    study = Study(Task.of(weak, strong, y, test=30), n=20, N=[30, 60], trials=3).run(progress=False)
    data = study.to_xarray()
    assert data["w2s"].dims == ("teacher", "student", "n", "N")
    last = data.sel(teacher="more", student="other", n=20)["w2s"]
    assert last.values.tolist() == study.summary()["w2s"].mean[6:].tolist()


def test_names_of_models_are_told_and_make_no_other_study():
    weak, strong, y = several_models()
    named = Study(Task.of({"few": weak["few"]}, strong["last"], y, test=30), n=20, N=30, trials=1)
    plain = Study(Task.of(weak["few"], strong["last"], y, test=30), n=20, N=30, trials=1)
    (one,), (other,) = named.scenarios, plain.scenarios
    assert (one.description.teacher, one.description.student) == ("few", None)
    assert (other.description.teacher, other.description.student) == (None, None)
    assert one.description.identity == other.description.identity
    assert "teacher" not in other.description.as_dict()
    assert named.axes == []


def test_overlap_is_what_teacher_and_student_share():
    weak, strong, y = several_models()
    (source,) = Study(Task.of(weak["more"], strong["last"], y), n=20, N=30, trials=1).scenarios
    expected = correlation_dimension(weak["more"], strong["last"], energy=0.99)
    assert source.overlap() == pytest.approx(expected / intrinsic_dimension(weak["more"]), rel=1e-9)
    (gaussian,) = Study(GaussianModel.paper(6, 4, 3, 0.5, d_target=9), n=20, N=30, trials=1).scenarios
    assert gaussian.overlap() == pytest.approx(0.5)
    given = Task.of(Predictions(np.sign(y)), strong["last"], np.sign(y))
    assert Study(given, n=20, N=30, trials=1).scenarios[0].overlap() is None


def test_figures_compare_pairs_by_deviations_and_overlap(tmp_path):
    weak, strong, y = several_models()
    study = Study(Task.of(weak, strong["last"], y, test=30), n=20, N=[30, 60], trials=4).run(progress=False)
    study.plot_comparison(tmp_path / "pairs.svg", bars="deviation", overlap=True)
    drawn = (tmp_path / "pairs.svg").read_text()
    assert study.series()[0].with_deviations().summary["opr"].stderr == pytest.approx(
        2 * study.summary()["opr"].stderr[:2]
    )
    for words in ("teacher few, d_sw / d_w = ", "bars: standard deviation of trials"):
        assert f"<!-- {words}" in drawn
    with pytest.raises(ValueError, match="bars must be one of 'error', 'deviation', got 'std'"):
        study.plot_comparison(tmp_path / "x.svg", bars="std")
