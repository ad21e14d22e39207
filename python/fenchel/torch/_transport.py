"""Losses for the potentials of transport, as modules."""

from __future__ import annotations

from collections.abc import Callable
from threading import RLock

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..divergences import DivergenceLike, SafeKL
from ..divergences import divergence as divergence_of
from ..errors import InvalidInputError, InvalidTypeError, ShapeError
from ._generators import Generator
from ._registry import generator_of
from ._smooth import checked_temperature, tensor_of_floats


class DualTransportLoss(torch.nn.Module):
    """Less the dual objective of transport between two measures, for potentials that are networks.

    ::

        loss = −E u(x) − E v(y) + λ E f*((u(x) + v(y) − c(x, y))/λ)  ≥  −W_λ(μ, ν)

    The least of it over all functions u and v is −W_λ(μ, ν), where W_λ is the cost of the best plan π plus λ D_f(π ‖ μ⊗ν). For a
    batch from either side it is a mean, over all pairs or over pairs of rows: an unbiased estimate for batches of any size, as long
    as those of x and y are independent.

    Parameters
    ----------
    divergence : Divergence or str, default "kl"
        What f is; see :mod:`fenchel.divergences`. It must be smooth, with f* finite everywhere: ``kl``, ``safe-kl:RHO``, ``chi2``,
        ``tsallis:Q`` with Q > 1, ``hyperbolic``, ``kl-cvar:ALPHA``.
    temperature : float, default 1.0
        λ > 0, in units of the cost.

    Raises
    ------
    InvalidInputError
        For a divergence or temperature outside its domain.

    Notes
    -----
    Derivatives by u(x) and v(y) are means of t − 1, t = (f*)'((u + v − c)/λ) being the density of the plan. For KL it is an
    exponential, and a step that is too large overflows: :class:`SafeTransportLoss` cannot. What a trained v is worth says
    :func:`fenchel.transport.certify`; of u it makes the best there is for v, so that only v need be kept. Genevay, Cuturi, Peyré and
    Bach, "Stochastic optimization for large-scale optimal transport", NeurIPS 2016.

    Examples
    --------
    >>> import torch, fenchel.torch
    >>> x, y = torch.tensor([0.0, 1.0]), torch.tensor([0.5, 1.5, 2.5])
    >>> cost = (x[:, None] - y) ** 2
    >>> u, v = torch.zeros(2, requires_grad=True), torch.zeros(3, requires_grad=True)
    >>> loss = fenchel.torch.DualTransportLoss("kl", temperature=0.5)
    >>> value = loss(u, v, cost)
    >>> round(value.item(), 4)
    -0.3465
    >>> value.backward()
    >>> torch.allclose(u.grad, (loss.density(u, v, cost).mean(1) - 1) / 2)
    True

    A training loop (``python/examples/train_transport.py`` runs)::

        loss = fenchel.torch.SafeTransportLoss(rho=0.01, temperature=0.5)
        for x, y in zip(source_loader, target_loader):
            value = loss(u(x).squeeze(-1), v(y).squeeze(-1), torch.cdist(x, y) ** 2)
            optimizer.zero_grad()
            value.backward()
            optimizer.step()
    """

    def __init__(self, divergence: DivergenceLike = "kl", temperature: float = 1.0) -> None:
        super().__init__()
        if isinstance(temperature, Tensor):
            temperature = temperature.item()
        checked_temperature(temperature)
        self.divergence, self.temperature = divergence_of(divergence), float(temperature)
        self._name = self.divergence.name
        generator = generator_of(self._name)
        if generator.flat or not generator.finite_conjugate:
            raise InvalidInputError(
                f"divergence is {self.divergence}; it must be a smooth one with f* finite everywhere: "
                "kl, safe-kl, chi2, tsallis:Q with Q > 1, hyperbolic, kl-cvar"
            )

    def forward(self, u: Tensor, v: Tensor, cost: Tensor) -> Tensor:
        """The loss of a batch.

        Parameters
        ----------
        u : torch.Tensor, shape (n,) or ()
            u(x) at n points x of the source; a single number stands for a constant.
        v : torch.Tensor, shape (m,)
            v(y) at m points y of the target.
        cost : torch.Tensor, shape (n, m) or (n,)
            c(x, y) for all pairs, or, with n = m, for x and y of the same row.

        Returns
        -------
        torch.Tensor
            A single number.

        Raises
        ------
        ShapeError
            If shapes do not fit together.
        """
        u, v, scores, generator = self._scores(u, v, cost)
        return self.temperature * generator.conjugate(scores - generator.origin).mean() - u.mean() - v.mean()

    def density(self, u: Tensor, v: Tensor, cost: Tensor) -> Tensor:
        """t = (f*)'((u + v − c)/λ), the plan's density with respect to the product of the measures, in the shape of the cost.

        At the optimum its mean is 1 for every x and for every y.
        """
        _, _, scores, generator = self._scores(u, v, cost)
        return generator.density(scores - generator.origin)

    def _scores(self, u: Tensor, v: Tensor, cost: Tensor) -> tuple[Tensor, Tensor, Tensor, Generator]:
        u, v, cost = tensor_of_floats(u, "u"), tensor_of_floats(v, "v"), tensor_of_floats(cost, "cost")
        if cost.dim() not in (1, 2):
            raise ShapeError(f"cost has shape {tuple(cost.shape)}; it must be (n, m) for all pairs or (n,) for pairs of rows")
        if cost.numel() == 0:
            raise ShapeError("cost is empty; it must have at least one pair")
        n, m = cost.shape[0], cost.shape[-1]
        if u.shape not in ((n,), ()):
            raise ShapeError(f"u has shape {tuple(u.shape)}; it must be ({n},), one number for each row of the cost, or ()")
        if v.shape != (m,):
            raise ShapeError(f"v has shape {tuple(v.shape)}; it must be ({m},), one number for each column of the cost")
        at_x = u if u.dim() == 0 or cost.dim() == 1 else u.unsqueeze(-1)
        return u, v, (at_x + v - cost) / self.temperature, generator_of(self._name)

    def extra_repr(self) -> str:
        """What ``repr`` shows."""
        return f"divergence={self._name!r}, temperature={self.temperature}"


class SafeTransportLoss(DualTransportLoss):
    """Less the safe objective for potentials that are networks, with α = −u:

    ::

        loss = −E[v(y) − α(x) − (λ/ρ) log(1 + ρ e^{(v(y) − c(x, y) − α(x))/λ})] − λ

    It is :class:`DualTransportLoss` of safe KL: transport whose plan has a density below 1/ρ. Its derivative by one of n numbers
    u(x) lies between −1/n and (1/ρ − 1)/n, whatever they are; no step can overflow.

    Parameters
    ----------
    rho : float
        ρ, above 0 and below 1. The least loss is below that of KL, and rises to it as ρ falls.
    temperature : float, default 1.0
        λ > 0, in units of the cost.

    Raises
    ------
    InvalidInputError
        For ρ or a temperature outside its domain.

    Notes
    -----
    A u that is a single number makes a much weaker problem, which can end as far from W as it began. "Improved Stochastic
    Optimization of LogSumExp", 2025.

    Examples
    --------
    >>> import torch, fenchel.torch
    >>> loss = fenchel.torch.SafeTransportLoss(rho=0.1, temperature=0.5)
    >>> loss
    SafeTransportLoss(rho=0.1, temperature=0.5)
    >>> u = torch.tensor([1e6, -1e6], requires_grad=True)
    >>> loss(u, torch.zeros(3), torch.ones(2, 3)).backward()
    >>> u.grad
    tensor([ 4.5000, -0.5000])
    """

    def __init__(self, rho: float, temperature: float = 1.0) -> None:
        super().__init__(SafeKL(rho), temperature)
        self.rho = float(rho)

    def extra_repr(self) -> str:
        """What ``repr`` shows."""
        return f"rho={self.rho}, temperature={self.temperature}"


def as_function(module: torch.nn.Module) -> Callable[[NDArray[np.float64]], NDArray[np.float64]]:
    """A network as a function of arrays, for :func:`fenchel.transport.certify`.

    Parameters
    ----------
    module : torch.nn.Module
        Takes points of shape (n, dim) to n numbers, shape (n,) or (n, 1).

    Returns
    -------
    callable
        Takes an array of shape (n, dim) to one of shape (n,). It evaluates the module in mode ``eval``, on the device and in the
        precision of its first parameter, without gradients, as the module is when the function is called.

    Raises
    ------
    InvalidTypeError
        For what is not a module.
    ShapeError
        When it is called and the module returns another number of values.

    Examples
    --------
    >>> import numpy as np, torch, fenchel.torch
    >>> v = fenchel.torch.as_function(torch.nn.Linear(2, 1).double())
    >>> v(np.zeros((3, 2))).shape
    (3,)
    """
    if not isinstance(module, torch.nn.Module):
        raise InvalidTypeError(f"module is of type {type(module).__name__}; it must be a torch.nn.Module")

    # The mode is the module's, and calls may come from several threads.
    lock = RLock()

    def function(points: NDArray[np.float64]) -> NDArray[np.float64]:
        like = next(module.parameters(), torch.empty(0, dtype=torch.float64))
        with lock:
            modes = [(it, it.training) for it in module.modules()]
            module.eval()
            try:
                with torch.no_grad():
                    values = module(torch.as_tensor(points, dtype=like.dtype, device=like.device))
            finally:
                for it, mode in modes:
                    it.training = mode
        n = len(points)
        if values.shape not in ((n,), (n, 1)):
            raise ShapeError(f"what the module returned has shape {tuple(values.shape)}; it must be ({n},) or ({n}, 1)")
        found: NDArray[np.float64] = values.reshape(n).double().cpu().numpy()
        return found

    function.__name__ = type(module).__name__
    return function
