"""Timing of repeated calls and the best rate seen for each name."""

from __future__ import annotations

import time
from collections.abc import Callable


def best_seconds(call: Callable[[], object], repetitions: int) -> float:
    """Shortest wall time of ``call`` over the repetitions, after one call that warms it up."""
    call()
    shortest = float("inf")
    for _ in range(repetitions):
        start = time.perf_counter()
        call()
        shortest = min(shortest, time.perf_counter() - start)
    return shortest


class BestRates:
    """The highest rate seen for each name over all rounds.

    The best, not the mean: whatever else the machine does can only slow a round down, and every
    contestant gets the same number of rounds.
    """

    def __init__(self) -> None:
        self._rates: dict[str, float] = {}

    def add(self, name: str, rate: float) -> None:
        """Record one measurement."""
        self._rates[name] = max(rate, self._rates.get(name, 0.0))

    def add_all(self, rates: dict[str, float]) -> None:
        """Record one measurement of each name."""
        for name, rate in rates.items():
            self.add(name, rate)

    def get(self, name: str) -> float | None:
        """The best rate of ``name``, or ``None`` if it was never measured."""
        return self._rates.get(name)

    def best(self, *names: str) -> float | None:
        """The best rate of several names; ``None`` if none of them was measured."""
        measured = [self._rates[name] for name in names if name in self._rates]
        return max(measured, default=None)
