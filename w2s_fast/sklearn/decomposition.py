"""PCA and TruncatedSVD on the engine."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import numpy.typing as npt
import scipy.sparse
import sklearn.decomposition
from sklearn.base import _fit_context
from sklearn.utils import check_random_state
from sklearn.utils.extmath import svd_flip
from sklearn.utils.sparsefuncs import mean_variance_axis
from sklearn.utils.validation import check_is_fitted

from w2s_fast._check import FloatArray
from w2s_fast._threads import single_threaded_blas
from w2s_fast.linalg.accumulate.gram import Gram
from w2s_fast.linalg.accumulate.moments import Moments
from w2s_fast.linalg.leastsq.by_qr import triangle
from w2s_fast.linalg.rows.centred import Centred
from w2s_fast.linalg.rows.products import times
from w2s_fast.linalg.rows.scatter import scatter
from w2s_fast.linalg.spectral.orthonormal import resolves
from w2s_fast.linalg.spectral.randomized import randomized_svd
from w2s_fast.sklearn._input import FLOATS, is_here, validated

LONG = 2  # rows a column, from where their triangle saves more than it costs
Matrix = npt.NDArray[np.float64]
MOST_COVARIANCE_COLUMNS, COVARIANCE_ROWS = 1_000, 10  # scikit-learn's rules for svd_solver="auto": the eigenvectors of
SMALL, MOST_COMPONENTS = 500, 0.8  # X'X for so few columns of so many rows each; few components of what is not small


class PCA(sklearn.decomposition.PCA):  # type: ignore[misc]
    """Principal components: :class:`sklearn.decomposition.PCA`, centred without a centred copy, and by parts.

    Parameters, attributes and errors are scikit-learn's. ``svd_solver="covariance_eigh"`` and ``"randomized"``, and
    "auto" where it comes to one of them, are ours: of the scatter matrix, whose digits no offset takes, or by
    :func:`w2s_fast.randomized_svd`, which settles by itself how far to iterate; and so is "full" for two rows a column
    and more, of their triangle. Left to scikit-learn are "full" for fewer rows, and where :meth:`fit_transform` is to
    whiten; "arpack", ``n_components="mle"``, sparse matrices, and arrays of other libraries where its setting
    ``array_api_dispatch`` is on.

    :meth:`partial_fit`, which scikit-learn's class has not, takes rows by parts, of which only sums are kept: the
    components are those of all rows together.

    Examples
    --------
    >>> import numpy as np
    >>> from w2s_fast.sklearn import PCA
    >>> pca = PCA().partial_fit([[1.0, 2.0], [3.0, 4.0]]).partial_fit([[5.0, 6.5]])
    >>> bool(np.allclose(pca.components_, PCA().fit([[1.0, 2.0], [3.0, 4.0], [5.0, 6.5]]).components_))
    True
    """

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any = None) -> Self:
        """Fit to the rows of X (n_samples, n_features); y is not used."""
        self._forget()
        if self._fit_here(X, images=False) is None:
            super().fit(X)
        return self

    @_fit_context(prefer_skip_nested_validation=True)
    def fit_transform(self, X: Any, y: Any = None) -> Any:
        """Fit, and return the rows in the components, (n_samples, n_components)."""
        self._forget()
        found = self._fit_here(X, images=True)
        return super().fit_transform(X) if found is None else found

    def transform(self, X: Any) -> Any:
        """Rows of X (n_samples, n_features) less the mean, in the components, (n_samples, n_components)."""
        if not is_here(X):
            return super().transform(X)
        check_is_fitted(self)
        return self._images(validated(self, X, dtype=FLOATS, reset=False))

    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: Any, y: Any = None) -> Self:
        """Add the rows of X (n_samples, n_features) to those seen since the last :meth:`fit`; y is not used.

        Parameters ``n_components`` and ``whiten`` count, the solver is always the scatter matrix of all rows seen.
        """
        if scipy.sparse.issparse(X):
            raise TypeError("PCA.partial_fit takes dense rows, got a sparse matrix: call its toarray() part by part")
        seen: Gram | None = getattr(self, "_seen", None)
        X = validated(self, X, dtype=FLOATS, reset=seen is None)
        seen = (Gram(centred=True) if seen is None else seen).update(X)
        self._fit_svd_solver = "covariance_eigh"
        self._require_rank("covariance_eigh", (seen.n_rows, X.shape[1]))
        self._of_eigenpairs(*np.linalg.eigh(seen.xtx), seen.x_mean, seen.n_rows, X.dtype)
        self._seen = seen
        return self

    def _forget(self) -> None:
        """Rows that partial_fit saw count no more."""
        self.__dict__.pop("_seen", None)

    def _fit_here(self, X: Any, images: bool) -> FloatArray | None:
        """Fit by ours, and return the rows in the components if ``images``, else nothing; None if it is not for us."""
        if not is_here(X) or self.svd_solver == "arpack" or isinstance(self.n_components, str):
            return None
        rows = validated(self, X, dtype=FLOATS)
        solver = self._solver(*rows.shape)
        whitened = images and self.whiten  # which makes unit vectors of images that are rounding
        if solver == "full" and (whitened or len(rows) < LONG * rows.shape[1]):
            return None
        self._fit_svd_solver = solver
        self._require_rank(solver, rows.shape)
        if solver == "randomized":
            left = self._of_randomized(rows)
            return left if images else left[:0]
        (self._of_triangle if solver == "full" else self._of_covariance)(rows)
        return self._images(rows) if images else rows[:0]

    def _solver(self, n: int, d: int) -> str:
        if self.svd_solver != "auto":
            return str(self.svd_solver)
        if d <= MOST_COVARIANCE_COLUMNS and n >= COVARIANCE_ROWS * d:
            return "covariance_eigh"
        few = 1 <= self._wanted((n, d)) < MOST_COMPONENTS * min(n, d)
        return "randomized" if few and max(n, d) > SMALL else "full"

    def _wanted(self, shape: tuple[int, int]) -> Any:
        return min(shape) if self.n_components is None else self.n_components

    def _require_rank(self, solver: str, shape: tuple[int, int]) -> None:
        """Refuse numbers of components that the solver has not, in scikit-learn's words."""
        wanted, most, least = self._wanted(shape), min(shape), int(solver == "randomized")
        if not least <= wanted <= most:
            raise ValueError(
                f"n_components={wanted!r} must be between {least} and min(n_samples, n_features)={most!r} with "
                f"svd_solver={solver!r}"
            )

    def _of_covariance(self, X: FloatArray) -> None:
        """Square float32 as such where that has the vectors of all eigenvalues, as X'X of what falls slowly."""
        for precision in dict.fromkeys((X.dtype, np.dtype(np.float64))):
            with single_threaded_blas():
                mean, squares = scatter(X, precision=precision)
            values, vectors = np.linalg.eigh(squares.astype(precision, copy=False))
            if precision == np.float64 or resolves(precision, values[0], values[-1]):
                self._of_eigenpairs(values, vectors, mean[0], len(X), X.dtype)
                return

    def _of_triangle(self, X: FloatArray) -> None:
        """Take the singular vectors of the triangle of the centred rows: those of the rows, without their images."""
        mean = Moments().update(X).mean
        with single_threaded_blas():
            R = triangle(Centred.columns(X, mean), np.empty((len(X), 0)))
        _, s, Vt = np.linalg.svd(R)
        self._of_eigenpairs(s[::-1] ** 2, Vt[::-1].T, mean, len(X), X.dtype)

    def _of_eigenpairs(self, values: FloatArray, vectors: FloatArray, mean: Matrix, n: int, dtype: Any) -> None:
        """Take those (d,), rising, and (d, d) of the scatter matrix of n rows."""
        d = len(values)
        values, components = np.maximum(values[::-1].astype(np.float64), 0.0), vectors[:, ::-1].T
        _, components = svd_flip(None, components, u_based_decision=False)
        variances = values / max(n - 1, 1)
        k, total = self._wanted((n, d)), float(variances.sum())
        with np.errstate(divide="ignore", invalid="ignore"):
            shares = variances / total
        if 0 < k < 1:
            k = int(np.searchsorted(np.cumsum(shares), k, side="right")) + 1
        noise = float(variances[k:].mean()) if k < min(n, d) else 0.0
        self._keep(components[:k], values[:k] ** 0.5, variances[:k], shares[:k], noise, mean, n, dtype)

    def _of_randomized(self, X: FloatArray) -> FloatArray:
        """Take singular vectors of the centred rows, and return the rows in them."""
        n, k = len(X), self._wanted(X.shape)
        moments = Moments().update(X)
        U, s, Vt = randomized_svd(
            Centred.columns(X, moments.mean),
            k,
            n_oversamples=self.n_oversamples,
            n_iter=self.iterated_power,
            power_iteration_normalizer=self.power_iteration_normalizer,
            flip_sign=False,
            random_state=check_random_state(self.random_state),
        )
        U, Vt = svd_flip(U, Vt, u_based_decision=False)
        variances = s.astype(np.float64) ** 2 / (n - 1)
        total = float(moments.variance(ddof=1).sum())
        noise = (total - float(variances.sum())) / (min(X.shape) - k) if k < min(X.shape) else 0.0
        self._keep(Vt, s, variances, variances / total, noise, moments.mean, n, X.dtype)
        U *= (n - 1) ** 0.5 if self.whiten else s
        return np.asarray(U)

    def _keep(
        self,
        components: FloatArray,
        s: FloatArray,
        variances: Matrix,
        shares: Matrix,
        noise: float,
        mean: Matrix,
        n: int,
        dtype: Any,
    ) -> None:
        self.n_samples_, self.n_components_ = n, len(components)
        self.components_ = np.array(components, dtype, order="C")
        self.singular_values_, self.explained_variance_, self.explained_variance_ratio_, self.mean_ = (
            part.astype(dtype) for part in (s, variances, shares, mean)
        )
        self.noise_variance_ = dtype.type(noise) if noise else 0.0

    def _images(self, X: FloatArray) -> FloatArray:
        """Rows in the components, as ``transform`` makes them."""
        V = self.components_.T.astype(np.result_type(X, self.components_), copy=False)
        with single_threaded_blas():
            found = times(Centred.columns(X, self.mean_), V)
        if self.whiten:
            found /= np.maximum(np.sqrt(self.explained_variance_), np.finfo(found.dtype).eps)
        return found


class TruncatedSVD(sklearn.decomposition.TruncatedSVD):  # type: ignore[misc]
    """Truncated SVD without centring: :class:`sklearn.decomposition.TruncatedSVD`, dense or sparse.

    Parameters, attributes and errors are scikit-learn's. ``algorithm="randomized"`` is by
    :func:`w2s_fast.randomized_svd`; "arpack", and arrays of other libraries where the setting ``array_api_dispatch`` is
    on, are left to scikit-learn.

    Examples
    --------
    >>> import numpy as np
    >>> from w2s_fast.sklearn import TruncatedSVD
    >>> TruncatedSVD(1, random_state=0).fit(np.outer([1.0, 2.0], [3.0, 4.0])).singular_values_.round(6)
    array([11.18034])
    """

    @_fit_context(prefer_skip_nested_validation=True)
    def fit_transform(self, X: Any, y: Any = None) -> Any:
        """Fit to X (n_samples, n_features), and return it in the components, (n_samples, n_components)."""
        sparse = scipy.sparse.issparse(X)
        if self.algorithm != "randomized" or not (sparse or is_here(X)):
            return super().fit_transform(X)
        rows = validated(self, X, dtype=FLOATS, accept_sparse=["csr", "csc"], ensure_min_features=2)
        k = self.n_components
        if k > rows.shape[1]:
            raise ValueError(f"n_components({k}) must be <= n_features({rows.shape[1]}).")
        U, s, Vt = randomized_svd(
            rows,
            k,
            n_iter=self.n_iter,
            n_oversamples=self.n_oversamples,
            power_iteration_normalizer=self.power_iteration_normalizer,
            random_state=check_random_state(self.random_state),
            flip_sign=False,
        )
        _, self.components_ = svd_flip(U, Vt, u_based_decision=False)
        if sparse:
            images = np.asarray(rows @ self.components_.T)
            variance = mean_variance_axis(rows, axis=0)[1]
        else:
            with single_threaded_blas():
                images = times(rows, self.components_.T)
            variance = Moments().update(rows).variance()
        self.explained_variance_ = np.var(images, axis=0)
        self.explained_variance_ratio_ = (self.explained_variance_ / variance.sum()).astype(images.dtype, copy=False)
        self.singular_values_ = s
        return images
