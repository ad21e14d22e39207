"""Names of divergences and their generators."""

from __future__ import annotations

import math

import torch

from .. import _engine
from ..divergences import DivergenceLike, name_of
from ..errors import InvalidInputError
from ._generators import (
    KL,
    Chi2,
    CVaR,
    Generator,
    Hyperbolic,
    KLCVaR,
    MarginalMoments,
    NoSmoothing,
    SafeKL,
    Saturated,
    Tsallis,
)
from ._root import is_compiling

_KNOWN: dict[str, Generator] = {}


def generator_of(like: DivergenceLike, atoms: int | None = None) -> Generator:
    """The generator of a divergence, for rows of so many scores."""
    name = like if isinstance(like, str) else name_of(like)
    if name == "marginal-moments" and atoms is not None:
        name = f"marginal-moments:{atoms}"
    if is_compiling():
        # Code that had seen the dictionary would be compiled again when it grows.
        return _made(name, *_understood(name))
    if name not in _KNOWN:
        _KNOWN[name] = _made(name, *_understood(name))
    return _KNOWN[name]


# Names are understood by the engine, into which torch.compile cannot look.
@torch.compiler.assume_constant_result  # type: ignore[untyped-decorator, unused-ignore]
def _understood(name: str) -> tuple[str, float]:
    base, parameter = _engine.canonical_divergence(name)
    return base, math.nan if parameter is None else parameter


def _made(name: str, base: str, parameter: float) -> Generator:
    if base == "kl":
        return KL(name)
    if base == "safe-kl" or base == "safe-kl-centered":
        return SafeKL(name, parameter, base == "safe-kl-centered")
    if base == "chi2":
        return Chi2(name)
    if base == "tsallis":
        return Tsallis(name, parameter)
    if base == "hyperbolic":
        return Hyperbolic(name)
    if base == "marginal-moments":
        if math.isnan(parameter):
            raise InvalidInputError(
                "divergence is marginal-moments without n; it must be marginal-moments:N here, "
                "N being the number of scores with mass"
            )
        return MarginalMoments(name, parameter) if parameter > 1 else Saturated(name, 0.0)
    if base == "cvar":
        return CVaR(name, parameter)
    if base == "kl-cvar":
        return KLCVaR(name, parameter) if parameter < 1 else Saturated(name, 0.0)
    if base == "none":
        return NoSmoothing(name)
    raise InvalidInputError(
        f"divergence is {name}; it must be one of none, kl, safe-kl, safe-kl-centered, chi2, tsallis, hyperbolic, "
        "marginal-moments, cvar, kl-cvar here"
    )
