"""A weak-to-strong study of any two scikit-learn regressors, as one more regressor."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, MetaEstimatorMixin, RegressorMixin, clone
from sklearn.model_selection import train_test_split
from sklearn.utils.validation import check_is_fitted

from w2s_fast.results.metrics import FITS
from w2s_fast.results.risks import Risks
from w2s_fast.sklearn.linear import LinearRegression


class WeakToStrong(RegressorMixin, MetaEstimatorMixin, BaseEstimator):  # type: ignore[misc]
    """A student that learns from the predictions of its teacher, beside what labels would have taught it.

    The rows are parted in two. The teacher learns from labels of the first part, n rows; the student learns from what
    the teacher says of the others, N rows. Their true labels serve for comparison alone.

    Parameters
    ----------
    teacher, student : regressor, optional
        :class:`~w2s_fast.sklearn.LinearRegression` by default. For features of their own make each a pipeline that
        begins with its choice of columns.
    labelled : float or int
        Share of the rows that the teacher's labels are for, between 0 and 1, or their number.
    random_state : int, RandomState or None
        Parts the rows.

    Attributes
    ----------
    weak_, baseline_, ceiling_, w2s_ : regressor
        The four fits: the teacher; the student on the same rows; the student on all rows with their labels; the student
        on rows that the teacher labelled, which ``predict`` asks.
    n_labelled_, n_pseudo_labelled_ : int
        n and N.
    n_features_in_ : int
    feature_names_in_ : (n_features_in_,) ndarray of str, of data frames alone

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import FunctionTransformer
    >>> from w2s_fast.sklearn import LinearRegression, WeakToStrong
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((5_000, 30))
    >>> truth = X[:, :20].sum(axis=1)
    >>> columns = [FunctionTransformer(lambda X, a=a: X[:, a : a + 25]) for a in (0, 5)]
    >>> weak, strong = (make_pipeline(choice, LinearRegression()) for choice in columns)
    >>> study = WeakToStrong(weak, strong, labelled=200, random_state=0)
    >>> risks = study.fit(X, truth + rng.standard_normal(5_000)).risks(X, truth)
    >>> risks._fields, bool(risks.ceiling < risks.baseline)
    (('weak', 'baseline', 'ceiling', 'w2s'), True)
    """

    def __init__(
        self, teacher: Any = None, student: Any = None, *, labelled: float = 0.5, random_state: Any = None
    ) -> None:
        self.teacher = teacher
        self.student = student
        self.labelled = labelled
        self.random_state = random_state

    def fit(self, X: Any, y: Any) -> Self:
        """Fit teacher, student, baseline and ceiling to X (n + N, n_features) and y (n + N,) or (n + N, n_targets)."""
        if y is None:
            raise ValueError("WeakToStrong requires y to be passed, but the target y is None")
        teacher, student = self._models()
        parts = train_test_split(X, y, train_size=self.labelled, random_state=self.random_state)
        labelled, pseudo_labelled, labels, _ = parts
        self.weak_ = clone(teacher).fit(labelled, labels)
        self.baseline_ = clone(student).fit(labelled, labels)
        self.ceiling_ = clone(student).fit(X, y)
        self.w2s_ = clone(student).fit(pseudo_labelled, self.weak_.predict(pseudo_labelled))
        self.n_labelled_, self.n_pseudo_labelled_ = (_length(part) for part in (labelled, pseudo_labelled))
        return self

    def _models(self) -> tuple[Any, Any]:
        teacher, student = (LinearRegression() if model is None else model for model in (self.teacher, self.student))
        return teacher, student

    def __sklearn_tags__(self) -> Any:
        """What both teacher and student take."""
        from sklearn.utils import get_tags

        tags, (teacher, student) = super().__sklearn_tags__(), map(get_tags, self._models())
        tags.input_tags.sparse = teacher.input_tags.sparse and student.input_tags.sparse
        tags.input_tags.allow_nan = teacher.input_tags.allow_nan and student.input_tags.allow_nan
        tags.target_tags.multi_output = teacher.target_tags.multi_output and student.target_tags.multi_output
        return tags

    @property
    def n_features_in_(self) -> int:
        """Columns of X."""
        return int(self._fitted("ceiling_").n_features_in_)

    @property
    def feature_names_in_(self) -> Any:
        """Names of the columns of a data frame."""
        return self._fitted("ceiling_").feature_names_in_

    def _fitted(self, name: str) -> Any:
        if name not in self.__dict__:
            raise AttributeError(f"{type(self).__name__} has no {name} before fit")
        return self.__dict__[name]

    def predict(self, X: Any) -> Any:
        """What the student says of X that learned from the teacher."""
        check_is_fitted(self)
        return self.w2s_.predict(X)

    def risks(self, X: Any, y: Any) -> Risks:
        """Mean squared errors of the four fits on X and y, with ``pgr`` and ``opr``.

        Excess risks where y is the truth without noise, test errors where it is labels.

        Returns
        -------
        Risks
            ``weak``, ``baseline``, ``ceiling`` and ``w2s``: numbers, or (n_targets,) arrays of targets (n, n_targets).
        """
        check_is_fitted(self)
        labels = np.asarray(y, np.float64)
        predictions = (np.asarray(getattr(self, f"{fit}_").predict(X), np.float64) for fit in FITS)
        return Risks(*(np.mean((found.reshape(labels.shape) - labels) ** 2, axis=0) for found in predictions))


def _length(part: Any) -> int:
    return int(part.shape[0]) if hasattr(part, "shape") else len(part)
