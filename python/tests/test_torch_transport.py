"""Losses for potentials of transport: against formulas, derivatives, torch.compile, the engine's certificate."""

from __future__ import annotations

import copy
import math

import fenchel
import numpy as np
import pytest
from fenchel.errors import InvalidInputError, InvalidTypeError, ShapeError
from fenchel.transport import certify, continuous
from generators import conjugate_slope, f

torch = pytest.importorskip("torch")
ft = pytest.importorskip("fenchel.torch")

from versions import quiet  # noqa: E402

NAMES = ["kl", "safe-kl:0.1", "safe-kl-centered:0.3", "chi2", "tsallis:1.5", "hyperbolic", "kl-cvar:0.3"]


def batch(seed=0, n=6, m=9):
    generator = torch.Generator().manual_seed(seed)
    u, v, cost = (torch.randn(*shape, generator=generator, dtype=torch.float64) for shape in ((n,), (m,), (n, m)))
    return u, v, cost.square()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("temperature", [0.3, 2.0])
def test_values(name, temperature):

    def slope(s):
        return conjugate_slope(name, s, None)

    def conjugate(s):
        return s * slope(s) - f(name, slope(s), None)

    u, v, cost = batch()
    loss = ft.DualTransportLoss(name, temperature)
    s = (u[:, None] + v - cost).numpy() / temperature
    exact = temperature * np.mean(conjugate(s)) - u.mean().item() - v.mean().item()
    assert abs(loss(u, v, cost).item() - exact) < 1e-12 * (1 + abs(exact))
    np.testing.assert_allclose(loss.density(u, v, cost).numpy(), slope(s), rtol=1e-12, atol=1e-12)
    # Pairs of rows.
    pairs = loss(u, v[:6], cost[:, 0])
    s = (u + v[:6] - cost[:, 0]).numpy() / temperature
    exact = temperature * np.mean(conjugate(s)) - u.mean().item() - v[:6].mean().item()
    assert abs(pairs.item() - exact) < 1e-12 * (1 + abs(exact))
    assert loss.density(u, v[:6], cost[:, 0]).shape == (6,)


def test_the_formulas_as_they_are_printed():
    u, v, cost = (it.numpy() for it in batch(3))
    lam, rho = 0.7, 0.05
    s = (u[:, None] + v - cost) / lam
    dual = np.mean(u[:, None] + v - lam * np.exp(s)) + lam
    safe = np.mean(v + u[:, None] - lam / rho * np.log1p(rho * np.exp(s))) + lam
    tensors = batch(3)
    assert abs(ft.DualTransportLoss("kl", lam)(*tensors).item() + dual) < 1e-12
    assert abs(ft.SafeTransportLoss(rho, lam)(*tensors).item() + safe) < 1e-12
    constant = torch.tensor(0.3, dtype=torch.float64)
    safe = np.mean(v + 0.3 - lam / rho * np.log1p(rho * np.exp((0.3 + v - cost) / lam))) + lam
    assert abs(ft.SafeTransportLoss(rho, lam)(constant, *tensors[1:]).item() + safe) < 1e-12


@pytest.mark.parametrize("name", NAMES)
def test_derivatives(name):
    u, v, cost = (it.requires_grad_() for it in batch(1, 3, 4))
    loss = ft.DualTransportLoss(name, 0.7)
    assert torch.autograd.gradcheck(loss, (u, v, cost))
    assert torch.autograd.gradgradcheck(loss, (u, v, cost))
    by_u, by_v = torch.autograd.grad(loss(u, v, cost), (u, v))
    t = loss.density(u, v, cost)
    torch.testing.assert_close(by_u, (t.mean(1) - 1) / 3)
    torch.testing.assert_close(by_v, (t.mean(0) - 1) / 4)
    constant = torch.tensor(0.1, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(loss, (constant, v, cost))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_safe_gradients_are_bounded(dtype):
    rho = 0.01
    loss = ft.SafeTransportLoss(rho, 1e-3)
    u = torch.tensor([0.0, 1.0, 1e6, 1e30, -1e30], dtype=dtype, requires_grad=True)
    v = torch.tensor([0.0, 1e6, -1e6], dtype=dtype, requires_grad=True)
    value = loss(u, v, torch.ones(5, 3, dtype=dtype))
    value.backward()
    assert torch.isfinite(value)
    for it in (u, v):
        assert (it.grad >= -1.001 / len(it)).all() and (it.grad <= 1.001 * (1 / rho - 1) / len(it)).all()
    assert ft.DualTransportLoss("kl", 1e-3)(u, v, torch.ones(5, 3, dtype=dtype)).isinf()


@quiet
@pytest.mark.parametrize("make", [lambda: ft.DualTransportLoss("chi2", 0.7), lambda: ft.SafeTransportLoss(0.1, 0.7)])
def test_compiled_in_one_piece(make):
    torch.compiler.reset()
    loss = make()
    compiled = torch.compile(copy.deepcopy(loss), fullgraph=True, backend="aot_eager")
    for seed in (1, 2):
        a, b = ([it.requires_grad_() for it in batch(seed)] for _ in range(2))
        found, exact = compiled(*a), loss(*b)
        torch.testing.assert_close(found, exact)
        found.backward()
        exact.backward()
        for x, y in zip(a, b):
            torch.testing.assert_close(x.grad, y.grad)


def test_half_precision():
    u, v, cost = (it.bfloat16().requires_grad_() for it in batch())
    value = ft.SafeTransportLoss(0.1, 0.7)(u, v, cost)
    assert value.dtype == torch.float32
    value.backward()
    assert u.grad.dtype == torch.bfloat16 and torch.isfinite(u.grad).all()


@pytest.mark.parametrize(
    ("name", "loss"),
    [("kl", lambda: ft.DualTransportLoss("kl", 0.5)), ("safe-kl:0.02", lambda: ft.SafeTransportLoss(0.02, 0.5))],
)
def test_the_engine_agrees(name, loss):
    """At the engine's potentials of two finite measures the loss is less its value, and no other potentials do better."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(40, 2)), 1 + 0.5 * rng.normal(size=(50, 2))
    result = continuous(x, y, divergence=name, temperature=0.5, tolerance=1e-6)
    assert result.converged
    u, v = (torch.tensor(it, requires_grad=True) for it in (result.u(x), result.v(y)))
    cost = torch.cdist(torch.tensor(x), torch.tensor(y)).square()
    value = loss()(u, v, cost)
    assert abs(value.item() + result.value) < 1e-5 * (1 + abs(result.value))
    value.backward()
    assert u.grad.abs().max() < 1e-4 and v.grad.abs().max() < 1e-4
    np.testing.assert_allclose(loss().density(u, v, cost).detach().numpy(), result.density(x, y, outer=True), rtol=1e-9)


def test_trained_networks_are_certified():
    torch.manual_seed(0)
    v = torch.nn.Sequential(torch.nn.Linear(2, 16), torch.nn.Tanh(), torch.nn.Dropout(0.5), torch.nn.Linear(16, 1))
    function = ft.as_function(v)
    assert function.__name__ == "Sequential"
    points = np.random.default_rng(0).normal(size=(5, 2))
    v.eval()
    with torch.no_grad():
        exact = v(torch.as_tensor(points, dtype=torch.float32))[:, 0].numpy()
    v.train()
    v[2].eval()
    np.testing.assert_array_equal(function(points), exact.astype(float))
    assert v.training and not v[2].training and v[3].training
    result = certify(function, "gaussian:2", "ball", tolerance=5.0, max_samples=128)
    np.testing.assert_array_equal(result.v(points), exact.astype(float))
    known = continuous("gaussian:2", "ball", tolerance=0.05).interval
    assert result.interval.lower <= known.upper and known.lower <= result.interval.upper


def test_what_repr_shows():
    assert repr(ft.DualTransportLoss(fenchel.Chi2(), 2)) == "DualTransportLoss(divergence='chi2', temperature=2.0)"
    assert repr(ft.SafeTransportLoss(0.1)) == "SafeTransportLoss(rho=0.1, temperature=1.0)"
    assert list(ft.SafeTransportLoss(0.1).parameters()) == [] and ft.SafeTransportLoss(0.1).state_dict() == {}


def safe(u, v, cost):
    """A loss of zeros in these shapes."""
    return ft.SafeTransportLoss(0.1)(*(torch.zeros(it) if isinstance(it, tuple) else it for it in (u, v, cost)))


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: ft.DualTransportLoss("KL"), InvalidInputError, "did you mean 'kl'"),
        (lambda: ft.DualTransportLoss("none"), InvalidInputError, "divergence is none; it must be a smooth one"),
        (lambda: ft.DualTransportLoss("cvar:0.1"), InvalidInputError, "smooth one"),
        (lambda: ft.DualTransportLoss("tsallis:0.5"), InvalidInputError, "finite everywhere"),
        (lambda: ft.DualTransportLoss("kl", 0.0), InvalidInputError, "temperature is 0.0"),
        (lambda: ft.DualTransportLoss("kl", math.nan), InvalidInputError, "temperature is nan"),
        (lambda: ft.SafeTransportLoss(1.5), InvalidInputError, "1.5"),
        (lambda: ft.SafeTransportLoss("0.1"), InvalidTypeError, "rho"),
        (lambda: ft.as_function(lambda y: y), InvalidTypeError, "module is of type function; it must be a torch.nn.Module"),
        (lambda: ft.as_function(torch.nn.Linear(2, 3))(np.zeros((4, 2))), ShapeError, r"\(4, 3\); it must be \(4,\) or \(4, 1\)"),
        (lambda: safe((2,), (3,), (3, 2)), ShapeError, r"u has shape \(2,\); it must be \(3,\)"),
        (lambda: safe((3, 1), (2,), (3, 2)), ShapeError, r"u has shape \(3, 1\)"),
        (lambda: safe((3,), (3,), (3, 2)), ShapeError, r"v has shape \(3,\); it must be \(2,\)"),
        (lambda: safe((3,), (2,), (3,)), ShapeError, r"v has shape \(2,\); it must be \(3,\)"),
        (lambda: safe((0,), (0,), (0,)), ShapeError, "cost is empty"),
        (lambda: safe((3,), (2,), ()), ShapeError, r"cost has shape \(\)"),
        (lambda: safe(np.zeros(3), (2,), (3, 2)), InvalidTypeError, "u is of type ndarray"),
        (lambda: safe((3,), (2,), torch.zeros(3, 2).int()), InvalidTypeError, "cost is a tensor of torch.int32"),
    ],
)
def test_mistakes_are_named(make, error, message):
    with pytest.raises(error, match=message):
        make()
