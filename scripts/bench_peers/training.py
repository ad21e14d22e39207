"""e) Robust least squares from batches against a loop in PyTorch, and from a file larger than memory."""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path

import numpy as np
import torch
from numpy.lib.format import open_memmap

from bench_peers import ours
from bench_peers.report import Row, Section

#: Times that an epoch of the same method is to be faster, by the rows of a batch; of more rows than so many memory is
#: the limit of both.
GOALS = {10: 100.0, 100: 20.0, 1000: 10.0}
LARGE = 100_000
RHO = 0.1
STEP = 1e-6
#: Rows and features of the file that is streamed, and what it may take.
STREAMED = (10_000_000, 20)
MEMORY_MIB = 500


def torch_epoch(data: np.ndarray, batch: int, strength: float, seconds: float) -> float:
    """Seconds of an epoch of joint stochastic gradients with safe KL, as one writes it on slices of tensors.

    A long epoch is timed by its first batches."""
    x = torch.from_numpy(np.column_stack([data[:, :-1], np.ones(len(data))]))
    y = torch.from_numpy(np.ascontiguousarray(data[:, -1]))
    theta = torch.zeros(x.shape[1], dtype=torch.float64, requires_grad=True)
    alpha = torch.zeros((), dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.SGD([theta, alpha], lr=STEP, momentum=0.9, nesterov=True)
    softplus = torch.nn.functional.softplus
    shift = float(np.log(RHO))
    torch.manual_seed(1)
    start = time.perf_counter()
    order = torch.randperm(len(y))
    x, y = x[order], y[order]
    done = 0
    for at in range(0, len(y), batch):
        optimiser.zero_grad()
        residual = x[at : at + batch] @ theta - y[at : at + batch]
        excess = (residual * residual - alpha) / strength
        loss = alpha + strength / RHO * softplus(excess + shift).mean()
        loss.backward()
        optimiser.step()
        done += len(residual)
        if time.perf_counter() - start > seconds:
            break
    return (time.perf_counter() - start) * len(y) / done


def epochs(section: Section, executable: Path, path: Path, data: np.ndarray, quick: bool) -> None:
    """Seconds an epoch: the same method in PyTorch, and what we take if nothing is said."""
    strength = 1.0
    for batch, goal in GOALS.items():
        theirs = min(torch_epoch(data, batch, strength, 5.0) for _ in range(1 if quick else 3))
        for method, label in (("joint", "joint SGD"), ("passes", "our default")):
            arguments = ["--train", str(path), "--method", method, "--lambda", repr(strength)]
            arguments += ["--batch", str(batch), "--step", repr(STEP), "--rho", repr(RHO)]
            line = ours.json_lines(executable, arguments, timeout=600)[0]
            section.rows.append(
                Row(
                    case=f"{label}, batch {batch:,}, {data.shape[0]:,} × {data.shape[1] - 1}",
                    peer="PyTorch",
                    unit="s an epoch",
                    ours=1.0 / line["epochs_per_second"],
                    theirs=theirs,
                    goal=goal if method == "joint" and len(data) < LARGE else None,
                    smaller_is_better=True,
                )
            )


def _large(path: Path, rows: int, columns: int) -> None:
    """A table of features and a label in its last column, written a piece at a time."""
    file = open_memmap(path, mode="w+", dtype=np.float64, shape=(rows, columns + 1))
    rng, piece = np.random.default_rng(3), 100_000
    slopes = 0.4 / (1.0 + np.arange(columns))
    for at in range(0, rows, piece):
        x = rng.standard_normal((min(piece, rows - at), columns))
        x[:, ::2] = np.exp(0.7 * x[:, ::2]) - np.exp(0.245)
        file[at : at + len(x), :-1] = x
        file[at : at + len(x), -1] = x @ slopes + 0.5 * rng.gumbel(size=len(x))
    file.flush()


def _read(path: Path) -> float:
    """Seconds to read a file from its beginning to its end, as far as may be from the disk."""
    with path.open("rb", buffering=0) as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        room, start = bytearray(1 << 22), time.perf_counter()
        while file.readinto(room):
            pass
        return time.perf_counter() - start


def _peak(process: int) -> int:
    """The most memory that a process has taken so far, in KiB; 0 once it has ended."""
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:
        return 0
    return max((int(line.split()[1]) for line in lines if line.startswith("VmHWM")), default=0)


def streamed(section: Section, work: Path) -> None:
    """Rows a second from a file larger than the memory allowed, beside reading it and doing nothing."""
    rows, columns = STREAMED
    path = work / f"robust-{rows}.npy"
    if not path.exists():
        _large(path, rows, columns)
    command = ours.build_command()
    read = min(_read(path) for _ in range(2))
    out = work / "robust-streamed"
    arguments = [str(path), "--target", str(columns + 1), "--divergence", "kl", "--lambda", "1"]
    arguments += ["--memory", "800MB", "--tolerance", "1e-2", "--out", str(out), "--quiet", "--no-pictures"]
    start = time.perf_counter()
    run = subprocess.Popen([str(command), "robust", *arguments], stdout=subprocess.DEVNULL)
    peak = 0
    while (code := run.poll()) is None:
        peak = max(peak, _peak(run.pid))
        time.sleep(0.02)
    seconds = time.perf_counter() - start
    if code not in (0, 1):
        section.remarks.append(f"streamed: fenchel robust ended with exit code {code}")
        return
    found = json.loads((out / "result.json").read_text())
    passes = found["training"]["passes"]
    section.rows.append(
        Row(
            case=f"streamed, {rows:,} × {columns}, kl, λ = 1",
            peer="reading the file",
            unit="rows/s",
            ours=passes * rows / found["seconds"],
            theirs=rows / read,
            note=f"{found['status']} after {passes} passes, {seconds:.0f} s",
        )
    )
    section.remarks.append(
        f"streamed: peak {peak / 1024:.0f} MiB of at most {MEMORY_MIB}; a pass reads the file, shuffles, learns, and reads it "
        f"again for the objective and its bound; reading alone {path.stat().st_size / read / 1e9:.2f} GB/s"
    )
