"""f) The Python package: what a call costs, arrays over axes, entmax; solves and fits against the engine's own time."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import entmax
import numpy as np
import scipy.special
import torch

from bench_peers import robust
from bench_peers.ours import Unavailable, build_bench, build_command, build_package, json_lines, run_transport
from bench_peers.report import Row, Section

#: How many times less than scipy's a call on a few numbers is to cost.
CALL_GOAL = 5.0
#: Solves from Python are to lose at most a twentieth.
SAME = 0.95
SIDE = 1_000
Call = Callable[[], object]


@dataclass
class Case:
    """A call of ours and those that do the same."""

    name: str
    ours: Call
    peers: dict[str, Call]
    #: Calls in one measurement: many where one is too short for the clock.
    calls: int
    unit: str
    goals: dict[str, float]


def calls_on_few_numbers(fenchel: object) -> Iterator[Case]:
    """What it costs to call a function at all."""
    u = np.random.default_rng(1).standard_normal(10)
    tensor = torch.from_numpy(u)
    for name in ("logsumexp", "softmax", "log_softmax"):
        ours, scipys, torchs = (getattr(of, name) for of in (fenchel, scipy.special, torch))
        yield Case(
            f"{name}, 10 numbers",
            lambda f=ours: f(u),
            {"scipy": lambda f=scipys: f(u), "torch": lambda f=torchs: f(tensor, 0)},
            calls=2_000,
            unit="µs",
            goals={"scipy": CALL_GOAL},
        )


def calls_on_axes(fenchel: object) -> Iterator[Case]:
    """A million numbers, over all axes and over each."""
    normal = np.random.default_rng(2).standard_normal((SIDE, SIDE))
    for dtype in (np.float64, np.float32):
        u = normal.astype(dtype)
        tensor = torch.from_numpy(u)
        short = "f64" if dtype == np.float64 else "f32"
        for name in ("logsumexp", "softmax"):
            ours, scipys, torchs = (getattr(of, name) for of in (fenchel, scipy.special, torch))
            for axis in (None, 0, 1):
                # torch takes one axis for a softmax: all numbers are a vector.
                given, dim = (tensor.reshape(-1), 0) if axis is None else (tensor, axis)
                yield Case(
                    f"{name} {short}, {SIDE:,} × {SIDE:,}, axis {axis}",
                    lambda f=ours, u=u, axis=axis: f(u, axis),
                    {
                        "scipy": lambda f=scipys, u=u, axis=axis: f(u, axis),
                        "torch": lambda f=torchs, x=given, dim=dim: f(x, dim),
                    },
                    calls=1,
                    unit="ms",
                    goals={},
                )


def calls_of_entmax(fenchel: object) -> Iterator[Case]:
    """Rows of a thousand scores."""
    u = (2 * np.random.default_rng(3).standard_normal((SIDE, SIDE))).astype(np.float32)
    tensor = torch.from_numpy(u)
    theirs = {
        1.5: lambda: entmax.entmax15(tensor, dim=1),
        2.0: lambda: entmax.sparsemax(tensor, dim=1),
        1.2: lambda: entmax.entmax_bisect(tensor, 1.2, dim=1),
    }
    for q, call in theirs.items():
        name = f"entmax f32, q = {q:g}, {SIDE:,} × {SIDE:,}, axis 1"
        yield Case(name, lambda q=q: fenchel.entmax(u, q), {"entmax": call}, calls=1, unit="ms", goals={})


def seconds(call: Call, calls: int) -> float:
    """Seconds for one of that many calls in a row."""
    start = time.perf_counter()
    for _ in range(calls):
        call()
    return (time.perf_counter() - start) / calls


def measured(case: Case, rounds: int) -> list[Row]:
    """Ours and theirs in turn, the best of each."""
    everybody = {"": case.ours, **case.peers}
    best = dict.fromkeys(everybody, float("inf"))
    for call in everybody.values():
        call()
    for _ in range(rounds):
        for who, call in everybody.items():
            best[who] = min(best[who], seconds(call, case.calls))
    scale = {"µs": 1e6, "ms": 1e3}[case.unit]
    return [
        Row(case.name, peer, case.unit, scale * best[""], scale * best[peer], case.goals.get(peer), smaller_is_better=True)
        for peer in case.peers
    ]


def solves(fenchel: object, work: Path, rounds: int) -> Iterator[Row]:
    """Transport: what a user of Python waits for, against the seconds that the engine takes when the command calls it."""
    executable = build_command()
    for n, dim, temperature in ((1_000, 16, "rel:0.1"), (10_000, 2, "rel:0.01")):
        atoms = np.random.default_rng(n).standard_normal((n, dim))
        target = work / f"atoms-{n}.npy"
        np.save(target, atoms)
        options = ["--target", str(target), "--lambda", temperature, "--tolerance", "0.03", "--no-pictures", "--out", str(work)]
        ours = theirs = float("inf")
        for _ in range(rounds):
            theirs = min(theirs, run_transport(executable, options, timeout=600).result["seconds"])
            solve = lambda: fenchel.transport.semidiscrete("gaussian", atoms, temperature=temperature, tolerance=0.03)  # noqa: B023, E731
            ours = min(ours, seconds(solve, 1))
        yield Row(
            f"transport, N = {n:,}, d = {dim}, λ = {temperature}", "the engine", "s", ours, theirs, SAME, smaller_is_better=True
        )


def fits(fenchel: object, work: Path, quick: bool) -> Iterator[Row]:
    """Robust least squares: a fit of an array in Python, against that of the same rows, already taken over, in Rust."""
    bench = build_bench("robust")
    for rows, columns in ((20_640, 8), (1_000_000, 20)):
        if quick and rows > 100_000:
            continue
        table = robust.table(rows, columns)
        path = work / f"table-{rows}.npy"
        np.save(path, table)
        for divergence in ("kl", "chi2"):
            arguments = ["--fit", str(path), "--divergence", divergence, "--lambda", "1"]
            theirs = json_lines(bench, arguments, timeout=600)[0]["seconds"]
            model = fenchel.robust.RobustRegressor(divergence=divergence, temperature=1.0, l2=0.0, tol=1e-9)
            x, y = np.ascontiguousarray(table[:, :-1]), np.ascontiguousarray(table[:, -1])
            ours = min(seconds(lambda m=model: m.fit(x, y), 1) for _ in range(3 if rows > 100_000 else 50))  # noqa: B023
            name = f"fit, {rows:,} × {columns}, {divergence}"
            yield Row(name, "the engine", "s", ours, theirs, SAME, smaller_is_better=True)


def run(directory: Path, quick: bool) -> Section:
    """All cases, with the package built from this repository into ``directory``."""
    section = Section("f) the Python package")
    try:
        build_package(directory)
    except Unavailable as error:
        section.remarks.append(f"ours missing: {error}")
        return section
    sys.path.insert(0, str(directory))
    import fenchel

    for cases in (calls_on_few_numbers, calls_on_axes, calls_of_entmax):
        for case in cases(fenchel):
            section.rows += measured(case, rounds=5 if quick else 25)
    work = directory / "problems"
    work.mkdir(exist_ok=True)
    try:
        section.rows += solves(fenchel, work, rounds=3)
        section.rows += fits(fenchel, work, quick)
    except Unavailable as error:
        section.remarks.append(f"the engine is missing: {error}")
    section.remarks.append(
        f"best of all rounds; {fenchel.get_num_threads()} threads of ours, {torch.get_num_threads()} of PyTorch"
    )
    return section
