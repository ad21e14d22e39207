"""Sources, points and costs, in all the forms they may be given in."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import _engine
from .._arrays import floating
from ..errors import InvalidInputError, InvalidTypeError, ShapeError

#: Draws a batch: called with a generator and a number n, returns an array of shape (n, dim).
Draw = Callable[[np.random.Generator, int], ArrayLike]

#: Where mass comes from.
SourceLike = str | os.PathLike[str] | ArrayLike | Iterable[ArrayLike] | Draw

#: Costs of b points x with n points y: called with arrays of shapes (b, dim) and (n, dim), returns one of shape (b, n).
CostFunction = Callable[[NDArray[np.float64], NDArray[np.float64]], ArrayLike]

CostLike = str | CostFunction

_SUFFIXES = {".csv", ".npy", ".parquet", ".txt", ".tsv"}


def points(values: Any, name: str) -> NDArray[np.float64]:
    """Points as rows; a vector is points on the line."""
    array = np.asarray(floating(values, name), dtype=np.float64)
    if array.ndim == 1:
        array = array[:, None]
    if array.ndim != 2:
        raise ShapeError(f"{name}: expected points as rows, an array of 2 axes, found {array.ndim} axes")
    return array


def rows(x: Any, dim: int, name: str) -> tuple[NDArray[np.float64], bool]:
    """Points as rows, and whether there is one that was not given as a row."""
    array = floating(x, name)
    one = array.ndim == 0 or (array.ndim == 1 and dim > 1)
    return points(array.reshape(1, -1) if one else array, name), one


def weights(values: Any, name: str) -> NDArray[np.float64] | None:
    """Numbers, one a point."""
    if values is None:
        return None
    array = np.asarray(floating(values, name), dtype=np.float64)
    if array.ndim != 1:
        raise ShapeError(f"{name}: expected one number a point, an array of 1 axis, found {array.ndim} axes")
    return array


def label(function: Any) -> str:
    """What a function of the user's is called in results."""
    return str(getattr(function, "__name__", None) or type(function).__name__)


def source(given: Any, dim: int | None, given_weights: Any, memory: int, side: str = "source") -> _engine.Source:
    """The engine's source. Without a dimension a name has to have its own, and a function is asked for points."""
    column = f"{side}_weights"
    if _is_file(given):
        if given_weights is not None and not isinstance(given_weights, str):
            raise InvalidTypeError(f"{column} must be the name of a column for a {side} that is a file")
        return _engine.Source.files([Path(given)], given_weights, memory)
    if isinstance(given, str):
        _unweighted(given_weights, side, "a name")
        return _engine.Source.named(given if ":" in given else f"{given}:{dim}")
    if callable(given):
        _unweighted(given_weights, side, "a function")
        draw = _seeded(given)
        if dim is None:
            dim = points(draw(0, 2), f"what the {side} returned").shape[1]
        return _engine.Source.callable(draw, dim, side, label(given))
    if not hasattr(given, "__getitem__") and not hasattr(given, "__array__"):
        if not hasattr(given, "__iter__"):
            raise InvalidTypeError(
                f"{side} is of type {type(given).__name__}; it must be a name such as 'gaussian', points as rows, an iterator of "
                "such arrays, a file, or a function draw(rng, n) that returns n points"
            )
        given = _collected(given, memory, side)
    elif isinstance(given_weights, str):
        raise InvalidTypeError(f"{column} is {given_weights!r}; it must be numbers, one a point: columns are those of files")
    return _engine.Source.points(points(given, side), weights(given_weights, column), side, "points")


def sides(
    given_source: Any, given_target: Any, source_weights: Any, target_weights: Any, memory: int
) -> tuple[_engine.Source, _engine.Source]:
    """Two sources; a name without a dimension has that of the other."""

    def made(given: Any, given_weights: Any, side: str, dim: int | None) -> _engine.Source:
        return source(given, dim, given_weights, memory, side)

    if not _has_any_dimension(given_source):
        first = made(given_source, source_weights, "source", None)
        open_ = _has_any_dimension(given_target)
        return first, made(given_target, target_weights, "target", first.dim if open_ else None)
    if _has_any_dimension(given_target):
        for name in (given_source, given_target):
            _engine.Source.named(f"{name}:1")
        raise InvalidInputError(
            f"source is {given_source!r} and target is {given_target!r}, without a dimension; one must have it, "
            f"as in '{given_source}:2'"
        )
    second = made(given_target, target_weights, "target", None)
    return made(given_source, source_weights, "source", second.dim), second


def _is_file(given: Any) -> bool:
    return isinstance(given, os.PathLike) or (isinstance(given, str) and Path(given).suffix.lower() in _SUFFIXES)


def _has_any_dimension(given: Any) -> bool:
    return isinstance(given, str) and ":" not in given and not _is_file(given)


def _unweighted(given_weights: Any, side: str, what: str) -> None:
    if given_weights is not None:
        raise InvalidInputError(f"{side}_weights are for points; the {side} is {what}")


def _seeded(draw: Draw) -> Callable[[int, int], ArrayLike]:
    return lambda seed, n: draw(np.random.Generator(np.random.SFC64(seed)), n)


def _collected(batches: Iterable[Any], memory: int, side: str) -> NDArray[np.float64]:
    """All rows of an iterator, which has to end before they take more than may be loaded."""
    taken: list[NDArray[np.float64]] = []
    size, most = 0, _engine.loaded(memory)
    for i, batch in enumerate(batches):
        array = points(batch, f"batch {i} of the {side}")
        if taken and array.shape[1] != taken[0].shape[1]:
            raise ShapeError(
                f"batch {i} of the {side}: expected points of dimension {taken[0].shape[1]}, as in batch 0, "
                f"found {array.shape[1]}"
            )
        taken.append(array)
        size += array.nbytes
        if size > most:
            raise InvalidInputError(
                f"the iterator has given {size >> 20} MiB of points and goes on; with this memory {most >> 20} MiB may be loaded. "
                "Raise memory, save the points to a file and give its path, or, if they never end, give a "
                "function that draws them"
            )
    if not taken:
        raise ShapeError(f"{side}: expected at least one array of points, found an iterator that gives none")
    return np.concatenate(taken)


def cost(given: Any) -> _engine.Cost:
    """The engine's cost."""
    if isinstance(given, str):
        return _engine.Cost.named(given)
    if callable(given):
        name = label(given)
        # Results know their cost by its name, which must not be taken for the engine's.
        return _engine.Cost.callable(given, f"{name}()" if is_named(name) else name)
    raise InvalidTypeError(
        f"cost is of type {type(given).__name__}; it must be a name such as 'sqeuclidean' or a function of x and y"
    )


def is_named(name: str) -> bool:
    """Whether the engine has a cost of the name."""
    try:
        _engine.Cost.named(name)
    except InvalidInputError:
        return False
    return True


def temperature_text(given: Any) -> str:
    """λ as the engine reads it: a number, or 'rel:' and one."""
    if isinstance(given, str):
        return given
    try:
        return repr(float(given))
    except OverflowError:
        return "inf" if given > 0 else "-inf"
    except (TypeError, ValueError):
        raise InvalidTypeError(
            f"temperature is of type {type(given).__name__}; it must be a number, or text such as 'rel:0.1'"
        ) from None


def memory_bytes(given: Any) -> int:
    """A budget in bytes."""
    if isinstance(given, str):
        return _engine.parse_memory(given)
    if isinstance(given, (int, np.integer)) and not isinstance(given, bool):
        if 1 <= given < 2**63:
            return int(given)
        raise InvalidInputError(f"memory is {given!s:.60}; it must be at least 1 and less than 2**63, in bytes")
    raise InvalidTypeError(
        f"memory is of type {type(given).__name__}; it must be a number of bytes, or text such as '4GiB'"
    )
