"""Which batch and step suit a peer best on a problem: known neighbourhood or full grid."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from bench_peers import ott_solver, pot_solver
from bench_peers.problems import MANY, Judge, Problem
from bench_peers.trajectory import Missed, Reached, first_within

#: A peer is given up when it has taken so many times the goal.
PATIENCE = 1.1
#: χ² marginal error that has to be reached.
TARGET = 1e-2
Config = ott_solver.Config | pot_solver.Config


@dataclass(frozen=True)
class Peer:
    """A peer with the settings that were best when the script was written."""

    name: str
    known: Config
    batches: tuple[int, ...]
    #: Seconds after which a run is given up, if the goal times what ours takes is not more.
    limit: float
    #: How many times faster than this peer we want to be.
    goal: float | None = None
    #: Whether step and batch are searched for.
    tuned: bool = True


def _peers_of_many(problem: Problem) -> list[Peer]:
    """Peers on problems with many atoms.

    With 10^5 atoms no setting tried reaches the target within minutes. The averaged ones bring the error
    down most in a minute, of steps from 0.03 to 100 and batches from 256 to 4096: larger steps raise it.
    The plain ones take smaller steps, for want of the averaging.
    """
    ott, batches = ott_solver.Config, (256, 1024, 4096)
    if len(problem.atoms) == 10_000:
        plain, averaged = ott(1024, 0.2), ott(512, 3.0, newest_weight=0.002)
        goal = 10.0
    elif problem.temperature:
        plain, averaged = ott(1024, 0.05), ott(1024, 0.3, newest_weight=0.01)
        goal = 20.0
    else:
        plain, averaged = ott(1024, 0.01), ott(1024, 0.03, newest_weight=0.01)
        goal = 20.0
    return [
        Peer("OTT, best step", plain, batches, 60.0, goal),
        Peer("OTT, best step, averaging", averaged, batches, 60.0, goal),
    ]


def peers(problem: Problem) -> list[Peer]:
    """All peers on this problem."""
    if len(problem.atoms) >= MANY:
        return _peers_of_many(problem)
    plane = problem.name == "n1000-d2"
    ott, pot = ott_solver.Config, pot_solver.Config
    batches = (256, 512, 1024, 2048, 4096)
    goal = 8.0 if plane else 3.0
    return [
        Peer(
            "OTT, best step",
            ott(2048, 2.0) if plane else ott(256, 300.0),
            batches,
            limit=6.0,
            goal=goal,
        ),
        Peer(
            "OTT, best step, averaging",
            ott(256, 2.0, newest_weight=0.02) if plane else ott(256, 1000.0, newest_weight=0.2),
            batches,
            limit=6.0,
        ),
        Peer(
            "POT, best step",
            pot(32, 50.0, single=True) if plane else pot(128, 3600.0, single=True),
            (16, 32, 64, 128, 256),
            limit=20.0,
            goal=goal,
        ),
        Peer("POT, defaults", pot(), (32,), limit=60.0, tuned=False),
    ]


def _fastest(
    peer: Peer, problem: Problem, judge: Judge, candidates: Iterable[Config]
) -> tuple[Config, float] | None:
    """The candidate that is first within the target, roughly judged; later ones get less time."""
    best: tuple[Config, float] | None = None
    for config in candidates:
        limit = peer.limit if best is None else 1.2 * best[1]
        run = config.trajectory(problem.atoms, problem.temperature, 0, limit)
        reached = first_within(run, TARGET, judge.rough, lambda potential, _: judge.rough(potential))
        if reached is not None and (best is None or reached.seconds < best[1]):
            best = (config, reached.seconds)
    return best


def _around(config: Config, factors: tuple[float, ...]) -> list[Config]:
    """The configuration with its step times each factor."""
    assert config.step is not None, "a configuration with a default step is not tuned"
    return [replace(config, step=config.step * factor) for factor in factors]


def best_config(peer: Peer, problem: Problem, judge: Judge, full: bool, quick: bool) -> Config:
    """The best settings found.

    Full: every batch with steps in decades around the known one, then finer around the best.
    Otherwise: the known settings with steps half and double; quick: the known settings.
    """
    if not peer.tuned or quick:
        return peer.known
    coarse = [peer.known, *_around(peer.known, (0.5, 2.0))]
    if full:
        decades = (1.0, 0.1, 10.0)
        coarse += [
            config
            for batch in peer.batches
            for config in _around(replace(peer.known, batch=batch), decades)
        ]
    best = _fastest(peer, problem, judge, coarse)
    if best is None or not full:
        return peer.known if best is None else best[0]
    fine = [best[0], *_around(best[0], (0.25, 0.5, 0.7, 1.4, 2.0, 4.0))]
    return (_fastest(peer, problem, judge, fine) or best)[0]


def measure(
    peer: Peer, problem: Problem, judge: Judge, config: Config, seed: int, ours: float, target: float
) -> Reached | Missed:
    """One run with these settings, judged on the whole common sample; ours took ``ours`` seconds."""
    limit = max(peer.limit, PATIENCE * (peer.goal or 0.0) * ours)
    run = config.trajectory(problem.atoms, problem.temperature, seed, limit)
    return first_within(run, target, judge.rough, judge.exact) or Missed(
        run[-1].seconds, judge.error(run[-1].potential, judge.blocks)[0]
    )
