"""Log-sum-exp and everything that is secretly the same thing.

A smooth maximum is the best average of some scores u, charged for straying from reference weights η::

    smoothmax(u) = max over p in the simplex of  Σ p_i u_i − λ Σ η_i f(p_i/η_i)

With f(t) = t log t − t + 1 it is log-sum-exp; other f make sparse weights, tail means, bounded weights. It is at once the
softmax, the inner problem of optimal transport, and the worst-case risk of robust learning:

=====================================================  =========================================================
:func:`logsumexp`, :func:`softmax`, ...                 log-sum-exp and its family
:func:`smoothmax`, :func:`sparsemax`, :func:`entmax`    any divergence
:class:`KL`, :class:`SafeKL`, :class:`CVaR`, ...        the divergences
``fenchel.transport``                                   optimal transport with a certificate
``fenchel.robust``                                      worst-case risks; robust models with the manners of scikit-learn
``fenchel.torch``                                       losses and smooth maxima for PyTorch
``fenchel.pot``                                         the functions of POT's ``ot.semidiscrete``
=====================================================  =========================================================

The last four are imported when they are asked for. Results say how good they are; errors are :class:`FenchelError`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ._engine import __version__
from ._threads import get_num_threads, set_num_threads, threads
from .divergences import (
    KL,
    Chi2,
    CVaR,
    Divergence,
    Hyperbolic,
    KLCVaR,
    MarginalMoments,
    NoSmoothing,
    SafeKL,
    Tsallis,
    divergence,
)
from .errors import ConvergenceWarning, FenchelError, Interrupted
from .logspace import log_softmax, logaddexp, logmeanexp, logsubexp, logsumexp, softmax
from .smooth import SmoothMax, entmax, smoothmax, sparsemax

__all__ = [
    "CVaR",
    "Chi2",
    "ConvergenceWarning",
    "Divergence",
    "FenchelError",
    "Hyperbolic",
    "Interrupted",
    "KL",
    "KLCVaR",
    "MarginalMoments",
    "NoSmoothing",
    "SafeKL",
    "SmoothMax",
    "Tsallis",
    "__version__",
    "divergence",
    "entmax",
    "get_num_threads",
    "log_softmax",
    "logaddexp",
    "logmeanexp",
    "logsubexp",
    "logsumexp",
    "set_num_threads",
    "smoothmax",
    "softmax",
    "sparsemax",
    "threads",
]

if TYPE_CHECKING:
    from . import pot as pot
    from . import robust as robust
    from . import torch as torch
    from . import transport as transport

_MODULES = ("pot", "robust", "torch", "transport")


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    shown = {*__all__, *_MODULES, "divergences", "errors"}
    return sorted(shown.union(name for name in globals() if name.startswith("__")))
