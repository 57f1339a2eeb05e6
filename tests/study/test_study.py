"""Studies run, tabulate and draw; files appear whole or not at all."""

import base64
import csv
import dataclasses
import hashlib
import json
import re
import sys
from html.parser import HTMLParser

import numpy as np
import pytest

from tests.drawings import leave_blank
from w2s_fast import CoMoments, GaussianModel, Study, Task, expected_risks, paper_bounds, simulate, w2s_variance
from w2s_fast._display import with_error
from w2s_fast.probing.probe import probe_task
from w2s_fast.results.metrics import FITS, METRICS
from w2s_fast.study import figures, page, tables, wide_figures
from w2s_fast.study.gaussian_source import PARTS
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
    assert len(table) == 3 * (8 + 4)
    names = ["study", "d_shared", "noise_variance", "ridge", "n", "N", "metric", "trials", "mean", "stderr", "expected"]
    assert list(table[0]) == [*names, "expected_order", "paper_bound", "in_doubt"]
    for row in table:
        metric = row["metric"].removesuffix("_of_means")
        if metric in METRICS:
            assert row["expected"] == getattr(expected_risks(model, row["n"], row["N"]), metric)
            assert row["expected_order"] == 0.0
            assert row["paper_bound"] == getattr(paper_bounds(model, row["n"], row["N"]), metric)
    assert [row["expected"] for row in table if row["metric"] == "inherited"] == w2s_variance(model, study.n, 30)[
        0
    ].tolist()
    assert table[3]["mean"] == pytest.approx(study.result.w2s[0].mean())
    assert table[3]["stderr"] == pytest.approx(study.result.w2s[0].std(ddof=1) / 2)


def test_trials_are_those_of_simulate_and_probe(study, model, real_study):
    plain = simulate(model, [12, 20, 40], 30, trials=4, seed=3)
    assert all(np.array_equal(getattr(study.result, name), getattr(plain, name)) for name in METRICS)
    parts = plain.variance.in_sample
    for name, estimate in (("inherited", parts.inherited), ("reduced", parts.reduced)):
        assert study.summary()[name].mean == pytest.approx(estimate.mean)
        assert study.summary()[name].stderr == pytest.approx(estimate.stderr)
    plain = probe_task(real_study.scenarios[0].task, n=10, N=[15, 40], trials=3)
    assert all(np.array_equal(getattr(real_study.result, name), getattr(plain, name)) for name in METRICS)


def test_a_study_keeps_the_method_of_its_trials(model, real_study, tmp_path):
    path = tmp_path / "invariants.sqlite"
    sizes = {"n": [12, 20], "N": 30, "seed": 3, "path": path}
    Study(model, **sizes, method="invariants", trials=2, keep_trials=True).run(progress=False)
    study = Study(model, **sizes, method="invariants", trials=4, keep_trials=True).run(progress=False)
    plain = simulate(model, [12, 20], 30, trials=4, seed=3, method="invariants")
    assert all(np.array_equal(getattr(study.result, name), getattr(plain, name)) for name in METRICS)
    assert Study.open(path).scenarios[0].description.method == "invariants"
    on = Study(model, **sizes, trials=5, keep_trials=True)  # as it began
    assert on.run(progress=False).scenarios[0].description.method == "invariants"
    with pytest.raises(ValueError, match="holds another study: not the same method"):
        Study(model, **sizes, method="wishart", keep_trials=True).run(progress=False)
    with pytest.raises(ValueError, match=r"device='cuda' runs method=\"invariants\" alone, got method='wishart'"):
        Study(model, n=12, N=30, method="wishart").run(progress=False, device="cuda")
    with pytest.raises(ValueError, match="device must be one of 'cpu', 'cuda', got 'tpu'"):
        study.run(progress=False, device="tpu")
    with pytest.raises(ValueError, match="studies of real features run on the CPU, got device='cuda'"):
        Study(real_study.scenarios[0].task, n=10, N=[15, 40]).run(progress=False, device="cuda")
    with pytest.raises(ValueError, match="method='invariants' is one of Gaussian models"):
        Study(real_study.scenarios[0].task, n=10, N=15, method="invariants")
    with pytest.raises(ValueError, match='method="invariants" takes ridge = 0, n >= 6 and N >= 4'):
        Study(model, n=5, N=30, method="invariants", path=tmp_path / "never.sqlite")
    with pytest.raises(RuntimeError, match="device='cuda' needs"):
        Study(model, n=12, N=30, method="invariants", path=tmp_path / "never.sqlite").run(device="cuda")
    assert not (tmp_path / "never.sqlite").exists()


@pytest.fixture
def doubtful_task():
    """Signs for labels, and a student two of whose columns are one but for rounding."""
    rng = np.random.default_rng(0)
    strong = rng.standard_normal((120, 4))
    nearly = np.column_stack((strong, strong[:, 0] * (1 + 1e-9 * rng.standard_normal(120))))
    return Task.of(strong[:, :2], nearly, np.sign(strong[:, 0] + 0.1 * rng.standard_normal(120)), ridge=0.0)


def test_studies_of_real_features_flag_and_mask_as_probe_does(doubtful_task, tmp_path):
    path = tmp_path / "study.sqlite"
    grid = {"n": [10, 3, 12], "N": [3, 15, 60]}
    study = Study(doubtful_task, **grid, trials=3, path=path, keep_trials=True).run(progress=False)
    study = Study(doubtful_task, **grid, trials=7, path=path, keep_trials=True).run(progress=False)
    plain = probe_task(doubtful_task, **grid, trials=7)
    for found in (study, Study.open(path), Study.open(path).result):
        summary, expected = found.summary(), plain.summary()
        assert list(summary) == list(expected)
        assert "accuracy_w2s" in summary
        for name, (mean, stderr) in expected.items():
            assert summary[name].mean == pytest.approx(mean, rel=1e-9, nan_ok=True)
            assert summary[name].stderr == pytest.approx(stderr, rel=1e-6, abs=1e-15, nan_ok=True)
        assert [found.doubts.in_words(i) for i in range(3)] == [plain.doubts.in_words(i) for i in range(3)]
    assert np.isnan(summary["pgr"].mean).tolist() == plain.doubts.of("pgr").tolist()
    assert all(np.array_equal(*pair) for pair in zip(study.result.ill_conditioned, plain.ill_conditioned, strict=True))
    reasons = {(row["n"], row["metric"]): row["in_doubt"] for row in study.table()}
    assert "w2s ill-conditioned" in reasons[12, "w2s"]
    assert reasons[12, "weak"] == reasons[12, "accuracy_weak"] == ""
    assert "ceiling ill-conditioned" in page.page([study], "real")
    (legend,) = figures.panels(study.lines()).legends
    assert [text.get_text() for text in legend.get_texts()][-2:] == ["ratio in doubt", "ill-conditioned"]


def test_ratios_of_means_have_the_errors_of_the_delta_method(study):
    of_means, trials = study.summary()["opr_of_means"], study.result
    for point in range(3):
        moments = CoMoments().update(np.column_stack((trials.baseline[point], trials.w2s[point])))
        assert (of_means.mean[point], of_means.stderr[point]) == pytest.approx(moments.ratio([1, 0], [0, 1]))


def test_real_features_have_no_theory(real_study):
    assert {row["expected"] for row in real_study.table()} == {None}
    assert {row["d_shared"] for row in real_study.table()} == {None}


def family(d_shared=2, noise_variance=0.5):
    return GaussianModel.paper(6, 4, d_shared, noise_variance, d_target=9)


def test_axes_cross(model):
    study = Study(family, n=12, N=[9, 30], d_shared=[0, 3], noise_variance=[0.1, 0.2], ridge=[0, 1], trials=3)
    study.run(progress=False)
    assert study.result.w2s.shape == (8, 2, 3)
    assert study.axes == ["d_shared", "noise_variance", "ridge"]
    for index, (d_shared, noise, ridge) in enumerate(np.ndindex(2, 2, 2)):
        source = family([0, 3][d_shared], [0.1, 0.2][noise])
        plain = simulate(source, 12, [9, 30], trials=3, ridge=[0, 1][ridge])
        assert np.array_equal(study.result.w2s[index], plain.w2s)
    for row in study.table():
        ridged = row["ridge"] > 0
        assert (row["expected"] is None) == (ridged and row["metric"] in PARTS)
        assert (row["paper_bound"] is not None) == (not ridged and row["metric"] not in PARTS)
        if row["metric"] in FITS:
            assert (row["expected_order"] > 0) == ridged
            source = family(int(row["d_shared"]), row["noise_variance"])
            expected = getattr(expected_risks(source, 12, row["N"], row["ridge"]), row["metric"])
            assert row["expected"] == pytest.approx(expected, rel=1e-12)
    assert study.lines()[3].label == "d_shared = 0, noise_variance = 0.2, ridge = 1"


def test_theory_of_few_rows_and_ridge_is_marked_and_drawn(model):
    few = model.d_weak - 2
    study = Study(model, n=[few, 60], N=30, ridge=[0.0, 2.0], trials=3).run(progress=False)
    ridgeless, ridged = study.series()
    assert [ridgeless.theory(ridgeless.sizes).kind(point) for point in (0, 1)] == ["exact", "exact"]
    assert [ridged.theory(ridged.sizes).kind(point) for point in (0, 1)] == ["equivalent", "equivalent"]
    bounds = ridgeless.theory(ridgeless.sizes).bounds
    assert [np.isnan(bounds[fit]).tolist() for fit in ("weak", "w2s", "ceiling")] == [[True, False]] * 2 + [[False] * 2]
    figure = figures.panels(study.series())
    styles = [{line.get_linestyle() for line in axes.lines} for axes in figure.axes[:2]]
    assert ["--" in style for style in styles] == [False, True]
    assert {"exact expectation", "expectation by equivalents"} <= {
        text.get_text() for legend in figure.legends for text in legend.get_texts()
    }
    assert tables.EQUIVALENT in page.page([study], "few rows")


def test_a_model_varies_its_noise_and_features_their_ridge(model, real_study):
    study = Study(model, n=12, N=9, noise_variance=[0.1, 0.2], trials=1)
    assert [scenario.model.noise_variance for scenario in study.scenarios] == [0.1, 0.2]
    study = Study(real_study.scenarios[0].task, n=10, N=20, ridge=[0.1, 10], trials=2).run(progress=False)
    assert np.all(study.result.w2s[0] != study.result.w2s[1])


@pytest.mark.parametrize(
    ("source", "axes", "error", "message"),
    [
        (family(), {"d_shared": 3}, ValueError, "d_shared needs a source that makes models of it"),
        (family, {"d_shared": 2.5}, TypeError, "d_shared must be whole numbers, got 2.5"),
        (family, {"d_shared": [2, 2]}, ValueError, "d_shared must be one or several distinct numbers"),
        (family, {"ridge": -1}, ValueError, "ridge must be a finite number, at least 0"),
        (family, {"noise_variance": []}, ValueError, "noise_variance must be one or several distinct numbers"),
        (lambda: 5, {}, TypeError, "what source returns must be a GaussianModel, got int"),
        (
            Task.of(np.eye(4), np.eye(4), np.arange(4)),
            {"noise_variance": 1},
            ValueError,
            "real features have no such axis",
        ),
    ],
)
def test_axes_that_cannot_be_are_refused(source, axes, error, message):
    with pytest.raises(error, match=message):
        Study(source, n=9, N=9, **axes)


def test_lines_cover_a_grid_and_the_papers_two_sweeps(model):
    grid = Study(model, n=[[12], [20]], N=[9, 30, 40], trials=1).run(progress=False)
    assert [(line.axis, line.fixed, line.sizes.tolist()) for line in grid.lines()] == [
        ("N", 12, [9, 30, 40]),
        ("N", 20, [9, 30, 40]),
    ]
    sweeps = Study(model, n=[12, 20, 40, 20, 20, 20], N=[30, 30, 30, 9, 30, 50], trials=1).run(progress=False)
    assert len(sweeps.points) == 5
    along_n, along_N = sweeps.lines()
    assert (along_n.axis, along_n.fixed, along_n.sizes.tolist()) == ("n", 30, [12, 20, 40])
    assert (along_N.axis, along_N.fixed, along_N.sizes.tolist()) == ("N", 20, [9, 30, 50])
    assert along_n.summary["w2s"].mean[1] == along_N.summary["w2s"].mean[1] == sweeps.result.w2s[1, 0]


def test_csv_reads_back(study, tmp_path):
    assert study.to_csv(tmp_path / "tiny.csv") is study
    with (tmp_path / "tiny.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    found, expected = ([float(row["mean"]) for row in table] for table in (rows, study.table()))
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("suffix", ["png", "svg", "pdf"])
def test_figures_of_both_kinds_are_drawn(study, real_study, tmp_path, suffix):
    figures.draw(study.lines() + real_study.lines(), tmp_path / f"figure.{suffix}")
    assert (tmp_path / f"figure.{suffix}").stat().st_size > 5_000
    assert [path.name for path in tmp_path.iterdir()] == [f"figure.{suffix}"]


def test_risks_have_bands_of_trials_where_their_laws_are_known(model):
    from matplotlib.collections import PolyCollection

    for ridge, many in ((0.0, 4), (1e-9, 0)):
        figure = figures.panels(Study(model, n=[20, 30], N=20, ridge=ridge, trials=2).run(progress=False).series())
        assert sum(isinstance(drawn, PolyCollection) for drawn in figure.axes[0].collections) == many
        words = [text.get_text() for text in figure.legends[0].get_texts()]
        assert any(word.startswith("90 % of trials") for word in words) == (many > 0)


TITLES = [r"from $5 to $7", r"$\frac{$", "a_b^c", "_", "\x1b[31mred\x00", "two\nlines", "\udcff", "雪", r"\$1", "%#&{}"]
DRAWN_IN_PAGES = (r"$\frac{$", "\x1b[31mred\x00", "\udcff")  # no formula, no XML, no UTF-8


@pytest.mark.compiled
@pytest.mark.parametrize(("title", "usetex"), [*((title, False) for title in TITLES), (TITLES[1], True)])
def test_titles_are_words_whatever_they_hold(title, usetex, model, tmp_path, monkeypatch):
    import matplotlib as mpl

    study = Study(model, n=12, N=[9, 20], noise_variance=[0.1, 0.2], trials=2, title=title).run(progress=False)
    with mpl.rc_context({"text.usetex": usetex}):
        study.plot(tmp_path / "a.svg").plot_comparison(tmp_path / "$b$.png")
    if title not in DRAWN_IN_PAGES:  # elsewhere the page's figures are those above
        leave_blank(monkeypatch)
    study.to_html(tmp_path / "a.html").to_csv(tmp_path / "a.csv").to_json(tmp_path / "a.json")
    for suffix in ("svg", "html", "csv", "json"):
        text = (tmp_path / f"a.{suffix}").read_text(encoding="utf-8")
        assert all(char.isprintable() or char in "\n\r" for char in text)


@pytest.mark.parametrize("usetex", [False, True])
def test_names_of_panels_are_words_too(usetex, tmp_path):
    import matplotlib as mpl

    panel = {"PGR": {"$a$ $": (0.5, 0.1), r"$\x$": (0.6, 0.1)}}
    drawn = [wide_figures.Panel("PGR $ $", panel["PGR"])]
    with mpl.rc_context({"text.usetex": usetex}):
        wide_figures.draw_against({"$a$ $": 1.0, r"$\x$": 2.0}, r"$\over$", drawn, tmp_path / "c.png")
    assert (tmp_path / "c.png").stat().st_size > 5_000


def test_a_wide_sweep_gets_a_logarithmic_axis(model, tmp_path):
    wide = Study(model, n=[10, 20], N=[30, 10**9], trials=2).run(progress=False)
    wide.plot(tmp_path / "wide.png")


def test_more_than_three_lines_go_in_bands_of_two(model, tmp_path):
    study = Study(model, n=[[12], [14], [16], [18], [20]], N=[9, 15, 20, 25, 30, 40], trials=2).run(progress=False)
    figure = figures.panels(study.series())
    assert [axes.get_visible() for axes in figure.axes] == 9 * [True] + [False] + [True] + [False]
    titles = [axes.get_title() for axes in figure.axes if axes.get_visible() and axes.get_title()]
    assert len(titles) == 5


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
    with pytest.raises(
        TypeError, match="source must be a GaussianModel, a Task or a function that makes models, got list"
    ):
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


def test_json_is_strict(tmp_path):
    tables.write_json({"a": [1.0, float("nan"), (float("inf"),)]}, tmp_path / "x.json")
    assert json.loads((tmp_path / "x.json").read_text()) == {"a": [1.0, None, [None]]}


@pytest.mark.parametrize(
    ("mean", "stderr", "text"),
    [
        (0.0547644, 3e-9, "0.05476±3e-09"),
        (10.73, 0.23, "10.7±0.2"),
        (1.415, 0.016, "1.415±0.016"),
        (1.5281935885, 1e-17, "1.528±0"),
        (float("nan"), 1.0, "-"),
        (1234.5, 55.0, "1234±55"),
        (1.0, float("nan"), "1±nan"),
    ],
)
def test_cells_keep_the_digits_that_the_error_leaves(mean, stderr, text):
    assert with_error(mean, stderr) == text


def test_the_papers_sweeps_are_those_of_its_code():
    assert paper.sweep(20)[:5].tolist() == [400, 589, 778, 968, 1157]
    study = paper.synthetic(0.1)
    assert [round(scenario.description.d_shared) for scenario in study.scenarios] == [90, 50, 10]
    assert study.points[:20] == [(n, 4000) for n in paper.sweep(20)]
    assert study.points[20:] == [(2000, N) for N in paper.sweep(20)]


def test_a_data_frame_holds_the_table(study):
    import pandas as pd

    frame = study.to_frame()
    assert frame.columns.tolist() == list(study.table()[0])
    wide = frame[frame.metric == "w2s"].set_index("n")["mean"]
    assert wide[20] == study.summary()["w2s"].mean[1]
    assert isinstance(frame, pd.DataFrame)


def test_missing_pandas_says_what_to_install(study, monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match="a DataFrame needs pandas: python -m pip install pandas"):
        study.to_frame()


class Page(HTMLParser):
    """Text, images and what a page would fetch; balance of its tags."""

    def __init__(self, text):
        super().__init__()
        self.words, self.sources, self.open = "", [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.sources += [value for name, value in attributes if name in ("src", "href") and not value.startswith("#")]
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words += data + " "


def test_the_page_is_whole_and_needs_nothing_else(tmp_path, real_study):
    study = Study(family, n=12, N=[9, 30, 10**12], d_shared=[0, 3], trials=3, title="<tiny> & real").run(progress=False)
    study.to_html(tmp_path / "page.html")
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    parsed = Page(text)
    assert parsed.open == []
    assert len(parsed.sources) == 2
    for source in parsed.sources:
        kind, data = source.split(",")
        assert kind == "data:image/svg+xml;base64"
        assert b"</svg>" in base64.b64decode(data)
    words = ["<tiny> & real", "6 points, 3 trials each; complete.", "d_shared = 3", "exact", "1e+12", "0 (3 trials)"]
    words += [np.__version__, study.scenarios[0].description.sha256[:12], study.runs[0]["started"]]
    assert all(word in parsed.words for word in words)
    assert "Risks are test mean squared errors." in page.page([real_study], "real")
    study.to_html(tmp_path / "again.html")
    assert (tmp_path / "again.html").read_text(encoding="utf-8") == text


HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>"


def test_nothing_of_a_study_runs_in_its_page(model, tmp_path):
    study = Study(model, n=12, N=[9, 20], trials=2, title=HOSTILE).run(progress=False)
    study.runs[0] |= {"started": HOSTILE, "versions": {HOSTILE: HOSTILE}}
    study.seeds = {HOSTILE: 2}
    hostile = dataclasses.replace(study.scenarios[0].description, kind=HOSTILE, sha256=HOSTILE)
    study.scenarios[0] = dataclasses.replace(study.scenarios[0], description=hostile)
    text = page.page([study, study], HOSTILE)
    assert "<script" not in text.lower()
    assert "<img src=x" not in text
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', text)[1]
    assert policy.startswith(
        "default-src 'none'; base-uri 'none'; form-action 'none'; img-src data:; style-src 'sha256-"
    )
    assert text.index("Content-Security-Policy") < text.index("<title>")
    style = re.search("<style>(.*?)</style>", text, re.DOTALL)[1]
    assert base64.b64encode(hashlib.sha256(style.encode()).digest()).decode() in policy
    assert "style=" not in text


@pytest.mark.parametrize("title", ["=1+1", "+1", "-1", "@a", "\t=1", "'=1"])
def test_no_title_is_a_formula(title, model, tmp_path):
    Study(model, n=12, N=9, trials=2, title=title).run(progress=False).to_csv(tmp_path / "a.csv")
    with (tmp_path / "a.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert {row["study"][0] for row in rows} <= {"'", " "}
    assert all(float(row["mean"]) or True for row in rows)  # numbers stay such


def test_more_rows_than_there_are_is_known_before_anything_is_written(tmp_path, real_study):
    with pytest.raises(ValueError, match=r"n \+ N asks for up to 90 rows a trial"):
        Study(real_study.scenarios[0].task, n=10, N=80, path=tmp_path / "x.sqlite")
    assert list(tmp_path.iterdir()) == []


def test_a_flag_is_no_number_of_an_axis():
    with pytest.raises(TypeError, match="noise_variance must be numbers, got True"):
        Study(GaussianModel.paper, n=2000, N=4000, noise_variance=True)
