"""POT's ``solve_semidiscrete``, driven so that its potential can be recorded on the way."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass

import numpy as np
from ot.semidiscrete import solve_semidiscrete

from bench_peers.trajectory import Checkpoint, Schedule


@dataclass(frozen=True)
class Config:
    """What one tunes in POT: the batch and the first step (``None``: its default)."""

    batch: int = 32
    step: float | None = None
    single: bool = False

    def label(self) -> str:
        """Short description for the table."""
        step = "default step" if self.step is None else f"step {self.step:.3g}"
        return f"{step}, batch {self.batch}, {'f32' if self.single else 'f64'}"

    def trajectory(
        self, atoms: np.ndarray, temperature: float, seed: int, limit: float
    ) -> list[Checkpoint]:
        """Run with this configuration; see :func:`trajectory`."""
        return trajectory(atoms, temperature, self, seed, limit)


class _TimeUp(Exception):
    """Raised from the sampler to end a run."""


class _Recorder:
    """A Gaussian sampler that reads the solver's averaged potential off as it is called.

    POT has no callback. It asks for samples once an iteration, from the frame whose local variable
    ``g_avg`` is what it would return if it stopped there, so that is read (never written). POT
    makes a new array each iteration: keeping a reference is enough and costs nothing.
    """

    def __init__(self, shape: tuple[int, int], dtype: type, seed: int, limit: float) -> None:
        self._rng = np.random.default_rng(seed)
        self._shape, self._dtype, self._limit = shape, dtype, limit
        self._schedule = Schedule()
        self._iteration = 0
        self.checkpoints: list[Checkpoint] = []
        self._begin = time.perf_counter()

    def __call__(self, batch: int) -> np.ndarray:
        if self._iteration == self._schedule.done + self._schedule.gap():
            seconds = time.perf_counter() - self._begin
            potential = sys._getframe(1).f_locals["g_avg"]
            self._schedule.advance()
            self.checkpoints.append(Checkpoint(seconds, self._iteration, potential))
            if seconds > self._limit or not np.isfinite(potential).all():
                raise _TimeUp
        self._iteration += 1
        return self._rng.standard_normal((batch, self._shape[1]), dtype=self._dtype)


def trajectory(
    atoms: np.ndarray, temperature: float, config: Config, seed: int, limit: float
) -> list[Checkpoint]:
    """Run the solver for ``limit`` seconds and record its potential on a geometric schedule."""
    dtype = np.float32 if config.single else np.float64
    recorder = _Recorder(atoms.shape, dtype, seed, limit)
    try:
        solve_semidiscrete(
            atoms.astype(dtype),
            recorder,
            reg=temperature,
            max_iter=sys.maxsize,
            batch_size=config.batch,
            lr0=config.step,
        )
    except _TimeUp:
        pass
    finite = (c for c in recorder.checkpoints if np.isfinite(c.potential).all())
    return [Checkpoint(c.seconds, c.steps, c.potential.astype(np.float64)) for c in finite]
