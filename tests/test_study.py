"""Studies run, tabulate and draw; files appear whole or not at all."""

import csv
import json
import sys

import numpy as np
import pytest

from w2s_fast import GaussianModel, Study, expected_risks, paper_bounds
from w2s_fast.model.probe import Task
from w2s_fast.study import plot, report
from w2s_fast.study.store import whole_file
from w2s_fast.tasks import paper


@pytest.fixture(scope="module")
def model():
    return GaussianModel.paper(d_weak=6, d_strong=4, d_shared=2, d_target=9)


@pytest.fixture(scope="module")
def study(model):
    return Study(model, n=[12, 20, 40], N=30, trials=4, seed=3, title="tiny").run(progress=False)


@pytest.fixture(scope="module")
def real_study():
    rng = np.random.default_rng(0)
    strong = rng.standard_normal((80, 4))
    task = Task.of(strong[:, :2], strong, strong[:, 0] + 0.1 * rng.standard_normal(80))
    return Study(task, n=10, N=[15, 40], trials=3, title="real").run(progress=False)


def test_the_table_holds_means_theory_and_bounds(study, model):
    table = study.table()
    assert len(table) == 3 * 6
    assert list(table[0]) == ["study", "n", "N", "metric", "trials", "mean", "stderr", "expected", "paper_bound"]
    for row in table:
        assert row["expected"] == getattr(expected_risks(model, row["n"], row["N"]), row["metric"])
        assert row["paper_bound"] == getattr(paper_bounds(model, row["n"], row["N"]), row["metric"])
    assert table[3]["mean"] == pytest.approx(study.result.w2s[0].mean())


def test_real_features_have_no_theory(real_study):
    assert real_study.expected() is real_study.bounds() is None
    assert {row["expected"] for row in real_study.table()} == {None}


def test_csv_reads_back(study, tmp_path):
    assert study.to_csv(tmp_path / "tiny.csv") is study
    with (tmp_path / "tiny.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["mean"]) for row in rows] == [row["mean"] for row in study.table()]


@pytest.mark.parametrize("suffix", ["png", "svg", "pdf"])
def test_figures_of_both_kinds_are_drawn(study, real_study, tmp_path, suffix):
    plot.draw([study, real_study], tmp_path / f"figure.{suffix}")
    assert (tmp_path / f"figure.{suffix}").stat().st_size > 5_000
    assert [path.name for path in tmp_path.iterdir()] == [f"figure.{suffix}"]


def test_a_wide_sweep_gets_a_logarithmic_axis(model, tmp_path):
    wide = Study(model, n=[10, 20], N=[30, 10**9], trials=2).run(progress=False)
    wide.plot(tmp_path / "wide.png")


def test_an_unknown_figure_format_is_refused_before_anything_is_written(study, tmp_path):
    with pytest.raises(ValueError, match=r"end it in \.png, \.svg or \.pdf"):
        study.plot(tmp_path / "figure.doc")
    assert list(tmp_path.iterdir()) == []


def test_missing_matplotlib_says_what_to_install(study, tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"pip install \"w2s_fast\[plot\]\""):
        study.plot(tmp_path / "figure.png")


def test_results_before_a_run_are_an_error(model):
    with pytest.raises(RuntimeError, match=r"call run\(\) first"):
        Study(model, n=9, N=9).table()


def test_a_grid_is_what_the_sizes_broadcast_to(model):
    study = Study(model, n=[[100], [200]], N=[[100, 200]])
    assert list(zip(study.n.tolist(), study.N.tolist(), strict=True)) == [
        (100, 100),
        (100, 200),
        (200, 100),
        (200, 200),
    ]


def test_progress_is_a_switch_or_a_function(model):
    with pytest.raises(TypeError, match="progress must be a function"):
        Study(model, n=9, N=9).run(progress="yes")


def test_a_study_without_risk_can_be_drawn(tmp_path):
    model = GaussianModel([1.0, 0.0], np.eye(2), np.eye(2), 0.0)
    Study(model, n=[5, 6], N=9, trials=2).run(progress=False).plot(tmp_path / "zero.png")


def test_only_models_and_tasks_can_be_studied():
    with pytest.raises(TypeError, match="source must be a GaussianModel or a Task, got list"):
        Study([1, 2], n=5, N=5)


def test_a_progress_bar_is_shown_on_standard_error(model, capsys):
    Study(model, n=12, N=9, trials=2, title="with a bar").run()
    captured = capsys.readouterr()
    assert "with a bar" in captured.err
    assert captured.out == ""


def test_without_rich_a_study_runs_silently(model, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "rich.console", None)
    Study(model, n=12, N=9, trials=2).run()
    assert capsys.readouterr().err == ""


def test_a_file_appears_whole_or_not_at_all(tmp_path):
    target = tmp_path / "file.txt"
    with whole_file(target) as temporary:
        temporary.write_text("first")
        assert not target.exists()
    with pytest.raises(KeyboardInterrupt), whole_file(target) as temporary:
        temporary.write_text("half")
        raise KeyboardInterrupt
    assert target.read_text() == "first"
    assert list(tmp_path.iterdir()) == [target]


def test_a_file_needs_its_folder_and_not_to_be_one(tmp_path):
    with pytest.raises(FileNotFoundError, match="does not exist"), whole_file(tmp_path / "none" / "file.txt"):
        pass
    with pytest.raises(IsADirectoryError, match="name a file in it"), whole_file(tmp_path):
        pass
    with pytest.raises(ValueError, match="path is empty"), whole_file(""):
        pass
    with whole_file(tmp_path / ("x" * 249)):
        pass


def test_json_is_strict(tmp_path):
    report.write_json({"a": [1.0, float("nan"), (float("inf"),)]}, tmp_path / "x.json")
    assert json.loads((tmp_path / "x.json").read_text()) == {"a": [1.0, None, [None]]}


@pytest.mark.parametrize(
    ("mean", "stderr", "text"),
    [
        (10.73, 0.23, "10.7±0.2"),
        (1.415, 0.016, "1.415±0.016"),
        (1.5281935885, 1e-17, "1.528±0"),
        (float("nan"), 1.0, "nan±0"),
        (1234.5, 55.0, "1234±55"),
        (1.0, float("nan"), "1±nan"),
    ],
)
def test_cells_keep_the_digits_that_the_error_leaves(mean, stderr, text):
    assert report.cell(mean, stderr) == text


def test_the_papers_sweeps_are_those_of_its_code():
    assert paper.sweep(20)[:5].tolist() == [400, 589, 778, 968, 1157]
    along_n, along_N = paper.synthetic(d_shared=50)
    assert along_n.N.tolist() == [4000] * 20
    assert along_N.n.tolist() == [2000] * 20
    assert along_n.source.d_shared == pytest.approx(50)
