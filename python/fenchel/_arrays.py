"""What becomes of arguments that are not arrays of ``float32`` or ``float64``."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import InvalidInputError, InvalidTypeError

#: An array of one of the two types of numbers that the engine computes with.
Floats = NDArray[np.float32] | NDArray[np.float64]


#: What a masked entry of a masked array stands for, by the argument's name: an entry that is absent.
_ABSENT = {"b": 0.0, "reference": 0.0}


def floating(values: Any, name: str) -> Floats:
    """Numbers as an array in native byte order: ``float32`` and ``float16`` as ``float32``, all others as ``float64``.

    A masked entry of a masked array is one that is absent: the score −∞, or the mass 0.
    """
    array = values if isinstance(values, np.ma.MaskedArray) else _array(values, name)
    kind = _kind(array.dtype, values, name)
    with np.errstate(over="ignore", invalid="ignore"):  # numbers beyond float64 are infinite
        if isinstance(array, np.ma.MaskedArray):
            array = np.ma.filled(np.ma.asarray(array, dtype=kind), _ABSENT.get(name, -np.inf))
        return np.require(array, dtype=kind, requirements="A")


def _array(values: Any, name: str) -> NDArray[Any]:
    if values is None:
        raise InvalidTypeError(f"{name} is None; it must be an array of numbers")
    try:
        return np.asarray(values)
    except ValueError as error:
        raise InvalidInputError(f"{name} cannot be made an array; it must be one of numbers ({error})") from None
    except (TypeError, RuntimeError) as error:  # tensors with a gradient, on a device, or of a type that NumPy does not have
        raise InvalidTypeError(f"{name} cannot be made an array; it must be one of numbers ({error})") from None


def _kind(dtype: np.dtype[Any], values: Any, name: str) -> type[np.float32] | type[np.float64]:
    if dtype.kind == "f":
        return np.float32 if dtype.itemsize <= 4 else np.float64
    if dtype.kind in "biu":
        return np.float64
    if dtype.kind == "O":
        try:
            np.asarray(values, dtype=np.float64)
        except (TypeError, ValueError, OverflowError) as error:
            what = "an array of objects" if np.ndim(values) else f"{values!r:.60}"
            raise InvalidTypeError(f"{name} is {what}; it must be an array of numbers ({error})") from None
        return np.float64
    what = {"c": "complex numbers", "U": "text", "S": "bytes", "M": "dates", "m": "time spans"}.get(dtype.kind, str(dtype))
    raise InvalidTypeError(f"{name} is an array of {what}; it must be one of real numbers")
