"""Canonical latent coordinates of a Gaussian model, as :mod:`w2s_fast.kernels.wishart` wants them.

The singular value decomposition of V_s' V_w pairs the teacher's directions with the student's: w_i = cos_i s_i +
sin_i q_i, all else orthogonal (Jordan 1875; Bjorck and Golub 1973). All that is left to choose are rotations among
directions that play the same part; they are chosen so that the target has one coordinate there.
"""

from __future__ import annotations

from weakref import WeakKeyDictionary

import numpy as np

from w2s_fast.gaussian.model import Features, GaussianModel, Matrix
from w2s_fast.kernels.invariants.setting import FRESH, Setting
from w2s_fast.kernels.trials import Canonical, Geometry

RIGHT_ANGLE = 1e-12  # a cosine or sine below this is rounding


def align_with(vector: Matrix) -> Matrix:
    """Return an orthogonal matrix whose first column is ``vector`` normalised (the first axis if it is zero)."""
    d = vector.size
    norm = np.linalg.norm(vector)
    mirror = np.zeros(d) if norm == 0 else vector / norm
    sign = -1.0 if mirror[0] >= 0 else 1.0  # away from cancellation
    mirror[0] -= sign
    length = mirror @ mirror
    if norm == 0 or length == 0:
        return np.eye(d)
    householder: Matrix = np.eye(d) - (2.0 / length) * np.outer(mirror, mirror)
    return householder * sign


def root_of_covariance(features: Features, basis: Matrix) -> Matrix:
    """Return (d, d) R such that fits on ``latent @ R`` are fits on the features, in coordinates of ``basis``."""
    u, s, _ = np.linalg.svd(basis.T @ features.basis @ features.coordinates, full_matrices=False)
    return np.asarray(u * s)  # a rotation behind it would change no fit


def paired_directions(strong: Features, weak: Features) -> tuple[Matrix, Matrix, Matrix, Matrix, Matrix]:
    """Pair w_i = cos_i s_i + sin_i q_i: V_s, V_w and q as columns, cos falling, sin rising.

    Cosines near 1 cannot tell small angles apart, so the pairs among them are those of the sines.
    """
    left, cosines, right = np.linalg.svd(strong.basis.T @ weak.basis, full_matrices=True)
    V_s, V_w = strong.basis @ left, weak.basis @ right.T
    cos = np.zeros(weak.rank)
    cos[: cosines.size] = np.minimum(cosines, 1.0)
    outside = strong.outside(V_w)
    sin = np.linalg.norm(outside, axis=0)
    near = int(np.count_nonzero(cos > np.sqrt(0.5)))
    if near:
        q, sines, turn = np.linalg.svd(outside[:, :near], full_matrices=False)
        q, sines, turn = q[:, ::-1], sines[::-1], turn[::-1].T  # rising
        V_w[:, :near] = V_w[:, :near] @ turn
        inside = (V_s[:, :near] * cos[:near]) @ turn
        length = np.linalg.norm(inside, axis=0)
        V_s[:, :near], cos[:near] = inside / length, np.minimum(length, 1.0)
        outside[:, :near], sin[:near] = q * sines, sines
    return V_s, V_w, orthogonalised(strong, outside, sin), cos, sin


def orthogonalised(strong: Features, outside: Matrix, sin: Matrix) -> Matrix:
    """Columns over their lengths ``sin``, zero below rounding.

    Dividing by a small length has blown up what rounding left of V_s and of the other columns: clear them of both.
    """
    q = np.zeros_like(outside)
    clear = sin > RIGHT_ANGLE
    basis, triangle = np.linalg.qr(strong.outside(outside[:, clear] / sin[clear])[:, ::-1])
    q[:, clear] = (basis * np.sign(np.diagonal(triangle)))[:, ::-1]
    return q


_known: WeakKeyDictionary[GaussianModel, dict[bool, Canonical]] = WeakKeyDictionary()


def canonical(model: GaussianModel, scales_matter: bool) -> Canonical:
    """Find the coordinates, or recall them; where the teacher's scales matter (ridge, n < d_weak) nothing is hidden."""
    known = _known.setdefault(model, {})
    if scales_matter not in known:
        known[scales_matter] = _find(model, scales_matter)
    return known[scales_matter]


def geometry(model: GaussianModel) -> Geometry:
    """Sum a model up by its blocks, its other angles and the target's lengths and coordinates there."""
    if model.blocks is not None:
        return model.blocks
    found = canonical(model, False)
    tilted, alone = slice(found.inside, found.touching), found.touching
    disjoint = found.cos.size - alone  # the target has one coordinate there; all other such directions are hidden
    unseen = found.target_strong.size - alone
    return Geometry(
        shared=found.inside,
        weak_only=found.hidden + disjoint,
        strong_only=unseen,
        target_weak=abs(float(found.target_outside[alone])) if disjoint else 0.0,
        target_strong=abs(float(found.target_strong[alone])) if unseen else 0.0,
        target_outside=float(found.target[-2]),
        noise=float(found.target[-1]),
        cos=found.cos[tilted].copy(),
        sin=found.sin[tilted].copy(),
        target_s=found.target_strong[tilted].copy(),
        target_q=found.target_outside[tilted].copy(),
    )


def setting(geometry: Geometry) -> Setting:
    """Add what follows from a geometry, as :mod:`w2s_fast.kernels.invariants` wants it."""
    cos, sin, s, q = geometry.cos, geometry.sin, geometry.target_s, geometry.target_q
    alone = [geometry.target_weak] if geometry.weak_only else []
    outside = np.array([*q, *alone, geometry.target_outside, geometry.noise])
    blocks = float(geometry.shared), float(geometry.weak_only), float(geometry.strong_only)
    tilted = np.array((cos, sin, s, cos * s + sin * q, cos * q - sin * s))
    spread = float(np.linalg.norm(outside))
    special = len(cos) + (geometry.strong_only > 0)
    inside = special + min(max(geometry.strong_only - 1, 0), FRESH)
    return Setting(
        *blocks,
        special,
        inside,
        geometry.target_strong,
        tilted,
        outside,
        spread,
        np.ascontiguousarray(align_with(outside)),
    )


def _find(model: GaussianModel, scales_matter: bool) -> Canonical:
    strong, weak = model.strong_features, model.weak_features
    V_s, V_w, outside, cos, sin = paired_directions(strong, weak)
    touching = int(np.count_nonzero(cos > RIGHT_ANGLE))
    inside = int(np.count_nonzero(sin[:touching] <= RIGHT_ANGLE))
    cos[touching:], sin[touching:] = 0.0, 1.0
    cos[:inside], sin[:inside] = 1.0, 0.0

    target_strong, target_outside = V_s.T @ model.target, outside.T @ model.target
    beyond = model.target - V_s @ target_strong - outside @ target_outside

    unseen = strong.rank - touching  # directions of V_s orthogonal to V_w
    if unseen:
        V_s[:, touching:] = V_s[:, touching:] @ align_with(target_strong[touching:])
        target_strong[touching] = np.linalg.norm(target_strong[touching:])
        target_strong[touching + 1 :] = 0.0
    disjoint = weak.rank - touching
    hidden = 0 if scales_matter else max(disjoint - 1, 0)
    if hidden:
        target_outside[touching] = np.linalg.norm(target_outside[touching:])
        cos, sin, target_outside = cos[: touching + 1], sin[: touching + 1], target_outside[: touching + 1]

    paired_strong = np.zeros(cos.size)
    paired_strong[:touching] = target_strong[:touching]
    tilted = slice(inside, touching)
    target = np.concatenate(
        (
            cos * paired_strong + sin * target_outside,
            cos[tilted] * target_outside[tilted] - sin[tilted] * paired_strong[tilted],
            target_strong[touching : touching + 1],
            [np.linalg.norm(beyond), np.sqrt(model.noise_variance)],
        )
    )
    weak_root = root_of_covariance(weak, V_w) if scales_matter else np.eye(cos.size)
    strong_root = root_of_covariance(strong, V_s)
    return Canonical(hidden, cos, sin, inside, touching, target, target_strong, target_outside, weak_root, strong_root)
