"""How many threads the engine works with."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from . import _engine
from .errors import InvalidInputError

__all__ = ["get_num_threads", "set_num_threads", "threads"]


def set_num_threads(n: int | None) -> None:
    """Sets the number of threads that everything of this package works with.

    Parameters
    ----------
    n : int or None
        At least 1; None stands for as many as this process has processors, which is how it starts unless the environment
        variable ``FENCHEL_NUM_THREADS`` says otherwise. Results do not depend on it.
    """
    if n is not None and n < 1:
        raise InvalidInputError(f"n is {n}; it must be a whole number of at least 1, or None")
    _engine.set_num_threads(0 if n is None else n)


def get_num_threads() -> int:
    """The number of threads in use.

    >>> import fenchel
    >>> with fenchel.threads(2):
    ...     fenchel.get_num_threads()
    2
    """
    return _engine.num_threads()


@contextmanager
def threads(n: int | None) -> Iterator[None]:
    """Within a ``with`` block, another number of threads; see :func:`set_num_threads`."""
    before = _engine.num_threads()
    set_num_threads(n)
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
                f"FENCHEL_NUM_THREADS is {text!r}; it must be a whole number of at least 1"
            ) from None
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_engine.after_fork)


_start()
