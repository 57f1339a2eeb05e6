"""Measures on test rows are scikit-learn's of the same names, and loops'; of each there are PGR and OPR."""

import copy
import csv
import json
import pickle
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sklearn_metrics
from sklearn.calibration import calibration_curve
from sklearn.linear_model import LogisticRegression

from w2s_fast import Predictions, Study, Task, probe
from w2s_fast._random import stream
from w2s_fast.probing import scores
from w2s_fast.probing.design import SPLITS, Design
from w2s_fast.results.doubts import GAP_ERRORS
from w2s_fast.results.measures import BINS, CLIP, MEASURES, Measure, Sample
from w2s_fast.results.metrics import FITS, column_name, is_difference, of_name, quotients_of_means
from w2s_fast.results.scores import Score
from w2s_fast.results.trials import median
from w2s_fast.study import figures, page

NAMES = tuple(name for name, measure in MEASURES.items() if not measure.needs_probabilities)


def value(name, predictions, labels, teacher=None, low=0.0):
    """A measure of one fit, columns added to what has one."""
    columns = [None if each is None else np.asarray(each, float) for each in (predictions, labels, teacher)]
    columns = [each if each is None or each.ndim == 2 else each[:, None] for each in columns]
    return float(MEASURES[name].value(Sample(*columns, low)))


def two(seed=0, rows=200):
    rng = np.random.default_rng(seed)
    labels = (rng.random(rows) < 0.3).astype(float)
    chances = np.clip(0.3 * labels + rng.random(rows) * 0.7, 0, 1).round(1)  # many ties, some at one half
    chances[:4] = labels[:4]  # probabilities 0 and 1 that are right, and then such that are wrong
    chances[4:6] = 1 - labels[4:6]
    return chances, labels, rng.random(rows).round(1)


def several(seed=0, rows=150, classes=4, absent=None):
    rng = np.random.default_rng(seed)
    codes = rng.integers(classes, size=rows)
    if absent is not None:
        codes[codes == absent] = (absent + 1) % classes
    chances, teacher = (rng.dirichlet(np.full(classes, 0.5), rows) for _ in range(2))
    chances[:3] = np.eye(classes)[codes[:3]]
    chances[3] = np.full(classes, 1 / classes)  # a tie of all
    return chances, np.eye(classes)[codes], teacher


def quiet(function, *arguments, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return function(*arguments, **options)


@pytest.mark.parametrize("signs", [False, True])
def test_measures_of_two_values_are_scikit_learns(signs):
    chances, labels, other = two()
    scores, truth, taught = ((2 * each - 1 if signs else each) for each in (chances, labels, other))
    low = -1.0 if signs else 0.0
    decided, codes = np.where(chances == 0.5, 2, chances > 0.5), labels.astype(int)  # a tie is no class, hence a miss
    found = {name: value(name, scores, truth, taught, low) for name in MEASURES}
    expected = {
        "accuracy": sklearn_metrics.accuracy_score(codes, decided),
        "balanced_accuracy": quiet(sklearn_metrics.balanced_accuracy_score, codes, decided),
        "auroc": sklearn_metrics.roc_auc_score(labels, chances),
        "mse": sklearn_metrics.mean_squared_error(truth, scores),
        "brier": sklearn_metrics.brier_score_loss(labels, chances),
        "log_loss": sklearn_metrics.log_loss(labels, chances),
        "ece": calibration_error(np.maximum(chances, 1 - chances), decided == codes),
        "agreement": sklearn_metrics.accuracy_score(np.sign(other - 0.5), np.sign(chances - 0.5)),
        "misfit": sklearn_metrics.mean_squared_error(taught, scores),
    }
    assert found == pytest.approx(expected, rel=1e-12, abs=1e-14)


@pytest.mark.parametrize("absent", [None, 2])
def test_measures_of_several_classes_are_scikit_learns(absent):
    chances, labels, other = several(absent=absent)
    codes, decided, every = labels.argmax(1), chances.argmax(1), range(4)
    found = {name: value(name, chances, labels, other) for name, each in MEASURES.items() if "classes" in each.labels}
    squares = sum(sklearn_metrics.mean_squared_error(labels[:, k], chances[:, k]) for k in every)
    expected = {
        "accuracy": sklearn_metrics.accuracy_score(codes, decided),
        "balanced_accuracy": quiet(sklearn_metrics.balanced_accuracy_score, codes, decided),
        "mse": squares,
        "brier": squares,
        "log_loss": sklearn_metrics.log_loss(codes, chances, labels=every),
        "ece": calibration_error(chances.max(1), codes == decided),
        "agreement": sklearn_metrics.accuracy_score(other.argmax(1), decided),
        "misfit": np.mean(np.sum((chances - other) ** 2, axis=1)),
    }
    assert found == pytest.approx(expected, rel=1e-12, abs=1e-14)


def calibration_error(confidence, hits):
    """By scikit-learn's curve, weighted by the rows of its bins, which are those that have any."""
    share, mean = calibration_curve(hits, confidence, n_bins=BINS)
    place = np.searchsorted(np.linspace(0, 1, BINS + 1)[1:-1], confidence)
    rows = np.bincount(place, minlength=BINS)
    return float(np.sum(rows[rows > 0] * np.abs(share - mean)) / len(confidence))


def test_hard_cases_of_two_values():
    right, wrong = [1.0, 0.0, 1.0], [0.0, 1.0, 0.0]
    assert value("log_loss", right, right) == pytest.approx(-np.log(1 - CLIP))
    assert value("log_loss", wrong, right) == pytest.approx(-np.log(CLIP))
    assert value("ece", right, right) == value("brier", right, right) == 0.0
    assert value("ece", wrong, right) == value("brier", wrong, right) == 1.0
    assert (value("auroc", right, right), value("auroc", wrong, right)) == (1.0, 0.0)
    assert value("auroc", [0.3, 0.3, 0.3], right) == 0.5
    assert np.isnan(value("auroc", right, [1.0, 1.0, 1.0]))
    assert np.isnan(value("auroc", [np.nan, 0.0, 1.0], right))
    assert value("balanced_accuracy", [0.9, 0.1, 0.9], [1.0, 1.0, 1.0]) == pytest.approx(2 / 3)
    assert value("accuracy", [1e-300, -1e-300, 0.0], [1.0, 1.0, 1.0], low=-1.0) == 1 / 3  # a tie is a miss
    tiny = [1e-300, 2e-300, 3e-300, 1e-300]
    assert value("auroc", tiny, [0.0, 0.0, 1.0, 1.0]) == sklearn_metrics.roc_auc_score([0, 0, 1, 1], tiny)
    one = np.array([0.25])
    assert value("agreement", one, [1.0], one) == 1.0
    assert value("misfit", one, [1.0], one) == 0.0


@given(
    st.lists(st.tuples(st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0]), st.booleans()), min_size=2, max_size=30),
    st.sampled_from([-1.0, 0.0]),
)
def test_auroc_counts_pairs(rows, low):
    scores, upper = np.array([score for score, _ in rows]), np.array([label for _, label in rows])
    pairs = [np.sign(a - b) for a in scores[upper] for b in scores[~upper]]
    expected = (np.mean(pairs) + 1) / 2 if pairs else np.nan
    found = value("auroc", scores * (1 - low) + low, np.where(upper, 1.0, low), low=low)
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_soft_labels_have_the_cross_entropy():
    chances, labels, _ = several()
    soft = (labels + 1) / (labels + 1).sum(1, keepdims=True)
    clipped = np.clip(chances, CLIP, 1 - CLIP)
    assert value("log_loss", chances, soft) == pytest.approx(-np.mean(np.sum(soft * np.log(clipped), axis=1)))
    assert value("log_loss", [0.2, 0.7], [0.5, 0.9]) == pytest.approx(
        -np.mean([0.5 * np.log(0.2) + 0.5 * np.log(0.8), 0.9 * np.log(0.7) + 0.1 * np.log(0.3)])
    )


@pytest.mark.parametrize("name", MEASURES)
def test_many_fits_are_measured_as_each_alone(name):
    chances, labels, other = (np.stack([part[:, None] for part in parts]) for parts in zip(two(0), two(1), strict=True))
    found = MEASURES[name].value(Sample(chances, labels[0], other))
    alone = [float(MEASURES[name].value(Sample(chances[i], labels[0], other[i]))) for i in range(2)]
    assert found.shape == (2,)
    np.testing.assert_allclose(found, alone, rtol=1e-12)


def features(rows=160):
    rng = np.random.default_rng(3)
    strong = rng.standard_normal((rows, 6))
    y = strong[:, 0] + 0.5 * strong[:, 1] + 0.8 * rng.standard_normal(rows) > 0.2
    return strong[:, 1:3] + 0.1 * rng.standard_normal((rows, 2)), strong, y.astype(float)


WEAK, STRONG, ONES = features()
HOW = {"n": [[12], [24]], "N": [30, 60], "trials": 6, "test": 60, "seed": 4}


@pytest.fixture(scope="module")
def measured():
    return probe(WEAK, STRONG, ONES, metrics=NAMES, **HOW)


def test_what_is_not_asked_for_stays_as_it_is(measured):
    plain = probe(WEAK, STRONG, ONES, **HOW)
    assert plain.metrics == ()
    assert list(plain.scores) == ["accuracy"]
    assert "accuracy_pgr" not in plain.summary()
    for fit in FITS:
        np.testing.assert_array_equal(getattr(plain, fit), getattr(measured, fit))
        np.testing.assert_array_equal(getattr(plain.accuracy, fit), getattr(measured.scores["accuracy"], fit))
    assert list(plain.summary()) == list(measured.summary())[: len(plain.summary()) - 4] + [
        f"accuracy_{fit}" for fit in FITS
    ]


def test_measures_of_a_probe_are_those_of_its_fits(measured):
    """Against fits and scikit-learn's measures of one trial, in a loop."""
    design = Design.of(Task.of(WEAK, STRONG, ONES, 60, metrics=NAMES), HOW["n"], HOW["N"], HOW["seed"])
    test = design.test_index
    order = design.drawn(stream(HOW["seed"], SPLITS, 2), design.points)
    most, (n, N) = 24, (12, 60)
    few, many = order[:n], order[most : most + N]

    def fit(X, rows, y):
        return np.linalg.solve(X[rows].T @ X[rows] + 1e-6 * np.eye(X.shape[1]), X[rows].T @ y)

    teacher = fit(WEAK, few, ONES[few])
    fits = {
        "weak": WEAK[test] @ teacher,
        "baseline": STRONG[test] @ fit(STRONG, few, ONES[few]),
        "ceiling": STRONG[test] @ fit(STRONG, np.r_[few, many], ONES[np.r_[few, many]]),
        "w2s": STRONG[test] @ fit(STRONG, many, WEAK[many] @ teacher),
    }
    for name in NAMES:
        for kind, predictions in fits.items():
            expected = value(name, predictions, ONES[test], fits["weak"])
            assert getattr(measured.scores[name], kind)[0, 1, 2] == pytest.approx(expected, rel=1e-6), (name, kind)


@pytest.mark.parametrize("name", NAMES)
def test_ratios_of_every_measure_are_those_of_a_loop(measured, name):
    score, summary, rises = measured.scores[name], measured.summary(), MEASURES[name].rises
    if MEASURES[name].better == "neither":
        assert f"{name}_pgr" not in summary
        with pytest.raises(AttributeError, match=f"{name} is neither better high nor low: it has no pgr"):
            _ = score.pgr
        return
    assert {f"{name}_{ratio}" for ratio in ("pgr", "opr", "pgr_of_means", "opr_of_means")} <= summary.keys()
    with np.errstate(divide="ignore", invalid="ignore"):
        for place in np.ndindex(2, 2):
            weak, baseline, ceiling, w2s = (getattr(score, fit)[place] for fit in FITS)
            pgr, opr = (weak - w2s) / (weak - ceiling), w2s / baseline if rises else baseline / w2s
            np.testing.assert_allclose(score.pgr[place], np.where(np.isfinite(pgr), pgr, np.nan))
            np.testing.assert_allclose(score.opr[place], np.where(np.isfinite(opr), opr, np.nan))
            gap = ceiling - weak if rises else weak - ceiling
            in_doubt = gap.mean() <= GAP_ERRORS * gap.std(ddof=1) / np.sqrt(6)
            assert measured.doubts.no_gap_in[name][place] == in_doubt == measured.doubts.of(f"{name}_pgr")[place]
            assert (f"no gap in {MEASURES[name].label}" in measured.doubts.in_words(place)) == in_doubt
            mean, stderr = summary[f"{name}_pgr_of_means"]
            if in_doubt:
                assert np.isnan(mean[place])
                assert np.isnan(summary[f"{name}_pgr"].mean[place])
                continue
            recovered = w2s - weak if rises else weak - w2s
            assert mean[place] == pytest.approx(recovered.mean() / gap.mean())
            assert stderr[place] == pytest.approx(delta_error(recovered, gap))


def delta_error(above, below):
    """Standard error of a ratio of means, by linearising it in both."""
    ratio = above.mean() / below.mean()
    return float(np.std((above - ratio * below) / below.mean(), ddof=1) / np.sqrt(len(above)))


def test_frames_and_copies_have_every_measure(measured):
    pytest.importorskip("pandas")
    frame = measured.to_frame()
    assert {f"{name}_{fit}" for name in NAMES for fit in FITS} <= set(frame.columns)
    assert {"auroc_pgr", "mse_opr"} <= set(frame.columns)
    assert not any(is_difference(name) for name in frame.columns)
    assert "auroc_gap" not in frame.columns
    for twin in (copy.deepcopy(measured), pickle.loads(pickle.dumps(measured))):
        assert twin.scores["auroc"].measure == "auroc"
        np.testing.assert_array_equal(twin.scores["auroc"].w2s, measured.scores["auroc"].w2s)
    assert repr(measured.scores["auroc"]).startswith("<Score of auroc of shape (2, 2, 6): weak 0.")
    assert "AUROC PGR" in measured._repr_html_()
    weak, *_, w2s = measured.accuracy
    assert weak is measured.accuracy[0]
    assert np.stack(measured.accuracy).shape == (4, 2, 2, 6)
    np.testing.assert_array_equal(w2s, measured.scores["accuracy"].w2s)
    assert measured.scores["auroc"]._replace(w2s=weak).measure == "auroc"


def test_a_study_keeps_every_measure_in_its_file(tmp_path, measured):
    task = Task.of(WEAK, STRONG, ONES, 60, metrics=NAMES)
    how = {"n": HOW["n"], "N": HOW["N"], "seed": 4, "keep_trials": True}
    Study(task, **how, trials=3, path=tmp_path / "study.sqlite").run(progress=False)
    study = Study(task, **how, trials=6, path=tmp_path / "study.sqlite").run(progress=False)
    read = Study.open(study.path)
    assert read.result.metrics == NAMES
    for name in NAMES:
        for fit in FITS:
            np.testing.assert_array_equal(
                getattr(read.result.scores[name], fit).reshape(2, 2, 6), getattr(measured.scores[name], fit)
            )
    for name, found in measured.summary().items():
        np.testing.assert_allclose(read.summary()[name].mean.reshape(2, 2), found.mean, rtol=1e-12)
    read.to_csv(tmp_path / "table.csv").to_json(tmp_path / "all.json")
    with open(tmp_path / "table.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {"auroc_w2s", "brier_pgr_of_means", "agreement_w2s", "misfit_baseline"} <= {row["metric"] for row in rows}
    assert not {"misfit_gap", "misfit_pgr"} & {row["metric"] for row in rows}
    doubtful = {row["in_doubt"] for row in rows if row["metric"] == "auroc_pgr"}
    assert all("no gap in AUROC" in words for words in doubtful if words)
    assert json.loads((tmp_path / "all.json").read_text())["complete"]


def test_figures_and_pages_show_every_measure():
    task = Task.of(WEAK, STRONG, ONES, 60, metrics=("auroc", "agreement"))
    study = Study(task, n=24, N=[30, 60], ridge=[1e-6, 1.0], trials=3).run(progress=False)
    table = page.series_table(study.series()[0])
    assert all(f">{head}</th>" in table for head in ("AUROC PGR", "agreement w2s"))
    labels = [axes.get_ylabel() for axes in figures.panels(study.series()).axes[::2]]
    assert labels == ["test mean squared error", "PGR, OPR", "AUROC", "AUROC PGR, AUROC OPR", "agreement"]
    assert len(figures.comparison(study.series()).axes) == 4
    plain = Study(Task.of(WEAK, STRONG, ONES, 60), n=12, N=[30, 60], trials=2).run(progress=False).series()
    assert len(figures.panels(plain).axes) == 2
    shown = [axes.get_visible() for axes in figures.panels(plain + study.series()).axes]
    assert shown.count(False) == 3  # which those that did not ask for them lack
    assert len(figures.comparison(plain).axes) == 2


def test_a_file_of_other_measures_is_another_study(tmp_path):
    task, path = Task.of(WEAK, STRONG, ONES, 60, metrics="auroc"), tmp_path / "study.sqlite"
    how = {"n": 12, "N": [30, 60], "trials": 2, "path": path}
    Study(task, **how).run(progress=False)
    for metrics in ((), ("auroc", "mse")):
        with pytest.raises(ValueError, match="holds another study: not the same metrics"):
            Study(Task.of(WEAK, STRONG, ONES, 60, metrics=metrics), **how).run(progress=False)
    with pytest.raises(ValueError, match="does not hold real features: give them again"):
        Study(task, **(how | {"trials": 3, "path": None})).run(progress=False)
        Study.open(path).run(progress=False)
        Study(task, **(how | {"trials": 3}))
        again = Study.open(path)
        again.seeds = {0: 3}
        again.run(progress=False)


def test_a_measure_from_outside_is_in_every_result(monkeypatch):
    def bias(tested):
        return (tested.predictions - tested.labels).mean(axis=(-1, -2))

    monkeypatch.setitem(MEASURES, "bias", Measure("mean residual", bias, "lower", ("zeros and ones",), "risk"))
    found = probe(WEAK, STRONG, ONES, metrics="bias", **HOW)
    assert {"bias_w2s", "bias_opr_of_means"} <= found.summary().keys()
    study = Study(Task.of(WEAK, STRONG, ONES, 60, metrics="bias"), n=12, N=[30, 60], trials=2).run(progress=False)
    assert ">mean residual w2s</th>" in page.series_table(study.series()[0])
    assert column_name("bias_pgr_of_means") == "mean residual PGR"


def test_a_measure_that_does_not_exist_is_refused_by_name():
    task = {"test": 60, "n": 10, "N": 10, "trials": 1}
    numbers = STRONG[:, 0]
    for given_, y, words in (
        ("f1", ONES, "metrics must be one of"),
        (("auroc", 3), ONES, "metrics must be names"),
        ("accuracy", numbers, "metrics: 'accuracy' is of labels that are .*, got numbers"),
        ("log_loss", ONES, "metrics: 'log_loss' is of probabilities, which not every fit here predicts"),
        ("ece", ONES, "take a fit that classifies, such as fit='softmax'"),
    ):
        with pytest.raises((ValueError, TypeError), match=words):
            probe(WEAK, STRONG, y, metrics=given_, **task)
    one = np.flatnonzero(ONES)[:20]
    with pytest.raises(ValueError, match="metrics: 'auroc' needs test rows of both values, got 20 of one"):
        probe(WEAK, STRONG, ONES, metrics="auroc", **(task | {"test": one}))
    assert probe(WEAK, STRONG, numbers, metrics=["mse", "misfit"], **task).metrics == ("mse", "misfit")


def test_classes_are_one_target_where_metrics_are_asked_for():
    names = np.array(["a", "b", "c"])[np.digitize(STRONG[:, 0], [-0.4, 0.4])]
    how = {"n": 30, "N": [40, 60], "trials": 4, "test": 60}
    apart = probe(WEAK, STRONG, names, **how)
    joint = probe(WEAK, STRONG, names, metrics=("accuracy", "brier", "agreement"), **how)
    assert apart.w2s.shape == (2, 3, 4)
    assert joint.w2s.shape == joint.scores["accuracy"].w2s.shape == (2, 4)
    np.testing.assert_allclose(joint.w2s, apart.w2s.sum(axis=1), rtol=1e-12)
    np.testing.assert_allclose(joint.scores["brier"].w2s, joint.w2s, rtol=1e-12)
    assert np.all(joint.scores["agreement"].weak == 1.0)
    codes = np.unique(names, return_inverse=True)[1] + 4.0  # whole numbers are names, too
    again = probe(WEAK, STRONG, codes, metrics="accuracy", **how)
    np.testing.assert_array_equal(again.scores["accuracy"].w2s, joint.scores["accuracy"].w2s)
    assert probe(WEAK, STRONG, codes, metrics="mse", **how).accuracy is None  # they are numbers to that
    study = Study(Task.of(WEAK, STRONG, names, 60, metrics="accuracy"), n=30, N=[40, 60], trials=4).run(progress=False)
    np.testing.assert_allclose(study.summary()["accuracy_w2s"].mean, joint.scores["accuracy"].w2s.mean(-1))


@pytest.mark.parametrize("classes", [2, 3])
def test_probabilities_are_measured_as_those_of_scikit_learns_fits(classes):
    """One trial over again, by fits of LogisticRegression to hard labels."""
    names = np.array(["a", "b", "c"])[np.digitize(STRONG[:, 0], [-0.4, 0.4][: classes - 1])]
    metrics = tuple(name for name in MEASURES if name != "auroc" or classes == 2)
    how = {"n": 40, "N": 60, "test": np.arange(100, 160), "seed": 5, "intercept": True}
    how |= {"fit": "softmax", "ridge": 0.5, "pseudo_labels": "hard", "ceiling": "pseudo"}
    found = probe(WEAK, STRONG, names, trials=2, metrics=metrics, **how)
    order = np.arange(100)[stream(5, SPLITS, 1).permutation(100)]
    few, many, test = order[:40], order[40:100], np.arange(100, 160)

    def fitted(X, rows, labels):
        model = LogisticRegression(C=2.0, tol=1e-10, max_iter=10_000).fit(X[rows], labels)
        return model, model.predict_proba(X[test])

    model, weak = fitted(WEAK, few, names[few])
    predictions = {
        "weak": weak,
        "baseline": fitted(STRONG, few, names[few])[1],
        "ceiling": fitted(STRONG, many, names[many])[1],
        "w2s": fitted(STRONG, many, model.predict(WEAK[many]))[1],
    }
    one_hot = (names[test][:, None] == np.unique(names)).astype(float)
    as_labels = (lambda each: 2 * each[:, 1] - 1) if classes == 2 else (lambda each: each)
    for name in metrics:
        for fit, each in predictions.items():
            low = -1.0 if classes == 2 else 0.0
            expected = value(name, as_labels(each), as_labels(one_hot), as_labels(weak), low)
            assert getattr(found.scores[name], fit)[1] == pytest.approx(expected, rel=1e-4), (name, fit)


def test_every_pair_and_every_column_is_measured_as_alone():
    """A student is compared with each of its teachers, of every n, and two labels are two problems."""
    teachers, students = {"weak": WEAK, "one": WEAK[:, :1]}, {"strong": STRONG, "four": STRONG[:, :4]}
    both = np.sign(STRONG[:, :2])
    how = HOW | {"metrics": ("auroc", "agreement", "misfit")}
    pairs = probe(teachers, students, both, **how)
    alone = probe(WEAK[:, :1], STRONG[:, :4], both[:, 1], **how)
    for name in how["metrics"]:
        assert pairs["one", "four"].scores[name].w2s.shape == (2, 2, 2, 6)
        for fit in FITS:
            found = getattr(pairs["one", "four"].scores[name], fit)[:, :, 1]
            np.testing.assert_allclose(found, getattr(alone.scores[name], fit), rtol=1e-9, atol=1e-12)
    task = Task.of(teachers, STRONG, ONES, 60, metrics="agreement")
    study = Study(task, n=[[12], [24]], N=[30, 60], seed=4, trials=6).run(progress=False)
    expected = probe(teachers, STRONG, ONES, metrics="agreement", **HOW)
    for place, teacher in enumerate(teachers):
        mean = study.summary()["agreement_w2s"].mean.reshape(2, 4)[place]
        np.testing.assert_allclose(mean, expected[teacher, "strong"].scores["agreement"].w2s.mean(-1).ravel())


def test_given_teachers_have_probabilities_if_they_say_so():
    chances = np.clip(0.5 + 0.2 * STRONG[:, 0], 0, 1)
    how = {"n": 30, "N": 60, "trials": 2, "test": 60, "metrics": ("log_loss", "agreement"), "ridge": 1.0}
    found = probe(Predictions(chances), STRONG, ONES, fit="softmax", **how)
    test = Design.of(Task.of(WEAK, STRONG, ONES, 60), 30, 60, 0).test_index
    assert found.scores["log_loss"].weak[0] == pytest.approx(sklearn_metrics.log_loss(ONES[test], chances[test]))
    assert np.all(found.scores["agreement"].weak == 1.0)
    for given_, fit in ((Predictions(3 * chances), "softmax"), (Predictions(chances), "ridge")):
        with pytest.raises(ValueError, match="metrics: 'log_loss' is of probabilities"):
            probe(given_, STRONG, ONES, fit=fit, **how)


def test_bias_and_variance_of_classes_add_up_to_their_errors():
    names = np.array(["a", "b", "c"])[np.digitize(STRONG[:, 0], [-0.4, 0.4])]
    found = probe(WEAK, STRONG, names, n=30, N=[40, 60], trials=5, test=60, metrics="accuracy", decompose=True)
    parts = found.decomposition
    np.testing.assert_allclose(parts.w2s_bias + parts.w2s_variance, found.w2s.mean(axis=-1), rtol=1e-10)
    np.testing.assert_allclose(parts.weak_bias + parts.weak_variance, found.weak.mean(axis=-1), rtol=1e-10)


def test_many_predictions_are_scored_a_few_fits_at_a_time(monkeypatch, measured):
    monkeypatch.setattr(scores, "TOGETHER", 150)  # of 60 test rows: two fits
    found = probe(WEAK, STRONG, ONES, metrics=NAMES, **HOW)
    for name in NAMES:
        for fit in FITS:
            few, all_ = getattr(found.scores[name], fit), getattr(measured.scores[name], fit)
            np.testing.assert_allclose(few, all_, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(found.w2s, measured.w2s, rtol=1e-12)


def test_medians_have_the_error_of_the_bootstrap(measured):
    rng = np.random.default_rng(0)
    values = rng.standard_exponential((3, 25))
    found = median(values)
    np.testing.assert_array_equal(found.mean, np.median(values, axis=-1))
    again = np.median(rng.choice(values, (4000, 25), axis=1).transpose(0, 1, 2), axis=-1)  # (3, 4000)
    np.testing.assert_allclose(found.stderr, again.std(axis=-1), rtol=0.1)
    assert np.isnan(median(values[:, :1]).stderr).all()
    summary = measured.summary(medians=True)
    for name in ("w2s", "auroc_w2s", "pgr"):
        mean, _ = summary[f"{name}_median"]
        expected = np.median(measured.pgr if name == "pgr" else measured.columns[name], axis=-1)
        np.testing.assert_array_equal(mean, np.where(measured.doubts.of(name), np.nan, expected))
    assert "pgr_of_means_median" not in summary
    assert list(summary)[: len(measured.summary())] == list(measured.summary())


def test_medians_of_a_study_are_in_its_table(tmp_path):
    study = Study(Task.of(WEAK, STRONG, ONES, 60), n=12, N=[30, 60], trials=5).run(progress=False)
    rows = [row for row in study.table(medians=True) if row["metric"] == "w2s_median"]
    assert [row["mean"] for row in rows] == np.median(study.result.w2s, axis=-1).tolist()
    assert not any(row["metric"].endswith("_median") for row in study.table())
    Study(Task.of(WEAK, STRONG, ONES, 60), n=12, N=30, trials=2, path=tmp_path / "a.sqlite").run(progress=False)
    with pytest.raises(RuntimeError, match="kept no single trials"):
        Study.open(tmp_path / "a.sqlite").summary(medians=True)


def test_ratios_of_means_are_of_measures_that_have_a_side():
    assert quotients_of_means(["agreement"]).keys() == quotients_of_means().keys()
    turned = quotients_of_means(["auroc"])["auroc_opr_of_means"]
    assert (turned.above, turned.below, turned.apart) == ("auroc_w2s", "auroc_baseline", "auroc_outperformed")
    assert of_name("agreement_w2s").fits == ("weak", "w2s")
    assert of_name("agreement_pgr_of_means").measure == "agreement"
    assert tuple(FITS) == Score._fields


@pytest.fixture
def files(tmp_path):
    for name, array in (("weak", WEAK), ("strong", STRONG), ("labels", ONES)):
        np.save(tmp_path / f"{name}.npy", array)
    return [part for name in ("weak", "strong", "labels") for part in (f"--{name}", str(tmp_path / f"{name}.npy"))]


def test_commands_take_metrics_a_ceiling_and_medians(files, tmp_path, capsys):
    sizes = ["--n", "12", "--N", "30,60", "--trials", "3", "--metrics", "auroc,agreement", "--ceiling", "pseudo"]
    run(["probe", *files, *sizes, "--test", "60", "--medians"])
    out = capsys.readouterr().out
    assert "median±standard error" in out
    assert all(word in "".join(out.split()) for word in ("AUROCPGR", "agreementw2s"))
    run(["probe", *files, *sizes, "--test", "60", "--json", "--medians"])
    rows = json.loads(capsys.readouterr().out)
    expected = probe(
        WEAK, STRONG, ONES, n=12, N=[30, 60], trials=3, test=60, metrics=("auroc", "agreement"), ceiling="pseudo"
    )
    assert [row["auroc_ceiling"] for row in rows] == pytest.approx(expected.scores["auroc"].ceiling.mean(axis=-1))
    assert [row["auroc_w2s_median"] for row in rows] == np.median(expected.scores["auroc"].w2s, axis=-1).tolist()
    path = str(tmp_path / "study.sqlite")
    run(["sweep", *files, *sizes, "--test", "60", "--out", path])
    study = Study.open(path)
    assert (study.result.metrics if study.measured.kept else study.spec.columns[-1]) in (("auroc",), "agreement_w2s")
    np.testing.assert_allclose(study.summary()["ceiling"].mean, expected.ceiling.mean(axis=-1), rtol=1e-12)
    assert study.describe()["settings"][0]["ceiling"] == "pseudo"
    run(["report", path, "--format", "csv"])
    assert "auroc_pgr_of_means" in (tmp_path / "study.csv").read_text()


def run(command):
    from w2s_fast import cli

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", ["w2s-fast", *command])
        cli.main()


@pytest.mark.parametrize(("ridge", "intercept"), [(0.0, False), (0.1, True)])
def test_a_ceiling_on_the_pseudo_labelled_rows_is_the_student_of_a_perfect_teacher(ridge, intercept):
    """Few rows, as many as columns and many: by rows and by sums."""
    truth = STRONG @ np.arange(6.0)
    how = {"n": [[10], [40]], "N": [3, 6, 60], "trials": 3, "test": 30, "seed": 2, "intercept": intercept}
    teachers = {"weak": WEAK, "perfect": 1e5 * truth[:, None]}
    alone, everywhere = (
        probe(teachers, STRONG, truth, ridge=ridge, ceiling=ceiling, **how) for ceiling in ("pseudo", "all")
    )
    for teacher, found in alone.items():
        for fit in ("weak", "baseline", "w2s"):
            np.testing.assert_array_equal(getattr(found, fit), getattr(everywhere[teacher], fit))
    perfect = alone["perfect", "strong"]
    np.testing.assert_allclose(perfect.ceiling, perfect.w2s, rtol=1e-6, atol=1e-12)
    assert np.all(everywhere["perfect", "strong"].ceiling[:, 0] < perfect.ceiling[:, 0])  # of 3 rows for 6 columns


def test_a_study_tells_its_ceiling(tmp_path):
    task = Task.of(WEAK, STRONG, ONES, 60)
    path = tmp_path / "study.sqlite"
    study = Study(task, n=12, N=[30, 60], trials=2, ceiling="pseudo", path=path).run(progress=False)
    expected = probe(WEAK, STRONG, ONES, n=12, N=[30, 60], trials=2, test=60, ceiling="pseudo")
    np.testing.assert_allclose(study.summary()["ceiling"].mean, expected.ceiling.mean(-1), rtol=1e-12)
    with pytest.raises(ValueError, match="holds another study: not the same ceiling"):
        Study(task, n=12, N=[30, 60], trials=2, path=path).run(progress=False)
    own = Study(Task.of(WEAK, STRONG, ONES, 60, ceiling="pseudo"), n=12, N=[30, 60], trials=3, path=path)
    assert own.run(progress=False).is_complete
    assert "ceiling" not in Study(task, n=12, N=30, trials=1).spec.scenarios[0].as_dict()
    for call in (lambda: Study(task, n=12, N=30, ceiling="N"), lambda: Task.of(WEAK, STRONG, ONES, ceiling="N")):
        with pytest.raises(ValueError, match="ceiling must be"):
            call()
