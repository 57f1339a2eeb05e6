"""The Gaussian model: what it derives, and what it refuses."""

import numpy as np
import pytest

from tests.models import random_model
from w2s_fast import GaussianModel, correlation_dimension, expected_risks, principal_angles
from w2s_fast.gaussian.coordinates import align_with, canonical


def test_the_paper_setting_has_the_published_constants():
    for d_shared, rho_weak in ((10, 2.56e-4), (50, 2.34e-4), (90, 1.64e-4)):
        model = GaussianModel.paper(d_shared=d_shared)
        assert (model.d_weak, model.d_strong) == (200, 100)
        assert model.d_shared == pytest.approx(d_shared)
        assert model.rho_strong == pytest.approx(5.48e-5, rel=1e-3)
        if d_shared == 10:
            assert model.rho_weak == pytest.approx(rho_weak, rel=1e-3)


def test_dimensions_do_not_depend_on_scale_or_redundant_features():
    rng = np.random.default_rng(0)
    model = random_model(rng)
    doubled = GaussianModel(
        model.target, model.weak @ rng.standard_normal((4, 7)), 1e-9 * np.hstack([model.strong] * 2), 0.5
    )
    for name in ("d_weak", "d_strong", "d_shared", "rho_weak", "rho_strong"):
        assert getattr(doubled, name) == pytest.approx(getattr(model, name), rel=1e-9)


def test_angles_and_shared_dimension_agree_with_the_subspace_functions():
    model = random_model(np.random.default_rng(1))
    assert model.principal_angles == pytest.approx(principal_angles(model.weak, model.strong), abs=1e-12)
    assert model.d_shared == pytest.approx(correlation_dimension(model.weak, model.strong))


def test_the_model_keeps_its_own_read_only_arrays():
    target = np.ones(3)
    model = GaussianModel(target, np.eye(3), np.eye(3)[:, :1], 0.1)
    target[0] = 99.0
    assert model.target[0] == 1.0
    with pytest.raises(ValueError, match="read-only"):
        model.target[0] = 5.0


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"target": [[1.0]]}, ValueError, "target must have 1 dimension"),
        ({"weak": np.eye(4)}, ValueError, "target has 3, weak has 4"),
        ({"strong": np.zeros((3, 2))}, ValueError, "strong must have a feature that is not zero"),
        ({"weak": np.zeros((3, 0))}, ValueError, "weak must have a feature that is not zero"),
        ({"noise_variance": -1.0}, ValueError, "noise_variance must be a finite number, at least 0"),
        (
            {"noise_variance": 1e300},
            ValueError,
            "noise_variance must be a finite number, at least 0 and at most 1e.140",
        ),
        ({"target": [1e200, 0, 0]}, ValueError, "target has entries beyond 1e.70"),
        ({"noise_variance": np.nan}, ValueError, "noise_variance must be a finite number"),
        ({"strong": [[np.nan], [0], [0]]}, ValueError, "strong holds 1 NaN"),
        ({"weak": np.eye(3) * 1j}, TypeError, "weak must hold real numbers"),
    ],
)
def test_bad_models_are_refused(change, error, message):
    arguments = {"target": np.ones(3), "weak": np.eye(3), "strong": np.eye(3), "noise_variance": 0.1}
    with pytest.raises(error, match=message):
        GaussianModel(**(arguments | change))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"d_shared": 101}, "d_shared must be at least 0 and at most 100, got 101"),
        ({"d_weak": 0}, "d_weak must be at least 1"),
        ({"ambient": 100}, "ambient must be at least 300"),
    ],
)
def test_bad_paper_settings_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        GaussianModel.paper(**change)


@pytest.mark.parametrize("vector", [[3.0, 4.0], [-1.0, 0.0], [1.0, 0.0], [0.0, 0.0], [1e-300, 0.0, 0.0]])
def test_align_with_is_orthogonal_and_starts_with_the_vector(vector):
    vector = np.array(vector)
    rotation = align_with(vector)
    assert rotation.T @ rotation == pytest.approx(np.eye(len(vector)), abs=1e-14)
    assert rotation[:, 0] * np.linalg.norm(vector) == pytest.approx(vector, abs=1e-14)


@pytest.mark.parametrize("scales_matter", [False, True])
@pytest.mark.parametrize(("d_weak", "d_strong"), [(4, 3), (3, 4), (7, 7), (1, 5), (5, 1)])
def test_canonical_coordinates_keep_the_geometry(d_weak, d_strong, scales_matter):
    model = random_model(np.random.default_rng(2), d_weak=d_weak, d_strong=d_strong)
    c = canonical(model, scales_matter)
    assert np.sum(c.cos**2) == pytest.approx(model.d_shared)
    assert c.cos**2 + c.sin**2 == pytest.approx(np.ones(len(c.cos)))
    assert len(c.cos) + c.hidden == d_weak
    label_variance = np.sum(model.target**2) + model.noise_variance
    assert np.sum(c.target**2) == pytest.approx(label_variance)
    outside_strong = np.sum(c.target_outside**2) + np.sum(c.target[-2:] ** 2)
    assert outside_strong == pytest.approx(model.rho_strong + model.noise_variance)
    outside_weak = label_variance - np.sum(c.target[: len(c.cos)] ** 2)
    assert outside_weak == pytest.approx(model.rho_weak + model.noise_variance)


def test_dimensions_of_huge_maps_are_counted():
    assert GaussianModel([1.0, 1.0], np.eye(2) * 1e308, np.eye(2), 0.0).d_weak == 2


@pytest.mark.parametrize(("target", "noise_variance"), [(1e-160, 0.1), (1e-71, 0.1), (1.0, 1e-141), (0.0, 5e-324)])
def test_risks_that_would_vanish_are_refused_by_name(target, noise_variance):
    with pytest.raises(ValueError, match=r"target and noise_variance must be 0 or at least"):
        GaussianModel(target * np.ones(3), np.eye(3)[:, :1], np.eye(3)[:, 1:], noise_variance)


@pytest.mark.parametrize("power", [-200, 0, 200])
def test_theory_follows_the_scale_of_target_and_noise(power):
    scale = 2.0**power
    plain, scaled = (
        expected_risks(GaussianModel(s * np.ones(6), np.eye(6)[:, 1:], np.eye(6)[:, :4], s * s / 8), n=30, N=60)
        for s in (1.0, scale)
    )
    found = [float(value) for value in (scaled.weak / scale**2, scaled.w2s / scale**2, scaled.pgr)]
    assert found == pytest.approx([float(value) for value in (plain.weak, plain.w2s, plain.pgr)], rel=1e-13)


@pytest.mark.parametrize("scale", [1e-320, 1e-200, 1e200, 1e307])
def test_maps_of_any_scale_see_the_same_spaces(scale):
    maps = np.random.default_rng(0).integers(-3, 4, (9, 4)).astype(float)
    maps[:, 3] = maps[:, 0] - maps[:, 1]
    model = GaussianModel(np.ones(9), maps * scale, np.eye(9)[:, :5], 0.1)
    assert model.d_weak == 3
    assert model.d_shared == pytest.approx(GaussianModel(np.ones(9), maps, np.eye(9)[:, :5], 0.1).d_shared)


def test_float32_maps_have_the_rank_that_they_had_before_rounding():
    rng = np.random.default_rng(0)
    low = (rng.standard_normal((60, 20)) @ rng.standard_normal((20, 40))).astype(np.float32)
    model = GaussianModel(np.ones(60), low, np.eye(60)[:, :5], 0.1)
    assert model.d_weak == GaussianModel(model.target, model.weak, model.strong, 0.1).d_weak == 20
