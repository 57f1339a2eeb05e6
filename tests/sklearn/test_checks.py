"""scikit-learn's checks of estimators, those of its own tests of any estimator."""

import pytest

pytest.importorskip("sklearn")

from sklearn.utils import validation
from sklearn.utils.estimator_checks import parametrize_with_checks

from w2s_fast.sklearn import PCA, LinearRegression, Ridge, RidgeCV, TruncatedSVD, WeakToStrong

pytestmark = [
    pytest.mark.filterwarnings(
        "ignore::sklearn.exceptions.SkipTestWarning", "ignore::RuntimeWarning"
    ),  # checks make 0/0
]
ESTIMATORS = [
    PCA(),
    PCA(1, svd_solver="covariance_eigh"),
    PCA(1, svd_solver="randomized"),
    TruncatedSVD(),
    LinearRegression(),
    Ridge(),
    RidgeCV(),
    WeakToStrong(),
]
LEFT_OUT = {  # check, or estimator and check: why
    "check_array_api_input": "is for arrays of other libraries, which are left to scikit-learn",
    "check_array_api_mixed_inputs": "is for arrays of other libraries, which are left to scikit-learn",
    "check_array_api_same_namespace": "is for arrays of other libraries, which are left to scikit-learn",
    "Ridge check_non_transformer_estimators_n_iter": "scikit-learn asks its own Ridge for it with solver='sag' alone: "
    "n_iter_ of others is None",
}

if not hasattr(validation, "validate_data"):
    LEFT_OUT["WeakToStrong check_supervised_y_2d"] = "scikit-learn 1.5 has tags of another kind"


@parametrize_with_checks(ESTIMATORS)
def test_check(estimator, check):
    name = getattr(check, "func", check).__name__
    for left_out in (name, f"{type(estimator).__name__} {name}"):
        if left_out in LEFT_OUT:
            pytest.skip(LEFT_OUT[left_out])
    check(estimator)
