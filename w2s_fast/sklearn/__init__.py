"""scikit-learn's linear models and decompositions on the engine: the same classes by parameters, attributes and errors.

Each is a subclass of scikit-learn's class of that name. What the engine does not serve is left to the parent, as every
class says; :func:`w2s_fast.patched` puts them in place of scikit-learn's for code that is not to change. They need the
extra ``sklearn``.

Examples
--------
>>> import numpy as np
>>> from w2s_fast.sklearn import PCA
>>> X = np.outer([1.0, 2.0, 4.0], [3.0, 4.0]) + 1e8
>>> PCA(n_components=1).fit(X).components_.round(6)
array([[0.6, 0.8]])
"""

from __future__ import annotations

try:
    from w2s_fast.sklearn.decomposition import PCA, TruncatedSVD
    from w2s_fast.sklearn.linear import LinearRegression, Ridge
    from w2s_fast.sklearn.ridge_cv import RidgeCV
    from w2s_fast.sklearn.weak_to_strong import WeakToStrong
except ModuleNotFoundError as error:
    if error.name is None or error.name.split(".")[0] != "sklearn":
        raise
    raise ModuleNotFoundError(
        "w2s_fast.sklearn needs scikit-learn: pip install 'w2s_fast[sklearn]'", name="sklearn"
    ) from None

__all__ = ["PCA", "LinearRegression", "Ridge", "RidgeCV", "TruncatedSVD", "WeakToStrong"]
