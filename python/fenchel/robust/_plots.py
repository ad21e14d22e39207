"""Pictures of fits."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import optional


def axes(ax: Any) -> Any:
    """Where to draw: a new figure unless it is said."""
    pyplot = optional("matplotlib.pyplot", "plot")
    return pyplot.subplots(layout="constrained")[1] if ax is None else ax


def losses(
    ax: Any,
    bins: int,
    losses: NDArray[np.float64],
    reference: NDArray[np.float64] | None,
    weights: NDArray[np.float64],
    threshold: float,
) -> Any:
    """Shares of the rows by their losses, and over them the weights of the worst case."""
    ax = axes(ax)
    own = np.full(losses.shape, 1 / losses.size) if reference is None else reference / reference.sum()
    edges = np.histogram_bin_edges(losses, bins)
    ax.hist(losses, edges, weights=own, color="0.8", label="rows")
    ax.hist(losses, edges, weights=weights, histtype="step", linewidth=1.5, label="worst case")
    if edges[0] <= threshold <= edges[-1]:
        ax.axvline(threshold, color="0.4", linestyle=":", label="threshold")
    ax.set_xlabel("loss")
    ax.set_ylabel("share")
    ax.legend()
    return ax


def scores(ax: Any, name: str, strengths: NDArray[np.float64], means: Any, errors: Any, best: int) -> Any:
    """Mean score of each strength, with its standard error."""
    ax = axes(ax)
    ax.errorbar(strengths, means, errors, marker="o", capsize=3)
    ax.plot(strengths[best], means[best], "o", markersize=10, fillstyle="none", color="black", label="chosen")
    positive = strengths[strengths > 0]
    if len(positive) == len(strengths):
        ax.set_xscale("log")
    elif len(positive):
        ax.set_xscale("symlog", linthresh=float(positive.min()))
    ax.set_xlabel(name)
    ax.set_ylabel("held-out loss under the shift")
    ax.legend()
    return ax
