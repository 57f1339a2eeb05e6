"""Commands keep their work, and say what they can, on closed terminals and full disks, and when told to stop."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import HANG
from w2s_fast import Study

pytestmark = [
    pytest.mark.compiled,
    pytest.mark.skipif(sys.platform != "linux", reason="closed and full streams as Linux has them"),
]
ROOT = Path(__file__).parents[2]
MAIN = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); from w2s_fast.cli import main; main()"
SWEEP = ("sweep", "--n", "300", "--N", "1000", "--trials", "3")
LONG = ("sweep", "--N", "lin:400:4000:20", "--trials", "100000")


def shell(folder, redirections, *arguments, buffered=False):
    """Status, standard output and error of ``w2s-fast arguments`` under redirections of a shell."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "" if buffered else "1"}
    command = ["bash", "-c", f'"$@" {redirections}', "bash", sys.executable, "-c", MAIN, *arguments]
    options = {"cwd": folder, "env": environment, "timeout": HANG}
    done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, **options)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("buffered", [True, False])
def test_a_full_disk_under_standard_output(tmp_path, buffered):
    status, _, err = shell(tmp_path, ">/dev/full", *SWEEP, buffered=buffered)
    assert (status, err.splitlines()[-1]) == (
        1,
        "w2s-fast: error: what there was to print is lost, files are not: [Errno 28] No space left on device",
    )
    assert Study.open(tmp_path / "study.sqlite").is_complete
    assert shell(tmp_path, ">/dev/full 2>/dev/full", "--help", buffered=buffered) == (1, "", "")


@pytest.mark.parametrize("redirections", ["2>/dev/full", "2>&-", "2>&- <&-"])
def test_standard_error_stops_no_work(tmp_path, redirections):
    status, out, _ = shell(tmp_path, redirections, *SWEEP)
    assert (status, out.splitlines()[-1][:29]) == (0, "study.sqlite: 3 trials a poin")
    assert Study.open(tmp_path / "study.sqlite").is_complete
    assert shell(tmp_path, redirections, "sweep", "--n", "x") == (2, "", "")
    assert shell(tmp_path, redirections, "report", "none.sqlite") == (1, "", "")


def test_closed_streams_are_no_files(tmp_path):
    assert shell(tmp_path, ">&- 2>&- <&-", *SWEEP) == (0, "", "")
    assert Study.open(tmp_path / "study.sqlite").is_complete


@pytest.mark.parametrize("json", [False, True])
def test_a_reader_that_has_enough_is_no_error(tmp_path, json):
    arguments = (*SWEEP, "--quiet", "--json") if json else SWEEP
    status, _, err = shell(tmp_path, '| true; exit "${PIPESTATUS[0]}"', *arguments)
    assert (status, "error" in err.lower()) == (1, False)
    assert Study.open(tmp_path / "study.sqlite").is_complete


def begun(folder, hangup=signal.SIG_DFL, **options):
    """Start a long sweep that meets a hangup as told, however the tests were started; return it once it has results."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    main = f"import signal; signal.signal(signal.SIGHUP, signal.Handlers({int(hangup)})); {MAIN}"
    process = subprocess.Popen([sys.executable, "-c", main, *LONG], cwd=folder, env=environment, **options)
    deadline = time.monotonic() + HANG
    while time.monotonic() < deadline and not (folder / "study.sqlite-wal").exists():
        time.sleep(0.05)
    time.sleep(1.0)
    return process


@pytest.mark.parametrize(
    ("name", "status", "words"),
    [("SIGINT", 130, "interrupted"), ("SIGTERM", 143, "stopped by SIGTERM"), ("SIGHUP", 129, "stopped by SIGHUP")],
)
def test_what_was_done_is_kept(tmp_path, name, status, words):
    process = begun(tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    process.send_signal(getattr(signal, name))
    out, err = process.communicate(timeout=HANG)
    assert (process.returncode, out) == (status, "")
    assert err.splitlines()[-1] == f"w2s-fast: error: {words}"
    assert [path.name for path in tmp_path.iterdir()] == ["study.sqlite"]
    assert Study.open(tmp_path / "study.sqlite").counts.sum() > 0


@pytest.mark.parametrize("ignored", [True, False])
def test_a_terminal_that_closes(tmp_path, ignored):
    import pty

    ours, theirs = pty.openpty()

    def session():
        os.setsid()
        import fcntl
        import termios

        fcntl.ioctl(theirs, termios.TIOCSCTTY, 0)

    hangup = signal.SIG_IGN if ignored else signal.SIG_DFL  # ignored as by nohup
    process = begun(tmp_path, hangup, stdin=theirs, stdout=theirs, stderr=theirs, preexec_fn=session)
    os.close(theirs)
    os.close(ours)
    if ignored:
        time.sleep(1.0)
        closed = time.time()
        while process.poll() is None and (tmp_path / "study.sqlite-wal").stat().st_mtime < closed:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
    assert process.wait(HANG) == (130 if ignored else 129)
    assert [path.name for path in tmp_path.iterdir()] == ["study.sqlite"]
