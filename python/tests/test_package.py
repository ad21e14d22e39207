"""The package as a whole: what importing it costs, threads, forks, memory, errors, documentation."""

import ast
import builtins
import inspect
import os
import re
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import fenchel
from fenchel import _engine, errors

ROOT = Path(__file__).parents[2]
LINUX = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")


def python(code, *, seconds=60, **environment):
    """What a fresh interpreter prints."""
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=seconds, env={**os.environ, **environment}
    )
    assert run.returncode == 0, run.stderr
    return run.stdout


def test_importing_is_fast():
    code = """
import time
import numpy
start = time.perf_counter()
import fenchel
print(time.perf_counter() - start)
"""
    assert min(float(python(code)) for _ in range(7)) < 0.05


def test_importing_loads_nothing_else():
    heavy = ["torch", "jax", "sklearn", "matplotlib", "scipy", "pandas", "tqdm", "ot", "entmax"]
    assert python(f"import sys, fenchel; print([name for name in {heavy} if name in sys.modules])").strip() == "[]"


def test_version():
    manifest = (ROOT / "Cargo.toml").read_text()
    assert fenchel.__version__ == re.search(r'\[workspace\.package\]\nversion = "([^"]+)"', manifest)[1]


def test_public_names():
    assert len(set(fenchel.__all__)) == len(fenchel.__all__)
    for name in fenchel.__all__:
        it = getattr(fenchel, name)
        if name == "__version__":
            continue
        assert inspect.getdoc(it), f"{name} has no docstring"
        if inspect.isfunction(it):
            assert re.search(r"^Examples\n--------\n", inspect.getdoc(it), re.MULTILINE), f"{name} has no example"
            assert ">>> " in it.__doc__
            for parameter in inspect.signature(it).parameters.values():
                assert parameter.annotation is not inspect.Parameter.empty, f"{parameter} of {name} has no type"


def test_completion_shows_what_is_public():
    for module, more in [(fenchel, {"divergences", "errors", "pot", "robust", "torch", "transport"}), (fenchel.robust, set())]:
        assert {name for name in dir(module) if not name.startswith("__")} == {*module.__all__, *more} - {"__version__"}


def test_types_are_shipped():
    package = Path(fenchel.__file__).parent
    assert (package / "py.typed").exists()
    stub = ast.parse((package / "_engine.pyi").read_text())
    written = {node.name: node for node in stub.body if isinstance(node, (ast.FunctionDef, ast.ClassDef))}
    there = {name: getattr(_engine, name) for name in dir(_engine) if not name.startswith("_")}
    assert set(written) == set(there)
    for name, it in there.items():
        if isinstance(written[name], ast.ClassDef):
            assert inspect.isclass(it)
            methods = {node.name for node in written[name].body if isinstance(node, ast.FunctionDef)}
            own = {m for m in vars(it) if not m.startswith("_")}
            assert own <= methods | {node.target.id for node in written[name].body if isinstance(node, ast.AnnAssign)}, name
            continue
        arguments = written[name].args
        names = [a.arg for a in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)]
        assert list(inspect.signature(it).parameters) == names, name


def test_the_tree_of_errors():
    drawn = re.findall(r"(?:├──|└──|    )\s*(\w+)(?: \((\w+)\))?", errors.__doc__)
    for name, kin in drawn:
        if name in errors.__all__ and kin:
            assert issubclass(getattr(errors, name), getattr(builtins, kin))
    assert {name for name, _ in drawn} >= set(errors.__all__) - {"FenchelError"}
    for name in errors.__all__:
        it = getattr(errors, name)
        if it not in (errors.Interrupted, errors.ConvergenceWarning):
            assert issubclass(it, fenchel.FenchelError) and it.__doc__
    for name in ("ShapeError", "NonFiniteError", "UnknownNameError", "InfeasibleError", "UnboundedError"):
        assert issubclass(getattr(errors, name), errors.InvalidInputError)
    assert not issubclass(errors.Interrupted, Exception) and errors.Interrupted("x", 3).result == 3
    message = r"nothing_such is needed here .* pip install 'fenchel\[extra\]'"
    with pytest.raises(errors.MissingDependencyError, match=message):
        errors.optional("nothing_such.part", "extra")


def test_number_of_threads():
    default = fenchel.get_num_threads()
    assert default >= 1
    try:
        for n in (1, 3, np.int64(2)):
            fenchel.set_num_threads(n)
            assert fenchel.get_num_threads() == n
            with fenchel.threads(5):
                assert fenchel.get_num_threads() == 5
                with pytest.raises(ZeroDivisionError), fenchel.threads(None):
                    assert fenchel.get_num_threads() == default
                    raise ZeroDivisionError
                assert fenchel.get_num_threads() == 5
            assert fenchel.get_num_threads() == n
        fenchel.set_num_threads(None)
        with fenchel.threads(7):
            pass
        assert _engine.set_num_threads(0) == 0  # as many as there are processors, not their number
        for wrong in (0, -1, 4097):
            with pytest.raises(errors.InvalidInputError, match=f"n is {wrong}; it must be a whole number from 1 to 4096"):
                fenchel.set_num_threads(wrong)
        for wrong in (2.0, "2", [1]):
            with pytest.raises(errors.InvalidTypeError, match="it must be a whole number"):
                fenchel.set_num_threads(wrong)
    finally:
        fenchel.set_num_threads(None)


def test_number_of_threads_from_the_environment():
    code = "import fenchel; print(fenchel.get_num_threads())"
    assert python(code, FENCHEL_NUM_THREADS="3") == python(code, FENCHEL_NUM_THREADS=" 3 ") == "3\n"
    assert python(code, FENCHEL_NUM_THREADS="") == python(code)
    for wrong in ("x", "0", "-1", "2.5", "100000"):
        message = f"InvalidInputError: FENCHEL_NUM_THREADS is '{wrong}'; it must be a whole number"
        with pytest.raises(AssertionError, match=message):
            python(code, FENCHEL_NUM_THREADS=wrong)


@LINUX
def test_only_threads_of_the_pool_work():
    code = """
import os
import numpy as np, fenchel
def threads():
    return [open(f"/proc/self/task/{task}/comm").read().strip() for task in os.listdir("/proc/self/task")]
before = len(threads())
fenchel.set_num_threads(3)
for n in (10, 1000, 8000):
    u = np.ones(n)
    fenchel.logsumexp(u), fenchel.softmax(u), fenchel.log_softmax(u), fenchel.smoothmax(u, "tsallis:1.5"), fenchel.entmax(u)
    fenchel.logsumexp(u.reshape(-1, 10), 0), fenchel.logsumexp(u, b=2.0), fenchel.logaddexp(u, u)
assert len(threads()) == before, threads()
u = np.ones(1_000_000)
for a in (u, u.reshape(1000, 1000), u[::-1]):
    for axis in (0, -1):
        fenchel.logsumexp(a, axis), fenchel.softmax(a, axis), fenchel.smoothmax(a, axis=axis), fenchel.logmeanexp(a, axis)
        fenchel.logsumexp(a, axis, b=2.0), fenchel.log_softmax(a, axis), fenchel.logaddexp(a, a)
names = threads()
assert len(names) == before + 3 and sum(name.startswith("fenchel-") for name in names) == 3, names
"""
    python(code, OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_forked_processes_work():
    code = """
import multiprocessing, os, warnings
import numpy as np, fenchel
warnings.simplefilter("ignore")
a = np.linspace(0, 1, 2_000_000)
def work(_):
    return float(fenchel.logsumexp(a)), float(fenchel.smoothmax(a, "chi2").value), fenchel.get_num_threads()
fenchel.set_num_threads(2)
here = work(0)
with multiprocessing.get_context("fork").Pool(2) as pool:
    assert pool.map(work, range(4)) == [here] * 4
    assert work(0) == here
for _ in range(3):  # a child of a child
    pid = os.fork()
    if pid == 0:
        inner = os.fork()
        if inner == 0:
            os._exit(0 if work(0) == here else 1)
        os._exit(os.waitpid(inner, 0)[1])
    assert os.waitpid(pid, 0)[1] == 0
print("done")
"""
    assert python(code, seconds=30) == "done\n"


def test_calls_from_several_threads():
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=shape) for shape in [(5,), (300, 400), (200_000,), (50, 60, 70)]]

    def work(k):
        a = arrays[k % 4]
        fenchel.set_num_threads(1 + k % 3)
        return fenchel.logsumexp(a, -1), fenchel.softmax(a, 0), fenchel.smoothmax(a, "tsallis:1.5").weights

    try:
        alone = [work(k) for k in range(4)]
        with ThreadPoolExecutor(8) as pool:
            for k, results in enumerate(pool.map(work, range(64))):
                for x, y in zip(results, alone[k % 4], strict=True):
                    np.testing.assert_array_equal(x, y)
    finally:
        fenchel.set_num_threads(None)


@pytest.mark.parametrize("function", [fenchel.logsumexp, lambda a: fenchel.smoothmax(a.reshape(1000, -1), "hyperbolic")])
def test_other_threads_run_during_a_call(function):
    a = np.zeros(20_000_000)
    ticks, stop = [0], threading.Event()

    def tick():
        while not stop.is_set():
            ticks[0] += 1
            time.sleep(0)

    ticker = threading.Thread(target=tick)
    ticker.start()
    try:
        with fenchel.threads(1):
            before = ticks[0]
            function(a)
            during = ticks[0] - before
    finally:
        stop.set()
        ticker.join()
    assert during > 50  # with the lock held it could be one


@LINUX
def test_arrays_are_not_copied():
    code = """
import numpy as np, fenchel
def peak():
    return int(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1]) * 1024
warm = np.zeros((1000, 1000))
a = np.zeros((10_000, 10_000))  # pages that are only read take no memory
for axis in (0, 1, None):
    fenchel.logsumexp(warm, axis), fenchel.logmeanexp(warm, axis)
before = peak()
arrays = {
    "C": a,
    "Fortran": a.T,
    "reversed": a[::-1],
    "columns reversed": a[:, ::-1],
    "part": a[1:, :-1],
    "cube": a.reshape(100, 1000, 1000),
}
for name, array in arrays.items():
    for axis in ((0, 1, None) if array.ndim == 2 else (0, 1, 2, (0, 1), (0, 2))):
        fenchel.logsumexp(array, axis)
        print(name, axis, (peak() - before) / a.nbytes)
fenchel.logmeanexp(a, 1)
fenchel.logsumexp(a, 1, b=2.0)
print("others", (peak() - before) / a.nbytes)
"""
    lines = python(code).splitlines()
    assert len(lines) == 21
    for line in lines:
        assert float(line.split()[-1]) < 0.05, line
