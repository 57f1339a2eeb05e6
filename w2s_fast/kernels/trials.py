"""What goes into a trial of the Gaussian model, which compiled code takes as it is, and what comes out."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Vector = npt.NDArray[np.float64]
Matrix = npt.NDArray[np.float64]
# Places of the values of a trial: the four risks, and the parts of the student's variance.
WEAK, BASELINE, CEILING, W2S, INHERITED, REDUCED, INHERITED_NEW, REDUCED_NEW = range(8)
RISKS, VARIANCE_PARTS = slice(WEAK, W2S + 1), slice(INHERITED, REDUCED_NEW + 1)
VALUES = VARIANCE_PARTS.stop


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
