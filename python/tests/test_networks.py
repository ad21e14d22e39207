"""Networks against PyTorch, NumPy, exact fits and closed forms."""

from __future__ import annotations

import pickle
import signal
import threading
import time

import numpy as np
import pytest
import torch
from scipy.special import logsumexp
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_digits
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

import fenchel
from fenchel import Chi2, errors
from fenchel.robust import (
    RobustClassifier,
    RobustCNNClassifier,
    RobustCNNRegressor,
    RobustMLPClassifier,
    RobustMLPRegressor,
    RobustRegressor,
    risk,
)

SMALL = {"hidden_layer_sizes": (8,), "batch_size": 20, "epochs": 10}


def curve(seed: int = 0, n: int = 200) -> tuple[np.ndarray, np.ndarray]:
    """A smooth function, but for a few rows at one end."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(-2, 2, size=(n, 2))
    y = np.sin(2 * x[:, 0]) + 0.3 * x[:, 1] + 0.1 * rng.normal(size=n) + 3 * (x[:, 0] > 1.8)
    return x, y


def blobs(seed: int = 0, n: int = 240, classes: int = 3) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = np.arange(n) % classes
    angle = 2 * np.pi * y / classes
    return 2 * np.column_stack([np.cos(angle), np.sin(angle)]) + rng.normal(size=(n, 2)), y


def images(n: int = 60, side: int = 12, channels: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Lines across or down."""
    rng = np.random.default_rng(0)
    x = 0.3 * rng.normal(size=(n, channels, side, side))
    x[: n // 2, 0, 5, :] += 1
    x[n // 2 :, 0, :, 5] += 1
    return x.reshape(n, -1), np.repeat(["across", "down"], n // 2)


# What scikit-learn checks.


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
@pytest.mark.parametrize(
    "model",
    [
        RobustMLPRegressor(hidden_layer_sizes=(16,), batch_size=20),
        RobustMLPClassifier(hidden_layer_sizes=(16,), batch_size=20),
        RobustMLPClassifier(hidden_layer_sizes=(8,), divergence="mean", temperature=None, solver="adam", batch_size=20),
    ],
    ids=["regressor", "classifier", "ordinary"],
)
def test_everything_that_scikit_learn_checks(model) -> None:
    ended = check_estimator(model, on_fail=None)
    failed = {check["check_name"]: check["exception"] for check in ended if check["status"] == "failed"}
    assert not failed
    others = {check["check_name"] for check in ended if check["status"] != "passed"}
    assert others <= {"check_array_api_input"}
    assert len(ended) > 40


@pytest.mark.parametrize("kind", [RobustMLPClassifier, RobustMLPRegressor, RobustCNNClassifier, RobustCNNRegressor])
def test_tags_switch_nothing_off(kind: type) -> None:
    tags = kind().__sklearn_tags__()
    assert not tags.non_deterministic and not tags.no_validation and not tags._skip_test
    assert tags.target_tags.required and not tags.input_tags.sparse and not tags.input_tags.allow_nan


# Scores, risks and steps, made again by others.


@pytest.mark.parametrize("activation", ["relu", "softplus", "tanh"])
def test_scores_of_layers(activation: str) -> None:
    x, y = blobs()
    model = RobustMLPClassifier(hidden_layer_sizes=(7, 5), activation=activation, epochs=2, batch_size=40).fit(x, y)
    z = (x - x.mean(axis=0)) / x.std(axis=0)
    act = {"relu": lambda t: np.maximum(t, 0), "softplus": lambda t: np.logaddexp(0, t), "tanh": np.tanh}[activation]
    for k, (weights, bias) in enumerate(zip(model.coefs_, model.intercepts_, strict=True)):
        z = z @ weights.astype(float) + bias
        z = act(z) if k < 2 else z
    assert [w.shape for w in model.coefs_] == [(2, 7), (7, 5), (5, 3)]
    np.testing.assert_allclose(model.decision_function(x), z, atol=1e-5)
    np.testing.assert_allclose(model.predict_proba(x), np.exp(z - logsumexp(z, axis=1, keepdims=True)), atol=1e-5)
    np.testing.assert_array_equal(model.predict(x), z.argmax(axis=1))
    assert model.parameters_.size == sum(w.size for w in [*model.coefs_, *model.intercepts_])


def test_scores_of_convolutions() -> None:
    x, y = images(20, channels=2)
    model = RobustCNNClassifier(image_shape=(2, 12, 12), epochs=1, batch_size=10, loss="multinomial").fit(x, y)
    theta, at = torch.from_numpy(model.parameters_), 0

    def take(*shape: int) -> torch.Tensor:
        nonlocal at
        at += int(np.prod(shape))
        return theta[at - int(np.prod(shape)) : at].reshape(shape)

    z = torch.from_numpy(((x - model.feature_shift_) / model.feature_scale_).astype(np.float32)).reshape(-1, 2, 12, 12)
    for inputs, outputs in [(2, 32), (32, 64)]:
        z = torch.conv2d(z, take(outputs, inputs, 3, 3), take(outputs))
        z = torch.max_pool2d(torch.relu(z), 2)
    z = torch.relu(z.flatten(1) @ take(z[0].numel(), 128) + take(128))
    z = (z @ take(128, 2) + take(2)).numpy()
    assert at == len(theta)
    np.testing.assert_allclose(model.decision_function(x), z[:, 1] - z[:, 0], atol=1e-4)
    # One unit a channel.
    assert np.unique(model.feature_scale_).size == 2
    np.testing.assert_allclose(model.feature_scale_[0], x.reshape(20, 2, -1)[:, 0].std())


def stepped(x, y, first: RobustMLPRegressor, risk_of, steps: int, rate: float) -> np.ndarray:
    """Steps of PyTorch's own on all rows at once, from the same parameters."""
    parameters = [p for pair in zip(first.coefs_, first.intercepts_, strict=True) for p in pair]
    layers = [torch.tensor(np.array(p), requires_grad=True) for p in parameters]
    optimiser = torch.optim.SGD(layers, lr=rate, momentum=0.9, nesterov=True)
    z0 = torch.tensor(((x - x.mean(axis=0)) / x.std(axis=0)).astype(np.float32))
    target = torch.tensor(y)
    for _ in range(steps):
        z = torch.relu(z0 @ layers[0] + layers[1]) @ layers[2] + layers[3]
        scores = y.mean() + y.std() * z[:, 0].double()
        optimiser.zero_grad()
        risk_of((scores - target) ** 2).backward()
        optimiser.step()
    return np.concatenate([p.detach().numpy().ravel() for p in layers])


def kl(losses: torch.Tensor) -> torch.Tensor:
    return 0.5 * (torch.logsumexp(losses / 0.5, 0) - np.log(len(losses)))


def weighted(name: str):
    def value(losses: torch.Tensor) -> torch.Tensor:
        worst = risk(losses.detach().numpy(), name, temperature=0.5)
        return (torch.tensor(worst.weights) * losses).sum()  # Danskin: the gradient is that of the weighted losses

    return value


@pytest.mark.parametrize(
    ("divergence", "method", "wanted"),
    [
        ("kl", "joint", weighted("safe-kl:0.01")),
        ("kl", "dual-sgm", kl),
        ("kl", "batch-weights", kl),
        ("chi2", "joint", weighted("chi2")),
        ("chi2", "batch-weights", weighted("chi2")),
        ("mean", "joint", torch.mean),
    ],
)
def test_the_steps_of_pytorch(divergence: str, wanted, method: str) -> None:
    x, y = curve()
    given = {"divergence": divergence, "temperature": None if divergence == "mean" else 0.5, "method": method}
    given |= {"hidden_layer_sizes": (16,), "batch_size": 200}
    first = RobustMLPRegressor(epochs=1, step=1e-30, **given).fit(x, y)
    # 0 steps, but for a tiny one.
    model = RobustMLPRegressor(epochs=8, step=0.02, **given).fit(x, y)
    found = stepped(x, y, first, wanted, 8, 0.02)
    assert np.abs(found - first.parameters_).max() > 0.05
    np.testing.assert_allclose(model.parameters_, found, atol=2e-5)
    assert model.n_steps_ == 8 and model.step_ == 0.02 and model.history_.size == 9


@pytest.mark.parametrize("name", ["kl", "cvar:0.2", "mean"])
def test_objectives_are_exact(name: str) -> None:
    x, y = curve()
    lam = 0.3 if name == "kl" else None
    model = RobustMLPRegressor(divergence=name, temperature=lam, **SMALL).fit(x, y)
    losses = (model.predict(x) - y) ** 2
    np.testing.assert_allclose(model.losses(x, y), losses, rtol=1e-5, atol=1e-6)
    wanted = {
        "kl": lambda: 0.3 * (logsumexp(losses / 0.3) - np.log(len(y))),
        "cvar:0.2": lambda: np.sort(losses)[-40:].mean(),
        "mean": lambda: losses.mean(),
    }[name]()
    assert model.objective_ == pytest.approx(wanted, rel=1e-5)
    worst = model.worst_case(x, y)
    assert worst.value == pytest.approx(wanted, rel=1e-5) and worst.weights.sum() == pytest.approx(1)
    assert model.history_[model.epoch_] == model.objective_ < model.history_[0]


@pytest.mark.parametrize("divergence", ["kl", "chi2", "tsallis:1.5", "hyperbolic", "kl-cvar:0.1", "safe-kl:0.02", "cvar:0.3"])
def test_without_hidden_layers_the_exact_fit_is_met(divergence: str) -> None:
    x, y = load_diabetes(return_X_y=True)
    x, y = x[:, [2, 3, 8]], y / 100
    lam = None if divergence.startswith("cvar") else 0.5
    strength = {"divergence": divergence, "temperature": lam}
    exact = RobustRegressor(l2=0.0, **strength).fit(x, y)
    model = RobustMLPRegressor(hidden_layer_sizes=(), epochs=60, batch_size=50, **strength).fit(x, y)
    assert exact.lower_bound_ <= model.objective_ * (1 + 1e-6)
    assert model.objective_ < 1.01 * exact.objective_
    np.testing.assert_allclose(model.predict(x), exact.predict(x), atol=0.25)


@pytest.mark.parametrize("loss", ["logistic", "smoothed-hinge:0.5", "multinomial"])
def test_classes_without_hidden_layers(loss: str) -> None:
    x, y = blobs(classes=2 if loss != "multinomial" else 3)
    exact = RobustClassifier(l2=0.0, temperature=0.5, loss=loss).fit(x, y)
    model = RobustMLPClassifier(hidden_layer_sizes=(), temperature=0.5, loss=loss, epochs=60, batch_size=40).fit(x, y)
    assert exact.lower_bound_ <= model.objective_ * (1 + 1e-6) < 1.02 * exact.objective_
    assert np.mean(model.predict(x) == exact.predict(x)) > 0.97
    assert hasattr(model, "predict_proba") == (loss != "smoothed-hinge:0.5")


def test_other_losses_of_numbers() -> None:
    x, y = curve()
    counts = np.random.default_rng(0).poisson(np.exp(0.5 * x[:, 0] + 1))
    for loss, labels in [("absolute", y), ("huber:0.5", y), ("quantile:0.7", y), ("poisson", counts)]:
        exact = RobustRegressor(l2=0.0, loss=loss, temperature=1.0).fit(x, labels)
        model = RobustMLPRegressor(hidden_layer_sizes=(), loss=loss, temperature=1.0, epochs=60, batch_size=40).fit(x, labels)
        assert exact.lower_bound_ <= model.objective_ * (1 + 1e-6) < 1.02 * exact.objective_, loss
    assert (model.predict(x) > 0).all()


def test_a_large_temperature_is_ordinary_training() -> None:
    x, y = curve()
    given = {"step": 0.01, **SMALL}
    mean = RobustMLPRegressor(divergence="mean", temperature=None, **given).fit(x, y)
    for divergence, method in [("kl", "joint"), ("chi2", "dual-sgm")]:
        model = RobustMLPRegressor(divergence=divergence, temperature=1e6, method=method, **given).fit(x, y)
        np.testing.assert_allclose(model.predict(x), mean.predict(x), atol=1e-3)
        assert model.objective_ == pytest.approx(mean.objective_, rel=1e-3)


def test_a_robust_network_is_better_in_the_worst_case() -> None:
    x, y = curve(n=400)
    given = {"hidden_layer_sizes": (32,), "batch_size": 40, "epochs": 30}
    mean = RobustMLPRegressor(divergence="mean", temperature=None, **given).fit(x, y)
    robust = RobustMLPRegressor(temperature=0.1, **given).fit(x, y)
    worst = risk(mean.losses(x, y), "kl", temperature=0.1).value
    assert robust.objective_ < 0.7 * worst
    assert robust.losses(x, y).max() < mean.losses(x, y).max()


# Rows that move.


def test_moved_rows_have_a_closed_form_for_linear_scores() -> None:
    x, y = curve()
    model = RobustMLPRegressor(hidden_layer_sizes=(), move_price=4.0, move_steps=30, temperature=1.0, epochs=5).fit(x, y)
    slope = y.std() * model.coefs_[0][:, 0].astype(float)  # of the scores, in standard deviations of features
    share = (slope @ slope) / 4.0
    assert 0 < share < 1
    residuals = model.predict(x) - y
    np.testing.assert_allclose(model.losses(x, y), residuals**2 / (1 - share), rtol=2e-3, atol=1e-4)
    z = (model.move(x, y) - x) / x.std(axis=0)
    np.testing.assert_allclose(z, np.outer(residuals, slope) / 4.0 / (1 - share), atol=0.03)
    assert model.objective_ == pytest.approx(model.worst_case(x, y).value, rel=1e-6)


def test_moved_rows_of_a_network_cost_what_they_say() -> None:
    x, y = blobs()
    model = RobustMLPClassifier(move_price=2.0, **SMALL).fit(x, y)
    z = model.move(x, y)
    cost = 2.0 * (((z - x) / x.std(axis=0)) ** 2).sum(axis=1)
    still = pickle.loads(pickle.dumps(model)).set_params(move_price=None, epochs=1, step=1e-30, warm_start=True)
    still.fit(x, y)
    np.testing.assert_array_equal(still.parameters_, model.parameters_)
    np.testing.assert_allclose(still.losses(z, y) - cost, model.losses(x, y), atol=1e-4)
    assert (model.losses(x, y) >= still.losses(x, y) - 1e-6).all() and cost.max() > 0.1
    with pytest.raises(errors.InvalidInputError, match="move_price is None"):
        still.move(x, y)


# In company.


def test_copies() -> None:
    x, y = blobs()
    model = RobustMLPClassifier(divergence=Chi2(), **SMALL).fit(x, np.array(["a", "b", "c"])[y])
    assert set(model.predict(x)) == {"a", "b", "c"} and model.score(x, np.array(["a", "b", "c"])[y]) > 0.8
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict_proba(x), model.predict_proba(x))
    assert again.worst_case(x, model.predict(x)).value == model.worst_case(x, model.predict(x)).value
    np.testing.assert_array_equal(clone(model).fit(x, np.array(["a", "b", "c"])[y]).parameters_, model.parameters_)
    with pytest.raises(errors.InvalidInputError, match="y at row 2 is 'd'; it must be one of the classes"):
        model.losses(x[:2], ["a", "d"])


def test_searches_and_pipelines() -> None:
    x, y = curve()
    search = GridSearchCV(
        make_pipeline(StandardScaler(), RobustMLPRegressor(**SMALL)),
        {"robustmlpregressor__temperature": ["rel:0.5", "rel:5"]},
        cv=2,
    ).fit(x, y)
    assert search.best_params_["robustmlpregressor__temperature"] in ("rel:0.5", "rel:5") and search.best_score_ > 0.2


def test_units_do_not_matter() -> None:
    x, y = curve()
    one = RobustMLPRegressor(**SMALL).fit(x, y)
    other = RobustMLPRegressor(**SMALL).fit(1e5 * x - 3e6, 1e4 * y + 1e6)
    np.testing.assert_allclose(other.predict(1e5 * x - 3e6), 1e4 * one.predict(x) + 1e6, atol=2e3)
    assert other.temperature_ == pytest.approx(1e8 * one.temperature_, rel=1e-6)
    assert one.temperature_ == one.constant_loss_ == pytest.approx(y.var(), rel=1e-6)


def test_same_bits_for_any_number_of_threads() -> None:
    digits, y = load_digits(return_X_y=True)
    found = []
    for threads in (1, 2, 3):
        with fenchel.threads(threads):
            model = RobustMLPClassifier(hidden_layer_sizes=(64, 32), epochs=2, random_state=5, move_price=1.0)
            found.append(model.fit(digits, y))
    for model in found[1:]:
        np.testing.assert_array_equal(model.parameters_, found[0].parameters_)
        np.testing.assert_array_equal(model.history_, found[0].history_)
        np.testing.assert_array_equal(model.predict_proba(digits), found[0].predict_proba(digits))
    other = clone(found[0]).set_params(random_state=6).fit(digits, y)
    assert (other.parameters_ != found[0].parameters_).any()


def test_images() -> None:
    x, y = images()
    model = RobustCNNClassifier(epochs=5, batch_size=20, early_stopping=True, validation_fraction=0.2)
    with pytest.warns(errors.ConvergenceWarning, match="got better within the last"):
        model.fit(x, y)
    assert model.score(x, y) == 1 and model.validation_rows_.size == 12 and len(model.validation_history_) == 6
    pixels = RobustCNNRegressor(epochs=3, batch_size=20, image_shape=(1, 12, 12)).fit(x, x.mean(axis=1))
    assert np.isfinite(pixels.predict(x)).all()
    for shape, width, part in [
        (None, 143, "square images of one channel, and X has 143 columns"),
        ((1, 12, 11), 144, "expected 132 columns for images of shape (1, 12, 11), found 144"),
        ((12, 12), 144, "it must be (channels, height, width)"),
        (5, 144, "it must be (channels, height, width)"),
        ((16, 3, 3), 144, "at least 10 pixels"),
    ]:
        with pytest.raises(errors.InvalidInputError) as caught:
            RobustCNNClassifier(image_shape=shape).fit(x[:, :width], y)
        assert part in str(caught.value), caught.value


def test_early_stopping() -> None:
    x, y = curve(n=120)
    given = {"early_stopping": True, "validation_fraction": 0.25}
    model = RobustMLPRegressor(hidden_layer_sizes=(32,), batch_size=10, epochs=400, n_iter_no_change=5, watch="loss", **given).fit(x, y)
    assert model.status_ == "stalled" and model.epoch_ == model.n_iter_ - 5
    held = model.validation_rows_
    assert held.size == 30 and model.validation_history_.argmin() == model.epoch_
    losses = (model.predict(x[held]) - y[held]) ** 2
    assert losses.mean() == pytest.approx(model.validation_history_[model.epoch_], rel=1e-5)
    kept = np.setdiff1d(np.arange(120), held)
    assert model.worst_case(x[kept], y[kept]).value == pytest.approx(model.objective_, rel=1e-6)
    with pytest.warns(errors.ConvergenceWarning, match="ended as max_iterations"):
        clone(model).set_params(epochs=2).fit(x, y)
    x, y = blobs()
    scored = RobustMLPClassifier(early_stopping=True, watch="accuracy", n_iter_no_change=3, **SMALL)
    scored.set_params(epochs=200).fit(x, y)
    held = scored.validation_rows_
    shares = scored.validation_history_
    assert scored.status_ == "stalled" and shares.argmax() == scored.epoch_
    assert shares[scored.epoch_] == pytest.approx(scored.score(x[held], y[held]))


def test_warm_starts() -> None:
    x, y = curve()
    model = RobustMLPRegressor(warm_start=True, **SMALL).fit(x, y)
    first, start = model.parameters_, model.objective_
    model.set_params(epochs=5).fit(x, y)
    assert model.history_[0] == start and model.objective_ <= start and (model.parameters_ != first).any()
    # Units are those of the first fit: other rows mean the same network.
    moved = clone(model).fit(x, y)
    before = moved.predict(x)
    moved.set_params(step=1e-30, epochs=1).fit(x[:50] + 1, y[:50])
    np.testing.assert_allclose(moved.predict(x), before, atol=1e-6)
    # Of another make, or where scores mean something else: from the start.
    model.set_params(hidden_layer_sizes=(9,)).fit(x, y)
    assert model.coefs_[0].shape == (2, 9)
    counts = np.round(np.exp(x[:, 0]))
    model.set_params(loss="poisson", random_state=0).fit(x, counts)
    np.testing.assert_array_equal(model.parameters_, clone(model).fit(x, counts).parameters_)


# Long runs.


def long_run() -> tuple[RobustMLPRegressor, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(20_000, 20))
    model = RobustMLPRegressor(hidden_layer_sizes=(64,), step=1e-6, epochs=10**6, max_time=None)
    return model, x, np.sin(x[:, 0]) + rng.standard_t(3, size=len(x))


@pytest.mark.parametrize("step", [None, 1e-6], ids=["found", "given"])
def test_ctrl_c(step: float | None) -> None:
    model, x, y = long_run()
    pressed = []

    def press() -> None:
        pressed.append(time.monotonic())
        signal.raise_signal(signal.SIGINT)

    timer = threading.Timer(0.5, press)
    timer.start()
    try:
        with pytest.raises(fenchel.Interrupted) as caught:
            model.set_params(step=step).fit(x, y)
    finally:
        timer.cancel()
    assert time.monotonic() - pressed[0] < 1.0
    assert caught.value.result is model and model.status_ == "interrupted"
    assert model.predict(x[:3]).shape == (3,) and np.isfinite(model.objective_)


def test_progress_and_time(capsys) -> None:
    model, x, y = long_run()
    seen = []
    model.set_params(max_time=1.0, progress=lambda *said: seen.append(said))
    with pytest.warns(errors.ConvergenceWarning, match="RobustMLPRegressor ended as max_time"):
        model.fit(x, y)
    assert model.status_ == "max_time" and {said[0] for said in seen} <= {"training", "evaluating", "choosing a step"}
    assert seen and all(len(said) == 5 for said in seen)

    # Long enough that a bar is shown.
    with pytest.warns(errors.ConvergenceWarning, match="max_time"):
        clone(model).set_params(progress=True).fit(x, y)
    shown = capsys.readouterr().err
    assert "samples" in shown and "nan" not in shown

    def stop(*_: object) -> None:
        raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        model.set_params(max_time=None, progress=stop).fit(x, y)
    assert model.status_ == "interrupted"


def test_interrupted_and_resumed_to_the_same_bits(tmp_path) -> None:
    _, x, y = long_run()
    x, y = x[:6000], y[:6000]
    model = RobustMLPRegressor(epochs=20, early_stopping=True, n_iter_no_change=20, random_state=3)
    with pytest.warns(errors.ConvergenceWarning, match="got better within the last"):
        whole = clone(model).fit(x, y)
    file, asked = tmp_path / "run.ckpt", []

    def stop(*said: object) -> None:
        asked.append(said)
        if said[0] == "training" and said[1] > 0.1:
            raise KeyboardInterrupt

    part = clone(model).set_params(checkpoint=file, progress=stop)
    with pytest.raises(fenchel.Interrupted):
        part.fit(x, y)
    assert file.exists() and part.n_iter_ < 20
    with pytest.warns(errors.ConvergenceWarning, match="got better within the last"):
        resumed = clone(model).set_params(resume=file).fit(x, y)
    np.testing.assert_array_equal(resumed.parameters_, whole.parameters_)
    np.testing.assert_array_equal(resumed.history_, whole.history_)
    np.testing.assert_array_equal(resumed.validation_history_, whole.validation_history_)
    # Of another training.
    for change, rows in [({"random_state": 4}, x), ({"temperature": 2.0}, x), ({"batch_size": 50}, x), ({}, x + 1 + x**2)]:
        with pytest.raises(errors.InvalidInputError, match="checkpoint"):
            clone(model).set_params(resume=file, **change).fit(rows, y)
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(errors.DataFileError, match="not overwritten"):
        clone(model).set_params(checkpoint=tmp_path / "notes.txt").fit(x, y)
    with pytest.raises(errors.DataFileError, match="nowhere"):
        clone(model).set_params(resume=tmp_path / "nowhere").fit(x, y)


def test_overflows_are_said() -> None:
    x, y = curve()
    given = {"method": "dual-sgm", "temperature": 1e-3, "step": 1e-8, **SMALL}
    rough = RobustMLPRegressor(**given)
    # The threshold of KL is behind by much more than λ where a pass begins with other rows.
    with pytest.warns(errors.ConvergenceWarning, match="passed over batches"):
        rough.fit(x, 30 * y)
    assert rough.overflows_ > 0
    safe = clone(rough).set_params(method="joint").fit(x, 30 * y)
    assert safe.overflows_ == 0 and safe.rho_ == 0.01
    with pytest.warns(errors.ConvergenceWarning, match="ended as diverged"):
        RobustMLPRegressor(step=1e30, **SMALL).fit(x, y)


# What cannot be.


@pytest.mark.parametrize(
    ("parameters", "error", "part"),
    [
        ({"divergence": "chi"}, errors.UnknownNameError, "did you mean 'chi2'"),
        ({"divergence": "none", "temperature": None}, errors.InvalidInputError, "finite conjugate"),
        ({"divergence": "mean"}, errors.InvalidInputError, "'mean', which has no strength"),
        ({"temperature": None}, errors.InvalidInputError, "temperature is None"),
        ({"temperature": -1}, errors.InvalidInputError, "temperature is -1"),
        ({"temperature": "rel:0"}, errors.InvalidInputError, "rel:0"),
        ({"loss": "logistic"}, errors.InvalidInputError, "for RobustMLPRegressor it must be squared"),
        ({"loss": "poisson"}, errors.InvalidInputError, "label of row 1 for poisson is -1"),
        ({"loss": "squarred"}, errors.UnknownNameError, "did you mean 'squared'"),
        ({"method": "join"}, errors.UnknownNameError, "did you mean 'joint'"),
        ({"method": "multilevel"}, errors.UnknownNameError, "unknown method 'multilevel'"),
        ({"method": 3}, errors.InvalidTypeError, "method is of type int"),
        ({"method": "dual-sgm", "rho": 0.1}, errors.InvalidInputError, "rho is given"),
        ({"rho": 1}, errors.InvalidInputError, "rho is 1"),
        ({"solver": "lbfgs"}, errors.InvalidInputError, "it must be 'sgd' or 'adam'"),
        ({"solver": "adam", "momentum": 0.5}, errors.InvalidInputError, "momentum is given"),
        ({"momentum": 1.0}, errors.InvalidInputError, "momentum is 1"),
        ({"step": 0}, errors.InvalidInputError, "step is 0"),
        ({"batch_size": 0}, errors.InvalidInputError, "batch_size is 0"),
        ({"epochs": 0}, errors.InvalidInputError, "epochs is 0"),
        ({"epochs": 1.5}, errors.InvalidTypeError, "epochs is 1.5"),
        ({"hidden_layer_sizes": (8, 0)}, errors.InvalidInputError, "hidden_layer_sizes is 0"),
        ({"hidden_layer_sizes": "wide"}, errors.InvalidTypeError, "hidden_layer_sizes is 'wide'"),
        ({"activation": "rely"}, errors.UnknownNameError, "did you mean 'relu'"),
        ({"early_stopping": 2}, errors.InvalidTypeError, "True or False"),
        ({"validation_fraction": 1.0}, errors.InvalidInputError, "validation_fraction is 1"),
        ({"n_iter_no_change": 0}, errors.InvalidInputError, "n_iter_no_change is 0"),
        ({"watch": "accuracy"}, errors.InvalidInputError, "another for a loss without classes"),
        ({"watch": "rsk"}, errors.UnknownNameError, "did you mean 'risk'"),
        ({"move_price": 0}, errors.InvalidInputError, "move_price is 0"),
        ({"move_steps": -1}, errors.InvalidInputError, "move_steps is -1"),
        ({"max_time": 0}, errors.InvalidInputError, "max_time is 0"),
        ({"checkpoint": 3}, errors.InvalidTypeError, "checkpoint is 3; it must be a path"),
    ],
)
def test_bad_parameters(parameters, error, part: str) -> None:
    with pytest.raises(error) as caught:
        RobustMLPRegressor(**{"epochs": 1, **parameters}).fit([[0.0], [1.0], [2.0]], [-1.0, 0.0, 3.0])
    assert part in str(caught.value), caught.value


@pytest.mark.parametrize(
    ("x", "y", "part"),
    [
        ([[1.0, 2.0], [3.0, np.nan]], [1, 2], "X at row 2, column 2 is NaN; it must be a finite number"),
        ([[1.0, 2.0], [np.inf, 1.0]], [1, 2], "X at row 2, column 1 is inf"),
        ([[1.0], [2.0]], [1, np.nan], "y at row 2 is NaN"),
        ([[1.0], [2.0]], ["a", "b"], "text"),
    ],
)
def test_bad_data(x, y, part: str) -> None:
    with pytest.raises((errors.InvalidInputError, errors.InvalidTypeError)) as caught:
        RobustMLPRegressor(epochs=1).fit(x, y)
    assert part in str(caught.value), caught.value


def test_what_networks_have_not() -> None:
    with pytest.raises(TypeError, match="sample_weight"):
        RobustMLPRegressor().fit([[0.0], [1.0]], [0.0, 1.0], sample_weight=[1.0, 2.0])
    with pytest.raises(errors.InvalidInputError, match="y has one class, 'a' in every row"):
        RobustMLPClassifier().fit([[1.0], [2.0]], ["a", "a"])
    with pytest.raises(errors.ShapeError, match="at least 2 rows for early_stopping, found 1"):
        RobustMLPRegressor(early_stopping=True).fit([[1.0]], [2.0])
    with pytest.raises(errors.InvalidInputError, match="X at row 1, column 1 is inf"):
        RobustMLPRegressor(standardize=False).fit([[1e300], [1.0]], [0.0, 1.0])
    # Labels that are all the same have no unit.
    same = RobustMLPRegressor(**SMALL).fit([[1.0], [2.0], [3.0]], [5.0, 5.0, 5.0])
    np.testing.assert_allclose(same.predict([[1.0], [3.0]]), 5.0, atol=0.5)
