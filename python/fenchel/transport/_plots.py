"""Pictures of transport, by matplotlib."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import InvalidInputError, optional
from ._inputs import points

if TYPE_CHECKING:
    from .coupling import ContinuousResult
    from .result import SemiDiscreteResult

#: Pairs, and arrows, that are drawn of a coupling.
_PAIRS, _ARROWS = 1000, 150


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


def coupling(result: ContinuousResult, ax: Any) -> Any:
    """A coupling on the line or in the plane, the course of the solve elsewhere."""
    ax = axes(ax)
    dim = result.sources.shape[1]
    if dim == 1:
        _on_the_line(result, ax)
    elif dim == 2:
        _in_the_plane(result, ax)
    else:
        _course(result, ax)
    ax.set_title(
        f"{result.status}: {result.value:.4g} in [{result.interval.lower:.4g}, {result.interval.upper:.4g}]", pad=8
    )
    return ax


def _some(points: NDArray[np.float64], n: int) -> NDArray[np.float64]:
    """Points of a sample, evenly from all of it."""
    at = np.linspace(0, len(points) - 1, min(n, len(points))).astype(np.int64)
    return points.take(at, axis=0)


def _on_the_line(result: ContinuousResult, ax: Any) -> None:
    x = _some(result.sources, _PAIRS)
    y = result.conditional(x, 1)[:, 0]
    ax.scatter(x[:, 0], y[:, 0], s=4, linewidths=0, color="0.6", label="drawn from the plan")
    x, y = (np.sort(_some(points, 200), axis=0) for points in (result.sources, result.targets))
    ax.plot(x[:, 0], result.map(x)[:, 0], label="mean of y given x")
    ax.plot(result.map_back(y)[:, 0], y[:, 0], linestyle="--", label="mean of x given y")
    ax.set_xlabel("x")
    ax.set_ylabel("y")
    # The samples, along the inner edges, a seventh of the picture high.
    for points, direction in ((result.sources, "x"), (result.targets, "y")):
        heights, edges = np.histogram(points[:, 0], bins="auto", density=True)
        heights = heights / (7 * heights.max())
        along = ax.get_xaxis_transform() if direction == "x" else ax.get_yaxis_transform()
        fill = ax.fill_between if direction == "x" else ax.fill_betweenx
        fill(np.repeat(edges, 2)[1:-1], np.repeat(heights, 2), transform=along, color="C2", alpha=0.3, linewidth=0)
    ax.legend()


def _in_the_plane(result: ContinuousResult, ax: Any) -> None:
    for points, label in ((result.sources, "source"), (result.targets, "target")):
        ax.scatter(*_some(points, _PAIRS).T, s=4, linewidths=0, label=label)
    x = _some(result.sources, _ARROWS)
    way = result.map(x) - x
    ax.quiver(*x.T, *way.T, angles="xy", scale_units="xy", scale=1, width=0.002, color="0.3")
    ax.set_aspect("equal")
    ax.legend()


def _course(result: ContinuousResult, ax: Any) -> None:
    samples = [stage.samples for stage in result.history] or [result.samples]
    ax.plot(samples, [stage.value for stage in result.history] or [result.value], marker="o", label="dual value")
    if np.isfinite(result.interval).all():
        ax.axhspan(*result.interval, color="C1", alpha=0.3, linewidth=0, label="interval, certified")
    ax.set_xscale("log")
    ax.set_xlabel("samples drawn")
    ax.set_ylabel("value")
    ax.legend()
