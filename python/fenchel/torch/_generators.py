"""Divergences as functions of tensors.

Scores are centred on an anchor and divided by the temperature, x = (u − anchor)/λ. The threshold is sought as θ with
Σ η_i t(x_i − θ) = 1, where t(y) = (f*)'(y + origin). For most generators the origin is 0; for power laws it is the end of
the domain of f*, near which digits would be lost. Then p_i = η_i t(y_i), y = x − θ and τ = anchor + λ(θ − origin).
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import NamedTuple

import torch
from torch import Tensor

from ._root import search


class Row(NamedTuple):
    """Rows of scores, along the last axis."""

    u: Tensor
    """Scores, −∞ for those that have no reference mass."""
    eta: Tensor
    """Reference masses that sum to 1, of the shape of the scores or one that broadcasts to it."""
    temperature: Tensor
    uniform: bool


class Generator(ABC):
    """f of one divergence, f(1) + f'(1)(t − 1) + penalty(t), and what follows from it."""

    #: f is infinite above.
    cap = math.inf
    #: What is added to y to have the argument of f*.
    origin = 0.0
    #: f(1).
    level = 0.0
    #: The y at which t = 1: f'(1) − origin.
    one = 0.0
    #: The size of θ below which further digits do not change weights.
    unit = 1.0
    #: Whether f* is finite everywhere, so that its mean can be minimised in the threshold.
    finite_conjugate = True
    #: Whether weights are piecewise constant in the scores.
    flat = False

    def __init__(self, name: str) -> None:
        self.name = name

    @abstractmethod
    def density(self, y: Tensor) -> Tensor:
        """t = (f*)'."""

    @abstractmethod
    def curvature(self, y: Tensor) -> Tensor:
        """(f*)''."""

    def pull(self, y: Tensor) -> Tensor:
        """In proportion to what, times η, scores move the threshold."""
        return self.curvature(y)

    @abstractmethod
    def conjugate(self, y: Tensor) -> Tensor:
        """f*."""

    @abstractmethod
    def penalty(self, t: Tensor) -> Tensor:
        """f(t) − f(1) − f'(1)(t − 1), at least 0; accurate near t = 1."""

    @abstractmethod
    def solve(self, row: Row) -> tuple[Tensor, Tensor, Tensor]:
        """Anchor, θ and density p/η."""


class Rooted(Generator):
    """Whose density at θ sums to 1."""

    def anchor(self, row: Row) -> Tensor:
        """A score near the threshold, from which others are counted."""
        return row.u.amax(-1, keepdim=True)

    @abstractmethod
    def threshold(self, x: Tensor, eta: Tensor) -> Tensor:
        """θ."""

    def solve(self, row: Row) -> tuple[Tensor, Tensor, Tensor]:
        anchor = self.anchor(row)
        x = (row.u - anchor) / row.temperature
        theta = self.threshold(x, row.eta)
        return anchor, theta, self.density(x - theta)


class Searched(Rooted):
    """Whose θ is searched for."""

    def both(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """Density and curvature, as good as a search for the threshold needs them."""
        return self.density(y), self.curvature(y)

    def step(self, mass: Tensor, slope: Tensor) -> Tensor:
        """Newton's step for log mass = 0."""
        return mass * mass.log() / slope

    @abstractmethod
    def bracket(self, x: Tensor, eta: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Lower end, upper end and start of the search for θ."""

    def threshold(self, x: Tensor, eta: Tensor) -> Tensor:
        theta: Tensor = search(x, eta.expand(x.shape), self.name)
        return theta


class KL(Rooted):
    """t log t − t + 1."""

    def density(self, y: Tensor) -> Tensor:
        return y.exp()

    def curvature(self, y: Tensor) -> Tensor:
        return y.exp()

    def conjugate(self, y: Tensor) -> Tensor:
        return y.expm1()

    def penalty(self, t: Tensor) -> Tensor:
        return _entropy(t) - (t - 1)

    def threshold(self, x: Tensor, eta: Tensor) -> Tensor:
        total = (eta * x.exp()).sum(-1, keepdim=True)
        # Near 1 the logarithm is relative to x, not to 1.
        above = (eta * x.expm1()).sum(-1, keepdim=True)
        return torch.where(total < 0.5, total.log(), above.clamp(min=-0.75).log1p())


class SafeKL(Searched):
    """t log t + 1 + ((1−ρt)/ρ) log(1−ρt)."""

    def __init__(self, name: str, rho: float, centered: bool) -> None:
        super().__init__(name)
        self.rho, self.cap = rho, 1 / rho
        # f(1) = ρ/2 + ρ²/6 + ρ³/12 + …
        series = sum([rho**k / (k * (k + 1)) for k in range(15, 0, -1)])
        level = series if rho < 0.05 else 1 + (1 - rho) / rho * math.log1p(-rho)
        self.level = 0.0 if centered else level
        self.conjugate_offset = -1 + (level if centered else 0.0)
        self.one = -math.log1p(-rho)

    def density(self, y: Tensor) -> Tensor:
        small = torch.where(y > 0, -y, y).exp()
        return torch.where(y > 0, 1 / (small + self.rho), small / (1 + self.rho * small))

    def curvature(self, y: Tensor) -> Tensor:
        small = torch.where(y > 0, -y, y).exp()
        return small / torch.where(y > 0, small + self.rho, 1 + self.rho * small).square()

    def both(self, y: Tensor) -> tuple[Tensor, Tensor]:
        if self.rho < 1e-12:
            return super().both(y)
        t = (y + math.log(self.rho)).sigmoid() / self.rho
        return t, t * (1 - self.rho * t)

    def conjugate(self, y: Tensor) -> Tensor:
        z = y + math.log(self.rho)
        # log(1 + ρeʸ), as log(1 + e^z) where e^z is not small.
        low = (self.rho * torch.where(z > 0, torch.zeros_like(y), y).exp()).log1p()
        high = z + torch.where(z > 0, -z, torch.zeros_like(z)).exp().log1p()
        return torch.where(z > 0, high, low) / self.rho + self.conjugate_offset

    def penalty(self, t: Tensor) -> Tensor:
        odds = -self.rho / (1 - self.rho) * (t - 1)
        left = (1 - self.rho * t).clamp(min=0)
        safe = torch.where(left > 0, odds, torch.zeros_like(odds)).clamp(min=-1 + torch.finfo(t.dtype).eps)
        return _entropy(t) + left / self.rho * safe.log1p()

    def step(self, mass: Tensor, slope: Tensor) -> Tensor:
        # For the log odds of ρ·mass, which is affine for a single score.
        left = (1 - self.rho * mass).clamp(min=torch.finfo(mass.dtype).tiny)
        return mass * left * (mass.log() - left.log() + math.log1p(-self.rho)) / slope

    def anchor(self, row: Row) -> Tensor:
        return quantile(row, self.rho)

    def bracket(self, x: Tensor, eta: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return _capped_bracket(x, eta, self.cap, self.one)


class Chi2(Rooted):
    """t² − t."""

    one = 1.0

    def density(self, y: Tensor) -> Tensor:
        return 0.5 * (y + 1).clamp(min=0)

    def curvature(self, y: Tensor) -> Tensor:
        return 0.5 * (y > -1).to(y.dtype)

    def conjugate(self, y: Tensor) -> Tensor:
        return self.density(y).square()

    def penalty(self, t: Tensor) -> Tensor:
        return (t - 1).square()

    def threshold(self, x: Tensor, eta: Tensor) -> Tensor:
        eta = eta.expand(x.shape)
        # Scores so far down have no weight even beside a single atom with that mass.
        lowest = -2 / eta.gather(-1, x.argmax(-1, keepdim=True)) - 1
        ordered, order = torch.maximum(x, lowest).sort(-1, descending=True)
        masses = eta.gather(-1, order)
        total = masses.cumsum(-1)
        theta = ((masses * ordered).cumsum(-1) + total - 2) / total
        last = (ordered - theta > -1).sum(-1, keepdim=True).clamp(min=1) - 1
        theta = theta.gather(-1, last)
        # Running sums gather rounding errors; Newton's steps are exact where the support is right.
        for _ in range(2):
            y = x - theta
            active = (eta * self.curvature(y)).sum(-1, keepdim=True)
            theta = theta + ((eta * self.density(y)).sum(-1, keepdim=True) - 1) / active
        return theta


class Tsallis(Searched):
    """(t^q − t)/(q−1)."""

    def __init__(self, name: str, q: float) -> None:
        super().__init__(name)
        self.q, self.power = q, q - 1
        # Close to q = 1 the end of the domain is far away, and counting from there would lose digits instead.
        self.origin = 0.0 if abs(self.power) < 0.1 else -1 / self.power
        self.one = 1 - self.origin
        self.unit = 1.0 if self.origin == 0.0 else 0.0
        self.finite_conjugate = q > 1

    def _log_r(self, y: Tensor) -> Tensor:
        """log r, r = (1 + (q−1)s)/q; −∞ where that is not above 0."""
        tiny = torch.finfo(y.dtype).tiny
        if self.origin == 0.0:
            d = self.power * (y - 1) / self.q
            return torch.where(d > -1, d.clamp(min=-1 + torch.finfo(y.dtype).eps / 2).log1p(), -torch.inf)
        r = self.power / self.q * y
        return torch.where(r > 0, r.clamp(min=tiny).log(), -torch.inf)

    def density(self, y: Tensor) -> Tensor:
        return (self._log_r(y) / self.power).exp()

    def curvature(self, y: Tensor) -> Tensor:
        log_r = self._log_r(y)
        inside = log_r > -torch.inf
        log_r = torch.where(inside, log_r, torch.zeros_like(y))
        return torch.where(inside, (log_r * ((2 - self.q) / self.power)).exp() / self.q, torch.zeros_like(y))

    def both(self, y: Tensor) -> tuple[Tensor, Tensor]:
        log_r = self._log_r(y)
        t = (log_r / self.power).exp()
        return t, torch.where(log_r > -torch.inf, t * (-log_r).exp() / self.q, torch.zeros_like(y))

    def conjugate(self, y: Tensor) -> Tensor:
        return (self._log_r(y) * (self.q / self.power)).exp()

    def penalty(self, t: Tensor) -> Tensor:
        positive = t > torch.finfo(t.dtype).tiny
        inside = torch.where(positive, t, torch.ones_like(t))
        f = inside * (self.power * _log(inside)).expm1() / self.power
        return torch.where(positive, f, torch.zeros_like(t)) - (t - 1)

    def step(self, mass: Tensor, slope: Tensor) -> Tensor:
        # ((S^κ − 1)/κ) S^{1−κ} with κ = q − 1, without cancellation near S = 1.
        return -mass * (-self.power * mass.log()).expm1() / (self.power * slope)

    def bracket(self, x: Tensor, eta: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        largest, at = x.max(-1, keepdim=True)
        log_t = -eta.gather(-1, at).log()
        if self.origin == 0.0:
            highest = 1 + self.q / self.power * (self.power * log_t).expm1()
        else:
            highest = self.q / self.power * (self.power * log_t).exp()
        return _widened(largest - highest, largest - self.one, largest - self.one)


class Hyperbolic(Searched):
    """t asinh t − √(t²+1) + 1 + kt."""

    k = math.sqrt(2) - 1 - math.asinh(1)
    one = math.sqrt(2) - 1

    def density(self, y: Tensor) -> Tensor:
        return (y - self.k).clamp(min=0).sinh()

    def curvature(self, y: Tensor) -> Tensor:
        z = y - self.k
        return torch.where(z > 0, z.clamp(min=0).cosh(), torch.zeros_like(z))

    def conjugate(self, y: Tensor) -> Tensor:
        return 2 * (0.5 * (y - self.k).clamp(min=0)).sinh().square()

    def penalty(self, t: Tensor) -> Tensor:
        # t(asinh t − asinh 1) − (√(1+t²) − √2), each difference as what t − 1 makes of it.
        w = (1 + t.square()).sqrt()
        rise = (t - 1) * (t + 1)
        return t * (rise / (math.sqrt(2) * t + w)).asinh() - rise / (w + math.sqrt(2))

    def bracket(self, x: Tensor, eta: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        largest, at = x.max(-1, keepdim=True)
        lo = largest - self.k - eta.gather(-1, at).reciprocal().asinh()
        # sinh y ≤ eʸ/2.
        start = largest + (eta * (x - largest).exp()).sum(-1, keepdim=True).log() - math.log(2) - self.k
        return _widened(lo, largest - self.one, start)


class MarginalMoments(Searched):
    """−√(t(n−t)) + t√(n−1)."""

    def __init__(self, name: str, n: float) -> None:
        super().__init__(name)
        self.n = self.cap = n
        self.shift = math.sqrt(n - 1)
        self.one = 0.5 * n / self.shift if n > 1 else math.inf

    def _terms(self, y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """v, w = √(1+v²) and w + |v|."""
        limit = torch.finfo(y.dtype).max ** 0.25
        v = (y - self.shift).clamp(-limit, limit)
        w = (1 + v.square()).sqrt()
        return v, w, w + torch.where(v < 0, -v, v)

    def density(self, y: Tensor) -> Tensor:
        v, w, far = self._terms(y)
        small = 1 / (w * far)
        return 0.5 * self.n * torch.where(v < 0, small, 2 - small)

    def curvature(self, y: Tensor) -> Tensor:
        _, w, _ = self._terms(y)
        return 0.5 * self.n / (w * w.square())

    def conjugate(self, y: Tensor) -> Tensor:
        v, _, far = self._terms(y)
        return 0.5 * self.n * torch.where(v < 0, 1 / far, far)

    def penalty(self, t: Tensor) -> Tensor:
        # f(t) = n√t (t − 1)/(√(t(n−1)) + √(n−t)).
        t = t.clamp(torch.finfo(t.dtype).tiny, self.n * (1 - torch.finfo(t.dtype).eps))
        root = t.sqrt()
        return (t - 1) * (self.n * root / (root * self.shift + (self.n - t).sqrt()) - self.one)

    def step(self, mass: Tensor, slope: Tensor) -> Tensor:
        # For mass^(−1/2): weights fall off like 1/s².
        return 2 * mass * (0.5 * mass.log()).expm1() / slope

    def anchor(self, row: Row) -> Tensor:
        return quantile(row, 1 / self.n)

    def bracket(self, x: Tensor, eta: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        largest, smallest = x.amax(-1, keepdim=True), x.amin(-1, keepdim=True)
        # Beyond, 1/s² is lost in the rounding of a sum that is 1.
        reach = 8 / math.sqrt(torch.finfo(x.dtype).eps) * math.sqrt(self.n)
        hi = (largest - self.one).clamp(max=reach)
        return _widened((smallest - self.one).clamp(min=-reach), hi, hi)


class CVaR(Generator):
    """0 up to 1/α."""

    flat = True

    def __init__(self, name: str, alpha: float) -> None:
        super().__init__(name)
        self.alpha, self.cap = alpha, 1 / alpha

    def density(self, y: Tensor) -> Tensor:
        return (y > 0).to(y.dtype) / self.alpha

    def curvature(self, y: Tensor) -> Tensor:
        return torch.zeros_like(y)

    def pull(self, y: Tensor) -> Tensor:
        return (y == 0).to(y.dtype)

    def conjugate(self, y: Tensor) -> Tensor:
        return y.clamp(min=0) / self.alpha

    def penalty(self, t: Tensor) -> Tensor:
        return torch.zeros_like(t)

    def solve(self, row: Row) -> tuple[Tensor, Tensor, Tensor]:
        at = quantile(row, self.alpha)
        above, tied = (row.u > at).to(row.u.dtype), (row.u == at).to(row.u.dtype)
        left = 1 - (row.eta * above).sum(-1, keepdim=True) / self.alpha
        share = (left / (row.eta * tied).sum(-1, keepdim=True)).clamp(0, self.cap)
        return at, torch.zeros_like(at), above / self.alpha + share * tied


class KLCVaR(Searched):
    """t log t − t + 1 up to 1/α."""

    def __init__(self, name: str, alpha: float) -> None:
        super().__init__(name)
        self.alpha, self.cap = alpha, 1 / alpha
        self.end = -math.log(alpha)

    def density(self, y: Tensor) -> Tensor:
        return torch.where(y < self.end, y.clamp(max=self.end).exp(), self.cap)

    def curvature(self, y: Tensor) -> Tensor:
        return torch.where(y < self.end, y.clamp(max=self.end).exp(), torch.zeros_like(y))

    def both(self, y: Tensor) -> tuple[Tensor, Tensor]:
        t = y.clamp(max=self.end).exp()
        return t, torch.where(y < self.end, t, torch.zeros_like(y))

    def conjugate(self, y: Tensor) -> Tensor:
        below = y.clamp(max=self.end)
        return below.expm1() + self.cap * (y - below)

    def penalty(self, t: Tensor) -> Tensor:
        return _entropy(t) - (t - 1)

    def anchor(self, row: Row) -> Tensor:
        return quantile(row, self.alpha)

    def bracket(self, x: Tensor, eta: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return _capped_bracket(x, eta, self.cap, self.one)


class NoSmoothing(Generator):
    """0."""

    flat = True
    finite_conjugate = False

    def density(self, y: Tensor) -> Tensor:
        return torch.where(y > 0, torch.inf, torch.zeros_like(y))

    def curvature(self, y: Tensor) -> Tensor:
        return torch.zeros_like(y)

    def pull(self, y: Tensor) -> Tensor:
        # All on the first of the largest, as the weights are.
        first = torch.arange(y.shape[-1], device=y.device) == y.argmax(-1, keepdim=True)
        return first.to(y.dtype)

    def conjugate(self, y: Tensor) -> Tensor:
        return torch.where(y > 0, torch.inf, torch.zeros_like(y))

    def penalty(self, t: Tensor) -> Tensor:
        return torch.zeros_like(t)

    def solve(self, row: Row) -> tuple[Tensor, Tensor, Tensor]:
        largest = row.u.amax(-1, keepdim=True)
        first = self.pull(row.u)
        return largest, torch.zeros_like(largest), first / (row.eta * first).sum(-1, keepdim=True)


class Saturated(Generator):
    """A divergence whose cap leaves only p = η."""

    flat = True

    def __init__(self, name: str, level: float) -> None:
        super().__init__(name)
        self.level = level

    def density(self, y: Tensor) -> Tensor:
        return torch.ones_like(y)

    def curvature(self, y: Tensor) -> Tensor:
        return torch.zeros_like(y)

    def pull(self, y: Tensor) -> Tensor:
        return (y == 0).to(y.dtype)

    def conjugate(self, y: Tensor) -> Tensor:
        return y - self.level

    def penalty(self, t: Tensor) -> Tensor:
        return torch.zeros_like(t)

    def solve(self, row: Row) -> tuple[Tensor, Tensor, Tensor]:
        lowest = torch.where(row.eta > 0, row.u, torch.inf).amin(-1, keepdim=True)
        return lowest, torch.zeros_like(lowest), torch.ones_like(row.u)


def _log(t: Tensor) -> Tensor:
    """log t with the digits of t − 1."""
    near = (t - 1).abs() < 0.5
    return torch.where(near, torch.where(near, t - 1, torch.zeros_like(t)).log1p(), t.log())


def _entropy(t: Tensor) -> Tensor:
    """t log t, 0 at 0."""
    positive = t > torch.finfo(t.dtype).tiny
    inside = torch.where(positive, t, torch.ones_like(t))
    return inside * _log(inside)


def _widened(lo: Tensor, hi: Tensor, start: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Ends moved apart by their rounding errors."""
    eps = 8 * torch.finfo(lo.dtype).eps
    return lo - eps * (lo.abs() + 1e-30), hi + eps * (hi.abs() + 1e-30), start


def _capped_bracket(x: Tensor, eta: Tensor, cap: float, one: float) -> tuple[Tensor, Tensor, Tensor]:
    """For densities that are exponential up to a cap, seen from the quantile at which a CVaR has its threshold.

    From there θ is no further than what makes e^θ vanish in the rounding of a sum.
    """
    reach = 2 * math.log(cap) - 2 * math.log(torch.finfo(x.dtype).eps) + 8
    hi = (x.amax(-1, keepdim=True) - one).clamp(max=reach)
    start = (eta * x.clamp(max=0).exp()).sum(-1, keepdim=True).log()
    return _widened(torch.full_like(hi, -reach), hi, start)


def quantile(row: Row, mass: float) -> Tensor:
    """The score at which the reference mass, counted from the largest down, reaches ``mass``."""
    u, n = row.u, row.u.shape[-1]
    # A mass that is reached but for rounding is reached.
    mass = mass * (1 - 4 * torch.finfo(u.dtype).eps)
    if row.uniform:
        at = min(max(math.ceil(mass * n), 1), n)
        return u.kthvalue(n - at + 1, -1, keepdim=True).values
    ordered, order = u.sort(-1, descending=True)
    reached = row.eta.expand(u.shape).gather(-1, order).cumsum(-1)
    return ordered.gather(-1, (reached < mass).sum(-1, keepdim=True).clamp(max=n - 1))
