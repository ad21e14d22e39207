"""The root θ of a non-increasing mass(θ) = 1, for a batch of rows at once: Newton's method inside a bracket."""

from __future__ import annotations

from typing import Callable

import torch
from torch import Tensor

if hasattr(torch.compiler, "is_compiling"):
    from torch.compiler import is_compiling as is_compiling
else:  # before PyTorch 2.3

    def is_compiling() -> bool:
        return False


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

    ``step(mass, slope)`` is Newton's step for a form of mass(θ) = 1 that is nearly affine. One that leaves the bracket, or
    follows one that did not halve the error, is replaced by a halving of the bracket. ``unit`` is the size of θ below
    which further digits do not matter. Rows with NaN end at once.
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


def _searched(x: Tensor, eta: Tensor, name: str) -> Tensor:
    from ._generators import Searched  # which know this
    from ._registry import generator_of

    generator = generator_of(name)
    assert isinstance(generator, Searched), "no other calls this"

    def mass(theta: Tensor) -> tuple[Tensor, Tensor]:
        t, curvature = generator.both(x - theta)
        return (eta * t).sum(-1, keepdim=True), (eta * curvature).sum(-1, keepdim=True)

    return find_root(mass, *generator.bracket(x, eta), generator.step, generator.unit)


if hasattr(torch.library, "custom_op"):
    # How often a search passes over the scores depends on them: torch.compile and vmap take it as it is.
    search = torch.library.custom_op(
        "fenchel::threshold", _searched, mutates_args=(), schema="(Tensor x, Tensor eta, str name) -> Tensor"
    )

    @search.register_fake
    def _(x: Tensor, eta: Tensor, name: str) -> Tensor:
        return x.new_empty((*x.shape[:-1], 1))

    if hasattr(search, "register_vmap"):

        @search.register_vmap
        def _(info: object, in_dims: tuple[int | None, ...], x: Tensor, eta: Tensor, name: str) -> tuple[Tensor, int]:
            tensors = (x, eta)
            size = next(t.shape[d] for t, d in zip(tensors, in_dims) if d is not None)
            x, eta = (
                t.expand(size, *t.shape) if d is None else t.movedim(d, 0) for t, d in zip(tensors, in_dims)
            )
            return search(x, eta, name), 0

else:
    search = _searched  # type: ignore[assignment]
