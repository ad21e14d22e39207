"""Semi-discrete transport: against closed forms, linear programs and Sinkhorn's method; every form of input; every mistake."""

import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
import threading
import time

import fenchel
import numpy as np
import ot
import pytest
from fenchel.errors import (
    ConvergenceWarning,
    DataFileError,
    InfeasibleError,
    InvalidInputError,
    InvalidTypeError,
    NonFiniteError,
    ShapeError,
    UnknownNameError,
)
from fenchel.transport import load, semidiscrete

ATOMS = np.array([[-1.0, 0.0], [1.0, 0.2], [0.3, 1.0], [0.1, -0.8]])


def draw(rng, n):
    return rng.standard_normal((n, 2))


def test_quantiles_on_the_line():
    """Uniform on [0, 1] to weighted points: the cells are intervals of length ν, the value is an integral."""
    atoms, nu = np.array([0.1, 0.35, 0.9]), np.array([0.5, 0.2, 0.3])
    result = semidiscrete("uniform", atoms, target_weights=nu, divergence="none", tolerance=1e-3)
    ends = np.concatenate([[0.0], np.cumsum(nu)])
    value = sum(((b - y) ** 3 - (a - y) ** 3) / 3 for a, b, y in zip(ends, ends[1:], atoms, strict=False))
    assert result.status == "converged"
    assert result.interval.lower <= value <= result.interval.upper
    assert result.bounds.lower <= value <= result.bounds.upper
    assert abs(result.value - value) < 1e-4
    middles = (ends[:-1] + ends[1:]) / 2
    assert result.assign(middles).tolist() == [0, 1, 2]
    np.testing.assert_allclose(result.map(middles)[:, 0], atoms)


def test_symmetric_gaussian():
    """Two symmetric atoms with KL: φ = 0 and the value is −E λ log ½(e^{−(x+1)²/λ} + e^{−(x−1)²/λ})."""
    result = semidiscrete("gaussian", [-1.0, 1.0], temperature=1.0, tolerance=1e-3)
    x, w = np.polynomial.hermite_e.hermegauss(100)
    psi = np.logaddexp(-((x + 1) ** 2), -((x - 1) ** 2)) - np.log(2)
    value = -(w * psi).sum() / w.sum()
    assert result.interval.lower <= value <= result.interval.upper
    assert abs(result.value - value) < 1e-3 * result.cost_spread
    np.testing.assert_allclose(result.potential, 0.0, atol=2e-3)
    points = np.linspace(-2, 2, 5)
    np.testing.assert_allclose(
        result.c_transform(points), np.logaddexp(-((points + 1) ** 2), -((points - 1) ** 2)) - np.log(2), atol=2e-3
    )


def test_finite_source_against_a_linear_program():
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(60, 2)), rng.normal(size=(7, 2))
    mu, nu = rng.dirichlet(np.ones(60)), rng.dirichlet(np.ones(7))
    exact = ot.emd2(mu, nu, ot.dist(x, y, metric="euclidean"))
    result = semidiscrete(
        x, y, source_weights=mu, target_weights=nu, cost="l2", divergence="none", tolerance=1e-3
    )
    assert result.bounds.lower <= exact + 1e-9 and exact - 1e-9 <= result.bounds.upper
    assert abs(result.value - exact) <= 1e-3 * result.cost_spread


@pytest.mark.parametrize("reg", [0.05, 0.5, 5.0])
def test_finite_source_against_sinkhorn(reg):
    rng = np.random.default_rng(4)
    x, y = rng.normal(size=(50, 3)), rng.normal(size=(6, 3))
    nu = rng.dirichlet(np.ones(6))
    costs = ot.dist(x, y)
    plan = ot.sinkhorn(np.full(50, 1 / 50), nu, costs, reg, method="sinkhorn_log", numItermax=20000, stopThr=1e-13)
    product = np.full((50, 6), 1 / 50) * nu
    value = (plan * costs).sum() + reg * (plan * np.log(plan / product)).sum()
    result = semidiscrete(x, y, target_weights=nu, reference=nu, temperature=reg, tolerance=1e-5)
    assert result.converged
    assert abs(result.value - value) <= 1e-4 * result.cost_spread
    np.testing.assert_allclose(result.weights(x), 50 * plan, atol=1e-4)


@pytest.mark.parametrize("row", fenchel._engine.registry(), ids=lambda row: row[0])
def test_every_divergence(row):
    name = row[4][0]
    result = semidiscrete("gaussian", ATOMS, divergence=fenchel.divergence(name), temperature=0.3, tolerance=1e-2)
    assert result.converged and result.divergence == name
    x = np.random.default_rng(0).normal(size=(4000, 2))
    p = result.weights(x)
    np.testing.assert_allclose(p.sum(axis=1), 1.0, atol=1e-12)
    # The marginal of fresh points: 4 standard errors of a mean of numbers in [0, 1] (a false alarm in 16,000 a number).
    assert (abs(p.mean(axis=0) - 0.25) < 4 * 0.5 / np.sqrt(4000) + 1e-2).all()
    np.testing.assert_allclose(result.map(x), p @ ATOMS, atol=1e-12)


def test_sources_agree(tmp_path):
    """The same points as an array, batch by batch, and in a file; a name and a function of the same measure."""
    points = np.random.default_rng(0).normal(size=(3000, 2))
    np.save(tmp_path / "points.npy", points)
    kinds = [
        points,
        (points[i : i + 500] for i in range(0, 3000, 500)),
        tmp_path / "points.npy",
        str(tmp_path / "points.npy"),
    ]
    results = [semidiscrete(kind, ATOMS, tolerance=1e-2) for kind in kinds]
    for result in results[1:]:
        np.testing.assert_array_equal(result.potential, results[0].potential)
    named = semidiscrete("gaussian", ATOMS, tolerance=1e-2)
    drawn = semidiscrete(draw, ATOMS, tolerance=1e-2)
    assert drawn.source == "draw" and drawn.converged
    np.testing.assert_allclose(drawn.potential, named.potential, atol=0.05)


def test_files_larger_than_memory(tmp_path):
    """Read where they are, with the points that they would give in memory."""
    np.save(tmp_path / "points.npy", np.random.default_rng(0).normal(size=(2_000_000, 2)))
    streamed = semidiscrete(tmp_path / "points.npy", ATOMS, tolerance=2e-2, memory="64MiB")
    assert streamed.converged
    loaded = semidiscrete("gaussian", ATOMS, tolerance=1e-2)
    np.testing.assert_allclose(streamed.potential, loaded.potential, atol=0.05)


def test_function_as_a_cost():
    own = semidiscrete("gaussian", ATOMS, cost=lambda x, y: abs(x[:, None] - y).max(axis=-1), tolerance=1e-2)
    named = semidiscrete("gaussian", ATOMS, cost="linf", tolerance=1e-2)
    np.testing.assert_allclose(own.potential, named.potential, atol=1e-12)
    assert own.cost == "<lambda>"


def test_same_bits_for_any_number_of_threads():
    for source in ("gaussian", draw):
        alone, together = (threaded(source, n) for n in (1, 2))
        np.testing.assert_array_equal(alone.potential, together.potential)
        assert alone.value == together.value


def threaded(source, n):
    with fenchel.threads(n):
        return semidiscrete(source, ATOMS, tolerance=2e-2)


def test_seeds():
    a, b, c = (semidiscrete("gaussian", ATOMS, tolerance=2e-2, seed=seed).value for seed in (1, 1, 2))
    assert a == b != c
    generators = [np.random.default_rng(5) for _ in range(2)]
    d, e = (semidiscrete("gaussian", ATOMS, tolerance=2e-2, seed=rng).value for rng in generators)
    assert d == e
    assert generators[0].integers(2**62) == generators[1].integers(2**62)
    with pytest.raises(InvalidTypeError, match="seed is of type str"):
        semidiscrete("gaussian", ATOMS, seed="1")


def own_cost(x, y):
    return abs(x[:, None] - y).sum(axis=-1)


def test_saved_loaded_and_pickled(tmp_path):
    x = np.random.default_rng(1).normal(size=(20, 2))
    for cost in ("l1", own_cost):
        result = semidiscrete("gaussian", ATOMS, cost=cost, tolerance=2e-2)
        result.save(tmp_path / "run")
        again = load(tmp_path / "run", None if cost == "l1" else cost)
        for other in (again, pickle.loads(pickle.dumps(result))):
            np.testing.assert_array_equal(other.weights(x), result.weights(x))
            np.testing.assert_array_equal(other.potential, result.potential)
            assert (other.value, other.interval, other.status) == (result.value, result.interval, result.status)
            assert other.history == result.history
    with pytest.raises(UnknownNameError, match="own_cost"):
        load(tmp_path / "run")
    with pytest.raises(DataFileError, match="nowhere"):
        load(tmp_path / "nowhere")
    with pytest.raises(InvalidTypeError, match="directory is None; it must be a path"):
        load(None)
    (tmp_path / "run" / "plan.json").write_text("{")
    with pytest.raises(fenchel.FenchelError):
        load(tmp_path / "run")


def test_costs_are_not_taken_for_each_other(tmp_path):
    """A function of the name of a cost that the engine has is not that cost, before and after."""

    def l1(x, y):
        return 3 * own_cost(x, y)

    result = semidiscrete("gaussian", ATOMS, cost=l1, tolerance=2e-2)
    result.save(tmp_path / "own")
    with pytest.raises(UnknownNameError, match="l1"):
        load(tmp_path / "own")
    assert load(tmp_path / "own", l1).c_transform([1.0, 1.0]) == result.c_transform([1.0, 1.0])
    semidiscrete("gaussian", ATOMS, cost="l1", tolerance=2e-2).save(tmp_path / "named")
    with pytest.raises(InvalidInputError, match="the cost is 'l1', which has a name"):
        load(tmp_path / "named", l1)


def test_points_of_any_shape():
    result = semidiscrete("gaussian", ATOMS, tolerance=2e-2)
    one, many = [0.2, 0.1], [[0.2, 0.1], [3.0, 0.0]]
    assert isinstance(result.assign(one), int) and result.assign(many).shape == (2,)
    assert result.weights(one).shape == (4,) and result.weights(many).shape == (2, 4)
    assert result.map(one).shape == (2,) and result.map(many).shape == (2, 2)
    assert isinstance(result.c_transform(one), float) and result.c_transform(many).shape == (2,)
    assert result.weights(np.empty((0, 2))).shape == (0, 4)
    np.testing.assert_array_equal(result.weights(np.array(many, order="F")), result.weights(many))
    with pytest.raises(ShapeError, match="2 coordinates"):
        result.weights([[1.0, 2.0, 3.0]])
    with pytest.raises(NonFiniteError, match="point 1, coordinate 0"):
        result.assign([[0.0, 0.0], [np.nan, 1.0]])
    np.testing.assert_array_equal(result.weights(np.array(many, dtype=">f8")), result.weights(many))
    for method in (result.weights, result.assign, result.map, result.c_transform):
        for wrong in (None, "a", [["a", "b"]], [1j, 1j], object()):
            with pytest.raises(InvalidTypeError, match="x is "):
                method(wrong)
    with pytest.raises(InvalidInputError, match="x cannot be made an array"):
        result.map([[1.0], [1.0, 2.0]])
    with pytest.raises(InvalidTypeError, match="x is an array of text"):
        result.map("here")
    with pytest.raises(InvalidTypeError, match="x is None"):
        result.weights(None)


def test_atoms_without_mass():
    result = semidiscrete("gaussian", ATOMS, target_weights=[1, 0, 1, 2], tolerance=2e-2)
    assert np.isnan(result.potential).tolist() == [False, True, False, False]
    assert (result.weights([[1.0, 0.2]])[:, 1] == 0).all()


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"source": "gausian"}, UnknownNameError, "did you mean 'gaussian'"),
        ({"source": [[1.0, 2.0, 3.0]]}, ShapeError, "dimension 2"),
        ({"source": iter([])}, ShapeError, "iterator that gives none"),
        ({"source": iter([[[0.0, 0.0]], [[1.0]]])}, ShapeError, "batch 1 of the source"),
        ({"source": lambda rng, n: np.zeros((3, 2))}, ShapeError, r"\(256, 2\)"),
        ({"source": lambda rng, n: np.full((n, 2), np.inf)}, NonFiniteError, "point 0, coordinate 0"),
        ({"source": lambda rng, n: 1 / 0}, ZeroDivisionError, "division"),
        ({"source": "nowhere.npy"}, DataFileError, "nowhere.npy: there is no such file"),
        ({"source": np.random.default_rng(0)}, InvalidTypeError, r"type Generator; .* draw\(rng, n\)"),
        ({"source": None}, InvalidTypeError, "source is of type NoneType"),
        ({"source": ATOMS, "source_weights": "size"}, InvalidTypeError, "source_weights is 'size'"),
        ({"source_weights": [1.0]}, InvalidInputError, "source_weights are for points"),
        ({"target": [[0.0, np.nan]]}, NonFiniteError, "row 0, column 1"),
        ({"target": np.zeros((2, 2, 2))}, ShapeError, "2 axes, found 3"),
        ({"target": [["a", "b"]]}, InvalidTypeError, "text"),
        ({"target_weights": [1.0, 2.0]}, ShapeError, "4 numbers, one a point"),
        ({"target_weights": [1.0, -1.0, 1.0, 1.0]}, InvalidInputError, "-1"),
        ({"reference": [0.0] * 4}, InvalidInputError, "positive somewhere"),
        ({"cost": "sqeuclidian"}, UnknownNameError, "did you mean 'sqeuclidean'"),
        ({"cost": "euclidean"}, UnknownNameError, "did you mean 'l2'"),
        ({"cost": 3}, InvalidTypeError, "cost is of type int"),
        ({"cost": lambda x, y: np.zeros(2)}, ShapeError, "what the cost returned"),
        ({"cost": lambda x, y: {}["key"]}, KeyError, "key"),
        ({"divergence": "chi"}, UnknownNameError, "did you mean 'chi2'"),
        ({"divergence": "KL"}, UnknownNameError, "did you mean 'kl'"),
        ({"divergence": fenchel.KL}, InvalidTypeError, r"KL\(...\)"),
        ({"temperature": -1}, InvalidInputError, "temperature is '-1.0'"),
        ({"temperature": None}, InvalidTypeError, "temperature is of type NoneType"),
        ({"tolerance": 0.0}, InvalidInputError, "tolerance is 0"),
        ({"tolerance": float("nan")}, InvalidInputError, "tolerance is nan"),
        ({"max_seconds": -1.0}, InvalidInputError, "max_seconds is -1"),
        ({"memory": "lots"}, InvalidInputError, "memory is 'lots'"),
        ({"memory": 1.5}, InvalidTypeError, "memory is of type float"),
        ({"memory": -1}, InvalidInputError, "memory is -1; it must be at least 1"),
        ({"memory": 2**64}, InvalidInputError, "less than 2"),
        ({"temperature": 10**400}, InvalidInputError, "temperature is 'inf'"),
        ({"tolerance": "tight"}, InvalidTypeError, "tolerance is 'tight'"),
        ({"tolerance": 10**400}, InvalidInputError, "tolerance is 1000"),
        ({"max_seconds": [1]}, InvalidTypeError, "max_seconds is"),
        ({"solver": np.zeros(2)}, InvalidTypeError, "solver is of type ndarray"),
        ({"solver": "asgd", "batch": float("nan")}, InvalidTypeError, "batch is nan"),
        ({"solver": "asgd", "batch": 2**63}, InvalidInputError, "batch is 9223372036854775808"),
        ({"solver": "asgd", "batch": 2**31}, InvalidInputError, "batch is 2147483648; it must be at most 268435456"),
        ({"solver": "asgd", "step_rule": np.zeros(2)}, InvalidInputError, "step_rule is"),
        ({"progress": "yes"}, InvalidTypeError, "progress is 'yes'; it must be True or False"),
        ({"checkpoint": 3}, InvalidTypeError, "checkpoint is 3; it must be a path"),
        ({"resume": object()}, InvalidTypeError, "it must be a path"),
        ({"solver": "sgd"}, InvalidInputError, "'auto' or 'asgd'"),
        ({"steps": 10}, InvalidInputError, "add solver='asgd'"),
        ({"solver": "asgd", "step_rule": "best"}, InvalidInputError, "practical-decaying"),
        ({"solver": "asgd", "steps": 0}, InvalidInputError, "steps is 0"),
        ({"solver": "asgd", "batch": "all"}, InvalidTypeError, "batch is 'all'"),
        ({"solver": "asgd", "steps": float("inf")}, InvalidTypeError, "steps is inf; it must be a whole number"),
        ({"seed": -1}, InvalidInputError, "seed is -1"),
        ({"divergence": "safe-kl:0.9", "target_weights": [9, 1, 1, 1]}, InfeasibleError, "atom 0"),
        ({"resume": "nowhere.ckpt"}, DataFileError, "nowhere.ckpt: cannot be read"),
    ],
    ids=lambda value: ",".join(value) if isinstance(value, dict) else "",
)
def test_mistakes_are_named(change, error, message):
    with pytest.raises(error, match=message):
        semidiscrete(**{"source": "gaussian", "target": ATOMS, **change})


def test_endless_iterators():
    def endless():
        while True:
            yield np.zeros((100_000, 2))

    with pytest.raises(InvalidInputError, match="a function that draws them"):
        semidiscrete(endless(), ATOMS, memory="64MiB")


def test_not_converged_is_said():
    with pytest.warns(ConvergenceWarning, match="max_iterations"):
        result = semidiscrete("gaussian", ATOMS, solver="asgd", steps=50, tolerance=1e-6)
    assert not result.converged and "max_iterations" in repr(result)


def test_averaged_gradients():
    result = semidiscrete(
        "gaussian", ATOMS, solver="asgd", steps=200_000, batch=4, step_rule="practical-decaying", tolerance=0.05
    )
    assert result.converged and result.solver.startswith("asgd")
    default = semidiscrete("gaussian", ATOMS, tolerance=1e-3)
    np.testing.assert_allclose(result.potential, default.potential, atol=0.1)


def test_progress():
    seen = []
    semidiscrete(
        draw, ATOMS, tolerance=2e-3, progress=lambda *said: seen.append(said)
    )
    assert seen
    phase, fraction, samples, error, target = seen[-1]
    assert phase in ("solving", "certifying") and 0 <= fraction <= 1 and samples > 0 and error >= 0 and target > 0
    with pytest.raises(ZeroDivisionError):
        semidiscrete(draw, ATOMS, tolerance=1e-4, progress=lambda *said: 1 / 0)
    semidiscrete("gaussian", ATOMS, tolerance=1e-2, progress=True)


def hard():
    """A problem of minutes."""
    rng = np.random.default_rng(0)
    return {"target": rng.normal(size=(20_000, 3)), "divergence": "none", "tolerance": 1e-5}


@pytest.mark.parametrize("source", ["gaussian", lambda rng, n: rng.standard_normal((n, 3))], ids=["name", "function"])
def test_interrupted_within_a_second(source):
    pressed = []

    def press():
        pressed.append(time.monotonic())
        os.kill(os.getpid(), signal.SIGINT)

    timer = threading.Timer(1.5, press)
    timer.start()
    with pytest.raises(fenchel.Interrupted) as stopped:
        semidiscrete(source, **hard())
    assert time.monotonic() - pressed[0] < 1.0
    result = stopped.value.result
    assert result.status == "interrupted"
    assert np.isfinite(result.potential).all()
    assert result.interval.lower <= result.interval.upper


def test_interrupted_twice():
    """Ctrl-C pressed again before the run has ended does not lose what there was."""
    code = """
import os, signal, threading, time
import fenchel, numpy as np
from fenchel.transport import semidiscrete
signal.signal(signal.SIGINT, signal.default_int_handler)
def press():
    for pause in (1.0, 0.06):  # the first is heard within 0.05 s, and there are 20,000 atoms to certify then
        time.sleep(pause)
        os.kill(os.getpid(), signal.SIGINT)
atoms = np.random.default_rng(0).normal(size=(20_000, 3))
pressing = threading.Thread(target=press)
pressing.start()
try:
    semidiscrete("gaussian", atoms, divergence="none", tolerance=1e-5)
except fenchel.Interrupted as stopped:
    print(stopped.result.status)
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert run.stdout == "interrupted\n", run.stderr


CALLED_BACK = """
import sys
import numpy as np, fenchel
from fenchel.pot import semidiscrete_c_transform
from fenchel.transport import semidiscrete
atoms = np.array([[-1.0, 0.0], [1.0, 0.2], [0.3, 1.0]])
named = semidiscrete("gaussian", atoms, tolerance=0.1, seed=1)
calls = [0]
def engine():
    calls[0] += 1
    if calls[0] > 50:
        return
    u = np.arange(30_000.0).reshape(300, 100)
    expected = fenchel.smoothmax(u[:3], "chi2").value
    assert (fenchel.smoothmax(u, "chi2").value[:3] == expected).all()
    fenchel.logsumexp(u), fenchel.softmax(u, 0)
    assert (named.weights(atoms).sum(axis=1).round(9) == 1).all()
    if calls[0] < 4:
        seen = []
        again = semidiscrete("gaussian", atoms, tolerance=0.1, seed=1, progress=lambda *said: seen.append(said))
        assert (again.potential == named.potential).all()
def cost(x, y):
    engine()
    return abs(x[:, None] - y).sum(-1)
def draw(rng, n):
    engine()
    return rng.standard_normal((n, 2))
for threads in (1, 2):
    with fenchel.threads(threads):
        calls[0] = 0
        semidiscrete(draw, atoms, tolerance=0.1)
        calls[0] = 0
        semidiscrete("gaussian", atoms, cost=cost, tolerance=0.1)
        calls[0] = 0
        semidiscrete_c_transform(atoms, atoms, np.zeros(3), metric=cost)
print("done")
"""


def test_functions_that_call_the_engine():
    """In one thread and in several: nothing waits for a thread that waits for it."""
    run = subprocess.run([sys.executable, "-c", CALLED_BACK], capture_output=True, text=True, timeout=60)
    assert run.stdout == "done\n", run.stderr


def test_exceptions_are_of_their_own_call():
    """An exception that a Ctrl-C has overtaken does not come up in the next call."""
    signal.signal(signal.SIGINT, signal.default_int_handler)

    def cost(x, y):
        if (x > 10).any():
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.2)
            raise ZeroDivisionError
        return own_cost(x, y)

    result = semidiscrete("gaussian", ATOMS, cost=cost, tolerance=5e-2)
    expected = result.weights(ATOMS)
    with pytest.raises(KeyboardInterrupt):
        result.weights([[11.0, 0.0]])
    np.testing.assert_array_equal(result.weights(ATOMS), expected)


def test_more_weights_than_memory():
    """An error that can be caught, not the end of the process."""
    result = semidiscrete("gaussian", np.random.default_rng(0).normal(size=(1000, 2)), tolerance=0.2)
    with pytest.raises(MemoryError, match=r"\[100000000, 1000\]"):
        result.weights(np.broadcast_to(0.0, (100_000_000, 2)))


def test_other_threads_go_on():
    """The interpreter is free while the engine works."""
    done = threading.Event()
    counted = [0]

    def count():
        while not done.is_set():
            counted[0] += 1
            time.sleep(0)

    worker = threading.Thread(target=count)
    worker.start()
    try:
        with pytest.warns(ConvergenceWarning, match="max_time"):
            semidiscrete("gaussian", **hard(), max_seconds=1.0)
    finally:
        done.set()
        worker.join()
    assert counted[0] > 1000


def test_killed_and_resumed_to_the_same_bits(tmp_path):
    """A process that is killed in the middle leaves a checkpoint; going on from it ends as if nothing had happened."""
    settings = {"tolerance": 5e-3, "cost": "l2", "temperature": 0.02}
    whole = semidiscrete("gaussian:2", _many(), **settings)
    checkpoint = tmp_path / "run.ckpt"
    script = (
        "import numpy as np\nfrom fenchel.transport import semidiscrete\n"
        "atoms = np.random.default_rng(0).normal(size=(400, 2))\n"
        f"semidiscrete('gaussian:2', atoms, checkpoint={str(checkpoint)!r}, **{settings!r})\n"
    )
    with subprocess.Popen([sys.executable, "-c", script]) as process:
        deadline = time.monotonic() + 60
        while not checkpoint.exists() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
        process.kill()
    assert checkpoint.exists()
    resumed = semidiscrete("gaussian:2", _many(), resume=checkpoint, **settings)
    assert resumed.value == whole.value
    np.testing.assert_array_equal(resumed.potential, whole.potential)
    with pytest.raises(InvalidInputError, match="checkpoint"):
        semidiscrete("gaussian:2", ATOMS, resume=checkpoint, **settings)
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(DataFileError, match="not overwritten"):
        semidiscrete("gaussian:2", ATOMS, checkpoint=tmp_path / "notes.txt")
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_checkpoints_that_cannot_be_written(tmp_path):
    """At first: an error, before the work is done. Later: a warning, with the result of the work."""
    with pytest.raises(DataFileError, match="nowhere"):
        semidiscrete("gaussian", ATOMS, checkpoint=tmp_path / "nowhere" / "run.ckpt")
    place = tmp_path / "place"
    place.mkdir()

    def vanish(*said):
        shutil.rmtree(place, ignore_errors=True)

    with pytest.warns(RuntimeWarning, match="the checkpoint is an old one"):
        result = semidiscrete(draw, ATOMS, tolerance=2e-3, checkpoint=place / "run.ckpt", progress=vanish)
    assert result.converged


def _many():
    return np.random.default_rng(0).normal(size=(400, 2))


def test_plots():
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    result = semidiscrete("gaussian", ATOMS, tolerance=1e-2)
    axes = result.plot()
    assert "converged" in axes.get_title()
    cells = result.plot_cells(np.random.default_rng(0).normal(size=(50, 2)), ATOMS)
    assert len(cells.collections) == 2
    with pytest.raises(InvalidInputError, match="dimension 2"):
        result.plot_cells([[1.0]], [[1.0]])
    matplotlib.pyplot.close("all")


def test_what_the_command_writes_can_be_loaded(tmp_path):
    """`save` and the command write the same two files; here one made by hand from the other's text."""
    result = semidiscrete("gaussian", ATOMS, tolerance=2e-2)
    result.save(tmp_path)
    record = json.loads((tmp_path / "result.json").read_text())
    (tmp_path / "result.json").write_text(json.dumps({**record, "target": "shops.csv", "files": []}))
    assert load(tmp_path).value == result.value


def test_places_that_cannot_be_written_or_read(tmp_path):
    result = semidiscrete("gaussian", ATOMS, tolerance=0.1)
    (tmp_path / "file").write_text("")
    with pytest.raises(DataFileError, match="cannot be made"):
        result.save(tmp_path / "file" / "run")
    for use in (result.save, load):
        with pytest.raises(InvalidTypeError, match="directory is 3; it must be a path"):
            use(3)


def test_batches_of_a_loader():
    torch = pytest.importorskip("torch")
    points = np.random.default_rng(0).normal(size=(300, 2))
    loader = torch.utils.data.DataLoader(torch.as_tensor(points), batch_size=100)
    assert semidiscrete(loader, ATOMS).value == semidiscrete(points, ATOMS).value
