"""A study of a further kind is one class and a line in the registry."""

import dataclasses
import json

import numpy as np
import pytest

from w2s_fast import Study
from w2s_fast.results.metrics import FITS, columns_of
from w2s_fast.study import fields, scenarios
from w2s_fast.study.gaussian_source import GaussianSource
from w2s_fast.study.source import Description, Source
from w2s_fast.study.store import StudyFileError
from w2s_fast.study.tables import finite


@dataclasses.dataclass(frozen=True)
class Dice:
    """What a user gives: risks are those of a fit, times throws of a die of so many sides."""

    sides: int


@dataclasses.dataclass(frozen=True)
class DiceDescription(Description):
    kind: str
    sides: int
    d_weak: int
    d_strong: int
    ridge: float
    sha256: str

    told_by = ("kind", "sides", "ridge")

    def as_dict(self):
        return dataclasses.asdict(self)


@dataclasses.dataclass(frozen=True)
class DiceSource(Source):
    dice: Dice
    description: DiceDescription

    kind = "dice"
    own_columns = ("throw",)
    risk_name = "pips"
    risk_note = "Risks are pips."

    @classmethod
    def accepts(cls, given):
        return isinstance(given, Dice)

    @classmethod
    def of(cls, given, method, axes):
        return cls(given, DiceDescription(cls.kind, given.sides, 2, 3, axes.get("ridge", 0.0), f"{given.sides:064d}"))

    @classmethod
    def described(cls, about):
        found = fields.of_names(about, DiceDescription)
        fields.whole(found["sides"], "sides", 1)
        return DiceDescription(**found)

    @classmethod
    def restored(cls, description, stored):
        if stored != b"a die":
            raise ValueError("it has no die")
        return cls(Dice(description.sides), description)

    def stored(self):
        return b"a die"

    def run(self, points, done, trials, *, seed, device, workers):
        for point, (n, N) in enumerate(points):
            for trial in range(done[point], trials):
                rng = np.random.default_rng([seed, n, N, trial])
                throw = rng.integers(1, self.dice.sides + 1)
                risks = throw * np.array([[4 / n], [3 / n], [1 / (n + N)], [2 / N]])
                columns = columns_of(dict(zip(FITS, risks, strict=True))).values()
                yield [(point, trial, np.column_stack((*columns, [float(throw)])))]


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    monkeypatch.setitem(scenarios.KINDS, DiceSource.kind, (__name__, DiceSource.__name__))


def made(path=None, sides=6, **options):
    options = {"trials": 5, "ridge": [0.0, 1.0]} | options
    return Study(Dice(sides), n=[10, 20], N=[30, 40], path=path, title="dice", **options)


def table(study):
    return finite(study.table())


def test_a_further_kind_runs_in_memory_and_in_a_file(tmp_path):
    study = made().run(progress=False)
    made(tmp_path / "dice.sqlite", trials=2).run(progress=False)
    stored = made(tmp_path / "dice.sqlite").run(progress=False)
    assert table(stored) == table(Study.open(stored.path)) == table(study)
    assert table(Study.open(stored.path).run(progress=False)) == table(study)
    assert {row["metric"] for row in study.table()} >= {"throw", "pgr", "w2s"}
    assert {row["d_shared"] for row in study.table()} == {None}
    assert study.axes == ["ridge"]
    assert [line.label for line in study.lines()] == ["ridge = 0", "ridge = 0", "ridge = 1", "ridge = 1"]


def test_a_further_kind_is_told_apart(tmp_path):
    path = made(tmp_path / "dice.sqlite").run(progress=False).path
    with pytest.raises(ValueError, match="holds another study: not the same sides"):
        made(path, sides=8).run(progress=False)
    with pytest.raises(ValueError, match="studies of kind 'dice' run on the CPU, got device='cuda'"):
        made(path).run(progress=False, device="cuda")
    del scenarios.KINDS[DiceSource.kind]
    with pytest.raises(StudyFileError, match="a setting must be of a kind of gaussian, features"):
        Study.open(path)


def test_a_further_kind_is_tabled_and_shown(tmp_path):
    study = made().run(progress=False)
    study.to_csv(tmp_path / "dice.csv").to_json(tmp_path / "dice.json").to_html(tmp_path / "dice.html")
    study.plot(tmp_path / "dice.svg")
    assert (tmp_path / "dice.csv").read_text(encoding="utf-8").count("throw") == 4
    settings = json.loads((tmp_path / "dice.json").read_text(encoding="utf-8"))["settings"]
    assert [about["sides"] for about in settings] == [6, 6]
    page = (tmp_path / "dice.html").read_text(encoding="utf-8")
    assert "Risks are pips." in page
    assert "sides" in page


def test_sources_of_the_registry_are_named_by_it():
    assert all(name == scenarios.kind_named(name).kind for name in scenarios.KINDS)
    assert scenarios.kind_named("gaussian") is GaussianSource
