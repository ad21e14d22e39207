"""fenchel.torch.smoothmax: values against the engine, derivatives of every order, torch.func, torch.compile."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

import fenchel
from fenchel.errors import InvalidInputError, InvalidTypeError, ShapeError, UnknownNameError

torch = pytest.importorskip("torch")
ft = pytest.importorskip("fenchel.torch")

from versions import needs_operators, quiet  # noqa: E402

ALL = [
    "kl",
    "safe-kl:0.1",
    "safe-kl:0.9",
    "safe-kl:1e-6",
    "safe-kl-centered:0.3",
    "safe-kl-centered:1e-4",
    "chi2",
    "tsallis:1.5",
    "tsallis:0.5",
    "tsallis:3",
    "tsallis:0.1",
    "tsallis:1.01",
    "tsallis:0.97",
    "hyperbolic",
    "marginal-moments",
    "marginal-moments:3",
    "cvar:0.1",
    "cvar:0.37",
    "cvar:1",
    "kl-cvar:0.2",
    "kl-cvar:1",
    "none",
]
#: Twice differentiable at almost all scores, with a Hessian that is not 0.
CURVED = [
    "kl",
    "safe-kl:0.1",
    "safe-kl:0.6",
    "safe-kl-centered:0.3",
    "chi2",
    "tsallis:1.5",
    "tsallis:0.5",
    "tsallis:1.05",
    "hyperbolic",
    "marginal-moments:4",
    "kl-cvar:0.3",
]
FLAT = ["cvar:0.3", "none", "cvar:1"]


def rows(seed: int, *shape: int) -> torch.Tensor:
    return torch.tensor(np.random.default_rng(seed).normal(size=shape), dtype=torch.float64)


def gradcheck(function, *inputs):
    assert torch.autograd.gradcheck(function, inputs)


def gradgradcheck(function, *inputs):
    assert torch.autograd.gradgradcheck(function, inputs)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("dtype, tolerance", [(torch.float64, 1e-12), (torch.float32, 4e-6)])
def test_agrees_with_the_engine_at_all_magnitudes(name, dtype, tolerance):
    rng = np.random.default_rng(7)
    for scale, temperature in itertools.product(10.0 ** np.arange(-6, 7, 3), repeat=2):
        for n in (1, 2, 60):
            kinds = [rng.normal(size=n), rng.exponential(size=n) ** 3, rng.integers(0, 3, size=n), 30 + rng.normal(size=n)]
            u = torch.tensor(scale * np.array(kinds), dtype=dtype)
            exact = fenchel.smoothmax(u.double().numpy(), name, temperature)
            found = ft.smoothmax(u, name, temperature)
            assert all(part.dtype == dtype and torch.isfinite(part).all() for part in found)
            size = np.maximum(abs(u.double().numpy()).max(-1), abs(exact.value))
            assert (abs(found.value.double().numpy() - exact.value) <= tolerance * size).all(), (scale, temperature, n)
            # For q = 3 weights are square roots of the scores at the edge of the support, and so are their errors.
            allowed = torch.finfo(dtype).eps ** 0.5 if name == "tsallis:3" else tolerance
            assert (abs(found.weights.double().numpy() - exact.weights).sum(-1) <= allowed).all(), (scale, temperature, n)


@pytest.mark.parametrize("name", [name for name in ALL if name != "marginal-moments"])
def test_agrees_with_the_engine_for_references(name):
    rng = np.random.default_rng(8)
    for scale, temperature in itertools.product([1e-3, 1.0, 1e3], repeat=2):
        u, masses = scale * rng.normal(size=(4, 9)), rng.exponential(size=9)
        masses[[2, 5]] = 0.0
        # An atom that has no mass must not matter, wherever it is.
        u[:, 2] = 1e5 * scale
        for reference in (masses, masses / masses.sum()):
            exact = fenchel.smoothmax(u, name, temperature, reference)
            found = ft.smoothmax(torch.tensor(u), name, temperature, torch.tensor(reference))
            size = scale + temperature
            np.testing.assert_allclose(found.value.numpy(), exact.value, rtol=1e-12, atol=1e-12 * size)
            np.testing.assert_allclose(found.weights.numpy(), exact.weights, atol=1e-12)
            assert not found.weights[:, [2, 5]].any()


@pytest.mark.parametrize("name", CURVED)
def test_thresholds_agree_with_the_engine(name):
    u = rows(9, 5, 12)
    for temperature in (0.3, 3.0):
        exact = fenchel.smoothmax(u.numpy(), name, temperature)
        np.testing.assert_allclose(ft.smoothmax(u, name, temperature).threshold.numpy(), exact.threshold, atol=1e-11)


def test_a_reference_of_ones_gives_log_sum_exp():
    u = rows(1, 3, 8)
    found = ft.smoothmax(u, temperature=0.5, reference=torch.ones(8))
    torch.testing.assert_close(found.value, 0.5 * torch.logsumexp(u / 0.5, -1), rtol=1e-14, atol=1e-14)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_finite_scores_never_give_nan(name, dtype):
    largest = torch.finfo(dtype).max
    cases = [[0.0, 0.0], [-largest / 4, largest / 4, 0.0], [largest / 4] * 3, [1e-30, 0.0], [1e30, 1.0, -1e30, 1e30], [-3.0]]
    for case, temperature in itertools.product(cases, [1e-12, 1.0, 1e12]):
        u = torch.tensor(case, dtype=dtype, requires_grad=True)
        found = ft.smoothmax(u, name, temperature)
        found.value.backward()
        assert torch.isfinite(found.weights).all() and torch.isfinite(found.value), (case, temperature)
        torch.testing.assert_close(found.weights.sum(), torch.ones((), dtype=dtype))
        assert torch.equal(u.grad, found.weights)


@pytest.mark.parametrize("name", CURVED)
def test_derivatives_in_scores(name):
    u = rows(2, 2, 4).requires_grad_()
    for temperature in (0.4, 2.0):
        gradcheck(lambda u: tuple(ft.smoothmax(u, name, temperature)), u)
        gradgradcheck(lambda u: ft.smoothmax(u, name, temperature).value, u)
    gradgradcheck(lambda u: ft.smoothmax(u, name, 0.4).weights, u)


@pytest.mark.parametrize("name", CURVED)
def test_derivatives_in_temperature_and_reference(name):
    u = rows(3, 2, 3).requires_grad_()
    temperature = torch.tensor([0.5, 1.3], dtype=torch.float64, requires_grad=True)
    reference = torch.tensor([0.7, 1.0, 0.2], dtype=torch.float64, requires_grad=True)

    def all_of_it(u, temperature, reference):
        return tuple(ft.smoothmax(u, name, temperature, reference))

    gradcheck(all_of_it, u, temperature, reference)
    gradgradcheck(lambda *inputs: all_of_it(*inputs)[0], u, temperature, reference)
    gradgradcheck(lambda *inputs: all_of_it(*inputs)[2], u, temperature, reference)


@pytest.mark.parametrize("name", FLAT)
def test_derivatives_of_piecewise_linear_maxima(name):
    u = rows(4, 3, 7).requires_grad_()
    temperature = torch.tensor(0.5, dtype=torch.float64, requires_grad=True)
    reference = torch.tensor([0.7, 1.0, 0.2, 0.4, 2.0, 0.3, 0.1], dtype=torch.float64, requires_grad=True)
    gradcheck(lambda *inputs: tuple(ft.smoothmax(inputs[0], name, *inputs[1:])), u, temperature, reference)
    gradgradcheck(lambda *inputs: ft.smoothmax(inputs[0], name, *inputs[1:]).value, u, temperature, reference)


@pytest.mark.parametrize("name", ["kl", "safe-kl:0.2", "chi2"])
def test_third_derivatives(name):
    u = rows(5, 4).requires_grad_()

    def bend(u):
        value = ft.smoothmax(u, name, 0.7).value
        (slope,) = torch.autograd.grad(value, u, create_graph=True)
        (bend,) = torch.autograd.grad(slope[0], u, create_graph=True)
        return bend

    gradcheck(bend, u)


def test_hessians_are_those_of_the_formula():
    u = rows(6, 6)
    for name in CURVED:
        hessian = torch.autograd.functional.hessian(lambda u: ft.smoothmax(u, name, 0.5).value, u)
        torch.testing.assert_close(hessian, hessian.T)
        torch.testing.assert_close(hessian.sum(0), torch.zeros(6, dtype=u.dtype), atol=1e-12, rtol=0)
        assert torch.linalg.eigvalsh(hessian).min() > -1e-12


@pytest.mark.parametrize("rho", [0.5, 0.01])
def test_safe_logsumexp(rho):
    u = rows(10, 3, 6).requires_grad_()
    temperature = torch.tensor(0.8, dtype=torch.float64, requires_grad=True)
    gradcheck(lambda u, t: ft.safe_logsumexp(u, rho, t), u, temperature)
    gradgradcheck(lambda u, t: ft.safe_logsumexp(u, rho, t), u, temperature)
    # Its definition, minimised on a grid around the threshold.
    alpha = torch.linspace(-4, 6, 100_001, dtype=torch.float64)
    terms = torch.log1p(rho * torch.exp((u.detach()[0, :, None] - alpha) / 0.8)).mean(0) * 0.8 / rho
    least = (alpha + terms - 0.8).min()
    assert abs(ft.safe_logsumexp(u, rho, 0.8)[0] - least) < 1e-8
    columns = ft.safe_logsumexp(u.T, rho, 0.8, dim=0)
    torch.testing.assert_close(columns, ft.safe_logsumexp(u, rho, 0.8), rtol=0, atol=1e-15)


@pytest.mark.parametrize("name", CURVED + FLAT)
def test_axes(name):
    u = rows(11, 3, 4, 5)
    whole = ft.smoothmax(u, name, 0.6, dim=1)
    assert whole.value.shape == (3, 5) and whole.weights.shape == u.shape and whole.threshold.shape == (3, 5)
    for i, j in itertools.product(range(3), range(5)):
        one = ft.smoothmax(u[i, :, j], name, 0.6)
        torch.testing.assert_close(whole.value[i, j], one.value)
        torch.testing.assert_close(whole.weights[i, :, j], one.weights)


@needs_operators
@pytest.mark.parametrize("name", ["kl", "safe-kl:0.2", "chi2", "cvar:0.4", "tsallis:1.5", "kl-cvar:0.3"])
def test_transforms(name):
    u = rows(12, 4, 5)

    def value(u):
        return ft.smoothmax(u, name, 0.6).value

    exact = ft.smoothmax(u, name, 0.6)
    torch.testing.assert_close(torch.func.vmap(value)(u), exact.value)
    torch.testing.assert_close(torch.func.vmap(value, in_dims=1)(u.T), exact.value)
    torch.testing.assert_close(torch.func.vmap(torch.func.grad(value))(u), exact.weights)
    one = torch.autograd.functional.hessian(value, u[0])
    torch.testing.assert_close(torch.func.jacrev(torch.func.grad(value))(u[0]), one)


@needs_operators
@quiet
@pytest.mark.parametrize("name", ["kl", fenchel.SafeKL(0.2), fenchel.Chi2(), "cvar:0.4", "hyperbolic", "marginal-moments"])
def test_compiled_in_one_piece(name):
    torch.compiler.reset()

    def plain(u):
        top = ft.smoothmax(u, name, 0.6)
        return top.value.sum() + (top.weights * u).sum()

    compiled = torch.compile(plain, fullgraph=True, backend="aot_eager")

    u, v = rows(13, 3, 7).requires_grad_(), rows(13, 3, 7).requires_grad_()
    (a, b) = (compiled(u), plain(v))
    torch.testing.assert_close(a, b)
    a.backward()
    b.backward()
    torch.testing.assert_close(u.grad, v.grad)


@pytest.mark.parametrize("name", ["kl", "safe-kl:0.2", "chi2", "cvar:0.4", "tsallis:1.5", "none", "kl-cvar:0.5"])
def test_what_is_not_finite(name):
    masked = ft.smoothmax(torch.tensor([1.0, -math.inf, 0.5, 0.2]), name)
    assert masked.weights[1] == 0 and torch.isfinite(masked.value) and torch.isfinite(masked.weights).all()
    u = torch.tensor([[1.0, math.nan, 0.0], [1.0, math.inf, 0.0], [0.3, 0.2, 0.1]], requires_grad=True)
    found = ft.smoothmax(u, name)
    assert all(part[:2].isnan().all() and part[2].isfinite().all() for part in found)
    bad = ft.smoothmax(u.detach()[2], name, torch.tensor(-1.0))
    assert bad.value.isnan() or name == "none" or name.startswith("cvar")
    assert ft.smoothmax(u.detach()[2], name, 1.0, torch.tensor([1.0, -1.0, 1.0])).value.isnan()


def test_half_precision_is_raised():
    for dtype in (torch.float16, torch.bfloat16):
        found = ft.smoothmax(torch.tensor([1.0, 2.0], dtype=dtype), "safe-kl:0.5")
        assert found.value.dtype == torch.float32


def test_errors_say_what_is_wrong():
    u = torch.zeros(2, 3)
    with pytest.raises(InvalidInputError, match="temperature is 0; it must be a finite number above 0"):
        ft.smoothmax(u, temperature=0)
    with pytest.raises(InvalidTypeError, match="temperature is 'hot'; it must be a number"):
        ft.smoothmax(u, temperature="hot")
    with pytest.raises(ShapeError, match=r"temperature has shape \(3,\); it must broadcast to that of the value, \(2,\)"):
        ft.smoothmax(u, temperature=torch.ones(3))
    with pytest.raises(InvalidInputError, match="dim is 2; it must be from -2 to 1"):
        ft.smoothmax(u, dim=2)
    with pytest.raises(ShapeError, match="no scores along dim -1"):
        ft.smoothmax(torch.zeros(2, 0))
    with pytest.raises(ShapeError, match="u is a single number"):
        ft.smoothmax(torch.tensor(1.0))
    with pytest.raises(ShapeError, match=r"reference has shape \(2,\); it must be \(3,\)$"):
        ft.smoothmax(torch.zeros(3), reference=torch.ones(2))
    with pytest.raises(ShapeError, match=r"reference has shape \(2,\); it must be \(3,\) or \(2, 3\)"):
        ft.smoothmax(u, reference=torch.ones(2))
    with pytest.raises(InvalidTypeError, match="u is a tensor of torch.int64"):
        ft.smoothmax(torch.arange(3))
    with pytest.raises(InvalidTypeError, match="u is of type list; it must be a torch.Tensor"):
        ft.smoothmax([1.0, 2.0])
    with pytest.raises(UnknownNameError, match="did you mean 'chi2'"):
        ft.smoothmax(u, "chi")
    with pytest.raises(InvalidInputError, match="marginal-moments:N"):
        ft.smoothmax(u, "marginal-moments", reference=torch.ones(3))
    with pytest.raises(InvalidInputError):
        ft.safe_logsumexp(u, 1.5)
