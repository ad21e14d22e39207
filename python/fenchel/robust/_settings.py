"""What users say in parameters, checked and put in the engine's terms."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from .. import _engine
from .._values import number, switch, whole
from ..divergences import DivergenceLike, name_of
from ..errors import InvalidInputError, InvalidTypeError

#: The radius where nothing is said.
RADIUS = 0.1


def divergence_name(divergence: DivergenceLike) -> str:
    """The name of a divergence, or ``mean``; the engine has accepted it."""
    name = name_of(divergence).strip()
    _engine.robust_has_strength(name)
    return name


class Strength(NamedTuple):
    """λ or the radius; neither where there is nothing to choose."""

    temperature: float | None
    radius: float | None
    relative: bool = False
    """Whether the temperature is in units of the mean loss of the ordinary fit."""


def temperature(value: Any, name: str = "temperature") -> Strength:
    """λ as it is given: a number, or ``"rel:0.5"``."""
    if isinstance(value, str):
        text = value.strip()
        try:
            factor = float(text.removeprefix("rel:"))
            if not text.startswith("rel:") or not (0 < factor < math.inf):
                raise ValueError
        except ValueError:
            raise InvalidInputError(
                f"{name} is {value!r}; it must be a finite number above 0, or text such as 'rel:0.5'"
            ) from None
        return Strength(factor, None, relative=True)
    return Strength(number(name, value, above=0.0), None)


def strength(divergence: str, of_temperature: Any, of_radius: Any) -> Strength:
    """What an estimator's parameters say; a radius where they say nothing."""
    if of_temperature is not None and of_radius is not None:
        raise InvalidInputError("temperature and radius are both given; one of them must be None")
    if divergence == "mean" and (of_temperature is not None or of_radius is not None):
        name = "radius" if of_temperature is None else "temperature"
        raise InvalidInputError(f"{name} is given with divergence 'mean', which has no strength; it must be None")
    if of_temperature is not None:
        found = temperature(of_temperature)
    else:
        found = Strength(None, number("radius", RADIUS if of_radius is None else of_radius, least=0.0))
    # Where it changes nothing it has to be in its domain all the same.
    return found if _engine.robust_has_strength(divergence) else Strength(None, None)


def loss_name(loss: Any, kinds: tuple[str, ...], whose: str) -> tuple[str, str]:
    """A loss and the kind of labels it takes, which must be one of these."""
    if not isinstance(loss, str):
        raise InvalidTypeError(f"loss is of type {type(loss).__name__}; it must be a name such as 'squared' or 'huber:2'")
    kind, name, _ = _engine.robust_loss(loss)
    if kind not in kinds:
        known = {
            "real": "squared, absolute, huber, quantile or poisson",
            "sign": "logistic, hinge, smoothed-hinge or multinomial",
        }
        raise InvalidInputError(f"loss is {loss!r}; for {whose} it must be {known[kinds[0]]}")
    return name, kind


def settings(parameters: Mapping[str, Any], loss: str, classes: int | None, strength: Strength, seed: int) -> dict[str, Any]:
    """What the engine takes, from the attributes of an estimator."""
    get = parameters.get
    solver = get("solver", "auto")
    if not isinstance(solver, str):
        raise InvalidTypeError(f"solver is of type {type(solver).__name__}; it must be a name such as 'auto' or 'passes'")
    return {
        "loss": loss,
        "classes": classes,
        "divergence": divergence_name(parameters["divergence"]),
        "temperature": strength.temperature,
        "relative": strength.relative,
        "radius": strength.radius,
        "fit_intercept": switch("fit_intercept", parameters["fit_intercept"]),
        "standardize": switch("standardize", parameters["standardize"]),
        "l2": number("l2", parameters["l2"], least=0.0, optional=True),
        "l1": number("l1", parameters["l1"], least=0.0),
        "move_price": number("move_price", parameters["move_price"], above=0.0, optional=True),
        "solver": solver.strip(),
        "batch_size": whole("batch_size", get("batch_size"), 1, optional=True),
        "epochs": whole("epochs", get("epochs"), 1, optional=True),
        "step": number("step", get("step"), above=0.0, optional=True),
        "rho": number("rho", get("rho"), above=0.0, below=1.0, optional=True),
        "momentum": number("momentum", get("momentum"), least=0.0, below=1.0, optional=True),
        "averaging": switch("averaging", get("averaging", False)),
        "initial_threshold": number("initial_threshold", get("initial_threshold"), optional=True),
        "seed": seed,
        "tol": number("tol", parameters["tol"], above=0.0),
        "max_iter": whole("max_iter", parameters["max_iter"], 1),
        "max_time": number("max_time", parameters["max_time"], above=0.0, optional=True),
    }
