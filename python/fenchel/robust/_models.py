"""What models have in common, linear or not: labels in, predictions out, in the manner of scikit-learn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.exceptions import ConvergenceWarning as SklearnConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_consistent_length, column_or_1d, validate_data

from .. import errors
from .._arrays import floating
from ..logspace import softmax
from ._settings import loss_name


class ConvergenceWarning(errors.ConvergenceWarning, SklearnConvergenceWarning):
    """What both :mod:`fenchel.errors` and scikit-learn call a ConvergenceWarning."""


def keep(estimator: Any, given: dict[str, Any]) -> None:
    """Parameters of a constructor, as they are."""
    for name, value in given.items():
        if name not in ("self", "__class__"):
            setattr(estimator, name, value)


def aligned(x: Any) -> NDArray[np.float64]:
    """An array that can be read as it is, whichever way its rows lie."""
    return np.require(x, dtype=np.float64, requirements="A")


def checked_weights(sample_weight: Any, n: int) -> NDArray[np.float64] | None:
    """One weight for each row; none where all are the same."""
    if sample_weight is None:
        return None
    try:
        weights = np.asarray(sample_weight, dtype=np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise errors.InvalidTypeError(f"sample_weight is {sample_weight!r:.60}; it must be numbers ({error})") from None
    if weights.ndim == 0:
        weights = np.full(n, float(weights))
    if weights.shape != (n,):
        raise errors.ShapeError(f"sample_weight: expected one number for each of {n} rows, found shape {weights.shape}")
    return aligned(weights)


def seed_of(random_state: Any) -> int:
    """A seed for the engine; the same each time where none is given."""
    if random_state is None:
        return 0
    if isinstance(random_state, np.random.Generator):
        return int(random_state.integers(2**63))
    if isinstance(random_state, (int, np.integer)) and not isinstance(random_state, bool) and random_state >= 0:
        return int(random_state) % 2**64
    return int(check_random_state(random_state).randint(np.iinfo(np.int32).max))


def examples(estimator: Any, X: Any, y: Any, least: int = 1) -> tuple[NDArray[np.float64], Any]:
    """Rows as an array of float64, labels as they are."""
    X = validate_data(
        estimator,
        X,
        y if y is None else "no_validation",
        dtype=np.float64,
        ensure_all_finite=False,
        ensure_min_samples=least,
    )
    if type(y) is not np.ndarray or y.ndim != 1:
        y = column_or_1d(y, warn=True)
    check_consistent_length(X, y)
    return aligned(X), y


class Numbers(RegressorMixin):
    """Labels that are numbers."""

    loss: Any

    if TYPE_CHECKING:

        def _scores(self, X: Any) -> NDArray[np.float64]: ...

    def _problem(self, y: Any) -> tuple[NDArray[np.float64], str, int | None]:
        return aligned(floating(y, "y")), self._loss()[0], None

    def _loss(self) -> tuple[str, str]:
        return loss_name(self.loss, ("real", "count"), type(self).__name__)

    def predict(self, X: Any) -> NDArray[np.float64]:
        """What is to be expected of the labels: the scores (of linear models Xθ + θ₀), for ``poisson`` their exponentials.

        Parameters
        ----------
        X : array_like of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        ndarray of shape (n_samples,)
        """
        scores = self._scores(X)
        if self._loss()[1] == "count":
            with np.errstate(over="ignore"):
                return np.exp(scores)
        return scores


def _has_probabilities(estimator: Any) -> bool:
    loss = estimator.loss.split(":")[0].strip() if isinstance(estimator.loss, str) else ""
    if loss not in ("logistic", "multinomial"):
        raise AttributeError(f"predict_proba needs loss 'logistic' or 'multinomial'; {loss!r} has no probabilities")
    return True


class Classes(ClassifierMixin):
    """Labels that are the names of classes."""

    loss: Any

    if TYPE_CHECKING:

        def _scores(self, X: Any) -> NDArray[np.float64]: ...

    def _problem(self, y: Any) -> tuple[NDArray[np.float64], str, int | None]:
        if y.dtype.kind == "f" and not (finite := np.isfinite(y)).all():
            row = int(finite.argmin())
            raise errors.NonFiniteError(f"y at row {row + 1} is {y[row]}; it must be a finite number")
        check_classification_targets(y)
        self.classes_, at = np.unique(y, return_inverse=True)
        loss, kind = loss_name(self.loss, ("sign", "class"), type(self).__name__)
        count = len(self.classes_)
        if count == 1:
            only = self.classes_.tolist()[0]
            raise errors.InvalidInputError(f"y has one class, {only!r} in every row; it must have at least two classes")
        if kind == "sign" and count > 2:
            if loss != "logistic":
                shown = ", ".join(map(repr, self.classes_[:5].tolist())) + (", …" if count > 5 else "")
                raise errors.InvalidInputError(
                    f"y has {count} classes ({shown}); loss {loss!r} takes two, 'logistic' and 'multinomial' take more"
                )
            loss, kind = "multinomial", "class"
        if kind == "sign":
            return np.where(at == 1, 1.0, -1.0), loss, None
        return at.astype(np.float64), loss, count

    def decision_function(self, X: Any) -> NDArray[np.float64]:
        """The scores (of linear models Xθ + θ₀): one a class, or for two classes that of the second (less that of the first).

        Parameters
        ----------
        X : array_like of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_classes)
        """
        scores = self._scores(X)
        if scores.shape[1] == 1:
            return scores[:, 0]
        return scores[:, 1] - scores[:, 0] if len(self.classes_) == 2 else scores

    def predict(self, X: Any) -> NDArray[Any]:
        """The class with the largest score.

        Parameters
        ----------
        X : array_like of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        ndarray of shape (n_samples,)
        """
        scores = self.decision_function(X)
        at = (scores >= 0).astype(int) if scores.ndim == 1 else scores.argmax(axis=1)
        classes: NDArray[Any] = self.classes_[at]
        return classes

    @available_if(_has_probabilities)
    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """The probabilities of the classes, for the losses ``logistic`` and ``multinomial``.

        Under the worst case's weights: where a small group decides the fit, probabilities lean to what happens there.

        Parameters
        ----------
        X : array_like of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
        """
        scores = self.decision_function(X)
        if scores.ndim == 1:
            scores = np.column_stack([np.zeros_like(scores), scores])
        probabilities: NDArray[np.float64] = softmax(scores, axis=1)
        return probabilities
