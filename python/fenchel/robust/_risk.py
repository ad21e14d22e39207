"""The worst-case mean of losses."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import _engine
from ..divergences import DivergenceLike
from ..errors import InvalidInputError
from .._values import number
from ._settings import divergence_name

__all__ = ["WorstCase", "risk"]


class WorstCase(NamedTuple):
    """What :func:`risk` returns."""

    value: float
    """The worst-case mean, less the price of the weights where they are penalised."""
    weights: NDArray[np.float64]
    """p: how much each loss weighs in the worst case; at least 0, sum 1."""
    threshold: float
    """τ: losses above it count."""
    temperature: float
    """λ at which the weights are the worst case: the one given, or the multiplier of the radius; infinite for the mean."""
    radius: float
    """D_f(p‖p̂) of the weights, 0 for p = p̂: the radius given, or the one that the temperature leads to."""


def risk(
    losses: ArrayLike,
    divergence: DivergenceLike = "kl",
    temperature: float | None = None,
    radius: float | None = None,
    reference: ArrayLike | None = None,
) -> WorstCase:
    """The mean of losses in the worst case over their weights.

    ::

        value = max over p of  Σ p_i ℓ_i − λ D_f(p‖p̂)               with a temperature λ
        value = max over p of  Σ p_i ℓ_i  with  D_f(p‖p̂) ≤ r         with a radius r
              = min over τ, λ ≥ 0 of  τ + λr + λ Σ p̂_i f*((ℓ_i − τ)/λ)

    Both forms have the same weights: those of a radius are those of its temperature, which the result has too.

    Parameters
    ----------
    losses : array_like, shape (n,)
        ℓ, finite; of any model, or anything else of which less is better.
    divergence : Divergence or str, default "kl"
        What f is, or ``"mean"`` for the ordinary mean; see :mod:`fenchel.divergences`.
    temperature : float, optional
        λ > 0, in units of the losses.
    radius : float, optional
        r ≥ 0. Exactly one of the two is given, but for divergences that have neither: ``cvar``, ``none`` and ``"mean"``.
    reference : array_like, shape (n,), optional
        Weights p̂ ≥ 0, normalised here; equal by default.

    Returns
    -------
    WorstCase
        ``(value, weights, threshold, temperature, radius)``.

    Raises
    ------
    NonFiniteError
        For a loss that is NaN or infinite; the message says where.
    InvalidInputError
        For a strength, a reference or a name outside its domain, or unless there is exactly one strength.

    Notes
    -----
    Ben-Tal, den Hertog, De Waegenaere, Melenberg and Rennen, Management Science 2013.

    Examples
    --------
    >>> from fenchel.robust import risk
    >>> worst = risk([1.0, 2.0, 6.0], "kl", temperature=2.0)
    >>> round(worst.value, 4), worst.weights.round(4)
    (4.1962, array([0.0674, 0.1112, 0.8214]))
    >>> ball = risk([1.0, 2.0, 6.0], "kl", radius=worst.radius)
    >>> round(ball.temperature, 9)
    2.0
    >>> risk([1.0, 2.0, 6.0], "cvar:0.5").value
    4.666666666666667
    """
    name = divergence_name(divergence)
    temperature = number("temperature", temperature, above=0.0, optional=True)
    radius = number("radius", radius, least=0.0, optional=True)
    if temperature is not None and radius is not None:
        raise InvalidInputError("temperature and radius are both given; the risk takes one of them")
    if temperature is None and radius is None and _engine.robust_has_strength(name):
        raise InvalidInputError(
            f"neither temperature nor radius is given; divergence {name!r} takes one of them, such as radius=0.1"
        )
    value, _, found, divergent, threshold, weights = _engine.robust_risk(losses, name, temperature, radius, reference)
    return WorstCase(value, weights, threshold, found, divergent)
