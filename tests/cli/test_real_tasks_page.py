"""Every command of docs/howto/real_tasks.md runs, on features of its names with fewer rows and columns."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest

from tests import commands

PAGE = Path(__file__).parents[2] / "docs" / "howto" / "real_tasks.md"
ROWS, TEST, TRIALS = 90, "20", "2"
SIZES = {"--n": "24", "--N": "25,40"}
FURTHER = {  # what the page's words add to its commands
    "utkface": ["--fit truncated"],
    "cmnist": ["--flips 0.25 --noise-once --noise-on-test", "--flips 0.1"],
    "sst2": [],
}

pytestmark = pytest.mark.skipif(not PAGE.exists(), reason="an sdist has no docs")


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", PAGE.read_text(), re.DOTALL)


def probes():
    """Arguments of the page's probes, by the folder of their features."""
    if not PAGE.exists():
        return {}
    lines = [line for block in blocks("sh") for line in block.replace("\\\n", " ").splitlines()]
    words = [shlex.split(line)[1:] for line in lines if line.startswith("w2s-fast probe")]
    return {arguments[arguments.index("--strong") + 1].split("/")[0]: arguments for arguments in words}


def smaller(arguments):
    """The same with sizes that few rows have."""
    replaced = SIZES | {"--test": TEST, "--trials": TRIALS}
    return [replaced.get(before, word) for before, word in zip(["", *arguments], arguments, strict=False)]


@pytest.fixture
def features(tmp_path, monkeypatch):
    """Files that the page names: numbers for labels of age, else zeros and ones."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    latent = rng.standard_normal((ROWS, 6))
    for name in sorted(set(re.findall(r"[a-z0-9]+/[a-z0-9-]+\.npy", PAGE.read_text()))):
        Path(name).parent.mkdir(exist_ok=True)
        y = latent[:, 0] + rng.standard_normal(ROWS)
        if "age" in name or "label" in name:
            np.save(name, 30 + 10 * y if "age" in name else (y > 0).astype(np.int64))
        else:
            np.save(name, (latent @ rng.standard_normal((6, 8)) + rng.standard_normal((ROWS, 8))).astype(np.float32))
    for name in ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152"):
        np.save(f"utkface/{name}.npy", latent[:, :4].astype(np.float32))


def test_the_page_has_a_command_for_each_task():
    assert sorted(probes()) == sorted(FURTHER)


@pytest.mark.parametrize(
    ("folder", "more"), [(folder, more) for folder, words in FURTHER.items() for more in ["", *words]]
)
def test_its_probes_run(folder, more, features, capsys, monkeypatch):
    arguments = [*smaller(probes()[folder]), *more.split()]
    status, out, err = commands.run(capsys, *arguments, monkeypatch=monkeypatch)
    assert status == 0, err
    teachers = [arguments[place + 1] for place, word in enumerate(arguments) if word == "--weak"]
    for teacher in teachers:
        assert f"teacher {Path(teacher).stem}," in out
    assert ("accuracy PGR" in " ".join(out.split())) == (folder == "sst2")
    for words in FURTHER[folder]:
        assert all(part in PAGE.read_text() for part in words.split(" --"))


def test_its_study_runs_and_draws(features):
    (code,) = blocks("python")
    code = code.replace("test=7000", f"test={TEST}").replace("n=500", "n=24").replace("trials=40", f"trials={TRIALS}")
    exec(code.replace("np.linspace(500, 5000, 20)", "np.linspace(25, 40, 2)"), {})
    assert Path("utkface.png").stat().st_size > 10_000
