"""What workers run to draw trials: each pickles plainly, and imports its kernel when called."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from w2s_fast import _devices
from w2s_fast._random import key, stream
from w2s_fast.gaussian.coordinates import canonical
from w2s_fast.gaussian.model import GaussianModel
from w2s_fast.gaussian.setup import Setup
from w2s_fast.kernels.invariants.setting import Setting
from w2s_fast.kernels.trials import VALUES, Canonical, Variant

Matrix = npt.NDArray[np.float64]
Device = Literal["cpu", "cuda"]


class Span(NamedTuple):
    """Trials ``start`` to ``stop - 1`` of the point (n, N)."""

    n: int
    N: int
    start: int
    stop: int


def rows_for_every_fit(n: int, N: int, d_weak: int, d_strong: int) -> bool:
    return n >= max(d_weak, d_strong) and N >= d_strong


@dataclass(frozen=True, eq=False)
class InvariantTrials:
    """The trials of :mod:`w2s_fast.kernels.invariants`, on the CPU or a device."""

    seed: int
    device: Device
    setting: Setting
    apart: bool = False  # whether the ceiling sees the pseudo-labelled rows alone, on the CPU

    def __call__(self, span: Span) -> Matrix:
        n, N, start, stop = span
        on_cpu = partial(_on_cpu, apart=self.apart)
        run_trials = on_cpu if self.device == _devices.CPU else _devices.trial_runner(self.device)
        return np.asarray(run_trials(key(self.seed, (n, N)), start, stop - start, n, N, self.setting))


def _on_cpu(
    key: npt.NDArray[np.uint64], first: int, count: int, n: int, N: int, setting: Setting, apart: bool
) -> Matrix:
    from w2s_fast.kernels.draws import BUFFER, Draws, short_key
    from w2s_fast.kernels.invariants.setting import Room, shapes

    if apart:
        from w2s_fast.kernels.invariants.apart import run_trials_apart as run_trials
    else:
        from w2s_fast.kernels.invariants.trial import run_trials
    draws = Draws(short_key(key), np.zeros(2, np.int64), np.zeros(BUFFER, np.uint64))
    room, out = Room(*map(np.zeros, shapes(setting.tilted.shape[1]))), np.empty((count, VALUES))
    run_trials(first, float(n), float(N), draws, setting, room, out)
    return out


@dataclass(frozen=True, eq=False)
class WishartTrials:
    """Trials by sufficient statistics: risks less what the features cannot see, and the parts of the variance.

    Attributes
    ----------
    few : bool or None
        None where there are plenty of rows for every fit, or there is a ridge.
    at_scale, hiding : Canonical
        The model for teachers of fewer rows than features, which depend on the scale of these, and for others.
    variant : Variant
    """

    seed: int
    ridge: float
    d_weak: int
    few: bool | None
    at_scale: Canonical
    hiding: Canonical
    variant: Variant

    @classmethod
    def of(
        cls, model: GaussianModel, spans: Sequence[Span], seed: int, ridge: float, setup: Setup | None = None
    ) -> Self:
        """Find coordinates of a model, which a given teacher's :meth:`Setup.taught` has made."""
        from w2s_fast.kernels.wishart import GRAM_ASPECT

        fewest_n, fewest_N = min(span.n for span in spans), min(span.N for span in spans)
        many = fewest_n >= model.d_weak and min(fewest_n, fewest_N) >= GRAM_ASPECT * model.d_strong
        few = None if many or ridge > 0 else True
        at_scale = canonical(model, ridge > 0 or fewest_n < model.d_weak)
        variant = (setup or Setup()).variant(model)
        return cls(seed, ridge, model.d_weak, few, at_scale, canonical(model, ridge > 0), variant)

    def __call__(self, span: Span) -> Matrix:
        from w2s_fast.kernels.generator import fields_of
        from w2s_fast.kernels.wishart import run_trial

        n, N, start, stop = span
        coordinates = self.at_scale if n < self.d_weak else self.hiding
        out = np.empty((stop - start, VALUES))
        for trial, values in zip(range(start, stop), out, strict=True):
            rng = stream(self.seed, (n, N), trial)
            run_trial(fields_of(rng), n, N, self.ridge or None, self.few, coordinates, self.variant, values)
        return out


@dataclass(frozen=True, eq=False)
class MixedTrials:
    """By invariants where there are rows for every fit, and else by sufficient statistics."""

    d_weak: int
    d_strong: int
    invariants: InvariantTrials
    wishart: WishartTrials

    def __call__(self, span: Span) -> Matrix:
        enough = rows_for_every_fit(span.n, span.N, self.d_weak, self.d_strong)
        return self.invariants(span) if enough else self.wishart(span)


@dataclass(frozen=True, eq=False)
class DirectTrials:
    """The same by drawing every row and solving with the features as given."""

    model: GaussianModel
    seed: int
    ridge: float
    setup: Setup = field(default_factory=Setup)

    def __call__(self, span: Span) -> Matrix:
        n, N, start, stop = span
        return np.stack([self._trial(stream(self.seed, (n, N), trial), n, N) for trial in range(start, stop)])

    def _draw(self, rng: np.random.Generator, rows: int, noise_variance: float) -> tuple[Matrix, Matrix, Matrix]:
        z = rng.standard_normal((rows, self.model.target.size))
        return z, z @ self.model.target, np.sqrt(noise_variance) * rng.standard_normal(rows)

    def _fit(self, feature_map: Matrix, z: Matrix, labels: Matrix) -> Matrix:
        """Latent weights; several label columns at once."""
        from w2s_fast.linalg.leastsq.min_norm import min_norm

        return feature_map @ min_norm(z @ feature_map, labels, ridge=self.ridge)

    def _trial(self, rng: np.random.Generator, n: int, N: int) -> Matrix:
        model, setup = self.model, self.setup
        other_noise = model.noise_variance if setup.pseudo_noise is None else setup.pseudo_noise
        z, truth, noise = self._draw(rng, n, model.noise_variance)
        z_new, truth_new, noise_new = self._draw(rng, N, other_noise)
        if setup.teacher is None:
            teachers = self._fit(model.weak, z, np.column_stack((truth + noise, noise)))
        else:
            teachers = np.column_stack((setup.teacher, np.zeros_like(setup.teacher)))
        students = self._fit(model.strong, z_new, z_new @ teachers)
        seen = z_new, truth_new + noise_new
        if setup.ceiling == "all":
            seen = np.vstack((z, z_new)), np.concatenate((truth + noise, truth_new + noise_new))
        baseline, ceiling = self._fit(model.strong, z, truth + noise), self._fit(model.strong, *seen)
        fits = teachers[:, 0], baseline, ceiling, students[:, 0]
        floors = (model.rho_weak, *(model.rho_strong,) * 3)
        risks = [np.sum((fitted - model.target) ** 2) - floor for fitted, floor in zip(fits, floors, strict=True)]
        return np.array(risks + self._variance_parts(teachers[:, 1], students[:, 1], z_new))

    def _variance_parts(self, teacher: Matrix, student: Matrix, z_new: Matrix) -> list[Any]:
        """Of what noise alone makes them say: inherited and reduced on the pseudo-labelled rows, then on new rows."""
        said = teacher - self.model.strong_features.outside(teacher)
        added = student - said
        # Ridgeless, the student repeats what it can represent, and what it adds is uncorrelated with that.
        uncorrelated = self.ridge == 0 and len(z_new) >= self.model.d_strong
        parts = []
        root = np.sqrt(len(z_new))
        for inherited, rest in ((z_new @ said / root, z_new @ added / root), (said, added)):
            product = 0.0 if uncorrelated else 2.0 * (inherited @ rest)
            parts += [inherited @ inherited, rest @ rest + product]
        return parts
