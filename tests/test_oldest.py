"""The check of the oldest versions reads its claim from pyproject.toml."""

import tomllib

import pytest

from tests import oldest


def test_every_extra_counts_at_its_lowest():
    project = {
        "name": "some_thing",
        "dependencies": ["alpha>=1.2,<3", "beta~=2.1"],
        "optional-dependencies": {
            "test": ["some-thing[plot]", "gamma[x,a]==4.0.post1"],
            "plot": ["alpha>=1.10"],
            "bench": ["delta!=3,>=2"],
        },
    }
    assert oldest.pins(project) == ["alpha==1.10", "beta==2.1", "gamma[a,x]==4.0.post1", "delta==2"]


def test_a_requirement_without_a_lowest_version_is_refused():
    project = {"name": "thing", "dependencies": ["alpha<3"], "optional-dependencies": {"test": [], "bench": []}}
    with pytest.raises(ValueError, match="'<3' must name a lowest version"):
        oldest.pins(project)


def test_every_requirement_of_this_project_has_one():
    project = tomllib.loads((oldest.ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    names = {pin.partition("==")[0] for pin in oldest.pins(project)}
    assert {"numpy", "scipy", "numba", "matplotlib", "click", "pytest"} <= names
