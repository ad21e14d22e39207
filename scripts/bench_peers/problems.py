"""The transport problems of part c and the one judge of all potentials."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

ATOMS = 1_000
#: Points of the common sample; the rough estimate uses the first of its blocks.
SAMPLE_BLOCKS, BLOCK = 64, 1 << 15
SAMPLE_SEED, ATOM_SEED = 987_654_321, 20_240_601


@dataclass(frozen=True)
class Problem:
    """Standard Gaussian to uniform weights on Gaussian-drawn atoms, squared Euclidean, KL."""

    name: str
    atoms: np.ndarray
    temperature: float
    path: Path


def draw(directory: Path) -> list[Problem]:
    """Both problems; their atoms are written as NPY files that both sides read."""
    directory.mkdir(parents=True, exist_ok=True)
    problems = []
    for name, dimension in (("n1000-d2", 2), ("n1000-d16", 16)):
        atoms = np.random.default_rng([ATOM_SEED, dimension]).standard_normal((ATOMS, dimension))
        path = directory / f"{name}.npy"
        np.save(path, atoms)
        # E|x − y|² = d + |y|² for a standard Gaussian x.
        mean_cost = dimension + float((atoms**2).sum(axis=1).mean())
        temperature = 0.01 if dimension == 2 else 0.1 * mean_cost
        problems.append(Problem(name, atoms, temperature, path))
    return problems


@functools.partial(jax.jit, static_argnames="rows")
def _block_sums(
    points: jax.Array, atoms: jax.Array, score: jax.Array, temperature: float, rows: int
) -> tuple[jax.Array, jax.Array]:
    """Sums over the points of p(x) and of p(x)², a few rows at a time."""

    def add(sums: tuple[jax.Array, jax.Array], x: jax.Array):  # type: ignore[no-untyped-def]
        weights = jax.nn.softmax((score + 2.0 * x @ atoms.T) / temperature, axis=1)
        return (sums[0] + weights.sum(0), sums[1] + (weights**2).sum(0)), None

    zero = jnp.zeros(atoms.shape[0], atoms.dtype)
    sums, _ = jax.lax.scan(add, (zero, zero), points.reshape(-1, rows, points.shape[1]))
    return sums


class Judge:
    """χ² marginal error Σ (q_i − ν_i)²/ν_i of a potential, unbiased, on one common sample, in f64.

    The square of the sampled marginal exceeds that of the true one by its variance over the number
    of points, so that is subtracted.
    """

    def __init__(self, problem: Problem) -> None:
        self._problem = problem

    def _points(self, block: int) -> np.ndarray:
        rng = np.random.default_rng([SAMPLE_SEED, block])
        return rng.standard_normal((BLOCK, self._problem.atoms.shape[1]))

    def error(self, potential: np.ndarray, blocks: int) -> float:
        """The estimate from the first ``blocks`` blocks of the sample."""
        count = len(potential)
        first, second = np.zeros(count), np.zeros(count)
        with jax.enable_x64(True):
            atoms = jnp.asarray(self._problem.atoms)
            score = jnp.asarray(potential - (self._problem.atoms**2).sum(axis=1))
            for block in range(blocks):
                sums = _block_sums(
                    jnp.asarray(self._points(block)), atoms, score, self._problem.temperature, 512
                )
                first += np.asarray(sums[0])
                second += np.asarray(sums[1])
        points = blocks * BLOCK
        marginal = first / points
        variance = (second / points - marginal**2) * points / (points - 1)
        target = 1.0 / count
        return float((((marginal - target) ** 2 - variance / points) / target).sum())

    def rough(self, potential: np.ndarray) -> float:
        """From one block."""
        return self.error(potential, 1)

    def exact(self, potential: np.ndarray) -> float:
        """From the whole common sample."""
        return self.error(potential, SAMPLE_BLOCKS)
