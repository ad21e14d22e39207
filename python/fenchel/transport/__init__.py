"""Optimal transport with a certificate.

:func:`semidiscrete` goes from anything one can draw from to finitely many points, :func:`continuous` between any two things one can
draw from; :func:`certify` says how good a potential of one's own is.
"""

from ._saved import load
from .continuous import certify, continuous
from .coupling import ContinuousResult, Marginal, Marginals, Stage
from .result import Bounds, HistoryPoint, Interval, MarginalError, SemiDiscreteResult
from .semidiscrete import semidiscrete

__all__ = [
    "Bounds",
    "ContinuousResult",
    "HistoryPoint",
    "Interval",
    "Marginal",
    "MarginalError",
    "Marginals",
    "SemiDiscreteResult",
    "Stage",
    "certify",
    "continuous",
    "load",
    "semidiscrete",
]
