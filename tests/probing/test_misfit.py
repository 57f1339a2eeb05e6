"""The measured misfit of students is that of the theory where features are Gaussian."""

import numpy as np

from tests.models import GEOMETRIES
from w2s_fast import expected_misfit, probe


def test_measured_misfits_are_those_of_the_theory():
    model, rng, n, N = GEOMETRIES["any angles"], np.random.default_rng(7), 15, np.array([12, 30])
    found = []
    for _ in range(150):  # rows of their own, since subsets of one pool are not independent
        z = rng.standard_normal((n + N[-1] + 60, model.target.size))
        y = z @ model.target + np.sqrt(model.noise_variance) * rng.standard_normal(len(z))
        trials = probe(z @ model.weak, z @ model.strong, y, n=n, N=N, trials=1, test=60, ridge=0.0, metrics="misfit")
        found.append(trials.scores["misfit"].w2s[:, 0])
    means, stderrs = np.mean(found, axis=0), np.std(found, axis=0, ddof=1) / np.sqrt(len(found))
    assert np.all(np.abs(means - expected_misfit(model, n, N)) < 4.5 * stderrs)
