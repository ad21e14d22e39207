"""OTT-JAX's ``SemidiscreteSolver``, driven so that its potential can be recorded on the way."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
from ott.geometry.semidiscrete_pointcloud import SemidiscretePointCloud
from ott.problems.linear.semidiscrete_linear_problem import SemidiscreteLinearProblem
from ott.solvers.linear import semidiscrete

from bench_peers.trajectory import Checkpoint, Schedule


@dataclass(frozen=True)
class Config:
    """What one tunes in OTT: batch, optimiser and its step, weight of the newest iterate."""

    batch: int
    step: float
    optimizer: str = "sgd"
    newest_weight: float = 0.99

    def label(self) -> str:
        """Short description for the table."""
        averaged = "" if self.newest_weight == 0.99 else f", averaging {self.newest_weight:g}"
        return f"{self.optimizer} {self.step:.3g}, batch {self.batch}{averaged}"

    def trajectory(
        self, atoms: np.ndarray, temperature: float, seed: int, limit: float
    ) -> list[Checkpoint]:
        """Run with this configuration; see :func:`trajectory`."""
        return trajectory(atoms, temperature, self, seed, limit)


def problem(atoms: np.ndarray, temperature: float) -> SemidiscreteLinearProblem:
    """Standard Gaussian to uniform weights on the atoms, squared Euclidean, in f32."""
    geometry = SemidiscretePointCloud(
        jr.normal, jnp.asarray(atoms, dtype=jnp.float32), epsilon=temperature
    )
    return SemidiscreteLinearProblem(geometry)


def solver(config: Config) -> semidiscrete.SemidiscreteSolver:
    """The solver with this configuration, without its own error evaluations (they cost time)."""
    optimizer = {"sgd": optax.sgd, "adam": optax.adam}[config.optimizer](config.step)
    return semidiscrete.SemidiscreteSolver(
        num_iterations=1,
        batch_size=config.batch,
        optimizer=optimizer,
        potential_ema=config.newest_weight,
    )


def gradient() -> Callable[..., jax.Array]:
    """The gradient that the solver's step takes, of a potential on a sampled batch."""
    return jax.grad(semidiscrete._semidiscrete_loss)


def start(atoms: np.ndarray, config: Config) -> semidiscrete.SemidiscreteState:
    """The state from which the solver starts: potential zero.

    The logs have length one: writes beyond their end are dropped, which spares the time.
    """
    zero = jnp.zeros(len(atoms), jnp.float32)
    log = jnp.zeros(1, jnp.float32)
    return semidiscrete.SemidiscreteState(
        it=jnp.array(0),
        epsilon=jnp.float32(0.0),
        g=zero,
        g_ema=zero,
        opt_state=solver(config).optimizer.init(zero),
        losses=log,
        grad_norms=log,
        errors=log,
    )


def stepper(
    chosen: semidiscrete.SemidiscreteSolver,
) -> Callable[..., semidiscrete.SemidiscreteState]:
    """A compiled ``(key, problem, state, count) -> state`` that takes ``count`` of its steps."""

    @jax.jit
    def advance(key, problem, state, count):  # type: ignore[no-untyped-def]
        def body(_, state):  # type: ignore[no-untyped-def]
            return chosen.step(jr.fold_in(key, state.it), state, problem)

        return jax.lax.fori_loop(0, count, body, state)

    return advance


def trajectory(
    atoms: np.ndarray, temperature: float, config: Config, seed: int, limit: float
) -> list[Checkpoint]:
    """Run the solver for ``limit`` seconds and record its potential on a geometric schedule.

    Compilation happens before the clock starts, and copying potentials out is not counted.
    """
    chosen, here = solver(config), problem(atoms, temperature)
    advance, state, key = stepper(chosen), start(atoms, config), jr.key(seed)
    jax.block_until_ready(advance(key, here, state, 1))
    checkpoints: list[Checkpoint] = []
    seconds = 0.0
    schedule = Schedule()
    while seconds < limit:
        begin = time.perf_counter()
        state = jax.block_until_ready(advance(key, here, state, schedule.gap()))
        seconds += time.perf_counter() - begin
        schedule.advance()
        potential = np.asarray(state.g_ema, dtype=np.float64)
        if not np.isfinite(potential).all():
            break
        checkpoints.append(Checkpoint(seconds, schedule.done, potential))
    return checkpoints
