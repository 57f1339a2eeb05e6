"""The command line: the main job, and one line for whatever goes wrong."""

import ctypes
import io
import json
import os
import re
import runpy
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from tests.commands import run
from tests.drawings import leave_blank
from w2s_fast import GaussianModel, Study, cli
from w2s_fast.cli.options import sizes
from w2s_fast.probing.task import Task
from w2s_fast.study.tables import finite
from w2s_fast.tasks import beyond, paper
from w2s_fast.tasks import reproduce as job


@pytest.mark.compiled
def test_the_main_job_prints_a_table_and_leaves_its_files(capsys, monkeypatch, tmp_path):
    out_folder = tmp_path / "new" / "out"
    status, out, err = run(capsys, "reproduce", "--quick", "--out", str(out_folder), monkeypatch=monkeypatch)
    assert status == 0
    for word in ("weak", "baseline", "ceiling", "w2s", "PGR", "OPR", "sentence valence", "exact", "±", "d_shared=10"):
        assert word in out
    assert "…" not in out  # no digit is cut off
    assert "sentence valence" in err  # the progress bar
    figures = {
        "valence",
        "risk_d10_noise0.01",
        "risk_d90_noise0.01",
        "risk_d90_noise0.0004",
        "pgr_opr_d90-50-10_noise0.01",
        "pgr_opr_d80-40-0_noise0.01",
        "pgr_opr_d90-50-10_noise0.1",
        "far",
        "double_descent",
        "dimensions",
        "bounds",
    }
    page = (out_folder / "report.html").read_text(encoding="utf-8")
    assert page.count("data:image/png;base64,") == len(figures)
    others = {*job.TABLES, "report.html", "reproduce.json"}
    assert {path.name for path in out_folder.iterdir()} == {f"{name}.png" for name in figures} | others
    record = json.loads((out_folder / "reproduce.json").read_text())
    assert record["versions"]["w2s_fast"]
    assert record["seconds"]["total"] > 0
    assert [study["seeds"] for study in record["studies"]] == [{"0": 5}] + 5 * [{"0": 10}]
    assert [study["settings"][0]["kind"] for study in record["studies"]] == ["features", *5 * ["gaussian"]]
    assert {row["d_weak"] for row in record["growth"]["table"]} >= {20, 10**6}
    # 10 trials a mean: a t distribution of 9 degrees, beyond 9 once in 100,000
    assert float(re.search(r"largest \|z\| ([\d.]+)", out)[1]) < 9


def toy_job():
    rng = np.random.default_rng(0)
    strong = rng.standard_normal((60, 3))
    task = Task.of(strong[:, :2], strong, strong[:, 0] + rng.standard_normal(60))
    family = partial(GaussianModel.paper, d_weak=4, d_strong=3, d_target=5)
    shared = {1e-2: [0, 1, 2], 4e-4: [2], 0.1: [0, 1, 2]}
    synthetic = [
        Study(family, n=[8, 9], N=9, d_shared=shared[noise], noise_variance=noise, trials=3) for noise in shared
    ]
    far = Study(family, n=8, N=[9, 10**12], d_shared=[0, 1, 2], trials=3, title="far")
    real = Study(task, n=8, N=[9, 20], trials=2, title="toy [bold]")
    return job.Job(real, synthetic, far, beyond.descent(trials=3, quick=True), beyond.Growth(points=2, trials=5))


def toy_jobs(monkeypatch):
    """A figure of each kind: the test above has them all."""
    monkeypatch.setattr(paper, "RISKS", {1e-2: (1,)})
    monkeypatch.setattr(paper, "RATIOS", {0.1: ((0, 1, 2),)})
    monkeypatch.setattr(job, "job", lambda **options: toy_job())
    monkeypatch.setattr(job, "SHOWN", (1,))


def test_the_whole_job_at_toy_size(capsys, monkeypatch, tmp_path):
    toy_jobs(monkeypatch)
    status, out, _ = run(capsys, "reproduce", "--out", str(tmp_path), "--workers", "1", monkeypatch=monkeypatch)
    assert status == 0
    assert len(re.findall("^ *exact ", out, re.MULTILINE)) == 4
    assert "toy [bold]" in out
    assert {path.name for path in tmp_path.iterdir()} == set(job.files(toy_job()))
    assert {path.suffix for path in tmp_path.iterdir()} == {".png", ".csv", ".json", ".html"}
    leave_blank(monkeypatch)
    arguments = ["reproduce", "--out", str(tmp_path), "--json", "--quiet"]
    status, out, err = run(capsys, *arguments, monkeypatch=monkeypatch)
    assert (status, err) == (0, "")
    assert json.loads(out)["agreement"]["means"] == 4 * (6 + 2 + 6 + 6)


def ascii_stream():
    return io.TextIOWrapper(io.BytesIO(), encoding="ascii", write_through=True)


@pytest.mark.compiled
def test_the_whole_job_on_a_terminal_of_few_signs(monkeypatch, tmp_path):
    toy_jobs(monkeypatch)
    leave_blank(monkeypatch)
    for name in ("stdout", "stderr"):
        monkeypatch.setattr(sys, name, ascii_stream())
    monkeypatch.setattr(sys, "argv", ["w2s-fast", "reproduce", "--out", str(tmp_path / "é")])
    cli.main()
    out = sys.stdout.buffer.getvalue().decode("ascii")
    assert "+-" in out
    assert r"\xe9" in out.splitlines()[-1]  # the folder in "Written"
    assert {path.suffix for path in (tmp_path / "é").iterdir()} == {".png", ".csv", ".json", ".html"}


@pytest.mark.parametrize(
    "changes",
    [
        {"PYTHONIOENCODING": "ascii"},
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        {"PYTHONIOENCODING": "latin-1"},
    ],
)
@pytest.mark.compiled
def test_every_encoding_and_backend_of_a_notebook_is_borne(changes, files):
    """Titles with pairs of dollars, which are no formulas, included."""
    title = r"from $5 to $7: \frac{$ ü" + "\N{SNOWMAN}"
    family = partial(GaussianModel.paper, d_weak=6, d_strong=4, d_target=9)
    Study(family, n=12, N=[9, 20], d_shared=[1, 3], trials=3, title=title, path=files / "$a$.sqlite").run(
        progress=False
    )
    warned = "error,ignore::DeprecationWarning"  # matplotlib 3.9 calls pyparsing by old names
    environment = os.environ | {"MPLBACKEND": "module://matplotlib_inline.backend_inline", "PYTHONWARNINGS": warned}
    environment |= {"PYTHONPATH": str(Path(cli.__file__).parents[2])} | changes
    grid = ["--n=20", "--N=20,40", "--trials=3"]
    probed = ["--weak", "w.npy", "--strong", "s.npy", "--labels", "y.npy", *grid]
    swept = ["--d-weak=6", "--d-strong=4", "--d-target=9", "--d-shared=1", *grid, "--out", "b.sqlite", "--title", title]
    drawn = "LC_ALL" in changes  # figures are the same whatever the encoding of what is printed
    commands = {"report": [["$a$.sqlite"], ["b.sqlite"]] if drawn else [], "probe": [probed], "sweep": [swept]}
    for command in ([name, *given] for name in ("probe", "sweep", "report") for given in commands[name]):
        done = subprocess.run(
            [sys.executable, "-m", "w2s_fast.cli", *command],
            cwd=files,
            env=environment,
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert b"+-" in done.stdout or b"\xb1" in done.stdout
    for stem in ("$a$", "b") if drawn else ():
        for suffix in ("csv", "json", "html", "png", "svg"):
            assert (files / f"{stem}.{suffix}").stat().st_size > 1_000
        assert json.loads((files / f"{stem}.json").read_text(encoding="utf-8"))["title"] == title


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["reproduce", "--out", "FILE"], 2, "is a file"),
        (["reproduce", "--out", "FILE/below"], 1, "Not a directory"),
        (["reproduce", "--trials", "many"], 2, "'many' is not a valid integer"),
        (["reproduce", "--trials", "1"], 2, "1 is not in the range x>=2"),
        (["reproduce", "--seed", "-1"], 2, "-1 is not in the range"),
        (["reproduce", "--workers", "0"], 2, "0 is not in the range"),
        (["reproduce", "--nonsense"], 2, "No such option"),
        (["reproduce", "extra"], 2, "unexpected extra argument"),
        (["nonsense"], 2, "No such command"),
        (["sweep", "--n", "4:5"], 2, "'4:5' is not a list of sizes such as 400,1e6 or lin:400:4000:20"),
        (["sweep", "--n", "lin:1:5:1"], 2, "is not a list of sizes"),
        (["sweep", "--n", "1.5"], 2, "is not a list of sizes"),
        (["sweep", "--n", "0"], 1, "n must be at least 1"),
        (["sweep", "--d-shared", "ten"], 2, "'ten' is not a list of numbers"),
        (["sweep", "--d-shared", "101"], 1, "d_shared must be at least 0 and at most 100, got 101"),
        (["sweep", "--task", "valence", "--d-weak", "5"], 2, "--d-weak and real features exclude one another"),
        (["sweep", "--task", "valence", "--weak", "FILE"], 2, "--task and files of features exclude one another"),
        (["sweep", "--task", "valence", "--test", "many"], 2, "neither a number of rows nor a share"),
        (["sweep", "--task", "valence", "--n", "9999"], 1, "n + N asks for up to 13,999 rows"),
        (["sweep", "--weak", "FILE"], 2, "real features need --strong, --labels too"),
        (
            ["sweep", "--weak", "FILE", "--strong", "FILE", "--labels", "FILE"],
            1,
            "weak must be an array or a file of type .npy",
        ),
        (["sweep", "--weak", "none.npy"], 2, "does not exist"),
        (["sweep", "--test", "0.5"], 2, "--test needs real features"),
        (["sweep", "--out", "FILE"], 1, "not a study"),
        (["sweep", "--out", "none/x.sqlite"], 1, "the folder none does not exist"),
        (["report", "none.sqlite"], 1, "there is no study file none.sqlite"),
        (["report", "FILE", "--format", "doc"], 2, "'doc' is not one of"),
        (["merge", "--out", "x.sqlite"], 2, "Missing argument"),
        (["merge", "FILE", "--out", "x.sqlite"], 1, "not a study"),
        (["plan"], 2, "give --n, --N or both, or a pilot study file"),
        (["plan", "--n", "9", "--ridge", "1"], 2, "real features and ridge have no closed form"),
        (["plan", "FILE", "--n", "9"], 2, "--n: a pilot file says that itself"),
        (["plan", "--n", "2000", "--pgr", "1.5"], 2, "1.5 is not in the range"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(capsys, monkeypatch, tmp_path, arguments, status, words):
    (tmp_path / "FILE").write_text("here first")
    monkeypatch.chdir(tmp_path)
    code, out, err = run(capsys, *arguments, monkeypatch=monkeypatch)
    assert code == status
    assert out == ""
    assert err.count("\n") == 1
    assert err.startswith("w2s-fast: error: ")
    assert words in err
    assert [path.name for path in tmp_path.iterdir()] == ["FILE"]


def test_failures_while_writing_leave_no_half_written_file(capsys, monkeypatch, tmp_path):
    def fail(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(job, "job", lambda **options: toy_job())
    monkeypatch.setattr("w2s_fast.tasks.reproduce.draw", fail)
    status, out, err = run(capsys, "reproduce", "--out", str(tmp_path), monkeypatch=monkeypatch)
    assert (status, out) == (1, "")
    assert err.splitlines()[-1] + "\n" == "w2s-fast: error: [Errno 28] No space left on device\n"
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_found_before_the_work(capsys, monkeypatch, tmp_path):
    def refuse(*arguments, **options):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    monkeypatch.setattr(job, "run", lambda *arguments: pytest.fail("the work had begun"))
    status, _, err = run(capsys, "reproduce", "--out", str(tmp_path), monkeypatch=monkeypatch)
    assert (status, err) == (1, "w2s-fast: error: [Errno 13] Permission denied\n")


def test_ctrl_c_is_one_line_too(capsys, monkeypatch, tmp_path):
    def interrupt(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(job, "run", interrupt)
    status, _, err = run(capsys, "reproduce", "--out", str(tmp_path), monkeypatch=monkeypatch)
    assert status == 130
    assert err.strip().splitlines()[-1] == "w2s-fast: error: interrupted"


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"]])
def test_help_lists_the_commands(capsys, monkeypatch, arguments):
    status, out, _ = run(capsys, *arguments, monkeypatch=monkeypatch)
    assert status == 0
    for word in ("sweep", "plan", "report", "merge", "reproduce", "info", "  130  interrupted", "\n    zsh   eval"):
        assert word in out


@pytest.mark.parametrize("command", ["sweep", "plan", "report", "merge", "reproduce", "info"])
def test_help_of_a_command_has_examples_that_parse(capsys, monkeypatch, command):
    _, out, _ = run(capsys, command, "--help", monkeypatch=monkeypatch)
    examples = re.findall(rf"^ +w2s-fast {command} (.*)$", out, re.MULTILINE)
    assert examples
    for example in examples:
        files = dict.fromkeys(("w.npy", "s.npy", "y.npy"), __file__)
        words = [files.get(word, word) for word in example.split()]
        cli.commands.commands[command].make_context(command, words)


def test_version(capsys, monkeypatch):
    from w2s_fast import __version__

    assert __version__ in run(capsys, "--version", monkeypatch=monkeypatch)[1]
    monkeypatch.setattr(sys, "argv", ["w2s_fast", "--version"])
    runpy.run_module("w2s_fast", run_name="__main__")
    assert __version__ in capsys.readouterr().out


def test_without_its_extra_the_command_says_what_to_install():
    program = "import sys; sys.modules['click'] = None; import w2s_fast.cli"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == 'w2s-fast needs its command-line extra: python -m pip install "w2s_fast[cli,plot]"\n'


TINY = ["--d-weak", "6", "--d-strong", "4", "--d-target", "9", "--d-shared", "1,3"]


@pytest.fixture
def in_folder(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_sweep_goes_on_and_is_reported(capsys, monkeypatch, in_folder):
    sweep = ["sweep", *TINY, "--n", "12,20", "--N", "lin:10:40:4", "--out", "a.sqlite"]
    status, out, err = run(capsys, *sweep, "--trials", "3", monkeypatch=monkeypatch)
    assert (status, err.count("48/48")) == (0, 1)
    assert "d_shared=3" in out
    assert "a.sqlite: 3 trials a point. Next: w2s-fast report a.sqlite" in out
    status, out, err = run(capsys, *sweep, "--trials", "5", "--json", "--quiet", monkeypatch=monkeypatch)
    assert (status, err) == (0, "")
    described = json.loads(out)
    assert (described["title"], described["seeds"], described["complete"]) == ("a", {"0": 5}, True)
    assert [run["trials"] for run in described["runs"]] == [48, 32]
    family = partial(GaussianModel.paper, d_weak=6, d_strong=4, d_target=9)
    same = Study(family, n=[[12], [20]], N=[10, 20, 30, 40], d_shared=[1, 3], trials=5, title="a").run(progress=False)
    assert finite(Study.open("a.sqlite").table()) == finite(same.table())

    assert run(capsys, "report", "a.sqlite", "--out", "b", "--quiet", monkeypatch=monkeypatch) == (0, "", "")
    names = {path.name for path in Path("b").iterdir()}
    assert names == {"a.csv", "a.json", "a.html", *(f"a{x}.{y}" for x in ("", "-compared") for y in ("png", "svg"))}
    status, out, _ = run(capsys, "report", "a.sqlite", "--format", "csv", monkeypatch=monkeypatch)
    assert out.strip().endswith("Written: a.csv")
    assert Path("a.csv").read_bytes() == Path("b/a.csv").read_bytes()
    assert json.loads(Path("b/a.json").read_text()) == described

    assert run(capsys, *sweep[:-1], "c.sqlite", "--seed", "1", "-q", monkeypatch=monkeypatch) == (0, "", "")
    status, out, _ = run(capsys, "merge", "a.sqlite", "c.sqlite", "--out", "d.sqlite", monkeypatch=monkeypatch)
    assert (status, out) == (0, "d.sqlite: seeds 0, 1; 45 trials a point.\n")
    status, _, err = run(capsys, "merge", "a.sqlite", "a.sqlite", "--out", "e.sqlite", monkeypatch=monkeypatch)
    assert (status, Path("e.sqlite").exists()) == (1, False)
    assert "both studies hold seed 0" in err


def test_a_sweep_of_feature_files(capsys, monkeypatch, in_folder):
    rng = np.random.default_rng(0)
    strong = rng.standard_normal((60, 3))
    arrays = {"weak": strong[:, :2], "strong": strong, "labels": strong[:, 0] + rng.standard_normal(60)}
    for name, array in arrays.items():
        np.save(f"{name}.npy", array)
    files = [word for name in arrays for word in (f"--{name}", f"{name}.npy")]
    sweep = ["sweep", *files, "--n", "8", "--N", "9,12,15,20", "--test", "20", "--ridge", "0.1,1", "--trials", "4"]
    assert run(capsys, *sweep, "-q", monkeypatch=monkeypatch) == (0, "", "")
    task = Task.of(*arrays.values(), test=20)
    plain = Study(task, n=8, N=[9, 12, 15, 20], ridge=[0.1, 1], trials=4, title="study").run(progress=False)
    assert finite(Study.open("study.sqlite").table()) == finite(plain.table())
    status, out, _ = run(capsys, "plan", "study.sqlite", "--pgr", "-9", monkeypatch=monkeypatch)
    assert status == 0
    assert out.count("fit to the pilot; 90 % interval") == 2
    assert "(by the pilot's own runs, with what they compiled)" in out


def test_a_report_needs_results_but_not_all(capsys, monkeypatch, in_folder):
    def stop(done, total):
        if done > 2:
            raise KeyboardInterrupt

    model = GaussianModel.paper(6, 4, 2, d_target=9)
    for calls, path in ((stop, "some.sqlite"), (lambda *counts: stop(3, 4), "none.sqlite")):
        with pytest.raises(KeyboardInterrupt):
            Study(model, n=12, N=[9, 30], trials=3, path=path).run(calls)
    _, out, _ = run(capsys, "report", "some.sqlite", monkeypatch=monkeypatch)
    assert "Not finished: 3 of 6 trials." in out
    assert "Not finished: 3 of 6 trials of 2 points." in Path("some.html").read_text()
    status, _, err = run(capsys, "report", "none.sqlite", monkeypatch=monkeypatch)
    assert (status, err.count("\n")) == (1, 1)
    assert "this study has no results yet" in err
    assert not list(in_folder.glob("none.[!s]*"))


@pytest.mark.parametrize("suffix", ["csv", "json", "png", "svg", "html"])
def test_a_report_never_takes_the_place_of_its_study(capsys, monkeypatch, in_folder, suffix):
    path = in_folder / f"mine.{suffix}"
    study = Study(GaussianModel.paper(6, 4, 2, d_target=9), n=12, N=[9, 30], trials=3, path=path).run(progress=False)
    before = path.read_bytes()
    for more in ([], ["--overwrite"], ["--out", "."], ["--format", suffix, "--overwrite"]):
        status, out, err = run(capsys, "report", path.name, *more, monkeypatch=monkeypatch)
        assert (status, out) == (1, "")
        assert "is the study that is reported" in err
        assert list(in_folder.iterdir()) == [path]
    (in_folder / "other").symlink_to(path)
    (in_folder / f"other.{suffix}").hardlink_to(path)
    assert run(capsys, "report", "other", "--overwrite", monkeypatch=monkeypatch)[0] == 1
    for write in (study.to_csv, study.to_json, study.to_html, study.plot, study.plot_comparison):
        with pytest.raises(ValueError, match="is the study file: name another"):
            write(path)
    assert path.read_bytes() == before


@pytest.mark.compiled
def test_another_files_place_is_taken_only_when_told(capsys, monkeypatch, in_folder):
    leave_blank(monkeypatch)
    model = GaussianModel.paper(6, 4, 2, d_target=9)
    study = Study(model, n=12, N=[9, 30], noise_variance=[0.1, 0.2], trials=3, path="data.sqlite").run(progress=False)
    others = [f"data{more}.{suffix}" for suffix in ("csv", "json", "png", "svg", "html") for more in ("",)]
    for name in (*others, "data-compared.png"):
        for content in (
            b"",
            b"age,height\n1,2\n",
            b'{"title": 5}',
            b"[" * 10_000,
            b"\x89PNG\r\n\x1a\n",
            b"<svg></svg>",
        ):
            Path(name).write_bytes(content)
            status, out, err = run(capsys, "report", "data.sqlite", monkeypatch=monkeypatch)
            assert (status, out, err.count("\n")) == (1, "", 1)
            assert f"{name} is there and was not made by this command" in err
            assert Path(name).read_bytes() == content
            assert {path.name for path in in_folder.iterdir()} == {"data.sqlite", name}
        if name not in ("data.csv", "data-compared.png"):  # one report writes them all
            Path(name).unlink()
            continue
        status, _, err = run(capsys, "report", "data.sqlite", "--overwrite", "-q", monkeypatch=monkeypatch)
        assert (status, err) == (0, "")
        study.run(progress=False)
        assert run(capsys, "report", "data.sqlite", "-q", monkeypatch=monkeypatch) == (0, "", "")  # in its own place
        for path in in_folder.glob("data*.[!s]*"):
            path.unlink()
        Path("data.svg").unlink()
        Path("data-compared.svg").unlink()


@pytest.mark.compiled
def test_the_main_job_asks_before_it_works(capsys, monkeypatch, tmp_path):
    toy_jobs(monkeypatch)
    leave_blank(monkeypatch)
    arguments = ["reproduce", "--out", str(tmp_path), "-q"]
    for name in ("valence.csv", "far.png", "report.html", "reproduce.json"):
        (tmp_path / name).write_text("mine")
        with monkeypatch.context() as patch:
            patch.setattr(job, "run", lambda *more: pytest.fail("the work had begun"))
            status, _, err = run(capsys, *arguments, monkeypatch=monkeypatch)
        assert (status, f"{name} is there and was not made" in err) == (1, True)
        (tmp_path / name).unlink()
    assert run(capsys, *arguments, monkeypatch=monkeypatch) == (0, "", "")
    assert {path.name for path in tmp_path.iterdir()} == set(job.files(toy_job()))
    assert run(capsys, *arguments, monkeypatch=monkeypatch) == (0, "", "")


MEANS = ("--certainty", "0")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ["--n", "2000", *MEANS],
            ["with n = 2,000, N = 845 pseudo-labels reach a PGR of 0.9 (exact, of expected risks)"],
        ),
        (["--N", "4e3", *MEANS], ["with N = 4,000, n = 202 labels reach a PGR of 0.9 (exact"]),
        (["--n", "2000,3000", "--pgr", "0.99", *MEANS], ["with n = 3,000, no N reaches a PGR of 0.99: the most is"]),
        (
            ["--n", "2000", "--d-shared", "10,50", "--pgr", "0.5", *MEANS],
            ["d_shared = 10: with", "d_shared = 50: with"],
        ),
    ],
)
def test_plans_from_a_spec_are_exact(capsys, monkeypatch, arguments, words):
    status, out, err = run(capsys, "plan", *arguments, monkeypatch=monkeypatch)
    assert (status, err) == (0, "")
    assert all(word in out for word in words)


@pytest.mark.compiled
def test_plans_answer_for_trials_too(capsys, monkeypatch):
    arguments = ["plan", *TINY, "--n", "40", "--pgr", "0.1"]
    _, out, _ = run(capsys, *arguments, monkeypatch=monkeypatch)
    found = re.search(
        r"N = (\d+) pseudo-labels reach .*; N = (\d+) in 90 % of trials \(by 4,000 of them, .* 0.47 %", out
    )
    assert int(found[1]) < int(found[2])
    _, out, _ = run(capsys, *arguments, "--certainty", "0.99999", monkeypatch=monkeypatch)
    assert re.search(r"; no N reaches a PGR of 0\.1 in 99\.999 % of trials: the most is", out)


@pytest.mark.compiled
def test_a_plan_predicts_the_time_of_a_grid(capsys, monkeypatch):
    arguments = ["plan", *TINY, "--n", "12", "--N", "9,30", "--pgr", "0.1", "--trials", "1000", "--workers", "1"]
    _, out, _ = run(capsys, *arguments, monkeypatch=monkeypatch)
    assert re.search(r"The grid: 4,000 trials take about [\d.]+ s on 1 thread\(s\) \(some were timed", out)
    _, out, _ = run(capsys, *arguments, "--json", monkeypatch=monkeypatch)
    answers = json.loads(out)
    assert answers["run_time"]["seconds"] > 0
    assert {answer["basis"] for answer in answers["answers"]} == {"exact"}


def test_info_tells_what_speed_depends_on(capsys, monkeypatch):
    status, out, _ = run(capsys, "info", monkeypatch=monkeypatch)
    assert status == 0
    for word in ("w2s_fast 0", "numba", "blas", "openblas", "threads", "cuda"):
        assert word in out
    found = json.loads(run(capsys, "info", "--json", monkeypatch=monkeypatch)[1])
    assert found["versions"]["numpy"] == np.__version__
    assert len(found["blas"]) == 2


@pytest.mark.parametrize(
    ("kernels", "flags", "hinted"),
    [("Haswell", "avx2 avx512f sse", True), ("SkylakeX", "avx2 avx512f sse", False), ("Haswell", "avx2 sse", False)],
)
def test_info_hints_at_avx512_that_blas_leaves_unused(tmp_path, capsys, monkeypatch, kernels, flags, hinted):
    (tmp_path / "cpuinfo").write_text(f"flags : {flags}\n")
    module = sys.modules["w2s_fast.cli.info"]  # of the name that the command took
    monkeypatch.setattr(module, "CPU_INFO", tmp_path / "cpuinfo")
    pool = {"user_api": "blas", "internal_api": "openblas", "version": "1", "num_threads": 2, "architecture": kernels}
    monkeypatch.setattr(module, "_pools", lambda: [pool])
    out = run(capsys, "info", monkeypatch=monkeypatch)[1]
    assert ("OPENBLAS_CORETYPE=SkylakeX" in out) == hinted


class Driver:
    """What ``info`` asks of libcuda."""

    def __init__(self, starts):
        self.starts = starts

    def cuInit(self, flags):  # noqa: N802
        return 0 if self.starts else 100

    def cuDriverGetVersion(self, version):  # noqa: N802
        version._obj.value = 12_080
        return 0

    def cuDeviceGetCount(self, count):  # noqa: N802
        count._obj.value = 2
        return 0

    def cuDeviceGetName(self, name, length, device):  # noqa: N802
        name.value = f"GPU {device}".encode()
        return 0


@pytest.mark.parametrize(
    ("starts", "words"), [(True, "12.8 by the driver: GPU 0, GPU 1"), (False, "none: the NVIDIA driver does not start")]
)
def test_info_asks_the_driver(capsys, monkeypatch, starts, words):
    load = ctypes.CDLL  # others look for their libraries by it meanwhile

    def fake(name, *arguments, **settings):
        return Driver(starts) if "cuda" in str(name) else load(name, *arguments, **settings)

    monkeypatch.setattr("ctypes.CDLL", fake)
    assert json.loads(run(capsys, "info", "--json", monkeypatch=monkeypatch)[1])["cuda"] == words


def test_lists_of_sizes():
    assert sizes("lin:400:4000:20") == paper.sweep(20).tolist()
    assert sizes("log:1e3:1e12:10") == [10**k for k in range(3, 13)]
    assert sizes("5,5,4_000") == [5, 4000]


@pytest.fixture
def files(tmp_path):
    rng = np.random.default_rng(0)
    strong = rng.standard_normal((80, 5))
    arrays = {"w": strong[:, :2], "s": strong, "y": strong[:, 0] + 0.1 * rng.standard_normal(80)}
    for name, array in arrays.items():
        np.save(tmp_path / f"{name}.npy", array)
    np.savez(tmp_path / "all.npz", **arrays)
    return tmp_path


def probe_arguments(folder, *more):
    files = (f"--{kind}={folder / name}.npy" for kind, name in (("weak", "w"), ("strong", "s"), ("labels", "y")))
    return ["probe", *files, "--n=20", "--N=20,40", "--trials=3", *more]


def test_probe_prints_every_pair(capsys, monkeypatch, files):
    more = ["--weak", f"{files}/all.npz#s", "--intercept", "--independent", "--label-noise=0.1", "--decompose"]
    status, out, _ = run(capsys, *probe_arguments(files, *more), monkeypatch=monkeypatch)
    assert status == 0
    assert all(word in out for word in ("all#s", "inherited", "PGR", "no gap"))
    status, out, err = run(capsys, *probe_arguments(files, *more, "--json", "-q"), monkeypatch=monkeypatch)
    rows = json.loads(out)
    assert (status, err, len(rows)) == (0, "", 4)
    assert {row["weak_model"] for row in rows} == {"w", "all#s"}
    assert all(row["in_doubt"] in ("", "no gap") and "inherited" in row for row in rows)


def test_probe_of_rows_set_apart(capsys, monkeypatch, files):
    for name, rows in (("a", np.arange(20)), ("b", np.arange(80) >= 40), ("c", [20, 21, 22])):
        np.save(files / f"{name}.npy", rows)
    named = {"labelled": "a", "pseudo-labelled": "b", "test": "c"}
    apart = [f"--{kind}-rows={files / name}.npy" for kind, name in named.items()]
    models = [word for word in probe_arguments(files) if not word.startswith(("--n", "--N"))]
    status, out, err = run(capsys, *models, *apart, "--json", "-q", monkeypatch=monkeypatch)
    assert (status, err) == (0, "")
    assert {(row["n"], row["N"]) for row in json.loads(out)} == {(20, 40)}
    for more, words in (
        (["--test=0.5"], "--test and --test-rows exclude one another"),
        ([f"--out={files / 'a.sqlite'}"], "--out needs --n and --N"),
        (["--n=21"], "n asks for up to 21 rows, labelled has 20"),
    ):
        status, _, err = run(capsys, *models, *apart, *more, monkeypatch=monkeypatch)
        assert status != 0
        assert words in err
    status, _, err = run(capsys, *models, monkeypatch=monkeypatch)
    assert (status, "n may be left out where labelled or pseudo_labelled rows are given" in err) == (1, True)


def test_probe_keeps_a_study_that_resumes(capsys, monkeypatch, files):
    out_file = files / "kept.sqlite"
    arguments = probe_arguments(files, "--intercept", "--json", f"--out={out_file}")
    status, out, _ = run(capsys, *arguments, monkeypatch=monkeypatch)
    assert status == 0
    assert Study.open(out_file).is_complete
    assert json.loads(out)["settings"][0]["intercept"] is True
    status, _, err = run(capsys, *probe_arguments(files, f"--out={out_file}"), monkeypatch=monkeypatch)
    assert status == 1
    assert "holds another study" in err
    status, _, err = run(capsys, *arguments, "--decompose", monkeypatch=monkeypatch)
    assert status == 2
    status, _, err = run(capsys, *arguments, f"--weak={files}/s.npy", monkeypatch=monkeypatch)
    assert (status, "holds another study" in err) == (1, True)  # of more teachers
    status, _, err = run(capsys, *arguments, f"--weak={files}/w.npy", monkeypatch=monkeypatch)
    assert (status, "given twice" in err) == (2, True)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (["--labels", "missing.npy"], "y: there is no file 'missing.npy'"),
        (["--N", "70"], "n + N asks for up to 90 rows a trial"),
        (["--test", "80"], "test takes 80 rows of 80"),
        (["--labels", "text.npy"], "y must name 2 to 1,000 classes, got 1: 'a'"),
        (["--labels", "one.npy"], "y has one value, 1, in every row"),
        (["--labels", "nan.npy"], "y holds 1 NaN or infinite value(s), the first at index (3,)"),
        (["--labels", "short.npy"], "weak has 80, strong has 80, y has 79"),
        (["--weak", "all.npz"], "it holds 3 arrays: write path#name, with a name of ['s', 'w', 'y']"),
        (["--weak", "all.npz#q"], "there is no 'q': write path#name"),
        (["--strong", "one.npy"], "strong['one'] must have 2 dimension(s), got shape (80,)"),
        (["--strong", "pickle.npy"], "strong['pickle'] must hold real numbers, got dtype object"),
        (["--strong", "empty.npy"], "strong['empty']: cannot read 'empty.npy'"),
        (["--strong", "model.pkl"], "must be an array or a file of type .npy, .npz, .safetensors"),
        (["--strong", "flat.npy"], "strong['flat'] is constant: all 80 rows are the same"),
        (["--ridge", "-1"], "ridge must be a finite number, at least 0"),
    ],
)
def test_probe_refuses_in_one_line(capsys, monkeypatch, files, change, words):
    monkeypatch.chdir(files)
    labels = {"text": np.full(80, "a"), "one": np.ones(80), "nan": np.where(np.arange(80) == 3, np.nan, np.arange(80))}
    for name, array in (labels | {"short": np.arange(79), "flat": np.ones((80, 2))}).items():
        np.save(f"{name}.npy", array)
    np.save("pickle.npy", np.array([[{}, 1]], object), allow_pickle=True)
    Path("empty.npy").touch()
    Path("model.pkl").write_bytes(b"\x80\x04]")
    status, out, err = run(capsys, *probe_arguments(files, *change), monkeypatch=monkeypatch)
    assert (status, out) == (1, "")  # and no progress bar
    assert words in err
    assert err.count("\n") == 1
