"""How networks are trained and put to use, in the manner of scikit-learn."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted, validate_data

from .. import _engine, errors
from .._runs import raise_stopped, reporting, warn
from .._values import number, path, switch, whole
from ._models import Classes, ConvergenceWarning, Numbers, aligned, examples, seed_of
from ._risk import WorstCase, risk
from ._settings import Strength, divergence_name, settings, strength

_Self = TypeVar("_Self", bound="Network")

#: What statuses say that are not what was asked for.
_ENDINGS = {
    "max_iterations": "the rows held back got better within the last n_iter_no_change of all passes that epochs allows",
    "max_time": "the time of max_time is spent",
    "diverged": "numbers left the range of finite numbers; a smaller step, or none for one that is found, may help",
}

#: How gradients become steps.
_SOLVERS = ("sgd", "adam")

#: The fit whose scores are constant.
_NOTHING = {"divergence": "mean", "fit_intercept": True, "standardize": False, "l2": 0.0, "l1": 0.0, "move_price": None}
_NOTHING |= {"tol": 1e-9, "max_iter": 2000, "max_time": None}


class Network(BaseEstimator, ABC):
    """What all networks have in common."""

    divergence: Any
    temperature: Any
    loss: Any
    method: Any
    rho: Any
    solver: Any
    step: Any
    momentum: Any
    batch_size: Any
    epochs: Any
    early_stopping: Any
    validation_fraction: Any
    n_iter_no_change: Any
    watch: Any
    standardize: Any
    move_price: Any
    move_steps: Any
    warm_start: Any
    checkpoint: Any
    resume: Any
    max_time: Any
    random_state: Any
    progress: Any

    def fit(self: _Self, X: Any, y: Any) -> _Self:
        """Trains the network.

        Parameters
        ----------
        X : array_like of shape (n_samples, n_features)
            Rows of finite numbers. All rows count alike: there are no sample weights.
        y : array_like of shape (n_samples,)
            Labels: numbers, or for classifiers classes, which may be anything that can be ordered.

        Returns
        -------
        self

        Raises
        ------
        InvalidInputError
            For numbers that are NaN or infinite (the message has row and column, from 1), labels that the loss does not
            take, and parameters outside their domain.
        Interrupted
            After Ctrl-C; ``result`` is this estimator with the best network so far.
        """
        before = self._before()
        name = divergence_name(self.divergence)
        found = strength(name, self.temperature, None)
        if found.radius is not None:
            raise errors.InvalidInputError(
                f"temperature is None; it must be a finite number above 0, or text such as 'rel:0.5', for divergence {name!r}"
            )
        seed = seed_of(self.random_state)
        X, y = examples(self, X, y)
        _expect_finite(X, "X")
        labels, loss, classes = self._problem(y)
        _expect_finite(labels, "y")
        make = self._make(X.shape[1], 1 if classes is None else classes)
        kept, held = self._split(len(labels), seed)
        # What parameters mean.
        sort = make, list(getattr(self, "classes_", [])), _engine.robust_loss(loss)[0], switch("standardize", self.standardize)
        initial = None
        if before is not None and before[0] == sort:
            initial = before[1]  # with its units
        else:
            self._find_units(X[kept], labels[kept], loss)
        told = self._settings(name, found, labels[kept], loss, classes, seed)
        rows = self._rows(X)
        self._run(
            (rows[kept], labels[kept]),
            None if held is None else (rows[held], labels[held]),
            make,
            told,
            sort,
            initial,
        )
        return self

    def _before(self) -> tuple[Any, NDArray[np.float32]] | None:
        """What an earlier fit has left, if the next is to start there."""
        if switch("warm_start", self.warm_start) and hasattr(self, "parameters_"):
            return self._sort, self.parameters_
        return None

    @abstractmethod
    def _problem(self, y: Any) -> tuple[NDArray[np.float64], str, int | None]:
        """Labels as the loss takes them, the loss, and for how many classes, if that matters."""

    @abstractmethod
    def _make(self, inputs: int, outputs: int) -> dict[str, Any]:
        """What the network is made of."""

    @abstractmethod
    def _feature_units(self, X: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """What is subtracted from features, and what they are divided by then."""

    def _split(self, n: int, seed: int) -> tuple[Any, NDArray[np.int64] | None]:
        """Rows to train on, and rows that are held back, if any are."""
        stops = switch("early_stopping", self.early_stopping)
        share = number("validation_fraction", self.validation_fraction, above=0.0, below=1.0)
        self.validation_rows_ = None
        if not stops or share is None:
            return slice(None), None
        if n < 2:
            raise errors.ShapeError(f"X: expected at least 2 rows for early_stopping, found {n}")
        order = np.random.default_rng(seed).permutation(n)
        count = min(max(round(share * n), 1), n - 1)
        self.validation_rows_ = np.sort(order[:count])
        return np.sort(order[count:]), self.validation_rows_

    def _find_units(self, X: NDArray[np.float64], labels: NDArray[np.float64], loss: str) -> None:
        """Units in which features and scores are about as large as 1."""
        self.feature_shift_, self.feature_scale_ = np.zeros(X.shape[1]), np.ones(X.shape[1])
        self._units: tuple[float, float] | None = None
        if not switch("standardize", self.standardize):
            return
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            self.feature_shift_, scale = self._feature_units(X)
            self.feature_scale_ = np.where((scale > 0) & np.isfinite(scale), scale, 1.0)
            kind = _engine.robust_loss(loss)[0]
            mean, deviation = float(labels.mean()), float(labels.std())
        if kind == "real":
            self._units = (deviation if 0 < deviation < math.inf else 1.0, mean)
        elif kind == "count" and mean > 0:
            self._units = (1.0, math.log(mean))

    def _rows(self, X: NDArray[np.float64]) -> NDArray[np.float32]:
        """Rows in units of the network."""
        with np.errstate(over="ignore", invalid="ignore"):
            rows: NDArray[np.float32] = ((X - self.feature_shift_) / self.feature_scale_).astype(np.float32)
        return rows

    def _settings(
        self, name: str, found: Strength, labels: NDArray[np.float64], loss: str, classes: int | None, seed: int
    ) -> dict[str, Any]:
        solver, momentum = self.solver, number("momentum", self.momentum, least=0.0, below=1.0, optional=True)
        if not isinstance(solver, str):
            raise errors.InvalidTypeError(f"solver is of type {type(solver).__name__}; it must be 'sgd' or 'adam'")
        if solver not in _SOLVERS:
            raise errors.InvalidInputError(f"solver is {solver!r}; it must be 'sgd' or 'adam'")
        if solver == "adam" and momentum is not None:
            raise errors.InvalidInputError("momentum is given; it must be left out for solver='adam': it is of 'sgd'")
        rho = number("rho", self.rho, above=0.0, below=1.0, optional=True)
        method = _text("method", self.method, "joint")
        if rho is not None and (method, name) != ("joint", "kl"):
            raise errors.InvalidInputError(
                "rho is given; it must be left out: it is of safe KL, for method='joint' with divergence='kl'"
            )
        self.constant_loss_, self.temperature_ = None, found.temperature
        if found.relative:
            self.constant_loss_ = _constant_loss(labels, loss, classes)
            self.temperature_ = (found.temperature or 1.0) * (self.constant_loss_ or 1.0)
        # Parameters are looked at whether or not they matter.
        patience = whole("n_iter_no_change", self.n_iter_no_change, 1)
        return {
            "loss": loss,
            "units": self._units,
            "divergence": name,
            "temperature": self.temperature_,
            "move_price": number("move_price", self.move_price, above=0.0, optional=True),
            "move_steps": whole("move_steps", self.move_steps, 0),
            "method": method,
            "rho": rho,
            "adam": solver == "adam",
            "momentum": 0.9 if momentum is None else momentum,
            "batch_size": whole("batch_size", self.batch_size, 1),
            "epochs": whole("epochs", self.epochs, 1),
            "step": number("step", self.step, above=0.0, optional=True),
            "patience": patience if self.early_stopping else None,
            "watch": _text("watch", self.watch, "risk"),
            "max_time": number("max_time", self.max_time, above=0.0, optional=True),
            "seed": seed,
        }

    def _run(self, rows: Any, held: Any, make: dict[str, Any], told: dict[str, Any], sort: Any, initial: Any) -> None:
        """Trains, takes up what was found, and says how it ended."""
        checkpoint = None if self.checkpoint is None else path("checkpoint", self.checkpoint)
        resume = None if self.resume is None else path("resume", self.resume)
        with reporting(self.progress) as report:
            result, stopped, outdated = _engine.network_train(rows, held, make, told, initial, report, checkpoint, resume)
        self._made, self._told, self._sort = make, told, sort
        for name in ("parameters", "status", "objective", "threshold", "step", "rho", "overflows", "history"):
            setattr(self, f"{name}_", result[name])
        self.validation_history_ = result["validation_" + told["watch"]]
        self.epoch_, self.n_steps_ = result["epoch"], result["steps"]
        self.n_iter_ = max(self.history_.size - 1, 1)
        if outdated is not None:
            warn(f"the checkpoint is an old one: {outdated}", RuntimeWarning)
        if stopped is not None:
            raise_stopped(stopped, self)
        # All passes that were asked for are no fault, unless they were to end before.
        if self.status_ in _ENDINGS and (self.status_ != "max_iterations" or self.early_stopping):
            message = f"{type(self).__name__} ended as {self.status_}: {_ENDINGS[self.status_]}; "
            warn(message + f"the network is that of pass {self.epoch_}, with objective {self.objective_:.6g}", ConvergenceWarning)
        # With a step that is found the passes that they spoil are undone.
        elif self.overflows_ and told["step"] is not None:
            message = f"{type(self).__name__} passed over batches of which weights or gradients were not finite numbers"
            warn(f"{message}, {self.overflows_} in all, with method {told['method']!r}", ConvergenceWarning)

    def _raw(self, X: Any) -> NDArray[np.float64]:
        """Scores of rows in the units of labels, one column a score."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float64, reset=False)
        found = _engine.network_scores(self._made, self.parameters_, self._rows(X)).astype(np.float64)
        scale, shift = self._units or (1.0, 0.0)
        scores: NDArray[np.float64] = shift + scale * found
        return scores

    def _labelled(self, X: Any, y: Any) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        """Rows in units of the network, and labels as its loss takes them."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float64, reset=False)
        y = self._labels(np.asarray(y))
        if y.shape != (len(X),):
            raise errors.ShapeError(f"y: expected one label for each of {len(X)} rows, found shape {y.shape}")
        return self._rows(X), y

    @abstractmethod
    def _labels(self, y: NDArray[Any]) -> NDArray[np.float64]:
        """Labels as the loss of the fit takes them."""

    def losses(self, X: Any, y: Any) -> NDArray[np.float64]:
        """The loss of each row; with `move_price` the largest less the price of moving there.

        Parameters
        ----------
        X : array_like of shape (n_samples, n_features)
            Rows.
        y : array_like of shape (n_samples,)
            Their labels.

        Returns
        -------
        ndarray of shape (n_samples,)
        """
        rows = self._labelled(X, y)
        found: NDArray[np.float64] = _engine.network_losses(rows, self._made, self._told, self.parameters_)[0]
        return found

    def worst_case(self, X: Any, y: Any) -> WorstCase:
        """The worst case over the weights of rows: of the training rows, its value is ``objective_``.

        Parameters
        ----------
        X : array_like of shape (n_samples, n_features)
            Rows.
        y : array_like of shape (n_samples,)
            Their labels.

        Returns
        -------
        WorstCase
            With the value, the weight of each row, the threshold above which losses count, the temperature and the
            divergence of the weights.
        """
        return risk(self.losses(X, y), self._told["divergence"], temperature=self.temperature_)

    def move(self, X: Any, y: Any) -> NDArray[np.float64]:
        """Where the worst case moves rows to, at the price `move_price`; their labels stay.

        Parameters
        ----------
        X : array_like of shape (n_samples, n_features)
            Rows.
        y : array_like of shape (n_samples,)
            Their labels.

        Returns
        -------
        ndarray of shape (n_samples, n_features)
            In the units of X.
        """
        rows = self._labelled(X, y)
        if self._told["move_price"] is None:
            raise errors.InvalidInputError("move_price is None; it must be a number for rows to be moved")
        moved = _engine.network_losses(rows, self._made, self._told, self.parameters_)[1]
        found: NDArray[np.float64] = moved.astype(np.float64) * self.feature_scale_ + self.feature_shift_
        return found


def _expect_finite(numbers: NDArray[np.float64], name: str) -> None:
    """Refuses NaN and infinity, and says where they are."""
    finite = np.isfinite(numbers)
    if finite.all():
        return
    at = np.unravel_index(int(finite.argmin()), numbers.shape)
    place = ", ".join(f"{axis} {i + 1}" for axis, i in zip(("row", "column"), at, strict=False))
    value = numbers[at]
    shown = "NaN" if np.isnan(value) else f"{value}"
    raise errors.NonFiniteError(f"{name} at {place} is {shown}; it must be a finite number")


def _text(name: str, value: Any, example: str) -> str:
    if not isinstance(value, str):
        raise errors.InvalidTypeError(f"{name} is of type {type(value).__name__}; it must be a name such as {example!r}")
    return value.strip()


def _constant_loss(labels: NDArray[np.float64], loss: str, classes: int | None) -> float:
    """The mean loss of the constant score for which it is least."""
    told = settings(_NOTHING, loss, classes, Strength(None, None), 0)
    result, stopped = _engine.robust_fit(np.zeros((len(labels), 1)), aligned(labels), None, told, None)
    if stopped is not None:
        raise stopped
    return float(result["mean_loss"])


class Perceptron(Network):
    """Layers of units."""

    hidden_layer_sizes: Any
    activation: Any

    def _make(self, inputs: int, outputs: int) -> dict[str, Any]:
        given = self.hidden_layer_sizes
        sizes = [given] if np.ndim(given) == 0 else list(given)
        return {
            "inputs": inputs,
            "outputs": outputs,
            "hidden": [whole("hidden_layer_sizes", units, 1) for units in sizes],
            "activation": _text("activation", self.activation, "relu"),
            "image": None,
        }

    def _feature_units(self, X: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        return X.mean(axis=0), X.std(axis=0)

    def _layers(self) -> list[tuple[NDArray[np.float32], NDArray[np.float32]]]:
        check_is_fitted(self)
        make, at, layers = self._made, 0, []
        sizes = [make["inputs"], *make["hidden"], make["outputs"]]
        for inputs, units in zip(sizes[:-1], sizes[1:], strict=True):
            end = at + inputs * units
            layers.append((self.parameters_[at:end].reshape(inputs, units), self.parameters_[end : end + units]))
            at = end + units
        return layers

    @property
    def coefs_(self) -> list[NDArray[np.float32]]:
        """Weights of each layer, inputs × units; features and scores in units of the network."""
        return [weights for weights, _ in self._layers()]

    @property
    def intercepts_(self) -> list[NDArray[np.float32]]:
        """What each layer adds."""
        return [biases for _, biases in self._layers()]


class Convolutions(Network):
    """Networks for images."""

    image_shape: Any

    def _make(self, inputs: int, outputs: int) -> dict[str, Any]:
        given = self.image_shape
        if given is None:
            side = math.isqrt(inputs)
            if side * side != inputs:
                raise errors.ShapeError(
                    f"image_shape is None, for square images of one channel, and X has {inputs} columns; "
                    "it must be (channels, height, width)"
                )
            given = (1, side, side)
        try:
            shape = tuple(given)
        except TypeError:
            shape = ()
        if len(shape) != 3:
            raise errors.InvalidInputError(f"image_shape is {given!r:.60}; it must be (channels, height, width)")
        channels, height, width = (whole("image_shape", size, 1) for size in shape)
        if math.prod(shape) != inputs:
            raise errors.ShapeError(
                f"X: expected {math.prod(shape)} columns for images of shape {shape}, found {inputs}"
            )
        image = (channels, height, width)
        return {"inputs": inputs, "outputs": outputs, "hidden": [], "activation": "relu", "image": image}

    def _feature_units(self, X: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        # Of each channel: pixels that are hardly ever other than 0 must not be blown up.
        channels = self._make(X.shape[1], 1)["image"][0]
        pixels = X.reshape(len(X), channels, -1)
        mean, deviation = pixels.mean(axis=(0, 2)), pixels.std(axis=(0, 2))
        return np.repeat(mean, pixels.shape[2]), np.repeat(deviation, pixels.shape[2])


class NetworkNumbers(Numbers):
    """Scores that are numbers."""

    def _scores(self, X: Any) -> NDArray[np.float64]:
        scores: NDArray[np.float64] = self._raw(X)[:, 0]
        return scores

    def _labels(self, y: NDArray[Any]) -> NDArray[np.float64]:
        labels = self._problem(y)[0]
        _expect_finite(labels, "y")
        return labels


class NetworkClasses(Classes):
    """Scores that are of classes."""

    def _scores(self, X: Any) -> NDArray[np.float64]:
        scores: NDArray[np.float64] = self._raw(X)
        return scores

    def _labels(self, y: NDArray[Any]) -> NDArray[np.float64]:
        at = np.searchsorted(self.classes_, y).clip(max=len(self.classes_) - 1)
        if (wrong := self.classes_[at] != y).any():
            row = int(wrong.argmax())
            found = y[row : row + 1].tolist()[0]
            raise errors.InvalidInputError(f"y at row {row + 1} is {found!r}; it must be one of the classes of the fit")
        if self._made["outputs"] == 1:
            return np.where(at == 1, 1.0, -1.0)
        return at.astype(np.float64)
