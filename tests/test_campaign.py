"""The campaign of attacks finds what is wrong: errors, wrong numbers, crashes and hangs are faults of a known seed."""

import os
import subprocess
import sys
import time

import numpy as np
import pytest

pytest.importorskip("resource")  # of POSIX

from tests.campaign import __main__ as campaign
from tests.campaign import arrays, children, disks, files, kills
from tests.conftest import COMPILED

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="attacks fork"),
    pytest.mark.skipif(not COMPILED, reason="an attempt takes seconds as Python"),
]


@pytest.mark.parametrize("name", [*campaign.ATTACKS])
def test_every_attack_is_withstood(name, tmp_path):
    assert campaign.ATTACKS[name](np.random.default_rng(1), tmp_path)


def planted(monkeypatch, attack):
    monkeypatch.setitem(campaign.ATTACKS, "planted", attack)
    return list(campaign.attempts("planted", 7, time.monotonic() - 1))


def test_what_is_raised_is_a_fault_of_its_seed(monkeypatch):
    def wrong(rng, folder):
        raise AssertionError("other\nnumbers")

    ((seed, outcome, fault),) = planted(monkeypatch, wrong)
    assert (seed, fault) == (7, True)
    assert outcome.startswith("AssertionError: other numbers (test_campaign.py:")
    assert planted(monkeypatch, lambda rng, folder: "fine") == [(7, "fine", False)]


def test_nothing_ends_this_process_later(monkeypatch):
    monkeypatch.setattr(campaign, "HANG", 0.2)
    planted(monkeypatch, lambda rng, folder: "fine")
    time.sleep(0.4)


CRASH = """
import os
from tests.campaign import __main__ as campaign
def crash(rng, folder):
    print("a line of what is attacked")
    return "fine" if rng.integers(2) else {ends}
campaign.ATTACKS["planted"] = crash
campaign.HANG = 0.5
raise SystemExit(campaign.main())
"""


@pytest.mark.parametrize("ends", ["os.abort()", "__import__('time').sleep(60)", "os._exit(3)"])
def test_a_process_that_dies_or_hangs_is_a_fault(ends, monkeypatch):
    command, run = [sys.executable, "-c", CRASH.format(ends=ends)], subprocess.run
    monkeypatch.setattr(campaign.subprocess, "run", lambda given, **more: run([*command, *given[3:]], **more))
    monkeypatch.setitem(campaign.ATTACKS, "planted", None)
    counts, faults = campaign.attacked(["planted"], 1.5 / 60, 0)
    assert faults
    assert all("the process died" in attempt.outcome for _, attempt in faults)
    assert counts["planted", "FAULT"] == len(faults)
    assert [attempt.seed for _, attempt in faults] == sorted({attempt.seed for _, attempt in faults})


@pytest.mark.parametrize("fault", ["wrong sum", "seals unread", "half a save", "litter"])
def test_planted_bugs_are_found(fault, monkeypatch):
    attack = {
        "wrong sum": arrays.streams,
        "seals unread": files.damaged_studies,
        "half a save": disks.failing_saves,
        "litter": kills.killed_saves,
    }[fault]
    if fault == "wrong sum":
        monkeypatch.setattr(arrays.Moments, "m2", property(lambda self: np.zeros(3)))
    elif fault == "seals unread":
        monkeypatch.setattr(files.database, "_seal", lambda connection, table, values: values and 0)
        files.finished.cache_clear()
        monkeypatch.setattr(files.database.Connection, "keys", lambda self, table, width: [])
    elif fault == "half a save":
        monkeypatch.setattr(disks, "failing", lambda call, after, code: lambda *more, **options: None)
    else:
        monkeypatch.setattr(os, "O_TMPFILE", 0)
    monkeypatch.setitem(campaign.ATTACKS, "planted", attack)
    assert any(attempt.fault for attempt in campaign.attempts("planted", 0, time.monotonic() + 60))
    files.finished.cache_clear()


def test_children_that_hang_are_told(monkeypatch):
    monkeypatch.setattr(children, "HANG", 0.2)
    with pytest.raises(AssertionError, match="a child hangs"):
        children.Child(lambda: time.sleep(60)).end()
