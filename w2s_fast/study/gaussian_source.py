"""Studies of Gaussian models: simulated trials with theory beside them, and the paper's bounds where they hold."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from w2s_fast import _check
from w2s_fast._workers import Workers
from w2s_fast.gaussian.model import GaussianModel
from w2s_fast.gaussian.runners import Device, Span
from w2s_fast.gaussian.setup import Setup
from w2s_fast.gaussian.simulate import Method, method_otherwise, require_device, require_method, run_spans
from w2s_fast.gaussian.theory import expected_risks, paper_bounds, w2s_variance
from w2s_fast.kernels.trials import RISKS, VARIANCE_PARTS, Geometry
from w2s_fast.results.metrics import FITS, METRICS, columns_of, metric_of, quotients_of_means, values_of
from w2s_fast.results.risks import Ceiling, Risks
from w2s_fast.study import fields
from w2s_fast.study.source import Axis, ByMetric, Chunk, Description, Matrix, Source, Theory, fingerprint

if TYPE_CHECKING:
    from w2s_fast.probing.design import Points

# Parts of the student's variance, on the pseudo-labelled rows and on new ones.
PARTS = ("inherited", "reduced", "inherited_new", "reduced_new")
METHODS = ("auto", "invariants", "wishart", "direct", "philox")
GONE = "philox"  # what studies of version 0.1 may have been drawn by: they can be read
DEFAULT_METHOD: Method = "wishart"  # study files name the others alone
ARRAYS = ("target", "weak", "strong")
DERIVED = ("d_weak", "d_strong", "d_shared", "rho_weak", "rho_strong", "noise_variance")


@dataclass(frozen=True)
class GaussianDescription(Description):
    """Dimensions, variances and method of a Gaussian model's study."""

    kind: str
    d_weak: int
    d_strong: int
    d_shared: float
    rho_weak: float
    rho_strong: float
    noise_variance: float
    ridge: float
    method: Method
    sha256: str
    ceiling: Ceiling | None = None  # None for all rows

    told_by = ("kind", "d_weak", "d_strong", "d_shared", "noise_variance", "ridge", "method", "ceiling")

    @classmethod
    def read(cls, about: Mapping[str, Any]) -> Self:
        found = fields.of_names({"method": DEFAULT_METHOD, "ceiling": None} | dict(about), cls)
        for name in ("d_weak", "d_strong"):
            fields.whole(found[name], name)
        for name in ("ridge", "d_shared", "rho_weak", "rho_strong", "noise_variance"):
            fields.number(found[name], name, 0.0)
        fields.digest(found["sha256"])
        if found["method"] not in METHODS:
            raise ValueError(f"method must be one of {', '.join(METHODS)}, got {fields.shown(found['method'])}")
        if found["ceiling"] not in (None, "pseudo"):
            raise ValueError(f"ceiling must be 'pseudo' or left out, got {fields.shown(found['ceiling'])}")
        return cls(**found)

    def as_dict(self) -> dict[str, Any]:
        about = asdict(self)
        if self.method == DEFAULT_METHOD:
            del about["method"]
        if self.ceiling is None:
            del about["ceiling"]
        return about

    @property
    def axes(self) -> Mapping[str, Any]:
        return {"d_shared": self.d_shared, "noise_variance": self.noise_variance, "ridge": self.ridge}

    @property
    def identity(self) -> tuple[Any, ...]:
        return self.sha256, self.ridge, self.method, self.ceiling

    def __repr__(self) -> str:
        told = ", ".join(f"{name}={value!r}" for name, value in asdict(self).items() if value is not None)
        return f"{type(self).__name__}({told})"

    @property
    def setup(self) -> Setup:
        """How its trials are set up."""
        return Setup(self.ceiling or "all")


@dataclass(frozen=True, eq=False, repr=False)
class GaussianSource(Source):
    """A Gaussian model with the ridge and the method of its trials."""

    model: GaussianModel
    description: GaussianDescription

    kind: ClassVar[str] = "gaussian"
    own_columns: ClassVar[tuple[str, ...]] = PARTS
    risk_name: ClassVar[str] = "excess risk"
    risk_scale: ClassVar[float] = 1e3  # the risks of the paper's setting are thousandths
    risk_note: ClassVar[str] = "Risks times 1,000."
    has_log_risks: ClassVar[bool] = True

    @classmethod
    def accepts(cls, given: Any) -> bool:
        return isinstance(given, GaussianModel) or callable(given)

    @classmethod
    def of(cls, given: Any, method: Method, axes: Mapping[str, Any]) -> Self:
        """Make the source of a model, or of what a function makes of the axes."""
        if others := axes.keys() - {"d_shared", "noise_variance", "ridge", "ceiling"}:
            raise ValueError(f"{' and '.join(sorted(others))}: Gaussian models have no such axis, but noise_variance")
        varied = {name: value for name, value in axes.items() if name not in ("ridge", "ceiling")}
        if isinstance(given, GaussianModel):
            if "d_shared" in varied:
                raise ValueError(
                    "d_shared needs a source that makes models of it, such as GaussianModel.paper, got a model"
                )
            model = given.with_noise(varied["noise_variance"]) if varied else given
        else:
            model = given(**varied)
            _check.instance(model, GaussianModel, "what source returns")
        derived = {name: getattr(model, name) for name in DERIVED}
        how: dict[str, Any] = {"ridge": axes.get("ridge", 0.0), "method": method, "sha256": _fingerprint(model)}
        ceiling = axes.get("ceiling", "all")
        how["ceiling"] = None if ceiling == "all" else ceiling
        return cls(model, GaussianDescription(cls.kind, **derived, **how))

    @classmethod
    def described(cls, about: Mapping[str, Any]) -> GaussianDescription:
        return GaussianDescription.read(about)

    @classmethod
    def restored(cls, description: Description, stored: Any) -> Self:
        assert isinstance(description, GaussianDescription)
        if stored is None:
            raise ValueError("a scenario has no model")
        model = _model_in(stored, description.noise_variance)
        if _fingerprint(model) != description.sha256:
            raise ValueError("a model is not the one that its scenario names")
        return cls(model, description)

    def stored(self) -> bytes:
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **_arrays(self.model))
        return buffer.getvalue()

    @property
    def can_plan(self) -> bool:
        return self.description.ridge == 0 and self.description.ceiling is None

    def require(self, points: Points, seed: int) -> None:
        spans = [Span(*point, 0, 1) for point in points]
        require_method(self.model, spans, self.description.method, self.description.ridge)

    def require_device(self, device: Device) -> None:
        if self.description.method != GONE:
            require_device(self.description.method, device)
        if self.description.ceiling is not None:
            method_otherwise(self.model, self.description.setup, self.description.method, device)

    def run(
        self, points: Points, done: Sequence[int], trials: int, *, seed: int, device: Device, workers: Workers
    ) -> Iterator[Chunk]:
        if self.description.method == GONE:
            raise ValueError(
                f'the trials of this study were drawn by method="{GONE}", which is no more: it can be read, but not '
                "go on; start another one"
            )
        missing = [point for point in range(len(points)) if done[point] < trials]
        spans = [Span(*points[point], done[point], trials) for point in missing]
        how: dict[str, Any] = {"method": self.description.method, "ridge": self.description.ridge, "device": device}
        how["setup"] = self.description.setup
        for index, first, values in run_spans(self.model, spans, seed=seed, workers=workers, **how):
            columns = columns_of(dict(zip(FITS, values[:, RISKS].T, strict=True))).values()
            yield [(missing[index], first, np.column_stack((*columns, values[:, VARIANCE_PARTS])))]

    def theory(self, n: Any, N: Any) -> Theory:
        ceiling = self.description.setup.ceiling
        risks = expected_risks(self.model, n, N, self.description.ridge, ceiling=ceiling)
        expected, order = _by_metric(risks), _order_by_metric(risks.order)
        if self.description.ridge > 0:  # the paper has none
            return Theory(expected, order, {})
        parts = (*w2s_variance(self.model, n, N), *w2s_variance(self.model, n, N, population=True))
        none = np.zeros_like(risks.order.w2s)
        # The paper bounds what its risks have, and a ratio of bounds is no bound of any other ratio.
        bounds = _holding(self.model, n, N)
        if ceiling != "all":  # which it has no bound of
            bounds = bounds._replace(ceiling=np.full_like(bounds.ceiling, np.nan))
        bounded = {name: value for name, value in _by_metric(bounds).items() if hasattr(bounds, metric_of(name))}
        return Theory(expected | dict(zip(PARTS, parts, strict=True)), order | dict.fromkeys(PARTS, none), bounded)

    def bands(self, n: Any, N: Any, share: float) -> dict[str, tuple[Matrix, Matrix]]:
        from w2s_fast.gaussian.bands import risk_bands

        ceiling = self.description.setup.ceiling
        return risk_bands(self.model, n, N, share, ceiling) if self.description.ridge == 0 else {}

    def overlap(self) -> float | None:
        return self.description.d_shared / self.description.d_weak

    def required_size(self, axis: Axis, fixed: int, pgr: float, certainty: float | None = None) -> int:
        from w2s_fast.gaussian.planning import required_labels, required_pseudo_labels

        required = required_pseudo_labels if axis == "N" else required_labels
        return required(self.model, fixed, pgr=pgr, certainty=certainty)

    def points_to_time(self, points: Points) -> Points:
        """Take the ends and the middle, since the cost hardly depends on n and N."""
        return [points[index] for index in sorted({0, len(points) // 2, len(points) - 1})]

    def trials_to_time(self, workers: int) -> int:
        return 8 * workers


def _holding(model: GaussianModel, n: Any, N: Any) -> Risks:
    """Bounds of the paper where they hold, for rows enough that the fits have means; NaN elsewhere."""
    bounds, rows, new_rows = paper_bounds(model, n, N), np.asarray(n), np.asarray(N)
    return Risks(
        weak=np.where(rows > model.d_weak + 1, bounds.weak, np.nan),
        baseline=np.where(rows > model.d_strong + 1, bounds.baseline, np.nan),
        ceiling=np.where(rows + new_rows > model.d_strong + 1, bounds.ceiling, np.nan),
        w2s=bounds.w2s,
    )


def _order_by_metric(order: Risks) -> ByMetric:
    """Orders of the errors of metrics: those of the worst risk that they are made of."""
    by_fit = order._asdict()
    found = {name: np.maximum.reduce([by_fit[fit] for fit in metric.fits]) for name, metric in METRICS.items()}
    return found | {name: found[metric_of(name)] for name in quotients_of_means()}


def _by_metric(risks: Risks) -> ByMetric:
    """Metrics of expected risks: their ratios are what ratios of means come to."""
    by_fit = risks._asdict()
    return values_of(by_fit) | {name: quotient(by_fit) for name, quotient in quotients_of_means().items()}


def _fingerprint(model: GaussianModel) -> str:
    return fingerprint((*_arrays(model).values(), np.array(model.noise_variance)))


def _arrays(model: GaussianModel) -> dict[str, Any]:
    """What makes a model, but for its noise: its maps, or its blocks."""
    if model.blocks is None:
        return {name: getattr(model, name) for name in ARRAYS}
    return {name: np.asarray(value) for name, value in model.blocks._asdict().items()}


def _model_in(stored: bytes, noise_variance: float) -> GaussianModel:
    from w2s_fast.linalg.files import npz

    try:
        return GaussianModel(**npz.load(io.BytesIO(stored), ARRAYS), noise_variance=noise_variance)
    except KeyError:
        found = npz.load(io.BytesIO(stored), Geometry._fields)
        blocks: dict[str, Any] = {name: a.item() if a.ndim == 0 else a for name, a in found.items()}
        return GaussianModel.of_geometry(Geometry(**blocks), noise_variance)
