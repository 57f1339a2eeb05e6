"""What goes into a trial of the Gaussian model, which compiled code takes as it is, and what comes out."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from w2s_fast._display import record

Vector = npt.NDArray[np.float64]
Matrix = npt.NDArray[np.float64]
# Places of the values of a trial: the four risks, and the parts of the student's variance.
WEAK, BASELINE, CEILING, W2S, INHERITED, REDUCED, INHERITED_NEW, REDUCED_NEW = range(8)
RISKS, VARIANCE_PARTS = slice(WEAK, W2S + 1), slice(INHERITED, REDUCED_NEW + 1)
VALUES = VARIANCE_PARTS.stop


class Geometry(NamedTuple):
    """All that the law of the risks of ridgeless fits knows of a model, where there are rows enough for every fit.

    Principal angles of 0 and 90 degrees split what the features see into three blocks, and every other angle makes a
    pair w_i = cos_i s_i + sin_i q_i of directions of the teacher and the student. Rotations within a block change no
    law, so of the target there only its length matters; within the shared block not even that.

    Attributes
    ----------
    shared, weak_only, strong_only : int
        Dimensions seen by both, by the teacher alone, and by the student alone.
    target_weak, target_strong : float
        Lengths of the target in the directions that only the teacher, and only the student, sees.
    target_outside : float
        Its length in directions that neither sees.
    noise : float
        Standard deviation of the label noise.
    cos, sin : (t,) ndarray
        Of the angles in between.
    target_s, target_q : (t,) ndarray
        Coordinates of the target on the s_i and the q_i.
    """

    shared: int
    weak_only: int
    strong_only: int
    target_weak: float
    target_strong: float
    target_outside: float
    noise: float
    cos: Vector
    sin: Vector
    target_s: Vector
    target_q: Vector

    def __repr__(self) -> str:
        return record(self)

    @property
    def d_weak(self) -> int:
        return self.shared + self.weak_only + len(self.cos)

    @property
    def d_strong(self) -> int:
        return self.shared + self.strong_only + len(self.cos)

    @property
    def d_shared(self) -> float:
        return self.shared + float(np.sum(self.cos**2))

    @property
    def target_square(self) -> float:
        """Squared length of the target but for what both see."""
        lengths = self.target_weak, self.target_strong, self.target_outside, *self.target_s, *self.target_q
        return float(np.sum(np.square(lengths)))

    @property
    def rho_weak(self) -> float:
        """Squared length of the target in what the teacher cannot see."""
        missed = self.cos * self.target_q - self.sin * self.target_s
        return self.target_strong**2 + self.target_outside**2 + float(np.sum(missed**2))

    @property
    def rho_strong(self) -> float:
        """Likewise of the student."""
        return self.target_weak**2 + self.target_outside**2 + float(np.sum(self.target_q**2))


class Canonical(NamedTuple):
    """A model in the coordinates that :mod:`w2s_fast.kernels.wishart` describes.

    Attributes
    ----------
    hidden : int
        Directions of the teacher that nothing else knows of.
    cos, sin : (w,) ndarray
        Of the angles of the w_i to V_s, in falling order of ``cos``.
    inside, touching : int
        How many w_i lie in V_s, and how many have a component there.
    target : (w + p + 3,) ndarray
        Label weights of the columns w, p, t, u, e.
    target_strong : (d_strong,) ndarray
        Of the directions of V_s (s_i, t, s_rest).
    target_outside : (w,) ndarray
        Of the q_i.
    weak_root, strong_root : (w, w) and (d_strong, d_strong) ndarray
        The features are latent coordinates times these, which matters to ridge and to fits of fewer rows than columns.
    """

    hidden: int
    cos: Vector
    sin: Vector
    inside: int
    touching: int
    target: Vector
    target_strong: Vector
    target_outside: Vector
    weak_root: Matrix
    strong_root: Matrix

    @property
    def noise(self) -> Vector:
        """What label noise alone says, in coordinates of ``target``."""
        said = np.zeros_like(self.target)
        said[-1] = self.target[-1]
        return said

    @property
    def unseen(self) -> Vector:
        """What V_s cannot say of the label, in coordinates of ``target``."""
        directions, tilted = self.cos.size, slice(self.inside, self.touching)
        missed = self.target.copy()
        missed[:directions] = self.sin * self.target_outside
        missed[directions:-2] = 0.0
        missed[directions : directions + self.touching - self.inside] = (self.cos * self.target_outside)[tilted]
        return missed


class Variant(NamedTuple):
    """How trials may depart from the paper's.

    Attributes
    ----------
    weights : (w,) ndarray
        Of a teacher that is given, on the w_i; empty for one that is fitted.
    noise : float
        Standard deviation of the noise of the pseudo-labelled rows' true labels.
    ceiling_apart : bool
        Whether the ceiling sees the pseudo-labelled rows alone.
    """

    weights: Vector
    noise: float
    ceiling_apart: bool
