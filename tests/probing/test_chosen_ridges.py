"""Which ridge each fit chose from a grid: against plain loops, in results, studies, files and tables."""

import numpy as np
import pytest

from w2s_fast import Study, Task, probe
from w2s_fast.cli.table import print_series, print_trials
from w2s_fast.results.metrics import CHOSEN_RIDGE
from w2s_fast.results.summary import Quartiles

rng = np.random.default_rng(1)
STRONG = rng.standard_normal((160, 6))
WEAK = STRONG[:, :3] + rng.standard_normal((160, 3))
Y = STRONG[:, 0] + rng.standard_normal(160)
CLASSES = np.array(["a", "b", "c"])[np.digitize(Y, [-0.6, 0.6])]
RIDGES = [0.01, 3.0, 30.0, 300.0]
POINTS = {"n": [20, 30], "N": 60, "trials": 4}


def left_out(X, y, ridge):
    """Sum of squared errors of leaving each row out, one fit a row."""
    errors = []
    for i in range(len(X)):
        rest, known = np.delete(X, i, axis=0), np.delete(y, i)
        errors.append(X[i] @ np.linalg.solve(rest.T @ rest + ridge * np.eye(X.shape[1]), rest.T @ known) - y[i])
    return np.sum(np.square(errors))


def test_they_are_those_of_the_least_error_of_leaving_rows_out():
    labelled, rest = np.arange(30), np.arange(30, 90)
    found = probe(
        WEAK, STRONG, Y, labelled=labelled, pseudo_labelled=rest, test=np.arange(90, 160), ridge=RIDGES, trials=1
    )

    def choice(X, y):
        return RIDGES[int(np.argmin([left_out(X, y, ridge) for ridge in RIDGES]))]

    weak = choice(WEAK[labelled], Y[labelled])
    gram = WEAK[labelled].T @ WEAK[labelled] + weak * np.eye(3)
    said = WEAK[rest] @ np.linalg.solve(gram, WEAK[labelled].T @ Y[labelled])
    assert found.chosen_ridge.weak[0] == weak
    assert found.chosen_ridge.baseline[0] == choice(STRONG[labelled], Y[labelled])
    assert found.chosen_ridge.ceiling[0] == choice(STRONG[:90], Y[:90])
    assert found.chosen_ridge.w2s[0] == choice(STRONG[rest], said)


def test_shapes_are_those_of_the_risks_and_fits_without_a_choice_have_none():
    one = probe(WEAK, STRONG, Y, ridge=(0.5, RIDGES), **POINTS)
    assert all(chosen.shape == one.w2s.shape for chosen in one.chosen_ridge)
    assert np.isnan(one.chosen_ridge.weak).all()
    assert np.isin(np.stack(one.chosen_ridge[1:]), RIDGES).all()
    several = probe(WEAK, STRONG, np.stack((Y, -Y, Y**2), axis=1), ridge=RIDGES, **POINTS)
    assert several.chosen_ridge.w2s.shape == several.w2s.shape == (2, 3, 4)
    np.testing.assert_array_equal(several.chosen_ridge.w2s[:, 0], several.chosen_ridge.w2s[:, 1])
    joint = probe(WEAK, STRONG, CLASSES, ridge=RIDGES, metrics="accuracy", confident=0.5, rounds=2, **POINTS)
    assert joint.chosen_ridge.w2s.shape == (2, 4)
    together = probe(WEAK, STRONG, CLASSES, ridge=RIDGES, **POINTS)  # columns of classes choose together
    np.testing.assert_array_equal(together.chosen_ridge.weak, together.chosen_ridge.weak[:, :1].repeat(3, axis=1))
    assert probe(WEAK, STRONG, Y, ridge=1.0, **POINTS).chosen_ridge is None
    assert list(one.to_frame().columns)[-4:] == list(CHOSEN_RIDGE.values())


def test_studies_and_their_files_have_them(tmp_path, capsys):
    task, grid = Task.of(WEAK, STRONG, Y, ridge=(0.5, RIDGES)), {"n": 30, "N": [40, 60], "trials": 5}
    probed = probe(WEAK, STRONG, Y, ridge=(0.5, RIDGES), **grid)
    study = Study(task, path=tmp_path / "kept.sqlite", keep_trials=True, **grid).run(progress=False)
    for ours, theirs in zip(Study.open(study.path).result.chosen_ridge, probed.chosen_ridge, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    rows = [row for row in study.table() if row["metric"] == "chosen_ridge_w2s_median"]
    assert [row["mean"] for row in rows] == np.sort(probed.chosen_ridge.w2s)[:, 2].tolist()
    print_series(study.series(), "kept")
    assert f"{rows[0]['mean']:g} [" in capsys.readouterr().out
    means = Study(task, path=tmp_path / "means.sqlite", **grid).run(progress=False)
    np.testing.assert_allclose(means.summary()["chosen_ridge_w2s"].mean, probed.chosen_ridge.w2s.mean(axis=-1))
    print_series(means.series(), "means")
    assert f"mean {probed.chosen_ridge.w2s[0].mean():.4g}" in capsys.readouterr().out
    study.to_html(tmp_path / "kept.html")
    assert "chosen ridge w2s" in (tmp_path / "kept.html").read_text()


def test_files_without_the_column_open_and_go_on(tmp_path, monkeypatch):
    """As those written before there was one."""
    task, path = Task.of(WEAK, STRONG, Y, ridge=RIDGES), tmp_path / "old.sqlite"
    grid = {"n": 30, "N": 60, "keep_trials": True}
    with monkeypatch.context() as before:
        before.setattr(Task, "has_grid", False)
        Study(task, trials=3, path=path, **grid).run(progress=False)
    old = Study.open(path)
    assert not old.chosen_ridges
    assert not set(CHOSEN_RIDGE.values()) & set(old.measured.columns)
    again = Study(task, trials=6, path=path, **grid).run(progress=False)
    whole = Study(task, trials=6, **grid).run(progress=False)
    np.testing.assert_array_equal(again.summary()["w2s"].mean, whole.summary()["w2s"].mean)
    assert "chosen_ridge_w2s" not in again.summary()
    newer = Study(task, trials=4, seed=1, **grid).run(progress=False)
    with pytest.raises(
        ValueError, match="other was run by an earlier version and has no chosen_ridge_weak: merge this"
    ):
        Study(task, trials=4, seed=1, **grid).run(progress=False).merge(Study.open(path))
    again.merge(newer)
    expected = (6 * whole.summary()["w2s"].mean + 4 * newer.summary()["w2s"].mean) / 10
    np.testing.assert_allclose(Study.open(path).summary()["w2s"].mean, expected)


def test_tables_say_median_and_quartiles_only_where_there_was_a_choice(capsys):
    found = probe(WEAK, STRONG, Y, ridge=(RIDGES, 1.0), **POINTS)
    print_trials({("weak", "strong"): found})
    out = " ".join(capsys.readouterr().out.split())
    assert "chosen ridge weak" in out
    assert "chosen ridge w2s" not in out
    assert Quartiles.of(found.chosen_ridge.weak).in_words(0) in out
    print_trials({("weak", "strong"): probe(WEAK, STRONG, Y, ridge=1.0, **POINTS)})
    assert "chosen" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("values", "words"), [([1, 10, 100, 1000], "10 [1, 100]"), ([np.nan] * 4, ""), ([7], "7 [7, 7]")]
)
def test_quartiles_are_values_of_the_grid(values, words):
    assert Quartiles.of(np.array(values, float)).in_words(()) == words
