"""The paper's figure of its bounds alone: PGR and OPR along n and along N, with what is exact beside them."""

from __future__ import annotations

import math

import numpy as np

from w2s_fast.gaussian.model import GaussianModel
from w2s_fast.gaussian.theory import expected_risks, paper_ratio_bounds
from w2s_fast.study.tables import Row

TITLE = "bounds"
D_WEAK, D_STRONG, D_SHARED, NOISE = 100, 80, 10, 1.0
UNSEEN = 0.0, 0.01, 0.1  # squared length of the target that neither sees: rho_weak = rho_strong
LABELLED, PSEUDO = 500, 2_000  # where the other size varies
ENDS = {"n": (110, 10_000), "N": (100, 20_000)}


def model(unseen: float) -> GaussianModel:
    """The figure's dimensions and noise, and a target of which both miss the same part."""
    return GaussianModel.from_blocks(
        shared=D_SHARED,
        weak_only=D_WEAK - D_SHARED,
        strong_only=D_STRONG - D_SHARED,
        target_outside=math.sqrt(unseen),
        noise_variance=NOISE,
    )


def rows(points: int = 120) -> list[Row]:
    """Tidy rows: the paper's bound and the ratio of exact expectations, for each ratio, size and unseen target."""
    found = []
    for axis, ends in ENDS.items():
        sizes = np.unique(np.geomspace(*ends, points).round().astype(np.int64))
        n, N = (sizes, PSEUDO) if axis == "n" else (LABELLED, sizes)
        for unseen in UNSEEN:
            told = model(unseen)
            risks, bounds = expected_risks(told, n, N), paper_ratio_bounds(told, n, N)
            for metric, bound, exact in zip(("pgr", "opr"), bounds, (risks.pgr, risks.opr), strict=True):
                for labelled, pseudo, low, value in np.broadcast(n, N, bound, exact):
                    row: Row = {"study": TITLE, "axis": axis, "unseen": unseen, "n": int(labelled), "N": int(pseudo)}
                    found.append(row | {"metric": metric, "paper_bound": float(low), "expected": float(value)})
    return found
