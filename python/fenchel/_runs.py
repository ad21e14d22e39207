"""What all long runs have in common: seeds, progress bars, how they are interrupted."""

from __future__ import annotations

import math
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

import numpy as np

from ._values import switch
from .errors import ConvergenceWarning, Interrupted, InvalidInputError, InvalidTypeError, optional

#: A whole number, a NumPy generator (of which one number is drawn), or None for a seed from the system.
Seed = int | np.random.Generator | None

#: Called with phase, fraction done, samples drawn, error, error aimed at.
Report = Callable[[str, float, int, float, float], None]


def seed_number(seed: Seed) -> int:
    """A seed as a whole number below 2⁶⁴."""
    if seed is None:
        return int(np.random.default_rng().integers(2**63))
    if isinstance(seed, np.random.Generator):
        return int(seed.integers(2**63))
    if isinstance(seed, (int, np.integer)) and not isinstance(seed, bool):
        if 0 <= seed < 2**64:
            return int(seed)
        raise InvalidInputError(f"seed is {seed}; it must be from 0 to 2**64 - 1")
    raise InvalidTypeError(
        f"seed is of type {type(seed).__name__}; it must be a whole number, a numpy.random.Generator, or None"
    )


@contextmanager
def reporting(progress: bool | Report) -> Iterator[Report | None]:
    """A progress bar by tqdm for True, the function itself for a function, nothing for False."""
    if callable(progress):
        yield progress
        return
    if not switch("progress", progress):
        yield None
        return
    tqdm = optional("tqdm.auto", "progress")
    with tqdm.tqdm(total=100, bar_format="{desc} {percentage:3.0f}%|{bar}| {elapsed}{postfix}") as bar:

        def report(phase: str, fraction: float, samples: int, error: float, target: float) -> None:
            bar.set_description_str(phase, refresh=False)
            # A training aims at no error, and knows one only where rows are held back.
            known = [f"{word} {it:.2g}" for word, it in (("error", error), ("wanted", target)) if not math.isnan(it)]
            bar.set_postfix_str(", ".join([*known, f"{samples:,} samples"]), refresh=False)
            bar.n = round(100 * min(max(fraction, 0.0), 1.0))
            bar.refresh()

        yield report


_PACKAGE = os.path.dirname(__file__) + os.sep


def warn(message: str, category: type[Warning] = ConvergenceWarning) -> None:
    """Warns at the line that called this package, however deep in it this is called."""
    frame, level = sys._getframe(1), 2
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)


def raise_stopped(stopped: BaseException, result: Any) -> NoReturn:
    """Raises what ended a run early: :class:`Interrupted` with the result for Ctrl-C, else the exception itself."""
    if isinstance(stopped, KeyboardInterrupt):
        raise Interrupted("interrupted; what there was is in .result", result) from None
    raise stopped
