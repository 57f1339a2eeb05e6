"""Small studies, whole and killed, and what of them compares."""

import shutil

import numpy as np
import pytest

from w2s_fast import GaussianModel, Study, Task
from w2s_fast.study.tables import finite


def family(d_shared=2, noise_variance=0.5):
    return GaussianModel.paper(6, 4, d_shared, noise_variance, d_target=9)


GRID = {"n": [[12], [20]], "N": [9, 30], "d_shared": [0, 3], "ridge": [0.0, 0.5]}


def made(path=None, trials=7, seed=3, **changes):
    return Study(family, **(GRID | changes), trials=trials, seed=seed, path=path, title="tiny")


def features(seed=0):
    rng = np.random.default_rng(seed)
    strong = rng.standard_normal((80, 4))
    return Task.of(strong[:, :2], strong, strong[:, 0] + 0.1 * rng.standard_normal(80), test=20)


def table(study):
    """Rows that compare: NaN, which is not itself, as None."""
    return finite(study.table())


class StopError(Exception):
    pass


def killed(folder, path):
    """Copy a study file as it is amid a run, with its log, as a kill would leave it."""

    def copy(done, total):
        if done > 20:
            folder.mkdir()
            for file in path.parent.glob(f"{path.name}*"):
                shutil.copy(file, folder)
            raise StopError

    with pytest.raises(StopError):
        made(path).run(copy)
    assert sorted(file.name for file in folder.iterdir()) == [path.name, f"{path.name}-wal"]
    return folder / path.name
