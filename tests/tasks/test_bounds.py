"""The paper's figure of bounds alone."""

import numpy as np
import pytest

from w2s_fast.study import wide_figures
from w2s_fast.tasks import bounds


@pytest.fixture(scope="module")
def rows():
    return bounds.rows(points=12)


def test_models_have_the_papers_dimensions():
    model = bounds.model(0.04)
    assert (model.d_weak, model.d_strong, model.d_shared, model.noise_variance) == (100, 80, 10.0, 1.0)
    assert model.rho_weak == pytest.approx(0.04) == model.rho_strong


def test_rows_hold_the_closed_form_at_every_size(rows):
    assert len(rows) == 2 * 12 * len(bounds.UNSEEN) * 2
    for row in rows:
        effective = 10 + 90 * 80 / row["N"]
        lost = effective * row["n"] / (row["n"] - 101) + row["n"] * 2 * row["unseen"]
        expected = 1 - lost / 100 if row["metric"] == "pgr" else 80 / lost
        assert row["paper_bound"] == pytest.approx(expected)
        assert np.isfinite(row["expected"])
    assert {row["N"] for row in rows if row["axis"] == "n"} == {bounds.PSEUDO}
    assert {row["n"] for row in rows if row["axis"] == "N"} == {bounds.LABELLED}


def test_the_bound_of_pgr_peaks_along_n_where_neither_sees_all(rows):
    for unseen in bounds.UNSEEN:
        along = [
            row["paper_bound"] for row in rows if (row["axis"], row["metric"], row["unseen"]) == ("n", "pgr", unseen)
        ]
        peak = int(np.argmax(along))
        assert (peak == len(along) - 1) == (unseen == 0.0)


def test_the_figure_has_a_line_for_each_bound_and_each_expectation(rows, monkeypatch):
    figures = []
    monkeypatch.setattr(wide_figures, "write", lambda figure, path: figures.append(figure))
    wide_figures.draw_bounds(rows, "bounds.png")
    (figure,) = figures
    panels = figure.axes
    assert [panel.get_ylabel() for panel in panels] == ["PGR", "PGR", "OPR", "OPR"]
    assert panels[0].get_xlabel() == "n   (N = 2,000)"
    for panel in panels:
        drawn = [line for line in panel.get_lines() if len(line.get_xdata()) == 12]
        assert len(drawn) == 2 * len(bounds.UNSEEN)
