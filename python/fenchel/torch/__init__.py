"""Smooth maxima, robust losses and transport for PyTorch.

Everything here is made of tensor operations, on the device and in the precision of the tensors: derivatives of any order,
``torch.compile`` and ``vmap`` (PyTorch 2.5 or later). The engine of the rest of the package is asked for names only.

==========================  ==============================================================================
:class:`RobustLoss`         the worst-case risk of per-example losses, to be minimised in place of their mean
:func:`smoothmax`           smooth maximum, weights and threshold, for any divergence
:func:`safe_logsumexp`      log-sum-exp whose gradient is bounded
:class:`DualTransportLoss`  for networks that are potentials of transport
:class:`SafeTransportLoss`  the same with gradients that are bounded
:func:`as_function`         a network as a function of arrays, for :func:`fenchel.transport.certify`
==========================  ==============================================================================
"""

from ..errors import optional

optional("torch", "torch")

from ..smooth import SmoothMax  # noqa: E402
from ._loss import RobustLoss  # noqa: E402
from ._smooth import safe_logsumexp, smoothmax  # noqa: E402
from ._transport import DualTransportLoss, SafeTransportLoss, as_function  # noqa: E402

__all__ = [
    "DualTransportLoss",
    "RobustLoss",
    "SafeTransportLoss",
    "SmoothMax",
    "as_function",
    "safe_logsumexp",
    "smoothmax",
]
