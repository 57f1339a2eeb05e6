"""Logistic regression: two classes and several, targets hard and soft, with a penalty and without."""

from w2s_fast.linalg.logistic.api import fit_nested, fit_softmax
from w2s_fast.linalg.logistic.problem import SoftmaxFit

__all__ = ["SoftmaxFit", "fit_nested", "fit_softmax"]
