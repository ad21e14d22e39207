"""What a solver returned after how long, and when that was first good enough."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

#: Ratio of successive checkpoints: times are known to this accuracy.
RATIO = 1.08
#: Of so many checkpoints one is looked at first.
STRIDE = 4


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


@dataclass(frozen=True)
class Missed:
    """How far a run was from the truth when it was given up."""

    seconds: float
    error: float


def first_within(
    checkpoints: Sequence[Checkpoint],
    target: float,
    rough: Callable[[np.ndarray], float],
    exact: Callable[[np.ndarray, float], float],
) -> Reached | None:
    """The first checkpoint whose exact error is within the target.

    A rough error on fewer samples sorts out those that are clearly (10%) above it, and all that lie
    between two that are three times above it.
    """
    errors = {}

    def near(index: int, factor: float) -> bool:
        if index not in errors:
            errors[index] = rough(checkpoints[index].potential)
        return errors[index] <= factor * target

    last = len(checkpoints) - 1
    for index, checkpoint in enumerate(checkpoints):
        before = index - index % STRIDE
        if not near(before, 3.0) and not near(min(before + STRIDE, last), 3.0):
            continue
        if near(index, 1.1):
            error = exact(checkpoint.potential, target)
            if error <= target:
                return Reached(checkpoint.seconds, checkpoint.steps, error)
    return None
