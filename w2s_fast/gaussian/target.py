"""What a target loses on its way through the teacher to the student."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from w2s_fast.gaussian.model import ROUNDING, GaussianModel

Matrix = npt.NDArray[np.float64]


class SplitTarget(NamedTuple):
    """Squared norms of what the target loses on its way through the teacher to the student.

    With ``said`` what the teacher says but for its noise, P_w target or what a given one says: ``mislearned`` is
    |P_s (said - target)|^2, what the student comes to believe wrongly; ``unseen`` is |(I - P_s) said|^2, what the
    teacher says and the student cannot represent.
    """

    mislearned: float
    unseen: float


def split_target(model: GaussianModel, teacher: Matrix | None = None) -> SplitTarget:
    """Split the target for the student's expected risk."""
    if teacher is None:
        kept = vars(model)  # where the model keeps all else that it has worked out of its maps
        if "split_target" not in kept:
            kept["split_target"] = _split_of_model(model)
        found: SplitTarget = kept["split_target"]
        return found
    strong = model.strong_features
    believed, unseen = strong.basis.T @ (teacher - model.target), strong.outside(teacher)
    return SplitTarget(_energy(believed, teacher, model.target), _energy(unseen, teacher))


def _split_of_model(model: GaussianModel) -> SplitTarget:
    """Split the target by a teacher that is fitted."""
    if model.blocks is not None:
        blocks = model.blocks
        w = blocks.cos * blocks.target_s + blocks.sin * blocks.target_q
        mislearned = blocks.target_strong**2 + float(np.sum((blocks.cos * w - blocks.target_s) ** 2))
        return SplitTarget(mislearned, blocks.target_weak**2 + float(np.sum((blocks.sin * w) ** 2)))
    strong = model.strong_features
    learnable = model.target - model.weak_features.outside(model.target)  # P_w target
    believed = strong.basis.T @ (learnable - model.target)
    return SplitTarget(model.energy(believed), model.energy(strong.outside(learnable)))


def teacher_risk(model: GaussianModel, teacher: Matrix) -> float:
    """Squared error of a teacher that is given."""
    return _energy(teacher - model.target, teacher, model.target)


def _energy(part: Matrix, *wholes: Matrix) -> float:
    """Squared norm of a part of vectors; zero where it is rounding of theirs."""
    squares = float(np.sum(part**2))
    return squares if squares > ROUNDING**2 * sum(float(np.sum(whole**2)) for whole in wholes) else 0.0
