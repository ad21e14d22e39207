"""What can go wrong, said in the user's terms: what, where, and what it must be.

::

    FenchelError
    ├── InvalidInputError (ValueError)
    │   ├── ShapeError            two things do not fit together
    │   ├── NonFiniteError        NaN or infinity where a finite number is needed
    │   ├── UnknownNameError      no divergence, cost, loss, source of that name
    │   ├── InfeasibleError       a transport problem without a plan
    │   └── UnboundedError        a bound that is infinite
    ├── InvalidTypeError (TypeError)
    ├── DataFileError (OSError)
    └── MissingDependencyError (ImportError)

    Interrupted (KeyboardInterrupt)         Ctrl-C; what there was so far is in ``.result``
    ConvergenceWarning (UserWarning)        a result that does not hold what was asked for
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType
from typing import Any

__all__ = [
    "ConvergenceWarning",
    "DataFileError",
    "FenchelError",
    "InfeasibleError",
    "Interrupted",
    "InvalidInputError",
    "InvalidTypeError",
    "MissingDependencyError",
    "NonFiniteError",
    "ShapeError",
    "UnboundedError",
    "UnknownNameError",
]


class FenchelError(Exception):
    """Every error of this package."""


class InvalidInputError(FenchelError, ValueError):
    """A parameter is outside its domain."""


class ShapeError(InvalidInputError):
    """Two things do not fit together: a length, a dimension, a number of columns."""


class NonFiniteError(InvalidInputError):
    """A number that must be finite is NaN or infinite; the message says where."""


class UnknownNameError(InvalidInputError):
    """A name that no registry knows; the nearest is suggested."""


class InfeasibleError(InvalidInputError):
    """A problem without a solution: an atom asks for more mass than the divergence lets it have."""


class UnboundedError(InvalidInputError):
    """A bound that is infinite and so carries no information."""


class InvalidTypeError(FenchelError, TypeError):
    """An argument is of a type that cannot be used."""


class DataFileError(FenchelError, OSError):
    """A file could not be read, understood or written; the message has line and column where known."""


class MissingDependencyError(FenchelError, ImportError):
    """A package that is needed for this, and only for this, is not installed."""


class Interrupted(KeyboardInterrupt):
    """Ctrl-C during a long run. Not an :class:`Exception`, so that it is not swallowed by accident.

    Attributes
    ----------
    result
        What there was when the run stopped, with ``status == "interrupted"``; None if there was nothing yet.
    """

    def __init__(self, message: str = "interrupted", result: Any = None) -> None:
        super().__init__(message)
        self.result = result


class ConvergenceWarning(UserWarning):
    """A result does not hold what was asked for; its ``status`` says how the run ended."""


def optional(module: str, extra: str) -> ModuleType:
    """A module of a package that need not be installed, or an error that says how to install it."""
    try:
        return import_module(module)
    except ImportError as error:
        package = module.split(".")[0]
        raise MissingDependencyError(
            f"{package} is needed here and cannot be imported ({error}); pip install 'fenchel[{extra}]'"
        ) from error
