"""Divergences as objects: the charge D_f(p‖η) = Σ η_i f(p_i/η_i) of a smooth maximum.

Every function of this package that takes a divergence takes one of these objects or the name that the command line has for
it; ``str(divergence)`` is that name.

=====================================  =========================  ==============================================
object                                 name                       weights
=====================================  =========================  ==============================================
:class:`NoSmoothing`                   ``none``                   all on the largest scores
:class:`KL`                            ``kl``                     softmax; the smooth maximum is log-sum-exp
:class:`SafeKL`                        ``safe-kl:RHO``            like softmax, at most 1/ρ times the reference
``SafeKL(rho, centered=True)``         ``safe-kl-centered:RHO``   the same; constants are reproduced exactly
:class:`Chi2`                          ``chi2``                   piecewise linear in the scores, sparse
:class:`Tsallis`                       ``tsallis:Q``              power laws; sparse for q > 1, heavy tails for q < 1
:class:`Hyperbolic`                    ``hyperbolic``             exponential above a threshold, 0 below
:class:`MarginalMoments`               ``marginal-moments``       worst noise with given means and variances
:class:`CVaR`                          ``cvar:ALPHA``             the mean of the largest fraction α
:class:`KLCVaR`                        ``kl-cvar:ALPHA``          softmax with weights at most 1/α times the reference
=====================================  =========================  ==============================================
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable, ClassVar, Mapping, Union

from . import _engine
from .errors import InvalidTypeError

__all__ = [
    "CVaR",
    "Chi2",
    "Divergence",
    "DivergenceLike",
    "Hyperbolic",
    "KL",
    "KLCVaR",
    "MarginalMoments",
    "NoSmoothing",
    "SafeKL",
    "Tsallis",
    "divergence",
]


class Divergence:
    """What all divergences have in common. Use one of the subclasses, or :func:`divergence` with a name."""

    _name: ClassVar[str]

    def __init__(self) -> None:
        raise InvalidTypeError("Divergence is what all divergences have in common; use one of them, such as KL()")

    def _parameter(self) -> float | None:
        return None

    @property
    def name(self) -> str:
        """The name with its parameter, as the command line writes it.

        >>> from fenchel import SafeKL
        >>> SafeKL(0.1).name
        'safe-kl:0.1'
        """
        parameter = self._parameter()
        return self._name if parameter is None else f"{self._name}:{parameter!r}"

    def __str__(self) -> str:
        return self.name

    def __post_init__(self) -> None:
        # Numbers of any kind (NumPy's, integers) become floats, so that equal divergences have equal names.
        for name, field in getattr(self, "__dataclass_fields__", {}).items():
            value = getattr(self, name)
            if field.type == "bool":
                object.__setattr__(self, name, bool(value))
            elif value is not None or field.type == "float":
                object.__setattr__(self, name, _number(value, f"{name} of {type(self).__name__}"))
        _engine.canonical_divergence(self.name)


@dataclass(frozen=True)
class NoSmoothing(Divergence):
    """No smoothing: f = 0. The smooth maximum is the maximum, weights are shared between the largest scores."""

    _name = "none"


@dataclass(frozen=True)
class KL(Divergence):
    """Kullback-Leibler: f(t) = t log t − t + 1, weights η_i exp((u_i − τ)/λ).

    The smooth maximum is λ log Σ η_i exp(u_i/λ).
    """

    _name = "kl"


@dataclass(frozen=True)
class SafeKL(Divergence):
    """Safe Kullback-Leibler: f(t) = t log t + 1 + ((1−ρt)/ρ) log(1−ρt) on [0, 1/ρ], f*(s) = log(1 + ρeˢ)/ρ − 1.

    Weights are at most η_i/ρ: no step of a stochastic method can overflow. Tends to :class:`KL` as ρ → 0, from below.

    Parameters
    ----------
    rho : float
        ρ, above 0 and below 1.
    centered : bool, default False
        Subtract f(1), so that the smooth maximum of a constant is that constant. Weights and threshold do not change.
    """

    rho: float
    centered: bool = False

    def _parameter(self) -> float:
        return self.rho

    @property
    def _name(self) -> str:  # type: ignore[override]
        return "safe-kl-centered" if self.centered else "safe-kl"


@dataclass(frozen=True)
class Chi2(Divergence):
    """Chi-square: f(t) = t² − t, weights η_i (1 + (u_i − τ)/λ)₊/2, sparse and piecewise linear in the scores."""

    _name = "chi2"


@dataclass(frozen=True)
class Tsallis(Divergence):
    """Tsallis: f(t) = (t^q − t)/(q−1). Sparse weights for q > 1, heavy tails for q < 1; q = 2 is :class:`Chi2`.

    Parameters
    ----------
    q : float
        Above 0 and other than 1 (for 1 use :class:`KL`).
    """

    q: float
    _name = "tsallis"

    def _parameter(self) -> float:
        return self.q


@dataclass(frozen=True)
class Hyperbolic(Divergence):
    """Hyperbolic cosine: weights η_i sinh(((u_i − τ)/λ − k)₊) with k = √2 − 1 − asinh 1."""

    _name = "hyperbolic"


@dataclass(frozen=True)
class MarginalMoments(Divergence):
    """Marginal moments: f(t) = −√(t(n−t)) + t√(n−1) on [0, n], the worst noise with given means and variances.

    Parameters
    ----------
    n : float, optional
        At least 1; by default the number of scores.
    """

    n: float | None = None
    _name = "marginal-moments"

    def _parameter(self) -> float | None:
        return self.n


@dataclass(frozen=True)
class CVaR(Divergence):
    """Conditional value at risk: f = 0 on [0, 1/α]. The smooth maximum is the mean of the largest fraction α.

    It does not depend on the temperature.

    Parameters
    ----------
    alpha : float
        α, above 0 and at most 1.
    """

    alpha: float
    _name = "cvar"

    def _parameter(self) -> float:
        return self.alpha


@dataclass(frozen=True)
class KLCVaR(Divergence):
    """Kullback-Leibler with weights capped at 1/α times the reference: a smooth :class:`CVaR`.

    Parameters
    ----------
    alpha : float
        α, above 0 and at most 1.
    """

    alpha: float
    _name = "kl-cvar"

    def _parameter(self) -> float:
        return self.alpha


def _number(value: object, what: str) -> float:
    if not isinstance(value, (str, bytes, bool)):
        try:
            return float(value)  # type: ignore[arg-type]
        except (TypeError, ValueError, OverflowError):
            pass
    raise InvalidTypeError(f"{what} is {value!r:.60}; it must be a number")


DivergenceLike = Union[str, Divergence]

_MAKERS: Mapping[str, Callable[[float | None], Divergence]] = {
    "none": lambda _: NoSmoothing(),
    "kl": lambda _: KL(),
    "safe-kl": lambda rho: SafeKL(_given(rho)),
    "safe-kl-centered": lambda rho: SafeKL(_given(rho), centered=True),
    "chi2": lambda _: Chi2(),
    "tsallis": lambda q: Tsallis(_given(q)),
    "hyperbolic": lambda _: Hyperbolic(),
    "marginal-moments": MarginalMoments,
    "cvar": lambda alpha: CVaR(_given(alpha)),
    "kl-cvar": lambda alpha: KLCVaR(_given(alpha)),
}


def _given(parameter: float | None) -> float:
    assert parameter is not None, "the engine has checked that it is there"
    return parameter


def divergence(name: DivergenceLike) -> Divergence:
    """The divergence of a name; an object is returned as it is.

    Parameters
    ----------
    name : str or Divergence
        ``kl``, ``safe-kl:0.1``, ``cvar:0.05``: what ``fenchel list divergences`` shows.

    Raises
    ------
    UnknownNameError
        If no divergence has the name; the nearest is suggested.
    InvalidInputError
        If the parameter is missing, not wanted or outside its domain.

    Examples
    --------
    >>> import fenchel
    >>> fenchel.divergence("safe-kl:0.1")
    SafeKL(rho=0.1, centered=False)
    >>> fenchel.divergence("chi")
    Traceback (most recent call last):
        ...
    fenchel.errors.UnknownNameError: unknown divergence 'chi'; did you mean 'chi2'? (known: none, kl, ...)
    """
    if isinstance(name, Divergence):
        return name
    base, parameter = _engine.canonical_divergence(name_of(name))
    return _MAKERS[base](parameter)


def name_of(divergence: DivergenceLike) -> str:
    """The name that the engine knows it by."""
    if isinstance(divergence, str):
        return divergence
    if isinstance(divergence, Divergence):
        return divergence.name
    if isinstance(divergence, type) and issubclass(divergence, Divergence):
        raise InvalidTypeError(
            f"divergence is the class {divergence.__name__}; it must be an object such as {divergence.__name__}(...)"
        )
    raise InvalidTypeError(
        f"divergence is of type {type(divergence).__name__}; it must be a name such as 'kl' or an object such as KL()"
    )
