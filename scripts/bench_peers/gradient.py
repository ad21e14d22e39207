"""b) The dense semi-discrete gradient, in sample–atom pairs a second, against OTT-JAX."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from bench_peers import ott_solver
from bench_peers.ours import RateBench
from bench_peers.report import Row, Section
from bench_peers.timing import BestRates, best_seconds

BATCH = 256
#: (atoms, dimension) of the two cases.
CASES = ((10_000, 2), (1_000, 64))
#: Ours in either precision against OTT in f32, which is its default.
GOALS = {"f32": 3.0, "f64": 1.3}
TEMPERATURE = 0.1
Call = Callable[[], object]


def ott_calls(atoms: np.ndarray, steps: int) -> dict[str, Call]:
    """OTT's gradient on one batch and its whole step (draw, gradient, update), each in a loop.

    The loops are compiled, so that no time goes into dispatching from Python; the samples of the
    bare gradient are drawn beforehand. The faster of the two is what we compare with.
    """
    problem = ott_solver.problem(atoms, TEMPERATURE)
    batch = problem.sample(jr.key(0), BATCH)
    gradient = ott_solver.gradient()
    advance = ott_solver.stepper(ott_solver.solver(ott_solver.Config(BATCH, 0.01)))
    start = ott_solver.start(atoms, ott_solver.Config(BATCH, 0.01))

    @jax.jit
    def descend(potential: jax.Array, batch: object) -> jax.Array:
        return jax.lax.fori_loop(0, steps, lambda _, g: g - 0.01 * gradient(g, batch), potential)

    zero = jnp.zeros(len(atoms), jnp.float32)
    return {
        "gradient": lambda: descend(zero, batch).block_until_ready(),
        "step": lambda: advance(jr.key(1), problem, start, steps).g.block_until_ready(),
    }


def measure_ott(calls: dict[str, tuple[int, Call]], rates: BestRates, repetitions: int) -> None:
    """One round of all calls, each given with the number of pairs it handles."""
    for name, (pairs, call) in calls.items():
        rates.add(name, pairs / best_seconds(call, repetitions))


def all_ott_calls() -> dict[str, tuple[int, Call]]:
    """OTT's calls on both cases, with their numbers of pairs."""
    result = {}
    for count, dimension in CASES:
        atoms = np.random.default_rng(2).standard_normal((count, dimension))
        steps = max(1, 40_000_000 // (count * BATCH))
        for way, call in ott_calls(atoms, steps).items():
            result[f"ott/n{count}-d{dimension}/{way}"] = (count * BATCH * steps, call)
    return result


def rows(rates: BestRates) -> list[Row]:
    """Our two precisions against OTT's f32."""
    result = []
    for count, dimension in CASES:
        name = f"n{count}-d{dimension}"
        for dtype, goal in GOALS.items():
            ours = rates.get(f"dense-gradient/{dtype}/{name}")
            theirs = rates.best(f"ott/{name}/gradient", f"ott/{name}/step")
            result.append(
                Row(
                    case=f"{dtype} N = {count:,}, d = {dimension}",
                    peer="OTT f32",
                    unit="G pairs/s",
                    ours=None if ours is None else ours / 1e9,
                    theirs=None if theirs is None else theirs / 1e9,
                    goal=goal,
                )
            )
    return result


def run(quick: bool) -> Section:
    """Alternate our bench and OTT for several rounds."""
    bench = RateBench("transport", "pairs_per_second")
    rates = BestRates()
    calls = all_ott_calls()
    for _ in range(2 if quick else 5):
        rates.add_all(bench.run())
        measure_ott(calls, rates, repetitions=2 if quick else 4)
    section = Section(
        f"b) dense semi-discrete gradient, KL, squared Euclidean, batch {BATCH}", rows(rates)
    )
    section.remarks.append(
        "best of all rounds; OTT jitted, compiled beforehand, looped inside the jit"
    )
    if bench.missing:
        section.remarks.append(f"ours missing: {bench.missing}")
    return section
