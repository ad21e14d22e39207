"""The worst-case risk of per-example losses, as a module."""

from __future__ import annotations

import math
from typing import Any, Literal

import torch
from torch import Tensor

from ..divergences import DivergenceLike
from ..divergences import divergence as divergence_of
from ..errors import InvalidInputError, ShapeError
from ._generators import Generator
from ._registry import generator_of
from ._root import is_compiling
from ._smooth import checked_temperature, smooth, tensor_of_floats

Mode = Literal["batch", "joint"]
Reduction = Literal["mean", "sum", "none"]


class RobustLoss(torch.nn.Module):
    """The worst case of per-example losses, to be minimised in place of their mean.

    ::

        max over p of  Σ p_i ℓ_i − λ Σ η_i f(p_i/η_i)  =  min over α of  Σ η_i (α + λ f*((ℓ_i − α)/λ))

    with η uniform unless weights are given. In mode ``"batch"`` this is computed exactly, for the examples of the batch. It
    knows the worst case of these only, which is on average milder than that of all examples: good for large batches and mild
    strengths. In mode ``"joint"`` the result is the mean over the batch of α + λ f*((ℓ_i − α)/λ), where α, the threshold, is
    a parameter that the optimiser moves along with the model. That is an unbiased estimate of the objective of all examples,
    for any batch size.

    Parameters
    ----------
    divergence : Divergence or str, default "kl"
        What f is; see :mod:`fenchel.divergences`. In mode ``"joint"`` f* must be finite everywhere (no ``none``, no
        ``tsallis:Q`` with Q < 1). There, an example counts at most 1/ρ times with ``SafeKL(rho)``, 1/α times with ``CVaR`` and
        ``KLCVaR``, so that gradients are bounded if those of the losses are; with ``KL`` they can overflow.
    temperature : float, default 1.0
        λ > 0, in units of the losses: large for nearly the mean, small for nearly the maximum. ``CVaR`` does not depend on
        it.
    mode : {"batch", "joint"}, default "batch"
        Whether the threshold is that of the batch or a parameter.
    threshold : float, optional
        Where α starts in mode ``"joint"``; by default at the exact threshold of the first batch that is seen.
    reduction : {"mean", "sum", "none"}, default "mean"
        ``"mean"`` is the formula above, ``"sum"`` is it times the number of examples; ``"none"``, in mode ``"joint"`` only,
        is the terms of the mean, in the shape of the losses.

    Attributes
    ----------
    threshold : torch.nn.Parameter or None
        α in mode ``"joint"``, NaN before the first batch; None in mode ``"batch"``.

    Raises
    ------
    InvalidInputError
        For a divergence, temperature, mode or reduction outside its domain.

    Notes
    -----
    α is in units of the losses, and needs a step size of its own. Where the objective is smooth its curvature in α is about
    1/λ near the optimum, so that a learning rate of λ is a Newton step for plain SGD; λ/10 is a good start. Adam's steps are
    as long as its learning rate: 0.01 λ to 0.1 λ. Weight decay has to be off::

        optimizer = torch.optim.SGD([
            {"params": model.parameters(), "lr": 0.1},
            {"params": robust.parameters(), "lr": 0.1 * robust.temperature, "weight_decay": 0.0},
        ])

    Losses of half precision are raised to ``float32``, so it can be called under ``autocast``. A loss that is NaN or +∞
    makes the result NaN or infinite. Ben-Tal and Teboulle, Math. Finance 2007; Levy et al., NeurIPS 2020; "Improved Stochastic
    Optimization of LogSumExp", 2025.

    Examples
    --------
    >>> import torch, fenchel.torch
    >>> losses = torch.tensor([0.1, 0.3, 2.0])
    >>> robust = fenchel.torch.RobustLoss("cvar:0.5")
    >>> round(robust(losses).item(), 4)
    1.4333
    >>> robust.weights(losses)
    tensor([0.0000, 0.3333, 0.6667])

    With the threshold as a parameter; it starts where the first batch has it:

    >>> robust = fenchel.torch.RobustLoss("safe-kl:0.1", temperature=0.5, mode="joint")
    >>> robust
    RobustLoss(divergence='safe-kl:0.1', temperature=0.5, mode='joint')
    >>> round(robust(losses).item(), 4), round(robust.threshold.item(), 4)
    (1.4044, 1.3242)
    """

    threshold: torch.nn.Parameter | None

    def __init__(
        self,
        divergence: DivergenceLike = "kl",
        temperature: float = 1.0,
        *,
        mode: Mode = "batch",
        threshold: float | None = None,
        reduction: Reduction = "mean",
    ) -> None:
        super().__init__()
        if mode not in ("batch", "joint"):
            raise InvalidInputError(f"mode is {mode!r}; it must be 'batch' or 'joint'")
        if reduction not in ("mean", "sum", "none"):
            raise InvalidInputError(f"reduction is {reduction!r}; it must be 'mean', 'sum' or 'none'")
        if mode == "batch" and reduction == "none":
            raise InvalidInputError(
                "reduction is 'none' in mode 'batch'; it must be 'mean' or 'sum', "
                "as the worst case is one number for all examples"
            )
        if isinstance(temperature, Tensor):
            temperature = temperature.item()
        checked_temperature(temperature)
        self.divergence = divergence_of(divergence)
        self.temperature, self.mode, self.reduction = float(temperature), mode, reduction
        self._name = self.divergence.name
        self._start = threshold
        if mode == "batch":
            if threshold is not None:
                raise InvalidInputError(
                    f"threshold is {threshold} in mode 'batch'; it must be None, as each batch has its own"
                )
            self.register_parameter("threshold", None)
            return
        if not generator_of(self._name).finite_conjugate:
            raise InvalidInputError(
                f"divergence is {self.divergence} in mode 'joint'; it must be one with f* finite everywhere: "
                "kl, safe-kl, chi2, tsallis:Q with Q > 1, hyperbolic, marginal-moments:N, cvar, kl-cvar"
            )
        if threshold is not None and not math.isfinite(threshold):
            raise InvalidInputError(f"threshold is {threshold}; it must be a finite number")
        self.threshold = torch.nn.Parameter(torch.empty(()))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Puts α back to where it started, or to where the next batch has it."""
        self._started = self._start is not None
        if self.threshold is not None:
            torch.nn.init.constant_(self.threshold, math.nan if self._start is None else self._start)

    def forward(self, losses: Tensor, weight: Tensor | None = None) -> Tensor:
        """The objective.

        Parameters
        ----------
        losses : torch.Tensor
            One number for each example (``reduction="none"`` of the loss), of any shape.
        weight : torch.Tensor, optional
            Masses of the examples, at least 0, of the same shape. Their sum does not matter, except that with
            ``reduction="none"`` terms are multiplied by them as they are.

        Raises
        ------
        ShapeError
            If there are no losses, a single number instead of one for each example, or weights of another shape.
        """
        losses, weight = self._checked(losses, weight)
        flat, mass = losses.reshape(-1), _normalised(weight)
        if self.threshold is None:
            value: Tensor = smooth(flat, self._generator(flat, mass), self.temperature, mass).value
            return value if self.reduction == "mean" else value * flat.numel()
        if not self._started:
            self.start(losses, weight)
        generator = generator_of(self._name)
        alpha = self.threshold.to(losses.dtype)
        y = (losses - alpha) / self.temperature - generator.origin
        terms = alpha + self.temperature * generator.conjugate(y)
        if self.reduction == "none":
            return terms if weight is None else terms * weight
        mean = terms.mean() if mass is None else (terms.reshape(-1) * mass).sum()
        return mean if self.reduction == "mean" else mean * flat.numel()

    @torch.no_grad()
    def start(self, losses: Tensor, weight: Tensor | None = None) -> None:
        """Sets α to the exact threshold of some losses; the first call does so by itself.

        Worth a call where the first batch is not like the others, or before a model is wrapped for several processes.
        """
        if self.threshold is None:
            raise InvalidInputError("mode is 'batch'; it must be 'joint' for there to be a threshold to start")
        losses, weight = self._checked(losses, weight)
        flat, mass = losses.reshape(-1), _normalised(weight)
        at = smooth(flat, self._generator(flat, mass), self.temperature, mass).threshold
        self.threshold.copy_(at)
        # Losses that are not finite start nothing. Compiled code takes them as they come.
        self._started = is_compiling() or bool(torch.isfinite(at))

    @torch.no_grad()
    def weights(self, losses: Tensor, weight: Tensor | None = None) -> Tensor:
        """How much each example counts, in the shape of the losses.

        In mode ``"batch"`` the weights of the worst case, which sum to 1. In mode ``"joint"`` η_i (f*)'((ℓ_i − α)/λ), whose
        sum is 1 on average over batches if α is where it belongs.
        """
        losses, weight = self._checked(losses, weight)
        flat, mass = losses.reshape(-1), _normalised(weight)
        if self.threshold is None or not self._started:
            p: Tensor = smooth(flat, self._generator(flat, mass), self.temperature, mass).weights
        else:
            generator = generator_of(self._name)
            y = (flat - self.threshold.to(flat.dtype)) / self.temperature - generator.origin
            p = generator.density(y) * (1 / flat.numel() if mass is None else mass)
        return p.reshape(losses.shape)

    def extra_repr(self) -> str:
        """What ``repr`` shows."""
        reduction = "" if self.reduction == "mean" else f", reduction={self.reduction!r}"
        return f"divergence={self._name!r}, temperature={self.temperature}, mode={self.mode!r}{reduction}"

    def _generator(self, flat: Tensor, mass: Tensor | None) -> Generator:
        return generator_of(self._name, flat.numel() if mass is None else None)

    def _checked(self, losses: Tensor, weight: Tensor | None) -> tuple[Tensor, Tensor | None]:
        losses = tensor_of_floats(losses, "losses")
        if losses.dim() == 0:
            raise ShapeError(
                "losses is a single number; it must have one for each example (reduction='none' of the loss function)"
            )
        if losses.numel() == 0:
            raise ShapeError("losses is empty; it must have at least one example")
        if weight is None:
            return losses, None
        weight = tensor_of_floats(weight, "weight").to(losses.dtype)
        if weight.shape != losses.shape:
            raise ShapeError(
                f"weight has shape {tuple(weight.shape)}; it must be that of the losses, {tuple(losses.shape)}"
            )
        return losses, weight

    def _load_from_state_dict(self, *args: Any, **kwargs: Any) -> None:
        super()._load_from_state_dict(*args, **kwargs)
        if self.threshold is not None:
            self._started = bool(torch.isfinite(self.threshold))


def _normalised(weight: Tensor | None) -> Tensor | None:
    """Masses that sum to 1, as a vector."""
    if weight is None:
        return None
    flat = weight.reshape(-1)
    return flat / flat.sum()
