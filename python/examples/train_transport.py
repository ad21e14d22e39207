"""Two networks learn to transport one measure to another, and what they have learned is certified.

The potentials u and v of entropic transport between two normal distributions on the line are small networks, trained with a loss
whose gradients are bounded. Of the result only v is needed: `certify` makes the best u for it, and returns an interval that holds the
cost of the best plan whatever v is. Here that cost is known, and so is the map.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

import fenchel.torch
from fenchel.transport import certify

TEMPERATURE = 0.5
#: The target's mean and standard deviation; the source is the standard normal distribution.
MEAN, DEVIATION = 1.0, 0.5


def network() -> nn.Module:
    """From the line to numbers."""
    return nn.Sequential(nn.Linear(1, 64), nn.SiLU(), nn.Linear(64, 64), nn.SiLU(), nn.Linear(64, 1), nn.Flatten(0))


def train(steps: int = 1_000, batch: int = 256) -> nn.Module:
    """Adam on batches that are drawn anew each time; v."""
    torch.manual_seed(0)
    u, v = network(), network()
    loss = fenchel.torch.SafeTransportLoss(rho=0.01, temperature=TEMPERATURE)
    optimizer = torch.optim.Adam([*u.parameters(), *v.parameters()], lr=3e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(steps):
        x, y = torch.randn(batch, 1), MEAN + DEVIATION * torch.randn(batch, 1)
        cost: Tensor = (x - y.T).square()
        value = loss(u(x), v(y), cost)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        schedule.step()
    return v


def target(rng: np.random.Generator, n: int) -> NDArray[np.float64]:
    """Draws from the target."""
    return rng.normal(MEAN, DEVIATION, size=(n, 1))


def main() -> None:
    """Trains, certifies, compares."""
    torch.set_num_threads(1)  # more are in each other's way with tensors this small
    v = train()
    result = certify(fenchel.torch.as_function(v), "gaussian", target, temperature=TEMPERATURE, tolerance=0.2)
    # The best plan is normal, its covariance c the one that minimises 1 + MEAN² + DEVIATION² − 2c − λ/2 log(1 − c²/DEVIATION²).
    c = (math.sqrt(TEMPERATURE**2 + 16 * DEVIATION**2) - TEMPERATURE) / 4
    exact = 1 + MEAN**2 + DEVIATION**2 - 2 * c - TEMPERATURE / 2 * math.log(1 - c**2 / DEVIATION**2)
    print(f"{result.status}: the cost is between {result.interval.lower:.3f} and {result.interval.upper:.3f}")
    print(f"of the dual, the networks reach {result.value:.4f}; the optimum is {exact:.4f}")
    for x in (-1.0, 0.0, 1.0):
        print(f"mass at {x:4.1f} goes, in the mean, to {result.map([x]).item():.3f}; exactly {MEAN + c * x:.3f}")


if __name__ == "__main__":
    main()
