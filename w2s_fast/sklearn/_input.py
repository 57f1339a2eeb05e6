"""What callers of scikit-learn hand over, checked by scikit-learn itself, so that its errors are what they see."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse
from sklearn import get_config
from sklearn.utils import validation

FLOATS = (np.float64, np.float32)


def validated(estimator: Any, *data: Any, **checks: Any) -> Any:
    """Check X, or X and y, and keep the number and names of features; a method until scikit-learn 1.6."""
    if hasattr(validation, "validate_data"):
        return validation.validate_data(estimator, *data, **checks)
    return estimator._validate_data(*data, **checks)


def is_here(X: Any) -> bool:
    """Whether ``X`` is dense, and no array of another library that scikit-learn was told to work with as such."""
    return not scipy.sparse.issparse(X) and not get_config().get("array_api_dispatch", False)


def as_columns(y: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return y[:, None] if y.ndim == 1 else y


def flat_coef(y: npt.NDArray[Any]) -> bool:
    """Whether ridge weights for y are a vector: for one column too, from scikit-learn 1.6 on."""
    return y.ndim == 1 or (y.shape[1] == 1 and hasattr(validation, "validate_data"))
