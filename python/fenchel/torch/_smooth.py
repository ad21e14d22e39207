"""Smooth maxima of tensors, differentiable as often as one likes."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from ..divergences import DivergenceLike, SafeKL
from ..errors import InvalidInputError, InvalidTypeError, ShapeError
from ..smooth import SmoothMax
from ._generators import KL, Generator, Row
from ._registry import generator_of
from ._root import is_compiling


class _Smooth(torch.autograd.Function):
    """(value, weights, threshold, y) of scores along the last axis, y = (u − τ)/λ − origin.

    Derivatives are functions of the results: with c = η (f*)''(y), e = du − (y + origin) dλ and t = (f*)'(y),

        dτ = (Σ c e + λ Σ t dη)/Σc,   dy = (e − dτ)/λ,   dp = t dη + c dy,   dvalue = Σ p du − D dλ + λ Σ f*(y) dη.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(
        u: Tensor, temperature: Tensor, eta: Tensor, generator: Generator, uniform: bool
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        # Without mass a score is as if it were −∞.
        u = u if uniform else torch.where(eta > 0, u, -torch.inf)
        anchor, theta, t = generator.solve(Row(u, eta, temperature, uniform))
        total = (eta * t).sum(-1, keepdim=True)
        proper = (u < torch.inf).all(-1, keepdim=True)
        anchor, total = torch.where(proper, anchor, torch.nan), torch.where(proper, total, torch.nan)
        t = (t / total).clamp(max=generator.cap)
        p = eta * t
        limit = torch.finfo(u.dtype).max ** 0.5
        y = ((u - anchor) / temperature - theta).clamp(-limit, limit)
        threshold = anchor + temperature * (theta - generator.origin)
        if isinstance(generator, KL):
            value = threshold.clone()
        else:
            # What it is a maximum of: errors of the weights, and so of the threshold, are squared.
            mean = torch.where(p > 0, p * (u - anchor), 0 * total).sum(-1, keepdim=True)
            value = anchor + mean - temperature * _charge(generator, eta, t)
        return value.squeeze(-1), p, threshold.squeeze(-1), y

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        _, temperature, eta, ctx.generator, _ = inputs
        _, p, _, y = output
        ctx.save_for_backward(temperature, eta, p, y)
        ctx.set_materialize_grads(False)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
        temperature, eta, p, y = ctx.saved_tensors
        generator: Generator = ctx.generator
        by_value, by_p, by_threshold, by_y = grads
        of_u, of_temperature, of_eta = ctx.needs_input_grad[:3]
        grad_u = grad_temperature = grad_eta = by_e = by_p_moved = None
        if by_value is not None:
            by_value = by_value.unsqueeze(-1)
            grad_u = by_value * p
        if by_p is not None or by_threshold is not None or by_y is not None:
            # by_e is the derivative by e, by_tau that by τ.
            c = eta * generator.pull(y)
            total = c.sum(-1, keepdim=True)
            c = c / torch.where(total > 0, total, torch.ones_like(total))
            by_e = torch.zeros_like(y)
            if by_p is not None and not generator.flat:
                by_e = by_p * (eta * generator.curvature(y)) / temperature
            if by_y is not None:
                by_e = by_e + by_y / temperature
            by_tau = -by_e.sum(-1, keepdim=True)
            if by_threshold is not None:
                by_tau = by_tau + by_threshold.unsqueeze(-1)
            by_e = by_e + by_tau * c
            grad_u = _sum(grad_u, by_e)
            if of_eta:
                # Mass that an atom gains is taken from all that the threshold moves.
                by_p = torch.zeros_like(y) if by_p is None else by_p
                if generator.flat:
                    moved = -(by_p * c).sum(-1, keepdim=True)
                else:
                    moved = temperature * by_tau / torch.where(total > 0, total, torch.inf)
                by_p_moved = by_p + moved
        if of_temperature:
            if by_value is not None:
                t = generator.density(y).clamp(max=generator.cap)
                grad_temperature = -by_value * _charge(generator, eta, t)
            if by_e is not None:
                grad_temperature = _sum(grad_temperature, -by_e * (y + generator.origin))
            grad_temperature = _like(grad_temperature, temperature)
        if of_eta:
            if by_value is not None:
                grad_eta = by_value * temperature * generator.conjugate(y)
            if by_p_moved is not None:
                grad_eta = _sum(grad_eta, by_p_moved * generator.density(y))
            grad_eta = _like(grad_eta, eta)
        return grad_u if of_u else None, grad_temperature, grad_eta, None, None


def _charge(generator: Generator, eta: Tensor, t: Tensor) -> Tensor:
    """Σ η f(t) for weights that sum to 1."""
    # Next to 1 only the rounding of t is seen, which a large temperature would blow up.
    rounding = (t - 1).abs() <= 4 * torch.finfo(t.dtype).eps
    penalty = torch.where(rounding, torch.zeros_like(t), generator.penalty(t))
    return (eta * penalty).sum(-1, keepdim=True) + generator.level


def _sum(a: Tensor | None, b: Tensor | None) -> Tensor | None:
    return b if a is None else a if b is None else a + b


def _like(grad: Tensor | None, tensor: Tensor) -> Tensor | None:
    return None if grad is None else grad.sum_to_size(tensor.shape)


def smooth(
    u: Tensor, generator: Generator, temperature: float | Tensor, reference: Tensor | None, dim: int = -1
) -> SmoothMax:
    """Smooth maxima along an axis, of arguments whose shapes have been checked."""
    u = u.movedim(dim, -1)
    n, rows = u.shape[-1], u.shape[:-1]
    if isinstance(temperature, Tensor):
        lam = temperature.to(u.dtype)
        lam = torch.where((lam > 0) & (lam < torch.inf), lam, torch.nan)
        lam = lam.expand(rows).unsqueeze(-1)
    else:
        lam = u.new_full((), temperature)
    shift: float | Tensor = 0.0
    if reference is None:
        eta = u.new_full((1,), 1 / n).expand(n)
    else:
        eta = reference.to(u.dtype)
        eta = eta if eta.dim() == 1 else eta.movedim(dim, -1)
        eta = torch.where((eta >= 0) & (eta < torch.inf), eta, torch.nan)
        largest = eta.amax(-1, keepdim=True).detach()
        eta = eta / largest
        mass = eta.sum(-1, keepdim=True)
        eta = eta / mass
        if isinstance(generator, KL):
            # A probability that misses 1 by rounding is one; its mass has a derivative all the same.
            log_mass = (largest.log() + mass.log()).squeeze(-1)
            rounding = 4 * torch.finfo(u.dtype).eps * math.sqrt(n)
            exact = log_mass.detach()
            log_mass = log_mass - torch.where(exact.abs() < rounding, exact, torch.zeros_like(exact))
            shift = lam.squeeze(-1) * log_mass if lam.dim() else lam * log_mass
    # Older compilers do not take a function of autograd where there is nothing to differentiate.
    untracked = is_compiling() and not torch.is_grad_enabled()
    smoothed = _Smooth.forward if untracked else _Smooth.apply
    value, weights, threshold, _ = smoothed(u, lam, eta, generator, reference is None)
    return SmoothMax(value + shift, weights.movedim(-1, dim), threshold + shift)


def tensor_of_floats(values: object, name: str) -> Tensor:
    """A tensor of ``float32`` or ``float64``; half precision is raised to ``float32``."""
    if not isinstance(values, Tensor):
        raise InvalidTypeError(f"{name} is of type {type(values).__name__}; it must be a torch.Tensor")
    if not values.dtype.is_floating_point:
        raise InvalidTypeError(f"{name} is a tensor of {values.dtype}; it must be one of floating-point numbers")
    return values if values.dtype in (torch.float32, torch.float64) else values.float()


def checked_temperature(temperature: object) -> float | Tensor:
    """A temperature as a number that has been checked, or as the tensor that it is."""
    if isinstance(temperature, Tensor):
        return tensor_of_floats(temperature, "temperature")
    if isinstance(temperature, bool) or not isinstance(temperature, (int, float)):
        raise InvalidTypeError(f"temperature is {temperature!r}; it must be a number or a torch.Tensor")
    if not 0 < temperature < math.inf:
        raise InvalidInputError(f"temperature is {temperature}; it must be a finite number above 0")
    return float(temperature)


def smoothmax(
    u: Tensor,
    divergence: DivergenceLike = "kl",
    temperature: float | Tensor = 1.0,
    reference: Tensor | None = None,
    dim: int = -1,
) -> SmoothMax:
    """The smooth maximum of scores, its weights and its threshold, as differentiable tensors.

    ::

        value = max over p in the simplex of  Σ p_i u_i − λ Σ η_i f(p_i/η_i)
              = min over τ of  τ + λ Σ η_i f*((u_i − τ)/λ),      p_i = η_i (f*)'((u_i − τ)/λ)

    The derivative of the value is the weights, exactly. That of weights and threshold follows from the curvature: with
    d_i = η_i (f*)''((u_i − τ)/λ)/λ it is diag d − ddᵀ/Σd for the weights and d/Σd for the threshold. All three can be
    differentiated again, and by temperature and reference as well.

    Parameters
    ----------
    u : torch.Tensor
        Scores, of ``float32`` or ``float64`` (half precision is raised to ``float32``). A score of −∞ gets no weight; a row
        with NaN or +∞, or with nothing but −∞, gives NaN.
    divergence : Divergence or str, default "kl"
        What f is; see :mod:`fenchel.divergences`.
    temperature : float or torch.Tensor, default 1.0
        λ > 0, in units of the scores. A tensor must broadcast to the shape of the value; where it is not above 0 results
        are NaN.
    reference : torch.Tensor, optional
        Masses η_i ≥ 0, one for each score along ``dim`` or one for each score; uniform by default. If they do not sum to 1
        they are normalised; for KL value and threshold then grow by λ log Ση, so that a reference of ones gives
        log-sum-exp. Where one is below 0 results are NaN. Scores without mass are left out.
    dim : int, default -1
        Along which maxima are taken.

    Returns
    -------
    SmoothMax
        ``(value, weights, threshold)``, on the device of the scores.

    Raises
    ------
    ShapeError
        If there are no scores along ``dim``, or shapes do not fit together.
    InvalidInputError
        For a number as temperature, a dimension or a divergence outside its domain.
    InvalidTypeError
        For what is no tensor, or one of integers or complex numbers.

    Notes
    -----
    What is in tensors is never inspected; works under ``torch.compile`` and the transforms of ``torch.func``. The weights of
    CVaR and of no smoothing are piecewise constant: their derivative is 0, and that of the threshold is shared between the
    scores equal to it. Ben-Tal and Teboulle, Math. Finance 2007.

    Examples
    --------
    >>> import torch, fenchel.torch
    >>> u = torch.tensor([2.0, 1.7, 0.4], dtype=torch.float64, requires_grad=True)
    >>> top = fenchel.torch.smoothmax(u, fenchel.Chi2(), temperature=0.5)
    >>> top.weights.detach().numpy().round(4)
    array([0.5444, 0.4444, 0.0111])
    >>> top.value.backward()
    >>> torch.equal(u.grad, top.weights)
    True
    """
    u = tensor_of_floats(u, "u")
    temperature = checked_temperature(temperature)
    if u.dim() == 0:
        raise ShapeError("u is a single number; it must have at least one axis")
    if not -u.dim() <= dim < u.dim():
        raise InvalidInputError(f"dim is {dim}; it must be from {-u.dim()} to {u.dim() - 1}")
    n = u.shape[dim]
    if n == 0:
        raise ShapeError(f"u has no scores along dim {dim}; it must have at least one")
    if isinstance(temperature, Tensor):
        rows = tuple(size for axis, size in enumerate(u.shape) if axis != dim % u.dim())
        shape = tuple(temperature.shape)
        fits = len(shape) <= len(rows) and all(a in (1, b) for a, b in zip(shape[::-1], rows[::-1]))
        if not fits:
            raise ShapeError(f"temperature has shape {shape}; it must broadcast to that of the value, {rows}")
    if reference is not None:
        reference = tensor_of_floats(reference, "reference")
        if reference.shape not in ((n,), u.shape):
            fitting = " or ".join(dict.fromkeys([str((n,)), str(tuple(u.shape))]))
            raise ShapeError(f"reference has shape {tuple(reference.shape)}; it must be {fitting}")
    return smooth(u, generator_of(divergence, n if reference is None else None), temperature, reference, dim)


def safe_logsumexp(
    u: Tensor,
    rho: float,
    temperature: float | Tensor = 1.0,
    dim: int = -1,
    reference: Tensor | None = None,
) -> Tensor:
    """Safe log-sum-exp: the smooth maximum with safe KL, whose derivative is at most η_i/ρ.

    ::

        F_ρ(u) = min over τ of  τ − λ + (λ/ρ) Σ η_i log(1 + ρ exp((u_i − τ)/λ))

    It is below λ log Σ η_i exp(u_i/λ), falls as ρ grows and tends to that as ρ → 0. With weights η that sum to 1 it is a
    mean, not a sum, of exponentials: for n counted terms take ρ/n for ρ and add λ log n.

    Parameters
    ----------
    u : torch.Tensor
        Scores.
    rho : float
        ρ, above 0 and below 1.
    temperature, dim, reference
        As in :func:`smoothmax`.

    Returns
    -------
    torch.Tensor
        F_ρ(u), without the axis. It can be differentiated twice and more.

    Raises
    ------
    InvalidInputError
        For ρ outside its domain; else as :func:`smoothmax`.

    Notes
    -----
    "Improved Stochastic Optimization of LogSumExp", 2025. F_ρ(c) = c − λ(1 + ((1−ρ)/ρ) log(1−ρ)) for constant scores;
    ``smoothmax(u, SafeKL(rho, centered=True))`` is the form that gives c.

    Examples
    --------
    >>> import torch, fenchel.torch
    >>> u = torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64)
    >>> [round(fenchel.torch.safe_logsumexp(u, rho).item(), 4) for rho in (0.5, 0.1, 1e-3)]
    [1.8533, 2.2299, 2.3082]
    >>> round((u.exp().mean().log()).item(), 4)
    2.309
    """
    value: Tensor = smoothmax(u, SafeKL(rho), temperature, reference, dim).value
    return value
