"""Commands take features from files of every format: an array of several, a layer, and all layers as models."""

import json

import numpy as np
import pytest

from tests import commands
from tests.formats import save
from w2s_fast import Study, probe

RNG = np.random.default_rng(0)
LAYERS = RNG.standard_normal((80, 3, 4))
Y = LAYERS[:, 0, 0] + RNG.standard_normal(80)


@pytest.fixture
def run(capsys, monkeypatch, tmp_path):
    """Exit status, output and errors of a command in a folder that has states.h5, w.npy and y.csv."""
    monkeypatch.chdir(tmp_path)
    pytest.importorskip("h5py")
    save(tmp_path / "states.h5", LAYERS, "hidden")
    np.save("w.npy", LAYERS)
    (tmp_path / "y.csv").write_text("id,label\n" + "".join(f"r{i},{y!r}\n" for i, y in enumerate(Y.tolist())))

    def ran(*arguments):
        return commands.run(capsys, *arguments, monkeypatch=monkeypatch)

    return ran


GRID = ["--labels=y.csv#label", "--n=12", "--N=20", "--trials=3", "--test=20", "-q"]


def test_probe_names_layers(run):
    given = ["--weak=w.npy#[:,*]", "--weak=states.h5#hidden[:,1]", "--strong=states.h5#hidden[:,*]", *GRID]
    status, out, err = run("probe", *given, "--json")
    assert (status, err) == (0, "")
    rows = json.loads(out)
    weak = [*(f"w[:,{i}]" for i in range(3)), "states#hidden[:,1]"]
    assert [(row["weak_model"], row["strong_model"]) for row in rows] == [
        (one, f"states#hidden[:,{i}]") for one in weak for i in range(3)
    ]
    plain = probe(LAYERS[:, 2], LAYERS[:, 1], Y, n=12, N=20, trials=3, test=20)
    np.testing.assert_allclose(rows[7]["w2s"], plain.w2s.mean(), rtol=1e-12)
    status, out, _ = run("probe", "--weak=w.npy#[:,*]", "--strong=states.h5#hidden[:,2]", *GRID, "--json")
    assert [row["weak_model"] for row in json.loads(out)] == [f"weak[:,{i}]" for i in range(3)]


def test_studies_take_an_array_of_several(run):
    files = ["--weak=states.h5#hidden[:,0]", "--strong=w.npy#[:,1]", "--labels=y.csv#label"]
    status, _, err = run("sweep", *files, "--n=12", "--N=20,30", "--trials=3", "--out=study.sqlite", "-q")
    assert (status, err) == (0, "")
    status, _, err = run("sweep", "--weak=none.h5#hidden", *files[1:], "--n=12", "--N=20", "--out=other.sqlite")
    assert status == 2
    assert "'none.h5#hidden' does not exist" in err
    status, _, err = run("probe", "--weak=w.npy#[:,*]", "--strong=w.npy#[:,0]", *GRID, "--out=layers.sqlite")
    assert (status, err) == (0, "")
    study = Study.open("layers.sqlite")
    assert [series.label for series in study.series()] == [f"teacher weak[:,{i}]" for i in range(3)]
    plain = probe(LAYERS[:, 2], LAYERS[:, 0], Y, n=12, N=20, trials=3, test=20)
    assert study.summary()["w2s"].mean[2] == pytest.approx(plain.w2s.mean(), rel=1e-12)
