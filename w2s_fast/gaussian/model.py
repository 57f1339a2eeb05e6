"""The Gaussian model of weak-to-strong generalization: a target seen through two linear feature maps."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from w2s_fast import _check
from w2s_fast._cached import cached_property
from w2s_fast._check import FloatArray
from w2s_fast._display import Shown, in_brief, number, record
from w2s_fast.kernels.trials import Geometry
from w2s_fast.linalg.leastsq import by_svd
from w2s_fast.linalg.leastsq.policy import Cutoff
from w2s_fast.linalg.rows.scale import scaled_back

Matrix = npt.NDArray[np.float64]
LARGEST_SQUARE = 1e140  # of a label: squared once more for standard errors, and summed, it stays finite
SMALLEST_SQUARE = 1e-140  # likewise, of all labels and of their noise, where these are not 0
LARGEST_MAPS = 2**24  # numbers in both maps of the paper's setting, beyond which they are not made
LARGEST_DIMENSION, LARGEST_TARGET, LARGEST_GLANCE = 10**15, 10**7, 2**18
ROUNDING = 64 * np.finfo(np.float64).eps  # relative length of a vector that should be zero


@dataclass(frozen=True, eq=False)
class Features:
    """An orthonormal basis (r, d) of what a feature map sees, and the map within it: ``map = basis @ coordinates``."""

    basis: Matrix
    coordinates: Matrix
    __repr__ = record

    @classmethod
    def of(cls, feature_map: FloatArray) -> Features:
        """Factor a feature map (r, p)."""
        factor = _factored(feature_map)
        coordinates = factor.s[:, None] * factor.vt
        basis = factor.u.astype(np.float64, copy=False)
        back = scaled_back(coordinates, factor.exponent, np.float64, "the singular values of a map")
        return cls(basis, back.astype(np.float64, copy=False))

    @property
    def rank(self) -> int:
        return self.basis.shape[1]

    def outside(self, vectors: Matrix) -> Matrix:
        """What is left of ``vectors`` (r, ...) outside the span of the basis."""
        return vectors - self.basis @ (self.basis.T @ vectors)


def _factored(feature_map: FloatArray) -> by_svd.SvdFactor:
    return by_svd.factor(feature_map, 0.0, Cutoff.of(feature_map.dtype, feature_map.shape, None))


def _trusted(feature_map: FloatArray) -> FloatArray:
    """The map, or the closest one in float64 without directions that rounding to float32 gave it."""
    factor = _factored(feature_map)
    if factor.rank == min(feature_map.shape):
        return feature_map
    return scaled_back(factor.u * factor.s @ factor.vt, factor.exponent, np.float64, "the entries of a map")


def _require_scale(target: Matrix, noise_variance: float) -> None:
    """Refuse coordinates or lengths of a target, and noise, whose risks would vanish or overflow."""
    found = np.abs(target)
    largest = found.max(initial=0.0)
    if 0.0 < largest < SMALLEST_SQUARE**0.5 or 0.0 < noise_variance < SMALLEST_SQUARE:
        raise ValueError(
            f"target and noise_variance must be 0 or at least {SMALLEST_SQUARE**0.5:.0e} and {SMALLEST_SQUARE:.0e}"
            f", got {largest:.1e} and {noise_variance:.1e}: their risks vanish, scale them up"
        )
    if largest > LARGEST_SQUARE**0.5:
        raise ValueError(f"target has entries beyond {LARGEST_SQUARE**0.5:.0e}, whose risks overflow: scale it down")


@dataclass(frozen=True, eq=False, repr=False)
class GaussianModel(Shown):
    """Latent z ~ N(0, I_r), label y = <target, z> + noise, weak features W'z and strong features S'z.

    Parameters
    ----------
    target : (r,) array_like
        The truth f*(z) = <target, z>.
    weak : (r, p) array_like
        Feature map W of the teacher, one feature a column; any scales, any rank. Directions that float32 maps owe to
        rounding alone are left out.
    strong : (r, q) array_like
        Feature map S of the student.
    noise_variance : float
        Variance of the label noise, in squared units of the label.

    Attributes
    ----------
    d_weak, d_strong : int
        Dimensions of range(W) and range(S).
    d_shared : float
        Correlation dimension ||V_s' V_w||_F^2, between 0 and min(d_weak, d_strong).
    rho_weak, rho_strong : float
        Squared norm of the target outside range(W) and range(S): the least risk each can reach.

    Raises
    ------
    ValueError, TypeError
        Shapes that do not fit, NaN or infinity, an all-zero map, a negative noise variance.

    References
    ----------
    Dong, Li, Li, Lee, Lei, "Discrepancies are Virtue", ICML 2025 (arXiv 2502.05075), sections 2 and 3.

    Examples
    --------
    >>> import numpy as np
    >>> from w2s_fast import GaussianModel
    >>> axes = np.eye(4)
    >>> model = GaussianModel(target=[1.0, 0.5, 0.0, 0.0], weak=axes[:, 1:], strong=axes[:, :2], noise_variance=0.1)
    >>> model.d_weak, model.d_strong, model.d_shared, model.rho_weak
    (3, 2, 1.0, 1.0)
    """

    target: Matrix
    weak: Matrix
    strong: Matrix
    noise_variance: float

    blocks: ClassVar[Geometry | None] = None  # of a model without arrays, see from_blocks

    def __post_init__(self) -> None:
        checked: dict[str, Any] = {
            "target": _check.floats(self.target, "target", ndim=1),
            "weak": _check.floats(self.weak, "weak", ndim=2),
            "strong": _check.floats(self.strong, "strong", ndim=2),
        }
        for name in ("weak", "strong"):
            if not checked[name].any():
                raise ValueError(f"{name} must have a feature that is not zero, got shape {checked[name].shape}")
        _check.same_rows(**checked)
        checked |= {name: _trusted(checked[name]) for name in ("weak", "strong") if checked[name].dtype == np.float32}
        for name, array in checked.items():
            own = array.astype(np.float64)  # a copy: the model does not change with the caller's arrays
            own.flags.writeable = False
            object.__setattr__(self, name, own)
        noise_variance = _check.real(self.noise_variance, "noise_variance", maximum=LARGEST_SQUARE)
        object.__setattr__(self, "noise_variance", noise_variance)
        _require_scale(self.target, noise_variance)

    def told(self) -> dict[str, str]:
        if not self.blocks and "d_shared" not in vars(self) and self.weak.size + self.strong.size > LARGEST_GLANCE:
            return {name: in_brief(getattr(self, name)) for name in ("target", "weak", "strong")}
        sizes = {"d_weak": f"{self.d_weak:,}", "d_strong": f"{self.d_strong:,}", "d_shared": f"{self.d_shared:,.6g}"}
        return sizes | {name: number(getattr(self, name)) for name in ("rho_weak", "rho_strong", "noise_variance")}

    @classmethod
    def from_blocks(
        cls,
        *,
        shared: int,
        weak_only: int,
        strong_only: int,
        noise_variance: float,
        target_weak: float = 0.0,
        target_strong: float = 0.0,
        target_outside: float = 0.0,
        angles: Any = (),
        target_s: Any = (),
        target_q: Any = (),
    ) -> Self:
        """Build a model from its dimensions, of any size: no map is made.

        Ridgeless fits of as many rows as features know no more of a model than this, so that ``simulate``,
        ``expected_risks``, ``risk_distribution`` and studies of such fits take it; what needs the maps themselves
        refuses it.

        Parameters
        ----------
        shared, weak_only, strong_only : int
            Dimensions that both see, that the teacher alone and that the student alone sees.
        noise_variance : float
        target_weak, target_strong, target_outside : float
            Lengths of the target in what only the teacher, only the student, and neither sees.
        angles : (t,) array_like, optional
            Principal angles strictly between 0 and pi / 2, in radians: of t further directions of either.
        target_s, target_q : (t,) array_like, optional
            The target on the student's directions of these, and on what the teacher's have orthogonal to them.

        Examples
        --------
        >>> model = GaussianModel.from_blocks(
        ...     shared=10**5, weak_only=19 * 10**5, strong_only=9 * 10**5, target_weak=0.1, noise_variance=0.01
        ... )
        >>> model.d_weak, model.d_strong, model.rho_strong
        (2000000, 1000000, 0.010000000000000002)
        """
        given = {"angles": angles, "target_s": target_s, "target_q": target_q}
        pairs = {name: _check.floats(np.asarray(a, np.float64), name, ndim=1) for name, a in given.items()}
        _check.same_rows(**pairs)
        theta, s, q = (np.asarray(a, np.float64) for a in pairs.values())
        if np.any((theta <= 0) | (theta >= np.pi / 2)):
            raise ValueError("angles must lie between 0 and pi / 2: others are shared, weak_only and strong_only")
        noise_variance = _check.real(noise_variance, "noise_variance", maximum=LARGEST_SQUARE)
        blocks = shared, weak_only, strong_only, target_weak, target_strong, target_outside
        made = Geometry(*blocks, noise_variance**0.5, np.cos(theta), np.sin(theta), s, q)
        return cls.of_geometry(made, noise_variance)

    @classmethod
    def of_geometry(cls, geometry: Geometry, noise_variance: float) -> Self:
        """A model without maps of what :meth:`from_blocks` makes of its arguments, checked."""
        own = geometry._asdict()
        for name in ("shared", "weak_only", "strong_only"):
            own[name] = _check.integer(own[name], name, maximum=LARGEST_DIMENSION)
        for name in ("target_weak", "target_strong", "target_outside"):
            own[name] = _check.real(own[name], name)
        cos, sin, s, q = (own[name] for name in ("cos", "sin", "target_s", "target_q"))
        if own["shared"] + min(own["weak_only"], own["strong_only"]) + len(cos) < 1:
            raise ValueError("teacher and student must see something each: dimensions are 0")
        for name in ("weak", "strong"):
            if own[f"target_{name}"] and not own[f"{name}_only"]:
                raise ValueError(f"target_{name} must be 0 where {name}_only is, got {own[f'target_{name}']:g}")
        if not len(cos) == len(sin) == len(s) == len(q) or np.any(np.abs(cos**2 + sin**2 - 1) > ROUNDING):
            raise ValueError("cos and sin must be those of as many angles as target_s and target_q have entries")
        lengths = own["target_weak"], own["target_strong"], own["target_outside"], *s, *q
        _require_scale(np.asarray(lengths), noise_variance)
        model = cls.__new__(cls)
        object.__setattr__(model, "blocks", Geometry(**own))
        object.__setattr__(model, "noise_variance", noise_variance)
        return model

    def __getattr__(self, name: str) -> Any:
        """Say what a model without arrays lacks; the others have found theirs before this is asked."""
        if self.blocks is not None and name in ("target", "weak", "strong"):
            raise ValueError(
                "the model was made of blocks and has no maps: ridge, few rows, a given teacher, ceiling on N rows and "
                'method="wishart" or "direct" need them; make it as GaussianModel(target, weak, strong, noise_variance)'
            )
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def with_noise(self, noise_variance: float) -> Self:
        """The same model with another variance of the label noise."""
        if self.blocks is None:
            return replace(self, noise_variance=noise_variance)
        noise_variance = _check.real(noise_variance, "noise_variance", maximum=LARGEST_SQUARE)
        return self.of_geometry(self.blocks._replace(noise=noise_variance**0.5), noise_variance)

    @classmethod
    def paper(
        cls,
        d_weak: int = 200,
        d_strong: int = 100,
        d_shared: int = 10,
        noise_variance: float = 1e-2,
        *,
        d_target: int = 300,
        ambient: int = 20_000,
        seed: int = 0,
    ) -> Self:
        """Build the synthetic setting of the paper's section 4.1.

        The target has coordinates +-sqrt(1 / (i * ambient)), i = 1..d_target, with signs drawn from ``seed``; V_s is
        the first ``d_strong`` coordinates, V_w the ``d_weak`` after the first ``d_strong - d_shared``. Coordinates
        that nobody sees are left out, so the ambient dimension costs nothing. Beyond some 2,000 dimensions the model
        has no maps, see :meth:`from_blocks`, and dimensions cost nothing either.

        Examples
        --------
        >>> model = GaussianModel.paper(d_shared=10)
        >>> f"{model.rho_weak:.3g} {model.rho_strong:.3g}"
        '0.000256 5.48e-05'
        """
        d_weak = _check.integer(d_weak, "d_weak", minimum=1, maximum=LARGEST_DIMENSION)
        d_strong = _check.integer(d_strong, "d_strong", minimum=1, maximum=LARGEST_DIMENSION)
        d_shared = _check.integer(d_shared, "d_shared", maximum=min(d_weak, d_strong))
        d_target = _check.integer(d_target, "d_target", minimum=1, maximum=LARGEST_TARGET)
        offset = d_strong - d_shared
        seen = max(d_strong, offset + d_weak, d_target)
        ambient = _check.integer(ambient, "ambient", minimum=seen)
        if seen * (d_weak + d_strong) > LARGEST_MAPS:
            squares = 1.0 / (float(ambient) * np.arange(1, d_target + 1))
            ends = np.minimum([offset, d_strong, offset + d_weak], d_target)
            alone, _, weak_too, beyond = np.split(squares, ends)
            return cls.from_blocks(
                shared=d_shared,
                weak_only=d_weak - d_shared,
                strong_only=offset,
                target_strong=float(np.sqrt(alone.sum())),
                target_weak=float(np.sqrt(weak_too.sum())),
                target_outside=float(np.sqrt(beyond.sum())),
                noise_variance=noise_variance,
            )
        signs = np.random.default_rng(_check.integer(seed, "seed")).choice((-1.0, 1.0), size=d_target)
        target = np.zeros(seen)
        target[:d_target] = signs / np.sqrt(ambient * np.arange(1, d_target + 1))
        weak = np.eye(seen, d_weak, k=-offset)
        return cls(target, weak, np.eye(seen, d_strong), noise_variance)

    @cached_property
    def weak_features(self) -> Features:
        return Features.of(self.weak)

    @cached_property
    def strong_features(self) -> Features:
        return Features.of(self.strong)

    @property
    def d_weak(self) -> int:
        return self.blocks.d_weak if self.blocks else self.weak_features.rank

    @property
    def d_strong(self) -> int:
        return self.blocks.d_strong if self.blocks else self.strong_features.rank

    @cached_property
    def d_shared(self) -> float:
        if self.blocks is not None:
            return self.blocks.d_shared
        shared = float(np.sum((self.strong_features.basis.T @ self.weak_features.basis) ** 2))
        most = min(self.d_weak, self.d_strong)
        ends = [end for end in (0.0, float(most)) if abs(shared - end) <= 1e-12 * most]
        return ends[0] if ends else shared  # orthogonal and nested spaces to the letter

    @cached_property
    def rho_weak(self) -> float:
        if self.blocks is not None:
            return self.blocks.rho_weak
        return self.energy(self.weak_features.outside(self.target))

    @cached_property
    def rho_strong(self) -> float:
        if self.blocks is not None:
            return self.blocks.rho_strong
        return self.energy(self.strong_features.outside(self.target))

    def energy(self, part: Matrix) -> float:
        """Squared norm of a part of the target; zero where it is rounding."""
        squares = float(np.sum(part**2))
        whole = float(np.sum(self.target**2)) if self.blocks is None else self.blocks.target_square
        return squares if squares > ROUNDING**2 * whole else 0.0

    @cached_property
    def principal_angles(self) -> Matrix:
        """Angles between range(W) and range(S) in radians, falling, as ``w2s_fast.principal_angles`` gives them."""
        from w2s_fast.linalg.spectral.angles import principal_angles

        if self.blocks is not None:
            if min(self.d_weak, self.d_strong) > LARGEST_TARGET:
                raise ValueError(f"there are more than {LARGEST_TARGET:,} angles: see blocks of the model")
            ends = np.zeros(self.blocks.shared), np.full(min(self.blocks.weak_only, self.blocks.strong_only), np.pi / 2)
            return np.sort(np.concatenate((*ends, np.arctan2(self.blocks.sin, self.blocks.cos))))[::-1]
        return principal_angles(self.weak_features.basis, self.strong_features.basis)
