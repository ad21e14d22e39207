"""What becomes of arguments that are not arrays of ``float32`` or ``float64``."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import InvalidTypeError

#: An array of one of the two types of numbers that the engine computes with.
Floats = NDArray[np.float32] | NDArray[np.float64]


def floating(values: Any, name: str) -> Floats:
    """Numbers as an array in native byte order: ``float32`` and ``float16`` as ``float32``, all others as ``float64``.

    A masked entry of a masked array is one that is absent: −∞.
    """
    if isinstance(values, np.ma.MaskedArray):
        numbers = np.ma.asarray(values, dtype=_kind(values.dtype, values, name))
        array = np.ma.filled(numbers, -np.inf)
    else:
        array = np.asarray(values)
    return np.require(array, dtype=_kind(array.dtype, values, name), requirements="A")


def _kind(dtype: np.dtype[Any], values: Any, name: str) -> type[np.float32] | type[np.float64]:
    if dtype.kind == "f":
        return np.float32 if dtype.itemsize <= 4 else np.float64
    if dtype.kind in "biu":
        return np.float64
    if dtype.kind == "O":
        try:
            np.asarray(values, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise InvalidTypeError(f"{name} is {values!r:.60}; it must be an array of numbers ({error})") from None
        return np.float64
    what = {"c": "complex numbers", "U": "text", "S": "bytes", "M": "dates", "m": "time spans"}.get(dtype.kind, str(dtype))
    raise InvalidTypeError(f"{name} is an array of {what}; it must be one of real numbers")
