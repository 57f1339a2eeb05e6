"""Double descent and dimensions to 10^6: points agree with theory, medians stand at peaks, files hold both."""

import csv

import numpy as np
import pytest

from w2s_fast import expected_risks, risk_distribution
from w2s_fast.gaussian.coordinates import geometry
from w2s_fast.gaussian.model import GaussianModel
from w2s_fast.results.metrics import FITS
from w2s_fast.study import wide_figures
from w2s_fast.study.tables import write_csv
from w2s_fast.tasks import beyond

pytestmark = pytest.mark.compiled


@pytest.fixture(scope="module")
def growth():
    growth = beyond.Growth(points=4, trials=400, seed=1)
    growth.run()
    return growth


@pytest.fixture(scope="module")
def descent():
    return beyond.descent(trials=400, seed=1, quick=True).run(progress=False)


@pytest.fixture
def drawn(monkeypatch):
    """Figures that are drawn, in place of files."""
    figures = []
    monkeypatch.setattr(wide_figures, "write", lambda figure, path: figures.append(figure))
    return figures


def test_growing_models_keep_their_ratios_and_what_they_see_of_the_target():
    told = GaussianModel.paper()
    for d_weak in (20, 200, 10**6):
        model = beyond.growing(d_weak, geometry(told))
        assert (model.d_weak, model.d_strong, model.d_shared) == (d_weak, d_weak // 2, d_weak // 20)
        assert model.rho_weak == pytest.approx(told.rho_weak)
        assert model.rho_strong == pytest.approx(told.rho_strong)
        assert model.noise_variance == pytest.approx(told.noise_variance)
    same = beyond.growing(200, geometry(told))
    np.testing.assert_allclose(expected_risks(same, 400, 800), expected_risks(told, 400, 800), rtol=1e-9)


def test_ratios_in_growing_dimensions_are_those_of_the_theory(growth):
    assert growth.d_weak[0] == 20
    assert growth.d_weak[-1] == 10**6
    assert len(growth.rows) == len(growth.d_weak) * len(beyond.PSEUDO) * 2
    for row in growth.rows:
        assert row["n"] == 2 * row["d_weak"]
        # 32 ratios, errors by the delta method of 400 trials; from 100 dimensions on these are near normal.
        assert abs(row["mean"] - row["expected"]) < (6 if row["d_weak"] < 100 else 4.5) * row["stderr"]
        assert row["trials_5_percent"] < row["trials_95_percent"]


def test_single_trials_close_in_on_the_limit(growth):
    """Their spread falls as 1 / sqrt(d)."""
    widths = {}
    for row in growth.rows:
        if row["metric"] == "opr_of_means" and row["N"] == row["n"]:
            widths[row["d_weak"]] = row["trials_95_percent"] - row["trials_5_percent"]
    middle, last = growth.d_weak[-2:]
    ratio = widths[middle] / widths[last]
    # A 5 % quantile of 400 normal trials errs by .106 of their deviation, the width by .15 of 3.29: five such of two.
    assert ratio == pytest.approx((last / middle) ** 0.5, rel=5 * 2**0.5 * 0.15 / 3.29)


def test_mean_risks_across_the_peaks_are_those_of_the_theory(descent):
    rows = [row for row in beyond.descent_rows(descent) if np.isfinite(row["expected"])]
    assert any(row["expected_order"] > 0 for row in rows)
    assert any(row["n"] < beyond.D_WEAK and row["ridge"] == 0 for row in rows)
    for row in rows:
        # Equivalents err by up to a fifth of their order; 5 errors of 400 trials for each of 60 skewed means.
        wrong = 0.2 * row["expected_order"] * row["expected"]
        assert abs(row["mean"] - row["expected"]) < 5 * row["stderr"] + wrong


def test_there_is_no_mean_at_peaks_alone_and_medians_are_those_of_the_law(descent):
    rows = beyond.descent_rows(descent)
    peaks = {(row["n"], row["N"], row["metric"]) for row in rows if not np.isfinite(row["expected"])}
    plenty = beyond.PLENTY
    assert peaks == {(20, plenty, "baseline"), (40, plenty, "weak"), (40, plenty, "w2s"), (plenty, 20, "w2s")}
    assert all(row["ridge"] == 0 for row in rows if not np.isfinite(row["expected"]))
    law = risk_distribution(beyond.descending(), plenty, 80)
    low, high = (law.weak.ppf(0.5 + sign * 4.5 * 0.5 / 400**0.5) for sign in (-1, 1))  # 4.5 errors of a share of 400
    medians = [row["median"] for row in rows if row["metric"] == "weak" and row["N"] == 80 and row["ridge"] == 0]
    assert [low < median < high for median in medians] == [True]


def test_medians_are_those_of_the_trials_of_each_row(descent):
    for place, row in enumerate(beyond.descent_rows(descent)):
        ridge, point = divmod(place // len(FITS), len(descent.points))
        assert (row["n"], row["N"]) == descent.points[point]
        assert row["ridge"] == (0.0, beyond.RIDGE)[ridge]
        assert row["median"] == np.median(getattr(descent.result, row["metric"])[ridge, point])


def test_the_figure_of_peaks_shows_all_points_and_no_pole(descent, drawn):
    wide_figures.draw_descent(descent, "unused.png")
    panels = np.array(drawn[0].axes).reshape(2, 2)
    assert [panel.get_title() for panel in panels[:, 0]] == ["ridgeless", "ridge = 10"]
    assert {panel.get_xlabel().split()[-3] for panel in panels[0]} == {"(N", "(n"}
    low, high = panels[0, 0].get_ylim()
    rows = beyond.descent_rows(descent)
    shown = [row["mean"] if np.isfinite(row["expected"]) else row["median"] for row in rows]
    assert low < min(shown)
    assert max(shown) < high < 10 * max(shown)
    hollow = [line for panel in panels.flat for line in panel.get_lines() if line.get_marker() == "D"]
    assert sum(len(line.get_xdata()) for line in hollow) == 4
    words = {text.get_text() for text in drawn[0].legends[0].get_texts()}
    assert {"exact expectation", "expectation by equivalents", "median of trials, where no mean exists"} <= words


def test_the_figure_of_dimensions_reaches_a_million(growth, drawn):
    wide_figures.draw_growth(growth.rows, "unused.png")
    for panel, name in zip(drawn[0].axes, ("PGR", "OPR"), strict=True):
        assert panel.get_ylabel() == name
        assert panel.get_xscale() == "log"
        assert panel.get_xlim()[1] > 10**6
    words = [text.get_text() for text in drawn[0].legends[0].get_texts()]
    assert {"N = 0.5 n", "N = n", "N = 2 n", "N = 10 n"} <= set(words)


def test_tables_and_pictures_are_written(growth, descent, tmp_path):
    wide_figures.draw_growth(growth.rows, tmp_path / "growth.png")
    wide_figures.draw_descent(descent, tmp_path / "descent.svg")
    assert (tmp_path / "growth.png").read_bytes()[:4] == b"\x89PNG"
    assert "<svg" in (tmp_path / "descent.svg").read_text()
    write_csv(growth.rows, tmp_path / "growth.csv")
    with (tmp_path / "growth.csv").open(newline="") as file:
        assert [float(row["mean"]) for row in csv.DictReader(file)] == [row["mean"] for row in growth.rows]
