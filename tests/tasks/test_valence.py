"""The features that ship with the package: small, safe to read, and showing the effect."""

from importlib import resources

import numpy as np
import pytest

from w2s_fast.probing.probe import probe_task
from w2s_fast.tasks import valence
from w2s_fast.tasks.valence import extract


def test_the_file_is_small_and_holds_plain_arrays():
    path = resources.files("w2s_fast.tasks.valence") / "features.npz"
    with resources.as_file(path) as file:
        assert file.stat().st_size < 5_000_000
        with np.load(file, allow_pickle=False) as data:
            assert {name: data[name].dtype for name in data} == {
                "weak": np.int8,
                "weak_scale": np.float32,
                "strong": np.int8,
                "strong_scale": np.float32,
                "rating": np.float32,
            }


def test_labels_are_centred_and_features_distinct():
    task = valence.load()
    assert abs(task.rows.y.mean()) < 1e-12
    assert task.rows.y.std() == pytest.approx(1.64, abs=0.02)
    assert len(np.unique(task.rows.strong, axis=0)) > 8_450  # near-duplicates such as "Great product." remain


@pytest.mark.compiled
def test_a_weak_teacher_raises_a_stronger_student():
    result = probe_task(valence.load(), n=600, N=[600, 6_000], trials=10)
    near, far = result.summary()["pgr"].mean
    assert near < 0 < far  # N near d_strong = 384 hurts; enough pseudo-labels recover half of the gap
    mean, stderr = (value[1] for value in result.summary()["pgr"])
    assert mean > 3 * stderr
    assert mean == pytest.approx(0.55, abs=0.05)
    assert result.opr[1].mean() == pytest.approx(2.2, abs=0.15)


def test_quantizing_loses_half_a_step_at_most():
    features = np.random.default_rng(0).standard_normal((50, 3)).astype(np.float32)
    codes, scale = extract.quantize(features)
    assert np.abs(codes * scale - features).max() <= 0.5001 * scale.max()
