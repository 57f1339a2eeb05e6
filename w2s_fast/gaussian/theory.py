"""Expectations for Gaussian features, exact where a closed form is known, and the bounds that the paper draws."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from w2s_fast import _check
from w2s_fast._types import Sizes
from w2s_fast.gaussian.model import GaussianModel
from w2s_fast.gaussian.setup import Setup
from w2s_fast.gaussian.target import split_target, teacher_risk
from w2s_fast.results.risks import CEILINGS, Ceiling, ExpectedRisks, Risks

Matrix = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
PAPERS = Setup()
Numbers = Any  # float, or an array of them: at one point arrays take ten times as long as their arithmetic


def sizes_of(model: GaussianModel, n: Any, N: Any) -> tuple[Matrix, Matrix]:
    _check.instance(model, GaussianModel, "model")
    labelled, pseudo = _check.broadcast(n=_check.sizes_or_limit(n, "n"), N=_check.sizes_or_limit(N, "N"))
    return labelled, pseudo


def noise_energy(variance: Numbers, rank: float, rows: Numbers, fitted: int) -> Numbers:
    """``variance * rank / (rows - fitted - 1)``: what fitting noise costs out of sample.

    Infinite at ``rows`` = ``fitted`` and ``fitted`` + 1, where the inverse Wishart has no mean; NaN below, where the
    fit interpolates; zero where there is no noise to fit.
    """
    freedom = rows - fitted - 1
    if type(rows) is float and isinstance(variance, float):
        return _noise_energy_at(variance * rank, freedom)
    scale = np.asarray(variance, dtype=np.float64) * rank
    with np.errstate(divide="ignore", invalid="ignore"):
        energy = np.where(np.isinf(scale), np.inf, scale / freedom)  # of an infinite variance, to the limit of rows
        energy = np.where(freedom > 0, energy, np.where(freedom >= -1, np.inf, np.nan))
    return np.where((scale == 0) & (freedom >= -1), 0.0, energy)


def _noise_energy_at(scale: float, freedom: float) -> float:
    if scale == 0.0 and freedom >= -1.0:
        return 0.0
    if freedom > 0.0:
        return math.inf if math.isinf(scale) else scale / freedom
    return math.inf if freedom >= -1.0 else math.nan


def expected_risks(
    model: GaussianModel,
    n: Sizes,
    N: Sizes,
    ridge: npt.ArrayLike = 0.0,
    *,
    ceiling: Ceiling = "all",
    pseudo_noise_variance: float | None = None,
    teacher: npt.ArrayLike | None = None,
) -> ExpectedRisks:
    """Expected excess risks of the four fits, for any angles and feature scales, any ridge, any numbers of rows.

    Parameters
    ----------
    model : GaussianModel
    n, N : int or array_like of int
        Labelled and pseudo-labelled rows; they broadcast. ``numpy.inf`` gives the limit.
    ridge : float or array_like of float
        Added to every fit, in squared units of the features as given, as ``simulate`` has it; it broadcasts too.
    ceiling : {"all", "pseudo"}
        Whether the ceiling is fitted on all n + N rows, as in the paper, or on the N rows alone, as in much of the
        field (docs/explanation/metrics.md says by whom).
    pseudo_noise_variance : float, optional
        Variance of the noise of the N rows' true labels, which the ceiling alone sees; by default the model's
        ``noise_variance``, which the n labelled rows have in any case. Noise that differs between rows counts by its
        mean over the rows of a fit, exactly, at any ridge.
    teacher : (r,) array_like, optional
        A teacher that is given, <teacher, z>, instead of one that is fitted to the n rows: latent weights, as the
        model's ``target`` has them. Weights on the weak features are ``model.weak @ weights``.

    Returns
    -------
    ExpectedRisks
        Arrays of the broadcast shape, which unpack as ``Risks`` do. ``.order`` says how each was made: 0 where it is
        exact, else the order of its relative error. ``.pgr`` and ``.opr`` are ratios of the expectations, not
        expectations of the ratios.

    Notes
    -----
    Exact without ridge where a fit has at least as many rows as directions, or fewer and its features are all of one
    variance. A mean is ``inf`` within one row of as many rows as directions, if there is anything to overfit. With
    v = (noise_variance + rho_weak) / (n - d_weak - 1) and more rows than that::

        weak     = rho_weak + v d_weak
        baseline = rho_strong + (noise_variance + rho_strong) d_strong / (n - d_strong - 1)
        ceiling  = rho_strong + (noise_variance + rho_strong) d_strong / (n + N - d_strong - 1)
        w2s      = rho_strong + |P_s (P_w target - target)|^2 + v d_shared
                   + (|(I - P_s) P_w target|^2 + v (d_weak - d_shared)) d_strong / (N - d_strong - 1)

    With a given teacher v is 0 and ``teacher`` stands for P_w target: weak = |teacher - target|^2, whatever n is.

    Elsewhere deterministic equivalents with the correction of the next order, docs/explanation/ridge_theory.md: their
    relative error is of order 1 / (rows - df2)^2 with df2 the degrees of freedom of a fit's variance, which is large
    near the interpolation peak alone (Dobriban and Wager 2018; Hastie, Montanari, Rosset and Tibshirani 2022; Ildiz
    et al. 2024 for the student).

    Examples
    --------
    >>> from w2s_fast import GaussianModel, expected_risks
    >>> model = GaussianModel.paper()
    >>> risks = expected_risks(model, n=2000, N=[400, 4000, float("inf")])
    >>> risks.pgr.round(2)
    array([0.72, 0.85, 0.77])
    >>> few = expected_risks(model, n=2000, N=50, ridge=[0.0, 100.0])
    >>> few.w2s.round(5), few.order.w2s.round(5)
    (array([0.0015 , 0.00043]), array([0.     , 0.00049]))
    >>> expected_risks(model, n=2000, N=[4000, float("inf")], ceiling="pseudo").pgr.round(2)
    array([0.92, 0.77])
    >>> given = expected_risks(model, n=2000, N=4000, teacher=0.5 * model.target)
    >>> f"{given.weak:.2e} {given.w2s:.2e}"  # the student cannot see all that this teacher says
    '7.85e-05 1.20e-04'
    """
    if pseudo_noise_variance is teacher is None and (at := _at_one_point(model, n, N, ridge, ceiling)) is not None:
        return at
    labelled, pseudo = sizes_of(model, n, N)
    setup = Setup.of(model, ceiling, pseudo_noise_variance, teacher)
    labelled, pseudo, added = _check.broadcast(n=labelled, N=pseudo, ridge=_ridges(ridge))
    closed = _closed_forms(model, labelled, pseudo, setup)
    elsewhere = _elsewhere(model, labelled, pseudo, added > 0, setup)
    order = {name: np.zeros(labelled.shape) for name in Risks._fields}
    wanted = np.logical_or.reduce(list(elsewhere.values()))
    if model.blocks is not None and not np.any(added > 0):  # a model without maps has closed forms alone
        wanted = np.zeros_like(wanted)
    if not wanted.any():
        return ExpectedRisks(*closed, order=Risks(**order))
    from w2s_fast.gaussian.stages import risks_by_stages

    risks = {name: np.array(risk) for name, risk in closed._asdict().items()}
    found, found_order = risks_by_stages(model, labelled[wanted], pseudo[wanted], added[wanted], setup)
    for name, mask in elsewhere.items():
        here = mask[wanted]
        risks[name][mask], order[name][mask] = getattr(found, name)[here], getattr(found_order, name)[here]
    return ExpectedRisks(*(risk[()] for risk in risks.values()), order=Risks(**order))


def _at_one_point(model: Any, n: Any, N: Any, ridge: Any, ceiling: Any) -> ExpectedRisks | None:
    """Risks at one pair of sizes that are exact all four, without arrays; None elsewhere and of what is wrong."""
    if not (isinstance(model, GaussianModel) and type(ridge) in (int, float) and ridge == 0 and type(ceiling) is str):
        return None
    labelled, pseudo = _one_size(n), _one_size(N)
    d_weak, d_strong = model.d_weak, model.d_strong
    if not (labelled >= d_weak and labelled >= d_strong and pseudo >= d_strong and ceiling in CEILINGS):
        return None
    exact: Any = map(
        np.float64, _closed_forms(model, labelled, pseudo, PAPERS if ceiling == "all" else Setup("pseudo"))
    )
    return ExpectedRisks(*exact, order=Risks(*(np.zeros(()) for _ in Risks._fields)))


def _one_size(value: Any) -> float:
    """A number of rows, or infinity; NaN for anything else."""
    if type(value) is int and value <= _check.LARGEST_COUNT:
        return float(value)
    return math.inf if isinstance(value, float) and value == math.inf else math.nan


def _ridges(ridge: Any) -> Matrix:
    """One ridge or an array of them, none below zero."""
    found = _check.floats(ridge, "ridge", finite=False).astype(np.float64)
    if found.size == 0 or not np.all((found >= 0) & np.isfinite(found)):
        raise ValueError(f"ridge must be one or several finite numbers of at least 0, got {ridge!r}")
    return found


def _elsewhere(model: GaussianModel, n: Matrix, N: Matrix, ridged: Mask, setup: Setup) -> dict[str, Mask]:
    """For each fit, where the closed forms do not hold."""
    given = setup.teacher is not None
    weak = np.zeros_like(ridged) if given else ridged | (n < model.d_weak)
    return {
        "weak": weak,
        "baseline": ridged | (n < model.d_strong),
        "ceiling": ridged | (setup.ceiling_rows(n, N) < model.d_strong),
        "w2s": ridged | weak | (N < model.d_strong),
    }


def _closed_forms(model: GaussianModel, labelled: Numbers, pseudo: Numbers, setup: Setup) -> Risks:
    """Exact expectations of ridgeless fits to at least as many rows as directions; NaN below."""
    d_weak, d_strong = model.d_weak, model.d_strong
    rho_weak, rho_strong, noise = model.rho_weak, model.rho_strong, model.noise_variance
    mislearned, unseen = split_target(model, setup.teacher)
    if setup.teacher is None:
        inherited, discrepant = teacher_variance(model, labelled, noise + rho_weak)
        weak = rho_weak + noise_energy(noise + rho_weak, d_weak, labelled, d_weak)
    else:
        inherited = discrepant = np.zeros(labelled.shape)
        weak = np.full(labelled.shape, teacher_risk(model, setup.teacher))
    of_ceiling = setup.ceiling_noise(noise, labelled, pseudo) + rho_strong
    return Risks(
        weak=weak,
        baseline=rho_strong + noise_energy(noise + rho_strong, d_strong, labelled, d_strong),
        ceiling=rho_strong + noise_energy(of_ceiling, d_strong, setup.ceiling_rows(labelled, pseudo), d_strong),
        w2s=rho_strong + mislearned + inherited + noise_energy(unseen + discrepant, d_strong, pseudo, d_strong),
    )


def teacher_variance(model: GaussianModel, labelled: Numbers, variance: float) -> tuple[Numbers, Numbers]:
    """Variance of a fitted teacher inside V_s and outside it, where labels vary by so much about what it learns."""
    d_weak, d_shared = model.d_weak, model.d_shared
    inside = noise_energy(variance, d_shared, labelled, d_weak)
    return inside, noise_energy(variance, d_weak - d_shared, labelled, d_weak)


def w2s_variance(model: GaussianModel, n: Sizes, N: Sizes, *, population: bool = False) -> tuple[Matrix, Matrix]:
    """Split the student's variance into what it inherits from the teacher and what N reduces.

    Parameters
    ----------
    model : GaussianModel
    n, N : int or array_like of int
        Labelled and pseudo-labelled rows; they broadcast. ``numpy.inf`` gives the limit.
    population : bool
        Measure on new rows rather than on the N pseudo-labelled ones.

    Returns
    -------
    inherited, reduced : ndarray
        ``noise_variance / (n - d_weak - 1)`` times ``d_shared``, and times ``(d_weak - d_shared) d_strong / N`` (paper,
        theorem 3.1), or ``/ (N - d_strong - 1)`` on new rows. Of ridgeless
        fits: infinite for n = d_weak and d_weak + 1, NaN below; NaN for N < d_strong, and on new rows infinite at
        d_strong and d_strong + 1.

    Examples
    --------
    >>> from w2s_fast import GaussianModel, w2s_variance
    >>> inherited, reduced = w2s_variance(GaussianModel.paper(), n=2000, N=[400, 4000, 40_000])
    >>> (reduced / inherited).round(3)
    array([4.75 , 0.475, 0.048])
    """
    labelled, pseudo = sizes_of(model, n, N)
    d_strong = model.d_strong
    inherited, discrepant = teacher_variance(model, labelled, model.noise_variance)
    if _check.boolean(population, "population"):
        return inherited, noise_energy(discrepant, d_strong, pseudo, d_strong)
    with np.errstate(invalid="ignore"):
        reduced = np.where(np.isinf(discrepant), np.inf, discrepant * d_strong / pseudo)
    return inherited, np.where(pseudo >= d_strong, reduced, np.nan)


def paper_bounds(model: GaussianModel, n: Sizes, N: Sizes) -> Risks:
    """Bounds as the paper's synthetic figures draw them; see :func:`expected_risks` for the exact curves.

    Parameters
    ----------
    model : GaussianModel
    n, N : int or array_like of int
        Labelled and pseudo-labelled rows; they broadcast.

    Returns
    -------
    Risks
        weak: rho_weak + noise_variance d_weak / n; baseline and ceiling: rho_strong + noise_variance d_strong, over n
        and over n + N; w2s: rho_weak + rho_strong + the variance of :func:`w2s_variance` (paper, section 4.1).
        ``.pgr`` and ``.opr`` are the ratios of these.

    Examples
    --------
    >>> from w2s_fast import GaussianModel, paper_bounds
    >>> bounds = paper_bounds(GaussianModel.paper(), n=2000, N=4000)
    >>> f"{bounds.weak:.3e} {bounds.w2s:.3e}"
    '1.256e-03 3.926e-04'
    """
    labelled, pseudo = sizes_of(model, n, N)
    d_weak, d_strong, noise = model.d_weak, model.d_strong, model.noise_variance
    inherited, reduced = w2s_variance(model, n, N)
    return Risks(
        weak=model.rho_weak + noise * d_weak / labelled,
        baseline=model.rho_strong + noise * d_strong / labelled,
        ceiling=model.rho_strong + noise * d_strong / (labelled + pseudo),
        w2s=model.rho_weak + model.rho_strong + inherited + reduced,
    )


def paper_ratio_bounds(model: GaussianModel, n: Sizes, N: Sizes) -> tuple[Matrix, Matrix]:
    """Lower bounds of PGR and OPR in the closed form of the paper's scaling analysis (section 3.3).

    With d(N) = d_shared + (d_weak - d_shared) d_strong / N and rho = rho_weak + rho_strong::

        PGR >= 1 - n / (n - d_weak - 1) d(N) / d_weak - n / d_weak rho / noise_variance
        OPR >= 1 / (n / (n - d_weak - 1) d(N) / d_strong + n / d_strong rho / noise_variance)

    Parameters
    ----------
    model : GaussianModel
    n, N : int or array_like of int
        Labelled and pseudo-labelled rows; they broadcast.

    Returns
    -------
    pgr, opr : ndarray
        NaN for n <= d_weak + 1 and where there is no noise.

    Examples
    --------
    >>> from w2s_fast import GaussianModel, paper_ratio_bounds
    >>> pgr, opr = paper_ratio_bounds(GaussianModel.paper(), n=2000, N=[1000, 4000])
    >>> pgr.round(3), opr.round(3)
    (array([0.528, 0.607]), array([1.06 , 1.274]))
    """
    labelled, pseudo = sizes_of(model, n, N)
    d_weak, d_strong, d_shared = model.d_weak, model.d_strong, model.d_shared
    rho = model.rho_weak + model.rho_strong
    effective = d_shared + (d_weak - d_shared) * d_strong / pseudo
    with np.errstate(divide="ignore", invalid="ignore"):
        misfit = labelled * np.divide(rho, model.noise_variance) if rho else np.zeros_like(labelled)
        lost = effective / (1 - (d_weak + 1) / labelled) + misfit
    lost = np.where((labelled > d_weak + 1) & np.isfinite(lost), lost, np.nan)
    return 1 - lost / d_weak, d_strong / lost
