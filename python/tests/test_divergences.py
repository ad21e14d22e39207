"""Divergences as objects: the same as the engine's list of names, so that they cannot drift apart."""

import copy
import dataclasses
import inspect
import pickle

import numpy as np
import pytest

import fenchel
from fenchel import _engine, divergences, errors

ROWS = {row[0]: row for row in _engine.registry()}
EXAMPLES = [example for row in ROWS.values() for example in row[4]]
BASE = fenchel.Divergence
PUBLIC = [getattr(divergences, name) for name in divergences.__all__]
CLASSES = [it for it in PUBLIC if inspect.isclass(it) and issubclass(it, BASE) and it is not BASE]


def test_every_name_has_a_class_and_every_class_a_name():
    assert set(divergences._MAKERS) == set(ROWS)
    assert {type(fenchel.divergence(name)) for name in EXAMPLES} == set(CLASSES)
    assert set(CLASSES) == set(fenchel.Divergence.__subclasses__())
    for it in CLASSES:
        assert getattr(fenchel, it.__name__) is it and it.__name__ in fenchel.__all__


@pytest.mark.parametrize("base", ROWS)
def test_constructors_have_the_parameters_of_the_registry(base):
    _, symbol, required, summary, examples = ROWS[base]
    assert summary and examples
    made = fenchel.divergence(examples[0])
    fields = {field.name: field for field in dataclasses.fields(made)}
    assert set(fields) - {"centered"} == ({symbol} if symbol else set())
    if symbol:
        assert (fields[symbol].default is dataclasses.MISSING) == required
        assert f"{symbol} : float" in type(made).__doc__
    if required:
        with pytest.raises(TypeError):
            type(made)()
        with pytest.raises(errors.InvalidInputError, match=f"{base}:{symbol}"):
            fenchel.divergence(base)
    else:
        assert str(fenchel.divergence(base)) == base
    if symbol is None:
        with pytest.raises(errors.InvalidInputError, match="no parameter"):
            fenchel.divergence(f"{base}:1")
    # The table at the top of the module.
    written = base if symbol is None or not required else f"{base}:{symbol.upper()}"
    assert f"``{written}``" in divergences.__doc__
    assert f"class:`{type(made).__name__}`" in divergences.__doc__ or f"``{type(made).__name__}(" in divergences.__doc__


@pytest.mark.parametrize("name", EXAMPLES)
def test_round_trips(name):
    made = fenchel.divergence(name)
    assert fenchel.divergence(str(made)) == made == fenchel.divergence(made.name)
    assert fenchel.divergence(made) is made
    assert _engine.canonical_divergence(str(made)) == _engine.canonical_divergence(name)
    assert divergences.name_of(made) == str(made) and divergences.name_of(name) == name
    for again in (pickle.loads(pickle.dumps(made)), copy.copy(made), copy.deepcopy(made), eval(repr(made), vars(fenchel))):
        assert again == made and hash(again) == hash(made) and type(again) is type(made)
    assert len({made, fenchel.divergence(name)}) == 1
    u = [0.3, -1.0, 2.0, 0.7]
    for x, y in zip(fenchel.smoothmax(u, made), fenchel.smoothmax(u, name), strict=True):
        np.testing.assert_array_equal(x, y)
    with pytest.raises(dataclasses.FrozenInstanceError):
        made.anything = 1


def test_all_are_different():
    made = [fenchel.divergence(name) for name in EXAMPLES]
    assert len(set(made)) == len(made) == len({str(it) for it in made})
    assert all((a == b) == (a is b) for a in made for b in made)
    assert fenchel.KL() != "kl"


def test_numbers_of_all_kinds():
    for number in (0.5, np.float64(0.5), np.float32(0.5), np.array(0.5)):
        made = fenchel.CVaR(number)
        assert made == fenchel.CVaR(0.5) and str(made) == "cvar:0.5" and type(made.alpha) is float
    assert fenchel.Tsallis(3) == fenchel.Tsallis(3.0) and repr(fenchel.Tsallis(3)) == "Tsallis(q=3.0)"
    assert fenchel.MarginalMoments() == fenchel.MarginalMoments(None) != fenchel.MarginalMoments(5)
    for flag in (True, np.True_, 1):
        assert fenchel.SafeKL(0.1, flag) == fenchel.SafeKL(0.1, centered=True)
        assert repr(fenchel.SafeKL(0.1, flag)) == "SafeKL(rho=0.1, centered=True)"
    # All digits.
    for alpha in (1e-300, 0.1 + 0.2, 1 / 3, 5e-324):
        assert fenchel.divergence(str(fenchel.CVaR(alpha))).alpha == alpha


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: fenchel.SafeKL(0), "rho of safe-kl is 0; it must be a number above 0 and below 1"),
        (lambda: fenchel.SafeKL(1.0, centered=True), "below 1"),
        (lambda: fenchel.SafeKL(float("nan")), "rho of safe-kl is NaN"),
        (lambda: fenchel.Tsallis(1), "other than 1"),
        (lambda: fenchel.Tsallis(-2), "above 0"),
        (lambda: fenchel.Tsallis(float("inf")), "q of tsallis is inf"),
        (lambda: fenchel.CVaR(1.5), "at most 1"),
        (lambda: fenchel.CVaR(0), "above 0"),
        (lambda: fenchel.KLCVaR(-0.1), "alpha of kl-cvar is -0.1"),
        (lambda: fenchel.MarginalMoments(0.5), "at least 1"),
        (lambda: fenchel.divergence("cvar:x"), "'x'"),
        (lambda: fenchel.divergence("cvar:"), "above 0"),
        (lambda: fenchel.divergence("kl:1"), "no parameter"),
        (lambda: fenchel.divergence("safe-kl:2"), "below 1"),
    ],
)
def test_parameters_outside_their_domain(make, message):
    with pytest.raises(errors.InvalidInputError, match=message) as caught:
        make()
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize("wrong", ["0.1", b"0.1", None, [0.1], np.array([0.1, 0.2]), 1j, True, {}, 10**400])
def test_parameters_of_a_wrong_type(wrong):
    for make, what in [
        (fenchel.SafeKL, "rho of SafeKL"),
        (fenchel.Tsallis, "q of Tsallis"),
        (fenchel.CVaR, "alpha of CVaR"),
        (fenchel.KLCVaR, "alpha of KLCVaR"),
        (fenchel.MarginalMoments, "n of MarginalMoments"),
    ]:
        if make is fenchel.MarginalMoments and wrong is None:
            continue
        with pytest.raises(errors.InvalidTypeError, match=f"^{what} is .*; it must be a number"):
            make(wrong)


def test_what_is_no_divergence():
    for name, near in [("chi", "chi2"), ("KL", "kl"), ("safekl:0.1", "safe-kl"), ("cvr:0.1", "cvar"), ("", None)]:
        with pytest.raises(errors.UnknownNameError, match=f"unknown divergence.*{near or 'known'}") as caught:
            fenchel.divergence(name)
        for base in ROWS:
            assert base in str(caught.value)
    for it in CLASSES:
        with pytest.raises(errors.InvalidTypeError, match=f"the class {it.__name__}; it must be an object such as"):
            fenchel.divergence(it)
    for wrong in (None, 1, ["kl"], b"kl", fenchel.smoothmax):
        with pytest.raises(errors.InvalidTypeError, match="divergence is of type .*; it must be a name such as 'kl'"):
            fenchel.divergence(wrong)
    with pytest.raises(errors.InvalidTypeError, match="use one of them"):
        fenchel.Divergence()
