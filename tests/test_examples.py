"""Every example runs on its own, says what it found, and draws its figure."""

import re
import runpy
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "examples"
FOUND = {  # what each prints, of which some numbers are known
    "classification": r"surest half +0\.\d{3} +0\.\d{3} +0\.\d{3}",
    "dimensions": r"81 of 150 \(GloVe\), 319 of 384 \(MiniLM\)\n.*: 21\.0\nOf its teacher's variance .* sheds 0\.7",
    "drop_in": r"w2s_fast\.min_norm: .* differ from NumPy's by \de-1\d",
    "own_features": r" 6,000 +2\.\d+ +2\.\d+ +1\.\d+ +0\.5\d ± 0\.0\d",
    "planning": r"845 pseudo-labels .*\n.*\n.*\n.*\nPGR is largest at 202 labels",
    "synthetic_study": r" 100,000 +0\.7\d\d ± 0\.00\d +0\.773 +1\.\d+ ± 0\.0\d+ +1\.592",
}

pytestmark = [
    pytest.mark.skipif(not FOLDER.exists(), reason="an sdist has no examples"),
    pytest.mark.compiled,
]


def test_each_is_short_and_listed():
    scripts = sorted(FOLDER.glob("*.py"))
    assert [script.stem for script in scripts] == sorted(FOUND)
    listed = (FOLDER / "README.md").read_text(encoding="utf-8")
    for script in scripts:
        assert len(script.read_text(encoding="utf-8").splitlines()) < 60
        assert f"({script.name})" in listed


@pytest.mark.parametrize("name", sorted(FOUND))
def test_it_runs(name, tmp_path, monkeypatch, capsys):
    pytest.importorskip("matplotlib.pyplot").switch_backend("agg")
    pytest.importorskip("sklearn")
    figure = tmp_path / "figure.png"
    monkeypatch.setattr(sys, "argv", [f"{name}.py", str(figure)])
    try:
        runpy.run_path(str(FOLDER / f"{name}.py"), run_name="__main__")
    finally:
        sys.modules["matplotlib.pyplot"].close("all")
    assert re.search(FOUND[name], capsys.readouterr().out)
    assert figure.stat().st_size > 5_000
