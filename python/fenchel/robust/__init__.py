"""Robust learning: models that hold up where the rows to come are not quite like the rows at hand.

An ordinary fit minimises the mean of the losses of all rows; a robust one the worst mean over weights near equal ones::

    min over θ of  max over p of  Σ p_i ℓ_i(θ) − λ D_f(p‖p̂)            penalised, by a temperature λ
    min over θ of  max over p of  Σ p_i ℓ_i(θ)   with  D_f(p‖p̂) ≤ r     constrained, to a radius r

The inner maximum is a smooth maximum of the losses. Fits of linear models are exact: they come with a lower bound that no
coefficients get below. Networks are trained by stochastic gradients.

=========================================================  =====================================================
:func:`risk`                                               the worst-case mean of losses of whatever model
:class:`RobustRegressor`, :class:`RobustClassifier`        linear models in the manner of scikit-learn
:class:`RobustRegressorCV`, :class:`RobustClassifierCV`    the same with a strength chosen on held-out rows
:class:`RobustMLPRegressor`, :class:`RobustMLPClassifier`  networks of layers of units
:class:`RobustCNNRegressor`, :class:`RobustCNNClassifier`  networks for images
=========================================================  =====================================================

The estimators need scikit-learn, which is imported when one of them is first asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ..errors import optional
from ._risk import WorstCase, risk

if TYPE_CHECKING:
    from ._estimators import RobustClassifier, RobustRegressor
    from ._networks import RobustCNNClassifier, RobustCNNRegressor, RobustMLPClassifier, RobustMLPRegressor
    from ._validation import RobustClassifierCV, RobustRegressorCV

__all__ = [
    "RobustCNNClassifier",
    "RobustCNNRegressor",
    "RobustClassifier",
    "RobustClassifierCV",
    "RobustMLPClassifier",
    "RobustMLPRegressor",
    "RobustRegressor",
    "RobustRegressorCV",
    "WorstCase",
    "risk",
]

_ESTIMATORS = {
    "RobustCNNClassifier": "_networks",
    "RobustCNNRegressor": "_networks",
    "RobustClassifier": "_estimators",
    "RobustClassifierCV": "_validation",
    "RobustMLPClassifier": "_networks",
    "RobustMLPRegressor": "_networks",
    "RobustRegressor": "_estimators",
    "RobustRegressorCV": "_validation",
}


def __getattr__(name: str) -> Any:
    if name not in _ESTIMATORS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    optional("sklearn", "sklearn")
    return getattr(import_module(f".{_ESTIMATORS[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted({*__all__}.union(name for name in globals() if name.startswith("__")))
