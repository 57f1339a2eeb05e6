"""Typical uses as a type checker sees them: ``mypy tests/typed_uses.py``. Nobody runs this file."""

from __future__ import annotations

from typing import Any, assert_type

import numpy as np
import numpy.typing as npt

from w2s_fast import (
    GaussianModel,
    Gram,
    Moments,
    PredictedGap,
    Predictions,
    Study,
    Subspace,
    Trials,
    correlation_dimension,
    expected_misfit,
    expected_risks,
    intrinsic_dimension,
    lstsq,
    min_norm,
    predict_gap,
    principal_angles,
    probe,
    randomized_svd,
    simulate,
)

Floats = npt.NDArray[np.floating[Any]]
Matrix = npt.NDArray[np.float64]


class Tensor:
    """As an array of another library is typed."""

    def __dlpack_device__(self) -> tuple[int, int]:
        raise NotImplementedError


def uses(X: Matrix, y: Matrix, tensor: Tensor) -> None:
    assert_type(randomized_svd(X, 2, random_state=0), tuple[Floats, Floats, Floats])
    assert_type(randomized_svd(tensor, 2), tuple[Tensor, Tensor, Tensor])
    assert_type(min_norm(X, y, ridge=0.1), Floats)
    assert_type(min_norm(tensor, tensor), Tensor)
    assert_type(min_norm(X, y, intercept=True), tuple[Floats, Floats])
    assert_type(lstsq(tensor, tensor)[0], Tensor)
    assert_type(principal_angles(tensor, X), Tensor)
    assert_type(principal_angles(Subspace.fit("features.npy", rank=2), X), Matrix)
    assert_type(intrinsic_dimension([X, X]), int)
    assert_type(correlation_dimension(X, "features.pt#hidden", energy=0.9), float)
    gram = Gram().update(X, y, weights=[1.0, 2.0]).update(tensor)
    assert_type(gram.n_rows, int)
    moments = Moments().update(tensor, skip_nan=True)
    assert_type(moments.count, int)
    model = GaussianModel.paper(d_weak=20, d_strong=10, d_shared=2)
    assert_type(expected_risks(model, 100, [200, 300], ceiling="pseudo", teacher=y).w2s, Matrix)
    assert_type(expected_misfit(model, 100, [200, 300], population=False), Matrix)
    assert_type(predict_gap(tensor, "features.pt#hidden", y, ridge=(0.1, 0.2)), PredictedGap)
    assert_type(simulate(model, 100, [200, 300], trials=3), Trials)
    assert_type(probe(X, tensor, y, n=10, N=[20, 30], trials=3), Trials)
    assert_type(probe(X, X, y, n=10, N=20, trials=3, metrics="mse", ceiling="pseudo").scores["mse"].w2s, Matrix)
    assert_type(probe(X, X, ["yes", "no"], trials=1, labelled=[1, 2], test=(X, X, y)), Trials)
    assert_type(probe({"teacher": X}, X, y, n=10, N=20, trials=3), dict[tuple[str, str], Trials])
    assert_type(probe(Predictions(y), X, y, n=10, N=20, trials=3, ridge=(1e-6, [0.1, 1.0]), fit="ridge"), Trials)
    assert_type(probe({"said": Predictions(y)}, X, y, n=1, N=2, trials=3), dict[tuple[str, str], Trials])
    assert_type(Study(model, n=100, N=[200, 300], trials=3).run(progress=False), Study)
    min_norm(X, y, rigde=0.1)  # type: ignore[call-overload]
    probe(X, X, y, n=10, N=20)  # type: ignore[call-overload]
    intrinsic_dimension(None)  # type: ignore[arg-type]
