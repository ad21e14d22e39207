"""Risks and fits against closed forms, linear programs and general-purpose optimisation of the objective in NumPy."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from scipy.optimize import linprog, minimize
from scipy.special import log_softmax, logsumexp
from sklearn.base import clone

import fenchel
from fenchel import CVaR, errors
from fenchel.robust import RobustClassifier, RobustRegressor, RobustRegressorCV, risk

SALES = np.array(
    """4.87,1,32 7.73,0,16 4.05,0,29 2.96,0,33 4.67,0,28 2.07,1,40 2.31,0,35 4.54,0,29 4.03,0,33 4.97,0,28 3.46,1,36 3.18,0,31
    6.74,0,20 5.43,0,24 3.74,0,30 5.70,1,26 7.42,0,13 5.34,0,27 3.69,0,28 4.95,0,25 3.74,1,37 5.49,0,21 2.22,0,33 3.46,0,31
    3.62,0,30""".replace("\n", " ").replace(",", " ").split(),
    dtype=float,
).reshape(-1, 3)


def table(seed: int, n: int = 60, d: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Skewed features, a label with a few gross errors."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, d)) * np.geomspace(1, 10, d) + rng.exponential(size=(n, d))
    y = 1 + x @ rng.normal(size=d) + rng.normal(size=n) + 5 * (rng.uniform(size=n) < 0.1)
    return x, y


def least(objective, size: int) -> float:
    """The least value of a smooth convex function."""
    at = np.zeros(size)
    for _ in range(5):
        at = minimize(objective, at, method="BFGS", options={"gtol": 1e-12, "maxiter": 5000}).x
    return objective(at)


# Risks.


def test_kl_is_log_mean_exp() -> None:
    losses = np.random.default_rng(0).normal(size=50)
    reference = np.random.default_rng(1).uniform(size=50)
    worst = risk(losses, temperature=0.3, reference=reference)
    share = reference / reference.sum()
    value = 0.3 * logsumexp(losses / 0.3, b=share)
    weights = share * np.exp((losses - value) / 0.3)
    assert worst.value == pytest.approx(value, rel=1e-14)
    np.testing.assert_allclose(worst.weights, weights, rtol=1e-12)
    assert worst.temperature == 0.3
    assert worst.radius == pytest.approx(np.sum(weights * np.log(weights / share)), rel=1e-12)


def test_tail_means_and_the_largest_loss() -> None:
    losses = [4.0, 0.0, 1.0, 3.0]
    assert risk(losses, CVaR(0.5)).value == 3.5
    assert risk(losses, "cvar:0.375").value == pytest.approx((4 + 0.5 * 3) / 1.5)
    assert risk(losses, "none").value == 4.0
    assert risk(losses, "mean").value == 2.0
    assert risk(losses, "mean", reference=[0, 0, 1, 3]).value == 2.5


def test_a_chi2_ball_adds_standard_deviations() -> None:
    # D is (1/2)Σ p̂ (p/p̂ − 1)² or Σ p̂ (p/p̂ − 1)²; small balls do not cut weights to 0, so that the risk is mean + √(cr) sd.
    losses = np.random.default_rng(2).normal(size=40)
    worst = risk(losses, "chi2", radius=0.01)
    d = np.mean((40 * worst.weights - 1) ** 2)
    assert worst.weights.min() > 0
    assert worst.value == pytest.approx(losses.mean() + np.sqrt(d) * losses.std(), rel=1e-12)
    four = risk(losses, "chi2", radius=0.04)
    assert four.value - losses.mean() == pytest.approx(2 * (worst.value - losses.mean()), rel=1e-9)


@pytest.mark.parametrize("name", ["kl", "chi2", "safe-kl:0.05", "kl-cvar:0.2", "hyperbolic", "tsallis:1.5"])
def test_radius_and_temperature_belong_together(name: str) -> None:
    losses = np.random.default_rng(3).exponential(size=30)
    ball = risk(losses, name, radius=0.2)
    same = risk(losses, name, temperature=ball.temperature)
    np.testing.assert_allclose(same.weights, ball.weights, rtol=1e-7, atol=1e-12)
    assert same.radius == pytest.approx(0.2, rel=1e-8) and ball.radius == pytest.approx(0.2, rel=1e-8)
    assert ball.value == pytest.approx(ball.weights @ losses, rel=1e-12)
    assert same.threshold == pytest.approx(ball.threshold, rel=1e-6, abs=1e-8)


@pytest.mark.parametrize(
    ("call", "error", "part"),
    [
        (lambda: risk([1.0, 2.0]), errors.InvalidInputError, "neither temperature nor radius"),
        (lambda: risk([1.0], temperature=1, radius=1), errors.InvalidInputError, "both given"),
        (lambda: risk([1.0], temperature=0), errors.InvalidInputError, "temperature is 0; it must be a finite number above 0"),
        (lambda: risk([1.0], radius=-1), errors.InvalidInputError, "radius is -1"),
        (lambda: risk([1.0], radius="a"), errors.InvalidTypeError, "radius is 'a'"),
        (lambda: risk([1.0], radius=-(10**400)), errors.InvalidInputError, "radius is -1000"),
        (lambda: risk([1.0, np.nan], radius=1), errors.NonFiniteError, "losses at 1 is NaN"),
        (lambda: risk([], radius=1), errors.ShapeError, "losses"),
        (lambda: risk([1.0], radius=1, reference=[1, 2]), errors.ShapeError, "expected as many as"),
        (lambda: risk([1.0], radius=1, reference=[-1]), errors.InvalidInputError, "-1"),
        (lambda: risk([1.0], "kk", radius=1), errors.UnknownNameError, "did you mean 'kl'"),
        (lambda: risk([1.0], "kk", radius=1), errors.UnknownNameError, "mean)"),
        (lambda: risk(["a"], radius=1), errors.InvalidTypeError, "text"),
    ],
)
def test_bad_risks(call, error, part: str) -> None:
    with pytest.raises(error) as caught:
        call()
    assert part in str(caught.value)


# What is imported when.


def test_scikit_learn_is_imported_when_an_estimator_is_asked_for() -> None:
    code = """
import sys, fenchel, fenchel.robust
fenchel.robust.risk([1.0, 2.0], radius=0.1), dir(fenchel.robust)
assert not {"sklearn", "scipy", "matplotlib", "pandas"} & set(sys.modules)
assert "RobustRegressor" in dir(fenchel.robust)
fenchel.robust.RobustRegressor
assert "sklearn" in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_without_scikit_learn() -> None:
    code = """
import sys
sys.modules["sklearn"] = None
import fenchel.robust
try:
    fenchel.robust.RobustClassifier
except fenchel.errors.MissingDependencyError as error:
    assert "fenchel[sklearn]" in str(error), error
else:
    raise SystemExit("no error")
fenchel.robust.risk([1.0, 2.0], radius=0.1)
try:
    fenchel.robust.nothing
except AttributeError:
    pass
"""
    subprocess.run([sys.executable, "-c", code], check=True)


# Fits.


def test_what_the_command_reports() -> None:
    # docs/robust-learning.md.
    x, y = SALES[:, :2], SALES[:, 2]
    mean = RobustRegressor(divergence="mean", l2=0.0).fit(x, y)
    assert mean.objective_ == pytest.approx(3.1936067989, abs=1e-9)
    kl = RobustRegressor(radius=0.3, l2=0.0).fit(x, y)
    assert kl.objective_ == pytest.approx(6.6638241249, abs=1e-8)
    assert kl.lower_bound_ == pytest.approx(6.6638241182, abs=1e-8)
    assert (round(kl.intercept_, 3), *kl.coef_.round(4)) == (44.828, -3.8578, 4.7287)
    assert kl.temperature_ == pytest.approx(5.994, abs=1e-3)
    assert kl.effective_sample_size_ == pytest.approx(13.51, abs=5e-3)
    assert 25 * kl.weights_.max() == pytest.approx(4.463, abs=5e-4)
    moved = RobustRegressor(temperature=6, move_price=100, l2=0.0).fit(x, y)
    assert moved.objective_ == pytest.approx(8.94330518, abs=1e-6)
    assert moved.distances_ @ moved.weights_ == pytest.approx(0.2445, abs=1e-4)


def test_least_squares() -> None:
    x, y = table(1)
    full = np.column_stack([x, np.ones(len(y))])
    wanted = np.linalg.lstsq(full, y)[0]
    for model in [
        RobustRegressor(divergence="mean", l2=0.0),
        RobustRegressor(radius=0, l2=0.0),
        RobustRegressor(temperature=1e9, l2=0.0, tol=1e-12),
    ]:
        model.fit(x, y)
        np.testing.assert_allclose([*model.coef_, model.intercept_], wanted, rtol=1e-6)
        assert model.objective_ == pytest.approx(np.mean((full @ wanted - y) ** 2), rel=1e-6)
    passes = RobustRegressor(divergence="mean", solver="passes", l2=0.0, batch_size=5).fit(x, y)
    assert passes.objective_ == pytest.approx(np.mean((full @ wanted - y) ** 2), rel=1e-6)
    # The penalty that is there by default changes nothing to speak of.
    model = RobustRegressor(divergence="mean").fit(x, y)
    np.testing.assert_allclose([*model.coef_, model.intercept_], wanted, rtol=1e-3)
    through = RobustRegressor(divergence="mean", fit_intercept=False, l2=0.0).fit(x, y)
    np.testing.assert_allclose(through.coef_, np.linalg.lstsq(x, y)[0], rtol=1e-8)
    assert through.intercept_ == 0.0


@pytest.mark.parametrize("temperature", [0.3, 3.0, 100.0])
@pytest.mark.parametrize("loss", ["squared", "huber:2", "logistic", "smoothed-hinge", "multinomial", "poisson"])
def test_kl_with_a_temperature(loss: str, temperature: float) -> None:
    x, y = table(2, d=2)
    x = x / x.std(axis=0)
    weights = np.random.default_rng(0).integers(0, 3, size=len(y))
    share = weights / weights.sum()
    third = np.digitize(y, np.quantile(y, [0.33, 0.66]))
    sign = np.where(y > np.median(y), 1.0, -1.0)
    count = np.floor(np.abs(y) / 3)

    def of_scores(z):
        if loss == "squared":
            return (z[:, 0] - y) ** 2
        if loss == "huber:2":
            r = np.abs(z[:, 0] - y)
            return np.where(r <= 2, r**2 / 2, 2 * r - 2)
        if loss == "logistic":
            return np.logaddexp(0, -sign * z[:, 0])
        if loss == "smoothed-hinge":
            m = 1 - sign * z[:, 0]
            return np.where(m <= 0, 0, np.where(m <= 1, m**2 / 2, m - 0.5))
        if loss == "multinomial":
            return -log_softmax(z, axis=1)[np.arange(len(y)), third]
        log = np.where(count > 0, np.log(np.maximum(count, 1)), 0)
        return np.exp(z[:, 0]) - count * z[:, 0] + count * log - count

    k = 3 if loss == "multinomial" else 1

    def objective(g):
        theta = g.reshape(k, 3)
        z = x @ theta[:, :2].T + theta[:, 2]
        return temperature * logsumexp(of_scores(z) / temperature, b=share) + 0.05 * np.sum(theta[:, :2] ** 2)

    labels = {"logistic": sign, "smoothed-hinge": sign, "multinomial": third, "poisson": count}.get(loss, y)
    kind = RobustClassifier if loss in ("logistic", "smoothed-hinge", "multinomial") else RobustRegressor
    model = kind(loss=loss, temperature=temperature, l2=0.05, standardize=False, tol=1e-10)
    model.fit(x, labels, sample_weight=weights)
    assert model.status_ == "converged"
    assert model.objective_ == pytest.approx(least(objective, 3 * k), rel=1e-7)
    found = np.column_stack([np.atleast_2d(model.coef_), np.atleast_1d(model.intercept_)])
    assert objective(found.ravel()) == pytest.approx(model.objective_, rel=1e-12)
    np.testing.assert_allclose(model.losses_, of_scores(x @ found[:, :2].T + found[:, 2]), rtol=1e-9, atol=1e-9)
    again = risk(model.losses_, temperature=temperature, reference=weights)
    np.testing.assert_allclose(model.weights_, again.weights, rtol=1e-9, atol=1e-14)
    assert model.threshold_ == pytest.approx(again.threshold, rel=1e-9)
    assert model.radius_ == pytest.approx(again.radius, rel=1e-7)
    assert model.weights_[weights == 0].max() == 0


@pytest.mark.parametrize("radius", [0.03, 0.3])
def test_kl_within_a_radius(radius: float) -> None:
    x, y = table(3, d=2)

    def objective(g):
        losses = (x @ g[:2] + g[2] - y) ** 2
        temperature = np.exp(g[3])
        return temperature * (radius + logsumexp(losses / temperature) - np.log(len(y)))

    start = RobustRegressor(divergence="mean").fit(x, y)
    at = np.array([*start.coef_, start.intercept_, 1.0])
    for _ in range(5):
        at = minimize(objective, at, method="BFGS", options={"gtol": 1e-12}).x
    model = RobustRegressor(radius=radius, l2=0.0).fit(x, y)
    assert model.objective_ == pytest.approx(objective(at), rel=1e-7)
    assert model.temperature_ == pytest.approx(np.exp(at[3]), rel=1e-4)
    assert model.radius_ == pytest.approx(radius, rel=1e-9)


@pytest.mark.parametrize("divergence", ["cvar:0.2", "none"])
@pytest.mark.parametrize("loss", ["absolute", "quantile:0.8", "hinge"])
def test_linear_programs(divergence: str, loss: str) -> None:
    x, y = table(4, n=40)
    n, d = x.shape
    sign = np.where(y > np.median(y), 1.0, -1.0)
    # Of θ, θ₀, losses, threshold and excesses: straight pieces a z + c of each loss.
    pieces = {
        "absolute": [(np.ones(n), -y), (-np.ones(n), y)],
        "quantile:0.8": [(-0.8 * np.ones(n), 0.8 * y), (0.2 * np.ones(n), -0.2 * y)],
        "hinge": [(-sign, np.ones(n)), (np.zeros(n), np.zeros(n))],
    }[loss]
    size = d + 1 + n + 1 + n
    rows, right = [], []
    for slope, constant in pieces:
        block = np.zeros((n, size))
        block[:, : d + 1] = slope[:, None] * np.column_stack([x, np.ones(n)])
        block[:, d + 1 : d + 1 + n] = -np.eye(n)
        rows.append(block)
        right.append(-constant)
    block = np.zeros((n, size))
    block[:, d + 1 : d + 1 + n] = np.eye(n)
    block[:, d + 1 + n] = -1
    block[:, d + 2 + n :] = -np.eye(n)
    cost = np.zeros(size)
    cost[d + 1 + n] = 1
    cost[d + 2 + n :] = 1 / (0.2 * n) if divergence == "cvar:0.2" else 1
    bounds = [(None, None)] * (d + 2 + n) + [(0, None)] * n
    wanted = linprog(cost, np.vstack([*rows, block]), np.concatenate([*right, np.zeros(n)]), bounds=bounds).fun
    kind = RobustClassifier if loss == "hinge" else RobustRegressor
    model = kind(divergence=divergence, loss=loss, l2=0.0, tol=1e-7).fit(x, sign if loss == "hinge" else y)
    assert model.objective_ == pytest.approx(wanted, rel=1e-6)
    assert model.lower_bound_ <= wanted * (1 + 1e-9)


def test_penalties_of_scikit_learn() -> None:
    from sklearn.linear_model import Lasso, Ridge

    x, y = table(5)
    ridge = Ridge(alpha=0.5 * len(y)).fit(x, y)
    ours = RobustRegressor(divergence="mean", l2=0.5, standardize=False, tol=1e-12).fit(x, y)
    np.testing.assert_allclose(ours.coef_, ridge.coef_, rtol=1e-7)
    lasso = Lasso(alpha=0.5, tol=1e-12, max_iter=100000).fit(x, y)
    ours = RobustRegressor(divergence="mean", l1=1.0, l2=0.0, standardize=False, tol=1e-9).fit(x, y)
    np.testing.assert_allclose(ours.coef_, lasso.coef_, rtol=1e-4, atol=1e-6)
    units = RobustRegressor(l2=0.3).fit(x, y)
    same = RobustRegressor(l2=0.3).fit(x * [1e-3, 1.0, 1e6], y)
    np.testing.assert_allclose(same.coef_ * [1e-3, 1.0, 1e6], units.coef_, rtol=1e-6)


@pytest.mark.parametrize("loss", ["squared", "absolute", "huber:1", "quantile:0.3"])
def test_units_of_labels_do_not_matter(loss: str) -> None:
    x, y = table(6)
    one = RobustRegressor(loss=loss, divergence="kl-cvar:0.2").fit(x, y)
    name = loss if "huber" not in loss else "huber:1e6"
    many = RobustRegressor(loss=name, divergence="kl-cvar:0.2").fit(x, 1e6 * y)
    exact = RobustRegressor(loss=loss, divergence="kl-cvar:0.2", l2=0.0).fit(x, y)
    np.testing.assert_allclose(many.coef_, 1e6 * one.coef_, rtol=2e-2)
    assert one.objective_ == pytest.approx(exact.objective_, rel=1e-3)


def test_the_certificate_is_below_everything() -> None:
    x, y = table(7)
    rng = np.random.default_rng(0)
    for divergence in ["kl", "chi2", "cvar:0.3", "none", "safe-kl:0.1"]:
        model = RobustRegressor(divergence=divergence, l2=0.0, max_iter=2000).fit(x, y)
        assert model.status_ == "converged" and 0 <= model.gap_ <= 1e-6 * model.objective_
        assert model.gap_ == model.objective_ - model.lower_bound_
        strength = {} if divergence in ("cvar:0.3", "none") else {"radius": 0.1}
        for size in [1e-3, 1e-2, 0.1, 1]:
            coef, constant = model.coef_ + size * rng.normal(size=3), model.intercept_ + size * rng.normal()
            other = risk((x @ coef + constant - y) ** 2, divergence, **strength).value
            assert other >= model.lower_bound_


def test_relative_temperatures() -> None:
    x, y = table(8)
    mean = RobustRegressor(divergence="mean").fit(x, y)
    model = RobustRegressor(temperature="rel:0.5").fit(x, y)
    assert model.ordinary_loss_ == pytest.approx(mean.mean_loss_, rel=1e-12)
    assert model.temperature_ == 0.5 * model.ordinary_loss_
    assert mean.ordinary_loss_ is None and mean.temperature_ == np.inf and mean.radius_ == 0


def test_arrays_as_they_come() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(1000, 5)).astype(np.float32)
    y = (x[:, 0] + rng.normal(size=1000)).astype(np.float32)
    wide = np.zeros((2000, 11), dtype=np.float64)
    wide[::2, 1::2] = x
    reference = RobustRegressor().fit(x.astype(float), y.astype(float)).coef_
    for form in [x, np.asfortranarray(x, dtype=float), wide[::2, 1::2], x.astype(">f8"), x.tolist()]:
        np.testing.assert_array_equal(RobustRegressor().fit(form, y).coef_, reference)
    np.testing.assert_array_equal(RobustRegressor().fit(x[::-1][::-1], y[::-1][::-1]).coef_, reference)
    unaligned = np.frombuffer(b"x" + x.astype(float).tobytes(), dtype=np.uint8)[1:].view(np.float64).reshape(x.shape)
    np.testing.assert_array_equal(RobustRegressor().fit(unaligned, y).coef_, reference)


def test_solvers_that_make_passes() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(500, 3))
    y = x @ [1.0, -1.0, 0.5] + rng.normal(size=500)
    exact = RobustRegressor(temperature=2.0).fit(x, y)
    assert exact.history_.size == 0 and exact.n_iter_ > 1
    passes = RobustRegressor(temperature=2.0, solver="passes", batch_size=20, random_state=3).fit(x, y)
    assert passes.status_ == "converged" and len(passes.history_) == passes.n_iter_ + 1
    assert passes.objective_ == pytest.approx(exact.objective_, rel=1e-6)
    assert passes.history_.min() == passes.objective_
    for solver in ["joint", "dual-sgm", "batch-weights", "multilevel", "sum-of-exponentials"]:
        model = RobustRegressor(temperature=10.0, solver=solver, batch_size=20, epochs=5, tol=1e-12)
        with pytest.warns(errors.ConvergenceWarning, match="max_iterations"):
            model.fit(x, y)
        assert model.status_ == "max_iterations" and model.n_iter_ == 5
        again = RobustRegressor(temperature=10.0, solver=solver, batch_size=20, epochs=5, tol=1e-12)
        with pytest.warns(errors.ConvergenceWarning):
            again.fit(x, y)
        np.testing.assert_array_equal(model.coef_, again.coef_)
        assert model.lower_bound_ <= RobustRegressor(temperature=10.0).fit(x, y).objective_ <= model.objective_ + 1e-9


def test_probabilities_and_decisions() -> None:
    x, y = table(9, n=90)
    names = np.array(["low", "middle", "top"])[np.digitize(y, np.quantile(y, [0.3, 0.7]))]
    three = RobustClassifier(radius=0.05, l2=0.01).fit(x, names)
    assert three.coef_.shape == (3, 3) and three.intercept_.shape == (3,)
    z = x @ three.coef_.T + three.intercept_
    np.testing.assert_allclose(three.decision_function(x), z)
    np.testing.assert_allclose(three.predict_proba(x), np.exp(log_softmax(z, axis=1)), rtol=1e-12)
    assert (three.predict(x) == three.classes_[z.argmax(axis=1)]).all()
    assert three.intercept_.sum() == pytest.approx(0, abs=1e-9)
    two = RobustClassifier(radius=0.05, l2=0.01).fit(x, names == "top")
    assert two.coef_.shape == (1, 3) and two.decision_function(x).shape == (90,)
    np.testing.assert_allclose(two.predict_proba(x)[:, 1], 1 / (1 + np.exp(-two.decision_function(x))), rtol=1e-12)
    both = RobustClassifier(loss="multinomial", radius=0.05, l2=0.005).fit(x, names == "top")
    assert both.coef_.shape == (2, 3)
    # Two scores w and −w share a penalty that is half that of 2w.
    doubled = RobustClassifier(radius=0.05, l2=0.0025).fit(x, names == "top")
    np.testing.assert_allclose(both.decision_function(x), doubled.decision_function(x), rtol=1e-3, atol=1e-3)
    assert not hasattr(RobustClassifier(loss="hinge"), "predict_proba")
    with pytest.raises(errors.InvalidInputError, match="3 classes.*'multinomial' take more"):
        RobustClassifier(loss="hinge").fit(x, names)


# Long runs.


LONG = {
    "exact": RobustRegressor(divergence="cvar:0.05", loss="absolute", tol=1e-13, max_iter=10**6, max_time=None),
    "gradients": RobustRegressor(solver="joint", step=1e-5, temperature=50.0, epochs=10**6, max_time=None),
    "folds": RobustRegressorCV(divergence="chi2", loss="absolute", tol=1e-13, max_iter=10**6),
}


def large(name: str) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    n = 100_000 if name == "gradients" else 400_000
    x = rng.normal(size=(n, 20))
    return x, x @ rng.normal(size=20) + rng.standard_t(3, size=n)


@pytest.mark.parametrize("name", LONG)
def test_ctrl_c(name: str) -> None:
    model, (x, y) = clone(LONG[name]), large(name)
    pressed = []

    def press() -> None:
        pressed.append(time.monotonic())
        signal.raise_signal(signal.SIGINT)

    timer = threading.Timer(0.4, press)
    timer.start()
    try:
        with pytest.raises(fenchel.Interrupted) as caught:
            model.fit(x, y)
    finally:
        timer.cancel()
    assert time.monotonic() - pressed[0] < 1.0
    assert isinstance(caught.value, KeyboardInterrupt)
    assert caught.value.result is model and model.status_ == "interrupted"
    if name != "folds":
        assert model.predict(x[:3]).shape == (3,) and np.isfinite(model.objective_)
        assert model.lower_bound_ <= model.objective_


def test_progress() -> None:
    x, y = large("exact")
    seen = []
    model = clone(LONG["exact"]).set_params(tol=1e-3, progress=lambda *args: seen.append(args)).fit(x, y)
    assert seen and {args[0] for args in seen} == {"fitting"} and all(len(args) == 5 for args in seen)

    def stop(*_: object) -> None:
        raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        model.set_params(tol=1e-13, progress=stop).fit(x, y)
    assert model.status_ == "interrupted"


def test_time_is_kept() -> None:
    for name in ["exact", "gradients"]:
        x, y = large(name)
        model, start = clone(LONG[name]).set_params(max_time=0.3), time.monotonic()
        with pytest.warns(errors.ConvergenceWarning, match="max_time"):
            model.fit(x, y)
        assert model.status_ == "max_time" and time.monotonic() - start < 4


# What cannot be.


@pytest.mark.parametrize(
    ("parameters", "error", "part"),
    [
        ({"divergence": "chi"}, errors.UnknownNameError, "did you mean 'chi2'"),
        ({"divergence": 3}, errors.InvalidTypeError, "divergence is of type int"),
        ({"divergence": CVaR}, errors.InvalidTypeError, "CVaR(...)"),
        ({"temperature": -1}, errors.InvalidInputError, "temperature is -1"),
        ({"temperature": "5"}, errors.InvalidInputError, "'rel:0.5'"),
        ({"temperature": "rel:0"}, errors.InvalidInputError, "rel:0"),
        ({"temperature": 1, "radius": 1}, errors.InvalidInputError, "one of them must be None"),
        ({"divergence": "mean", "radius": 1}, errors.InvalidInputError, "'mean', which has no strength"),
        ({"divergence": "cvar:0.1", "radius": -1}, errors.InvalidInputError, "radius is -1"),
        ({"radius": np.inf}, errors.InvalidInputError, "radius is inf"),
        ({"loss": "square"}, errors.UnknownNameError, "did you mean 'squared'"),
        ({"loss": "logistic"}, errors.InvalidInputError, "for RobustRegressor it must be squared"),
        ({"loss": "poisson"}, errors.InvalidInputError, "label of row 1 for poisson is -1"),
        ({"loss": 3}, errors.InvalidTypeError, "loss is of type int"),
        ({"l2": -1}, errors.InvalidInputError, "l2 is -1; it must be a finite number at least 0"),
        ({"l1": "a"}, errors.InvalidTypeError, "l1 is 'a'"),
        ({"l1": 10**400}, errors.InvalidInputError, "l1 is 1000"),
        ({"fit_intercept": "yes"}, errors.InvalidTypeError, "True or False"),
        ({"fit_intercept": "False"}, errors.InvalidTypeError, "fit_intercept is 'False'"),
        ({"solver": "exakt"}, errors.UnknownNameError, "did you mean 'exact'"),
        ({"batch_size": 10}, errors.InvalidInputError, "for solvers that make passes"),
        ({"solver": "passes", "step": 1}, errors.InvalidInputError, "nothing to tune"),
        ({"solver": "passes", "batch_size": 0}, errors.InvalidInputError, "batch_size is 0"),
        ({"solver": "passes", "move_price": 1.0}, errors.InvalidInputError, "takes exact fits"),
        ({"solver": "multilevel", "rho": 0.1}, errors.InvalidInputError, "safe KL"),
        ({"solver": "multilevel", "initial_threshold": 0.1}, errors.InvalidInputError, "has no threshold"),
        ({"solver": "sum-of-exponentials"}, errors.InvalidInputError, "kl with a penalty"),
        ({"solver": "joint", "momentum": 1}, errors.InvalidInputError, "momentum is 1"),
        ({"tol": 0}, errors.InvalidInputError, "tol is 0"),
        ({"max_iter": 1.5}, errors.InvalidTypeError, "max_iter is 1.5"),
    ],
)
def test_bad_parameters(parameters, error, part: str) -> None:
    with pytest.raises(error) as caught:
        RobustRegressor(**parameters).fit([[0.0], [1.0], [2.0]], [-1.0, 0.0, 3.0])
    assert part in str(caught.value), caught.value


@pytest.mark.parametrize(
    ("x", "y", "weights", "part"),
    [
        ([[1.0, 2.0], [3.0, np.nan]], [1, 2], None, "X at row 2, column 2 is NaN; it must be a finite number"),
        ([[1.0, 2.0], [np.inf, 1.0]], [1, 2], None, "X at row 2, column 1 is inf"),
        ([[1.0], [2.0]], [1, np.nan], None, "y at row 2 is NaN"),
        ([[1.0], [2.0]], [1, 2], [1, -1], "sample_weight[1] is -1"),
        ([[1.0], [2.0]], [1, 2], [0, 0], "zero everywhere"),
        ([[1.0], [2.0]], [1, 2], [1, 2, 3], "one number for each of 2 rows"),
        ([[1.0], [2.0]], ["a", "b"], None, "text"),
        ([[1.0], [2.0]], [1e200, 2], None, "out of range"),
    ],
)
def test_bad_data(x, y, weights, part: str) -> None:
    with pytest.raises((errors.InvalidInputError, errors.InvalidTypeError)) as caught:
        RobustRegressor().fit(x, y, sample_weight=weights)
    assert part in str(caught.value), caught.value


def test_one_class() -> None:
    with pytest.raises(errors.InvalidInputError, match="y has one class, 'a' in every row"):
        RobustClassifier().fit([[1.0], [2.0]], ["a", "a"])


def test_plots() -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    x, y = table(10)
    ax = RobustRegressor().fit(x, y, sample_weight=np.arange(60)).plot()
    assert ax.get_xlabel() == "loss" and len(ax.patches) > 40
    chosen = RobustRegressorCV(radii=[0, 0.1, 1]).fit(x, y)
    assert chosen.plot_scores().get_xlabel() == "radius"
    assert chosen.plot(ax=ax) is ax
    pyplot.close("all")
