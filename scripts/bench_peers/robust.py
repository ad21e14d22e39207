"""e) Robust least squares: exact fits against cvxpy with Clarabel and scipy's L-BFGS; see training.py for batches."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cvxpy as cp
import numpy as np
from scipy.optimize import minimize
from scipy.special import logsumexp

from bench_peers import ours, training
from bench_peers.report import Row, Section

#: A peer's answer counts if its objective is within this of the best known, in relation to it.
CLOSE = 1e-3
#: (divergence, λ) of the problems.
RISKS = (("kl", 1.0), ("chi2", 1.0), ("cvar:0.1", 1.0))
GOALS = {"Clarabel": 50.0, "L-BFGS": 5.0}
#: Above so many rows the conic programs are left out: they take gigabytes.
MOST_CONIC = 50_000


@dataclass(frozen=True)
class Answer:
    """What a peer found after how long; without an objective it failed."""

    seconds: float
    objective: float | None


def table(rows: int, columns: int) -> np.ndarray:
    """Features that are skewed and heavy-tailed, of variance 1, and a label with a few gross errors."""
    rng = np.random.default_rng(7)
    common = rng.standard_normal((rows, 1))
    raw = 0.5 * common + rng.standard_normal((rows, columns))
    features = np.where(np.arange(columns) % 2 == 0, np.exp(raw), raw)
    features[:, :1] /= 0.02 + rng.random((rows, 1))
    features = (features - features.mean(0)) / features.std(0)
    label = features @ (0.4 / (1.0 + np.arange(columns))) + 0.5 * rng.gumbel(size=rows)
    return np.column_stack([features, np.clip(label, -5.0, 5.0)])


def risk(losses: np.ndarray, name: str, strength: float) -> float:
    """The exact risk of losses, by a few lines that share nothing with the solvers."""
    if name == "kl":
        return strength * (logsumexp(losses / strength) - np.log(len(losses)))
    if name.startswith("cvar"):
        count = float(name.split(":")[1]) * len(losses)
        worst = np.sort(losses)[::-1]
        whole = int(count)
        rest = (count - whole) * worst[whole] if whole < len(worst) else 0.0
        return (worst[:whole].sum() + rest) / count
    low, high = losses.min() - 2.0 * strength, losses.max()
    for _ in range(200):
        middle = 0.5 * (low + high)
        mass = np.maximum((losses - middle) / strength + 1.0, 0.0).mean() / 2.0
        low, high = (middle, high) if mass > 1.0 else (low, middle)
    return low + strength * (np.maximum((losses - low) / strength + 1.0, 0.0) ** 2).mean() / 4.0


def clarabel(x: np.ndarray, y: np.ndarray, name: str, strength: float) -> Answer:
    """The problem as one writes it in cvxpy."""
    theta, threshold = cp.Variable(x.shape[1]), cp.Variable()
    losses = cp.square(x @ theta - y)
    n = len(y)
    if name == "kl":
        objective = strength * (cp.log_sum_exp(losses / strength) - np.log(n))
    elif name == "chi2":
        excess = cp.pos((losses - threshold) / strength + 1.0)
        objective = threshold + strength * cp.sum_squares(excess) / (4.0 * n)
    else:
        share = float(name.split(":")[1])
        objective = threshold + cp.sum(cp.pos(losses - threshold)) / (share * n)
    start = time.perf_counter()
    try:
        cp.Problem(cp.Minimize(objective)).solve(solver=cp.CLARABEL)
    except (cp.error.SolverError, ValueError, MemoryError):
        return Answer(time.perf_counter() - start, None)
    seconds = time.perf_counter() - start
    if theta.value is None:
        return Answer(seconds, None)
    return Answer(seconds, float(risk((x @ theta.value - y) ** 2, name, strength)))


def lbfgs(x: np.ndarray, y: np.ndarray, name: str, strength: float) -> Answer | None:
    """scipy's L-BFGS on the same smooth objective; none where there is none."""
    n = len(y)

    def kl(theta: np.ndarray) -> tuple[float, np.ndarray]:
        residual = x @ theta - y
        scores = residual**2 / strength
        total = logsumexp(scores)
        weights = np.exp(scores - total)
        return strength * (total - np.log(n)), 2.0 * (weights * residual) @ x

    def chi2(point: np.ndarray) -> tuple[float, np.ndarray]:
        theta, threshold = point[:-1], point[-1]
        residual = x @ theta - y
        excess = np.maximum((residual**2 - threshold) / strength + 1.0, 0.0)
        weights = excess / (2.0 * n)
        value = threshold + strength * (excess @ excess) / (4.0 * n)
        return value, np.append(2.0 * (weights * residual) @ x, 1.0 - weights.sum())

    if name not in ("kl", "chi2"):
        return None
    start = time.perf_counter()
    size = x.shape[1] + (name == "chi2")
    found = minimize(
        kl if name == "kl" else chi2,
        np.zeros(size),
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": 20_000, "maxfun": 40_000, "ftol": 1e-13, "gtol": 1e-9, "maxcor": 20},
    )
    seconds = time.perf_counter() - start
    theta = found.x[: x.shape[1]]
    return Answer(seconds, float(risk((x @ theta - y) ** 2, name, strength)))


def _fit(executable: Path, path: Path, name: str, strength: float) -> dict[str, Any]:
    tolerance = 1e-6 if name.startswith("cvar") else 1e-9
    arguments = ["--fit", str(path), "--divergence", name, "--lambda", repr(strength)]
    return ours.json_lines(executable, [*arguments, "--tolerance", repr(tolerance)], timeout=300)[0]


def _rows(executable: Path, path: Path, data: np.ndarray, section: Section) -> None:
    x, y = np.column_stack([data[:, :-1], np.ones(len(data))]), data[:, -1]
    for name, strength in RISKS:
        fit = _fit(executable, path, name, strength)
        case = f"{name}, λ = {strength:g}, {data.shape[0]:,} × {data.shape[1] - 1}"
        section.remarks.append(
            f"ours on {case}: {fit['status']}, gap {fit['gap'] / fit['objective']:.1e}, {fit['iterations']} steps"
        )
        answers = {"L-BFGS": lbfgs(x, y, name, strength)}
        if len(y) <= MOST_CONIC:
            answers["Clarabel"] = clarabel(x, y, name, strength)
        for peer, answer in answers.items():
            if answer is None:
                continue
            excess = None if answer.objective is None else answer.objective / fit["objective"] - 1.0
            note = "failed" if excess is None else f"{excess:.1e} above ours"
            section.rows.append(
                Row(
                    case=case,
                    peer=peer,
                    unit="s",
                    ours=fit["seconds"],
                    theirs=answer.seconds,
                    goal=GOALS[peer],
                    smaller_is_better=True,
                    given_up=excess is None or excess > CLOSE,
                    note=note,
                )
            )


def run(work: Path, quick: bool) -> Section:
    """Fit and train on tables of two sizes, and from disk; quick: only the smaller one."""
    section = Section("e) robust least squares: exact fits, epochs of training, rows from disk")
    try:
        executable = ours.build_bench("robust")
    except ours.Unavailable as error:
        section.remarks.append(f"ours missing: {error}")
        return section
    work.mkdir(parents=True, exist_ok=True)
    for rows, columns in ((20_640, 8),) if quick else ((20_640, 8), (1_000_000, 20)):
        data = table(rows, columns)
        path = work / f"robust-{rows}.npy"
        np.save(path, data)
        _rows(executable, path, data, section)
        training.epochs(section, executable, path, data, quick)
    if not quick:
        training.streamed(section, work)
    section.remarks.append(
        "a peer that fails or ends more than 0.1% above our objective is marked with >: its time is a lower bound; "
        "Clarabel's counts cvxpy's compilation, ours is the best of several runs from the table in memory"
    )
    return section
