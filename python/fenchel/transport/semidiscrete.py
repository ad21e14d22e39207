"""From anything one can draw from to finitely many points."""

from __future__ import annotations

import json
import os

from numpy.typing import ArrayLike

from .. import _engine
from .._runs import Report, Seed, raise_stopped, reporting, seed_number, warn
from .._values import number, path, whole
from ..divergences import DivergenceLike, name_of
from ..errors import InvalidInputError, InvalidTypeError
from . import _inputs
from ._inputs import CostLike, SourceLike
from .result import SemiDiscreteResult

__all__ = ["semidiscrete"]

_STEP_RULES = ("continuous", "lipschitz", "self-concordant", "practical-constant", "practical-decaying")


def semidiscrete(
    source: SourceLike,
    target: ArrayLike,
    *,
    target_weights: ArrayLike | None = None,
    source_weights: ArrayLike | str | None = None,
    reference: ArrayLike | None = None,
    cost: CostLike = "sqeuclidean",
    divergence: DivergenceLike = "kl",
    temperature: float | str = "rel:0.1",
    tolerance: float = 1e-3,
    solver: str = "auto",
    steps: int | None = None,
    batch: int | None = None,
    step_rule: str | None = None,
    oracle_error: float | None = None,
    seed: Seed = 0,
    max_seconds: float | None = 300.0,
    memory: int | str = "4GiB",
    progress: bool | Report = False,
    checkpoint: str | os.PathLike[str] | None = None,
    resume: str | os.PathLike[str] | None = None,
) -> SemiDiscreteResult:
    """Moves the mass of a source μ to weighted points y at the least expected cost, plus λ times a divergence of the plan.

    ::

        W_λ(μ, ν) = max over φ of  ν·φ − E max over p of  Σ p_i (φ_i − c(x, y_i)) − λ D_f(p‖η)

    Mass at x goes to where φ_i − c(x, y_i) is largest, softly for λ > 0. Nothing needs tuning; the answer is certified on samples
    that the solver has not seen. The same seed gives the same bits for any number of threads.

    Parameters
    ----------
    source : str, array_like, iterator of array_like, callable or path
        μ: a name (``gaussian``, ``uniform``, ``ball``, ``sphere``, ``simplex``, with the target's dimension unless one is given
        as in ``gaussian:2``); an array of points as rows, the measure of those points together; an iterator of such arrays; a
        function ``draw(rng, n)`` that returns n independent points drawn with the NumPy generator it is given; or a file (CSV,
        NPY), which is read where it is if it is large against `memory`.
    target : array_like, shape (n, dim)
        The points y, called atoms.
    target_weights : array_like, shape (n,), optional
        ν, at least 0, normalised; uniform by default.
    source_weights : array_like or str, optional
        Weights of the source's points; for a file the column that holds them.
    reference : array_like, shape (n,), optional
        η of the divergence, normalised; uniform by default.
    cost : str or callable, default "sqeuclidean"
        c: ``linf``, ``l1``, ``l2``, ``sqeuclidean``, ``lp:P``, ``cosine``, each with ``^POWER``; or a function of x, shape (b, dim),
        and y, shape (n, dim), that returns the (b, n) costs.
    divergence : Divergence or str, default "kl"
        What regularises the plan; ``none`` for classical transport.
    temperature : float or str, default "rel:0.1"
        λ in units of the cost; ``rel:`` multiplies the standard deviation of the costs.
    tolerance : float, default 1e-3
        Bounds the marginal error Σ\\|q − ν\\| and, times the standard deviation of the costs, the width of the value's interval.
        Points of a function are independent: a tenth of the tolerance takes a hundred times as many, and 1e-3 can take minutes,
        where points of a name, which are spread evenly, take less than a second.
    solver : {"auto", "asgd"}, default "auto"
        Growing samples and second-order steps, or averaged stochastic gradient ascent.
    steps, batch, step_rule, oracle_error : optional
        For asgd: number of steps (100,000), samples a step (1), one of ``continuous``, ``lipschitz``, ``self-concordant``,
        ``practical-constant``, ``practical-decaying`` (the default), accuracy of the weights (0).
    seed : int or numpy.random.Generator, default 0
        Of all randomness; None for a new one.
    max_seconds : float or None, default 300
        Time budget; the best result so far is returned when it is spent, or when the next stage, of several times the samples,
        would not fit into what is left of it. No stage draws more than 2²⁴ samples.
    memory : int or str, default "4GiB"
        Memory budget, in bytes or as text.
    progress : bool or callable, default False
        A progress bar by tqdm, or a function called with phase, fraction, samples, error and error aimed at.
    checkpoint : path, optional
        File for the state of the run, written now and then and at its end, always whole.
    resume : path, optional
        Go on from such a file; problem and settings must be the same, and the result has the bits of an uninterrupted run.

    Returns
    -------
    SemiDiscreteResult
        With value, interval, bounds, potential, marginal error and status.

    Raises
    ------
    InvalidInputError
        For what is outside its domain, naming it; :class:`~fenchel.errors.InfeasibleError` if no plan exists.
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
    Functions of one's own (source, cost) are called from threads of this package, costs from one thread or another; they may use
    this package themselves, in which case that is done in one thread. Ctrl-C is heard when they return.

    Taşkesen, Shafieezadeh-Abadeh and Kuhn, "Semi-discrete optimal transport: hardness, regularization and numerical solution",
    Math. Program. 2022.

    Examples
    --------
    >>> import numpy as np
    >>> from fenchel.transport import semidiscrete
    >>> result = semidiscrete("gaussian", [[-1.0, 0.0], [1.0, 0.0], [0.0, 1.0]], tolerance=1e-2)
    >>> result.status
    'converged'
    >>> result.interval.lower <= result.value <= result.interval.upper
    True
    >>> result.assign([[2.5, 0.1], [-3.0, 0.0]])
    array([1, 0])
    """
    bytes_allowed = _inputs.memory_bytes(memory)
    atoms = _inputs.points(target, "target")
    made_cost = _inputs.cost(cost)
    problem = _engine.Transport(
        _inputs.source(source, atoms.shape[1], source_weights, bytes_allowed),
        made_cost,
        (atoms, _inputs.weights(target_weights, "target_weights")),
        _inputs.weights(reference, "reference"),
        name_of(divergence),
        _inputs.temperature_text(temperature),
    )
    settings = {
        "solver": _solver(solver, steps, batch, step_rule, oracle_error),
        "tolerance": number("tolerance", tolerance),
        "seed": seed_number(seed),
        "threads": None,
        "max_seconds": number("max_seconds", max_seconds, optional=True),
        "max_samples": 1 << 24,
        "memory": bytes_allowed,
    }
    with reporting(progress) as report:
        solution, stopped, outdated = problem.solve(
            json.dumps(settings),
            report,
            None if checkpoint is None else path("checkpoint", checkpoint),
            None if resume is None else path("resume", resume),
        )
    result = SemiDiscreteResult(solution, None if isinstance(cost, str) else cost)
    if outdated is not None:
        warn(f"the checkpoint is an old one: {outdated}", RuntimeWarning)
    if stopped is not None:
        raise_stopped(stopped, result)
    if not result.converged:
        warn(
            f"transport ended as {result.status}: marginal error {result.marginal_error.l1:.2g}, value in "
            f"[{result.interval.lower:.6g}, {result.interval.upper:.6g}], tolerance {tolerance:g}"
        )
    return result


def _solver(
    name: str, steps: int | None, batch: int | None, step_rule: str | None, oracle_error: float | None
) -> object:
    given = {"steps": steps, "batch": batch, "step_rule": step_rule, "oracle_error": oracle_error}
    if not isinstance(name, str):
        raise InvalidTypeError(f"solver is of type {type(name).__name__}; it must be 'auto' or 'asgd'")
    if name == "auto":
        for option, value in given.items():
            if value is not None:
                raise InvalidInputError(f"{option} is an option of another method; add solver='asgd'")
        return "auto"
    if name != "asgd":
        raise InvalidInputError(f"solver is {name!r}; it must be 'auto' or 'asgd'")
    rule = "practical-decaying" if step_rule is None else step_rule
    if not isinstance(rule, str) or rule not in _STEP_RULES:
        raise InvalidInputError(f"step_rule is {rule!r}; it must be one of {', '.join(_STEP_RULES)}")
    return {
        "asgd": {
            "steps": 100_000 if steps is None else whole("steps", steps, 1),
            "batch": 1 if batch is None else whole("batch", batch, 1),
            "rule": rule.replace("-", "_"),
            "oracle_error": 0.0 if oracle_error is None else number("oracle_error", oracle_error),
        }
    }
