"""Pictures of transport, by matplotlib."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from ..errors import InvalidInputError, optional
from ._inputs import points

if TYPE_CHECKING:
    from .result import SemiDiscreteResult


def axes(ax: Any) -> Any:
    """Axes to draw on."""
    return optional("matplotlib.pyplot", "plot").subplots()[1] if ax is None else ax


def convergence(result: SemiDiscreteResult, ax: Any) -> Any:
    """Marginal error and value over samples."""
    ax = axes(ax)
    samples = [point.samples for point in result.history]
    ax.plot(samples, [point.marginal_l1 for point in result.history], marker="o", label="marginal error while solving")
    ax.axhline(result.marginal_error.l1, linestyle="--", label="marginal error, certified")
    ax.axhline(result.tolerance, color="0.6", label="tolerance")
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.set_xlabel("samples drawn")
    ax.set_ylabel("Σ|q − ν|")
    ax.set_title(
        f"{result.status}: {result.value:.4g} in [{result.interval.lower:.4g}, {result.interval.upper:.4g}]"
    )
    ax.legend()
    return ax


def cells(result: SemiDiscreteResult, source: ArrayLike, target: ArrayLike, ax: Any) -> Any:
    """Points in the colour of their atom."""
    x, y = points(source, "source"), points(target, "target")
    if x.shape[1] != 2 or y.shape[1] != 2:
        raise InvalidInputError(f"points are of dimension {x.shape[1]} and {y.shape[1]}; both must be of dimension 2")
    ax = axes(ax)
    colours = optional("matplotlib", "plot").colormaps["tab20"](np.arange(len(y)) % 20)
    ax.scatter(*x.T, c=colours[result.assign(x)], s=4, linewidths=0)
    ax.scatter(*y.T, c=colours, s=min(60.0, max(12.0, 2000.0 / len(y))), edgecolors="black")
    ax.set_aspect("equal")
    return ax
