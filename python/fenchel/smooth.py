"""Smooth maxima: value, weights and threshold together, for any divergence."""

from __future__ import annotations

from typing import Any, NamedTuple

from numpy.typing import ArrayLike

from . import _engine
from .divergences import DivergenceLike, name_of
from .logspace import Axis

__all__ = ["SmoothMax", "entmax", "smoothmax", "sparsemax"]


class SmoothMax(NamedTuple):
    """What :func:`smoothmax` returns."""

    value: Any
    """The smooth maximum, without the axis."""
    weights: Any
    """The p that attains it, of the shape of the scores: its gradient."""
    threshold: Any
    """The dual minimiser τ, without the axis; where it is an interval, a point of it."""


def smoothmax(
    u: ArrayLike,
    divergence: DivergenceLike = "kl",
    temperature: float = 1.0,
    reference: ArrayLike | None = None,
    axis: Axis = -1,
) -> SmoothMax:
    """The smooth maximum of scores, its weights and its threshold.

    ::

        value = max over p in the simplex of  Σ p_i u_i − λ Σ η_i f(p_i/η_i)
              = min over τ of  τ + λ Σ η_i f*((u_i − τ)/λ),      p_i = η_i (f*)'((u_i − τ)/λ)

    Parameters
    ----------
    u : array_like
        Scores, finite.
    divergence : Divergence or str, default "kl"
        What f is; see :mod:`fenchel.divergences`.
    temperature : float, default 1.0
        λ > 0, in units of the scores.
    reference : array_like, optional
        Masses η_i ≥ 0, as many as there are scores along the axis (for several axes in their shape, or in a row); uniform by
        default. If they do not sum to 1 they are
        normalised; for KL value and threshold then grow by λ log Ση, so that a reference of ones gives log-sum-exp.
    axis : int, tuple of int or None, default -1
        Along which maxima are taken; None stands for all axes.

    Returns
    -------
    SmoothMax
        ``(value, weights, threshold)``. Weights are at least 0 and sum to 1; inputs of ``float32`` give results of
        ``float32`` (all arithmetic is in ``float64``).

    Raises
    ------
    NonFiniteError
        For a score that is NaN or infinite; the message says where.
    InvalidInputError
        For a temperature, reference, axis or name outside its domain.

    Notes
    -----
    Ctrl-C is heard between rows; a row is evaluated to its end.

    Ben-Tal and Teboulle, Math. Finance 2007 (optimised certainty equivalents); Taşkesen, Shafieezadeh-Abadeh and Kuhn,
    Math. Program. 2022 (smoothings of semi-discrete transport).

    Examples
    --------
    >>> import numpy as np, fenchel
    >>> top = fenchel.smoothmax([2.0, 1.7, 0.4], fenchel.Chi2(), temperature=0.5)
    >>> top.weights.round(4)
    array([0.5444, 0.4444, 0.0111])
    >>> bool(np.isclose(fenchel.smoothmax([2.0, 1.7], reference=[1, 1]).value, fenchel.logsumexp([2.0, 1.7])))
    True
    """
    return SmoothMax(*_engine.smoothmax(u, name_of(divergence), temperature, reference, axis))


def sparsemax(x: ArrayLike, axis: Axis = -1) -> Any:
    """The probability vector nearest to the scores: argmin over p in the simplex of ‖p − x‖².

    This is :func:`smoothmax` with χ², a uniform reference and λ = 1/(2n), and the same as ``entmax(x, 2)`` (Martins and
    Astudillo, ICML 2016).

    Parameters
    ----------
    x : array_like
        Scores, finite or −∞; −∞ gets no weight, and a row of nothing else gets NaN.
    axis : int, tuple of int or None, default -1
        Along which the result sums to 1; None stands for all axes.

    Examples
    --------
    >>> import fenchel
    >>> fenchel.sparsemax([1.0, 0.5, -1.0])
    array([0.75, 0.25, 0.  ])
    """
    return _engine.entmax(x, 2.0, axis)


def entmax(x: ArrayLike, q: float = 1.5, axis: Axis = -1) -> Any:
    """The q-entmax: argmax over p in the simplex of ⟨p, x⟩ + (1 − Σ p^q)/(q(q−1)).

    q = 1 is :func:`~fenchel.softmax`, q = 2 is :func:`sparsemax`; between, weights are sparse and smooth (Peters, Niculae
    and Martins, ACL 2019, who write α for q). This is :func:`smoothmax` with Tsallis(q), a uniform reference and
    λ = n^(1−q)/q.

    Parameters
    ----------
    x : array_like
        Scores, finite or −∞; −∞ gets no weight, and a row of nothing else gets NaN.
    q : float, default 1.5
        Above 0.
    axis : int, tuple of int or None, default -1
        Along which the result sums to 1; None stands for all axes.

    Examples
    --------
    >>> import fenchel
    >>> fenchel.entmax([1.0, 0.5, -1.0]).round(4)
    array([0.674, 0.326, 0.   ])
    """
    return _engine.entmax(x, q, axis)
