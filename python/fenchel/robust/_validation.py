"""Linear models whose strength is chosen on held-out rows, under a shift that is named."""

from __future__ import annotations

import time
import warnings
from numbers import Integral
from typing import Any, TypeVar

import numpy as np
from sklearn.model_selection import check_cv
from sklearn.utils.validation import check_is_fitted

from .. import _engine, errors
from .._runs import raise_stopped, reporting, warn
from .._values import number, whole
from ..divergences import Divergence
from ._estimators import Classification, Linear, Regression, documented
from ._models import ConvergenceWarning, keep, seed_of
from ._settings import RADIUS, Strength, divergence_name, settings, temperature

__all__ = ["RobustClassifierCV", "RobustRegressorCV"]

_Self = TypeVar("_Self", bound="Validated")

#: Candidates where none are given.
_CANDIDATES = 7

_SHIFTS = (
    "'none', 'reweighted', 'reweighted:RADIUS', 'reweighted:DIVERGENCE', 'group', 'group:COLUMN' "
    "or 'feature:COLUMN[:AMOUNT]'"
)


class Validated(Linear):
    """What the estimators that choose their strength have in common."""

    temperatures: Any
    radii: Any
    cv: Any
    shift: Any

    def fit(self: _Self, X: Any, y: Any, sample_weight: Any = None, groups: Any = None) -> _Self:
        """Chooses the strength, and fits to all rows with it.

        Parameters
        ----------
        X : array_like of shape (n_samples, n_features)
            Rows of finite numbers.
        y : array_like of shape (n_samples,)
            Labels: numbers, or for classifiers classes, which may be anything that can be ordered.
        sample_weight : array_like of shape (n_samples,), optional
            p̂ ≥ 0, in any unit: a row of weight 2 counts as two, in fits and in scores.
        groups : array_like of shape (n_samples,), optional
            For ``shift="group"``: which group each row belongs to. It goes to splitters of scikit-learn as well.

        Returns
        -------
        self

        Raises
        ------
        InvalidInputError
            As of the estimators without CV, and for rows that cannot be split.
        Interrupted
            After Ctrl-C; ``result`` is this estimator. It has coefficients if the strength had been chosen.
        """
        start = time.monotonic()
        name = divergence_name(self.divergence)
        kind, candidates = self._candidates(name)
        X, y, weights = self._examples(X, y, sample_weight, least=2)
        labels, loss, classes = self._problem(y)
        seed = seed_of(self.random_state)
        shift = self._shift(name, X, groups)
        folds = self._folds(X, y, groups, seed)
        told = settings(vars(self), loss, classes, candidates[0], seed)
        strengths = [candidate.radius if kind == "radius" else candidate.temperature for candidate in candidates]
        with reporting(self.progress) as report:
            chosen, stopped = _engine.robust_choose(X, labels, weights, told, strengths, folds, shift, report)
        if stopped is not None or chosen["best"] is None:
            self.status_ = chosen["status"]
            if stopped is not None:
                raise_stopped(stopped, self)
            raise errors.InvalidInputError(
                f"max_time is {self.max_time}; it must be more: it was spent before all strengths had a score"
            )
        self._take_scores(kind, chosen)
        self._run(X, labels, weights, loss, classes, candidates[self.best_index_], time.monotonic() - start)
        if chosen["status"] != "converged":
            warn(
                f"{sum(chosen['not_converged'])} of the fits that strengths were chosen by have not converged "
                f"({chosen['status']})",
                ConvergenceWarning,
            )
        return self

    def _candidates(self, name: str) -> tuple[str, list[Strength]]:
        """Temperatures or radii, the mildest first."""
        if not _engine.robust_has_strength(name):
            raise errors.InvalidInputError(
                f"divergence is {name!r}, which has neither temperature nor radius; there is nothing to choose"
            )
        if self.temperatures is not None and self.radii is not None:
            raise errors.InvalidInputError("temperatures and radii are both given; one of them must be None")
        if self.temperatures is None and self.radii is None:
            given = np.geomspace(RADIUS / 10, RADIUS * 10, _CANDIDATES).tolist()
            return "radius", [Strength(None, radius) for radius in given]
        kind = "temperature" if self.radii is None else "radius"
        given = self.temperatures if self.radii is None else self.radii
        plural = "temperatures" if self.radii is None else "radii"
        if isinstance(given, str) or not np.iterable(given) or not (given := list(given)):
            raise errors.InvalidInputError(f"{plural} is {given!r}; it must be a list of at least one")
        if kind == "radius":
            found = [Strength(None, number("radii", radius, least=0.0)) for radius in given]
            return kind, sorted(found, key=lambda strength: strength.radius or 0.0)
        found = [temperature(value, "temperatures") for value in given]
        if len({strength.relative for strength in found}) == 2:
            raise errors.InvalidInputError("temperatures has numbers and 'rel:' factors; it must be one or the other")
        return kind, sorted(found, key=lambda strength: -(strength.temperature or 0.0))

    def _folds(self, X: Any, y: Any, groups: Any, seed: int) -> Any:
        """How many folds and their seed, or pairs of indices."""
        cv = 5 if self.cv is None else self.cv
        if isinstance(cv, Integral):
            return whole("cv", cv, 2), seed
        rows = np.arange(X.shape[0])
        with warnings.catch_warnings():
            # They may be there for the shift only.
            warnings.filterwarnings("ignore", "The groups parameter is ignored")
            splits = list(check_cv(cv).split(X, y, groups))
        return [(rows[fitted].tolist(), rows[held].tolist()) for fitted, held in splits]

    def _shift(self, name: str, X: Any, groups: Any) -> dict[str, Any]:
        """The shift in the engine's terms."""
        told: dict[str, Any] = {"reweighted": None, "groups": None, "feature": None}
        if isinstance(self.shift, Divergence):
            told["reweighted"] = reweighting(divergence_name(self.shift), RADIUS)
            return told
        if not isinstance(self.shift, str):
            raise errors.InvalidTypeError(f"shift is of type {type(self.shift).__name__}; it must be {_SHIFTS}")
        kind, _, rest = (part.strip() for part in self.shift.strip().partition(":"))
        if kind == "reweighted":
            try:
                radius = number("radius of shift", float(rest) if rest else RADIUS, least=0.0)
                told["reweighted"] = reweighting(name, radius)
            except ValueError as error:
                if isinstance(error, errors.InvalidInputError):
                    raise
                told["reweighted"] = reweighting(divergence_name(rest), RADIUS)
        elif kind == "group" and not rest:
            if groups is None:
                raise errors.InvalidInputError("shift is 'group', and groups is None; fit must be given groups")
            groups = np.asarray(groups)
            if groups.shape not in ((X.shape[0],), (X.shape[0], 1)):
                raise errors.ShapeError(f"groups: expected one for each of {X.shape[0]} rows, found shape {groups.shape}")
            try:
                told["groups"] = np.unique(groups.ravel(), return_inverse=True)[1].tolist()
            except TypeError:
                raise errors.InvalidTypeError(
                    "groups has values that cannot be ordered, such as None, or NaN among text; they must be of one kind"
                ) from None
        elif kind == "group":
            told["groups"] = np.unique(X[:, self._column(rest)], return_inverse=True)[1].tolist()
        elif kind == "feature" and rest:
            column, amount = self._amount(rest)
            told["feature"] = (np.ascontiguousarray(X[:, column]), amount)
        elif kind != "none" or rest:
            raise errors.InvalidInputError(f"shift is {self.shift!r}; it must be {_SHIFTS}")
        return told

    def _amount(self, text: str) -> tuple[int, float]:
        """The column that moves, and by how much: what stands after a last colon, unless that belongs to its name."""
        name, colon, amount = text.rpartition(":")
        if colon and text not in getattr(self, "feature_names_in_", ()):
            try:
                return self._column(name), float(amount)
            except ValueError as error:
                if isinstance(error, errors.InvalidInputError):
                    raise
        return self._column(text), 1.0

    def _column(self, name: str) -> int:
        """A feature by its name, or its number from 0."""
        names = list(getattr(self, "feature_names_in_", ()))
        if name in names:
            return names.index(name)
        if name.isdecimal() and int(name) < self.n_features_in_:
            return int(name)
        known = ", ".join(names[:10]) + (", …" if len(names) > 10 else "")
        expected = (f"one of {known}, or " if known else "") + f"a number from 0 to {self.n_features_in_ - 1}"
        raise errors.InvalidInputError(f"column of shift is {name!r}; it must be {expected}")

    def _take_scores(self, kind: str, chosen: dict[str, Any]) -> None:
        means = np.array(chosen["mean"])
        order = np.argsort(means, kind="stable")
        rank = np.empty(len(means), dtype=int)
        rank[order] = np.arange(1, len(means) + 1)
        self.cv_results_ = {
            kind: np.array(chosen["strengths"]),
            "mean_test_loss": means,
            "standard_error": np.array(chosen["standard_error"]),
            "rank_test_loss": rank,
            "not_converged": np.array(chosen["not_converged"]),
        }
        for fold, losses in enumerate(np.array(chosen["folds"]).T):
            self.cv_results_[f"split{fold}_test_loss"] = losses
        self.best_index_ = chosen["best"]
        self.best_loss_ = float(means[self.best_index_])
        best = float(chosen["strengths"][self.best_index_])
        self.best_temperature_ = best if kind == "temperature" else None
        self.best_radius_ = best if kind == "radius" else None

    def plot_scores(self, ax: Any = None) -> Any:
        """Draws the scores of the candidates, with their standard errors.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Where; a new figure by default.

        Returns
        -------
        matplotlib.axes.Axes
        """
        from . import _plots

        check_is_fitted(self, "cv_results_")
        kind = "temperature" if self.best_radius_ is None else "radius"
        found = self.cv_results_
        return _plots.scores(ax, kind, found[kind], found["mean_test_loss"], found["standard_error"], self.best_index_)


@documented
class RobustRegressorCV(Regression, Validated):
    """Linear regression for the worst case whose strength is chosen on held-out rows.

    Cross-validation on the mean of held-out losses mostly chooses the ordinary fit, and rightly so: where nothing differs
    there is nothing to guard against. So the shift that the rows to come may have is named, and the strength of least loss
    under it wins.

    Parameters
    ----------
    divergence : Divergence or str, default "kl"
        What keeps the worst case near the rows at hand; see :mod:`fenchel.divergences`.
    temperatures : list of float or of str, optional
        Candidates for λ, in units of the loss or relative: ``["rel:0.1", "rel:1"]``.
    radii : list of float, optional
        Candidates for the radius; 7 from 0.01 to 1 unless there are temperatures.
    shift : str or Divergence, default "reweighted"
        What the rows to come may be like, which decides the score of held-out rows:

        * ``none``: as those at hand; the mean loss.
        * ``reweighted``, ``reweighted:0.5``: the worst mean within radius 0.1, or another, of the divergence of the fit.
        * ``reweighted:cvar:0.1``, or ``CVaR(0.1)``: of a divergence of its own.
        * ``group``, ``group:COLUMN``: other shares of groups, those of `groups` or the values of a feature; the largest
          mean of one.
        * ``feature:COLUMN``, ``feature:COLUMN:-0.5``: a feature is larger by one standard deviation, or by so many; a mean
          with importance weights.

        A column is a feature's name or its number from 0.
    cv : int, splitter or iterable of (train, test), default 5
        Folds, drawn under `random_state` so that classes and groups have their share in each; or splits of one's own.
    [regression]
    [precision_cv]

    Attributes
    ----------
    best_radius_, best_temperature_ : float or None
        The chosen strength, whichever it is.
    best_loss_, best_index_ : float and int
        Its score and its place among the candidates, which are sorted from the mildest.
    cv_results_ : dict of ndarrays
        A number for each candidate: ``radius`` or ``temperature``, ``mean_test_loss``, ``standard_error`` (of the mean, as
        if folds were independent), ``rank_test_loss``, ``not_converged`` (fits that did not converge),
        ``split0_test_loss``, ….
    coef_ : ndarray of shape (n_features,)
        θ, in the units of the features.
    intercept_ : float
        θ₀.
    [attributes]

    Examples
    --------
    >>> import numpy as np
    >>> from fenchel.robust import RobustRegressorCV
    >>> x = np.arange(60.0) % 7 - 3
    >>> group = np.arange(60) % 10 == 0
    >>> y = np.where(group, 3 * x, x)
    >>> RobustRegressorCV(radii=[0, 0.1, 1], shift="none").fit(x[:, None], y).best_radius_
    0.0
    >>> RobustRegressorCV(radii=[0, 0.1, 1], shift="group").fit(x[:, None], y, groups=group).best_radius_
    1.0
    """

    def __init__(
        self,
        *,
        divergence: Any = "kl",
        temperatures: Any = None,
        radii: Any = None,
        shift: Any = "reweighted",
        cv: Any = None,
        loss: str = "squared",
        fit_intercept: bool = True,
        l2: float | None = None,
        l1: float = 0.0,
        standardize: bool = True,
        move_price: float | None = None,
        tol: float = 1e-6,
        max_iter: int = 2000,
        max_time: float | None = 300.0,
        random_state: Any = None,
        progress: Any = False,
    ) -> None:
        keep(self, locals())


@documented
class RobustClassifierCV(Classification, Validated):
    """Linear classification for the worst case whose strength is chosen on held-out rows.

    Cross-validation on the mean of held-out losses mostly chooses the ordinary fit, and rightly so: where nothing differs
    there is nothing to guard against. So the shift that the rows to come may have is named, and the strength of least loss
    under it wins.

    Parameters
    ----------
    divergence : Divergence or str, default "kl"
        What keeps the worst case near the rows at hand; see :mod:`fenchel.divergences`.
    temperatures : list of float or of str, optional
        Candidates for λ, in units of the loss or relative: ``["rel:0.1", "rel:1"]``.
    radii : list of float, optional
        Candidates for the radius; 7 from 0.01 to 1 unless there are temperatures.
    shift : str or Divergence, default "reweighted"
        What the rows to come may be like, which decides the score of held-out rows:

        * ``none``: as those at hand; the mean loss.
        * ``reweighted``, ``reweighted:0.5``: the worst mean within radius 0.1, or another, of the divergence of the fit.
        * ``reweighted:cvar:0.1``, or ``CVaR(0.1)``: of a divergence of its own.
        * ``group``, ``group:COLUMN``: other shares of groups, those of `groups` or the values of a feature; the largest
          mean of one.
        * ``feature:COLUMN``, ``feature:COLUMN:-0.5``: a feature is larger by one standard deviation, or by so many; a mean
          with importance weights.

        A column is a feature's name or its number from 0.
    cv : int, splitter or iterable of (train, test), default 5
        Folds, drawn under `random_state` so that classes and groups have their share in each; or splits of one's own.
    [classification]
    [precision_cv]

    Attributes
    ----------
    best_radius_, best_temperature_ : float or None
        The chosen strength, whichever it is.
    best_loss_, best_index_ : float and int
        Its score and its place among the candidates, which are sorted from the mildest.
    cv_results_ : dict of ndarrays
        A number for each candidate: ``radius`` or ``temperature``, ``mean_test_loss``, ``standard_error`` (of the mean, as
        if folds were independent), ``rank_test_loss``, ``not_converged`` (fits that did not converge),
        ``split0_test_loss``, ….
    classes_ : ndarray of shape (n_classes,)
        The classes, in order.
    coef_ : ndarray of shape (1, n_features) or (n_classes, n_features)
        θ, in the units of the features; one row for two classes, but for ``loss="multinomial"``.
    intercept_ : ndarray of shape (1,) or (n_classes,)
        θ₀.
    [attributes]

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from fenchel.robust import RobustClassifierCV
    >>> X, y = load_breast_cancer(return_X_y=True, as_frame=True)
    >>> X = X.iloc[:, :3]
    >>> model = RobustClassifierCV(radii=[0.03, 0.3], shift="feature:mean radius:0.5", cv=3, l2=1e-3).fit(X, y)
    >>> model.best_radius_ in (0.03, 0.3), model.score(X, y) > 0.8
    (True, True)
    """

    def __init__(
        self,
        *,
        divergence: Any = "kl",
        temperatures: Any = None,
        radii: Any = None,
        shift: Any = "reweighted",
        cv: Any = None,
        loss: str = "logistic",
        fit_intercept: bool = True,
        l2: float = 1e-4,
        l1: float = 0.0,
        standardize: bool = True,
        move_price: float | None = None,
        tol: float = 1e-6,
        max_iter: int = 2000,
        max_time: float | None = 300.0,
        random_state: Any = None,
        progress: Any = False,
    ) -> None:
        keep(self, locals())


def reweighting(name: str, radius: float | None) -> tuple[str, float | None]:
    """A divergence with its radius, where it has one."""
    return name, radius if _engine.robust_has_strength(name) else None
