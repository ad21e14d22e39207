"""Gaussian noise mapped onto a data set: every point of noise goes to a data point, and each data point gets its share.

    python noise_to_data.py [--plot FILE]
"""

import argparse

import numpy as np

from fenchel.transport import semidiscrete


def moons(n: int, rng: np.random.Generator) -> np.ndarray:
    """Two half circles that reach into each other, blurred."""
    angle = np.pi * rng.random(n)
    upper = rng.random(n) < 0.5
    x = np.where(upper, np.cos(angle), 1.0 - np.cos(angle))
    y = np.where(upper, np.sin(angle), 0.5 - np.sin(angle))
    return np.column_stack([x - 0.5, y - 0.25]) + 0.05 * rng.standard_normal((n, 2))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--plot", metavar="FILE", help="draw noise and what it is mapped to")
    arguments = parser.parse_args()

    rng = np.random.default_rng(0)
    data = moons(200, rng)

    # Nothing to tune: the source by its name, the data as they are.
    plan = semidiscrete("gaussian", data, divergence="none", tolerance=0.05)
    print(f"{plan.status} after {plan.samples:,} samples")
    print(f"transport cost {plan.value:.4f}, between {plan.bounds.lower:.4f} and {plan.bounds.upper:.4f}")
    print(f"marginal error {plan.marginal_error.l1:.4f}")

    noise = rng.standard_normal((100_000, 2))
    mapped = plan.map(noise)
    print(f"mean of the data {data.mean(axis=0).round(3)}, of the mapped noise {mapped.mean(axis=0).round(3)}")
    share = np.bincount(plan.assign(noise), minlength=len(data)) * len(data) / len(noise)
    print(f"shares of {len(data)} data points: {share.min():.2f} to {share.max():.2f} of what each is due")

    if arguments.plot:
        import matplotlib.pyplot as plt

        figure, (left, right) = plt.subplots(1, 2, figsize=(10, 5))
        plan.plot_cells(noise[:20_000], data, ax=left)
        left.set_title("noise, in the colour of the point it goes to")
        plan.plot(ax=right)
        figure.tight_layout()
        figure.savefig(arguments.plot)


if __name__ == "__main__":
    main()
