"""The root θ of a non-increasing mass(θ) = 1, for a batch of rows at once: Newton's method inside a bracket."""

from __future__ import annotations

from typing import Callable

import torch
from torch import Tensor

#: Halvings of a bracket use up all digits well before; Newton's method takes a handful of passes.
MAX_PASSES = 160

#: θ ↦ (mass, −dmass/dθ), each of the shape of θ.
Mass = Callable[[Tensor], tuple[Tensor, Tensor]]


def find_root(
    mass: Mass,
    lo: Tensor,
    hi: Tensor,
    start: Tensor,
    step: Callable[[Tensor, Tensor], Tensor],
    unit: float,
) -> Tensor:
    """Where mass(θ) = 1 between ``lo`` and ``hi``, to rounding, in each row.

    ``step(mass, slope)`` is Newton's step for a form of mass(θ) = 1 that is nearly affine. One that leaves the bracket, or follows
    one that did not halve the error, is replaced by a halving of the bracket. ``unit`` is the size of θ below which further
    digits do not matter. Rows with NaN end at once.
    """
    eps = torch.finfo(lo.dtype).eps
    theta = torch.maximum(torch.minimum(start, hi), lo)
    last = torch.full_like(theta, torch.inf)
    for _ in range(MAX_PASSES):
        total, slope = mass(theta)
        error = (total - 1).abs()
        lo = torch.where(total >= 1, theta, lo)
        hi = torch.where(total <= 1, theta, hi)
        newton = theta + step(total, slope)
        middle = lo + 0.5 * (hi - lo)
        inside = (newton > lo) & (newton < hi) & (error <= 0.5 * last)
        last = torch.where(inside | (last == torch.inf), error, torch.inf)
        following = torch.where(inside, newton, middle)
        done = (error <= 4 * eps) | ~torch.isfinite(total)
        done |= ((newton - theta).abs() <= 2 * eps * (theta.abs() + unit)) & (error < 1e-3)
        done |= (middle <= lo) | (middle >= hi)
        if bool(done.all()):
            return theta
        theta = torch.where(done, theta, following)
    return theta
