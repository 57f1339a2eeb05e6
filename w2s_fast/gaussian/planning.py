"""Sample complexity: how many labels and pseudo-labels a wanted performance gap recovery takes.

PGR here is the ratio of expected risks, so that the answers are exact; or, with a ``certainty``, that of trials, which
are drawn. It means something only where there is a gap, weak > ceiling; elsewhere it does not count. Of expected risks,
with x = N - d_strong - 1 or n - d_weak - 1, both "PGR reaches p" and "there is a gap" read a x^2 + b x + c >= 0, so
that the first x of either kind is 1 or lies at a root.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from w2s_fast import _check
from w2s_fast.gaussian.certainty import TRIALS, Reach
from w2s_fast.gaussian.model import GaussianModel
from w2s_fast.gaussian.target import split_target
from w2s_fast.gaussian.theory import expected_risks

Matrix = npt.NDArray[np.float64]
GRID = 512  # sizes at which a maximum is looked for, before it is closed in on
PLATEAU = 10**12  # sizes beyond it differ by rounding alone
ZOOMS = 9  # each gains 8 binary digits of 60


def required_pseudo_labels(
    model: GaussianModel, n: int, *, pgr: float, certainty: float | None = None, trials: int = TRIALS, seed: int = 0
) -> int:
    """Smallest N at which n labels reach a wanted PGR.

    Parameters
    ----------
    model : GaussianModel
    n : int
        Labelled rows, more than d_weak + 1.
    pgr : float
        Wanted ratio (weak - w2s) / (weak - ceiling) of expected risks, at most 1; with a ``certainty``, of the risks of
        a trial.
    certainty : float, optional
        Wanted probability that a trial reaches it, between 0 and 1; by default means are to reach it.
    trials, seed : int
        What a certainty is estimated by: at most so many trials of :func:`simulate` at each size that is tried. At the
        answer the probability is as wanted to a standard error of sqrt(certainty (1 - certainty) / trials).

    Returns
    -------
    int
        PGR may fall again beyond it: the ceiling sees the true labels of the N rows.

    Raises
    ------
    ValueError
        If no N reaches it; the message says how far PGR gets and where.

    Examples
    --------
    >>> from w2s_fast import GaussianModel, expected_risks, required_pseudo_labels
    >>> model = GaussianModel.paper()
    >>> N = required_pseudo_labels(model, n=2000, pgr=0.9)
    >>> N, expected_risks(model, 2000, [N - 1, N]).pgr.round(5)
    (845, array([0.89996, 0.90005]))
    >>> small = GaussianModel.paper(d_weak=20, d_strong=10, d_shared=2, d_target=30)
    >>> certain = required_pseudo_labels(small, n=200, pgr=0.5, certainty=0.9, trials=400)
    >>> certain > required_pseudo_labels(small, n=200, pgr=0.5)
    True
    """
    _check.instance(model, GaussianModel, "model")
    n = _check.integer(n, "n", minimum=model.d_weak + 2)
    wanted = _check.real(pgr, "pgr", minimum=-math.inf, maximum=1.0)
    if certainty is not None:
        return _first_certain(model, "N", n, wanted, certainty, trials, seed)
    parts = split_target(model)
    d_weak, d_strong, d_shared = model.d_weak, model.d_strong, model.d_shared
    v = (model.noise_variance + model.rho_weak) / (n - d_weak - 1)
    weak = model.rho_weak + v * d_weak
    # w2s = rho_strong + floor + reducible / x, ceiling = rho_strong + learnable / (x + n)
    floor = parts.mislearned + v * d_shared
    reducible = (parts.unseen + v * (d_weak - d_shared)) * d_strong
    learnable = (model.noise_variance + model.rho_strong) * d_strong
    margin = (weak - model.rho_strong) * (1 - wanted) - floor
    reached = (margin, margin * n - reducible + wanted * learnable, -reducible * n)
    gap = (0.0, weak - model.rho_strong, (weak - model.rho_strong) * n - learnable)
    return _first(model, "N", n, wanted, np.concatenate((_roots(*reached), _roots(*gap))))


def required_labels(
    model: GaussianModel, N: int, *, pgr: float, certainty: float | None = None, trials: int = TRIALS, seed: int = 0
) -> int:
    """Smallest n at which N pseudo-labels reach a wanted PGR.

    PGR falls as n grows beyond :func:`best_labels`, because the teacher catches up: this is often a small number.

    Parameters
    ----------
    model : GaussianModel
    N : int
        Pseudo-labelled rows, more than d_strong + 1.
    pgr : float
        Wanted ratio (weak - w2s) / (weak - ceiling) of expected risks, at most 1; with a ``certainty``, of the risks of
        a trial.
    certainty : float, optional
        Wanted probability that a trial reaches it, between 0 and 1; by default means are to reach it.
    trials, seed : int
        What a certainty is estimated by: at most so many trials of :func:`simulate` at each size that is tried. At the
        answer the probability is as wanted to a standard error of sqrt(certainty (1 - certainty) / trials).

    Returns
    -------
    int

    Raises
    ------
    ValueError
        If no n reaches it; the message says how far PGR gets and where.

    Examples
    --------
    >>> from w2s_fast import GaussianModel, required_labels
    >>> required_labels(GaussianModel.paper(), N=4000, pgr=0.9)
    202
    """
    _check.instance(model, GaussianModel, "model")
    N = _check.integer(N, "N", minimum=model.d_strong + 2)
    wanted = _check.real(pgr, "pgr", minimum=-math.inf, maximum=1.0)
    if certainty is not None:
        return _first_certain(model, "n", N, wanted, certainty, trials, seed)
    parts = split_target(model)
    d_weak, d_strong, d_shared = model.d_weak, model.d_strong, model.d_shared
    leak = d_strong / (N - d_strong - 1)
    # weak = rho_weak + spread d_weak / x, w2s = ... + spread (d_shared + (d_weak - d_shared) leak) / x
    spread = model.noise_variance + model.rho_weak
    gain = spread * (d_weak * (1 - wanted) - d_shared - (d_weak - d_shared) * leak)
    learnable = (model.noise_variance + model.rho_strong) * d_strong  # ceiling = rho_strong + learnable / (x + more)
    more = N + d_weak - d_strong
    lead = model.rho_weak - model.rho_strong
    margin = lead * (1 - wanted) - parts.mislearned - parts.unseen * leak
    reached = (margin, margin * more + gain + wanted * learnable, gain * more)
    gap = (lead, lead * more + spread * d_weak - learnable, spread * d_weak * more)
    return _first(model, "n", N, wanted, np.concatenate((_roots(*reached), _roots(*gap))))


def best_labels(model: GaussianModel, N: int) -> int:
    """Return the n, more than d_weak + 1, that maximises the PGR of expected risks at N pseudo-labels.

    Parameters
    ----------
    model : GaussianModel
    N : int
        Pseudo-labelled rows, more than d_strong + 1.

    Returns
    -------
    int
        PGR is often flat around it: a little more or less costs next to nothing.

    Raises
    ------
    ValueError
        If there is no gap to recover at any n.

    Examples
    --------
    >>> from w2s_fast import GaussianModel, best_labels
    >>> best_labels(GaussianModel.paper(d_shared=90), N=4000)
    893
    """
    _check.instance(model, GaussianModel, "model")
    N = _check.integer(N, "N", minimum=model.d_strong + 2)
    best = _best(model, "n", N)
    if np.isnan(_pgr(model, "n", N, best)):
        raise ValueError("there is no gap to recover: the ceiling is no better than the teacher at any n")
    return best


def _roots(a: float, b: float, c: float) -> Matrix:
    """Real roots of a x^2 + b x + c that are above zero."""
    size = max(abs(a), abs(b), abs(c))
    if size == 0.0:
        return np.zeros(0)
    a, b, c = a / size, b / size, c / size  # whose squares neither overflow nor vanish
    with np.errstate(all="ignore"):
        q = -0.5 * (b + math.copysign(math.sqrt(max(b * b - 4 * a * c, 0.0)), b))
        roots = np.divide([q, c], [a, q])  # without cancellation
    return roots[np.isfinite(roots) & (roots > 0)]


def _pgr(model: GaussianModel, axis: str, fixed: int, sizes: Any) -> Matrix:
    """PGR at sizes along an axis, NaN where there is no gap to recover."""
    risks = expected_risks(model, fixed, sizes) if axis == "N" else expected_risks(model, sizes, fixed)
    return np.where(risks.weak > risks.ceiling, risks.pgr, np.nan)


def _first(model: GaussianModel, axis: str, fixed: int, wanted: float, roots: Matrix) -> int:
    """Return the smallest size that reaches ``wanted``, looked for where it can lie: 1, at a root, before the best."""

    def reaches(sizes: Any) -> Any:
        return _pgr(model, axis, fixed, sizes) >= wanted

    offset = _offset(model, axis)
    roots = roots[roots < _check.LARGEST_COUNT // 2]
    near = np.floor(roots).astype(np.int64)[:, None] + np.arange(-1, 4)
    sizes = offset + np.unique(np.maximum(np.append(near.ravel(), 1), 1))
    if not reaches(sizes).any():  # a root carries rounding, much of it near the limit of PGR
        sizes = np.unique(np.append(sizes, _best(model, axis, fixed)))
    reached = reaches(sizes)
    if reached.any():
        first = int(np.argmax(reached))
        low, high = int(sizes[max(first - 1, 0)]), int(sizes[first])
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if reaches(middle) else (middle, high)
        return high
    best = _best(model, axis, fixed)
    most = float(_pgr(model, axis, fixed, best))
    where = f": the most is {most:.4g}, at {axis} = {best:,}" if best < PLATEAU else f": it tends to {most:.4g}"
    where = where if math.isfinite(most) else ": there is no gap to recover"
    raise ValueError(f"no {axis} reaches a PGR of {wanted:g}{where}")


def _first_certain(
    model: GaussianModel, axis: str, fixed: int, wanted: float, certainty: float, trials: int, seed: int
) -> int:
    """Return the smallest size at which trials reach ``wanted`` often enough."""
    certainty = _check.real(certainty, "certainty", maximum=1.0, open_left=True)
    if certainty == 1.0:
        raise ValueError("certainty must be below 1, got 1: no size makes every trial reach a PGR")
    trials, seed = _check.integer(trials, "trials", minimum=1), _check.integer(seed, "seed")
    offset = _offset(model, axis)
    best = min(_best(model, axis, fixed), offset + PLATEAU)
    return Reach(model, axis, fixed, wanted, certainty, trials, seed).first(offset, best)


def _best(model: GaussianModel, axis: str, fixed: int) -> int:
    """Return the size of largest PGR: the top of a grid even in log x, then of ever finer ones around it."""
    offset = _offset(model, axis)
    low, high = 1.0, float(2**60)
    for _ in range(ZOOMS):
        steps = np.unique(np.rint(np.geomspace(low, high, GRID)).astype(np.int64))
        values = _pgr(model, axis, fixed, offset + steps)
        top = int(np.argmax(np.nan_to_num(values, nan=-np.inf)))
        low, high = float(steps[max(top - 1, 0)]), float(steps[min(top + 1, len(steps) - 1)])
    return offset + int(steps[top])


def _offset(model: GaussianModel, axis: str) -> int:
    """Return the size at which x is zero: risks have means beyond it."""
    return (model.d_strong if axis == "N" else model.d_weak) + 1
