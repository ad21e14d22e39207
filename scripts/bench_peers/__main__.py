"""Command line of the side-by-side benchmarks."""

from __future__ import annotations

import argparse
from pathlib import Path

from bench_peers import gradient, logsumexp, networks, package, report, robust, solve
from bench_peers.ours import ROOT

WORK = ROOT / "target" / "bench-peers"

DESCRIPTION = """\
Side-by-side benchmarks of fenchel against scipy, numpy, JAX, OTT-JAX, POT, cvxpy
and PyTorch,
ours and theirs in turn in one run, printed as ratios.

  a  log-sum-exp of 10^7 numbers, f64 and f32, whole and by rows of 1,000, against
     jitted JAX, numpy and scipy, and against the machine's limits (read bandwidth,
     exponentials in cache), which are measured in the same run
  b  dense semi-discrete gradient (N = 10^4, d = 2 and N = 10^3, d = 64, batch 256),
     sample–atom pairs a second, against OTT's SemidiscreteSolver
  c  seconds from cold to a χ² marginal error of 1e-2 on two transport problems with
     1,000 atoms (d = 2, λ = 0.01; d = 16, λ = 0.1 of the mean cost), against OTT and
     POT at their best step, all judged on one common sample; ours is not tuned
  d  the same with many atoms: N = 10^4, λ = 1e-3, and N = 10^5, λ = 1e-4 and none, in
     the plane, against OTT
  e  robust least squares, 20,640 × 8 and 10^6 × 20: exact fits against cvxpy with Clarabel
     and scipy's L-BFGS, epochs of training against PyTorch; 10^7 × 20 from disk
  f  the Python package: a call on 10 numbers, 10^6 numbers over axes, entmax, against
     scipy, PyTorch and the entmax package
  g  training steps of robust networks, a perceptron and convolutions in batches of 1, 32 and
     256, against PyTorch
"""

EPILOG = """\
A ratio above 1 means that fenchel is ahead; 'goal' is what we hold ourselves to.
The first run makes a Python environment in target/bench-peers (about 15 seconds) and
builds our benches. Everything printed is also saved as JSON (--json). Run it on an
otherwise idle machine: a full run of a to c takes about ten minutes, --quick about two; d
lets OTT try for a long time, and takes hours, --quick one; e takes six minutes, --quick half a
minute, and PyTorch is a download of 3 GB; f and g take half a minute each.
"""


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="scripts/bench-peers",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--only", choices=["a", "b", "c", "d", "e", "f", "g"], action="append", help="only this part (repeatable; a, b and c if not given)"
    )
    parser.add_argument(
        "--case", default="", help="of parts c and d only the problems whose label holds this, for instance 'none'"
    )
    parser.add_argument(
        "--quick", action="store_true", help="fewer rounds, one seed, peers at their known settings"
    )
    parser.add_argument(
        "--grid",
        action="store_true",
        help="search the peers' step and batch over the full grid, not only around the known best",
    )
    parser.add_argument(
        "--check", action="store_true", help="exit with code 1 if a goal is missed or not measured"
    )
    parser.add_argument(
        "--json", type=Path, default=WORK / "results.json", help="where to save the results"
    )
    arguments = parser.parse_args()
    if arguments.quick and arguments.grid:
        parser.error("--quick and --grid exclude each other")
    return arguments


def main() -> int:
    """Run the parts asked for and print their tables."""
    arguments = parse()
    print(report.machine(), report.versions(), "", sep="\n", flush=True)
    parts = {
        "a": lambda: logsumexp.run(arguments.quick),
        "b": lambda: gradient.run(arguments.quick),
        "c": lambda: solve.run(WORK, arguments.grid, arguments.quick, arguments.case, many=False),
        "d": lambda: solve.run(WORK, arguments.grid, arguments.quick, arguments.case, many=True),
        "e": lambda: robust.run(WORK / "problems", arguments.quick),
        "f": lambda: package.run(WORK / "python", arguments.quick),
        "g": lambda: networks.run(arguments.quick),
    }
    sections = []
    for name in arguments.only or ["a", "b", "c"]:
        sections.append(parts[name]())
        print(report.table(sections[-1]), flush=True)
        report.save(sections, arguments.json)
    goals = [row for section in sections for row in section.rows if row.goal is not None]
    return int(arguments.check and not all(row.met for row in goals))


if __name__ == "__main__":
    raise SystemExit(main())
