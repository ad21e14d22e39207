"""g) Training steps of robust networks against PyTorch: forward, joint loss of safe KL, backward, Nesterov's momentum."""

from __future__ import annotations

import time

import torch
from torch import nn

from bench_peers.ours import RateBench
from bench_peers.report import Row, Section

RHO = 0.1
BATCHES = (1, 32, 256)
#: Seconds of one measurement of theirs, and the fewest steps.
BUDGET = 1.5
STEPS = 5
#: Goals for the ratio of seconds.
SAME = 1.0


def perceptron(outputs: int) -> nn.Module:
    """The network that ours is by default, on 784 features."""
    return nn.Sequential(nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 128), nn.ReLU(), nn.Linear(128, outputs))


def convolutions(outputs: int) -> nn.Module:
    """Two convolutions with pooling and a hidden layer, on 28 × 28."""
    return nn.Sequential(
        nn.Unflatten(1, (1, 28, 28)),
        *(nn.Conv2d(1, 32, 3), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(1600, 128), nn.ReLU(), nn.Linear(128, outputs)),
    )


NETWORKS = {
    "mlp-1": (lambda: perceptron(1), 1),
    "mlp-10": (lambda: perceptron(10), 10),
    "cnn-10": (lambda: convolutions(10), 10),
}


def seconds(name: str, batch: int) -> float:
    """Seconds of the best of many steps."""
    make, outputs = NETWORKS[name]
    torch.manual_seed(1)
    network = make()
    alpha = torch.ones((), requires_grad=True)
    optimiser = torch.optim.SGD([*network.parameters(), alpha], lr=1e-6, momentum=0.9, nesterov=True)
    x, y = torch.rand(batch, 784), torch.randint(outputs, (batch,))
    best, steps, begin = float("inf"), 0, time.perf_counter()
    while steps < STEPS or time.perf_counter() - begin < BUDGET:
        start = time.perf_counter()
        optimiser.zero_grad()
        scores = network(x)
        if outputs == 1:
            losses = (scores[:, 0] - y) ** 2
        else:
            losses = nn.functional.cross_entropy(scores, y, reduction="none")
        excess = nn.functional.softplus(losses - alpha + torch.log(torch.tensor(RHO)))
        (alpha + excess.mean() / RHO).backward()
        optimiser.step()
        best = min(best, time.perf_counter() - start)
        steps += 1
    return best


def run(quick: bool) -> Section:
    """Ours and theirs in turn, the best of each."""
    section = Section(f"g) training steps of networks, {torch.get_num_threads()} threads in PyTorch")
    bench = RateBench("steps", "seconds", package="fenchel-neural")
    ours: dict[tuple[str, int], float] = {}
    theirs: dict[tuple[str, int], float] = {}
    for _ in range(1 if quick else 3):
        for line in bench.lines():
            case = (line["name"], line["batch"])
            ours[case] = min(ours.get(case, float("inf")), line["seconds"])
        for case in ((name, batch) for batch in BATCHES for name in NETWORKS):
            theirs[case] = min(theirs.get(case, float("inf")), seconds(*case))
    for name, batch in theirs:
        mine = ours.get((name, batch))
        row = Row(
            f"{name}, batch {batch}",
            "PyTorch",
            "ms",
            None if mine is None else 1e3 * mine,
            1e3 * theirs[name, batch],
            SAME,
            smaller_is_better=True,
        )
        section.rows.append(row)
    if bench.missing:
        section.remarks.append(bench.missing)
    return section
