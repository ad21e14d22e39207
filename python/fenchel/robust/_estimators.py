"""Linear models in the manner of scikit-learn."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted, validate_data

from .. import _engine
from .._runs import raise_stopped, reporting, warn
from ._models import Classes, ConvergenceWarning, Numbers, checked_weights, examples, keep, seed_of
from ._settings import Strength, divergence_name, settings, strength

__all__ = ["RobustClassifier", "RobustRegressor"]

_Self = TypeVar("_Self", bound="Linear")

#: What statuses other than "converged" say.
_ENDINGS = {
    "max_iterations": "as many steps as max_iter, or passes as epochs, allow were not enough",
    "max_time": "the time of max_time is spent",
    "stalled": "more work no longer improves it; perhaps tol is smaller than rounding allows",
    "diverged": "iterates left the range of finite numbers; a smaller step may help",
}

_PARAMETERS = """
    loss : str, default {loss}
        {losses}
    fit_intercept : bool, default True
        Whether scores have a constant term, which is not penalised.
    l2, l1 : float, default {l2} and 0.0
        Penalties l2·Σθ² + l1·Σ|θ|, next to a risk that is a mean: they need not grow with the number of rows.
        {why}
    standardize : bool, default True
        Whether penalties are those of coefficients of features with standard deviation 1, so that units do not matter.
        Coefficients are in the units of the features all the same.
    move_price : float, optional
        Price κ at which the worst case may also move rows, for each unit of squared distance (in standard deviations with
        `standardize`); labels stay. For the exact solver.
"""

_PRECISION = """
    tol : float, default 1e-6
        Certified gap to reach, relative to the objective.
    max_iter : int, default 2000
        Newton steps of an exact fit, at most.
    max_time : float, optional, default 300.0
        Seconds, at most; None is unlimited. The best result so far is kept, with a warning.
    random_state : int, numpy.random.Generator, RandomState or None
        Seed of {seeded}. None stands for 0: the same fit every time.
    progress : bool or callable, default False
        True for a progress bar, or what is called with phase, fraction done, samples, error and the error aimed at.
"""

_SOLVERS = """
    solver : str, default "auto"
        ``auto`` and ``exact``: Newton's method, for all rows at once. ``passes``: batches, with nothing to tune.
        ``joint``, ``dual-sgm``, ``batch-weights``, ``multilevel``, ``sum-of-exponentials``: stochastic gradients, to
        be compared with.
    batch_size, epochs : int, optional
        For solvers that make passes: rows in a batch (100), and passes at most (50).
    step, rho, momentum, initial_threshold : float, optional
        Of stochastic gradients: step size (the best of a few trials), ρ of safe KL for ``joint`` (0.001), Nesterov's
        momentum (0.9), where the threshold of ``joint`` and ``dual-sgm`` starts (where it is best for the losses).
    averaging : bool, default False
        Whether stochastic gradients result in the mean over the second half of their steps.
"""

_STRENGTH = """
    divergence : Divergence or str, default "kl"
        What keeps the worst case near the rows at hand (see :mod:`fenchel.divergences`), or ``"mean"`` for the ordinary fit.
    temperature : float or str, optional
        λ > 0, in units of the loss, or relative to the mean loss of the ordinary fit: ``"rel:0.5"``.
    radius : float, optional
        r ≥ 0; 0.1 unless there is a temperature. ``cvar``, ``none`` and ``"mean"`` need neither.
"""

_ATTRIBUTES = """
    objective_ : float
        Risk and penalty at the coefficients.
    lower_bound_, gap_ : float
        The certificate: no coefficients have an objective below `lower_bound_`;
        ``gap_ = objective_ - lower_bound_``.
    status_ : str
        ``converged``, or how the fit ended instead: ``max_iterations``, ``max_time``, ``stalled``, ``diverged``,
        ``interrupted``.
    temperature_, radius_ : float
        λ and the radius that belong together, one of which was given. λ is infinite for the mean.
    weights_ : ndarray of shape (n_samples,)
        How much each training row weighs in the worst case; they sum to 1.
    losses_ : ndarray of shape (n_samples,)
        The loss of each training row; with `move_price`, the largest less the price.
    threshold_ : float
        Losses above it count.
    mean_loss_ : float
        Mean of the losses, by `sample_weight`.
    effective_sample_size_ : float
        How many rows of equal weight are as uneven as the worst case. When it falls to a few times the number of
        coefficients the fit follows single rows.
    l2_ : float
        The penalty on squares that was used.
    ordinary_loss_ : float or None
        Mean loss of the ordinary fit, where the temperature is relative to it.
    distances_ : ndarray
        With `move_price`: how far the worst case moves each row.
    history_ : ndarray
        Of solvers that make passes: the objective at the start and after each pass; else empty.
    n_iter_ : int
        Newton steps, or passes.
    n_features_in_, feature_names_in_
        As everywhere in scikit-learn.
"""

_TIES = """None is 1e-6 in units of the problem (the mean loss of the mean label, over the variance of labels): as little
        as makes coefficients unique where many are as good, as with more features than rows. 0.0 is none."""

_SEPARABLE = "Without one there are no best coefficients where classes can be separated."

_REGRESSION_LOSSES = """``squared``, ``absolute``, ``huber[:δ]``, ``quantile[:τ]``, or ``poisson`` for counts, where
        predictions are exp(score)."""

_CLASSIFICATION_LOSSES = """``logistic``, or ``multinomial`` (which stands in for it where there are more than two
        classes), ``hinge``, ``smoothed-hinge[:γ]``."""

_DOCUMENTED = {
    "regression": _PARAMETERS.format(loss='"squared"', losses=_REGRESSION_LOSSES, l2="None", why=_TIES).strip("\n"),
    "classification": _PARAMETERS.format(loss='"logistic"', losses=_CLASSIFICATION_LOSSES, l2="1e-4", why=_SEPARABLE).strip("\n"),
    "strength": _STRENGTH.strip("\n"),
    "solvers": _SOLVERS.strip("\n"),
    "precision": _PRECISION.format(seeded="the order of rows in passes").strip("\n"),
    "precision_cv": _PRECISION.format(seeded="the folds").strip("\n"),
    "attributes": _ATTRIBUTES.strip("\n"),
}

_Class = TypeVar("_Class", bound=type)


def documented(cls: _Class) -> _Class:
    """Puts in what the documentation of several classes has in common."""
    text = cls.__doc__ or ""
    for name, part in _DOCUMENTED.items():
        text = text.replace(f"    [{name}]", part)
    cls.__doc__ = text
    return cls


class Linear(BaseEstimator, ABC):
    """What all estimators have in common."""

    divergence: Any
    temperature: Any
    radius: Any
    loss: Any
    l2: Any
    l1: Any
    random_state: Any
    progress: Any

    def fit(self: _Self, X: Any, y: Any, sample_weight: Any = None) -> _Self:
        """Fits the coefficients.

        Parameters
        ----------
        X : array_like of shape (n_samples, n_features)
            Rows of finite numbers. They are copied once, into the engine's own order.
        y : array_like of shape (n_samples,)
            Labels: numbers, or for classifiers classes, which may be anything that can be ordered.
        sample_weight : array_like of shape (n_samples,), optional
            p̂ ≥ 0, in any unit: a row of weight 2 counts as two.

        Returns
        -------
        self

        Raises
        ------
        InvalidInputError
            For numbers that are NaN or infinite (the message has row and column, from 1), labels that the loss does not
            take, and parameters outside their domain.
        Interrupted
            After Ctrl-C; ``result`` is this estimator with the best coefficients so far.
        """
        name = divergence_name(self.divergence)
        found = strength(name, self.temperature, self.radius)
        X, y, weights = self._examples(X, y, sample_weight)
        labels, loss, classes = self._problem(y)
        self._run(X, labels, weights, loss, classes, found)
        return self

    @abstractmethod
    def _problem(self, y: Any) -> tuple[NDArray[np.float64], str, int | None]:
        """Labels as the loss takes them, the loss, and for how many classes, if that matters."""

    def _examples(self, X: Any, y: Any, sample_weight: Any, least: int = 1) -> tuple[Any, Any, Any]:
        """Rows and weights as arrays of float64, labels as they are."""
        X, y = examples(self, X, y, least)
        return X, y, checked_weights(sample_weight, X.shape[0])

    def _run(
        self, X: Any, y: Any, weights: Any, loss: str, classes: int | None, found: Strength, spent: float = 0.0
    ) -> dict[str, Any]:
        """Fits in the time that is left, takes up what was found, and says how it ended."""
        told = settings(vars(self), loss, classes, found, seed_of(self.random_state))
        if told["max_time"] is not None:
            told["max_time"] = max(told["max_time"] - spent, 0.0)
        with reporting(self.progress) as report:
            result, stopped = _engine.robust_fit(X, y, weights, told, report)
        self._take(result, weights, classes)
        if stopped is not None:
            raise_stopped(stopped, self)
        if self.status_ != "converged":
            message = f"{type(self).__name__} has not converged ({self.status_}): {_ENDINGS[self.status_]}; "
            message += f"the objective {self.objective_:.6g} may be up to {self.gap_:.2g} above the least"
            warn(message, ConvergenceWarning)
        return result

    def _take(self, result: dict[str, Any], weights: Any, classes: int | None) -> None:
        for name in (
            "objective",
            "lower_bound",
            "gap",
            "status",
            "temperature",
            "radius",
            "weights",
            "losses",
            "threshold",
            "mean_loss",
            "effective_sample_size",
            "l2",
            "ordinary_loss",
            "distances",
            "history",
        ):
            setattr(self, f"{name}_", result[name])
        self.n_iter_ = max(result["history"].size - 1 if result["history"].size else result["iterations"], 1)
        self._reference = weights
        self._shape_coefficients(result["coefficients"], result["intercept"])

    @abstractmethod
    def _shape_coefficients(self, coefficients: NDArray[np.float64], intercept: NDArray[np.float64]) -> None:
        """Takes up the coefficients, as scikit-learn has them."""

    def _scores(self, X: Any) -> NDArray[np.float64]:
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float64, reset=False)
        scores: NDArray[np.float64] = X @ self.coef_.T + self.intercept_
        return scores

    def plot(self, ax: Any = None, bins: int = 40) -> Any:
        """Draws how the losses of the training rows are distributed, and how the worst case weighs them.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Where; a new figure by default.
        bins : int, default 40
            Bars.

        Returns
        -------
        matplotlib.axes.Axes
        """
        from . import _plots

        check_is_fitted(self)
        return _plots.losses(ax, bins, self.losses_, self._reference, self.weights_, self.threshold_)


class Regression(Numbers, Linear):
    """Labels that are numbers."""

    def _shape_coefficients(self, coefficients: NDArray[np.float64], intercept: NDArray[np.float64]) -> None:
        self.coef_, self.intercept_ = coefficients, float(intercept[0])

class Classification(Classes, Linear):
    """Labels that are the names of classes."""

    def _shape_coefficients(self, coefficients: NDArray[np.float64], intercept: NDArray[np.float64]) -> None:
        self.coef_, self.intercept_ = coefficients.reshape(len(intercept), -1), intercept
        if len(intercept) > 1:
            # A multinomial loss stays the same when all scores move alike; unless a penalty says so, nothing else does.
            self.intercept_ -= self.intercept_.mean()
            if self.l1 == self.l2_ == 0:
                self.coef_ -= self.coef_.mean(axis=0)

@documented
class RobustRegressor(Regression):
    """Linear regression for the worst case over the weights of the rows, fitted exactly.

    ::

        min over θ, θ₀ of  max over p of  Σ p_i ℓ(θx_i + θ₀, y_i)  with  D_f(p‖p̂) ≤ r,  plus l2·Σθ² + l1·Σ|θ|

    or, with a temperature λ, Σ p_i ℓ_i − λ D_f(p‖p̂) without a radius. p̂ are the `sample_weight`, normalised: equal ones
    by default.

    Parameters
    ----------
    [strength]
    [regression]
    [solvers]
    [precision]

    Attributes
    ----------
    coef_ : ndarray of shape (n_features,)
        θ, in the units of the features.
    intercept_ : float
        θ₀.
    [attributes]

    See Also
    --------
    RobustRegressorCV : With a strength chosen on held-out rows.
    risk : The worst-case mean of losses of another model.

    Examples
    --------
    >>> import numpy as np
    >>> from fenchel.robust import RobustRegressor
    >>> x = np.arange(40.0)
    >>> y = np.where(x > 35, 3 * x, x)  # a few rows of another kind
    >>> mean = RobustRegressor(divergence="mean").fit(x[:, None], y)
    >>> robust = RobustRegressor(divergence="kl", temperature=50.0).fit(x[:, None], y)
    >>> bool(robust.losses_.max() < 0.5 * mean.losses_.max())
    True
    >>> robust.status_, bool(robust.gap_ <= 1e-6 * robust.objective_)
    ('converged', True)
    """

    def __init__(
        self,
        *,
        divergence: Any = "kl",
        temperature: float | str | None = None,
        radius: float | None = None,
        loss: str = "squared",
        fit_intercept: bool = True,
        l2: float | None = None,
        l1: float = 0.0,
        standardize: bool = True,
        move_price: float | None = None,
        solver: str = "auto",
        batch_size: int | None = None,
        epochs: int | None = None,
        step: float | None = None,
        rho: float | None = None,
        momentum: float | None = None,
        averaging: bool = False,
        initial_threshold: float | None = None,
        tol: float = 1e-6,
        max_iter: int = 2000,
        max_time: float | None = 300.0,
        random_state: Any = None,
        progress: Any = False,
    ) -> None:
        keep(self, locals())


@documented
class RobustClassifier(Classification):
    """Linear classification for the worst case over the weights of the rows, fitted exactly.

    ::

        min over θ, θ₀ of  max over p of  Σ p_i ℓ(θx_i + θ₀, y_i)  with  D_f(p‖p̂) ≤ r,  plus l2·Σθ² + l1·Σ|θ|

    or, with a temperature λ, Σ p_i ℓ_i − λ D_f(p‖p̂) without a radius. p̂ are the `sample_weight`, normalised: equal ones
    by default.

    Parameters
    ----------
    [strength]
    [classification]
    [solvers]
    [precision]

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The classes, in order.
    coef_ : ndarray of shape (1, n_features) or (n_classes, n_features)
        θ, in the units of the features; one row for two classes, but for ``loss="multinomial"``.
    intercept_ : ndarray of shape (1,) or (n_classes,)
        θ₀.
    [attributes]

    See Also
    --------
    RobustClassifierCV : With a strength chosen on held-out rows.
    risk : The worst-case mean of losses of another model.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from fenchel import CVaR
    >>> from fenchel.robust import RobustClassifier
    >>> X, y = load_iris(return_X_y=True, as_frame=True)
    >>> model = RobustClassifier(divergence=CVaR(0.2), l2=1e-3).fit(X, y)
    >>> model.score(X, y) > 0.95, model.predict_proba(X[:2]).shape
    (True, (2, 3))
    """

    def __init__(
        self,
        *,
        divergence: Any = "kl",
        temperature: float | str | None = None,
        radius: float | None = None,
        loss: str = "logistic",
        fit_intercept: bool = True,
        l2: float = 1e-4,
        l1: float = 0.0,
        standardize: bool = True,
        move_price: float | None = None,
        solver: str = "auto",
        batch_size: int | None = None,
        epochs: int | None = None,
        step: float | None = None,
        rho: float | None = None,
        momentum: float | None = None,
        averaging: bool = False,
        initial_threshold: float | None = None,
        tol: float = 1e-6,
        max_iter: int = 2000,
        max_time: float | None = 300.0,
        random_state: Any = None,
        progress: Any = False,
    ) -> None:
        keep(self, locals())
