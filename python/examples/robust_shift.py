"""Robust against ordinary regression when a minority group becomes more frequent.

In the training data every tenth row is of a group in which one feature counts half as much. Nobody tells the models; the features do
not say which group a row is of. Afterwards both groups are equally frequent.

    python robust_shift.py
    python robust_shift.py --plot robust_shift.png
"""

from __future__ import annotations

import argparse

import numpy as np
from numpy.typing import NDArray

from fenchel.robust import RobustRegressor, RobustRegressorCV

Floats = NDArray[np.float64]


def sample(rng: np.random.Generator, n: int, minority: float) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """Rows, labels, and which rows are of the minority."""
    x = rng.normal(size=(n, 4))
    is_minority = rng.uniform(size=n) < minority
    slope = np.where(is_minority, 1.0, 2.0)
    y = slope * x[:, 0] - x[:, 1] + 0.5 * x[:, 2] + np.where(is_minority, 3.0, 0.0) + rng.normal(size=n)
    return x, y, is_minority


def main() -> None:
    parser = argparse.ArgumentParser(description="Robust against ordinary regression under a shift of groups.")
    parser.add_argument("--plot", metavar="FILE", help="picture of the training losses and their worst-case weights")
    arguments = parser.parse_args()

    rng = np.random.default_rng(0)
    x, y, group = sample(rng, 4000, minority=0.1)
    later, truth, later_group = sample(rng, 20000, minority=0.5)

    ordinary = RobustRegressor(divergence="mean").fit(x, y)
    robust = RobustRegressor(divergence="chi2", radius=1.0).fit(x, y)
    # With the groups of the training rows, the strength can be chosen for the shift that is feared.
    chosen = RobustRegressorCV(divergence="chi2", radii=[0.03, 0.1, 0.3, 1, 3, 10], shift="group").fit(x, y, groups=group)

    print("mean squared error        majority  minority  half and half")
    for name, model in [("ordinary", ordinary), ("robust, radius 1", robust), (f"chosen, radius {chosen.best_radius_:g}", chosen)]:
        losses = (model.predict(later) - truth) ** 2
        print(f"{name:24}  {losses[~later_group].mean():8.2f}  {losses[later_group].mean():8.2f}  {losses.mean():13.2f}")

    print(f"\nthe robust fit: {robust.status_} in {robust.n_iter_} steps")
    print(f"its worst-case training loss is {robust.objective_:.6f}; no coefficients get below {robust.lower_bound_:.6f}")
    share = robust.weights_[group].sum()
    print(f"the minority is {group.mean():.0%} of the training rows, and {share:.0%} of the weight in the worst case")

    if arguments.plot:
        ax = robust.plot()
        ax.set_title("training losses of the robust fit")
        ax.figure.savefig(arguments.plot, dpi=150)
        print(f"\nwrote {arguments.plot}")


if __name__ == "__main__":
    main()
