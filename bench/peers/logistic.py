"""Logistic regression of two classes and of ten, with an intercept and a penalty, to equal loss."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from bench.peers.cases import OURS, Call, Case
from bench.workloads import CLASSES, Floats, classes
from w2s_fast.linalg.logistic import fit_softmax

SHAPE, QUICK = (20_000, 384), (60, 4)
PENALTY = 1.0
TOLERANCE = 1e-6  # of the gradient; each library scales it in its own way, and losses tell what they came to
LEAST = 1e-7  # excess of the loss: less than that is as good
MOST_STEPS = 10_000


def cases(quick: bool) -> Iterator[Case]:
    for count in CLASSES:
        yield regression(QUICK if quick else SHAPE, count)


def regression(shape: tuple[int, int], count: int) -> Case:
    X, y = classes(shape, count)
    calls = [
        Call(OURS, "fit_softmax", partial(ours, X, y, TOLERANCE)),
        Call("scikit-learn", "LogisticRegression, lbfgs", partial(by_sklearn, X, y)),
        Call("torch", "LBFGS", partial(by_torch, X, y)),
    ]
    least = loss(X, y, ours(X, y, 1e-9))
    return Case(
        f"softmax regression, {shape[0]:,} x {shape[1]}, {count} classes",
        "float64",
        calls,
        lambda weights: max(loss(X, y, weights) / least - 1.0, LEAST),
        flops=2.0 * X.size * count,  # one pass: a gradient, and nothing to show that it is 0
        bytes=X.nbytes,
    )


def loss(X: Floats, y: Any, weights: Floats) -> float:
    """Of weights (p + 1, K) whose last ones are intercepts, those of two classes as they are of one column."""
    logits = X @ weights[:-1] + weights[-1]
    if weights.shape[1] == 1:
        logits = np.hstack((np.zeros_like(logits), logits))
    high = logits.max(axis=1)
    told = np.log(np.exp(logits - high[:, None]).sum(axis=1)) + high - logits[np.arange(len(y)), y]
    return float(told.sum() + 0.5 * PENALTY * np.sum(weights[:-1] ** 2))


def ours(X: Floats, y: Any, tolerance: float) -> Floats:
    count = int(y.max()) + 1
    rows = np.column_stack((X, np.ones(len(X))))
    targets = y.astype(float) if count == 2 else np.eye(count)[y]
    fit = fit_softmax(rows, targets, penalty=PENALTY, free_last=True, tolerance=tolerance)
    return fit.weights.reshape(len(fit.weights), -1)


def by_sklearn(X: Floats, y: Any) -> Floats:
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=1.0 / PENALTY, tol=TOLERANCE, max_iter=MOST_STEPS).fit(X, y)
    return np.vstack((model.coef_.T, model.intercept_))


def by_torch(X: Floats, y: Any) -> Floats:
    import torch

    count = int(y.max()) + 1
    rows, wanted = torch.from_numpy(X), torch.from_numpy(y)
    weights = torch.zeros(X.shape[1] + 1, count if count > 2 else 1, dtype=torch.float64, requires_grad=True)
    settings = {"max_iter": MOST_STEPS, "tolerance_grad": TOLERANCE, "tolerance_change": 0.0}
    descent = torch.optim.LBFGS([weights], line_search_fn="strong_wolfe", **settings)

    def closure() -> Any:
        descent.zero_grad()
        logits = torch.addmm(weights[-1], rows, weights[:-1])
        if count > 2:
            told = torch.nn.functional.cross_entropy(logits, wanted)
        else:
            told = torch.nn.functional.binary_cross_entropy_with_logits(logits[:, 0], wanted.double())
        told = told + 0.5 * PENALTY / len(X) * (weights[:-1] ** 2).sum()
        told.backward()
        return told

    descent.step(closure)
    return weights.detach().numpy()
