"""Smooth maxima: laws of every divergence of the registry, known values, entmax, errors, Ctrl-C."""

import itertools
import math
import re
import subprocess
import sys
import time
from pathlib import Path

import entmax
import generators
import numpy as np
import pytest
import torch

import fenchel
from fenchel import _engine

INF, NAN = np.inf, np.nan
NAMES = [example for row in _engine.registry() for example in row[4]]
MAGNITUDES = [1e-300, 1e-6, 1.0, 1e3, 1e250]


def cases(seed, most=40):
    """Scores, reference and temperature of all magnitudes."""
    rng = np.random.default_rng(seed)
    for magnitude, n in itertools.product(MAGNITUDES, [1, 2, 5, most]):
        for relative in (0.01, 0.3, 20.0):
            eta = rng.dirichlet(np.full(n, 0.7))
            yield rng.normal(size=n) * magnitude, np.maximum(eta, 1e-12) / np.maximum(eta, 1e-12).sum(), relative * magnitude


@pytest.mark.parametrize("name", NAMES)
def test_the_definition(name):
    for u, eta, temperature in cases(1):
        n = len(u)
        value, p, threshold = fenchel.smoothmax(u, name, temperature, eta)
        assert p.min() >= 0 and abs(p.sum() - 1) <= 4 * math.sqrt(n) * 2.3e-16
        # ⟨u, p⟩ − λ D_f(p‖η), in units of λ so that nothing overflows.
        charge = eta * generators.f(name, p / eta, n)
        size = np.abs(u / temperature).max() + np.abs(charge).sum() + 1
        rounding = 3e-14 * size * (1 + parts(name, p / eta, n))
        assert abs(p @ (u / temperature) - charge.sum() - value / temperature) <= rounding
        # Between the mean under η and the maximum, less λ f(1); not more below the maximum than smoothing can cost.
        at_1, at_0 = (float(generators.f(name, t, n)) for t in (1.0, 0.0))
        slack = 1e-13 * (size + abs(at_1))
        assert u @ eta / temperature - at_1 - slack <= value / temperature <= u.max() / temperature - at_1 + slack
        with np.errstate(over="ignore"):
            price = (eta * generators.f(name, 1 / eta, n) + at_0 * (1 - eta)).max()
        assert value / temperature >= u.max() / temperature - price - 1e-12 * (size + price)
        # The weights are those of the threshold.
        slope = generators.conjugate_slope(name, (u - threshold) / temperature, n)
        if slope is not None:
            rounding = 1e-14 * (np.abs(u).max() + abs(threshold)) / temperature + 1e-13
            s = (u - threshold) / temperature
            steeper, flatter = (eta * generators.conjugate_slope(name, s + d, n) for d in (rounding, -rounding))
            assert (p <= steeper * (1 + 1e-12) + 1e-15).all() and (p >= flatter * (1 - 1e-12) - 1e-15).all()
        if n == 1:
            continue
        # No other point is better.
        rng = np.random.default_rng(2)
        near = 0.999 * p + 0.001 * eta
        for other in (eta, *rng.dirichlet(np.full(n, 0.3), size=5), near / near.sum()):
            score = other @ (u / temperature) - (eta * generators.f(name, other / eta, n)).sum()
            assert score <= value / temperature + 1e-12 * size * (1 + parts(name, other / eta, n))


def parts(name, t, n):
    """The size of what cancels in f."""
    base, _, parameter = name.partition(":")
    if base == "tsallis":
        return float((t ** float(parameter) + t).max())
    return float((np.abs(generators.xlogx(t)) + t).max()) + (n if base == "marginal-moments" else 0)


@pytest.mark.parametrize("name", NAMES)
def test_shift_scale_and_order(name):
    rng = np.random.default_rng(3)
    for n, temperature in itertools.product([2, 7, 33], [0.05, 1.0, 40.0]):
        u = np.round(rng.normal(size=n) * 2**20) / 2**20
        eta = rng.dirichlet(np.ones(n))
        value, p, threshold = fenchel.smoothmax(u, name, temperature, eta)
        shifted = fenchel.smoothmax(u + 512.0, name, temperature, eta)
        assert shifted.value == pytest.approx(value + 512, rel=1e-14, abs=1e-14 * temperature)
        np.testing.assert_allclose(shifted.weights, p, rtol=1e-11, atol=1e-15)
        for scale in (2.0**-200, 0.5, 2.0**300):
            scaled = fenchel.smoothmax(u * scale, name, temperature * scale, eta)
            np.testing.assert_allclose(scaled.weights, p, rtol=1e-13, atol=1e-16)
            assert scaled.value == pytest.approx(value * scale, rel=1e-13, abs=1e-15 * scale * temperature)
            assert scaled.threshold == pytest.approx(threshold * scale, rel=1e-13, abs=1e-15 * scale * temperature)
        order = rng.permutation(n)
        turned = fenchel.smoothmax(u[order], name, temperature, eta[order])
        assert turned.value == pytest.approx(value, rel=1e-13, abs=1e-13 * temperature)
        np.testing.assert_allclose(turned.weights, p[order], rtol=1e-11, atol=1e-15)
    # A divergence as an object, and a uniform reference by default.
    u = rng.normal(size=9)
    by_name, by_object = fenchel.smoothmax(u, name), fenchel.smoothmax(u, fenchel.divergence(name), 1, np.full(9, 1 / 9))
    np.testing.assert_array_equal(by_name.weights, by_object.weights)
    assert by_name.value == by_object.value


ROWS = [
    ([0.5, -0.25, 1.0], [0.25, 0.5, 0.25], 1.0),
    ([1.0, 0.9, 0.1, -2.0, 0.95], [0.2] * 5, 0.125),
    ([3.0, -1.0, 0.0, 2.5, -40.0, 2.0], [1e-20, 0.125, 0.25, 1e-10, 0.5, 0.125], 0.5),
    ([100.0, 0.0, -1000.0], [1e-30, 0.5, 0.5], 0.0625),
]


def test_values_known_to_sixty_digits():
    source = Path(__file__).parents[2] / "crates" / "fenchel" / "tests" / "known_values.rs"
    known = re.findall(r'^    \("([^"]+)", (\d), ([^,]+), &\[([^\]]+)\]\),$', source.read_text(), re.MULTILINE)
    assert len(known) == 48
    for name, row, value, weights in known:
        u, eta, temperature = ROWS[int(row)]
        top = fenchel.smoothmax(u, name, temperature, eta)
        assert abs(top.value - float(value)) <= 1e-15 * (abs(float(value)) + 100 * temperature)
        np.testing.assert_allclose(top.weights, [float(p) for p in weights.split(",")], rtol=2e-13, atol=1e-300)


def test_closed_forms():
    u = np.array([1.0, 2.0, 3.0])
    counted = fenchel.smoothmax(u, reference=[1, 1, 1])
    assert counted.value == pytest.approx(fenchel.logsumexp(u), rel=1e-15)
    assert counted.threshold == pytest.approx(fenchel.logsumexp(u), rel=1e-15)
    np.testing.assert_allclose(counted.weights, fenchel.softmax(u), rtol=1e-15)
    assert fenchel.smoothmax(u).value == pytest.approx(fenchel.logmeanexp(u), rel=1e-15)
    half = fenchel.smoothmax(u, "cvar:0.5")
    assert half.value == pytest.approx(8 / 3, rel=1e-15) and half.threshold == 2
    np.testing.assert_allclose(half.weights, [0, 1 / 3, 2 / 3], rtol=1e-15)
    np.testing.assert_array_equal(fenchel.smoothmax([1, 1, 0], "cvar:0.5", 1, [1, 3, 4]).weights, [0.25, 0.75, 0])
    np.testing.assert_array_equal(fenchel.smoothmax([1, 2, 2], "none", 1, [1, 0, 1]).weights, [0, 0, 1])
    for name in ("marginal-moments", "kl-cvar:1", "hyperbolic", "tsallis:0.5", "safe-kl-centered:0.1"):
        one = fenchel.smoothmax([7.5], name, 2.0, [0.3])
        assert one.weights == [1] and one.value == pytest.approx(7.5, abs=1e-14)


@pytest.mark.parametrize("name", NAMES)
def test_reference(name):
    rng = np.random.default_rng(4)
    u, eta = rng.normal(size=12), rng.dirichlet(np.ones(12))
    value, p, threshold = fenchel.smoothmax(u, name, 0.4, eta)
    # Normalised; the total counts for KL.
    shift = 0.4 * math.log(5) if name == "kl" else 0.0
    for five in (5 * eta, list(5 * eta), (5 * eta)[::-1][::-1], np.ma.array(5 * eta)):
        other = fenchel.smoothmax(u, name, 0.4, five)
        assert other.value == pytest.approx(value + shift, rel=1e-13, abs=1e-14)
        assert other.threshold == pytest.approx(threshold + shift, rel=1e-11, abs=1e-12)
        np.testing.assert_allclose(other.weights, p, rtol=1e-12, atol=1e-16)
    # Atoms without mass are not there.
    if name != "marginal-moments":  # its parameter is the number of scores
        padded_u, padded_eta = np.full(20, 1e3), np.zeros(20)
        places = rng.permutation(20)[:12]
        padded_u[places], padded_eta[places] = u, eta
        padded = fenchel.smoothmax(padded_u, name, 0.4, padded_eta)
        assert padded.value == pytest.approx(value, rel=1e-13, abs=1e-14)
        np.testing.assert_allclose(padded.weights[places], p, rtol=1e-11, atol=1e-15)
        assert np.delete(padded.weights, places).max() == 0
        absent = padded_eta == 0
        masked = fenchel.smoothmax(padded_u, name, 0.4, np.ma.array(np.where(absent, NAN, padded_eta), mask=absent))
        np.testing.assert_array_equal(masked.weights, padded.weights)


@pytest.mark.parametrize("name", NAMES)
def test_axes_and_layouts(name):
    rng = np.random.default_rng(5)
    plain = rng.normal(size=(3, 4, 5))
    for u in (plain, np.asfortranarray(plain), plain[::-1, :, ::-1], plain.astype(">f8"), rng.normal(size=(5, 4, 3)).T):
        for axis in (-1, 0, 1, 2, (0, 1), (1, 2), (0, 2), (2, 0), (0, 1, 2), None):
            over = range(3) if axis is None else [k % 3 for k in np.atleast_1d(axis)]
            lane = tuple(u.shape[k] for k in sorted(over))
            eta = rng.uniform(0.1, 1, size=lane)
            top = fenchel.smoothmax(u, name, 0.7, eta, axis)
            kept = [k for k in range(3) if k not in over]
            assert top.weights.shape == u.shape
            assert np.shape(top.value) == np.shape(top.threshold) == tuple(u.shape[k] for k in kept)
            assert isinstance(top.value, np.ndarray if kept else np.float64)
            in_a_row = fenchel.smoothmax(u, name, 0.7, eta.ravel(), axis)
            np.testing.assert_array_equal(in_a_row.weights, top.weights)
            rows = np.moveaxis(u, kept, range(len(kept))).reshape(-1, math.prod(lane))
            weights = np.moveaxis(top.weights, kept, range(len(kept))).reshape(rows.shape)
            for row, p, value, threshold in zip(rows, weights, np.ravel(top.value), np.ravel(top.threshold), strict=True):
                alone = fenchel.smoothmax(row, name, 0.7, eta.ravel())
                np.testing.assert_array_equal(alone.weights, p)
                assert alone.value == value and alone.threshold == threshold
    assert fenchel.smoothmax(np.zeros((0, 3)), name).weights.shape == (0, 3)


@pytest.mark.parametrize("name", NAMES)
def test_single_precision(name):
    rng = np.random.default_rng(6)
    u = rng.normal(size=(4, 30)).astype(np.float32)
    eta = rng.dirichlet(np.ones(30)).astype(np.float32)
    single, double = fenchel.smoothmax(u, name, 0.5, eta), fenchel.smoothmax(u.astype(float), name, 0.5, eta)
    for found, wanted in zip(single, double, strict=True):
        assert found.dtype == np.float32 and wanted.dtype == np.float64
        np.testing.assert_array_equal(found, wanted.astype(np.float32))
    # A probability in float32 is one, although it misses 1 by more than float64 shows.
    assert single.value == pytest.approx(fenchel.smoothmax(u, name, 0.5, eta / eta.astype(float).sum()).value, abs=1e-6)
    for half in (u.astype(np.float16), u[0].tolist()):
        assert fenchel.smoothmax(half, name).weights.dtype == (np.float64 if isinstance(half, list) else np.float32)


@pytest.mark.parametrize("q", [1.2, 1.5, 2.0, 3.0])
def test_entmax_against_its_authors_package(q):
    rng = np.random.default_rng(7)
    theirs = {1.5: entmax.entmax15, 2.0: entmax.sparsemax}.get(q, lambda x, dim: entmax.entmax_bisect(x, q, dim, n_iter=80))
    for scale, shape in itertools.product([1e-3, 0.3, 1.0, 20.0], [(1, 1), (2, 7), (5, 40), (3, 600)]):
        x = rng.normal(scale=scale, size=shape)
        for axis in (0, 1, -1):
            found = fenchel.entmax(x, q, axis)
            np.testing.assert_allclose(found, theirs(torch.from_numpy(x), dim=axis).numpy(), rtol=0, atol=2e-12)
            np.testing.assert_allclose(found.sum(axis), 1, rtol=1e-14)
            if q == 2:
                np.testing.assert_array_equal(fenchel.sparsemax(x, axis), found)
        # The same as a smooth maximum, and as its conditions say: p^(q−1) = ((q−1)(x − τ))₊ up to a factor.
        n = shape[1]
        np.testing.assert_allclose(
            fenchel.entmax(x, q), fenchel.smoothmax(x, f"tsallis:{q}", n ** (1 - q) / q).weights, rtol=1e-10, atol=1e-14
        )
        single = fenchel.entmax(x.astype(np.float32), q)
        assert single.dtype == np.float32
        np.testing.assert_allclose(single, theirs(torch.from_numpy(x.astype(np.float32)).double(), dim=1), rtol=0, atol=1e-7)
        # −∞ is a score that is not there.
        masked = np.where(rng.random(shape) < 0.4, -INF, x)
        masked[:, 0] = x[:, 0]
        for row, p in zip(masked, fenchel.entmax(masked, q), strict=True):
            kept = row > -INF
            np.testing.assert_array_equal(p[~kept], 0)
            np.testing.assert_allclose(p[kept], theirs(torch.from_numpy(row[kept][None]), dim=1)[0], rtol=0, atol=2e-12)
    masked = np.ma.array([[1.0, 9.0, 0.5], [5.0, 5.0, 5.0]], mask=[[0, 1, 0], [1, 1, 1]])
    found = fenchel.entmax(masked, q)
    assert found[0, 1] == 0 and found[0].sum() == pytest.approx(1) and np.isnan(found[1]).all()
    assert np.isnan(fenchel.entmax([-INF, -INF], q)).all()


def test_entmax_tends_to_softmax_and_to_the_mean():
    rng = np.random.default_rng(8)
    x = rng.normal(size=(6, 20)) * 3
    for step in (1e-2, 1e-4, 1e-6, 1e-8, 1e-11, 1e-14):
        for q in (1 - step, 1 + step):
            np.testing.assert_allclose(fenchel.entmax(x, q), fenchel.softmax(x, -1), rtol=0, atol=10 * step + 1e-13)
    np.testing.assert_allclose(fenchel.entmax(x, 1), fenchel.softmax(x, -1), rtol=1e-13)
    np.testing.assert_allclose(fenchel.entmax(x, 1, None), fenchel.softmax(x), rtol=1e-13)
    assert fenchel.entmax(x, 1.5, None).sum() == pytest.approx(1)
    # q = 1 has the rules of all others.
    np.testing.assert_array_equal(fenchel.entmax([-INF, 1.0], 1), [0, 1])
    assert np.isnan(fenchel.entmax([-INF, -INF], 1)).all()
    for q in (0.5, 1, 1.5, 2):
        assert fenchel.entmax([1e300, -1e300, 0.0], q).tolist() == pytest.approx([1, 0, 0], abs=1e-14)
        with pytest.raises(fenchel.errors.NonFiniteError, match="at 1 is inf"):
            fenchel.entmax([0.0, INF], q)
        with pytest.raises(fenchel.errors.NonFiniteError, match="at 2 is NaN"):
            fenchel.entmax([0.0, -INF, NAN], q)


@pytest.mark.parametrize("name", ["kl", "chi2", "tsallis:1.5", "marginal-moments", "cvar:0.01", "safe-kl:0.1"])
def test_large_inputs(name):
    rng = np.random.default_rng(9)
    for shape in [(1_000_000,), (1000, 1000), (100_000, 3)]:
        u = rng.normal(size=shape)
        n = shape[-1]
        with fenchel.threads(1):
            alone = fenchel.smoothmax(u, name, 0.5)
        with fenchel.threads(4):
            value, p, threshold = fenchel.smoothmax(u, name, 0.5)
        for x, y in zip(alone, (value, p, threshold), strict=True):
            np.testing.assert_array_equal(x, y)
        np.testing.assert_allclose(p.sum(-1), 1, rtol=0, atol=4 * math.sqrt(n) * 2.3e-16)
        primal = (p * u).sum(-1) - 0.5 * generators.f(name, n * p, n).mean(-1)
        np.testing.assert_allclose(primal, value, rtol=1e-11, atol=1e-11)
        assert (value <= u.max(-1)).all()


def test_errors():
    errors = fenchel.errors
    u = np.zeros((3, 4))
    bad = u.copy()
    bad[1, 2] = NAN
    for axis in (0, 1, (0, 1)):
        with pytest.raises(errors.NonFiniteError, match=r"^scores at \[1, 2\] is NaN; it must be a finite number$"):
            fenchel.smoothmax(bad, axis=axis)
        with pytest.raises(errors.NonFiniteError, match=r"at \[1, 2\] is NaN"):
            fenchel.entmax(np.where(u == bad, np.array([-INF, 0, 0, 0]), bad), axis=axis)
    with pytest.raises(errors.NonFiniteError, match="scores at 3 is -inf"):
        fenchel.smoothmax([1, 2, 3, -INF])
    # The first of several, however many threads look.
    large = np.zeros((500, 300))
    large[[40, 300, 450], [7, 1, 2]] = INF
    for array, place in [(large, "[40, 7]"), (large[:, ::-1], "[40, 292]"), (large.astype(np.float32), "[40, 7]")]:
        for _ in range(10):
            with pytest.raises(errors.NonFiniteError, match=re.escape(f"scores at {place} is inf")):
                fenchel.smoothmax(array)
    for temperature in (0, -1.0, INF, NAN):
        with pytest.raises(errors.InvalidInputError, match="^temperature is .*; it must be a finite number above 0"):
            fenchel.smoothmax(u, temperature=temperature)
    for temperature in ("1", None, [1.0, 2.0], 1j):
        with pytest.raises(errors.InvalidTypeError, match="^temperature is .*; it must be a number"):
            fenchel.smoothmax(u, temperature=temperature)
    assert fenchel.smoothmax(u, temperature=np.float32(2)).value.shape == (3,)
    for q in (0, -1, NAN, INF):
        with pytest.raises(errors.InvalidInputError, match="^q is .*; it must be a finite number above 0"):
            fenchel.entmax(u, q)
    with pytest.raises(errors.InvalidTypeError, match="^q is '2'; it must be a number"):
        fenchel.entmax(u, "2")
    for reference, error, message in [
        ([1, 1, 1], errors.ShapeError, r"reference: expected as many masses as scores along the axis, \[4\], found \[3\]"),
        (np.ones((3, 4)), errors.ShapeError, r"found \[3, 4\]"),
        (np.ones((2, 2)), errors.ShapeError, r"found \[2, 2\]"),
        (1.0, errors.ShapeError, r"found \[\]"),
        ([], errors.ShapeError, "reference: expected at least one"),
        ([1, -1, 1, 1], errors.InvalidInputError, r"reference\[1\] is -1"),
        ([1, NAN, 1, 1], errors.NonFiniteError, "reference at 1 is NaN"),
        ([0, 0, 0, 0], errors.InvalidInputError, "0 everywhere"),
        (["a"] * 4, errors.InvalidTypeError, "reference is an array of text"),
    ]:
        with pytest.raises(error, match=message):
            fenchel.smoothmax(u, reference=reference)
    with pytest.raises(errors.ShapeError, match=r"along the axis, \[3, 4\], found \[4, 3\]"):
        fenchel.smoothmax(u, reference=np.ones((4, 3)), axis=(0, 1))
    with pytest.raises(errors.ShapeError, match="at least one"):
        fenchel.smoothmax(np.zeros((3, 0)))
    with pytest.raises(errors.ShapeError, match="found a number"):
        fenchel.smoothmax(5.0)
    with pytest.raises(errors.InvalidInputError, match="axis is 2; it must be from -2 to 1"):
        fenchel.smoothmax(u, axis=2)
    with pytest.raises(errors.InvalidTypeError, match="axis is 0.5"):
        fenchel.entmax(u, axis=0.5)
    with pytest.raises(errors.InvalidTypeError, match="u is an array of complex"):
        fenchel.smoothmax([1j])
    with pytest.raises(errors.UnknownNameError, match="did you mean 'chi2'"):
        fenchel.smoothmax(u, "chi")
    with pytest.raises(errors.InvalidTypeError, match=r"the class CVaR; it must be an object such as CVaR\(...\)"):
        fenchel.smoothmax(u, fenchel.CVaR)
    with pytest.raises(errors.InvalidTypeError, match="divergence is of type int"):
        fenchel.smoothmax(u, 2)


@pytest.mark.parametrize("shape", [(100_000, 300), (500_000,)])
def test_ctrl_c(shape):
    # A row is evaluated to its end, so one that is very long takes longer.
    code = f"""
import os, signal, threading, time
import numpy as np, fenchel
fenchel.set_num_threads(1)
u = np.random.default_rng(0).standard_normal({shape}, dtype=np.float32)
pressed = []
def press():
    pressed.append(time.perf_counter())
    os.kill(os.getpid(), signal.SIGINT)
threading.Timer(0.1, press).start()
try:
    while True:
        fenchel.smoothmax(u, "marginal-moments", 0.1)
except KeyboardInterrupt:
    print(time.perf_counter() - pressed[0])
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run.stderr
    assert float(run.stdout) < 1.0


def test_a_call_ends_when_its_work_does():
    # Signals are looked for twenty times a second; nobody waits for that.
    u = np.random.default_rng(10).normal(size=(100, 100))
    fenchel.smoothmax(u)
    start = time.perf_counter()
    for _ in range(200):
        fenchel.smoothmax(u)
    assert (time.perf_counter() - start) / 200 < 0.01
