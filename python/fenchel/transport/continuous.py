"""Between two measures that one can draw from."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import _engine
from .._runs import Report, Seed, raise_stopped, reporting, seed_number, warn
from .._values import number, path, whole
from ..divergences import DivergenceLike, name_of
from ..errors import InvalidInputError, InvalidTypeError
from . import _inputs
from ._inputs import CostLike, SourceLike
from .coupling import ContinuousResult

__all__ = ["certify", "continuous"]

_OBJECTIVES = ("dual", "safe", "safe-constant")


def continuous(
    source: SourceLike,
    target: SourceLike,
    *,
    source_weights: ArrayLike | str | None = None,
    target_weights: ArrayLike | str | None = None,
    cost: CostLike = "sqeuclidean",
    divergence: DivergenceLike = "kl",
    temperature: float | str = "rel:0.1",
    tolerance: float = 1e-2,
    potential: str = "samples",
    kernel: str | None = None,
    bandwidth: float | None = None,
    rank: int | None = None,
    solver: str = "auto",
    objective: str | None = None,
    rho: float | None = None,
    step: float | None = None,
    steps: int | None = None,
    batch: int | None = None,
    max_samples: int = 16384,
    seed: Seed = 0,
    max_seconds: float | None = 300.0,
    memory: int | str = "4GiB",
    progress: bool | Report = False,
    checkpoint: str | os.PathLike[str] | None = None,
    resume: str | os.PathLike[str] | None = None,
) -> ContinuousResult:
    """Moves a measure μ to a measure ν, both known by what can be drawn from them, at the least cost plus λ times a divergence.

    ::

        W_λ(μ, ν) = min over plans π of  E_π c(x, y) + λ D_f(π ‖ μ⊗ν)
                  = max over u, v of     E u(x) + E v(y) − λ E f*((u(x) + v(y) − c(x, y))/λ)

    the last expectation over independent x and y. The potentials u and v that come back are functions: the plan can be used at any
    point. Nothing needs tuning, and the answer is certified from both sides on samples that the solver has not seen. The same seed
    gives the same bits for any number of threads.

    Parameters
    ----------
    source, target : str, array_like, iterator of array_like, callable or path
        μ and ν: a name (``gaussian``, ``uniform``, ``ball``, ``sphere``, ``simplex``, with the dimension of the other side unless
        one is given as in ``gaussian:2``); an array of points as rows, the measure of those points together; an iterator of such
        arrays; a function ``draw(rng, n)`` that returns n independent points drawn with the NumPy generator it is given; or a
        file (CSV, NPY), which is read where it is if it is large against `memory`.
    source_weights, target_weights : array_like or str, optional
        Weights of points; for a file the column that holds them.
    cost : str or callable, default "sqeuclidean"
        c: ``linf``, ``l1``, ``l2``, ``sqeuclidean``, ``lp:P``, ``cosine``, each with ``^POWER``; or a function of x, shape (b, dim),
        and y, shape (n, dim), that returns the (b, n) costs. It need not be symmetric.
    divergence : Divergence or str, default "kl"
        What regularises the plan: ``kl``, ``safe-kl:RHO``, ``chi2``, ``tsallis:Q``, ``hyperbolic``, ``kl-cvar:ALPHA``. For classical
        transport take ``kl`` and a small temperature.
    temperature : float or str, default "rel:0.1"
        λ in units of the cost; ``rel:`` multiplies the standard deviation of the costs.
    tolerance : float, default 1e-2
        The width that the value's interval is to have, relative to the standard deviation of the costs.
    potential : {"samples", "kernel"}, default "samples"
        What u and v are: c-transforms over a sample, which is as large as the tolerance needs; or v a sum of `rank` functions of a
        kernel, and u its c-transform.
    kernel, bandwidth, rank : optional
        For kernel potentials: ``gaussian`` (the default), ``matern:0.5``, ``matern:1.5``, ``matern:2.5`` or ``laplace``; its bandwidth
        in the unit of the points (chosen on the data); the number of functions at most (256).
    solver : {"auto", "sgd"}, default "auto"
        Exact transport between growing samples, or, for kernel potentials, stochastic gradient ascent.
    objective : {"safe", "dual", "safe-constant"}, optional
        For sgd, what is ascended: with α = −u, ``dual`` is the formula above, whose gradients are not bounded for KL; ``safe``, the
        default for KL, has safe KL in its place, so that gradients are below 1/ρ in size; ``safe-constant`` has one number for α,
        which is a much weaker problem.
    rho : float, optional
        For safe objectives: ρ, above 0 and below 1 (0.03). Plans whose density stays below 1/ρ are hardly changed.
    step, steps, batch : optional
        For sgd: C of the step sizes C/√i, in units of the cost (found by short runs over a grid); number of steps (100,000); points
        of either side a step (1).
    max_samples : int, default 16384
        Largest sample of either side that is solved at once.
    seed : int or numpy.random.Generator, default 0
        Of all randomness; None for a new one.
    max_seconds : float or None, default 300
        Time budget, certificate included; the best result so far is returned when it is spent, or when the next stage would not
        fit into what is left of it.
    memory : int or str, default "4GiB"
        Memory budget, in bytes or as text.
    progress : bool or callable, default False
        A progress bar by tqdm, or a function called with phase, fraction, samples, error and error aimed at.
    checkpoint : path, optional
        File for the state of the run, written now and then and at its end, always whole.
    resume : path, optional
        Go on from such a file; problem and settings must be the same, but for `max_seconds`, and the result has the bits of an
        uninterrupted run.

    Returns
    -------
    ContinuousResult
        With value, interval, marginal errors and status, and the coupling as functions: ``u``, ``v``, ``density``, ``conditional``,
        ``map``.

    Raises
    ------
    InvalidInputError
        For what is outside its domain or does not go together, naming it.
    Interrupted
        After Ctrl-C, within a second, with what there was in ``.result``.

    Warns
    -----
    ConvergenceWarning
        If the tolerance was not reached within the budget.
    RuntimeWarning
        If the checkpoint could be written at first and not in the end.

    Notes
    -----
    Functions of one's own (sources, cost) are called from threads of this package; they may use this package themselves. A source
    that is a function is asked for two points first, to know their dimension. Points of a name are spread evenly, those of a
    function are independent: half the tolerance takes four times as many.

    Genevay, Cuturi, Peyré and Bach, "Stochastic optimization for large-scale optimal transport", NeurIPS 2016 (``dual``); "Improved
    Stochastic Optimization of LogSumExp", 2025 (``safe``).

    Examples
    --------
    From N(0, 1) to N(1, 1/4), for which the plan is known: E[y | x] = 1 + cx, c being (√(λ² + 4) − λ)/4.

    >>> import numpy as np
    >>> from fenchel.transport import continuous
    >>> def target(rng, n):
    ...     return rng.normal(1.0, 0.5, size=(n, 1))
    >>> result = continuous("gaussian", target, temperature=0.5, tolerance=0.05)
    >>> result.status
    'converged'
    >>> result.interval.lower <= result.value <= result.interval.upper
    True
    >>> c = (np.sqrt(0.5**2 + 4) - 0.5) / 4
    >>> bool(abs(result.map([2.0]) - (1 + 2 * c)).max() < 0.1)
    True
    >>> result.conditional([2.0], 3).shape
    (1, 3, 1)
    """
    problem, seen = _problem(source, target, (source_weights, target_weights), cost, divergence, temperature, memory)
    settings = {
        "solver": _solver(
            potential,
            {"kernel": kernel, "bandwidth": bandwidth, "rank": rank},
            solver,
            {"objective": objective, "rho": rho, "step": step, "steps": steps, "batch": batch},
            name_of(divergence),
        ),
        **_budget(tolerance, max_samples, seed, max_seconds, seen),
    }
    with reporting(progress) as report:
        solution, stopped, outdated = problem.solve(
            json.dumps(settings),
            report,
            None if checkpoint is None else path("checkpoint", checkpoint),
            None if resume is None else path("resume", resume),
        )
    if outdated is not None:
        warn(f"the checkpoint is an old one: {outdated}", RuntimeWarning)
    return _concluded((solution, stopped), cost)


def certify(
    potential: Callable[[NDArray[np.float64]], ArrayLike],
    source: SourceLike,
    target: SourceLike,
    *,
    source_weights: ArrayLike | str | None = None,
    target_weights: ArrayLike | str | None = None,
    cost: CostLike = "sqeuclidean",
    divergence: DivergenceLike = "kl",
    temperature: float | str = "rel:0.1",
    tolerance: float = 1e-2,
    max_samples: int = 2048,
    seed: Seed = 0,
    max_seconds: float | None = 300.0,
    memory: int | str = "4GiB",
    progress: bool | Report = False,
) -> ContinuousResult:
    """What is known about a potential v of one's own: a trained network, a formula.

    u is the c-transform of v over a sample of ν, the best there is for this v, and any two functions bound W_λ from below::

        E u(x) + E v(y) − λ E f*((u(x) + v(y) − c(x, y))/λ)  ≤  W_λ(μ, ν)

    Expectations are means over fresh samples. From above W_λ is bounded by plans between samples, so that the interval holds W_λ
    whatever v is, and is narrow if v is good. A constant may be added to v; it makes no difference.

    Parameters
    ----------
    potential : callable
        v: called with points of the target, shape (n, dim), returns n numbers in units of the cost, shape (n,) or (n, 1). For a
        network see :func:`fenchel.torch.as_function`.
    source, target, source_weights, target_weights, cost, divergence, temperature
        The problem, as in :func:`~fenchel.transport.continuous`.
    tolerance : float, default 1e-2
        The result is ``"converged"`` if its interval is no wider, relative to the standard deviation of the costs.
    max_samples : int, default 2048
        Points of either side of the certificate, of which there are eight; at most 2048.
    seed, max_seconds, memory, progress
        As in :func:`~fenchel.transport.continuous`.

    Returns
    -------
    ContinuousResult
        The same as of a solve; ``solver`` is the function's name.

    Raises
    ------
    InvalidInputError
        For what is outside its domain, and where v is not finite, saying at which point.
    Interrupted
        After Ctrl-C, with what there was in ``.result``.

    Warns
    -----
    ConvergenceWarning
        If the interval is wider than the tolerance.

    Examples
    --------
    From N(0, 1) to N(1, 1/4) the best v is quadratic. Any other proves less:

    >>> import numpy as np
    >>> from fenchel.transport import certify
    >>> def target(rng, n):
    ...     return rng.normal(1.0, 0.5, size=(n, 1))
    >>> c = (np.sqrt(0.5**2 + 4) - 0.5) / 4
    >>> def best(y):
    ...     z = y - 1
    ...     return 2 * z + (1 - 4 * c) * z**2
    >>> W = 2.25 - 2 * c - 0.25 * np.log(1 - 4 * c**2)
    >>> good = certify(best, "gaussian", target, temperature=0.5, tolerance=0.1)
    >>> poor = certify(np.zeros_like, "gaussian", target, temperature=0.5, tolerance=1.0)
    >>> bool(good.interval.lower <= W <= good.interval.upper), bool(poor.value < good.value - 0.1)
    (True, True)
    """
    if not callable(potential):
        raise InvalidTypeError(
            f"potential is of type {type(potential).__name__}; it must be a function of points, shape (n, dim), that returns n numbers"
        )
    problem, seen = _problem(source, target, (source_weights, target_weights), cost, divergence, temperature, memory)
    settings = {"solver": "samples", **_budget(tolerance, max_samples, seed, max_seconds, seen)}
    with reporting(progress) as report:
        ended = problem.certify(potential, _inputs.label(potential), json.dumps(settings), report)
    return _concluded(ended, cost)


def _problem(
    source: Any, target: Any, weights: tuple[Any, Any], cost: Any, divergence: DivergenceLike, temperature: Any, memory: Any
) -> tuple[_engine.Continuous, int]:
    """The problem, and how many bytes it may take."""
    bytes_allowed = _inputs.memory_bytes(memory)
    made_cost = _inputs.cost(cost)
    first, second = _inputs.sides(source, target, *weights, bytes_allowed)
    text = _inputs.temperature_text(temperature)
    return _engine.Continuous(first, second, made_cost, name_of(divergence), text), bytes_allowed


def _budget(tolerance: Any, max_samples: Any, seed: Seed, max_seconds: Any, memory: int) -> dict[str, object]:
    return {
        "tolerance": number("tolerance", tolerance),
        "seed": seed_number(seed),
        "threads": None,
        "max_seconds": number("max_seconds", max_seconds, optional=True),
        "max_samples": whole("max_samples", max_samples, 2),
        "memory": memory,
    }


def _concluded(ended: tuple[_engine.ContinuousSolution, BaseException | None], cost: Any) -> ContinuousResult:
    solution, stopped = ended
    result = ContinuousResult(solution, None if isinstance(cost, str) else cost)
    if stopped is not None:
        raise_stopped(stopped, result)
    if not result.converged:
        width = (result.interval.upper - result.interval.lower) / (result.cost_spread or 1.0)
        warn(
            f"transport ended as {result.status}: value in [{result.interval.lower:.6g}, {result.interval.upper:.6g}], "
            f"{width:.2g} standard deviations of the costs wide, tolerance {result.tolerance:g}"
        )
    return result


def _solver(potential: Any, space: dict[str, Any], solver: Any, sgd: dict[str, Any], divergence: str) -> object:
    """Potential and solver as the engine has them, in one."""
    _one_of("potential", potential, ("samples", "kernel"))
    _one_of("solver", solver, ("auto", "sgd"))
    if solver == "auto":
        _not_given(sgd, "solver='sgd'")
    if potential == "samples":
        if solver == "sgd":
            raise InvalidInputError("solver is 'sgd', which moves sums of a kernel; add potential='kernel'")
        _not_given(space, "potential='kernel'")
        return "samples"
    functions = {
        "kernel": _engine.kernel(_text("kernel", space["kernel"], "gaussian")),
        "bandwidth": number("bandwidth", space["bandwidth"], optional=True),
        "rank": 256 if space["rank"] is None else whole("rank", space["rank"], 1),
    }
    if solver == "auto":
        return {"kernel": functions}
    return {
        "sgd": {
            "objective": _objective(sgd["objective"], sgd["rho"], divergence),
            "space": functions,
            "step": number("step", sgd["step"], optional=True),
            "steps": 100_000 if sgd["steps"] is None else whole("steps", sgd["steps"], 1),
            "batch": 1 if sgd["batch"] is None else whole("batch", sgd["batch"], 1),
        }
    }


def _objective(objective: Any, rho: Any, divergence: str) -> object:
    if objective is None:
        # A safe objective stands for KL; others have their own.
        objective = "safe" if divergence == "kl" else "dual"
    _one_of("objective", objective, _OBJECTIVES)
    if objective == "dual":
        if rho is not None:
            raise InvalidInputError("rho is an option of safe objectives, and the objective is 'dual'; add objective='safe'")
        return "dual"
    return {objective.replace("-", "_"): {"rho": 0.03 if rho is None else number("rho", rho, above=0, below=1)}}


def _not_given(options: dict[str, Any], needed: str) -> None:
    for name, value in options.items():
        if value is not None:
            raise InvalidInputError(f"{name} is an option of another method; add {needed}")


def _text(name: str, value: Any, default: str) -> str:
    if value is None:
        return default
    if not isinstance(value, str):
        raise InvalidTypeError(f"{name} is of type {type(value).__name__}; it must be a name such as {default!r}")
    return value


def _one_of(name: str, value: Any, known: tuple[str, ...]) -> None:
    expected = f"{', '.join(repr(it) for it in known[:-1])} or {known[-1]!r}"
    if not isinstance(value, str):
        raise InvalidTypeError(f"{name} is of type {type(value).__name__}; it must be {expected}")
    if value not in known:
        raise InvalidInputError(f"{name} is {value!r}; it must be {expected}")
