"""Peaks of memory, that of the inputs and of the interpreter included."""

from __future__ import annotations

import numpy as np

from bench import Pinned, named
from bench.workloads import DTYPES, MEASURED, WORKLOADS, Floats, decaying, gaussian


class Peak(Pinned):
    params = (MEASURED, DTYPES)
    param_names = ("size", "dtype")

    def setup_cache(self) -> None:
        """Write files to asv's folder of the moment: what it pickles would be in memory as a whole."""
        for size, workload in WORKLOADS.items():
            for dtype in DTYPES:
                np.save(f"spectrum-{size}-{dtype}", decaying(workload.spectrum, dtype))
                np.save(f"tall-{size}-{dtype}", gaussian(workload.tall, dtype))
                np.save(f"labels-{size}-{dtype}", gaussian(workload.tall[:1], dtype, seed=1))
                np.save(f"stream-{size}-{dtype}", gaussian(workload.stream, dtype))

    def setup(self, size: str, dtype: str) -> None:
        self.pin(2)
        self.workload = WORKLOADS[size]

    def peakmem_inputs_alone(self, size: str, dtype: str) -> Floats:
        return np.load(f"spectrum-{size}-{dtype}.npy")

    def peakmem_randomized_svd(self, size: str, dtype: str) -> None:
        named("randomized_svd")(np.load(f"spectrum-{size}-{dtype}.npy"), self.workload.rank, random_state=0)

    def peakmem_subspace(self, size: str, dtype: str) -> None:
        named("Subspace").fit(np.load(f"spectrum-{size}-{dtype}.npy"), rank=self.workload.rank)

    def peakmem_min_norm(self, size: str, dtype: str) -> None:
        named("min_norm")(np.load(f"tall-{size}-{dtype}.npy"), np.load(f"labels-{size}-{dtype}.npy"))

    def peakmem_moments(self, size: str, dtype: str) -> None:
        named("Moments")().update(np.load(f"stream-{size}-{dtype}.npy"))


class Simulation(Pinned):
    """Memory must not grow with N."""

    params = (MEASURED,)
    param_names = ("size",)

    def setup(self, size: str) -> None:
        self.pin(2)
        self.model = named("GaussianModel").paper(**WORKLOADS[size].model)

    def peakmem_simulate(self, size: str) -> None:
        named("simulate")(self.model, N=10**12, **WORKLOADS[size].simulate)
