"""Mean and second moment of one ridge fit to Gaussian features: exact where known, else deterministic equivalents.

A feature space of d directions with variances s_i sees labels <beta, z> + noise on m rows. In the directions of the
features' own covariance the fit is (1 - K) beta + noise, where K = ridge Sigma^(1/2) (X'X + ridge)^-1 Sigma^(-1/2),
and all that the risks need of K is, for a direction i::

    lost_i      E K_ii: the share of beta_i that the fit misses on average
    bias_i      E sum_j K_ji^2: the squared error that beta_i^2 costs, by its loss and by its spill to others
    variance_i  squared error in direction i that noise of variance 1 costs

``docs/explanation/ridge_theory.md`` derives them. The equations hold up to fluctuations of tr K alone, a relative error
of 1 / (m - df2)^2, df2 the degrees of freedom of the variance.
"""

from __future__ import annotations

from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt

from w2s_fast.gaussian.model import Features

Matrix = npt.NDArray[np.float64]
EQUAL = 1e-12  # Variances this close are one.
ROOT_STEPS = 200  # of a search that takes some 10; bisection alone takes 60
ROOT_ACCURACY = 4 * np.finfo(np.float64).eps
LAG_STEPS = 40  # Each squares the error.
LARGEST_LAG = 0.9  # Beyond, the correction would be all there is.
ENDLESS = 1e120  # ridge a row, in units of the largest variance: beyond, squares of what fits keep would underflow


class Spectrum(NamedTuple):
    """Distinct variances of a feature space, relative to the largest, rising.

    Attributes
    ----------
    values, counts : (k,) ndarray
        Variances, and how many directions have each.
    groups : (d,) ndarray of int
        Which variance each direction of ``Features.basis`` has.
    scale : float
        Standard deviation of the largest, in units of the features.
    """

    values: Matrix
    counts: Matrix
    groups: npt.NDArray[np.intp]
    scale: float

    @classmethod
    def of(cls, features: Features) -> Self:
        largest = np.abs(features.coordinates).max()
        lengths = np.linalg.norm(features.coordinates / largest, axis=1)
        scale, relative = float(lengths.max() * largest), (lengths / lengths.max()) ** 2
        order = np.argsort(relative)
        risen = relative[order]
        starts = np.concatenate(([True], np.diff(risen) > EQUAL * risen[1:]))
        groups = np.empty(relative.size, np.intp)
        groups[order] = np.cumsum(starts) - 1
        counts = np.bincount(groups).astype(np.float64)
        return cls(np.bincount(groups, relative) / counts, counts, groups, scale)

    @property
    def dimension(self) -> int:
        return self.groups.size

    def relative(self, ridge: Matrix) -> Matrix:
        """Ridges in units of the largest variance."""
        with np.errstate(over="ignore", under="ignore"):
            return ridge / self.scale / self.scale

    def summed(self, by_direction: Matrix) -> Matrix:
        """Sum values (d,) of directions over those of equal variance."""
        return np.bincount(self.groups, by_direction, minlength=self.counts.size).astype(np.float64)


class Stage(NamedTuple):
    """What one fit does at k points; arrays (k, groups) hold a value for each distinct variance.

    Attributes
    ----------
    lost, bias : ndarray
        As the module's head says.
    crossed : ndarray
        Errors vary together in two directions by crossed_i beta_i crossed_j beta_j.
    shape : ndarray
        Share of the variance in each direction of a group; sums to 1 over all directions.
    variance : (k,) ndarray
        Squared error that noise of variance 1 costs in all; infinite where it has no mean.
    order : (k,) ndarray
        Order of the relative error: 0 where exact.
    """

    lost: Matrix
    bias: Matrix
    crossed: Matrix
    shape: Matrix
    variance: Matrix
    order: Matrix

    def at(self, points: npt.NDArray[np.intp]) -> Stage:
        return Stage(*(part[points] for part in self))

    def risk(self, energies: Matrix, noise: Matrix | float) -> Matrix:
        """Expected squared error (k,) where the target has ``energies`` (groups,) and labels have ``noise``."""
        return self.bias @ energies + times(self.variance, noise)


def times(x: Matrix, y: Matrix | float) -> Matrix:
    """Products in which zero times infinity is zero: an infinite variance of what is not there."""
    with np.errstate(invalid="ignore"):
        return np.where((x == 0) | (np.asarray(y) == 0), 0.0, x * y)


def stage(spectrum: Spectrum, rows: Matrix, ridge: Matrix) -> Stage:
    """Moments of fits to ``rows`` (k,) with ``ridge`` (k,) in squared units of the features; both may be infinite."""
    pairs, back = np.unique(np.column_stack((rows, spectrum.relative(ridge))), axis=0, return_inverse=True)
    rows, ridge = pairs.T
    d, values, counts = spectrum.dimension, spectrum.values, spectrum.counts
    ridge = np.where(ridge > ENDLESS * np.maximum(rows, 1.0), np.inf, ridge)
    shape = (rows.size, values.size)
    none = np.zeros(shape)
    found = Stage(none, none.copy(), none.copy(), np.full(shape, 1.0 / d), np.zeros(rows.size), np.zeros(rows.size))
    plain, few = ridge == 0, rows < d
    known = np.isinf(rows) | np.isinf(ridge) | (plain & ~few)
    found.lost[np.isinf(ridge)] = found.bias[np.isinf(ridge)] = 1.0
    with np.errstate(divide="ignore"):
        enough = plain & ~few
        found.variance[enough] = d / np.maximum(rows[enough] - d - 1, 0.0)
    if values.size == 1:
        flat = plain & few
        for part, value in zip(found, _few_rows_alike(d, rows[flat]), strict=True):
            part[flat] = value
        known |= flat
    if not known.all():
        for part, value in zip(found, _equivalents(values, counts, rows[~known], ridge[~known]), strict=True):
            part[~known] = value
    found.variance[plain & (rows == d - 1)] = np.inf
    return found.at(back.ravel())


def _few_rows_alike(d: int, rows: Matrix) -> Stage:
    """Exact moments of ridgeless fits to fewer rows than directions that are all alike.

    K projects onto what the rows leave out, a uniformly random subspace of dimension ``left``: E K = left / d,
    E KQK = both Q + each tr(Q). Noise goes through the inverse of a Wishart matrix of the rows.
    """
    m, left = rows[:, None], d - rows[:, None]
    lost = left / d
    both = lost * (d * left + d - 2) / ((d + 2) * (d - 1)) if d > 1 else lost
    with np.errstate(divide="ignore"):
        variance = rows / np.maximum(d - rows - 1, 0.0)
    none = np.zeros(rows.size)
    return Stage(lost, lost, np.sqrt(np.maximum(both - lost**2, 0.0)), np.full_like(m, 1.0 / d), variance, none)


def effective_ridge(values: Matrix, counts: Matrix, rows: Matrix, ridge: Matrix) -> Matrix:
    """Solve rows = sum of values / (values + kappa) + ridge / kappa for kappa (k,), each of ``values`` counted.

    Finite rows, and a ridge above zero unless there are fewer rows than directions. Newton's method on the logarithms,
    kept within a bracket that it narrows: to the last digits over the whole range of ridges and values.
    """
    d, total = counts.sum(), counts @ values
    with np.errstate(divide="ignore", under="ignore"):
        high = np.log((total + ridge) / rows)
        high = np.where(rows > d, np.minimum(high, np.log(ridge) - np.log(np.maximum(rows - d, 1.0))), high)
        low = np.maximum(np.log(ridge) - np.log(rows), np.log(values[0]) + np.log(np.maximum(1 - rows / d, 0.0)))
    low, high = low - 1e-9, high + 1e-9
    x = np.where(rows > d, high, 0.5 * (low + high))
    for _ in range(ROOT_STEPS):
        kappa = np.exp(x)
        kept = 1.0 / (1.0 + kappa[:, None] / values)
        missed = 1.0 / (1.0 + values / kappa[:, None])
        excess = ridge / kappa + _excess(counts, kept, missed, rows)
        low, high = np.where(excess > 0, x, low), np.where(excess > 0, high, x)
        slope = (kept * missed) @ counts + ridge / kappa
        with np.errstate(divide="ignore", invalid="ignore"):
            new = x + np.log1p(excess / rows) * (rows + excess) / slope
        new = np.where((new > low) & (new < high), new, 0.5 * (low + high))
        done = np.abs(new - x) <= ROOT_ACCURACY * np.maximum(np.abs(x), 1.0)
        x = new
        if done.all():
            break
    return np.exp(x)


def _excess(counts: Matrix, kept: Matrix, missed: Matrix, rows: Matrix) -> Matrix:
    """Sum of ``kept`` over all directions less ``rows``, without cancellation; kept + missed = 1."""
    mostly = kept > 0.5
    return (mostly @ counts - rows) + np.where(mostly, -missed, kept) @ counts


class _Lagged(NamedTuple):
    """The equations of the fit with a given lag, see :func:`_equivalents`: what they give for ``lost`` and the lag."""

    lost: Matrix
    kept: Matrix
    nu: Matrix
    lags: Matrix  # of each direction
    lag: Matrix  # of all


def _equivalents(values: Matrix, counts: Matrix, rows: Matrix, ridge: Matrix) -> Stage:
    """Deterministic equivalents with the correction of relative order 1 / rows.

    With t = kappa / value, r = ridge / kappa and nu = 1, lag = 0 the equations are the classical ones, lost =
    t / (1 + t). The lag is the logarithmic derivative of ``lost`` by the ridge, which real Gaussian rows subtract from
    their number: it makes the ridgeless limits rows - d - 1 and d - rows - 1 what they are.
    """
    kappa = effective_ridge(values, counts, rows, ridge)
    t, r = kappa[:, None] / values, ridge / kappa
    lost = 1.0 / (1.0 + 1.0 / t)
    kept = 1.0 / (1.0 + t)
    freedom = r + (lost * kept) @ counts  # rows - df2
    bend = 1 + 2 * (lost * kept**2) @ counts / freedom
    near = (np.abs(rows - counts.sum()) < 2) | (freedom < 1.5)  # a peak, where the correction outgrows what it corrects
    weight = np.where(near, freedom**2 / (1 + freedom**2), 1.0)
    found = _with_own_lag(counts, rows, t, r, bend, weight, freedom)
    lost, kept, nu, lag = found.lost, found.kept, found.nu[:, None], (weight * found.lag)[:, None]
    variance = found.lags * kept**2 / (nu - lag * kept)
    curvature = 2 * lag * (kept - ((lost * kept**2) @ counts / (r + (lost * kept) @ counts))[:, None])
    steep = np.maximum(t + nu - curvature, 0.05 * (t + nu))
    q = lost / steep
    spill = ((kept / (nu - lag * kept) - q) @ counts) / (r + q @ counts)
    bias = q * t * (1 + spill[:, None])
    crossed = kept * lost / np.sqrt(freedom)[:, None]
    in_all = variance @ counts
    return Stage(lost, bias, crossed, variance / in_all[:, None], in_all, 1 / freedom**2)


def _with_own_lag(
    counts: Matrix, rows: Matrix, t: Matrix, r: Matrix, bend: Matrix, weight: Matrix, freedom: Matrix
) -> _Lagged:
    """Iterate the lag until it reproduces itself, by Steffensen's method."""

    def at(lag: Matrix, nu: Matrix) -> _Lagged:
        return _lagged(counts, rows, t, r, bend, np.minimum(weight * lag, LARGEST_LAG * nu), nu)

    lag, nu = 1 / freedom, np.ones(rows.size)
    for _ in range(LAG_STEPS):
        once = at(lag, nu)
        twice = at(once.lag, once.nu)
        turn = twice.lag - 2 * once.lag + lag
        with np.errstate(divide="ignore", invalid="ignore"):
            new = lag - (once.lag - lag) ** 2 / turn
        good = np.isfinite(new) & (new > 0.1 * lag) & (new < 10 * lag)
        new = np.where(good, new, 0.5 * (lag + once.lag))
        done = np.abs(new - lag) <= 1e-13 * lag
        lag, nu = new, twice.nu
        if done.all():
            break
    return at(lag, nu)._replace(lag=lag)


def _lagged(counts: Matrix, rows: Matrix, t: Matrix, r: Matrix, bend: Matrix, lag: Matrix, nu: Matrix) -> _Lagged:
    """Solve (nu - lag kept) lost = t kept and r nu = rows - sum of kept; then find the lag that follows."""
    lag = lag[:, None]
    for _ in range(ROOT_STEPS):  # of a concave function, from below: it rises to the root
        b = nu[:, None] - lag + t
        root = np.sqrt(b**2 + 4 * lag * t)
        lost, kept = 2 * t / (b + root), 2 * nu[:, None] / (b + 2 * lag + root)
        step = (r * nu + _excess(counts, kept, lost, rows)) / (r + (lost / root) @ counts)
        nu = nu - step
        if np.all(np.abs(step) <= 1e-14 * nu):
            break
    below = nu[:, None] - lag * kept**2
    w = lost * kept / below * counts
    z = w.sum(axis=1)[:, None]
    pull = bend[:, None] * lag**2
    above = nu[:, None] + pull * ((w * kept).sum(axis=1)[:, None] - z * kept) - r[:, None] * pull * kept
    lags = above / (below * (r[:, None] + z))
    both = lost * kept * counts
    return _Lagged(lost, kept, nu, lags, (both * lags).sum(axis=1) / both.sum(axis=1))
