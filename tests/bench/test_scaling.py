"""The benchmark of rows and threads runs at tiny sizes, and leaves its figures as numbers and as a picture."""

import json

import pytest

from bench import scaling

pytestmark = pytest.mark.compiled


def test_it_runs(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("W2S_FAST_NUM_THREADS", "2")
    scaling.main(["--quick", "--out", str(tmp_path)])
    told = capsys.readouterr().out.splitlines()
    record = json.loads((tmp_path / "scaling.json").read_text(encoding="utf-8"))
    assert len(told) == len(record["rows"]) == 2 * len({row["call"] for row in record["rows"]})
    assert all(seconds > 0.0 for row in record["rows"] for seconds in row["seconds"])
    assert (tmp_path / "scaling.png").stat().st_size > 10_000
