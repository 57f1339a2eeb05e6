"""Everything that public functions return prints in a few lines, and as a table in notebooks: whatever it holds."""

import dataclasses
import inspect
import sys
from html.parser import HTMLParser

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import w2s_fast
from w2s_fast import (
    BestRidge,
    CoMoments,
    ExpectedRisks,
    GaussianModel,
    Gram,
    MinNorm,
    Moments,
    Predictions,
    Risks,
    Study,
    Subspace,
    Task,
    Trials,
    best_ridge,
    expected_risks,
    paper_bounds,
    predict_gap,
    probe,
    risk_distribution,
    simulate,
)
from w2s_fast import _display as display
from w2s_fast.results.summary import Estimate, Summary

LONGEST = 400  # characters of a repr
WIDEST = 90  # of a line, of what has arrays
MODEL = GaussianModel.paper(d_weak=6, d_strong=4, d_shared=2, d_target=9)
HOSTILE = "<script>alert(1)</script>\"'\x1b[31m\n\udcff" + 300 * "<b>"


def family(d_shared):
    return GaussianModel.paper(6, 4, d_shared, d_target=9)


def features(labels=1):
    rng = np.random.default_rng(0)
    strong = rng.standard_normal((80, 4))
    y = np.sign(strong[:, 0] + 0.1 * rng.standard_normal(80))
    return strong[:, :2], strong, y if labels == 1 else np.column_stack(labels * [y])


def results():
    """Results of every public function and class, one and several points, empty, unfinished and damaged ones."""
    weak, strong, y = features()
    grid = {"n": [12, 20], "N": [9, 30], "trials": 3}
    named = {HOSTILE: weak, **{f"teacher {number}": weak for number in range(20)}}
    infinite = np.full(7, np.inf)
    yield from (MODEL, GaussianModel.from_blocks(shared=10**9, weak_only=1, strong_only=0, noise_variance=0.0))
    for sizes in ((20, 30), (20, [30, 40, 50, np.inf]), (np.arange(1, 61).reshape(20, 3), 5)):
        yield from (expected_risks(MODEL, *sizes, ridge=0.1), paper_bounds(MODEL, *sizes), best_ridge(MODEL, *sizes))
    yield from (risk_distribution(MODEL, 20, 30), risk_distribution(MODEL, 20, np.inf))
    yield from (simulate(MODEL, 20, 30, trials=1), simulate(MODEL, [[20], [12]], np.arange(9, 40), trials=3))
    yield from (probe(weak, strong, y, n=10, N=[15, 40], trials=3, decompose=True),)
    yield from probe(named, strong, features(3)[2], n=10, N=[15, 40], trials=3, decompose=True).values()
    yield from (Task.of(weak, strong, y, intercept=True, label_noise=0.1), Task.of(named, strong, y, test=5))
    yield Task.of(weak, strong, y, (weak, strong, y), nested=False)
    yield Predictions(y)
    yield from (Study(family, d_shared=[0, 1], **grid), Study(family, d_shared=[0, 1], **grid).run(progress=False))
    yield Study(Task.of(weak, strong, y), n=10, N=[15, 40], trials=3, title=HOSTILE).run(progress=False)
    yield from (
        Gram(),
        Gram(centred=True).update(strong, y),
        Gram().update(strong[:0], strong[:0]),
        Gram().update(weak),
    )
    for kind in (Moments, CoMoments):
        yield from (kind(), kind().update(strong), kind().update(strong[:1]), kind().update(strong[:0]))
    yield from (Moments().update([1.0, 2.0]), Moments().update([[np.nan, 1.0]], finite=False))
    yield from (MinNorm(strong), MinNorm(strong * 0.0), MinNorm(np.zeros((0, 3))), MinNorm(strong, ridge=0.1))
    yield from (predict_gap(weak, strong, labels) for labels in (None, y, np.column_stack((y, y))))
    yield from (Subspace.fit(strong), Subspace.fit(strong * 0.0), Subspace.fit(strong, rank=1))
    yield from (Risks(*4 * [infinite]), ExpectedRisks(*4 * [np.zeros((0, 3))]), BestRidge(1.0, 2, np.nan, -np.inf))
    yield from (Risks(*np.zeros((4, 3, 10**6))), Estimate(np.nan, np.nan), Summary())
    nothing = np.zeros((0, 5))
    yield Trials(np.zeros(0, np.int64), np.zeros(0, np.int64), *4 * [nothing], seed=0)


def within(found, seen):
    """Whatever of this package hangs on an object's public attributes, itself included."""
    if not type(found).__module__.startswith("w2s_fast") or id(found) in seen:
        return
    seen[id(found)] = found
    for name in dir(found):
        try:
            value = None if name.startswith("_") else getattr(found, name)
        except (ValueError, TypeError, RuntimeError):  # which this one does not have
            continue
        for part in value.values() if isinstance(value, dict) else value[:3] if isinstance(value, list) else [value]:
            within(part, seen)


@pytest.fixture(scope="module")
def everything():
    seen = {}
    for found in results():
        within(found, seen)
        if isinstance(found, Trials) and found.weak.size:
            within(found.summary(), seen)
        if isinstance(found, Study) and found.counts.any():
            for series in found.series():
                within(series, seen)
                within(series.theory(series.sizes), seen)
    return list(seen.values())


@pytest.mark.compiled
def test_every_result_prints_in_a_few_lines(everything):
    public = {getattr(w2s_fast, name) for name in w2s_fast.__all__ if inspect.isclass(getattr(w2s_fast, name))}
    assert public <= {type(found) for found in everything}
    for found in everything:
        text = repr(found)
        assert 0 < len(text) <= LONGEST, text
        assert not any(word in text for word in ("object at 0x", "array(", "np.float64", "\x1b")), text
        assert type(found).__name__ in text
        lines = text.splitlines()
        assert len(lines) == 1 or max(map(len, lines)) <= WIDEST or type(found) not in public, text


class Fragment(HTMLParser):
    """Tags that are closed in order, and text."""

    def __init__(self, text):
        super().__init__()
        self.open, self.words, self.tags = [], "", set()
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        assert tag not in ("script", "style", "b")
        for name, value in attributes:
            assert name not in ("style", "color", "bgcolor")
            assert name not in ("fill", "stroke") or value in ("none", "currentColor")
            assert not name.startswith("on")
        if tag not in ("img", "polyline"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag != "polyline":
            assert self.open.pop() == tag

    def handle_data(self, data):
        self.words += data + " "


@pytest.mark.compiled
def test_notebooks_show_well_formed_tables_in_their_own_colours(everything):
    shown = [found for found in everything if hasattr(found, "_repr_html_")]
    kinds = {Study, Trials, Risks, ExpectedRisks, BestRidge, Subspace, Gram, Moments, CoMoments, MinNorm, Task}
    assert kinds | {Summary, Estimate, GaussianModel} <= {type(found) for found in shown}
    for found in shown:
        fragment = Fragment(found._repr_html_())
        assert fragment.open == []
        assert "table" in fragment.tags
        assert "\x1b" not in fragment.words


def test_tables_hold_means_with_their_errors():
    trials = simulate(MODEL, [12, 20], 30, trials=4)
    mean, stderr = trials.summary()["w2s"]
    for found in (trials, trials.summary()):
        assert display.with_error(mean[1], stderr[1]) in Fragment(found._repr_html_()).words
    one = simulate(MODEL, 12, 30, trials=4)
    assert f"w2s {display.with_error(*map(float, one.summary()['w2s']))}" in " ".join(repr(one).split())
    assert f"w2s={float(one.summary()['w2s'].mean)!r}" in repr(Risks(*(one.summary()[x].mean for x in Risks._fields)))
    many = simulate(MODEL, np.arange(12, 60), 30, trials=2)
    assert "and 28 more" in Fragment(many._repr_html_()).words


def test_a_study_shows_its_figure_where_it_can(monkeypatch):
    study = Study(MODEL, n=12, N=[9, 30], trials=3, title=HOSTILE).run(progress=False)
    assert "data:image/svg+xml;base64," in study._repr_html_()
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    without = Fragment(study._repr_html_())
    assert "img" not in without.tags
    assert "exact" in without.words


def test_a_study_that_is_shown_reads_no_trials(tmp_path, monkeypatch):
    path = tmp_path / "study.sqlite"
    Study(MODEL, n=12, N=[9, 30], trials=3, path=path, keep_trials=True).run(progress=False)
    study = Study.open(path)
    monkeypatch.setattr(type(study.measured), "trials", lambda measured: pytest.fail("trials were read"))
    assert "2 points, 3 trials each; complete" in repr(study)
    assert "in study.sqlite" in " ".join(repr(study).split())
    assert study._repr_html_()
    many = Study(MODEL, n=12, N=np.arange(9, 2_000), trials=1)
    many.measured.require(0)[0] = many.measured.require(0)[0].of_state(1, np.ones(14), np.zeros(14))
    monkeypatch.setattr(type(many), "summary", lambda study: pytest.fail("so many points were summed up"))
    assert "not finished: 1 of 1,991 trials" in " ".join(repr(many).split())
    assert "not finished" in many._repr_html_()


def test_nothing_looks_through_long_arrays(monkeypatch):
    sizes = np.broadcast_to(np.zeros(1), (4, 10, display.GLANCE))  # takes no memory until it is worked on
    point = np.ones(10, np.int64)
    trials = Trials(point, point, *sizes, seed=0)
    monkeypatch.setattr(Trials, "summary", lambda trials: pytest.fail("so many trials were summed up"))
    assert f"{display.GLANCE:,} at each of points (10,)" in repr(trials)
    assert "too many" in trials._repr_html_()
    assert "w2s" in repr(Risks(*sizes))


@given(
    hnp.arrays(st.sampled_from([np.float64, np.float32, np.int64, np.bool_]), hnp.array_shapes(min_dims=0, max_side=4))
)
def test_arrays_in_brief_are_brief(values):
    for text in (display.in_brief(values), display.spread(values)):
        assert len(text) < 100
        assert "array" not in text


@given(hnp.arrays(np.float64, st.integers(0, 500)))
def test_sparklines_are_whole_whatever_the_numbers(values):
    drawn = display.sparkline(np.abs(values), "<numbers>")
    assert Fragment(drawn).open == []
    assert "nan" not in drawn
    assert len(drawn) < 4_000


def test_a_sparkline_falls_from_left_to_right():
    drawn = display.sparkline(np.geomspace(1e6, 1e-6, 1_000), "eigenvalues")
    points = drawn.split('points="')[1].split('"')[0].split()
    x, y = np.transpose([point.split(",") for point in points]).astype(float)
    assert np.all(np.diff(x) > 0)
    assert np.all(np.diff(y) >= 0)  # SVG counts from above
    assert "1e+06 to 1e-06" in Fragment(drawn).words


def test_models_print_as_their_description():
    assert "d_weak 6, d_strong 4, d_shared 2" in repr(MODEL)
    large = GaussianModel(np.ones(600), np.eye(600, 300), np.eye(600, 300), 0.1)
    assert repr(large).startswith("<GaussianModel: target 1 of shape (600,), weak 0 to 1 of shape (600, 300)")
    assert large.d_shared == 300
    assert "d_weak 300" in repr(large)  # now that it is known
    quiet = dataclasses.replace(MODEL, noise_variance=0.0)
    assert "noise_variance 0>" in repr(quiet)
