"""Log-sum-exp and everything that is secretly the same thing.

A smooth maximum is the best average of some scores u, charged for straying from reference weights η::

    smoothmax(u) = max over p in the simplex of  Σ p_i u_i − λ Σ η_i f(p_i/η_i)

With f(t) = t log t − t + 1 it is log-sum-exp; other f make sparse weights, tail means, bounded weights. It is at once the softmax,
the inner problem of optimal transport, and the worst-case risk of robust learning:

=====================================================  =========================================================
:func:`logsumexp`, :func:`softmax`, ...                 log-sum-exp and its family
:func:`smoothmax`, :func:`sparsemax`, :func:`entmax`    any divergence
:class:`KL`, :class:`SafeKL`, :class:`CVaR`, ...        the divergences
:mod:`fenchel.robust`                                   worst-case risks; linear models for them, as scikit-learn has them
``fenchel.torch``                                       losses and smooth maxima for PyTorch (imported when asked for)
=====================================================  =========================================================

Results are checked and say how good they are; errors are :class:`FenchelError`.
"""

from . import robust
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
    "robust",
    "set_num_threads",
    "smoothmax",
    "softmax",
    "sparsemax",
    "threads",
]
