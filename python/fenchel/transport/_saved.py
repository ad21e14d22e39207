"""Results that were saved."""

from __future__ import annotations

import json
import os
from pathlib import Path

from .. import _engine
from .._values import path
from ..errors import InvalidInputError
from ._inputs import CostFunction, cost, is_named
from .coupling import ContinuousResult
from .result import SemiDiscreteResult

__all__ = ["load"]


def load(
    directory: str | os.PathLike[str], cost_function: CostFunction | None = None
) -> SemiDiscreteResult | ContinuousResult:
    """Reads what ``save`` of a result, or the command ``fenchel transport``, wrote to a directory, to the same bits.

    Parameters
    ----------
    directory : path
        With ``result.json`` and ``plan.json``, or ``coupling.json`` for continuous transport.
    cost_function : callable, optional
        The cost, if it was a function of one's own.

    Returns
    -------
    SemiDiscreteResult or ContinuousResult
        Whichever was saved.

    Raises
    ------
    DataFileError
        If a file is not there or not what it should be.
    InvalidInputError
        If the cost was a function and none is given, or had a name and a function is given.

    Examples
    --------
    >>> import tempfile
    >>> from fenchel.transport import load, semidiscrete
    >>> plan = semidiscrete("gaussian", [[-1.0, 0.0], [1.0, 0.0]], tolerance=0.05)
    >>> with tempfile.TemporaryDirectory() as directory:
    ...     plan.save(directory)
    ...     again = load(directory)
    >>> again.value == plan.value
    True
    """
    place = path("directory", directory)
    own = None if cost_function is None else cost(cost_function)
    result: SemiDiscreteResult | ContinuousResult
    if _is_continuous(place):
        found = _engine.ContinuousSolution.load(place / "result.json", place / "coupling.json", own)
        result = ContinuousResult(found, cost_function)
    else:
        result = SemiDiscreteResult(_engine.Solution.load(place / "result.json", place / "plan.json", own), cost_function)
    if own is not None and is_named(result.cost):
        raise InvalidInputError(f"cost_function is given, but the cost is {result.cost!r}, which has a name; leave it out")
    return result


def _is_continuous(place: Path) -> bool:
    """Whether the result there is of continuous transport; there may be files of an earlier one."""
    if not (place / "coupling.json").exists():
        return False
    try:
        record = json.loads((place / "result.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return True
    return isinstance(record, dict) and "gap" in record
