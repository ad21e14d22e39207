"""Log-sum-exp and its family: the same as scipy's where that is right, and as sixty digits everywhere."""

import itertools
import math

import exact
import numpy as np
import pandas as pd
import pytest
import scipy.special

import fenchel

INF, NAN = np.inf, np.nan
FUNCTIONS = ["logsumexp", "softmax", "log_softmax"]
MAGNITUDES = [1e-300, 1e-8, 1.0, 30.0, 700.0, 1e5, 1e300]
AXES = [None, (), *range(-3, 3), *itertools.permutations(range(3), 2), (-1, 0), (-2, -1), (0, 1, 2), (2, 0, 1)]


def layouts(dtype):
    """Arrays of one shape that lie in memory in all ways there are."""
    rng = np.random.default_rng(3)
    shape = (3, 4, 5)
    plain = rng.normal(scale=4.0, size=shape).astype(dtype)
    yield "C", plain
    yield "Fortran", np.asfortranarray(plain)
    yield "transposed", rng.normal(size=shape[::-1]).astype(dtype).T
    yield "axes moved", np.moveaxis(rng.normal(size=(5, 3, 4)).astype(dtype), 0, 2)
    yield "reversed", plain[::-1, :, ::-1]
    yield "all reversed", plain[::-1, ::-1, ::-1]
    yield "every second", rng.normal(size=(6, 8, 10)).astype(dtype)[::2, 1::2, ::-2]
    yield "part", rng.normal(size=(5, 6, 7)).astype(dtype)[1:4, 2:, :-2]
    yield "broadcast rows", np.broadcast_to(plain[:, :1], shape)
    yield "broadcast lanes", np.broadcast_to(plain[..., :1], shape)
    yield "broadcast number", np.broadcast_to(plain[0, 0, 0], shape)
    yield "other byte order", plain.astype(plain.dtype.newbyteorder())
    read_only = plain.copy()
    read_only.flags.writeable = False
    yield "read-only", read_only
    packed = np.zeros(shape, dtype=[("flag", "i1"), ("number", dtype)])
    packed["number"] = plain
    assert not packed["number"].flags.aligned
    yield "unaligned field", packed["number"]
    padded = np.zeros(shape, dtype=[("number", dtype), ("other", dtype)])
    padded["number"] = plain
    yield "field", padded["number"]
    odd = np.zeros(61 * plain.itemsize, dtype=np.uint8)[1 : 1 + plain.nbytes].view(dtype).reshape(shape)
    odd[...] = plain
    yield "odd address", odd
    yield "real part", (plain + 1j * rng.normal(size=shape)).astype(np.result_type(dtype, np.complex64)).real
    for lengths in [(0, 4, 5), (3, 0, 5), (3, 4, 0), (0, 0, 0), (1, 1, 1), (1, 4, 1), (3, 1, 5), (1, 1, 5)]:
        yield f"lengths {lengths}", rng.normal(size=lengths).astype(dtype)


LAYOUTS = [pytest.param(array, id=f"{dtype} {name}") for dtype in ("f8", "f4") for name, array in layouts(dtype)]


def same(found, wanted, scale=1.0):
    """The same type, shape and dtype, and numbers within rounding."""
    assert type(found) is type(wanted)
    assert np.shape(found) == np.shape(wanted)
    assert found.dtype == wanted.dtype.newbyteorder("=")
    epsilon = np.finfo(wanted.dtype).eps
    np.testing.assert_allclose(found, wanted, rtol=8 * epsilon, atol=8 * epsilon * scale)


@pytest.mark.parametrize("array", LAYOUTS)
def test_any_axes_of_any_layout(array):
    for axis in AXES:
        for keepdims in (False, True):
            found = fenchel.logsumexp(array, axis, keepdims=keepdims)
            if array.size:
                wanted = scipy.special.logsumexp(array, axis, keepdims=keepdims)
            else:  # scipy 1.17 sets the lengths of wrong axes to 1
                wanted = np.full_like(array.sum(axis, keepdims=keepdims), -INF)[()]
            same(found, wanted, scale=20)
            means = fenchel.logmeanexp(array, axis, keepdims)
            axes = range(array.ndim) if axis is None else np.atleast_1d(axis).astype(int)
            over = math.prod(array.shape[k] for k in axes)
            if over:
                same(means, np.asarray(found - np.log(over), dtype=found.dtype)[()], scale=20)
            else:
                assert np.isnan(means).all() and np.shape(means) == np.shape(found)
        if array.size == 0:  # scipy has no maximum of nothing
            assert fenchel.softmax(array, axis).shape == fenchel.log_softmax(array, axis).shape == array.shape
            continue
        same(fenchel.softmax(array, axis), scipy.special.softmax(array, axis))
        same(fenchel.log_softmax(array, axis), scipy.special.log_softmax(array, axis), scale=20)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_numbers_and_arrays_without_axes(name):
    for number in (5.0, 5, np.float64(5), np.float32(5), np.array(5.0), np.array(5, dtype=np.float32)):
        for axis in (None, 0, -1):
            found, wanted = (getattr(of, name)(number, axis) for of in (fenchel, scipy.special))
            assert isinstance(found, np.floating) and found == wanted
            assert found.dtype == (np.float32 if getattr(number, "dtype", None) == np.float32 else np.float64)
    # As in NumPy a number stays a number, where scipy makes an array of it.
    assert fenchel.logsumexp(5.0, axis=(), keepdims=True) == 5.0


@pytest.mark.parametrize("n", [1, 2, 3, 7, 16, 33, 300])
@pytest.mark.parametrize("magnitude", MAGNITUDES)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_sixty_digits(dtype, magnitude, n):
    rng = np.random.default_rng([n, int(math.log10(magnitude)) + 400])
    if magnitude > 1e30 and dtype == np.float32:
        magnitude = 1e30
    a = (rng.normal(size=n) * magnitude + rng.choice([0, 3 * magnitude])).astype(dtype)
    unit = np.finfo(dtype).eps / 2
    log, sign, rest = exact.logsumexp(a)
    assert sign == 1
    bound = unit * (abs(float(log)) + float(rest) + exact.entropy(a) + 10)
    assert exact.error(fenchel.logsumexp(a), log) <= bound
    mean = exact.logsumexp(a, np.full(n, 1.0))[0] - exact.DIGITS.ln(n)
    assert exact.error(fenchel.logmeanexp(a), mean) <= bound + unit * (abs(float(mean)) + 1e-300)
    p, logs = exact.softmax(a)
    # log p is known to what the rounding of the largest score leaves of it, p to that times itself.
    for found, found_log, it, log_p in zip(fenchel.softmax(a), fenchel.log_softmax(a), p, logs, strict=True):
        assert exact.error(found_log, log_p) <= unit * (3 * abs(float(log_p)) + float(rest) + 10)
        tiny = 4 * float(np.finfo(dtype).smallest_subnormal)
        relative = abs(float(log_p)) + math.log(n) + 10
        assert exact.error(found, it) <= 2 * unit * relative * float(it) + max(tiny, n * unit * unit * tiny)


def test_weights_against_scipy():
    rng = np.random.default_rng(4)
    a = rng.normal(scale=3, size=(3, 4, 5))
    for shape in [(3, 4, 5), (4, 5), (5,), (4, 1), (3, 1, 1), (), (1, 1, 1), (2, 3, 4, 5), (2, 1, 1, 5)]:
        b = rng.choice([-2.0, -0.5, 0.0, 0.25, 1.0, 7.0], size=shape)
        ndim = max(3, len(shape))
        for axis in [None, *range(-ndim, ndim), (0, 2), (-1, -2), ()]:
            for keepdims in (False, True):
                found = fenchel.logsumexp(a, axis, b, keepdims, return_sign=True)
                wanted = scipy.special.logsumexp(a, axis, b, keepdims, return_sign=True)
                assert isinstance(found, tuple)
                same(found[0], wanted[0], scale=1000)
                same(found[1], wanted[1])
                same(fenchel.logsumexp(a, axis, b, keepdims), np.where(found[1] < 0, NAN, found[0])[()])
    for strange in (a.T, a[::-1, :, ::-1], np.asfortranarray(a), np.broadcast_to(a[:1], a.shape)):
        b = rng.uniform(0.1, 2, size=strange.shape)[::-1]
        for axis in (None, 0, 1, 2, (0, 2)):
            same(fenchel.logsumexp(strange, axis, b), scipy.special.logsumexp(strange, axis, b), scale=10)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_weights_in_sixty_digits(dtype):
    rng = np.random.default_rng(5)
    unit = np.finfo(dtype).eps / 2
    for magnitude, n in itertools.product([1e-8, 1.0, 30.0, 600.0, 1e5], [1, 2, 5, 40]):
        a = (rng.normal(size=n) * magnitude).astype(dtype)
        b = (rng.normal(size=n) * 10.0 ** rng.uniform(-20, 20, size=n)).astype(dtype)
        b[rng.random(n) < 0.2] = 0
        if not b.any():
            b[0] = 1
        log, sign, rest = exact.logsumexp(a, b)
        found = fenchel.logsumexp(a, b=b, return_sign=True)
        # What cancels is lost: the condition number of the sum is that of its terms over it.
        kept = exact.logsumexp(a, np.abs(b))[0]
        bound = unit * (abs(float(log)) + abs(float(rest)) + (30 + n) * math.exp(min(float(kept - log), 700.0)))
        assert exact.error(found[0], log) <= bound
        if bound < 0.1:
            assert found[1] == sign
    # Factors beyond the range of the exponentials.
    for scale in (1e-300, 1e300):
        found = fenchel.logsumexp([700.0, -700.0], b=[scale, -scale], return_sign=True)
        assert found[1] == 1 and found[0] == pytest.approx(700 + math.log(scale), rel=1e-15)


@pytest.mark.parametrize("function", [fenchel.logsumexp, fenchel.softmax, fenchel.log_softmax, fenchel.logmeanexp])
def test_types_of_numbers(function):
    numbers = [[1.5, -2.0, 0.25], [3.0, 1.0, 1.0]]
    wanted = function(np.array(numbers), 1)
    for given in (
        numbers,
        tuple(map(tuple, numbers)),
        np.array(numbers, dtype=object),
        np.array(numbers, dtype=np.longdouble),
        np.array(numbers, dtype=">f8"),
        np.ma.array(numbers),
        pd.DataFrame(numbers),
        [np.float32(x) for x in numbers[0]] and [[np.float64(x) for x in row] for row in numbers],
    ):
        found = function(given, 1)
        assert type(found) is np.ndarray and found.dtype == np.float64
        np.testing.assert_array_equal(found, wanted)
    for dtype in (np.float16, np.float32, ">f4", "<f4"):
        found = function(np.array(numbers, dtype=dtype), 1)
        assert found.dtype == np.float32 and found.dtype.isnative
        np.testing.assert_array_equal(found, function(np.float32(numbers), 1))
    whole = np.array([[1, 0, 3], [0, 0, 1]])
    for dtype in (np.int8, np.uint8, np.int32, np.int64, np.uint64, bool):
        found = function(whole.astype(dtype), 1)
        assert found.dtype == np.float64
        np.testing.assert_array_equal(found, function(whole.astype(dtype).astype(float), 1))
    series = pd.Series(numbers[0], index=["a", "b", "c"])
    np.testing.assert_array_equal(function(series), function(np.array(numbers[0])))
    np.testing.assert_array_equal(function(pd.Series(numbers[0], dtype="Float64")), function(np.array(numbers[0])))
    np.testing.assert_array_equal(function(pd.Series([1, 2], dtype="Int64")), function(np.array([1.0, 2.0])))
    np.testing.assert_array_equal(function(pd.Series([1, None], dtype="Float64")), function(np.array([1.0, NAN])))
    # A number that no float64 can hold, without a warning.
    if np.finfo(np.longdouble).max > np.finfo(float).max:
        beyond = np.array([np.finfo(np.longdouble).max, 1.0])
        np.testing.assert_array_equal(function(beyond), function([INF, 1.0]))


def test_plain_numbers_take_the_type_of_arrays():
    a = np.float32([1, 2])
    for plain in (2, 2.0, True):
        assert fenchel.logsumexp(a, b=plain).dtype == np.float32
        assert fenchel.logaddexp(a, plain).dtype == fenchel.logaddexp(plain, a).dtype == np.float32
        assert fenchel.logaddexp(a, plain).dtype == np.logaddexp(a, plain).dtype
        assert fenchel.logsubexp(a, plain - 2).dtype == np.float32
        assert fenchel.logaddexp(a.astype(float), plain).dtype == np.float64
    for typed in (np.float64(2), np.array(2.0), [2.0, 1.0]):
        assert fenchel.logsumexp(a, b=typed).dtype == np.float64
        assert fenchel.logaddexp(a, typed).dtype == np.logaddexp(a, typed).dtype == np.float64
    assert fenchel.logsumexp(a, b=np.float32(2)).dtype == fenchel.logaddexp(a, np.float32(2)).dtype == np.float32


def test_masked_entries_are_absent():
    values = np.array([[1.0, 50.0, 2.0], [3.0, 4.0, 90.0]])
    mask = [[False, True, False], [False, False, True]]
    masked = np.ma.array(values, mask=mask)
    given = np.where(mask, -INF, values)
    for axis in (None, 0, 1):
        for function in (fenchel.logsumexp, fenchel.softmax, fenchel.log_softmax, fenchel.logmeanexp):
            found = function(masked, axis)
            assert not isinstance(found, np.ma.MaskedArray)
            np.testing.assert_array_equal(found, function(given, axis))
    whole = np.ma.array([1, 2, 3], mask=[False, True, False])
    assert fenchel.logsumexp(whole) == fenchel.logsumexp([1.0, 3.0])
    assert fenchel.logsumexp(np.ma.masked_all((2, 3))) == -INF
    # A factor that is absent is 0.
    factors = np.ma.array([1.0, NAN, 2.0], mask=[False, True, False])
    assert fenchel.logsumexp([0.0, 1.0, 0.0], b=factors) == pytest.approx(math.log(3))


# Scores, log-sum-exp, its sign, softmax, log-softmax. scipy's softmax and log_softmax warn of all of these but the last
# two, and give NaN for +inf.
SPECIAL = [
    ([INF, 1.0], INF, 1, [1, 0], [0, -INF]),
    ([INF, INF, -INF], INF, 1, [0.5, 0.5, 0], [-math.log(2), -math.log(2), -INF]),
    ([-INF, -INF], -INF, 0, [NAN, NAN], [NAN, NAN]),
    ([-INF, 2.0], 2.0, 1, [0, 1], [-INF, 0]),
    ([NAN, 1.0], NAN, NAN, [NAN, NAN], [NAN, NAN]),
    ([NAN, INF], NAN, NAN, [NAN, NAN], [NAN, NAN]),
    ([NAN, -INF], NAN, NAN, [NAN, NAN], [NAN, NAN]),
]


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(("scores", "log", "sign", "p", "log_p"), SPECIAL)
def test_infinite_scores(dtype, scores, log, sign, p, log_p):
    for width in (0, 3, 40):  # vectors of all lengths
        fills = ((scores, -INF), (p, p[0] * 0), (log_p, log_p[0] - INF))
        scores, p, log_p = ([*row, *[fill] * width] for row, fill in fills)
        rows = np.array([scores, np.zeros(len(scores))], dtype=dtype)
        for a, axis in ((rows, 1), (rows.T, 0), (rows[:, ::-1], 1), (np.asfortranarray(rows), 1)):
            turned = slice(None, None, -1) if a.strides[1] < 0 else slice(None)
            np.testing.assert_allclose(fenchel.logsumexp(a, axis, return_sign=True)[0][0], log)
            np.testing.assert_array_equal(fenchel.logsumexp(a, axis, return_sign=True)[1], [sign, 1])
            np.testing.assert_allclose(np.moveaxis(fenchel.softmax(a, axis), axis, 1)[0][turned], p, rtol=1e-6)
            np.testing.assert_allclose(np.moveaxis(fenchel.log_softmax(a, axis), axis, 1)[0][turned], log_p, rtol=1e-6)


def test_factors_and_infinite_scores():
    for a, b, log, sign in [
        ([INF, 1.0], [0.0, 1.0], 1.0, 1),
        ([NAN, 1.0], [0.0, 1.0], 1.0, 1),
        ([INF, 1.0], [1.0, 1.0], INF, 1),
        ([INF, 1.0], [-1.0, 1.0], INF, -1),
        ([INF, INF], [-1.0, 1.0], NAN, NAN),
        ([INF, INF], [2.0, 1.0], INF, 1),
        ([-INF, -INF], [1.0, -1.0], -INF, 0),
        ([1.0, 1.0], [1.0, -1.0], -INF, 0),
        ([1.0, 1.0], [0.0, 0.0], -INF, 0),
        ([1.0, 0.0], [-1.0, 1.0], 1 + math.log(-math.expm1(-1)), -1),
        ([-INF, 2.0], [-3.0, -1.0], 2.0, -1),
        ([NAN, 2.0], [1.0, -1.0], NAN, NAN),
    ]:
        for dtype in (np.float64, np.float32):
            args = np.array(a, dtype=dtype), None, np.array(b, dtype=dtype)
            found = fenchel.logsumexp(*args, return_sign=True)
            np.testing.assert_allclose(found, (log, sign), rtol=1e-6)
            np.testing.assert_allclose(found, scipy.special.logsumexp(*args, return_sign=True), rtol=1e-6)
            np.testing.assert_array_equal(fenchel.logsumexp(*args), NAN if sign == -1 else found[0])
    # A sum over nothing is 0; scipy 1.17 says that its sign is that of its logarithm.
    assert fenchel.logsumexp([], return_sign=True) == (-INF, 0)
    assert fenchel.logsumexp([], b=[], return_sign=True) == (-INF, 0)
    assert fenchel.logsumexp(np.zeros((0, 3)), axis=0, b=1.0, return_sign=True)[1].tolist() == [0, 0, 0]


def test_addition_and_subtraction():
    rng = np.random.default_rng(6)
    x = rng.normal(size=(3, 1, 50)) * 10.0 ** rng.integers(-8, 8, size=(3, 1, 50))
    y = x[0, 0] + rng.normal(size=(4, 50)) * 10.0 ** rng.integers(-12, 3, size=(4, 50))
    for dtype in (np.float64, np.float32):
        a, b = x.astype(dtype), y.astype(dtype)
        found = fenchel.logaddexp(a, b)
        assert found.shape == (3, 4, 50) and found.dtype == dtype
        rtol, atol = (1e-14, 1e-22) if dtype == np.float64 else (1e-6, 1e-13)
        np.testing.assert_allclose(found, np.logaddexp(a, b), rtol=rtol, atol=atol)
        low, high = np.minimum(a, b), np.maximum(a, b)
        difference = fenchel.logsubexp(high, low)
        unit = np.finfo(dtype).eps / 2
        table = (z.ravel() for z in (*np.broadcast_arrays(a, b), high, low, difference))
        for one, other, up, down, it in zip(*table, strict=True):
            log, _, rest = exact.logsumexp([one, other])
            assert exact.error(fenchel.logaddexp(one, other), log) <= unit * (abs(float(log)) + 2 * float(rest) + 1e-300)
            if up == down:
                assert it == -INF
                continue
            wanted, sign, _ = exact.logsumexp([up, down], [1.0, -1.0])
            assert sign == 1
            assert exact.error(it, wanted) <= 2 * unit * (abs(float(wanted)) + abs(float(wanted) - float(up)))
        assert np.isnan(fenchel.logsubexp(low, high)[low < high]).all()


def test_addition_and_subtraction_of_infinities():
    ends = np.array([-INF, -1.0, 0.0, 2.0, INF, NAN])
    with np.errstate(invalid="ignore"):
        np.testing.assert_allclose(fenchel.logaddexp(ends[:, None], ends), np.logaddexp(ends[:, None], ends), rtol=1e-15)
    assert fenchel.logsubexp(3.0, -INF) == 3.0 and fenchel.logsubexp(INF, 3.0) == INF
    assert fenchel.logsubexp(-INF, -INF) == -INF and np.isnan(fenchel.logsubexp(INF, INF))
    assert isinstance(fenchel.logaddexp(1.0, 2.0), np.float64)
    assert fenchel.logaddexp([], 1.0).shape == (0,) and fenchel.logaddexp(np.zeros((0, 3)), np.zeros(3)).shape == (0, 3)
    for a, b in itertools.product((np.zeros((2, 3)).T, np.zeros((3, 2))[::-1], np.broadcast_to(0.0, (3, 2))), repeat=2):
        np.testing.assert_allclose(fenchel.logaddexp(a, b), np.full((3, 2), math.log(2)))


@pytest.mark.parametrize("shape", [(2_000_000,), (2_000, 1_000), (100, 200, 100), (400_000, 5), (5, 400_000)])
def test_large_arrays_have_the_same_bits_with_any_number_of_threads(shape):
    a = np.random.default_rng(7).normal(scale=3, size=shape)
    halves = a.astype(np.float32)
    gaps = np.pad(a, [(0, 1)] * a.ndim)[(slice(-1),) * a.ndim]
    axes = [None] if len(shape) == 1 else range(len(shape))

    def results(n):
        with fenchel.threads(n):
            for axis in axes:
                yield fenchel.logsumexp(a, axis)
                yield fenchel.softmax(halves, axis)
                yield fenchel.logsumexp(a[..., ::-1], axis)
                yield fenchel.logmeanexp(halves, axis)
            yield fenchel.log_softmax(a, -1)
            yield fenchel.logsumexp(gaps)
            yield fenchel.logsumexp(gaps, (0, -1) if a.ndim > 1 else 0)
            yield fenchel.logsumexp(a, 0, b=0.5)
            yield fenchel.logaddexp(halves, 1.0)

    one, three = list(results(1)), list(results(3))
    for x, y in zip(one, three, strict=True):
        np.testing.assert_array_equal(x, y)
    np.testing.assert_allclose(one[-4], scipy.special.logsumexp(a), rtol=1e-14)
    np.testing.assert_allclose(one[-3], scipy.special.logsumexp(a, (0, -1) if a.ndim > 1 else 0), rtol=1e-14)
    for k, axis in enumerate(axes):
        wanted = scipy.special.logsumexp(a, axis)
        np.testing.assert_allclose(one[4 * k], wanted, rtol=1e-13, atol=1e-13)
        np.testing.assert_allclose(one[4 * k + 1].sum(axis, dtype=float), 1, rtol=1e-5)
        turned = np.flip(wanted, -1) if axis is not None and axis < a.ndim - 1 else wanted
        np.testing.assert_allclose(one[4 * k + 2], turned, rtol=1e-13, atol=1e-13)
        means = wanted - np.log(a.size if axis is None else shape[axis])
        np.testing.assert_allclose(one[4 * k + 3], means, rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("name", [*FUNCTIONS, "logmeanexp"])
def test_what_is_not_real_numbers(name):
    function = getattr(fenchel, name)
    argument = "x" if "softmax" in name else "a"
    for given, what in [
        ([1.0, 2j], "complex numbers"),
        (np.zeros(3, dtype=np.complex64), "complex numbers"),
        (["1", "2"], "text"),
        ("abc", "text"),
        (b"abc", "bytes"),
        (np.zeros(2, dtype="M8[s]"), "dates"),
        (np.zeros(2, dtype="m8[s]"), "time spans"),
        (np.zeros(2, dtype=[("x", "f8")]), "'x'"),
        ([1.0, {}], "must be an array of numbers"),
        ([1.0, "x"], "text"),
        ([10**400, 1], "too large"),
        (None, "None"),
        (object(), "must be an array of numbers"),
    ]:
        with pytest.raises(fenchel.errors.InvalidTypeError, match=f"^{argument} is .*{what}") as caught:
            function(given)
        assert isinstance(caught.value, TypeError)
    with pytest.raises(fenchel.errors.InvalidInputError, match=f"^{argument} cannot be made an array"):
        function([[1.0, 2.0], [3.0]])
    with pytest.raises(fenchel.errors.InvalidTypeError, match=f"^{argument} is an array of objects; .*could not convert"):
        function(np.array([[1.0, "much"]], dtype=object))
    torch = pytest.importorskip("torch")
    for tensor in (torch.ones(2, requires_grad=True), torch.ones(2, dtype=torch.bfloat16)):
        with pytest.raises(fenchel.errors.InvalidTypeError, match=f"^{argument} cannot be made an array"):
            function(tensor)


def test_switches():
    a = np.zeros((2, 3))
    for yes in (True, np.True_, 1):
        assert fenchel.logsumexp(a, 0, keepdims=yes).shape == fenchel.logmeanexp(a, 0, keepdims=yes).shape == (1, 3)
        assert len(fenchel.logsumexp(a, return_sign=yes)) == 2
    for name in ("keepdims", "return_sign"):
        for wrong in (None, "True", 2, [True]):
            with pytest.raises(fenchel.errors.InvalidTypeError, match=f"^{name} is .*; it must be True or False"):
                fenchel.logsumexp(a, **{name: wrong})


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_results_larger_than_memory(dtype):
    """An error that can be caught, as NumPy's, not the end of the process."""
    many = np.broadcast_to(dtype(0.0), (10**14,))
    row, column = np.broadcast_to(dtype(0.0), (1, 10**7)), np.broadcast_to(dtype(0.0), (10**8, 1))
    beyond = np.broadcast_to(dtype(0.0), (2**40, 1)), np.broadcast_to(dtype(0.0), (1, 2**40))
    calls = [
        lambda: fenchel.softmax(many),
        lambda: fenchel.log_softmax(many),
        lambda: fenchel.smoothmax(many),
        lambda: fenchel.sparsemax(many),
        lambda: fenchel.logsumexp(many, axis=()),
        lambda: fenchel.logaddexp(row, column),
        lambda: fenchel.logsumexp(row, b=column),
        lambda: fenchel.logsubexp(*beyond),
        lambda: fenchel.logsumexp(beyond[0], b=beyond[1]),
    ]
    for call in calls:
        with pytest.raises(MemoryError, match="no memory for an array of shape"):
            call()


def test_wrong_axes():
    for function in (fenchel.logsumexp, fenchel.softmax, fenchel.log_softmax, fenchel.logmeanexp):
        for axis, message in [
            (2, "axis is 2; it must be from -2 to 1 for an array of 2 axes"),
            (-3, "axis is -3"),
            ((0, 5), "axis is 5"),
            ((1, 1), "axis names axis 1 twice"),
            ((0, -2), "axis names axis 0 twice"),
        ]:
            with pytest.raises(fenchel.errors.InvalidInputError, match=message):
                function(np.zeros((2, 3)), axis)
        for axis in (0.5, "0", (0, None), {}, 10**30):
            with pytest.raises(fenchel.errors.InvalidTypeError, match="axis is .*; it must be a whole number"):
                function(np.zeros((2, 3)), axis)
        with pytest.raises(fenchel.errors.InvalidInputError, match="axis is 1; it must be from -1 to 0"):
            function(5.0, 1)
    assert fenchel.logsumexp(np.zeros((2, 3)), np.int64(1)).shape == (2,)
    assert fenchel.logsumexp(np.zeros((2, 3)), [0, 1]).shape == ()


def test_wrong_factors():
    message = r"b: expected a shape that goes with that of a, \[2, 3\], found \[2\]"
    with pytest.raises(fenchel.errors.ShapeError, match=message):
        fenchel.logsumexp(np.zeros((2, 3)), b=[1.0, 2.0])
    with pytest.raises(fenchel.errors.NonFiniteError, match=r"b at \[1, 2\] is NaN"):
        fenchel.logsumexp(np.zeros((2, 3)), b=[[1, 1, 1], [1, 1, NAN]], axis=0)
    with pytest.raises(fenchel.errors.NonFiniteError, match=r"b at \[0\] is inf"):
        fenchel.logsumexp(np.zeros((2, 3)), b=[INF, 1, 1])
    with pytest.raises(fenchel.errors.InvalidTypeError, match="b is an array of complex"):
        fenchel.logsumexp([1.0], b=1j)
    with pytest.raises(fenchel.errors.ShapeError, match="x2: expected"):
        fenchel.logaddexp(np.zeros(3), np.zeros(2))
    with pytest.raises(fenchel.errors.InvalidTypeError, match="x1 is an array of text"):
        fenchel.logsubexp("a", np.zeros(2))
