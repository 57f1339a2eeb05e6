"""A grid of points, in memory and in a file."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from bench import Pinned, named
from bench.workloads import MEASURED, THREADS, WORKLOADS


class Study(Pinned):
    params = (MEASURED, THREADS, ("memory", "file"))
    param_names = ("size", "threads", "kept in")
    rounds, repeat = 1, (3, 10, 0.5)

    def setup_cache(self) -> dict[str, Any]:
        return {size: named("GaussianModel").paper(**workload.model) for size, workload in WORKLOADS.items()}

    def setup(self, models: dict[str, Any], size: str, threads: int, kept: str) -> None:
        self.pin(threads)
        model, study = models[size], named("Study")
        self.folder = tempfile.TemporaryDirectory()
        path = Path(self.folder.name, "study.sqlite")

        def run() -> None:
            path.unlink(missing_ok=True)
            study(model, **WORKLOADS[size].study, **({"path": path} if kept == "file" else {})).run(progress=False)

        self.run = run
        try:
            run()  # compiles
        except (TypeError, ValueError) as error:
            raise NotImplementedError("studies of this commit take other arguments") from error

    def teardown(self, *_: object) -> None:
        super().teardown()
        if hasattr(self, "folder"):
            self.folder.cleanup()

    def time_run(self, *_: object) -> None:
        self.run()
