"""Optimal transport with a certificate: :func:`semidiscrete`, from anything one can draw from to finitely many points."""

from .result import Bounds, HistoryPoint, Interval, MarginalError, SemiDiscreteResult, load
from .semidiscrete import semidiscrete

__all__ = [
    "Bounds",
    "HistoryPoint",
    "Interval",
    "MarginalError",
    "SemiDiscreteResult",
    "load",
    "semidiscrete",
]
