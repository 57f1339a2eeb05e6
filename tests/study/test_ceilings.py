"""Studies of Gaussian models whose ceiling sees the pseudo-labelled rows alone."""

import numpy as np
import pytest

from w2s_fast import GaussianModel, Study, expected_risks, simulate

MODEL = GaussianModel.paper(d_weak=6, d_strong=4, d_shared=2, d_target=9, ambient=100)
GRID = {"n": 20, "N": [12, 40], "trials": 30, "seed": 4}


@pytest.fixture
def study():
    return Study(MODEL, ceiling="pseudo", **GRID).run(progress=False)


def test_trials_and_theory_have_that_ceiling(study):
    drawn = simulate(MODEL, 20, [12, 40], trials=30, seed=4, ceiling="pseudo")
    for fit in ("weak", "baseline", "ceiling", "w2s"):
        np.testing.assert_array_equal(getattr(study.result, fit).ravel(), getattr(drawn, fit).ravel())
    theory, expected = study.scenarios[0].theory(20, [12, 40]), expected_risks(MODEL, 20, [12, 40], ceiling="pseudo")
    np.testing.assert_array_equal(theory.expected["ceiling"], expected.ceiling)
    assert np.isnan(theory.bounds["ceiling"]).all()
    assert np.isnan(theory.bounds["pgr"]).all()
    assert np.isfinite(theory.bounds["w2s"]).all()
    low, high = study.scenarios[0].bands(20, np.array([12, 40]), 0.9)["ceiling"]
    inside = (drawn.ceiling > low[:, None]) & (drawn.ceiling < high[:, None])
    assert inside.mean() > 0.7  # of 60 trials, 90 % expected


def test_files_keep_it_and_go_on(tmp_path, study):
    path = tmp_path / "pseudo.sqlite"
    Study(MODEL, ceiling="pseudo", path=path, **GRID | {"trials": 10}).run(progress=False)
    again = Study(MODEL, ceiling="pseudo", path=path, **GRID).run(progress=False)
    assert Study.open(path).scenarios[0].description.ceiling == "pseudo"
    assert str(again.table()) == str(study.table())  # whose NaN are alike
    with pytest.raises(ValueError, match="holds another study: not the same ceiling; nothing was changed"):
        Study(MODEL, path=path, **GRID).run(progress=False)


def test_other_studies_are_as_they_were():
    description = Study(MODEL, **GRID).scenarios[0].description
    assert "ceiling" not in description.as_dict()
    assert "ceiling" not in repr(description)
    assert type(description).read(description.as_dict()) == description
    with pytest.raises(ValueError, match="ceiling must be 'pseudo' or left out, got 'most'"):
        type(description).read(description.as_dict() | {"ceiling": "most"})


def test_what_cannot_run_it_is_refused_at_once(study):
    assert not study.scenarios[0].can_plan
    with pytest.raises(ValueError, match="ceiling must be one of"):
        Study(MODEL, ceiling="most", **GRID)
