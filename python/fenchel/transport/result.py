"""What a solve found, with how far it can be from the truth."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import _engine
from .._values import path
from ..errors import DataFileError
from ._inputs import CostFunction, cost, rows

__all__ = ["Bounds", "HistoryPoint", "Interval", "MarginalError", "SemiDiscreteResult"]


class Interval(NamedTuple):
    """An interval that holds a number with 95% confidence."""

    lower: float
    upper: float


class Bounds(NamedTuple):
    """Bounds on the unregularised transport cost that hold together with 95% confidence."""

    lower: float
    upper: float


class MarginalError(NamedTuple):
    """How far the second marginal q of the plan is from ν, on samples the solver has not seen."""

    max: float
    """max \\|q_i − ν_i\\|, sampling noise included."""
    l1: float
    """Σ \\|q_i − ν_i\\|, an upper estimate."""
    chi2: float
    """Unbiased estimate of Σ (q_i − ν_i)²/ν_i; may come out below 0 by noise."""
    chi2_error: float
    """Its standard error."""


class HistoryPoint(NamedTuple):
    """A stage of the solve."""

    samples: int
    seconds: float
    temperature: float
    value: float
    marginal_l1: float
    marginal_chi2: float


class Solved:
    """What every result of transport has: how the run ended, the value with its bounds, what was solved; and its way into a pickle."""

    def __init__(self, solution: Any, cost_function: CostFunction | None) -> None:
        self._solution = solution
        self._cost_function = cost_function
        record: dict[str, Any] = json.loads(solution.record())
        self._record = record
        self.status: str = record["status"]
        self.value: float = -np.inf if record["value"] is None else record["value"]
        self.interval = Interval(*ends(record["interval"]))
        self.bounds = Bounds(*ends(record["bounds"]))
        self.samples: int = record["samples"]
        self.seconds: float = record["seconds"]
        self.tolerance: float = record["tolerance"]
        self.cost_spread: float = record["cost_spread"]
        self.divergence: str = record["divergence"]
        self.cost: str = record["cost"]
        self.source: str = record["source"]
        self.solver: str = record["solver"]
        self.seed: int = record["seed"]

    @property
    def converged(self) -> bool:
        """Whether the tolerance was reached and verified."""
        return self.status == "converged"

    def __getstate__(self) -> dict[str, Any]:
        result, plan = self._solution.to_json()
        return {"result": result, "plan": plan, "cost": self._cost_function}

    def __setstate__(self, state: dict[str, Any]) -> None:
        function = state["cost"]
        own = None if function is None else cost(function)
        solution = self._engine_class.from_json(state["result"], state["plan"], own)
        self.__init__(solution, function)  # type: ignore[misc]

    #: The extension's class of what was found.
    _engine_class: Any


class SemiDiscreteResult(Solved):
    """A solved semi-discrete transport problem, made by :func:`~fenchel.transport.semidiscrete`.

    Numbers are in units of the cost. ``status`` is ``"converged"`` only if the tolerance was verified on samples that the solver
    had not seen; anything else says how the run ended.

    Attributes
    ----------
    value : float
        Estimate of the regularised cost.
    interval : Interval
        95% interval of it: a dual bound below, the cost of a plan with exact marginals above.
    bounds : Bounds
        Bounds on the unregularised transport cost.
    potential : ndarray, shape (n,)
        φ, one number an atom, centred over the atoms with mass; NaN for atoms without.
    marginal_error : MarginalError
        How far the plan is from having the target's weights.
    status : str
        ``converged``, ``max_iterations``, ``max_time``, ``stalled``, ``interrupted`` or ``diverged``.
    certified : str
        Which sides of the interval are within the tolerance: ``interval``, ``lower_side`` or ``nothing``.
    history : list of HistoryPoint
        The solve, stage by stage.
    temperature : float or None
        λ in units of the cost; None for divergences that do not use it.
    smoothing : float or None
        Where atoms of a divergence that is not smooth tie: the λ with which they are shared out in the plan.
    regularisation_gap : float or None
        A priori bound on the regularised minus the unregularised cost; None where it is infinite.
    samples, pairs, all_pairs : int
        Samples drawn, costs evaluated, and what those would have been with every atom looked at for every sample.
    seconds, tolerance, cost_spread : float
        Time taken, tolerance asked for, and its unit, the standard deviation of the costs.
    divergence, cost, source, solver : str
        What was solved, by name.
    seed : int
        The seed used.
    asgd : dict or None
        For ``solver="asgd"``: the bounds on the error that theory gives, and what they rest on.
    """

    _engine_class = _engine.Solution

    def __init__(self, solution: _engine.Solution, cost_function: CostFunction | None = None) -> None:
        super().__init__(solution, cost_function)
        record = self._record
        self._plan = solution.plan()
        self.certified: str = record["certified"]
        self.marginal_error = MarginalError(**record["marginal_error"])
        self.history = [
            HistoryPoint(temperature=point.pop("lambda"), **point) for point in record["history"]
        ]
        self.temperature: float | None = record["lambda"]
        self.smoothing: float | None = record["smoothing"]
        self.regularisation_gap: float | None = record["regularisation_gap"]
        self.pairs: int = record["pairs"]
        self.all_pairs: int = record["all_pairs"]
        self.asgd: dict[str, Any] | None = record["asgd"]
        self.potential: NDArray[np.float64] = solution.potential()

    def __repr__(self) -> str:
        return (
            f"<SemiDiscreteResult: {self.status}; value {self.value:.6g} in "
            f"[{self.interval.lower:.6g}, {self.interval.upper:.6g}], marginal error {self.marginal_error.l1:.2g}; "
            f"{len(self.potential)} atoms, {self.divergence}, {self.cost}>"
        )

    def _points(self, x: ArrayLike) -> tuple[NDArray[np.float64], bool]:
        return rows(x, self._plan.shape()[0], "x")

    def weights(self, x: ArrayLike) -> NDArray[np.float64]:
        """Where mass at points goes: the p that maximises Σ p_i (φ_i − c(x, y_i)) − λ D_f(p‖η).

        Parameters
        ----------
        x : array_like, shape (m, dim) or (dim,)
            Points, as rows; on the line, ``(m,)`` are m points.

        Returns
        -------
        ndarray, shape (m, n) or (n,)
            Rows sum to 1.
        """
        x, one = self._points(x)
        p = self._plan.weights(x)
        return p[0] if one else p

    def assign(self, x: ArrayLike) -> Any:
        """The atom with the largest score φ_i − c(x, y_i), for each point; the first if several tie.

        Parameters
        ----------
        x : array_like, shape (m, dim) or (dim,)

        Returns
        -------
        ndarray of int, shape (m,), or int
        """
        x, one = self._points(x)
        atoms = self._plan.assign(x)
        return int(atoms[0]) if one else atoms

    def map(self, x: ArrayLike) -> NDArray[np.float64]:
        """The barycentric map Σ p_i(x) y_i.

        Parameters
        ----------
        x : array_like, shape (m, dim) or (dim,)

        Returns
        -------
        ndarray, shape (m, dim) or (dim,)
        """
        x, one = self._points(x)
        y = self._plan.map(x)
        return y[0] if one else y

    def c_transform(self, x: ArrayLike) -> Any:
        """The smooth c-transform ψ(x) = smoothmax(φ − c(x, ·)); without smoothing max_i φ_i − c(x, y_i).

        The value is ν·φ − E ψ(x).

        Parameters
        ----------
        x : array_like, shape (m, dim) or (dim,)

        Returns
        -------
        ndarray, shape (m,), or float
        """
        x, one = self._points(x)
        psi = self._plan.c_transform(x)
        return float(psi[0]) if one else psi

    def save(self, directory: str | os.PathLike[str]) -> None:
        """Writes ``result.json`` and ``plan.json`` to a directory, as the command ``fenchel transport`` does.

        Each file appears whole or not at all; :func:`~fenchel.transport.load` reads them back to the same bits.

        Raises
        ------
        DataFileError
            If they cannot be written.
        """
        place = made_directory(directory)
        self._solution.save(place / "result.json", place / "plan.json")

    def plot(self, ax: Any = None) -> Any:
        """Dual value and marginal error over the samples drawn, by matplotlib.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Where to draw; a new figure without it.

        Returns
        -------
        matplotlib.axes.Axes
        """
        from ._plots import convergence

        return convergence(self, ax)

    def plot_cells(self, source: ArrayLike, target: ArrayLike, ax: Any = None) -> Any:
        """Points of the plane in the colour of the atom they go to, by matplotlib.

        Parameters
        ----------
        source : array_like, shape (m, 2)
            Points to draw.
        target : array_like, shape (n, 2)
            The atoms.
        ax : matplotlib.axes.Axes, optional
            Where to draw; a new figure without it.

        Returns
        -------
        matplotlib.axes.Axes
        """
        from ._plots import cells

        return cells(self, source, target, ax)


def ends(record: dict[str, float | None]) -> tuple[float, float]:
    """Infinite ends are null in JSON."""
    lower, upper = record["lower"], record["upper"]
    return -np.inf if lower is None else lower, np.inf if upper is None else upper


def made_directory(directory: Any) -> Path:
    """A directory to write to, made if it is not there."""
    place = path("directory", directory)
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataFileError(f"directory {place} cannot be made: {error}") from None
    return place
