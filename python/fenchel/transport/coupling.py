"""What a continuous solve found, with how far it can be from the truth."""

from __future__ import annotations

import os
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import _engine
from .._runs import Seed, seed_number
from .._values import whole
from ..errors import ShapeError
from ._inputs import CostFunction, rows
from .result import Solved, made_directory

__all__ = ["ContinuousResult", "Marginal", "Marginals", "Stage"]


class Marginal(NamedTuple):
    """How far a marginal of the plan is from the measure it should be, on samples the solver has not seen."""

    chi2: float
    """Unbiased estimate of E (t − 1)², t being the marginal's density; may come out below 0 by noise."""
    l1: float
    """At least E \\|t − 1\\|, with 97.5% confidence."""


class Marginals(NamedTuple):
    """Both marginals."""

    source: Marginal
    target: Marginal


class Stage(NamedTuple):
    """A stage of a continuous solve."""

    samples: int
    """Points of either side used so far."""
    seconds: float
    value: float
    """The dual value on fresh samples."""
    gap: float | None
    """Estimate of how far that is below the optimum; None where the method has none."""


class ContinuousResult(Solved):
    """A coupling of two measures, made by :func:`~fenchel.transport.continuous` or :func:`~fenchel.transport.certify`.

    Numbers are in units of the cost. ``status`` is ``"converged"`` only if the interval, found on samples that the solver had not
    seen, is as narrow as the tolerance asks; anything else says how the run ended. With t(x, y) = (f*)'((u(x) + v(y) − c(x, y))/λ)
    the plan is dπ = t dμ dν.

    Attributes
    ----------
    value : float
        Estimate of the regularised cost W_λ(μ, ν), from the dual on fresh samples.
    interval : Interval
        95% interval of it: the dual below, plans between samples above.
    bounds : Bounds
        Bounds on the unregularised cost: the cost of the plan above; none below, where no sample can tell.
    gap : float
        How much of the interval's width is not noise.
    marginal_error : Marginals
        How far the plan is from having the marginals μ and ν: ``.source`` and ``.target``, each with ``chi2`` and ``l1``.
    status : str
        ``converged``, ``max_iterations``, ``max_time``, ``stalled``, ``interrupted`` or ``diverged``.
    history : list of Stage
        The solve, stage by stage.
    temperature : float
        λ in units of the cost.
    bandwidth : float or None
        The kernel's bandwidth, where there is a kernel.
    step : float or None
        The step size C of stochastic gradients, where they were used.
    sources, targets : ndarray, shapes (m, dim) and (n, dim)
        The samples of μ and ν that the potentials rest on; :meth:`weights` are those of the targets.
    samples : int
        Points drawn from either side, by solver and certificate together.
    seconds, tolerance, cost_spread : float
        Time taken, tolerance asked for, and its unit, the standard deviation of the costs.
    divergence, cost, source, target, solver : str
        What was solved and how, by name.
    seed : int
        The seed used.

    Examples
    --------
    >>> from fenchel.transport import continuous
    >>> result = continuous("gaussian:2", "ball", tolerance=0.1)
    >>> result
    <ContinuousResult: converged; value 1.1... in [1.1..., 1.1...]; gaussian:2 to ball:2, kl, sqeuclidean, samples>
    >>> points = [[0.3, -0.2], [1.0, 1.0], [-2.0, 0.0]]
    >>> result.map(points).shape, result.conditional(points, 10).shape, result.weights(points).sum(axis=1).round(9)
    ((3, 2), (3, 10, 2), array([1., 1., 1.]))
    >>> t = result.density(points, result.targets, outer=True)       # of mean 1 for every x
    >>> t.mean(axis=1).round(2)
    array([1., 1., 1.])
    """

    _engine_class = _engine.ContinuousSolution

    def __init__(self, solution: _engine.ContinuousSolution, cost_function: CostFunction | None = None) -> None:
        super().__init__(solution, cost_function)
        record = self._record
        self._coupling = solution.coupling()
        self.gap: float = _or(np.inf, record["gap"])
        self.marginal_error = Marginals(*(_marginal(record["marginal_error"][side]) for side in ("source", "target")))
        self.history = [
            Stage(it["samples"], it["seconds"], _or(-np.inf, it["value"]), it["gap"]) for it in record["history"]
        ]
        self.temperature: float = record["lambda"]
        self.bandwidth: float | None = record["bandwidth"]
        self.step: float | None = record["step"]
        self.target: str = record["target"]
        self.sources: NDArray[np.float64] = self._coupling.sources()
        self.targets: NDArray[np.float64] = self._coupling.targets()

    def __repr__(self) -> str:
        return (
            f"<ContinuousResult: {self.status}; value {self.value:.6g} in "
            f"[{self.interval.lower:.6g}, {self.interval.upper:.6g}]; {self.source} to {self.target}, "
            f"{self.divergence}, {self.cost}, {self.solver}>"
        )

    def _rows(self, x: ArrayLike, name: str) -> tuple[NDArray[np.float64], bool]:
        return rows(x, self._coupling.dim, name)

    def u(self, x: ArrayLike) -> Any:
        """The potential on the source's side, at any points.

        For KL it is −λ log E e^{(v(y) − c(x, y))/λ}, over the sample of ν; for others the number at which the densities t(x, ·)
        have the mean 1.

        Parameters
        ----------
        x : array_like, shape (m, dim) or (dim,)
            Points, as rows; on the line, ``(m,)`` are m points.

        Returns
        -------
        ndarray, shape (m,), or float
        """
        x, one = self._rows(x, "x")
        values = self._coupling.u(x)
        return float(values[0]) if one else values

    def v(self, y: ArrayLike) -> Any:
        """The potential on the target's side, at any points.

        Parameters
        ----------
        y : array_like, shape (n, dim) or (dim,)

        Returns
        -------
        ndarray, shape (n,), or float
        """
        y, one = self._rows(y, "y")
        values = self._coupling.v(y)
        return float(values[0]) if one else values

    def density(self, x: ArrayLike, y: ArrayLike, *, outer: bool = False) -> Any:
        """The plan's density t(x, y) = (f*)'((u(x) + v(y) − c(x, y))/λ) with respect to the product of μ and ν.

        Parameters
        ----------
        x : array_like, shape (m, dim) or (dim,)
        y : array_like, shape (m, dim) or (dim,)
            As many points as x, or one of the two is one point for all of the other.
        outer : bool, default False
            All pairs instead: y may have any number n of points.

        Returns
        -------
        ndarray, shape (m,) or (m, n), or float
        """
        x, one_x = self._rows(x, "x")
        y, one_y = self._rows(y, "y")
        if outer:
            t = self._coupling.density(x, y)
            t = t[0] if one_x else t
            t = t[..., 0] if one_y else t
            return float(t) if t.ndim == 0 else t
        if len(x) != len(y) and 1 not in (len(x), len(y)):
            raise ShapeError(
                f"x has {len(x)} points and y {len(y)}; both must have as many, or one a single point (outer=True takes all pairs)"
            )
        if len(y) == 1 or len(x) == 1:
            t = self._coupling.density(x, y).reshape(-1)
        else:
            t = self._coupling.density_of_pairs(x, y)
        return float(t[0]) if one_x and one_y else t

    def weights(self, x: ArrayLike) -> NDArray[np.float64]:
        """The distribution of y given x, over the points ``targets``: in proportion to t(x, ·).

        Parameters
        ----------
        x : array_like, shape (m, dim) or (dim,)

        Returns
        -------
        ndarray, shape (m, n) or (n,)
            Rows sum to 1.
        """
        x, one = self._rows(x, "x")
        p = self._coupling.weights(x)
        return p[0] if one else p

    def conditional(self, x: ArrayLike, n: int, seed: Seed = 0) -> NDArray[np.float64]:
        """Draws y given x: points of ``targets``, with the probabilities :meth:`weights`.

        Parameters
        ----------
        x : array_like, shape (m, dim) or (dim,)
        n : int
            Points to draw for each, at least 1.
        seed : int or numpy.random.Generator, default 0
            Draws for different rows of x are independent; None for a new seed.

        Returns
        -------
        ndarray, shape (m, n, dim) or (n, dim)
        """
        x, one = self._rows(x, "x")
        y = self._coupling.conditional(x, whole("n", n, 1) or 1, seed_number(seed))
        return y[0] if one else y

    def map(self, x: ArrayLike) -> NDArray[np.float64]:
        """The barycentric map, the mean of y given x.

        Parameters
        ----------
        x : array_like, shape (m, dim) or (dim,)

        Returns
        -------
        ndarray, shape (m, dim) or (dim,)
        """
        x, one = self._rows(x, "x")
        y = self._coupling.map(x)
        return y[0] if one else y

    def map_back(self, y: ArrayLike) -> NDArray[np.float64]:
        """The barycentric map the other way, the mean of x given y.

        Parameters
        ----------
        y : array_like, shape (n, dim) or (dim,)

        Returns
        -------
        ndarray, shape (n, dim) or (dim,)
        """
        y, one = self._rows(y, "y")
        x = self._coupling.map_back(y)
        return x[0] if one else x

    def save(self, directory: str | os.PathLike[str]) -> None:
        """Writes ``result.json`` and ``coupling.json`` to a directory.

        Each file appears whole or not at all; :func:`~fenchel.transport.load` reads them back to the same bits. A potential that
        was given to :func:`~fenchel.transport.certify` is kept by its values at ``targets``: afterwards ``u`` is the same, and
        ``v`` the potential that u leads to. Pickling does the same.

        Raises
        ------
        DataFileError
            If they cannot be written.
        """
        place = made_directory(directory)
        self._solution.save(place / "result.json", place / "coupling.json")

    def plot(self, ax: Any = None) -> Any:
        """A picture, by matplotlib.

        On the line: pairs (x, y) drawn from the coupling, the two barycentric maps, and histograms of the samples along the
        axes. In the plane: the samples, and arrows from points x to the mean of y given x. Elsewhere: the dual value over the
        samples drawn, with the interval.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Where to draw; a new figure without it.

        Returns
        -------
        matplotlib.axes.Axes
        """
        from . import _plots

        return _plots.coupling(self, ax)


def _or(infinite: float, number: float | None) -> float:
    """Infinite numbers are null in JSON."""
    return infinite if number is None else number


def _marginal(record: dict[str, float | None]) -> Marginal:
    return Marginal(_or(np.inf, record["chi2"]), _or(np.inf, record["l1"]))
