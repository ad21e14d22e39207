"""One set of scores through the whole family: log-sum-exp, softmax, entmax, and every divergence.

Run it with ``python softmax_family.py``; it needs NumPy only.
"""

from __future__ import annotations

import numpy as np

import fenchel

SCORES = np.array([3.0, 2.6, 1.9, 0.5, -2.0])
TEMPERATURE = 0.8

DIVERGENCES: list[fenchel.Divergence] = [
    fenchel.NoSmoothing(),
    fenchel.KL(),
    fenchel.SafeKL(0.4),
    fenchel.SafeKL(0.4, centered=True),
    fenchel.Chi2(),
    fenchel.Tsallis(1.5),
    fenchel.Tsallis(0.5),
    fenchel.Hyperbolic(),
    fenchel.MarginalMoments(),
    fenchel.CVaR(0.4),
    fenchel.KLCVaR(0.4),
]


def row(name: str, value: float | None, weights: np.ndarray) -> str:
    """A line of the table; a weight of exactly 0 is a dot."""
    cells = "".join(f"{p:8.3f}" if p > 0 else f"{'.':>8}" for p in weights)
    return f"{name:<22}{'' if value is None else f'{value:.4f}':>9}{cells}"


def main() -> None:
    print(f"{'':<22}{'value':>9}" + "".join(f"{u:8.1f}" for u in SCORES))

    # Softmax is the gradient of log-sum-exp; entmax and sparsemax give small scores no weight at all.
    print("\nOf the scores as they are")
    print(row("logsumexp, softmax", fenchel.logsumexp(SCORES), fenchel.softmax(SCORES)))
    print(row("entmax, q = 1.5", None, fenchel.entmax(SCORES, 1.5)))
    print(row("sparsemax", None, fenchel.sparsemax(SCORES)))

    # All of them are smooth maxima: the best average of the scores, charged for straying from uniform weights.
    print(f"\nSmooth maxima at temperature {TEMPERATURE}")
    for divergence in DIVERGENCES:
        top = fenchel.smoothmax(SCORES, divergence, TEMPERATURE)
        print(row(str(divergence), top.value, top.weights))

    # From the maximum to the mean.
    print("\nKL as the temperature rises")
    for temperature in (0.01, 0.3, 1.0, 10.0, 1000.0):
        top = fenchel.smoothmax(SCORES, "kl", temperature)
        print(row(f"temperature {temperature:g}", top.value, top.weights))

    # What is computed is what is claimed: sparsemax is χ² at temperature 1/(2n).
    as_smooth_maximum = fenchel.smoothmax(SCORES, fenchel.Chi2(), 1 / (2 * len(SCORES))).weights
    np.testing.assert_allclose(as_smooth_maximum, fenchel.sparsemax(SCORES), atol=1e-14)

    # Axes, masks and weights work as in SciPy.
    table = np.stack([SCORES, SCORES[::-1]])
    table[1, 0] = -np.inf
    print("\nlogsumexp by rows:   ", fenchel.logsumexp(table, axis=1).round(4))
    difference = fenchel.logsumexp([3.0, 2.6], b=[1, -1])
    print("differences by signs:", difference.round(4), "=", fenchel.logsubexp(3.0, 2.6).round(4))


if __name__ == "__main__":
    main()
