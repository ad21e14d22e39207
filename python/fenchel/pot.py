"""The functions of ``ot.semidiscrete`` of POT (Python Optimal Transport) under the same names and arguments.

Code written for POT runs by changing an import::

    from fenchel.pot import solve_semidiscrete          # was: from ot.semidiscrete import solve_semidiscrete

What changes is how potentials are found: not by a number of stochastic steps whose size has to suit the costs, but to a
tolerance, which is verified. Arguments that set steps (``max_iter``, ``batch_size``, ``lr0``, ``lr_exponent``, ``init_potential``,
``decreasing_reg...``, ``max_cost``, ``polyak_average``) are taken and have nothing left to do. Results are arrays of the kind that
``X_target`` is (NumPy, PyTorch, or any other that follows the array API standard); the computation is on the processor.
"""

from __future__ import annotations

from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from . import _engine
from ._runs import Seed
from .errors import InvalidInputError, InvalidTypeError, UnknownNameError, optional
from .transport import _inputs
from .transport.semidiscrete import semidiscrete

__all__ = [
    "semidiscrete_atom_weights",
    "semidiscrete_c_transform",
    "semidiscrete_ot_map",
    "solve_semidiscrete",
]

#: What POT and SciPy call costs that have names here.
_METRICS = {"sqeuclidean": "sqeuclidean", "euclidean": "l2", "cityblock": "l1", "chebyshev": "linf", "cosine": "cosine"}

_SAMPLERS = {
    "unif": "uniform",
    "unif_cube": "uniform",
    "ball": "ball",
    "unif_ball": "ball",
    "normal": "gaussian",
}


def solve_semidiscrete(
    X_target: Any,
    sampler_source: Any = "unif",
    a_target: Any = None,
    metric: Any = None,
    reg: float = 0.0,
    max_iter: int = 10_000,
    batch_size: int = 32,
    lr0: float | None = None,
    lr_exponent: float = 2.0 / 3.0,
    init_potential: Any = None,
    decreasing_reg: bool = True,
    decreasing_reg_initial_eps: float = 0.1,
    decreasing_reg_exponent: float = 0.5,
    max_cost: float | None = None,
    polyak_average: bool = True,
    log: bool = False,
    *,
    tolerance: float = 1e-2,
    seed: Seed = 0,
    max_seconds: float | None = 300.0,
) -> Any:
    """Potentials of semi-discrete transport: maximises H(g) = E g^c(X) + ⟨g, w⟩, or its entropic form for ``reg`` > 0.

    Parameters
    ----------
    X_target : array, shape (n, d)
        The atoms.
    sampler_source : str or callable, default "unif"
        ``unif``, ``unif_cube``, ``ball``, ``unif_ball``, ``normal``, or a function of a number b that returns (b, d) points. A
        function is called from one thread, in an order that does not depend on the number of threads: one that is
        seeded gives the same result again.
    a_target : array, shape (n,), optional
        Weights w of the atoms; uniform by default.
    metric : str or callable, optional
        ``sqeuclidean`` (the default), another name that :func:`scipy.spatial.distance.cdist` or this package has, or a function of
        x and y that returns the (b, n) costs.
    reg : float, default 0.0
        Entropic regularisation relative to w; 0 is classical transport.
    max_iter, batch_size, lr0, lr_exponent, init_potential, decreasing_reg, decreasing_reg_initial_eps, \
decreasing_reg_exponent, max_cost, polyak_average
        Taken as POT takes them, without effect.
    log : bool, default False
        Return a dictionary as well, with the whole result under ``"result"``.
    tolerance : float, default 1e-2
        As for :func:`fenchel.transport.semidiscrete`: bounds the marginal error Σ\\|q − w\\|.
    seed : int or numpy.random.Generator, default 0
        Of all randomness but that of a function of one's own.
    max_seconds : float or None, default 300
        Time budget.

    Returns
    -------
    semi_dual_potential : array, shape (n,)
        g, of mean 0 over the atoms with weight; −∞ for the others.
    info : dict
        Only with `log`: POT's entries, and the :class:`~fenchel.transport.SemiDiscreteResult` under ``"result"``.

    Warns
    -----
    ConvergenceWarning
        If the tolerance was not reached within the budget.

    Examples
    --------
    >>> import numpy as np
    >>> from fenchel.pot import solve_semidiscrete
    >>> rng = np.random.default_rng(0)
    >>> target = np.linspace(0.0, 1.0, 10).reshape(-1, 1)
    >>> g = solve_semidiscrete(target, lambda b: rng.random((b, 1)), tolerance=0.05)
    >>> bool(abs(g.mean()) < 1e-12)
    True
    """
    atoms, w = _numpy(X_target), _weights(a_target)
    result = semidiscrete(
        _sampler(sampler_source, X_target),
        atoms,
        target_weights=w,
        reference=w,
        cost=_metric(metric, X_target),
        divergence="kl" if _strength(reg) > 0 else "none",
        temperature=reg if reg > 0 else 1.0,
        tolerance=tolerance,
        seed=seed,
        max_seconds=max_seconds,
    )
    potential = _like(X_target, np.where(np.isnan(result.potential), -np.inf, result.potential))
    if not log:
        return potential
    return potential, {
        "max_iter": max_iter,
        "batch_size": batch_size,
        "max_cost": max_cost,
        "polyak_average": polyak_average,
        "last_potential": potential,
        "result": result,
    }


def semidiscrete_atom_weights(
    X_target: Any,
    X_source: Any,
    semi_dual_potential: Any,
    a_target: Any = None,
    metric: Any = None,
    reg: float = 0.0,
) -> Any:
    """Where samples go: w_j exp((g_j − c(x, y_j))/reg), normalised; for ``reg`` = 0 all to the atom where c(x, y_j) − g_j is least.

    Parameters
    ----------
    X_target : array, shape (n, d)
        The atoms y.
    X_source : array, shape (m, d)
        The samples x.
    semi_dual_potential : array, shape (n,)
        g.
    a_target, metric, reg
        As for :func:`solve_semidiscrete`.

    Returns
    -------
    array, shape (m, n)
        Rows sum to 1.

    Examples
    --------
    >>> from fenchel.pot import semidiscrete_atom_weights
    >>> semidiscrete_atom_weights([[0.0], [1.0]], [[0.2], [0.7]], [0.0, 0.0])
    array([[1., 0.],
           [0., 1.]])
    """
    plan, x = _plan(X_target, X_source, semi_dual_potential, a_target, metric, reg)
    if reg > 0:
        return _like(X_target, plan.weights(x))
    _, n = plan.shape()
    return _like(X_target, (plan.assign(x)[:, None] == np.arange(n)).astype(np.float64))


def semidiscrete_ot_map(
    X_target: Any,
    X_source: Any,
    semi_dual_potential: Any,
    a_target: Any = None,
    metric: Any = None,
    reg: float = 0.0,
) -> Any:
    """The barycentric map: the mean of the atoms under :func:`semidiscrete_atom_weights`, for each sample.

    Parameters are those of :func:`semidiscrete_atom_weights`.

    Returns
    -------
    array, shape (m, d)

    Examples
    --------
    >>> from fenchel.pot import semidiscrete_ot_map
    >>> semidiscrete_ot_map([[0.0], [1.0]], [[0.2], [0.7]], [0.0, 0.0])
    array([[0.],
           [1.]])
    """
    plan, x = _plan(X_target, X_source, semi_dual_potential, a_target, metric, reg)
    return _like(X_target, plan.map(x) if reg > 0 else _numpy(X_target)[plan.assign(x)])


def semidiscrete_c_transform(
    X_target: Any,
    X_source: Any,
    semi_dual_potential: Any,
    a_target: Any = None,
    metric: Any = None,
    reg: float = 0.0,
) -> Any:
    """The c-transform min_j c(x, y_j) − g_j, or −reg log Σ w_j exp((g_j − c(x, y_j))/reg), for each sample.

    Parameters are those of :func:`semidiscrete_atom_weights`. The sign is POT's, the opposite of that of
    :meth:`fenchel.transport.SemiDiscreteResult.c_transform`.

    Returns
    -------
    array, shape (m,)

    Examples
    --------
    >>> from fenchel.pot import semidiscrete_c_transform
    >>> semidiscrete_c_transform([[0.0], [1.0]], [[0.2], [0.7]], [0.0, 0.0]).round(12)
    array([0.04, 0.09])
    """
    plan, x = _plan(X_target, X_source, semi_dual_potential, a_target, metric, reg)
    return _like(X_target, -plan.c_transform(x))


def _plan(
    X_target: Any, X_source: Any, potential: Any, a_target: Any, metric: Any, reg: float
) -> tuple[_engine.Plan, NDArray[np.float64]]:
    plan = _engine.Plan.of_potential(
        _numpy(X_target),
        np.atleast_1d(_numbers(potential, "semi_dual_potential")),
        _weights(a_target),
        _inputs.cost(_metric(metric, X_target)),
        "kl" if _strength(reg) > 0 else "none",
        reg if reg > 0 else 1.0,
    )
    return plan, _inputs.points(_detached(X_source), "X_source")


def _strength(reg: float) -> float:
    try:
        fits = bool(0 <= reg < float("inf"))
    except TypeError:
        raise InvalidTypeError(f"reg is {reg!r:.60}; it must be a number") from None
    if not fits:
        raise InvalidInputError(f"reg is {reg}; it must be a finite number of at least 0")
    return reg


def _detached(values: Any) -> Any:
    """What NumPy can read, of a tensor that has a gradient or is on another device."""
    return values.detach().cpu() if hasattr(values, "detach") else values


def _numpy(X_target: Any) -> NDArray[np.float64]:
    return _inputs.points(_detached(X_target), "X_target")


def _numbers(values: Any, name: str) -> NDArray[np.float64]:
    return cast(NDArray[np.float64], _inputs.weights(_detached(values), name))


def _weights(a_target: Any) -> NDArray[np.float64] | None:
    return None if a_target is None else _numbers(a_target, "a_target")


def _like(model: Any, array: NDArray[np.float64]) -> Any:
    """The numbers as an array of the kind, precision and place of `model`."""
    if type(model).__module__.split(".")[0] == "torch":
        import torch

        return torch.as_tensor(array, dtype=model.dtype, device=model.device)
    if not isinstance(model, np.ndarray) and hasattr(model, "__array_namespace__"):
        return model.__array_namespace__().asarray(array, dtype=model.dtype, device=model.device)
    single = isinstance(model, np.ndarray) and model.dtype.kind == "f" and model.dtype.itemsize <= 4
    return array.astype(model.dtype) if single else array


def _metric(metric: Any, model: Any) -> Any:
    if metric is None:
        return "sqeuclidean"
    if callable(metric):
        return lambda x, y: _detached(metric(_like(model, x), _like(model, y)))
    if metric in _METRICS:
        return _METRICS[metric]
    try:
        _engine.Cost.named(metric)
    except UnknownNameError as error:
        cdist = optional("scipy.spatial.distance", "pot").cdist
        try:
            cdist(np.zeros((1, 2)), np.ones((1, 2)), metric=metric)
        except ValueError:
            raise error from None
        return lambda x, y: cdist(x, y, metric=metric)
    return metric


def _sampler(sampler: Any, model: Any) -> Any:
    if callable(sampler):
        return lambda _, n: _detached(sampler(n))
    if not isinstance(sampler, str):
        raise InvalidTypeError(f"sampler_source is of type {type(sampler).__name__}; it must be a name or a function")
    if sampler in _SAMPLERS:
        return _SAMPLERS[sampler]
    raise InvalidInputError(
        f"sampler_source is {sampler!r}; it must be a function or one of {', '.join(map(repr, _SAMPLERS))}"
    )
