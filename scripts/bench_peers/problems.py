"""The transport problems of parts c and d and the one judge of all potentials."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

#: The common sample is made of blocks of so many points; so many pairs are judged at most.
BLOCK, MOST_BLOCKS, MOST_PAIRS = 1 << 15, 64, 1 << 36
SAMPLE_SEED, ATOM_SEED = 987_654_321, 20_240_601
#: From so many atoms on the judge leaves out those that cannot matter.
MANY = 4096
#: It does so for cells of so many sample points, and for weights below e to the minus this.
CELL, NEGLIGIBLE = 64, 40.0


@dataclass(frozen=True)
class Problem:
    """Standard Gaussian to uniform weights on Gaussian-drawn atoms, squared Euclidean, KL.

    Temperature zero is no regularisation.
    """

    name: str
    atoms: np.ndarray
    temperature: float
    path: Path

    def label(self) -> str:
        """Name and temperature, for the table."""
        return f"{self.name}, {f'λ = {self.temperature:.3g}' if self.temperature else 'none'}"


def draw(directory: Path, many: bool) -> list[Problem]:
    """The problems of part c, or with many atoms; atoms are written as NPY files that both sides read."""
    directory.mkdir(parents=True, exist_ok=True)
    small = (("n1000-d2", 1_000, 2, 0.01), ("n1000-d16", 1_000, 16, None))
    large = (
        ("n10000-d2", 10_000, 2, 1e-3),
        ("n100000-d2", 100_000, 2, 1e-4),
        ("n100000-d2", 100_000, 2, 0.0),
    )
    problems = []
    for name, count, dimension, temperature in large if many else small:
        atoms = np.random.default_rng([ATOM_SEED, dimension]).standard_normal((count, dimension))
        path = directory / f"{name}.npy"
        np.save(path, atoms)
        if temperature is None:
            # A tenth of the mean cost: E|x − y|² = d + |y|² for a standard Gaussian x.
            temperature = 0.1 * (dimension + float((atoms**2).sum(axis=1).mean()))
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


def _cells(points: np.ndarray) -> Iterator[np.ndarray]:
    """Compact sets of at most ``CELL`` points: halves along the widest side, recursively."""
    if len(points) <= CELL:
        yield points
        return
    axis = int(np.ptp(points, axis=0).argmax())
    half = len(points) // 2
    points = points[np.argpartition(points[:, axis], half)]
    yield from _cells(points[:half])
    yield from _cells(points[half:])


def _near_sums(
    points: np.ndarray, atoms: np.ndarray, score: np.ndarray, temperature: float
) -> tuple[np.ndarray, np.ndarray]:
    """Like :func:`_block_sums`, cell by cell on the atoms whose weights are not negligible.

    With the best atom b at a cell's centre x₀, scores differ at x by u_i(x) − u_b(x) =
    u_i(x₀) − u_b(x₀) + 2(x − x₀)·(y_i − y_b), so that atoms for which that is too little at the cell's
    radius can be left out.
    """
    first, second = np.zeros(len(atoms)), np.zeros(len(atoms))
    for cell in _cells(points):
        centre = cell.mean(axis=0)
        radius = math.sqrt(((cell - centre) ** 2).sum(axis=1).max())
        near = score + 2.0 * atoms @ centre
        best = int(near.argmax())
        reach = near - near[best] + NEGLIGIBLE * temperature
        # First roughly: the square root is for the few.
        kept = np.flatnonzero((reach >= 0.0) | (4.0 * radius**2 * ((atoms - atoms[best]) ** 2).sum(1) >= reach**2))
        u = score[kept] + 2.0 * cell @ atoms[kept].T
        if temperature == 0.0:
            chosen = np.bincount(kept[u.argmax(axis=1)], minlength=len(atoms))
            first += chosen
            second += chosen
            continue
        weights = np.exp((u - u.max(axis=1, keepdims=True)) / temperature)
        weights /= weights.sum(axis=1, keepdims=True)
        first[kept] += weights.sum(axis=0)
        second[kept] += (weights**2).sum(axis=0)
    return first, second


class Judge:
    """χ² marginal error Σ (q_i − ν_i)²/ν_i of a potential, unbiased, on one common sample, in f64.

    The square of the sampled marginal exceeds that of the true one by its variance over the number
    of points, so that is subtracted.
    """

    def __init__(self, problem: Problem) -> None:
        self._problem = problem
        pairs = BLOCK * len(problem.atoms)
        self.blocks = max(1, min(MOST_BLOCKS, MOST_PAIRS // pairs))

    def _points(self, block: int) -> np.ndarray:
        rng = np.random.default_rng([SAMPLE_SEED, block])
        return rng.standard_normal((BLOCK, self._problem.atoms.shape[1]))

    def _sums(self, score: np.ndarray, block: int) -> tuple[np.ndarray, np.ndarray]:
        atoms, temperature = self._problem.atoms, self._problem.temperature
        if len(atoms) >= MANY:
            return _near_sums(self._points(block), atoms, score, temperature)
        with jax.enable_x64(True):
            sums = _block_sums(
                jnp.asarray(self._points(block)),
                jnp.asarray(atoms),
                jnp.asarray(score),
                temperature,
                512,
            )
            return np.asarray(sums[0]), np.asarray(sums[1])

    def _estimates(self, potential: np.ndarray, blocks: int) -> Iterator[tuple[float, float]]:
        """The estimate from the first block of the sample, the first two, … and its standard error."""
        count = len(potential)
        score = potential - (self._problem.atoms**2).sum(axis=1)
        first, second = np.zeros(count), np.zeros(count)
        target = 1.0 / count
        for block in range(blocks):
            sums = self._sums(score, block)
            first += sums[0]
            second += sums[1]
            points = (block + 1) * BLOCK
            marginal = first / points
            variance = (second / points - marginal**2) / (points - 1)
            estimate = (((marginal - target) ** 2 - variance) / target).sum()
            # Of a sum of squares of independent normal errors, and of its products with what is off.
            square = (2.0 * variance**2 + 4.0 * variance * (marginal - target) ** 2).sum() / target**2
            yield float(estimate), math.sqrt(square)

    def error(self, potential: np.ndarray, blocks: int) -> tuple[float, float]:
        """The estimate from the first ``blocks`` blocks of the sample, and its standard error."""
        *_, last = self._estimates(potential, blocks)
        return last

    def rough(self, potential: np.ndarray) -> float:
        """From one block, two standard errors below the estimate."""
        estimate, error = self.error(potential, 1)
        return estimate - 2.0 * error

    def exact(self, potential: np.ndarray, target: float) -> float:
        """From the whole common sample, or from a part that leaves no doubt that it is above the target."""
        estimate = math.inf
        for estimate, error in self._estimates(potential, self.blocks):
            if estimate - 4.0 * error > target:
                break
        return estimate
