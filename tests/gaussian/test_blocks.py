"""Models of blocks: the laws of models of arrays, at any size, in studies and their files too."""

import pickle

import numpy as np
import pytest

from tests.models import MODELS, RISKS
from w2s_fast import (
    GaussianModel,
    Study,
    best_labels,
    expected_risks,
    required_labels,
    required_pseudo_labels,
    risk_distribution,
    simulate,
)
from w2s_fast.gaussian import model as module
from w2s_fast.gaussian.coordinates import geometry

LARGE = {"d_weak": 2 * 10**6, "d_strong": 10**6, "d_shared": 10**5, "d_target": 10**6, "ambient": 10**8}


def of_blocks(model):
    blocks = geometry(model)._asdict()
    angles, _ = np.arctan2(blocks.pop("sin"), blocks.pop("cos")), blocks.pop("noise")
    return GaussianModel.from_blocks(**blocks, angles=angles, noise_variance=model.noise_variance)


@pytest.mark.parametrize("name", MODELS)
def test_blocks_are_all_that_the_risks_know(name):
    model, blocks = MODELS[name], of_blocks(MODELS[name])
    scale = np.sum(model.target**2)
    for value in ("d_weak", "d_strong", "d_shared", "rho_weak", "rho_strong"):
        assert getattr(blocks, value) == pytest.approx(getattr(model, value), rel=1e-12, abs=1e-12 * scale)
    assert np.sort(blocks.principal_angles) == pytest.approx(np.sort(model.principal_angles), abs=1e-7)
    n, N = max(model.d_weak, model.d_strong) + 5, model.d_strong + 5
    for ours, theirs in zip(expected_risks(blocks, n, N), expected_risks(model, n, N), strict=True):
        assert ours == pytest.approx(theirs, rel=1e-10, abs=1e-12 * scale)
    one, other = (simulate(m, n, N, trials=5, seed=3, method="invariants") for m in (blocks, model))
    for risk in RISKS:
        assert getattr(one, risk) == pytest.approx(getattr(other, risk), rel=1e-6, abs=1e-12 * scale)


def test_the_papers_setting_at_any_size(monkeypatch):
    sizes = {"d_weak": 20, "d_strong": 10, "d_shared": 3, "d_target": 40, "ambient": 100}
    small = geometry(GaussianModel.paper(**sizes))
    monkeypatch.setattr(module, "LARGEST_MAPS", 1)
    for ours, theirs in zip(geometry(GaussianModel.paper(**sizes)), small, strict=True):
        assert ours == pytest.approx(theirs, rel=1e-13)


def test_a_million_dimensions(tmp_path):
    model = GaussianModel.paper(**LARGE)
    assert repr(model).startswith("<GaussianModel: d_weak 2,000,000, d_strong 1,000,000, d_shared 100,000,")
    n, N = 2 * 10**7, 10**12
    result, expected = simulate(model, n, N, trials=40, seed=1), expected_risks(model, n, N)
    for risk, (mean, stderr) in list(result.summary().items())[:4]:
        assert abs(mean - getattr(expected, risk)) < 4.5 * stderr
    assert required_pseudo_labels(model, n, pgr=0.9) > 10**6
    assert pickle.loads(pickle.dumps(model)).rho_weak == model.rho_weak
    path = tmp_path / "study.sqlite"
    study = Study(model, n=n, N=[10**8, N], noise_variance=[0.01, 0.1], trials=6, path=path, keep_trials=True)
    study.run(progress=False)
    again = Study.open(path)
    assert again.scenarios[1].model.blocks.noise == pytest.approx(0.1**0.5)
    assert np.array_equal(again.result.w2s[0, 1], simulate(model, n, N, trials=6).w2s)


@pytest.mark.parametrize("call", [{"n": 10}, {"ridge": 1.0}, {"method": "wishart"}, {"method": "direct", "n": 10}])
def test_what_needs_maps_is_refused(call):
    with pytest.raises(ValueError, match="the model was made of blocks and has no maps"):
        simulate(GaussianModel.paper(**LARGE), **({"n": 10**7, "N": 10**6, "trials": 1} | call))


BLOCKS = {"shared": 2, "weak_only": 3, "strong_only": 1, "noise_variance": 0.1}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"shared": -1}, "shared must be at least 0"),
        ({"angles": [0.0]}, "target_s has 0 rows|angles must lie between|same number of rows"),
        ({"angles": [2.0], "target_s": [0.0], "target_q": [0.0]}, "angles must lie between 0 and pi / 2"),
        ({"shared": 0, "weak_only": 0}, "teacher and student must see something each"),
        ({"strong_only": 0, "target_strong": 1.0}, "target_strong must be 0 where strong_only is, got 1"),
        ({"target_outside": 1e100}, "target has entries beyond"),
        ({"noise_variance": 1e-200}, "their risks vanish"),
        ({"target_outside": np.inf}, "target_outside must be a finite number"),
        ({"noise_variance": -1}, "noise_variance must be a finite number"),
    ],
)
def test_bad_blocks_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        GaussianModel.from_blocks(**(BLOCKS | change))


def test_other_attributes_are_no_arrays():
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = GaussianModel.paper().nonsense


@pytest.mark.parametrize("name", MODELS)
def test_laws_and_plans_of_blocks_are_those_of_arrays(name):
    model, blocks = MODELS[name], of_blocks(MODELS[name])
    n, N = max(model.d_weak, model.d_strong) + 9, model.d_strong + 9
    one, other = risk_distribution(blocks, n, N), risk_distribution(model, n, N)
    for risk in RISKS:
        assert getattr(one, risk).mean() == pytest.approx(getattr(other, risk).mean(), rel=1e-9)
        assert getattr(one, risk).std() == pytest.approx(getattr(other, risk).std(), rel=1e-6, abs=1e-12)
    if other.weak.mean() > other.ceiling.mean():
        assert best_labels(blocks, 10**3) == pytest.approx(best_labels(model, 10**3), rel=0.01)


def test_plans_where_the_student_sees_more_than_its_teacher():
    sizes = {"shared": 2, "weak_only": 3, "strong_only": 9, "noise_variance": 0.1}
    blocks = GaussianModel.from_blocks(**sizes)
    axes = np.eye(14)
    model = GaussianModel(np.zeros(14), axes[:, :5], axes[:, [0, 1, *range(5, 14)]], 0.1)
    assert best_labels(blocks, 100) == best_labels(model, 100)
    assert required_labels(blocks, 100, pgr=0.3) == required_labels(model, 100, pgr=0.3)
    assert np.isnan(expected_risks(blocks, 7, 100).baseline)


@pytest.mark.compiled
def test_many_tilted_angles_go_through_files_and_figures(tmp_path):
    rng = np.random.default_rng(0)
    angles, path = rng.uniform(0, np.pi / 2, 30), tmp_path / "study.sqlite"
    model = GaussianModel.from_blocks(
        shared=3, weak_only=4, strong_only=2, noise_variance=0.5, angles=angles, target_s=angles, target_q=-angles
    )
    Study(model, n=80, N=[60, 90], noise_variance=[0.5, 0.3], trials=2, path=path, keep_trials=True).run(progress=False)
    again = Study.open(path)
    for study_model, noise in zip((scenario.model for scenario in again.scenarios), (0.5, 0.3), strict=True):
        assert np.array_equal(study_model.blocks.cos, model.blocks.cos)
        assert study_model.noise_variance == noise
    assert np.array_equal(again.result.w2s[0, 1], simulate(model, 80, 90, trials=2).w2s)
    again.plot(tmp_path / "figure.png")


def test_laws_at_sizes_that_no_array_holds():
    model = GaussianModel.from_blocks(shared=10**14, weak_only=10**15, strong_only=10**15, noise_variance=0.1)
    law = risk_distribution(model, 10**16, 10**17)
    assert law.w2s.mean() == pytest.approx(float(expected_risks(model, 10**16, 10**17).w2s))
    assert 0 < law.w2s.std() < 1e-6
    with pytest.raises(ValueError, match="more than 10,000,000 angles"):
        _ = model.principal_angles
