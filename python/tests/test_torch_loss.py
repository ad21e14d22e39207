"""fenchel.torch.RobustLoss: both modes, training, state, autocast, torch.compile, and the example."""

from __future__ import annotations

import copy
import math
import re
import subprocess
import sys
from pathlib import Path

import pytest

import fenchel
from fenchel.errors import InvalidInputError, InvalidTypeError, ShapeError

torch = pytest.importorskip("torch")
ft = pytest.importorskip("fenchel.torch")

from versions import needs_operators, quiet  # noqa: E402

EXAMPLE = Path(__file__).parents[1] / "examples" / "train_pytorch.py"
CHAPTER = Path(__file__).parents[2] / "docs" / "pytorch.md"
JOINT = [
    "kl",
    "safe-kl:0.1",
    "safe-kl-centered:0.3",
    "chi2",
    "tsallis:1.5",
    "hyperbolic",
    "marginal-moments:6",
    "cvar:0.3",
    "kl-cvar:0.3",
]


def losses(seed: int = 0, *shape: int, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(shape or (40,), generator=generator, dtype=dtype).square() * 3


@pytest.mark.parametrize("name", [*JOINT, "none", "tsallis:0.5"])
def test_batch_mode_is_the_smooth_maximum(name):
    ell, mass = losses(1), losses(2)
    robust = ft.RobustLoss(name, 0.7)
    exact = fenchel.smoothmax(ell.numpy(), name, 0.7)
    assert abs(robust(ell).item() - exact.value) < 1e-12
    assert abs(robust.weights(ell).numpy() - exact.weights).max() < 1e-12
    weighted = fenchel.smoothmax(ell.numpy(), name, 0.7, mass.numpy() / mass.numpy().sum())
    assert abs(robust(ell, mass).item() - weighted.value) < 1e-12
    assert abs(robust(ell.reshape(5, 8), 1e3 * mass.reshape(5, 8)).item() - weighted.value) < 1e-12
    assert abs(ft.RobustLoss(name, 0.7, reduction="sum")(ell).item() - 40 * exact.value) < 1e-10
    assert list(robust.parameters()) == [] and robust.threshold is None


@pytest.mark.parametrize("name", JOINT)
def test_joint_mode_starts_at_the_exact_threshold_and_value(name):
    ell, mass = losses(3).requires_grad_(), losses(4)
    for weight in (None, mass):
        robust = ft.RobustLoss(name, 0.7, mode="joint").double()
        (alpha,) = robust.parameters()
        assert alpha.isnan()
        value = robust(ell, weight)
        eta = None if weight is None else weight.numpy() / weight.numpy().sum()
        exact = fenchel.smoothmax(ell.detach().numpy(), name, 0.7, eta)
        assert abs(value.item() - exact.value) < 1e-10
        (gradient,) = torch.autograd.grad(value, ell, retain_graph=True)
        if name != "cvar:0.3":  # there the slope at the threshold itself is any of an interval
            assert abs(gradient.numpy() - exact.weights).max() < 1e-9
            assert abs(torch.autograd.grad(value, alpha)[0]) < 1e-9
            torch.testing.assert_close(robust.weights(ell.detach(), weight), gradient)


@pytest.mark.parametrize("name", JOINT)
def test_joint_mode_is_a_mean_over_examples(name):
    ell = losses(5)
    robust = ft.RobustLoss(name, 0.7, mode="joint", threshold=0.9).double()
    parts = torch.stack([robust(part) for part in ell.split(8)])
    torch.testing.assert_close(parts.mean(), robust(ell))
    each = ft.RobustLoss(name, 0.7, mode="joint", threshold=0.9, reduction="none").double()
    torch.testing.assert_close(each(ell.reshape(4, 10)).mean(), robust(ell))
    total = ft.RobustLoss(name, 0.7, mode="joint", threshold=0.9, reduction="sum").double()
    torch.testing.assert_close(each(ell).sum(), total(ell))
    # Whatever α is, it is above the worst case.
    assert robust(ell) >= ft.RobustLoss(name, 0.7)(ell) - 1e-12


@pytest.mark.parametrize("name", JOINT)
def test_derivatives_of_joint_mode(name):
    ell = losses(6, 7).requires_grad_()
    alpha = torch.tensor(0.83, dtype=torch.float64, requires_grad=True)
    robust = ft.RobustLoss(name, 0.7, mode="joint", threshold=0.0).double()

    def objective(ell, alpha):
        return torch.func.functional_call(robust, {"threshold": alpha}, (ell,))

    assert torch.autograd.gradcheck(objective, (ell, alpha))
    assert torch.autograd.gradgradcheck(objective, (ell, alpha))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_gradients_of_safe_kl_are_bounded(dtype):
    rho = 0.01
    robust = ft.RobustLoss(fenchel.SafeKL(rho), 1e-3, mode="joint", threshold=0.0).to(dtype)
    ell = torch.tensor([0.0, 1e-6, 1.0, 1e6, 1e30, -1e6, -1e30], dtype=dtype, requires_grad=True)
    value = robust(ell)
    value.backward()
    assert torch.isfinite(value) and torch.isfinite(ell.grad).all()
    assert (ell.grad <= 1 / rho / 7 * (1 + 1e-6)).all() and torch.isfinite(robust.threshold.grad)
    plain = ft.RobustLoss("kl", 1e-3, mode="joint", threshold=0.0).to(dtype)
    assert plain(ell).isinf()


@pytest.mark.parametrize("name", ["safe-kl:0.05", "chi2", "cvar:0.3", "kl"])
def test_joint_mode_finds_the_worst_case(name):
    # One parameter θ, losses (θ − x)²: the optimum of the objective is known from the smooth maximum on a grid.
    x = torch.tensor([0.0] * 30 + [2.0] * 10, dtype=torch.float64)
    grid = torch.linspace(0, 2, 20_001, dtype=torch.float64)
    best = ft.smoothmax((grid[:, None] - x).square(), name, 0.5).value
    least, at = best.min(), grid[best.argmin()]
    theta = torch.zeros((), dtype=torch.float64, requires_grad=True)
    robust = ft.RobustLoss(name, 0.5, mode="joint").double()
    optimizer = torch.optim.SGD([{"params": [theta], "lr": 0.05}, {"params": robust.parameters(), "lr": 0.05}])
    generator = torch.Generator().manual_seed(0)
    tail = []
    for step in range(1500):
        for group in optimizer.param_groups:
            group["lr"] = 0.05 / (1 + step / 100)
        batch = x[torch.randint(40, (16,), generator=generator)]
        optimizer.zero_grad()
        robust((theta - batch).square()).backward()
        optimizer.step()
        tail.append(theta.item())
    mean = sum(tail[-500:]) / 500
    assert abs(mean - at.item()) < 0.05
    assert ft.smoothmax((mean - x).square(), name, 0.5).value < least + 0.01


def test_state_goes_round():
    robust = ft.RobustLoss("safe-kl:0.1", 0.5, mode="joint")
    fresh = ft.RobustLoss("safe-kl:0.1", 0.5, mode="joint")
    untouched = ft.RobustLoss("safe-kl:0.1", 0.5, mode="joint")
    untouched.load_state_dict(fresh.state_dict())
    robust(losses(7, dtype=torch.float32))
    assert list(robust.state_dict()) == ["threshold"]
    fresh.load_state_dict(robust.state_dict())
    start = fresh.threshold.item()
    for module in (fresh, copy.deepcopy(robust)):
        module(10 + losses(8, dtype=torch.float32))
        assert module.threshold.item() == start
    # What had not started when it was saved starts with its next batch.
    untouched(10 + losses(8, dtype=torch.float32))
    assert untouched.threshold.item() > 5
    robust.reset_parameters()
    assert robust.threshold.isnan()
    robust.start(losses(7, dtype=torch.float32))
    assert robust.threshold.item() == start
    assert ft.RobustLoss("kl").state_dict() == {}


def test_losses_that_are_not_finite():
    for robust in (ft.RobustLoss("safe-kl:0.1"), ft.RobustLoss("safe-kl:0.1", mode="joint"), ft.RobustLoss("cvar:0.1")):
        assert robust(torch.tensor([1.0, math.nan, 2.0])).isnan()
        # A batch that is not finite does not spoil the start.
        assert torch.isfinite(robust(torch.tensor([1.0, 0.5, 2.0])))


@pytest.mark.parametrize("mode", ["batch", "joint"])
def test_autocast(mode):
    torch.manual_seed(0)
    model = torch.nn.Linear(8, 3)
    x, y = torch.randn(64, 8), torch.randint(3, (64,))
    robust = ft.RobustLoss("safe-kl:0.1", 0.5, mode=mode)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        scores = model(x)
        assert scores.dtype == torch.bfloat16
        value = robust(torch.nn.functional.cross_entropy(scores, y, reduction="none"))
        half = robust(scores.square().sum(-1))
    assert value.dtype == torch.float32 and half.dtype == torch.float32
    value.backward()
    assert torch.isfinite(model.weight.grad).all() and model.weight.grad.abs().sum() > 0


@needs_operators
@quiet
@pytest.mark.parametrize("mode", ["batch", "joint"])
@pytest.mark.parametrize("name", ["kl", "safe-kl:0.1", "chi2", "cvar:0.3"])
def test_compiled_in_one_piece(name, mode):
    torch.compiler.reset()
    robust = ft.RobustLoss(name, 0.7, mode=mode).double()
    plain = copy.deepcopy(robust)
    compiled = torch.compile(robust, fullgraph=True, backend="aot_eager")
    for seed in (1, 2):
        a, b = losses(seed).requires_grad_(), losses(seed).requires_grad_()
        found, exact = compiled(a), plain(b)
        torch.testing.assert_close(found, exact)
        found.backward()
        exact.backward()
        torch.testing.assert_close(a.grad, b.grad)
        for p, q in zip(robust.parameters(), plain.parameters()):
            torch.testing.assert_close(p, q)
            torch.testing.assert_close(p.grad, q.grad)


@needs_operators
@quiet
@pytest.mark.parametrize("name", ["safe-kl:0.1", "cvar:0.3"])
def test_compiled_for_batches_of_any_size(name):
    torch.compiler.reset()
    robust = ft.RobustLoss(name, 0.7)
    compiled = torch.compile(robust, fullgraph=True, dynamic=True, backend="eager")
    for n in (10, 20, 33):
        torch.testing.assert_close(compiled(losses(n, n).requires_grad_()), robust(losses(n, n)))


def test_what_repr_shows():
    shown = repr(ft.RobustLoss(fenchel.SafeKL(0.1), 2))
    assert shown == "RobustLoss(divergence='safe-kl:0.1', temperature=2.0, mode='batch')"
    shown = repr(ft.RobustLoss("chi2", mode="joint", reduction="none"))
    assert shown == "RobustLoss(divergence='chi2', temperature=1.0, mode='joint', reduction='none')"


def test_errors_say_what_is_wrong():
    robust = ft.RobustLoss()
    with pytest.raises(ShapeError, match="losses is a single number; it must have one for each example"):
        robust(torch.tensor(1.0))
    with pytest.raises(ShapeError, match="losses is empty"):
        robust(torch.zeros(0))
    with pytest.raises(ShapeError, match=r"weight has shape \(2,\); it must be that of the losses, \(3,\)"):
        robust(torch.zeros(3), torch.zeros(2))
    with pytest.raises(InvalidTypeError, match="losses is a tensor of torch.int64"):
        robust(torch.arange(3))
    with pytest.raises(InvalidInputError, match="mode is 'both'; it must be 'batch' or 'joint'"):
        ft.RobustLoss(mode="both")
    with pytest.raises(InvalidInputError, match="reduction is 'none' in mode 'batch'"):
        ft.RobustLoss(reduction="none")
    with pytest.raises(InvalidInputError, match="reduction is 'median'"):
        ft.RobustLoss(reduction="median")
    with pytest.raises(InvalidInputError, match="temperature is -1.0"):
        ft.RobustLoss(temperature=-1.0)
    with pytest.raises(InvalidInputError, match="threshold is 1.0 in mode 'batch'"):
        ft.RobustLoss(threshold=1.0)
    with pytest.raises(InvalidInputError, match="threshold is nan"):
        ft.RobustLoss(mode="joint", threshold=math.nan)
    with pytest.raises(InvalidInputError, match="f\\* finite everywhere"):
        ft.RobustLoss("none", mode="joint")
    with pytest.raises(InvalidInputError, match="f\\* finite everywhere"):
        ft.RobustLoss("tsallis:0.5", mode="joint")
    with pytest.raises(InvalidInputError, match="marginal-moments:N"):
        ft.RobustLoss("marginal-moments", mode="joint")
    with pytest.raises(InvalidInputError, match="mode is 'batch'; it must be 'joint'"):
        robust.start(torch.ones(3))


def test_torch_is_imported_when_asked_for():
    code = "import sys, fenchel; assert 'torch' not in sys.modules; import fenchel.torch; assert 'torch' in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_missing_torch_is_named():
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "try:\n    import fenchel.torch\n"
        "except fenchel.errors.MissingDependencyError as error:\n    print(error)"
    )
    done = subprocess.run([sys.executable, "-c", "import fenchel\n" + code], capture_output=True, text=True, check=True)
    assert "pip install 'fenchel[torch]'" in done.stdout


def test_the_example_helps_the_group_that_the_mean_neglects():
    done = subprocess.run([sys.executable, str(EXAMPLE)], capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    worst = [float(re.findall(r"worst group (\d+\.\d+)", line)[0]) for line in lines]
    assert len(worst) == 3 and max(worst[1:]) < 0.7 * worst[0], done.stdout
    # The book shows it, with numbers that depend on the processor in their last digits.
    shown = re.findall(r"^mean  .*\n(?:robust, .*\n)+", CHAPTER.read_text(encoding="utf-8"), re.M)[0].splitlines()
    number = re.compile(r"\d+\.\d+")
    assert [number.sub("#", line) for line in shown] == [number.sub("#", line) for line in lines]
    pairs = zip(number.findall("".join(shown)), number.findall(done.stdout))
    assert all(abs(float(a) - float(b)) < 0.05 for a, b in pairs), done.stdout
