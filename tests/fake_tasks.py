"""Models that make features of numbers, for real tasks without real data."""

from contextlib import contextmanager

import numpy as np

from w2s_fast.features.models.base import EVERY_KIND, Loaded
from w2s_fast.tasks.cache import Extractor


@contextmanager
def no_progress(title):
    yield None


class FakeModel:
    """Features that are linear in hidden numbers; counts the batches it was asked for, and may be interrupted."""

    def __init__(self, widths, seed, interrupt_at=None):
        self.map = np.random.default_rng(seed).standard_normal((30, sum(widths.values())))
        self.widths, self.batches, self.interrupt_at = widths, 0, interrupt_at

    def start(self):
        return Loaded(EVERY_KIND, {}, self.sets, batch=64, one_at_a_time=True)

    def sets(self, items):
        ends = np.cumsum(list(self.widths.values()))[:-1]
        return dict(zip(self.widths, np.split(self.embed(items), ends, axis=1), strict=True))

    def embed(self, items):
        if self.batches == self.interrupt_at:
            raise KeyboardInterrupt
        self.batches += 1
        return np.stack([np.random.default_rng(item).standard_normal(30) for item in items]) @ self.map


def fake(name, widths, seed=0, interrupt_at=None, packages=("numpy>=2.0",)):
    model = FakeModel(widths, seed, interrupt_at)
    return model, Extractor(name, widths, packages, model.start)
