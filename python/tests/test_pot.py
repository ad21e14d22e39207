"""The functions of POT under their names: same arguments, same meaning, same results."""

import fenchel.pot
import numpy as np
import ot.semidiscrete
import pytest
import torch
from fenchel.errors import ConvergenceWarning, InvalidInputError, InvalidTypeError, ShapeError, UnknownNameError

RNG = np.random.default_rng(0)
TARGET = RNG.uniform(size=(9, 2))
WEIGHTS = RNG.dirichlet(np.ones(9))
SAMPLES = RNG.uniform(size=(200, 2))
POTENTIAL = 0.1 * RNG.normal(size=9)

EVALUATIONS = ["semidiscrete_atom_weights", "semidiscrete_ot_map", "semidiscrete_c_transform"]


def test_the_same_names():
    assert sorted(fenchel.pot.__all__) == sorted(ot.semidiscrete.__all__)


@pytest.mark.parametrize("name", ot.semidiscrete.__all__)
def test_the_same_arguments(name):
    import inspect

    theirs = inspect.signature(getattr(ot.semidiscrete, name)).parameters
    ours = inspect.signature(getattr(fenchel.pot, name)).parameters
    assert list(ours)[: len(theirs)] == list(theirs)
    for parameter in theirs.values():
        assert ours[parameter.name].default == parameter.default


@pytest.mark.parametrize("name", EVALUATIONS)
@pytest.mark.parametrize("reg", [0.0, 1e-3, 0.1, 10.0])
@pytest.mark.parametrize("metric", [None, "euclidean", "cityblock", "chebyshev", "cosine", "canberra", "callable"])
@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["uniform", "weighted"])
def test_the_same_results(name, reg, metric, weights):
    if metric == "callable":
        metric = lambda x, y: abs(x[:, None] - y).sum(-1) ** 1.5  # noqa: E731
    arguments = (TARGET, SAMPLES, POTENTIAL, weights, metric, reg)
    ours = getattr(fenchel.pot, name)(*arguments)
    theirs = getattr(ot.semidiscrete, name)(*arguments)
    assert ours.shape == theirs.shape and ours.dtype == theirs.dtype
    np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", EVALUATIONS)
def test_tensors_in_tensors_out(name):
    arrays = [TARGET, SAMPLES, POTENTIAL, WEIGHTS]
    for dtype in (torch.float32, torch.float64):
        tensors = [torch.tensor(a, dtype=dtype) for a in arrays]
        tensors[2].requires_grad_()
        out = getattr(fenchel.pot, name)(*tensors, metric=lambda x, y: torch.cdist(x, y), reg=0.1)
        assert isinstance(out, torch.Tensor) and out.dtype == dtype
        expected = getattr(ot.semidiscrete, name)(*arrays, metric="euclidean", reg=0.1)
        np.testing.assert_allclose(out.numpy(), expected, rtol=1e-5, atol=1e-5)
    single = getattr(fenchel.pot, name)(TARGET.astype(np.float32), SAMPLES, POTENTIAL)
    assert single.dtype == np.float32


@pytest.mark.parametrize("sampler", ["unif", "unif_cube", "ball", "unif_ball", "normal"])
@pytest.mark.parametrize("reg", [0.0, 0.1])
def test_solutions_have_the_weights(sampler, reg):
    """On 20,000 points of POT's own samplers: 5 standard errors of a mean in [0, 1], and the tolerance."""
    g = fenchel.pot.solve_semidiscrete(TARGET, sampler, WEIGHTS, reg=reg)
    np.random.seed(0)
    x = ot.semidiscrete._resolve_sampler(sampler, TARGET, ot.backend.get_backend(TARGET))(20_000)
    q = ot.semidiscrete.semidiscrete_atom_weights(TARGET, x, g, WEIGHTS, reg=reg).mean(axis=0)
    assert (abs(q - WEIGHTS) < 5 * np.sqrt(WEIGHTS / 20_000) + 1e-2).all()


def test_solutions_of_functions():
    """The example of POT's documentation; a seeded sampler gives the same again, in any number of threads."""
    target = np.linspace(0.0, 1.0, 10).reshape(-1, 1)

    def solve(threads):
        rng = np.random.default_rng(0)
        with fenchel.threads(threads):
            return fenchel.pot.solve_semidiscrete(
                target, lambda b: rng.random((b, 1)), max_iter=500, batch_size=32, max_cost=1.0
            )

    one, two = solve(1), solve(2)
    np.testing.assert_array_equal(one, two)
    # Uniform on [0, 1]: cells have their borders at k/10, where g_i − (x − y_i)² meet.
    y, borders = target[:, 0], np.arange(1, 10) / 10
    differences = (borders - y[1:]) ** 2 - (borders - y[:-1]) ** 2
    np.testing.assert_allclose(np.diff(one), differences, atol=5e-3)


def test_whole_numbers():
    """Atoms that are whole numbers: potentials and what is made of them are not."""
    atoms, x, g = np.array([[0], [1], [5]]), np.array([[0.4], [0.7]]), np.array([0.25, 0.0, 0.5])
    for name in EVALUATIONS:
        f = getattr(fenchel.pot, name)
        expected = f(atoms.astype(float), x, g, reg=0.5)
        np.testing.assert_array_equal(f(torch.tensor(atoms), torch.tensor(x), torch.tensor(g), reg=0.5).numpy(), expected)
        own = f(torch.tensor(atoms), torch.tensor(x), g, metric=lambda x, y: torch.cdist(x, y) ** 2, reg=0.5)
        np.testing.assert_allclose(own.numpy(), expected, rtol=1e-12)
    found = fenchel.pot.solve_semidiscrete(torch.tensor(atoms), tolerance=0.1)
    np.testing.assert_array_equal(found.numpy(), fenchel.pot.solve_semidiscrete(atoms, tolerance=0.1))


def test_warnings_are_of_the_line_that_calls():
    with pytest.warns(ConvergenceWarning, match="max_time") as warned:
        fenchel.pot.solve_semidiscrete(RNG.normal(size=(3000, 2)), tolerance=1e-5, max_seconds=0.1)
    assert [warning.filename for warning in warned] == [__file__]


def test_log_and_precision():
    g, info = fenchel.pot.solve_semidiscrete(torch.tensor(TARGET, dtype=torch.float32), log=True, reg=0.05)
    assert g.dtype == torch.float32
    theirs = ot.semidiscrete.solve_semidiscrete(TARGET, max_iter=2, log=True)[1]
    assert set(theirs) <= set(info)
    assert info["result"].converged


def test_atoms_without_weight():
    w = np.array([0.5, 0.0, 0.5])
    g = fenchel.pot.solve_semidiscrete(TARGET[:3], a_target=w)
    assert g[1] == -np.inf
    assert (fenchel.pot.semidiscrete_atom_weights(TARGET[:3], SAMPLES, g, w)[:, 1] == 0).all()


def test_mistakes_are_named():
    with pytest.raises(InvalidInputError, match="sampler_source is array"):
        fenchel.pot.solve_semidiscrete([[0.0], [1.0]], np.zeros((2, 1)))
    with pytest.raises(InvalidTypeError, match="reg is 'little'; it must be a finite number"):
        fenchel.pot.solve_semidiscrete([[0.0], [1.0]], reg="little")
    with pytest.raises(InvalidInputError, match="sampler_source is 'cube'"):
        fenchel.pot.solve_semidiscrete(TARGET, "cube")
    with pytest.raises(InvalidInputError, match="reg is -1"):
        fenchel.pot.solve_semidiscrete(TARGET, reg=-1)
    with pytest.raises(UnknownNameError, match="unknown cost 'euclidian'"):
        fenchel.pot.semidiscrete_ot_map(TARGET, SAMPLES, POTENTIAL, metric="euclidian")
    for wrong in (3, ["euclidean"], None):
        with pytest.raises((InvalidTypeError, InvalidInputError), match="sampler_source is "):
            fenchel.pot.solve_semidiscrete(TARGET, wrong)
    for wrong in (3, ["euclidean"], {}):
        with pytest.raises(InvalidTypeError, match="metric is of type"):
            fenchel.pot.semidiscrete_ot_map(TARGET, SAMPLES, POTENTIAL, metric=wrong)
    for wrong in (None, "a", 10**400, np.zeros(2)):
        with pytest.raises(InvalidTypeError, match="reg is "):
            fenchel.pot.semidiscrete_ot_map(TARGET, SAMPLES, POTENTIAL, reg=wrong)
    with pytest.raises(InvalidTypeError, match="semi_dual_potential is None"):
        fenchel.pot.semidiscrete_ot_map(TARGET, SAMPLES, None)
    with pytest.raises(ShapeError, match="9 numbers"):
        fenchel.pot.semidiscrete_ot_map(TARGET, SAMPLES, POTENTIAL[:4])
