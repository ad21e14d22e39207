"""Numbers, switches and paths given as arguments, checked."""

from __future__ import annotations

import math
import os
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

import numpy as np

from .errors import InvalidInputError, InvalidTypeError

if TYPE_CHECKING:
    from pathlib import Path


def number(
    name: str,
    value: Any,
    *,
    least: float | None = None,
    above: float | None = None,
    below: float | None = None,
    optional: bool = False,
) -> float | None:
    """A finite number within bounds."""
    if value is None and optional:
        return None
    bounds = [(least, "at least"), (above, "above"), (below, "below")]
    domain = " and ".join(f"{word} {bound:g}" for bound, word in bounds if bound is not None)
    expected = f"a finite number {domain}".rstrip() + (", or None" if optional else "")
    if not isinstance(value, Real) or isinstance(value, bool):
        raise InvalidTypeError(f"{name} is {value!r:.60}; it must be {expected}")
    try:
        found = float(value)
    except OverflowError:
        found = math.inf  # which is refused like any other number that is not finite
    fits = math.isfinite(found) and (least is None or found >= least)
    if not (fits and (above is None or found > above) and (below is None or found < below)):
        raise InvalidInputError(f"{name} is {value!s:.60}; it must be {expected}")
    return found


def whole(name: str, value: Any, least: int, optional: bool = False) -> int | None:
    """A whole number, at least so large."""
    if value is None and optional:
        return None
    expected = f"a whole number from {least} to 2**32 - 1" + (", or None" if optional else "")
    if not isinstance(value, Integral) or isinstance(value, bool):
        raise InvalidTypeError(f"{name} is {value!r:.60}; it must be {expected}")
    if not least <= int(value) < 2**32:
        raise InvalidInputError(f"{name} is {value!s:.60}; it must be {expected}")
    return int(value)


def switch(name: str, value: Any) -> bool:
    """True or False, or what NumPy has for them, or 1 or 0."""
    if value is True or value is False:
        return value
    if isinstance(value, np.bool_) or isinstance(value, Integral) and value in (0, 1):
        return bool(value)
    raise InvalidTypeError(f"{name} is {value!r:.60}; it must be True or False")


def path(name: str, value: Any) -> Path:
    """Where a file or a directory is."""
    from pathlib import Path  # a third of the time that importing this package would take

    try:
        return Path(os.fsdecode(value))
    except TypeError:
        raise InvalidTypeError(f"{name} is {value!r:.60}; it must be a path") from None
