"""Peaks of memory, that of the inputs and of the interpreter included."""

from __future__ import annotations

from bench import Pinned, named
from bench.workloads import MEASURED, WORKLOADS, decaying, gaussian


class Peak(Pinned):
    params = (MEASURED,)
    param_names = ("size",)

    def setup(self, size: str) -> None:
        self.pin(2)
        self.workload = WORKLOADS[size]

    def peakmem_inputs_alone(self, size: str) -> None:
        decaying(self.workload.spectrum, "float32")

    def peakmem_randomized_svd(self, size: str) -> None:
        named("randomized_svd")(decaying(self.workload.spectrum, "float32"), self.workload.rank, random_state=0)

    def peakmem_subspace(self, size: str) -> None:
        named("Subspace").fit(decaying(self.workload.spectrum, "float32"), rank=self.workload.rank)

    def peakmem_min_norm(self, size: str) -> None:
        shape = self.workload.tall
        named("min_norm")(gaussian(shape, "float32"), gaussian(shape[:1], "float32", seed=1))

    def peakmem_moments(self, size: str) -> None:
        named("Moments")().update(gaussian(self.workload.stream, "float32"))

    def peakmem_simulate(self, size: str) -> None:
        model = named("GaussianModel").paper(**self.workload.model)
        named("simulate")(model, N=10**12, **self.workload.simulate)
