"""``w2s-fast probe`` takes every kind of fit, pseudo-labels, noise, and teachers by their predictions."""

import json

import numpy as np
import pytest

from tests import commands
from w2s_fast import Predictions, Study, probe

rng = np.random.default_rng(0)
STRONG = rng.standard_normal((120, 5))
WEAK = STRONG[:, :2] + rng.standard_normal((120, 2))
Y = np.where(STRONG[:, 0] + 0.5 * rng.standard_normal(120) > 0, 1.0, 0.0)
POINT = {"n": 30, "N": 60, "trials": 3}


@pytest.fixture
def run(capsys, monkeypatch, tmp_path):
    for name, array in (("w", WEAK), ("s", STRONG), ("y", Y), ("said", np.roll(Y, 1))):
        np.save(tmp_path / f"{name}.npy", array)
    monkeypatch.chdir(tmp_path)

    def probed(*arguments):
        fixed = ["--strong=s.npy", "--labels=y.npy", "--n=30", "--N=60", "--trials=3", "-q"]
        return commands.run(capsys, "probe", *fixed, *arguments, monkeypatch=monkeypatch)

    return probed


@pytest.mark.parametrize(
    ("words", "how"),
    [
        ("--fit=softmax --ridge=1 --intercept", {"fit": "softmax", "ridge": 1.0, "intercept": True}),
        ("--teacher-fit=softmax --teacher-ridge=2", {"fit": ("softmax", "ridge"), "ridge": (2.0, 1e-6)}),
        ("--ridge=0.1,10 --choose=held-out", {"ridge": [0.1, 10.0], "choose": "held-out"}),
        ("--pseudo-labels=hard --confident=0.5 --rounds=2", {"pseudo_labels": "hard", "confident": 0.5, "rounds": 2}),
        (
            "--flips=0.1 --noise-once --noise-on-test",
            {"flips": 0.1, "noise_once": True, "noise_on_test": True},
        ),
        ("--label-noise=0.5", {"label_noise": 0.5}),
    ],
)
def test_options_of_fits_are_those_of_probe(run, words, how):
    status, out, err = run("--weak=w.npy", "--json", *words.split())
    (row,) = json.loads(out)
    assert (status, err) == (0, "")
    assert row["w2s"] == pytest.approx(probe(WEAK, STRONG, Y, **POINT, **how).w2s.mean(), rel=1e-12)


def test_weak_labels_take_the_place_of_features(run, tmp_path):
    expected = probe(Predictions(np.roll(Y, 1)), STRONG, Y, **POINT)
    status, out, _ = run("--weak-labels=said.npy", "--json")
    (row,) = json.loads(out)
    assert (status, row["weak"]) == (0, pytest.approx(expected.weak.mean(), rel=1e-12))
    status, out, _ = run("--weak-labels=said.npy", "--weak=w.npy", "--json")
    assert [(row["weak_model"], row["strong_model"]) for row in json.loads(out)] == [("w", "s"), ("said", "s")]
    assert run("--weak-labels=said.npy", "--out=study.sqlite") == (0, "", "")
    assert Study.open(tmp_path / "study.sqlite").scenarios[0].description.weak_labels


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("", "a teacher is missing: --weak for its features, or --weak-labels for what it predicts"),
        ("--weak=w.npy --weak-labels=w.npy", "--weak and --weak-labels name files alike: w"),
        ("--weak=w.npy --fit=forest", "fit must be one of 'ridge', 'softmax', 'flow', 'truncated', got 'forest'"),
        ("--weak=w.npy --pseudo-labels=sign", "pseudo_labels='sign' needs labels -1 and +1"),
    ],
)
def test_what_makes_no_sense_is_told_in_a_line(run, words, message):
    status, out, err = run(*words.split())
    assert status in (1, 2)
    assert out == ""
    assert message in " ".join(err.split())
