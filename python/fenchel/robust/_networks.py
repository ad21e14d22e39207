"""Networks in the manner of scikit-learn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from ._models import keep
from ._training import Convolutions, NetworkClasses, NetworkNumbers, Perceptron

__all__ = ["RobustCNNClassifier", "RobustCNNRegressor", "RobustMLPClassifier", "RobustMLPRegressor"]

_OBJECTIVE = """
    ::

        min over θ, α of  mean over i of  α + λ f*((ℓ_i(θ) − α)/λ)

    which is the smooth maximum of the losses of all rows, by stochastic gradients: those of batches are unbiased. `method` and
    `rho` say which, `step` need not be given. The objective that is reported is exact. It need not be the least: networks have
    no certificate.
"""

_NOTES = """
    Features and parameters are float32, everything about losses float64. The same seed gives the same bits for any number of threads.
    All rows count alike: there are no sample weights.

    "Improved Stochastic Optimization of LogSumExp", 2025. Moves: Wang, Shen, Zavlanos and Johansson, 2024.
"""

_RISK = """
    divergence : Divergence or str, default "kl"
        What keeps the worst case near the rows at hand (see :mod:`fenchel.divergences`), or ``"mean"`` for ordinary training.
        One that all rows share.
    temperature : float or str, default "rel:1"
        λ > 0, in units of the loss, or relative to the mean loss of the best constant score: ``"rel:0.5"`` (of 1, where that
        loss is 0). The smaller it is, the more the largest losses count. None for ``"cvar:0.1"`` and ``"mean"``, which have none.
"""

_REGRESSION = """
    loss : str, default "squared"
        ``squared``, ``absolute``, ``huber[:δ]``, ``quantile[:τ]``, or ``poisson`` for counts, where predictions are exp(score).
"""

_CLASSIFICATION = """
    loss : str, default "logistic"
        ``logistic``, or ``multinomial`` (which stands in for it where there are more than two classes), ``hinge``,
        ``smoothed-hinge[:γ]``.
"""

_PERCEPTRON = """
    hidden_layer_sizes : sequence of int, default (256, 128)
        Units of the hidden layers. Without any the network is a linear model.
    activation : str, default "relu"
        What follows each hidden layer: ``relu``, ``softplus`` or ``tanh``.
"""

_CONVOLUTIONS = """
    image_shape : (int, int, int), optional
        Channels, height and width of the images, at least 10 pixels high and wide. A row of X is one image, channel by
        channel, each row by row: ``images.reshape(len(images), -1)``. None: square images of one channel.
"""

_TRAINING = """
    method : str, default "joint"
        What a row of a batch of b weighs. ``joint``: (f*)'((ℓ − α)/λ)/b, f being safe KL for KL, with the threshold α learned
        with the network. To compare with: ``dual-sgm``, the same with f as it is, ``batch-weights``, the worst case of the batch,
        ``sum-of-exponentials``, exp(ℓ/λ)/b.
    rho : float, optional
        ρ of safe KL, above 0 and below 1 (0.01): weights stay below 1/ρ.
    solver : {{"sgd", "adam"}}, default "sgd"
        How gradients become steps: Nesterov's momentum, or Adam.
    step : float, optional
        Step size; None: found by short runs, and then changed by how passes end. With a step that is given nothing is undone.
    momentum : float, optional
        Of ``sgd`` (0.9).
    batch_size : int, default 100
        Rows in a batch.
    epochs : int, default 100
        Passes over the rows, at most.
    early_stopping : bool, default False
        Whether rows are held back, the best network on them is kept, and training ends where they get no better.
    validation_fraction : float, default 0.1
        Share of rows that is held back then.
    n_iter_no_change : int, default 10
        Passes that they may get no better.
    watch : {{"risk", "loss", "accuracy"}}, default "risk"
        What of them: the risk, the mean loss, or for classes the share of right answers.
    standardize : bool, default True
        Whether the network sees features {units}. Its weights, and prices of moves, are in those units;
        the loss and predictions are in those of the labels all the same.
    move_price : float, optional
        Price κ at which the worst case may also move rows, for each unit of squared distance (in standard deviations with
        `standardize`); labels stay. With KL that is the worst case over unbalanced transport.
    move_steps : int, default 5
        Steps of ascent by which the worst place is found.
    warm_start : bool, default False
        Whether fit goes on from the network of the last fit, with its units, where it is of the same make.
    checkpoint : path, optional
        File for the state of the training, written now and then and at its end, always whole.
    resume : path, optional
        Go on from such a file. Rows and parameters must be the same, but for `epochs`, `max_time` and `progress`; the result has
        the bits of a training that was not interrupted.
    max_time : float, optional, default 300.0
        Seconds, at most; None is unlimited. The best network so far is kept, with a warning.
    random_state : int, numpy.random.Generator, RandomState or None
        Seed of the first network, of the order of rows and of those held back. None stands for 0: the same fit every time.
    progress : bool or callable, default False
        True for a progress bar, or what is called with phase, fraction done, samples, error (what is watched of the rows held
        back) and NaN.
"""

_ATTRIBUTES = """
    parameters_ : ndarray of float32
        All parameters of the network, one row of numbers.
    objective_ : float
        The risk of the training rows at the network: exact, KL as it is.
    threshold_ : float
        α there: losses above it count.
    temperature_ : float or None
        λ.
    constant_loss_ : float or None
        Mean loss of the best constant score, where the temperature is relative to it.
    status_ : str
        How training ended: ``max_iterations`` after all passes, ``stalled`` where rows held back got no better, ``max_time``,
        ``diverged``, ``interrupted``. A network is never called converged.
    history_ : ndarray
        The objective at the start and after each pass.
    validation_history_ : ndarray or None
        What is watched of the rows held back, likewise.
    validation_rows_ : ndarray or None
        Which rows were held back.
    epoch_ : int
        The pass that the network is from, 0 being the start: an index of `history_`.
    n_iter_, n_steps_ : int
        Passes and gradient steps made.
    step_, rho_ : float
        The step size at the end; ρ of safe KL, or None.
    overflows_ : int
        Batches of which weights or gradients were not finite numbers. They were passed over; ``sum-of-exponentials`` ends there.
    feature_shift_, feature_scale_ : ndarray of shape (n_features,)
        What is subtracted from features, and what they are divided by then.
    n_features_in_, feature_names_in_
        As everywhere in scikit-learn.
"""

_DOCUMENTED = {
    "objective": _OBJECTIVE,
    "notes": _NOTES,
    "risk": _RISK,
    "regression": _REGRESSION,
    "classification": _CLASSIFICATION,
    "perceptron": _PERCEPTRON,
    "convolutions": _CONVOLUTIONS,
    "training": _TRAINING.format(units="less their mean, in standard deviations"),
    "training_images": _TRAINING.format(units="less the mean of their channel, in its standard deviations"),
    "attributes": _ATTRIBUTES,
}

_Class = TypeVar("_Class", bound=type)


def _documented(cls: _Class) -> _Class:
    """Puts in what the documentation of several classes has in common."""
    text = cls.__doc__ or ""
    for name, part in _DOCUMENTED.items():
        text = text.replace(f"    [{name}]", part.strip("\n"))
    cls.__doc__ = text
    return cls


@_documented
class RobustMLPRegressor(NetworkNumbers, Perceptron):
    """A perceptron for regression, trained for the worst case over the weights of the rows.

    [objective]

    Parameters
    ----------
    [perceptron]
    [risk]
    [regression]
    [training]

    Attributes
    ----------
    coefs_, intercepts_ : list of ndarray
        Weights, inputs × units, and what is added then, of each layer, as views of `parameters_`.
    [attributes]

    See Also
    --------
    RobustRegressor : Linear models, fitted exactly.
    RobustMLPClassifier : For classes.

    Notes
    -----
    [notes]

    Examples
    --------
    >>> import numpy as np
    >>> from fenchel.robust import RobustMLPRegressor, risk
    >>> rng = np.random.default_rng(0)
    >>> x = rng.uniform(-2, 2, size=(400, 2))
    >>> y = np.sin(2 * x[:, 0]) + 0.3 * x[:, 1] + 3 * (x[:, 0] > 1.8)  # a few rows of another kind
    >>> model = RobustMLPRegressor(hidden_layer_sizes=(32,), temperature=0.1, batch_size=40).fit(x, y)
    >>> mean = RobustMLPRegressor(hidden_layer_sizes=(32,), divergence="mean", temperature=None, batch_size=40).fit(x, y)
    >>> bool(model.objective_ < risk(mean.losses(x, y), "kl", temperature=0.1).value)
    True
    >>> model.status_, model.n_iter_
    ('max_iterations', 100)
    """

    def __init__(
        self,
        *,
        hidden_layer_sizes: int | Sequence[int] = (256, 128),
        activation: str = "relu",
        divergence: Any = "kl",
        temperature: float | str | None = "rel:1",
        loss: str = "squared",
        method: str = "joint",
        rho: float | None = None,
        solver: str = "sgd",
        step: float | None = None,
        momentum: float | None = None,
        batch_size: int = 100,
        epochs: int = 100,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 10,
        watch: str = "risk",
        standardize: bool = True,
        move_price: float | None = None,
        move_steps: int = 5,
        warm_start: bool = False,
        checkpoint: Any = None,
        resume: Any = None,
        max_time: float | None = 300.0,
        random_state: Any = None,
        progress: Any = False,
    ) -> None:
        keep(self, locals())


@_documented
class RobustMLPClassifier(NetworkClasses, Perceptron):
    """A perceptron for classification, trained for the worst case over the weights of the rows.

    [objective]

    Parameters
    ----------
    [perceptron]
    [risk]
    [classification]
    [training]

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The classes, in order.
    coefs_, intercepts_ : list of ndarray
        Weights, inputs × units, and what is added then, of each layer, as views of `parameters_`.
    [attributes]

    See Also
    --------
    RobustClassifier : Linear models, fitted exactly.
    RobustCNNClassifier : For images.

    Notes
    -----
    [notes]

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from fenchel import Chi2
    >>> from fenchel.robust import RobustMLPClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> model = RobustMLPClassifier(hidden_layer_sizes=(16,), divergence=Chi2(), batch_size=20).fit(X, y)
    >>> model.score(X, y) > 0.95, model.predict_proba(X[:2]).shape
    (True, (2, 3))
    >>> bool(abs(model.worst_case(X, y).value - model.objective_) < 1e-6)
    True
    """

    def __init__(
        self,
        *,
        hidden_layer_sizes: int | Sequence[int] = (256, 128),
        activation: str = "relu",
        divergence: Any = "kl",
        temperature: float | str | None = "rel:1",
        loss: str = "logistic",
        method: str = "joint",
        rho: float | None = None,
        solver: str = "sgd",
        step: float | None = None,
        momentum: float | None = None,
        batch_size: int = 100,
        epochs: int = 100,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 10,
        watch: str = "risk",
        standardize: bool = True,
        move_price: float | None = None,
        move_steps: int = 5,
        warm_start: bool = False,
        checkpoint: Any = None,
        resume: Any = None,
        max_time: float | None = 300.0,
        random_state: Any = None,
        progress: Any = False,
    ) -> None:
        keep(self, locals())


@_documented
class RobustCNNRegressor(NetworkNumbers, Convolutions):
    """Convolutions for numbers that images have, trained for the worst case over the weights of the images.

    Two convolutions of 3 × 3 with 32 and 64 channels, each with ReLU and the largest of 2 × 2, and a hidden layer of 128 units.

    [objective]

    Parameters
    ----------
    [convolutions]
    [risk]
    [regression]
    [training_images]

    Attributes
    ----------
    [attributes]

    See Also
    --------
    RobustCNNClassifier : For classes.

    Notes
    -----
    [notes]

    Examples
    --------
    >>> import numpy as np
    >>> from fenchel.robust import RobustCNNRegressor
    >>> rng = np.random.default_rng(0)
    >>> light = rng.uniform(size=60)
    >>> images = light[:, None, None] + 0.1 * rng.normal(size=(60, 10, 10))
    >>> model = RobustCNNRegressor(batch_size=20, epochs=10).fit(images.reshape(60, -1), light)
    >>> model.score(images.reshape(60, -1), light) > 0.8
    True
    """

    def __init__(
        self,
        *,
        image_shape: tuple[int, int, int] | None = None,
        divergence: Any = "kl",
        temperature: float | str | None = "rel:1",
        loss: str = "squared",
        method: str = "joint",
        rho: float | None = None,
        solver: str = "sgd",
        step: float | None = None,
        momentum: float | None = None,
        batch_size: int = 100,
        epochs: int = 100,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 10,
        watch: str = "risk",
        standardize: bool = True,
        move_price: float | None = None,
        move_steps: int = 5,
        warm_start: bool = False,
        checkpoint: Any = None,
        resume: Any = None,
        max_time: float | None = 300.0,
        random_state: Any = None,
        progress: Any = False,
    ) -> None:
        keep(self, locals())


@_documented
class RobustCNNClassifier(NetworkClasses, Convolutions):
    """Convolutions for classes of images, trained for the worst case over the weights of the images.

    Two convolutions of 3 × 3 with 32 and 64 channels, each with ReLU and the largest of 2 × 2, and a hidden layer of 128 units.

    [objective]

    Parameters
    ----------
    [convolutions]
    [risk]
    [classification]
    [training_images]

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The classes, in order.
    [attributes]

    See Also
    --------
    RobustMLPClassifier : For rows that are no images.

    Notes
    -----
    [notes]

    Examples
    --------
    >>> import numpy as np
    >>> from fenchel.robust import RobustCNNClassifier
    >>> rng = np.random.default_rng(0)
    >>> images = 0.3 * rng.normal(size=(60, 12, 12))
    >>> images[:30, 5, :] += 1  # a line across
    >>> images[30:, :, 5] += 1  # or down
    >>> y = np.repeat(["across", "down"], 30)
    >>> model = RobustCNNClassifier(image_shape=(1, 12, 12), batch_size=20, epochs=5).fit(images.reshape(60, -1), y)
    >>> model.score(images.reshape(60, -1), y)
    1.0
    """

    def __init__(
        self,
        *,
        image_shape: tuple[int, int, int] | None = None,
        divergence: Any = "kl",
        temperature: float | str | None = "rel:1",
        loss: str = "logistic",
        method: str = "joint",
        rho: float | None = None,
        solver: str = "sgd",
        step: float | None = None,
        momentum: float | None = None,
        batch_size: int = 100,
        epochs: int = 100,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 10,
        watch: str = "risk",
        standardize: bool = True,
        move_price: float | None = None,
        move_steps: int = 5,
        warm_start: bool = False,
        checkpoint: Any = None,
        resume: Any = None,
        max_time: float | None = 300.0,
        random_state: Any = None,
        progress: Any = False,
    ) -> None:
        keep(self, locals())
