"""Ordinary against robust training with PyTorch, on data with a minority that the mean neglects.

Nine tenths of the examples follow one rule, one tenth another. The network is small: it has to choose whom to serve.
Three lines, marked below, make an ordinary loop a robust one. It needs no knowledge of who belongs to which group.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

import fenchel.torch


def data(n: int, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Inputs, targets, and which group an example is of, for evaluation only."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(n, 2, generator=generator)
    minority = torch.rand(n, generator=generator) < 0.1
    slope = torch.where(minority[:, None], torch.tensor([0.2, 1.0]), torch.tensor([1.0, 0.2]))
    noise = 0.2 * torch.randn(n, generator=generator)
    return x, (slope * x).sum(-1) + noise, minority


def train(robust: fenchel.torch.RobustLoss | None, epochs: int = 10, batch: int = 128) -> nn.Module:
    """Adam on mini-batches, ordinary without a robust loss."""
    torch.manual_seed(0)
    x, y, _ = data(4_000, seed=1)
    model = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 1))
    groups: list[dict[str, object]] = [{"params": model.parameters(), "lr": 5e-3}]
    if robust is not None:
        # 1. In mode "joint" the threshold is a parameter, in units of the losses: it has its own step size.
        groups.append({"params": robust.parameters(), "lr": 0.03 * robust.temperature})
    optimizer = torch.optim.Adam(groups)
    for _ in range(epochs):
        for rows in torch.split(torch.randperm(len(x)), batch):
            # 2. One loss for each example, where there was their mean.
            losses = nn.functional.mse_loss(model(x[rows]).squeeze(-1), y[rows], reduction="none")
            # 3. The worst case of the losses, where there was loss.mean().
            loss = losses.mean() if robust is None else robust(losses)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return model


def main() -> None:
    """Trains three times and prints what the groups have of it."""
    torch.set_num_threads(1)  # more are in each other's way with tensors this small
    x, y, minority = data(20_000, seed=2)
    losses = {
        "mean": None,
        "robust, batch": fenchel.torch.RobustLoss("safe-kl:0.05", temperature=0.3),
        "robust, joint": fenchel.torch.RobustLoss("safe-kl:0.05", temperature=0.3, mode="joint"),
    }
    for name, robust in losses.items():
        model = train(robust)
        with torch.no_grad():
            each = nn.functional.mse_loss(model(x).squeeze(-1), y, reduction="none")
        groups = [each[~minority].mean().item(), each[minority].mean().item()]
        print(f"{name:<14} mean {each.mean().item():.3f}  majority {groups[0]:.3f}  worst group {max(groups):.3f}")


if __name__ == "__main__":
    main()
