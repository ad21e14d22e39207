"""Continuous transport: against closed forms and Sinkhorn's method; every form of input; every mistake."""

import os
import pickle
import signal
import subprocess
import sys
import threading
import time

import fenchel
import numpy as np
import pytest
from fenchel.errors import (
    ConvergenceWarning,
    DataFileError,
    InvalidInputError,
    InvalidTypeError,
    NonFiniteError,
    ShapeError,
    UnknownNameError,
)
from fenchel.transport import ContinuousResult, certify, continuous, load, semidiscrete

MEAN, DEVIATION = 1.0, 0.5


def normal(rng, n):
    return rng.normal(MEAN, DEVIATION, size=(n, 1))


def plane(rng, n):
    return rng.standard_normal((n, 2))


def closed_form(temperature):
    """From N(0, 1) to N(1, 1/4) under the squared distance with KL: the value, the covariance of the plan, and v."""
    b2 = DEVIATION**2
    c = (np.sqrt(temperature**2 + 16 * b2) - temperature) / 4
    value = MEAN**2 + 1 + b2 - 2 * c - temperature / 2 * np.log(1 - c**2 / b2)
    return value, c, lambda y: 2 * MEAN * (y - MEAN) + (1 - 1 / c + temperature / (2 * b2)) * (y - MEAN) ** 2


METHODS = {
    "samples": {},
    "kernel": {"potential": "kernel"},
    "sgd": {"potential": "kernel", "solver": "sgd", "steps": 5000},
}


@pytest.mark.parametrize(
    ("method", "temperature"), [("samples", 0.1), ("samples", 1.0), ("kernel", 0.1), ("kernel", 1.0), ("sgd", 1.0)]
)
def test_gaussians(method, temperature):
    value, c, v = closed_form(temperature)
    result = continuous("gaussian", normal, temperature=temperature, tolerance=0.1, **METHODS[method])
    assert result.converged and result.temperature == temperature
    assert result.interval.lower <= value <= result.interval.upper
    assert result.bounds.lower == -np.inf and result.bounds.upper < value
    x = np.linspace(-1.5, 1.5, 7)
    np.testing.assert_allclose(result.map(x)[:, 0], MEAN + c * x, atol=0.1)
    y = MEAN + 0.8 * x * DEVIATION
    np.testing.assert_allclose(result.map_back(y)[:, 0], c / DEVIATION**2 * (y - MEAN), atol=0.15)
    # Potentials up to a constant; the density is free of it.
    assert np.ptp(result.v(y) - v(y)) < 0.1 * result.cost_spread
    exact = (1 - c**2 / DEVIATION**2) ** -0.5
    assert abs(result.density(0.0, MEAN) - exact) < 0.1 * exact
    assert result.history and (result.bandwidth is None) == (method == "samples")
    assert (result.step is None) == (method != "sgd")
    assert abs(result.marginal_error.source.chi2) < 0.1 and result.marginal_error.target.l1 >= 0


def test_sinkhorn_with_a_cost_that_is_not_symmetric():
    rng = np.random.default_rng(6)
    x, y = rng.normal(size=(7, 1)), rng.normal(size=(11, 1))
    p, q = rng.dirichlet(np.ones(7)), rng.dirichlet(np.ones(11))
    lam = 0.4

    def uphill(x, y):
        d = y[None, :, 0] - x[:, None, 0]
        return d**2 + 2 * np.maximum(d, 0)

    costs = uphill(x, y)
    u, v = np.zeros(7), np.zeros(11)
    for _ in range(5000):
        u = -lam * fenchel.logsumexp((v - costs) / lam, axis=1, b=q[None])
        v = -lam * fenchel.logsumexp((u[:, None] - costs) / lam, axis=0, b=p[:, None])
    exact = p @ u + q @ v
    result = continuous(
        x, y, source_weights=p, target_weights=q, cost=uphill, temperature=lam, tolerance=1e-6
    )
    assert result.converged and result.cost == "uphill"
    assert abs(result.value - exact) < 1e-6 and result.interval.lower <= exact <= result.interval.upper
    t = np.exp((u[:, None] + v - costs) / lam)
    np.testing.assert_allclose(result.density(x, y, outer=True), t, rtol=1e-4)
    np.testing.assert_allclose(result.weights(x), t * q, atol=1e-4)
    np.testing.assert_allclose(result.map(x), (t * q) @ y, atol=1e-4)
    np.testing.assert_allclose(result.map_back(y), (t * p[:, None]).T @ x, atol=1e-4)
    np.testing.assert_allclose(result.u(x) - result.u(x)[0], u - u[0], atol=1e-4)
    np.testing.assert_allclose(result.v(y) - result.v(y)[0], v - v[0], atol=1e-4)
    np.testing.assert_array_equal(result.sources, x)
    np.testing.assert_array_equal(result.targets, y)


@pytest.mark.parametrize("name", ["safe-kl:0.02", "chi2", "tsallis:1.5", "hyperbolic", "kl-cvar:0.05"])
def test_divergences(name):
    """As the semi-discrete problem has it, to the same points."""
    atoms = np.random.default_rng(5).normal(size=(40, 2))
    divergence = fenchel.divergence(name)
    whole = continuous("gaussian", atoms, divergence=divergence, cost="l1", temperature=0.3, tolerance=0.03)
    half = semidiscrete("gaussian", atoms, divergence=divergence, cost="l1", temperature=0.3, tolerance=5e-3)
    assert whole.converged and whole.divergence == name
    assert whole.interval.lower <= half.interval.upper and half.interval.lower <= whole.interval.upper


@pytest.mark.parametrize("kernel", ["gaussian", "matern:0.5", "matern:1.5", "matern:2.5", "laplace"])
def test_kernels(kernel):
    value, _, _ = closed_form(0.5)
    result = continuous("gaussian", normal, temperature=0.5, tolerance=0.1, potential="kernel", kernel=kernel, rank=100)
    assert result.converged and result.solver == f"kernel {kernel}" and result.bandwidth > 0
    assert result.interval.lower <= value <= result.interval.upper
    given = continuous("gaussian", normal, temperature=0.5, tolerance=0.1, potential="kernel", kernel=kernel, bandwidth=1.5)
    assert given.bandwidth == 1.5


def test_objectives():
    value, _, _ = closed_form(0.5)

    def gap(**options):
        result = continuous(
            "gaussian", normal, temperature=0.5, tolerance=10.0, potential="kernel", solver="sgd", steps=2000, max_samples=512, **options
        )
        assert result.interval.lower <= value <= result.interval.upper
        return result

    safe = gap(objective="safe", rho=0.05, batch=4)
    assert safe.solver == "sgd safe:0.05"
    assert gap().solver == "sgd safe:0.03"
    assert gap(step=0.5, bandwidth=1.0).step == 0.5
    assert gap(objective="dual", step=0.1).solver == "sgd dual"
    assert gap(objective="safe-constant", rho=0.1, step=0.1).solver == "sgd safe-constant:0.1"
    own = continuous(
        "gaussian", normal, divergence="chi2", temperature=0.5, tolerance=10.0, potential="kernel", solver="sgd", steps=100, step=0.1,
        max_samples=512,
    )
    assert own.solver == "sgd dual"


def test_certified_potentials():
    value, c, v = closed_form(0.5)
    good = certify(v, "gaussian", normal, temperature=0.5, tolerance=0.2)
    assert good.converged and good.interval.lower <= value <= good.interval.upper
    assert abs(good.value - value) < 0.05 and good.solver == "<lambda>"
    np.testing.assert_allclose(good.map([-1.0, 1.0])[:, 0], [MEAN - c, MEAN + c], atol=0.05)
    np.testing.assert_array_equal(good.v([0.3, 0.7]), v(np.array([0.3, 0.7])))
    for poor in (np.zeros_like, lambda y: 5 * np.sin(3 * y[:, 0]), lambda y: np.float32(v(y)) + 1e3):
        result = certify(poor, "gaussian", normal, temperature=0.5, tolerance=10.0, max_samples=256)
        assert result.interval.lower <= value <= result.interval.upper
    with pytest.warns(ConvergenceWarning, match="max_iterations"):
        certify(np.zeros_like, "gaussian", normal, temperature=0.5, tolerance=1e-3, max_samples=256)
    kept = pickle.loads(pickle.dumps(good))
    np.testing.assert_array_equal(kept.u([0.3, 0.7]), good.u([0.3, 0.7]))


def test_sources_agree(tmp_path):
    """The same points as an array, batch by batch, in a file; on either side."""
    points = np.random.default_rng(0).normal(size=(600, 2))
    np.save(tmp_path / "points.npy", points)
    kinds = [
        lambda: points,
        lambda: (points[i : i + 100] for i in range(0, 600, 100)),
        lambda: tmp_path / "points.npy",
        lambda: str(tmp_path / "points.npy"),
    ]
    for one, other in ((kinds[0], kinds), (None, kinds)):
        results = [
            continuous(kind(), "ball", tolerance=0.1) if one else continuous("ball", kind(), tolerance=0.1) for kind in other
        ]
        for result in results[1:]:
            assert result.value == results[0].value and result.interval == results[0].interval
    np.savetxt(tmp_path / "rows.csv", np.c_[points, np.ones(600)], delimiter=",", header="a,b,w", comments="")
    weighted = continuous(tmp_path / "rows.csv", "ball:2", source_weights="w", tolerance=0.1)
    assert weighted.value == continuous(points, "ball:2", source_weights=np.ones(600), tolerance=0.1).value


def test_functions_that_draw():
    named = continuous("gaussian:2", "gaussian:2", tolerance=0.1)
    drawn = continuous(plane, plane, tolerance=0.1)
    assert drawn.converged and drawn.source == drawn.target == "plane"
    assert drawn.interval.lower <= named.interval.upper and named.interval.lower <= drawn.interval.upper
    # On the line a function may return numbers; names take the dimension of the other side.
    line = continuous(lambda rng, n: rng.normal(size=n), "uniform", tolerance=0.1)
    assert line.source == "<lambda>" and line.target == "uniform:1"
    assert continuous("gaussian", "ball:3", tolerance=0.2).source == "gaussian:3"


def test_function_as_a_cost():
    named = continuous("gaussian:2", "ball", cost="linf", tolerance=0.1)
    own = continuous("gaussian:2", "ball", cost=lambda x, y: abs(x[:, None] - y).max(axis=-1), tolerance=0.1)
    assert abs(own.value - named.value) < 1e-12 and own.cost == "<lambda>"
    x = np.random.default_rng(0).normal(size=(20, 2))
    np.testing.assert_allclose(own.density(x, x[::-1]), named.density(x, x[::-1]), atol=1e-12)


@pytest.mark.parametrize("method", METHODS)
def test_same_bits_for_any_number_of_threads(method):
    def solve(n):
        with fenchel.threads(n):
            options = {**METHODS[method], "steps": 1000} if method == "sgd" else METHODS[method]
            return continuous("gaussian:2", plane, tolerance=1.0, max_samples=512, **options)

    alone, together = solve(1), solve(2)
    assert (alone.value, alone.interval, alone.bandwidth) == (together.value, together.interval, together.bandwidth)
    x = np.random.default_rng(0).normal(size=(700, 2))
    for use in ("u", "v", "map", "map_back"):
        np.testing.assert_array_equal(getattr(alone, use)(x), getattr(together, use)(x))


def test_seeds():
    a, b, c = (continuous("gaussian:2", plane, tolerance=0.2, seed=seed).value for seed in (1, 1, 2))
    assert a == b != c
    d, e = (continuous("gaussian:2", plane, tolerance=0.2, seed=np.random.default_rng(5)).value for _ in range(2))
    assert d == e


def own_cost(x, y):
    return abs(x[:, None] - y).sum(axis=-1)


@pytest.mark.parametrize("potential", ["samples", "kernel"])
def test_saved_loaded_and_pickled(tmp_path, potential):
    x = np.random.default_rng(1).normal(size=(20, 2))
    for cost in ("l1", own_cost):
        result = continuous("gaussian:2", "ball", cost=cost, potential=potential, tolerance=0.2)
        result.save(tmp_path / "run")
        again = load(tmp_path / "run", None if cost == "l1" else cost)
        assert isinstance(again, ContinuousResult)
        for other in (again, pickle.loads(pickle.dumps(result))):
            for use in ("u", "v", "map", "weights"):
                np.testing.assert_array_equal(getattr(other, use)(x), getattr(result, use)(x))
            np.testing.assert_array_equal(other.density(x, x), result.density(x, x))
            assert (other.value, other.interval, other.bounds, other.status) == (
                result.value,
                result.interval,
                result.bounds,
                result.status,
            )
            assert other.history == result.history and repr(other) == repr(result)
    with pytest.raises(UnknownNameError, match="own_cost"):
        load(tmp_path / "run")
    continuous("gaussian:2", "ball", cost="l1", tolerance=0.3).save(tmp_path / "named")
    with pytest.raises(InvalidInputError, match="the cost is 'l1', which has a name"):
        load(tmp_path / "named", own_cost)
    (tmp_path / "named" / "coupling.json").write_text("{")
    with pytest.raises(fenchel.FenchelError, match="coupling"):
        load(tmp_path / "named")
    # A directory may be used again, for either kind.
    half = semidiscrete("gaussian", [[0.0, 0.0], [1.0, 1.0]], tolerance=0.1)
    half.save(tmp_path / "run")
    assert load(tmp_path / "run").value == half.value
    with pytest.raises(InvalidTypeError, match="directory is 3; it must be a path"):
        result.save(3)
    (tmp_path / "file").write_text("")
    with pytest.raises(DataFileError, match="cannot be made"):
        result.save(tmp_path / "file" / "run")


def test_points_of_any_shape():
    result = continuous("gaussian:2", "ball", tolerance=0.3)
    one, many = [0.2, 0.1], [[0.2, 0.1], [0.9, 0.0]]
    n = len(result.targets)
    assert isinstance(result.u(one), float) and result.u(many).shape == (2,)
    assert isinstance(result.v(one), float) and result.v(many)[0] == result.v(one)
    assert result.weights(one).shape == (n,) and result.weights(many).shape == (2, n)
    np.testing.assert_allclose(result.weights(many).sum(axis=1), 1.0, atol=1e-12)
    np.testing.assert_allclose(result.map(many), result.weights(many) @ result.targets, atol=1e-12)
    assert result.map(one).shape == (2,) and result.map_back(many).shape == (2, 2)
    assert isinstance(result.density(one, one), float) and isinstance(result.density(one, one, outer=True), float)
    t = result.density(many, many, outer=True)
    assert t.shape == (2, 2) and result.density(one, many, outer=True).shape == (2,)
    np.testing.assert_allclose(result.density(many, many), np.diag(t), rtol=1e-12)
    np.testing.assert_array_equal(result.density(one, many), t[0])
    np.testing.assert_array_equal(result.density(many, [one]), t[:, 0])
    np.testing.assert_allclose(
        t, np.exp((result.u(many)[:, None] + result.v(many) - ((np.array(many)[:, None] - many) ** 2).sum(-1)) / result.temperature)
    )
    assert result.u(np.empty((0, 2))).shape == (0,) and result.density(np.empty((0, 2)), many, outer=True).shape == (0, 2)
    assert result.conditional(one, 5).shape == (5, 2) and result.conditional(many, 5).shape == (2, 5, 2)
    with pytest.raises(ShapeError, match="both must have as many"):
        result.density(np.zeros((2, 2)), np.zeros((3, 2)))
    for use in (result.u, result.v, result.map, result.map_back, result.weights):
        with pytest.raises(ShapeError, match="2 coordinates"):
            use([[1.0, 2.0, 3.0]])
        with pytest.raises(NonFiniteError, match="point 1, coordinate 0"):
            use([[0.0, 0.0], [np.nan, 1.0]])
        with pytest.raises(InvalidTypeError):
            use("here")
    for wrong in (0, -1, 2**40):
        with pytest.raises(InvalidInputError, match="n is"):
            result.conditional(one, wrong)
    with pytest.raises(MemoryError):
        result.weights(np.broadcast_to(0.0, (2_000_000_000, 2)))


def test_conditional_draws():
    result = continuous("gaussian", normal, temperature=0.5, tolerance=0.1)
    x = np.array([-1.0, 0.5])
    y = result.conditional(x, 20_000, seed=1)[..., 0]
    p = result.weights(x)
    mean = p @ result.targets[:, 0]
    spread = np.sqrt(p @ result.targets[:, 0] ** 2 - mean**2)
    # 5 standard errors: beyond with probability below 1e-6.
    assert (abs(y.mean(axis=1) - mean) < 5 * spread / np.sqrt(20_000)).all()
    assert np.isin(y, result.targets).all()
    np.testing.assert_array_equal(y, result.conditional(x, 20_000, seed=1)[..., 0])
    assert (y != result.conditional(x, 20_000, seed=2)[..., 0]).any()
    # Rows are independent.
    twice = result.conditional([[0.0], [0.0]], 1000)
    assert abs(np.corrcoef(twice[0, :, 0], twice[1, :, 0])[0, 1]) < 0.2


def test_not_converged_is_said():
    with pytest.warns(ConvergenceWarning, match=r"max_iterations: value in \[.*tolerance 0.005"):
        result = continuous("gaussian:2", "ball", tolerance=5e-3, max_samples=64)
    assert not result.converged and "max_iterations" in repr(result)
    with pytest.warns(ConvergenceWarning, match="diverged"):
        result = continuous(
            "gaussian", normal, temperature=0.01, potential="kernel", solver="sgd", objective="dual", step=1e3, steps=500,
            max_samples=256,
        )
    assert result.status == "diverged" and pickle.loads(pickle.dumps(result)).value == result.value


def bad_key(*arguments):
    return {}["key"]


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"source": "gausian"}, UnknownNameError, "did you mean 'gaussian'"),
        ({"source": "gaussian", "target": "gausian"}, UnknownNameError, "did you mean 'gaussian'"),
        ({"source": "gaussian", "target": "ball"}, InvalidInputError, "one must have it, as in 'gaussian:2'"),
        ({"target": "ball:3"}, ShapeError, "target: expected points of dimension 2, as the source, found dimension 3"),
        ({"target": [[1.0, np.nan]]}, NonFiniteError, "target: .*row 0, column 1"),
        ({"target": [[1.0, 2.0]], "target_weights": [1.0, 2.0]}, ShapeError, "target: "),
        ({"target": iter([[[0.0, 0.0]], [[1.0]]])}, ShapeError, "batch 1 of the target"),
        ({"target": iter([])}, ShapeError, "target: .*iterator that gives none"),
        ({"target": None}, InvalidTypeError, "target is of type NoneType"),
        ({"target": "nowhere.npy"}, DataFileError, "nowhere.npy: there is no such file"),
        ({"target_weights": [1.0]}, InvalidInputError, "target_weights are for points; the target is a name"),
        ({"source_weights": [1.0]}, InvalidInputError, "source_weights are for points; the source is a name"),
        ({"target": lambda rng, n: np.zeros((3, 2))}, ShapeError, r"what the target returned: expected an array of shape \(256, 2\)"),
        ({"target": lambda rng, n: np.full((n, 2), np.inf)}, NonFiniteError, "point 0, coordinate 0"),
        ({"target": lambda rng, n: 1 / 0}, ZeroDivisionError, "division"),
        ({"target": lambda rng, n: np.full((n, 2), 0.0 if n < 3 else np.nan)}, NonFiniteError, "point 0"),
        ({"source": lambda rng, n: bad_key() if n > 2 else np.zeros((n, 2))}, KeyError, "key"),
        ({"cost": "euclidean"}, UnknownNameError, "did you mean 'l2'"),
        ({"cost": lambda x, y: np.zeros(2)}, ShapeError, "what the cost returned"),
        ({"cost": bad_key}, KeyError, "key"),
        ({"cost": lambda x, y: np.full((len(x), len(y)), np.nan)}, NonFiniteError, "cost <lambda>"),
        ({"cost": 3}, InvalidTypeError, "cost is of type int"),
        ({"divergence": "KL"}, UnknownNameError, "did you mean 'kl'"),
        ({"divergence": "none"}, InvalidInputError, "the divergence of continuous transport is 'none'; it must be a smooth one"),
        ({"divergence": fenchel.CVaR(0.1)}, InvalidInputError, "smooth one"),
        ({"temperature": 0.0}, InvalidInputError, "temperature is"),
        ({"temperature": "rel:-1"}, InvalidInputError, "temperature is"),
        ({"tolerance": 0.0}, InvalidInputError, "tolerance is 0"),
        ({"tolerance": "tight"}, InvalidTypeError, "tolerance is 'tight'"),
        ({"max_seconds": -1.0}, InvalidInputError, "max_seconds is -1"),
        ({"max_samples": 1}, InvalidInputError, "max_samples is 1; it must be a whole number from 2"),
        ({"max_samples": 1e3}, InvalidTypeError, "max_samples is 1000.0"),
        ({"memory": "lots"}, InvalidInputError, "memory is 'lots'"),
        ({"memory": 5}, InvalidInputError, "memory is 5"),
        ({"seed": -1}, InvalidInputError, "seed is -1"),
        ({"progress": "yes"}, InvalidTypeError, "progress is 'yes'"),
        ({"potential": "network"}, InvalidInputError, "potential is 'network'; it must be 'samples' or 'kernel'"),
        ({"potential": None}, InvalidTypeError, "potential is of type NoneType"),
        ({"kernel": "gaussian"}, InvalidInputError, "kernel is an option of another method; add potential='kernel'"),
        ({"bandwidth": 1.0}, InvalidInputError, "bandwidth is an option .* add potential='kernel'"),
        ({"potential": "kernel", "kernel": "gausian"}, UnknownNameError, "did you mean 'gaussian'"),
        ({"potential": "kernel", "kernel": 3}, InvalidTypeError, "kernel is of type int"),
        ({"potential": "kernel", "bandwidth": -1.0}, InvalidInputError, "bandwidth is -1"),
        ({"potential": "kernel", "rank": 5000}, InvalidInputError, "rank is 5000; it must be from 1 to 4096"),
        ({"potential": "kernel", "steps": 10}, InvalidInputError, "steps is an option of another method; add solver='sgd'"),
        ({"solver": "sgd"}, InvalidInputError, "add potential='kernel'"),
        ({"solver": "asgd"}, InvalidInputError, "solver is 'asgd'; it must be 'auto' or 'sgd'"),
        ({"potential": "kernel", "solver": "sgd", "objective": "primal"}, InvalidInputError, "'dual', 'safe' or 'safe-constant'"),
        ({"potential": "kernel", "solver": "sgd", "objective": "dual", "rho": 0.1}, InvalidInputError, "rho is an option of safe"),
        ({"potential": "kernel", "solver": "sgd", "rho": 1.0}, InvalidInputError, "rho is 1.0"),
        ({"potential": "kernel", "solver": "sgd", "step": 0.0}, InvalidInputError, "step is 0"),
        ({"potential": "kernel", "solver": "sgd", "steps": 0}, InvalidInputError, "steps is 0"),
        ({"potential": "kernel", "solver": "sgd", "batch": 5000}, InvalidInputError, "batch is 5000; it must be at most 4096"),
        (
            {"potential": "kernel", "solver": "sgd", "objective": "safe", "divergence": "chi2"},
            InvalidInputError,
            "the divergence of a safe objective is 'chi2'; it must be kl",
        ),
    ],
    ids=lambda value: ",".join(value) if isinstance(value, dict) else "",
)
def test_mistakes_are_named(change, error, message):
    with pytest.raises(error, match=message):
        continuous(**{"source": "gaussian:2", "target": "ball", **change})


@pytest.mark.parametrize(
    ("potential", "error", "message"),
    [
        (None, InvalidTypeError, "potential is of type NoneType; it must be a function of points"),
        (lambda y: y, ShapeError, r"what the potential returned: expected an array of shape \(2048,\)"),
        (lambda y: np.where(y[:, 0] > 0, np.nan, y[:, 0]), NonFiniteError, r"what the potential returned at y = \["),
        (lambda y: "here", InvalidTypeError, "what the potential returned is an array of text"),
        (lambda y: bad_key(), KeyError, "key"),
    ],
)
def test_mistakes_of_potentials_are_named(potential, error, message):
    with pytest.raises(error, match=message):
        certify(potential, "gaussian:2", "ball")


def test_failures_in_the_middle_end_the_run():
    calls = [0]

    def failing(y):
        calls[0] += 1
        if calls[0] > 3:
            raise ZeroDivisionError
        return np.zeros(len(y))

    with pytest.raises(ZeroDivisionError):
        certify(failing, "gaussian:2", "ball")
    assert calls[0] < 10
    calls[0] = -(10**9)
    with pytest.warns(ConvergenceWarning):
        result = certify(failing, "gaussian:2", "ball", tolerance=1e-3, max_samples=128)
    calls[0] = 10
    with pytest.raises(ZeroDivisionError):
        result.v([[0.0, 0.0]])
    calls[0] = 0
    assert result.v([[0.0, 0.0]]) == 0.0


def test_progress():
    seen = []
    continuous("gaussian:2", plane, tolerance=0.02, progress=lambda *said: seen.append(said))
    assert seen
    phase, fraction, samples, error, target = seen[-1]
    assert phase in ("solving", "certifying") and 0 <= fraction <= 1 and samples >= 0 and error >= 0 and target == 0.02
    with pytest.raises(ZeroDivisionError):
        continuous("gaussian:2", plane, tolerance=1e-4, progress=lambda *said: 1 / 0)
    continuous("gaussian:2", plane, tolerance=0.1, progress=True)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("source", ["gaussian", plane], ids=["name", "function"])
def test_interrupted_within_a_second(source, method):
    options = {**METHODS[method], "tolerance": 1e-6}
    if method == "sgd":
        options["steps"] = 10_000_000
    # Coordinates are independent: twice the value of one.
    c = (np.sqrt(0.05**2 + 16) - 0.05) / 4
    value = 2 * (2 - 2 * c - 0.025 * np.log(1 - c**2))
    pressed = []

    def press():
        pressed.append(time.monotonic())
        os.kill(os.getpid(), signal.SIGINT)

    threading.Timer(1.0, press).start()
    with pytest.raises(fenchel.Interrupted) as stopped:
        continuous(source, "gaussian:2", temperature=0.05, **options)
    assert time.monotonic() - pressed[0] < 1.0
    result = stopped.value.result
    assert result.status == "interrupted"
    assert result.interval.lower <= value <= result.interval.upper
    assert np.isfinite(result.u([[0.0, 0.0]])).all()


def test_interrupted_certificates():
    def slow(y):
        time.sleep(0.1)
        return np.zeros(len(y))

    threading.Timer(0.5, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
    with pytest.raises(fenchel.Interrupted) as stopped:
        certify(slow, "gaussian:2", "ball")
    assert stopped.value.result.status == "interrupted"


CALLED_BACK = """
import numpy as np, fenchel
from fenchel.transport import certify, continuous
named = continuous("gaussian:2", "ball", tolerance=0.5)
calls = [0]
def engine():
    calls[0] += 1
    if calls[0] > 30:
        return
    fenchel.smoothmax(np.arange(30_000.0).reshape(300, 100), "chi2"), named.map(named.targets), named.u(named.targets)
    if calls[0] < 3:
        assert continuous("gaussian:2", "ball", tolerance=0.5).value == named.value
def cost(x, y):
    engine()
    return abs(x[:, None] - y).sum(-1)
def draw(rng, n):
    engine()
    return rng.standard_normal((n, 2))
def v(y):
    engine()
    return np.zeros(len(y))
for threads in (1, 2):
    with fenchel.threads(threads):
        for call in (
            lambda: continuous(draw, "ball", tolerance=0.5),
            lambda: continuous("ball", draw, tolerance=0.5),
            lambda: continuous("gaussian:2", "ball", cost=cost, tolerance=0.5),
            lambda: certify(v, "gaussian:2", "ball", tolerance=5.0, max_samples=128),
        ):
            calls[0] = 0
            call()
print("done")
"""


def test_functions_that_call_the_engine():
    """In one thread and in several: nothing waits for a thread that waits for it."""
    run = subprocess.run([sys.executable, "-c", CALLED_BACK], capture_output=True, text=True, timeout=120)
    assert run.stdout == "done\n", run.stderr


def test_max_seconds():
    with pytest.warns(ConvergenceWarning, match="max_time"):
        result = continuous("gaussian:2", plane, tolerance=1e-6, max_seconds=0.5)
    assert result.seconds < 5


def test_plots():
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    line = continuous("gaussian", normal, tolerance=0.2).plot()
    assert "converged" in line.get_title() and len(line.lines) == 2 and len(line.collections) == 3
    flat = continuous("gaussian:2", "ball", tolerance=0.2).plot()
    assert len(flat.collections) == 3
    high = continuous("gaussian:3", "ball", tolerance=0.3)
    axes = matplotlib.pyplot.subplots()[1]
    assert high.plot(axes) is axes and len(axes.lines) == 1 and len(axes.patches) == 1
    for figure in matplotlib.pyplot.get_fignums():
        matplotlib.pyplot.figure(figure).canvas.draw()
    matplotlib.pyplot.close("all")


def _alike(one, other):
    """The same result to the bit, but for times."""
    assert (one.value, one.interval, one.marginal_error) == (other.value, other.interval, other.marginal_error)
    x = np.linspace(-2, 2, 9)
    np.testing.assert_array_equal(one.u(x), other.u(x))
    np.testing.assert_array_equal(one.map(x), other.map(x))


@pytest.mark.parametrize("method", METHODS)
def test_interrupted_and_resumed_to_the_same_bits(tmp_path, method):
    settings = {"temperature": 0.3 if method == "samples" else 1.0, "tolerance": 0.05 if method == "samples" else 0.1}
    settings |= METHODS[method] | ({"step": 0.5, "tolerance": 1.0} if method == "sgd" else {})
    whole, file = continuous("gaussian", normal, **settings), tmp_path / "run.ckpt"

    def stop(phase, fraction, *_):
        raise KeyboardInterrupt

    with pytest.raises(fenchel.Interrupted) as stopped:
        continuous("gaussian", normal, checkpoint=file, progress=stop, **settings)
    assert stopped.value.result.status == "interrupted" and file.exists()
    _alike(continuous("gaussian", normal, checkpoint=file, resume=file, **settings), whole)
    # The file of the end has only the end to go on to.
    _alike(continuous("gaussian", normal, resume=file, **settings), whole)


def test_out_of_time_and_resumed_to_the_same_bits(tmp_path):
    settings = {"temperature": 0.3, "tolerance": 0.03}
    whole, file = continuous("gaussian:2", plane, **settings), tmp_path / "run.ckpt"
    with pytest.warns(ConvergenceWarning, match="max_time"):
        continuous("gaussian:2", plane, checkpoint=file, max_seconds=0.01, **settings)
    resumed = continuous("gaussian:2", plane, resume=file, **settings)
    assert (resumed.value, resumed.interval) == (whole.value, whole.interval)


KILLED = """
import numpy as np
from fenchel.transport import continuous
def normal(rng, n):
    return rng.normal(1.0, 0.5, size=(n, 1))
continuous("gaussian", normal, temperature=0.3, tolerance=0.03, checkpoint={file!r})
"""


def test_killed_and_resumed_to_the_same_bits(tmp_path):
    settings = {"temperature": 0.3, "tolerance": 0.03}
    whole, file = continuous("gaussian", normal, **settings), tmp_path / "run.ckpt"
    with subprocess.Popen([sys.executable, "-c", KILLED.format(file=str(file))]) as process:
        deadline = time.monotonic() + 60
        while not file.exists() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
        process.kill()
    assert file.exists()
    _alike(continuous("gaussian", normal, resume=file, **settings), whole)


def test_checkpoints_that_cannot_be_used(tmp_path):
    settings, file = {"temperature": 0.3, "tolerance": 0.1}, tmp_path / "run.ckpt"
    continuous("gaussian", normal, checkpoint=file, **settings)
    for change in ({"seed": 1}, {"temperature": 0.4}, {"cost": "l1"}, {"potential": "kernel"}):
        with pytest.raises(InvalidInputError, match="checkpoint.*another problem"):
            continuous("gaussian", normal, resume=file, **{**settings, **change})
    with pytest.raises(InvalidInputError, match="checkpoint"):
        continuous("uniform:1", normal, resume=file, **settings)
    semidiscrete("gaussian", [[-1.0], [1.0]], tolerance=0.1, checkpoint=tmp_path / "other.ckpt")
    with pytest.raises(DataFileError, match="other.ckpt"):
        continuous("gaussian", normal, resume=tmp_path / "other.ckpt", **settings)
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(DataFileError, match="not overwritten"):
        continuous("gaussian", normal, checkpoint=tmp_path / "notes.txt", **settings)
    assert (tmp_path / "notes.txt").read_text() == "mine"
    with pytest.raises(DataFileError, match="nowhere"):
        continuous("gaussian", normal, checkpoint=tmp_path / "nowhere" / "run.ckpt", **settings)
    with pytest.raises(DataFileError, match="cannot be read"):
        continuous("gaussian", normal, resume=tmp_path / "nowhere.ckpt", **settings)
    with pytest.raises(InvalidTypeError, match="checkpoint is 3; it must be a path"):
        continuous("gaussian", normal, checkpoint=3, **settings)


def test_failures_leave_the_last_sound_state(tmp_path):
    """A function that fails for a while, such as one that reads from elsewhere, costs nothing but the time."""
    settings, file, calls = {"temperature": 0.3, "tolerance": 0.05}, tmp_path / "run.ckpt", []
    broken = [False]

    def draw(rng, n):
        calls.append(n)
        if broken[0] and len(calls) > 6:
            raise OSError("gone")
        return rng.normal(MEAN, DEVIATION, size=(n, 1))

    whole, broken[0] = continuous("gaussian", draw, **settings), True
    assert len(calls) > 8
    calls.clear()
    with pytest.raises(OSError, match="gone"):
        continuous("gaussian", draw, checkpoint=file, **settings)
    broken[0] = False
    _alike(continuous("gaussian", draw, resume=file, **settings), whole)
