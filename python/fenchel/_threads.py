"""How many threads the engine works with."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from operator import index

from . import _engine
from .errors import InvalidInputError, InvalidTypeError

__all__ = ["get_num_threads", "set_num_threads", "threads"]

#: More threads than this are a mistake.
MOST = 4096


def set_num_threads(n: int | None) -> None:
    """Sets the number of threads that everything of this package works with.

    Parameters
    ----------
    n : int or None
        At least 1; None stands for as many as this process has processors, which is how it starts unless the environment
        variable ``FENCHEL_NUM_THREADS`` says otherwise. Results do not depend on it.

    Raises
    ------
    InvalidInputError
        Below 1 or above 4096.
    InvalidTypeError
        For what is not a whole number.

    Examples
    --------
    >>> import fenchel
    >>> fenchel.set_num_threads(1)
    >>> fenchel.get_num_threads()
    1
    >>> fenchel.set_num_threads(None)
    """
    _set(n)


def _set(n: int | None) -> int:
    """Sets the number; the one asked for before, 0 where it was None."""
    if n is None:
        return _engine.set_num_threads(0)
    try:
        whole = index(n)
    except TypeError:
        raise InvalidTypeError(f"n is {n!r:.60}; it must be a whole number of at least 1, or None") from None
    if not 1 <= whole <= MOST:
        raise InvalidInputError(f"n is {n}; it must be a whole number from 1 to {MOST}, or None")
    return _engine.set_num_threads(whole)


def get_num_threads() -> int:
    """The number of threads in use.

    Examples
    --------
    >>> import fenchel
    >>> with fenchel.threads(2):
    ...     fenchel.get_num_threads()
    2
    """
    return _engine.num_threads()


@contextmanager
def threads(n: int | None) -> Iterator[None]:
    """Within a ``with`` block, another number of threads, in all of the process; see :func:`set_num_threads`.

    Parameters
    ----------
    n : int or None
        At least 1; None stands for as many as there are processors.

    Examples
    --------
    >>> import fenchel
    >>> with fenchel.threads(1):
    ...     float(fenchel.logsumexp([0.0, 0.0]))
    0.69314718...
    """
    before = _set(n)
    try:
        yield
    finally:
        _engine.set_num_threads(before)


def _start() -> None:
    text = os.environ.get("FENCHEL_NUM_THREADS", "").strip()
    if text:
        try:
            set_num_threads(int(text))
        except ValueError:
            raise InvalidInputError(
                f"FENCHEL_NUM_THREADS is {text!r}; it must be a whole number from 1 to {MOST}"
            ) from None
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_engine.after_fork)


_start()
