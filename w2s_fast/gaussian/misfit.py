"""How far students stay from their teachers, and what that says of the gain."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from w2s_fast import _check
from w2s_fast._types import Sizes
from w2s_fast.gaussian.model import GaussianModel
from w2s_fast.gaussian.setup import Setup
from w2s_fast.gaussian.target import split_target
from w2s_fast.gaussian.theory import noise_energy, sizes_of, teacher_variance

Matrix = npt.NDArray[np.float64]


def expected_misfit(
    model: GaussianModel, n: Sizes, N: Sizes, *, population: bool = True, teacher: npt.ArrayLike | None = None
) -> Matrix:
    """Expected squared difference of a ridgeless student and its teacher, which can be measured without labels.

    Parameters
    ----------
    model : GaussianModel
    n, N : int or array_like of int
        Labelled and pseudo-labelled rows; they broadcast. ``numpy.inf`` gives the limit.
    population : bool
        On new rows, or on the N rows that the student was fitted to.
    teacher : (r,) array_like, optional
        Latent weights of a teacher that is given, as :func:`expected_risks` has it.

    Returns
    -------
    ndarray
        R (N - 1) / (N - d_strong - 1) on new rows, infinite at N = d_strong and d_strong + 1, NaN below; R (1 -
        d_strong / N) on the N rows, and 0 with fewer than d_strong, where the student repeats its teacher. R =
        |(I - P_s) P_w target|^2 + v (d_weak - d_shared), v as in :func:`expected_risks`, is what the student cannot see
        of its teacher; of one that is given it is |(I - P_s) teacher|^2. Infinite for n = d_weak and d_weak + 1, NaN
        for fewer.

    Notes
    -----
    Charikar, Pabbaraju and Shiragur, "Quantifying the Gain in Weak-to-Strong Generalization" (NeurIPS 2024), show for
    convex classes that hold the target (``rho_strong`` = 0) and students that are the best of their class for their
    teacher (N to infinity) that the student gains at least the misfit: weak - w2s >= misfit. A linear class is the
    case of equality. On the N rows themselves gain and misfit are equal at any N, trial by trial (Pythagoras). On new
    rows a student of finite N gains less, weak - w2s = misfit - 2 R d_strong / (N - d_strong - 1). Where the student's
    class does not hold the target there is no such bound.

    Examples
    --------
    >>> import numpy as np
    >>> from w2s_fast import GaussianModel, expected_misfit, expected_risks
    >>> model = GaussianModel.paper(d_target=20, d_shared=90)  # a target that the student can represent
    >>> N = [400, 4000, np.inf]
    >>> risks = expected_risks(model, n=400, N=N)
    >>> ((risks.weak - risks.w2s) / expected_misfit(model, 400, N)).round(3)
    array([0.499, 0.95 , 1.   ])
    >>> expected_misfit(model, 400, N, population=False).round(5)
    array([0.00421, 0.00547, 0.00561])
    """
    labelled, pseudo = sizes_of(model, n, N)
    d_strong, setup = model.d_strong, Setup.of(model, "all", None, teacher)
    unseen = split_target(model, setup.teacher).unseen + np.zeros(labelled.shape)
    if setup.teacher is None:
        unseen = unseen + teacher_variance(model, labelled, model.noise_variance + model.rho_weak)[1]
    if _check.boolean(population, "population"):
        return unseen + noise_energy(unseen, d_strong, pseudo, d_strong)
    with np.errstate(invalid="ignore"):
        left = np.where(np.isinf(unseen), np.inf, unseen * (1.0 - d_strong / pseudo))
    return np.where(pseudo > d_strong, left, 0.0)[()]
