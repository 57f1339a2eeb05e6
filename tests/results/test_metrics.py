"""Metrics are one table: an entry more is in every result, file, table, figure, page and command."""

import csv
import re
import sys

import numpy as np
import pytest

from w2s_fast import GaussianModel, Study, Task, cli, expected_risks, probe, simulate
from w2s_fast.results.metrics import METRICS, Metric, Quotient, ratios, value_of
from w2s_fast.study import figures

MODEL = GaussianModel.paper(d_weak=6, d_strong=4, d_shared=2, d_target=9)
LOSS = Metric("regret (toy)", ("w2s", "ceiling"), Quotient("w2s", "ceiling", "missed"))
SURPLUS = Metric("log surplus", ("w2s",), lambda risks: np.log(risks["w2s"]), needs_gap=True)


@pytest.fixture
def toys(monkeypatch):
    monkeypatch.setitem(METRICS, "loss", LOSS)
    monkeypatch.setitem(METRICS, "surplus", SURPLUS)


def study(path=None, trials=20):
    return Study(MODEL, n=[12, 20, 40], N=30, trials=trials, seed=3, title="tiny", path=path)


def features():
    rng = np.random.default_rng(0)
    strong = rng.standard_normal((90, 4))
    return strong[:, :2], strong, np.sign(strong[:, 0] + 0.1)


@pytest.mark.usefixtures("toys")
def test_a_metric_from_outside_is_in_every_result():
    result = simulate(MODEL, [12, 20], 30, trials=30)
    np.testing.assert_array_equal(result.loss, result.w2s / result.ceiling)
    np.testing.assert_array_equal(result.surplus, np.log(result.w2s))
    summary = result.summary()
    assert {"loss", "loss_of_means", "surplus"} <= summary.keys()
    assert "surplus_of_means" not in summary
    np.testing.assert_allclose(summary["loss_of_means"].mean, result.w2s.mean(-1) / result.ceiling.mean(-1))
    weak, strong, y = features()
    assert "loss" in probe(weak, strong, y, n=20, N=40, trials=4).summary()
    exact = expected_risks(MODEL, [12, 20], 30)
    np.testing.assert_array_equal(value_of("loss", exact._asdict()), exact.w2s / exact.ceiling)
    with pytest.raises(AttributeError, match="no attribute 'gain'"):
        _ = result.gain


@pytest.mark.usefixtures("toys")
def test_a_metric_from_outside_is_in_files_tables_figures_and_pages(tmp_path):
    found = study(tmp_path / "study.sqlite").run(progress=False)
    rows = [row for row in Study.open(found.path).table() if row["metric"] == "loss"]
    assert rows == [row for row in found.table() if row["metric"] == "loss"]
    exact = expected_risks(MODEL, [12, 20, 40], 30)
    assert [row["expected"] for row in rows] == pytest.approx(exact.w2s / exact.ceiling)
    assert {row["paper_bound"] for row in rows} == {None}
    found.to_csv(tmp_path / "table.csv")
    with open(tmp_path / "table.csv", newline="") as file:
        assert {"loss", "loss_of_means", "surplus"} <= {row["metric"] for row in csv.DictReader(file)}
    found.to_html(tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert all(f">{label}</th>" in page for label in (LOSS.label, SURPLUS.label))
    drawn = figures.svg(figures.panels(found.lines()))
    assert "PGR, OPR, regret (toy), log surplus" in re.sub(r"<!-- | -->", "", drawn)
    assert len(figures.comparison(found.lines()).axes) == len(ratios()) == 4


@pytest.mark.usefixtures("toys")
def test_a_metric_from_outside_is_printed(tmp_path, capsys, monkeypatch):
    arrays = dict(zip(("weak", "strong", "labels"), features(), strict=True))
    for name, array in arrays.items():
        np.save(tmp_path / f"{name}.npy", array)
    files = [part for name in arrays for part in (f"--{name}", str(tmp_path / f"{name}.npy"))]
    commands = (
        ["sweep", "--n", "300", "--N", "400", "--trials", "2", "--out", str(tmp_path / "study.sqlite")],
        ["probe", *files, "--n", "20", "--N", "30", "--trials", "3"],
    )
    for command in commands:
        monkeypatch.setattr(sys, "argv", ["w2s-fast", *command])
        cli.main()
        out = capsys.readouterr().out
        assert "PGR" in out
        assert "regret (toy)" in out


def test_a_file_that_is_older_than_a_metric_goes_on_without_it(tmp_path, monkeypatch):
    path = study(tmp_path / "study.sqlite").run(progress=False).path
    monkeypatch.setitem(METRICS, "loss", LOSS)
    more = study(path, trials=30).run(progress=False)
    assert more.is_complete
    assert "loss" not in more.summary()
    assert "loss_of_means" in more.summary()  # which needs no more than the file has
    monkeypatch.delitem(METRICS, "loss")
    whole = study(trials=30).run(progress=False)
    for name, found in whole.summary().items():
        np.testing.assert_array_equal(found.mean, more.summary()[name].mean)
    figures.panels(more.lines())


def test_a_file_that_is_newer_than_the_table_is_refused(tmp_path, monkeypatch):
    monkeypatch.setitem(METRICS, "loss", LOSS)
    path = study(tmp_path / "study.sqlite").run(progress=False).path
    monkeypatch.delitem(METRICS, "loss")
    with pytest.raises(OSError, match=r"its columns must be those of a study, got .*loss"):
        Study.open(path)


def test_ratios_are_those_of_the_paper():
    risks = {"weak": np.array([3.0, 1.0]), "baseline": np.ones(2), "ceiling": np.ones(2), "w2s": np.array([2.0, 0.0])}
    np.testing.assert_array_equal(value_of("pgr", risks), [0.5, np.nan])
    np.testing.assert_array_equal(value_of("opr", risks), [0.5, np.nan])
    task = Task.of(*features(), test=20)
    found = Study(task, n=12, N=30, trials=3).run(progress=False)
    np.testing.assert_array_equal(found.result.opr, found.result.baseline / found.result.w2s)


@pytest.mark.filterwarnings("error")
def test_ratios_of_infinite_risks_are_undefined_without_a_warning():
    """As they are where a fit has as many rows as features."""
    exact = expected_risks(MODEL, [7, 8, 40], [5, 30, 30])
    assert np.isinf(exact.weak[0])
    assert np.isinf(exact.w2s[0])
    assert np.isnan(exact.pgr[0])
    assert np.isfinite(exact.pgr[2])
