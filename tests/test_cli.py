"""The command line: the main job, and one line for whatever goes wrong."""

import json
import subprocess
import sys

import numpy as np
import pytest

from w2s_fast import GaussianModel, Study, cli
from w2s_fast.model.probe import Task
from w2s_fast.tasks import reproduce as job


def run(capsys, *arguments, monkeypatch):
    """Exit status, standard output and standard error of ``w2s-fast arguments``."""
    monkeypatch.setattr(sys, "argv", ["w2s-fast", *arguments])
    status = 0
    try:
        cli.main()
    except SystemExit as exit_:
        status = exit_.code
    captured = capsys.readouterr()
    return status, captured.out, captured.err


@pytest.mark.jit_speed
def test_the_main_job_prints_a_table_and_leaves_its_files(capsys, monkeypatch, tmp_path):
    status, out, err = run(
        capsys, "reproduce", "--quick", "--out", str(tmp_path / "new" / "out"), monkeypatch=monkeypatch
    )
    assert status == 0
    for word in ("weak", "baseline", "ceiling", "w2s", "PGR", "OPR", "sentence valence", "exact", "±"):
        assert word in out
    assert "sentence valence" in err  # the progress bar
    names = {path.name for path in (tmp_path / "new" / "out").iterdir()}
    assert names == {"valence.png", "valence.csv", "synthetic.png", "synthetic.csv", "reproduce.json"}
    record = json.loads((tmp_path / "new" / "out" / "reproduce.json").read_text())
    assert record["versions"]["w2s_fast"]
    assert record["seconds"]["total"] > 0
    assert [study["seed"] for study in record["studies"]] == [0, 0, 0]
    assert [study["source"]["kind"] for study in record["studies"]] == ["features", "gaussian", "gaussian"]


def test_the_whole_job_at_toy_size(capsys, monkeypatch, tmp_path):
    rng = np.random.default_rng(0)
    strong = rng.standard_normal((60, 3))
    task = Task.of(strong[:, :2], strong, strong[:, 0] + rng.standard_normal(60))
    model = GaussianModel.paper(d_weak=4, d_strong=3, d_shared=1, d_target=5)
    toys = [Study(task, n=8, N=[9, 20], trials=2, title="toy"), Study(model, n=[8, 9], N=9, trials=2, title="a, b")]
    monkeypatch.setattr(job, "studies", lambda **options: toys)
    status, out, _ = run(capsys, "reproduce", "--out", str(tmp_path), "--workers", "1", monkeypatch=monkeypatch)
    assert status == 0
    assert out.count("exact ") == 2
    assert {path.suffix for path in tmp_path.iterdir()} == {".png", ".csv", ".json"}


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

    monkeypatch.setattr(job, "run", lambda *arguments: None)
    monkeypatch.setattr("w2s_fast.tasks.reproduce.draw", fail)
    status, out, err = run(capsys, "reproduce", "--out", str(tmp_path), monkeypatch=monkeypatch)
    assert (status, out) == (1, "")
    assert err == "w2s-fast: error: [Errno 28] No space left on device\n"
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_found_before_the_work(capsys, monkeypatch, tmp_path):
    def refuse(*arguments, **options):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(cli.tempfile, "TemporaryFile", refuse)
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
    assert "reproduce" in out


def test_version(capsys, monkeypatch):
    from w2s_fast import __version__

    assert __version__ in run(capsys, "--version", monkeypatch=monkeypatch)[1]


def test_without_its_extra_the_command_says_what_to_install():
    program = "import sys; sys.modules['click'] = None; import w2s_fast.cli"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == 'w2s-fast needs its command-line extra: python -m pip install "w2s_fast[cli,plot]"\n'
