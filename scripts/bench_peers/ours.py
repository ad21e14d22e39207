"""Builds and runs fenchel's own benches and its command, and reads the JSON lines they print."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


class Unavailable(Exception):
    """Our side of a comparison could not be built or run; the message says why."""


def _cargo(arguments: list[str], wanted_kind: str, wanted_name: str) -> Path:
    """Build with cargo and return the path of the wanted target: an executable or a library."""
    command = ["cargo", *arguments, "--message-format=json-render-diagnostics"]
    build = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    if build.returncode != 0:
        raise Unavailable(f"`cargo {' '.join(arguments)}` failed")
    for line in build.stdout.splitlines():
        message = json.loads(line)
        target = message.get("target", {})
        if (
            message.get("reason") == "compiler-artifact"
            and wanted_kind in target.get("kind", [])
            and target.get("name") == wanted_name
        ):
            return Path(message.get("executable") or message["filenames"][0])
    raise Unavailable(f"cargo built no {wanted_kind} called {wanted_name}")


def build_bench(name: str, package: str = "fenchel") -> Path:
    """The executable of the bench target ``name`` of the engine, or of another package."""
    if not (ROOT / "crates" / package / "benches" / f"{name}.rs").exists():
        raise Unavailable(f"crates/{package}/benches/{name}.rs does not exist")
    return _cargo(["bench", "-p", package, "--bench", name, "--no-run"], "bench", name)


def build_command() -> Path:
    """The executable of the command ``fenchel``, with optimisation."""
    return _cargo(["build", "--release", "-p", "fenchel-cli", "--bin", "fenchel"], "bin", "fenchel")


def build_package(directory: Path) -> None:
    """Put the Python package with its extension into ``directory``, to be imported from there."""
    library = _cargo(["build", "--release", "-p", "fenchel-python"], "cdylib", "_engine")
    package = directory / "fenchel"
    shutil.rmtree(package, ignore_errors=True)
    shutil.copytree(ROOT / "python" / "fenchel", package, ignore=shutil.ignore_patterns("*.so", "__pycache__"))
    shutil.copyfile(library, package / "_engine.abi3.so")


def json_lines(executable: Path, arguments: list[str], timeout: float) -> list[dict[str, Any]]:
    """Run an executable and parse the lines of its output that are JSON objects."""
    try:
        run = subprocess.run(
            [str(executable), *arguments],
            cwd=ROOT / "crates" / "fenchel",
            stdout=subprocess.PIPE,
            text=True,
            timeout=timeout,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise Unavailable(f"{executable.name} did not end within {timeout:.0f} s") from error
    if run.returncode != 0:
        raise Unavailable(f"{executable.name} ended with exit code {run.returncode}")
    lines = (line.strip() for line in run.stdout.splitlines())
    return [json.loads(line) for line in lines if line.startswith("{")]


class RateBench:
    """One of our benches that prints rates; built once, run once a round."""

    def __init__(self, bench: str, unit: str, package: str = "fenchel") -> None:
        self._unit = unit
        self.missing: str | None = None
        self._executable: Path | None = None
        try:
            self._executable = build_bench(bench, package)
        except Unavailable as error:
            self.missing = str(error)

    def lines(self) -> list[dict[str, Any]]:
        """What one round prints; empty when the bench is unavailable."""
        if self._executable is None:
            return []
        try:
            return json_lines(self._executable, ["--bench"], timeout=300)
        except Unavailable as error:
            self.missing = str(error)
            return []

    def run(self) -> dict[str, float]:
        """Rates by name of one round."""
        return {line["name"]: float(line[self._unit]) for line in self.lines() if self._unit in line}


@dataclass(frozen=True)
class CommandRun:
    """One cold run of the command ``fenchel transport``."""

    seconds: float
    result: dict[str, Any]


def run_transport(executable: Path, arguments: list[str], timeout: float) -> CommandRun:
    """Run ``fenchel transport … --json``; the seconds are those of the whole process."""
    command = [str(executable), "transport", *arguments, "--quiet", "--json"]
    start = time.perf_counter()
    try:
        run = subprocess.run(
            command, stdout=subprocess.PIPE, text=True, timeout=timeout, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise Unavailable(f"fenchel transport did not end within {timeout:.0f} s") from error
    seconds = time.perf_counter() - start
    # Exit code 1 means "not converged": the potential is still there to be judged.
    if run.returncode not in (0, 1):
        raise Unavailable(f"fenchel transport ended with exit code {run.returncode}")
    try:
        return CommandRun(seconds, json.loads(run.stdout))
    except json.JSONDecodeError as error:
        raise Unavailable("fenchel transport --json printed no JSON") from error
