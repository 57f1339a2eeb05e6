"""What a student will miss of the labels for its teacher's sake: a prediction from features alone, before any study."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from w2s_fast import _check
from w2s_fast._arrays import Home
from w2s_fast._display import html_record, record
from w2s_fast._types import ArrayLike, Blocks
from w2s_fast._workers import Workers
from w2s_fast.linalg.rows.products import Matrix, blas_threads
from w2s_fast.linalg.rows.sources import rows_of
from w2s_fast.linalg.spectral.joint import JointGram, Leading, joint_gram, narrowed


class PredictedGap(NamedTuple):
    """What features over the same rows say of a student and its teacher.

    Attributes
    ----------
    gap : float or (k,) ndarray
        Mean square |P_s (I - P_w) y|^2 / N of what the teacher misses of the labels and the student would have learnt,
        in squared units of the label, for each label column; NaN without labels.
    worst : float
        Operator norm of P_s (I - P_w): the root of the largest share of any labels' energy that goes that way. Its
        square is good to rounding, so that a norm of 0 may come out as 1e-7.
    d_weak, d_strong, d_shared : float
        Traces of P_w, of P_s and of P_s P_w: dimensions where there is no ridge, degrees of freedom else.
    """

    gap: Any
    worst: float
    d_weak: float
    d_strong: float
    d_shared: float

    @property
    def unshared(self) -> float:
        """d_strong - d_shared: dimensions of the student of which the teacher says nothing, tr P_s (I - P_w)."""
        return self.d_strong - self.d_shared

    def __repr__(self) -> str:
        return record(self)

    def _repr_html_(self) -> str:
        return html_record(self)


def predict_gap(
    weak: Blocks,
    strong: Blocks,
    y: ArrayLike | None = None,
    *,
    ridge: float | tuple[float, float] = 0.0,
    energy: float = 1.0,
    workers: Workers = None,
) -> PredictedGap:
    """How far a student will stay behind its ceiling for its teacher's sake, by the overlap of their features.

    Xue, Li and Mirzasoleiman ("Representations Shape Weak-to-Strong Generalization", ICML 2025) predict it by
    |P_s (I - P_w) y|^2 / N, with P = K (K + ridge)^-1 of the kernel matrix K (N, N) of each model's features: what the
    teacher cannot learn of the labels, and the student could have. They take it over rows with true labels; without
    labels ``worst`` bounds it for all labels, and d_strong - d_shared counts its directions.

    Parameters
    ----------
    weak, strong : (N, D_w) and (N, D_s) array_like, memmap, Rows, Dask array, path or paths, or iterable of blocks
        Features over the same rows, as :func:`correlation_dimension` takes them. Centre them for fits with intercept.
    y : (N,) or (N, k) array_like, optional
        True labels.
    ridge : float or (float, float)
        Of both models, or the teacher's and the student's: in squared units of the features, as scikit-learn's
        ``Ridge(alpha)``. For the kernels over N and their beta + gamma of the source it is N (beta + gamma). Without
        ridge the P are projections on what the features span.
    energy : float
        In (0, 1]: each model's features are first cut to the fewest leading directions that hold this share of their
        energy.
    workers : Dask client or pool, optional
        Of paths: who reads and sums the rows, as docs/howto/clusters.md says; the same bits.

    Returns
    -------
    PredictedGap
        Its gap of several columns of labels is an array in the library of ``weak``.

    Notes
    -----
    Both are read once, into the Gram matrix of [weak | strong | y]: O(N D^2) operations and O(D^2) memory, D = D_w +
    D_s + k, where the N x N kernels take O(N^3) and O(N^2).

    Raises
    ------
    ValueError, TypeError
        Different numbers of rows, NaN or infinity, a negative ridge.

    Examples
    --------
    >>> import numpy as np
    >>> from w2s_fast import predict_gap
    >>> rows = np.random.default_rng(0).standard_normal((500, 6))
    >>> weak, strong, y = rows[:, :4], rows[:, 2:], rows[:, 1] + 0.5 * rows[:, 5]
    >>> found = predict_gap(weak, strong, y)
    >>> round(found.gap, 3), round(found.unshared, 3)  # the teacher misses column 5, of mean square 1 / 4
    (0.251, 1.991)
    >>> predict_gap(weak, strong, ridge=(50.0, 5.0)).gap  # without labels
    nan
    """
    ridges = _ridges(ridge)
    share = _check.real(energy, "energy", maximum=1.0, open_left=True)
    names = "weak", "strong"
    a, b = (narrowed(rows_of(side, name, workers)) for side, name in zip((weak, strong), names, strict=True))
    joint = joint_gram(a, b, y, names)
    with blas_threads(joint.squares):
        return _predicted(joint, share, ridges, y, weak)


def _predicted(joint: JointGram, share: float, ridges: tuple[float, float], y: Any, weak: Any) -> PredictedGap:
    teacher, student = joint.leading(share)
    kept_w, kept_s = (
        _kept(leading, value, exponent)
        for leading, value, exponent in zip((teacher, student), ridges, joint.exponents, strict=True)
    )
    between = joint.between(teacher, student).T  # (d_s, d_w)
    gaps = _gaps(joint, (teacher, student), (kept_w, kept_s), between)
    return PredictedGap(
        gap=math.nan if y is None else _given(gaps, y, weak),
        worst=_worst(between, kept_w, kept_s),
        d_weak=float(kept_w.sum()),
        d_strong=float(kept_s.sum()),
        d_shared=float(kept_s @ between**2 @ kept_w),
    )


def _ridges(ridge: Any) -> tuple[float, float]:
    """The teacher's and the student's."""
    if not isinstance(ridge, tuple | list):
        return (value := _check.real(ridge, "ridge")), value
    if len(ridge) != 2:
        raise ValueError(f"ridge must be one number or the teacher's and the student's, got {len(ridge)} numbers")
    return _check.real(ridge[0], "ridge of the teacher"), _check.real(ridge[1], "ridge of the student")


def _kept(leading: Leading, ridge: float, exponent: int) -> Matrix:
    """Eigenvalues (d,) of P, where the features were read times 2**-exponent."""
    return leading.values / (leading.values + np.ldexp(ridge, -2 * exponent))


def _gaps(
    joint: JointGram, found: tuple[Leading, Leading], kept: tuple[Matrix, Matrix], between: Matrix
) -> npt.NDArray[np.float64]:
    """Mean squares (k,) of what is missed of the labels."""
    in_teacher, in_student = (
        leading.to_basis.T @ moments for leading, moments in zip(found, joint.moments, strict=True)
    )
    missed = in_student - between @ (kept[0][:, None] * in_teacher)
    gaps: npt.NDArray[np.float64] = np.sum((kept[1][:, None] * missed) ** 2, axis=0) / joint.rows
    return gaps


def _given(gaps: npt.NDArray[np.float64], y: Any, weak: Any) -> Any:
    """One number where the labels are one column, else an array in the library of the features."""
    return float(gaps[0]) if np.ndim(y) == 1 else Home.of(weak).give(gaps)


def _worst(between: Matrix, kept_w: Matrix, kept_s: Matrix) -> float:
    """Root of the largest eigenvalue of P_s (I - P_w)^2 P_s, in the student's basis."""
    if kept_s.size == 0:
        return 0.0
    inner = np.eye(len(kept_s)) - (between * (2.0 * kept_w - kept_w**2)) @ between.T
    square = np.linalg.eigvalsh(kept_s[:, None] * inner * kept_s)[-1]
    return float(np.sqrt(min(max(square, 0.0), 1.0)))
