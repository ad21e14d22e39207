"""What a solver returned after how long, and when that was first good enough."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

#: Ratio of successive checkpoints: times are known to this accuracy.
RATIO = 1.08


@dataclass(frozen=True)
class Checkpoint:
    """The potential that a solver stopped after ``seconds`` (and ``steps``) would return."""

    seconds: float
    steps: int
    potential: np.ndarray


class Schedule:
    """Geometrically growing counts of steps at which potentials are recorded."""

    def __init__(self) -> None:
        self.done = 0

    def gap(self) -> int:
        """Steps from the last checkpoint to the next."""
        return max(1, math.ceil(self.done * (RATIO - 1.0)))

    def advance(self) -> None:
        """Move on to the next checkpoint."""
        self.done += self.gap()


@dataclass(frozen=True)
class Reached:
    """The first checkpoint within the target, and its verified error."""

    seconds: float
    steps: int
    error: float


def first_within(
    checkpoints: Iterable[Checkpoint],
    target: float,
    rough: Callable[[np.ndarray], float],
    exact: Callable[[np.ndarray], float],
) -> Reached | None:
    """The first checkpoint whose exact error is within the target.

    A rough error on fewer samples sorts out those that are clearly (10%) above it.
    """
    for checkpoint in checkpoints:
        if rough(checkpoint.potential) <= 1.1 * target:
            error = exact(checkpoint.potential)
            if error <= target:
                return Reached(checkpoint.seconds, checkpoint.steps, error)
    return None
