"""a) Log-sum-exp of ten million numbers, whole and by rows of 1,000."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import scipy.special

from bench_peers.ours import RateBench
from bench_peers.report import Row, Section
from bench_peers.timing import BestRates, best_seconds

COUNT = 10_000_000
ROW_LENGTH = 1_000
#: How many times faster than the best peer (jitted JAX) we want to be.
GOALS = {"f64": 1.5, "f32": 2.0}
#: How close to the binding limit of the machine we want to be.
LIMIT_GOAL = 1.0 / 1.3
PEERS = ("jax", "numpy", "scipy")
Call = Callable[[], object]
DTYPES = {"f64": np.float64, "f32": np.float32}


def numpy_logsumexp(numbers: np.ndarray, axis: int | None) -> np.ndarray:
    """What one writes with numpy: shift by the maximum, exponentiate, sum."""
    top = numbers.max(axis=axis, keepdims=True)
    total = np.exp(numbers - top).sum(axis=axis)
    return np.log(total) + top.reshape(total.shape)


def peer_calls(numbers: np.ndarray, axis: int | None) -> dict[str, Call]:
    """A call for each peer that computes the log-sum-exp of ``numbers`` to the end."""
    on_device = jnp.asarray(numbers)
    jitted = jax.jit(lambda x: jax.nn.logsumexp(x, axis=axis))
    return {
        "jax": lambda: jitted(on_device).block_until_ready(),
        "numpy": lambda: numpy_logsumexp(numbers, axis),
        "scipy": lambda: scipy.special.logsumexp(numbers, axis=axis),
    }


def all_peer_calls() -> list[tuple[str, bool, Call]]:
    """Name, whether JAX must be in double precision, and call, for every peer and case."""
    result = []
    normal = np.random.default_rng(1).standard_normal(COUNT)
    for dtype, kind in DTYPES.items():
        flat = normal.astype(kind)
        double = dtype == "f64"
        for shape, numbers, axis in (
            ("whole", flat, None),
            ("rows1000", flat.reshape(-1, ROW_LENGTH), 1),
        ):
            with jax.enable_x64(double):
                calls = peer_calls(numbers, axis)
            result += [(f"{peer}/{dtype}/{shape}", double, call) for peer, call in calls.items()]
    return result


def measure_peers(calls: list[tuple[str, bool, Call]], rates: BestRates, repetitions: int) -> None:
    """One round of all peers on all cases."""
    for name, double, call in calls:
        with jax.enable_x64(double):
            rates.add(name, COUNT / best_seconds(call, repetitions))


def _billions(rate: float | None) -> float | None:
    return None if rate is None else rate / 1e9


def _limit_row(rates: BestRates, dtype: str, shape: str) -> Row | None:
    """Ours against the limit of the machine that binds: reading memory or exponentials."""
    limits = {
        "read bandwidth": rates.get(f"machine/read/{dtype}"),
        "exp in cache": rates.get(f"machine/exp/{dtype}"),
    }
    known = {name: rate for name, rate in limits.items() if rate is not None}
    if not known:
        return None
    name = min(known, key=known.__getitem__)
    return Row(
        case=f"{dtype} {shape}",
        peer=f"limit: {name}",
        unit="G numbers/s",
        ours=_billions(rates.get(f"logsumexp/{dtype}/{shape}")),
        theirs=_billions(known[name]),
        goal=LIMIT_GOAL,
    )


def rows(rates: BestRates) -> list[Row]:
    """The comparison, peers first, then the machine's limits."""
    result = []
    for dtype in DTYPES:
        for shape in ("whole", "rows1000"):
            for peer in PEERS:
                result.append(
                    Row(
                        case=f"{dtype} {shape}",
                        peer=peer,
                        unit="G numbers/s",
                        ours=_billions(rates.get(f"logsumexp/{dtype}/{shape}")),
                        theirs=_billions(rates.get(f"{peer}/{dtype}/{shape}")),
                        goal=GOALS[dtype] if peer == "jax" else None,
                    )
                )
            limit = _limit_row(rates, dtype, shape)
            result += [] if limit is None else [limit]
    return result


def run(quick: bool) -> Section:
    """Alternate our bench and the peers for several rounds."""
    bench = RateBench("logsumexp", "numbers_per_second")
    rates = BestRates()
    calls = all_peer_calls()
    for _ in range(2 if quick else 5):
        rates.add_all(bench.run())
        measure_peers(calls, rates, repetitions=2 if quick else 4)
    section = Section(f"a) log-sum-exp of {COUNT:,} numbers", rows(rates))
    for kind, label in (("read", "reading memory (plain sum)"), ("exp", "exp in cache")):
        for dtype in DTYPES:
            rate = rates.get(f"machine/{kind}/{dtype}")
            if rate is not None:
                section.remarks.append(f"{label}, {dtype}: {rate / 1e9:.2f} G numbers/s")
    section.remarks.append(
        "best of all rounds; JAX jitted, compiled beforehand, data on its device"
    )
    if bench.missing:
        section.remarks.append(f"ours missing: {bench.missing}")
    return section
