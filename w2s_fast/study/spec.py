"""The spec of a study, as its file holds it: which points, scenarios and values there are."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from w2s_fast._display import record
from w2s_fast.results.metrics import measures_in
from w2s_fast.study import fields
from w2s_fast.study.scenarios import KINDS, kind_named
from w2s_fast.study.source import Description

NAMES = ("title", "n", "N", "settings", "columns", "keep_trials")  # in JSON, where scenarios are called settings


@dataclass(frozen=True)
class Spec:
    """What a study is, apart from its seeds and how many trials each has.

    Attributes
    ----------
    columns : list of str
        Names of the values that a trial has.
    keep_trials : bool
        Whether every trial is stored, or moments alone.
    """

    title: str
    n: list[int]
    N: list[int]
    scenarios: Sequence[Description]
    columns: list[str]
    keep_trials: bool

    @classmethod
    def from_json(cls, content: Any) -> Spec:
        """Read the spec of a study file, which may be anybody's."""
        found = fields.json_object(content, "spec")
        if found.keys() != set(NAMES):
            raise ValueError(f"its spec must have {', '.join(sorted(NAMES))}, got {fields.shown(sorted(found))}")
        fields.text(found["title"], "title")
        for name in ("n", "N"):
            for size in fields.filled(found[name], name):
                fields.whole(size, name, 1)
        points = set(zip(found["n"], found["N"], strict=True))
        if len(points) < len(found["n"]):
            raise ValueError("its spec has a point twice")
        scenarios = [_description(about) for about in fields.filled(found["settings"], "settings")]
        kind = scenarios[0].kind
        if any(scenario.kind != kind for scenario in scenarios):
            raise ValueError("its settings are of several kinds")
        if not kind_named(kind).has_columns(fields.filled(found["columns"], "columns")):
            raise ValueError(f"its columns must be those of a study, got {fields.shown(found['columns'])}")
        if type(found["keep_trials"]) is not bool:
            raise ValueError(f"keep_trials must be true or false, got {fields.shown(found['keep_trials'])}")
        return cls(found["title"], found["n"], found["N"], scenarios, found["columns"], found["keep_trials"])

    def to_json(self) -> str:
        """Write the spec; refuse what could not be read again."""
        settings = [scenario.as_dict() for scenario in self.scenarios]
        values = (self.title, self.n, self.N, settings, self.columns, self.keep_trials)
        content = json.dumps(dict(zip(NAMES, values, strict=True)))
        Spec.from_json(content)
        return content

    @property
    def places(self) -> int:
        """How many points there are over all scenarios."""
        return len(self.scenarios) * len(self.n)

    def differences(self, other: Spec) -> list[str]:
        """Name what makes another study of ``other``; titles do not, nor rounding in what is derived from data."""
        found = [name for name in ("n", "N", "keep_trials") if getattr(self, name) != getattr(other, name)]
        if measures_in(self.columns) != measures_in(other.columns):
            found.append("metrics")
        mine, theirs = ([scenario.identity for scenario in spec.scenarios] for spec in (self, other))
        if mine != theirs:
            names = dict.fromkeys(name for spec in (self, other) for name in spec.scenarios[0].told_by)
            differing = [name for name in names if self._values(name) != other._values(name)]
            found += differing or ["the data"]
        return found

    def __repr__(self) -> str:
        return record(self)

    def _values(self, name: str) -> set[Any]:
        return {getattr(scenario, name, None) for scenario in self.scenarios}


def _description(about: Any) -> Description:
    if not isinstance(about, dict) or about.get("kind") not in KINDS:
        raise ValueError(f"a setting must be of a kind of {', '.join(KINDS)}, got {fields.shown(about)}")
    for name, value in about.items():
        if type(value) not in (int, float, bool, str):
            raise ValueError(f"{fields.shown(name)} of a setting must be a number or a word, got {fields.shown(value)}")
    return kind_named(about["kind"]).described(about)
