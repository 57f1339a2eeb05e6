"""``w2s-fast sweep`` takes the fits, pseudo-labels and noise of real features, and its file holds them."""

import json

import numpy as np
import pytest

from tests import commands
from w2s_fast import Predictions, Study, Task
from w2s_fast.tasks import valence

rng = np.random.default_rng(0)
STRONG = rng.standard_normal((120, 5))
WEAK = STRONG[:, :2] + rng.standard_normal((120, 2))
Y = np.where(STRONG[:, 0] + 0.5 * rng.standard_normal(120) > 0, 1.0, 0.0)
GRID = {"n": 30, "N": [40, 60], "trials": 3}
FILES = "--weak=w.npy --strong=s.npy --labels=y.npy"


@pytest.fixture
def run(capsys, monkeypatch, tmp_path):
    for name, array in (("w", WEAK), ("s", STRONG), ("y", Y), ("said", np.roll(Y, 1))):
        np.save(tmp_path / f"{name}.npy", array)
    monkeypatch.chdir(tmp_path)

    def swept(words):
        fixed = ["--n=30", "--N=40,60", "--trials=3", "--out=s.sqlite"]
        return commands.run(capsys, "sweep", *fixed, *words.split(), monkeypatch=monkeypatch)

    return swept


def same(found, expected):
    """Whether two studies have the same scenarios and results."""
    assert [one.description.identity for one in found.scenarios] == [
        one.description.identity for one in expected.scenarios
    ]
    for name, (mean, _) in expected.summary().items():
        np.testing.assert_allclose(found.summary()[name].mean, mean, rtol=1e-12)


@pytest.mark.parametrize(
    ("words", "how", "axes"),
    [
        (
            "--fit=softmax --ridge=1 --intercept --independent --metrics=accuracy,auroc",
            {"fit": "softmax", "intercept": True, "nested": False, "metrics": ("accuracy", "auroc")},
            {"ridge": 1.0},
        ),
        ("--teacher-fit=flow --teacher-ridge=2", {"fit": ("flow", "ridge"), "ridge": (2.0, 1e-6)}, {}),
        ("--ridge=0.1,10", {}, {"ridge": [0.1, 10.0]}),
        ("--ridge=0.1,10 --choose=held-out", {"ridge": [0.1, 10.0], "choose": "held-out"}, {}),
        (
            "--ridge=0.1,10 --teacher-ridge=3 --choose=leave-one-out",
            {"ridge": (3.0, [0.1, 10.0])},
            {},
        ),
        (
            "--pseudo-labels=hard --confident=0.5 --rounds=2",
            {"pseudo_labels": "hard", "confident": 0.5, "rounds": 2},
            {},
        ),
        (
            "--flips=0,0.2 --noise-once --noise-on-test",
            {"noise_once": True, "noise_on_test": True},
            {"flips": [0.0, 0.2]},
        ),
        ("--label-noise=0.5", {"label_noise": 0.5}, {}),
        ("--label-noise=0,0.5 --ridge=1,2", {}, {"label_noise": [0.0, 0.5], "ridge": [1.0, 2.0]}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_options_are_those_of_tasks_and_studies(run, words, how, axes):
    assert run(f"{FILES} {words} -q") == (0, "", "")
    expected = Study(Task.of(WEAK, STRONG, Y, **how), **axes, **GRID).run(progress=False)
    same(Study.open("s.sqlite"), expected)
    assert run(f"{FILES} {words} -q --trials=5") == (0, "", "")  # goes on
    assert Study.open("s.sqlite").trials == 5
    status, _, err = run(f"{FILES} {words} -q --confident=0.75")
    assert status == 1
    assert "holds another study: not the same" in err


def test_teachers_by_what_they_say(run):
    assert run("--weak-labels=said.npy --strong=s.npy --labels=y.npy -q") == (0, "", "")
    same(Study.open("s.sqlite"), Study(Task.of(Predictions(np.roll(Y, 1)), STRONG, Y), **GRID).run(progress=False))


def test_the_task_that_ships_takes_them_too(run):
    assert run("--task=valence --n=600 --N=700,800 --trials=2 --metrics=misfit --fit=flow --ridge=5 -q") == (0, "", "")
    task = valence.load(ridge=5.0, fit="flow", metrics="misfit")
    same(Study.open("s.sqlite"), Study(task, n=600, N=[700, 800], trials=2).run(progress=False))
    status, _, err = run("--task=valence --metrics=accuracy --out=other.sqlite")
    assert status == 1
    assert "metrics: 'accuracy' is of labels that are signs or zeros and ones or classes, got numbers" in " ".join(
        err.split()
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--fit=softmax", "--fit needs real features: --weak, --strong and --labels, or --task"),
        ("--flips=0.1", "--flips needs real features"),
        ("--metrics=accuracy", "--metrics needs real features"),
        (f"{FILES} --weak-labels=said.npy", "--weak and --weak-labels are both the teacher: give one"),
        ("--task=valence --weak-labels=said.npy", "--task and files of features exclude one another"),
        (f"{FILES} --choose=held-out", "--choose needs several --ridge or --teacher-ridge to choose from"),
        (f"{FILES} --teacher-ridge=1,2", "--teacher-ridge has several values, which fits choose from with --choose"),
        (f"{FILES} --ridge=1,2 --teacher-ridge=1", "--ridge has several values"),
        (f"{FILES} --fit=softmax --label-noise=1", "label_noise is Gaussian, which leaves no classes"),
        ("--task=valence --fit=softmax", "fit='softmax' needs labels of classes"),
    ],
)
def test_what_makes_no_sense_is_told_by_name(run, words, message):
    status, out, err = run(words)
    assert status in (1, 2)
    assert out == ""
    assert message in " ".join(err.split())


def test_ridges_that_fits_chose_are_printed_and_in_the_file(run):
    status, out, _ = run(f"{FILES} --teacher-ridge=0.1,10,1000 --ridge=2 --choose=held-out --json")
    rows = {row["metric"]: row for row in json.loads(out)["table"] if row["N"] == 60}
    chosen = Study.open("s.sqlite").result.chosen_ridge.weak[1]
    assert (status, rows["chosen_ridge_weak"]["mean"]) == (0, pytest.approx(chosen.mean()))
    assert rows["chosen_ridge_weak_median"]["mean"] == np.sort(chosen)[1]
    _, out, _ = run(f"{FILES} --teacher-ridge=0.1,10,1000 --ridge=2 --choose=held-out")
    assert "Chosen ridges: median [lower quartile, upper quartile]." in " ".join(out.split())
    assert f"{np.sort(chosen)[1]:g} [" in out
    assert "ridge baseline" not in out
