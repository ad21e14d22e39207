"""Log-sum-exp and its family, for arrays of any shape.

Everything keeps ``float32`` and ``float64``; other real numbers become ``float64`` (``float16`` becomes ``float32``); a plain
number of Python takes the type of the array it meets. Nothing overflows and nothing warns: −∞ is the logarithm of nothing, a
sum over nothing is −∞, NaN comes from NaN and where no answer exists. Entries that a masked array masks are absent: scores count
as −∞, factors as 0. Arrays are read where they are, whatever their strides, and without the interpreter lock where they are
large: no other thread may write to them meanwhile.

With u the unit roundoff and p the softmax, results are within u·(\\|LSE\\| + \\|LSE − max\\| + H(p) + 10) of the exact
ones, for any number of terms (Blanchard, Higham and Higham, IMA J. Numer. Anal. 2021, is where to read about it).
"""

from __future__ import annotations

from typing import Any, Literal, overload

from numpy.typing import ArrayLike

from . import _engine
from ._values import switch

__all__ = ["log_softmax", "logaddexp", "logmeanexp", "logsubexp", "logsumexp", "softmax"]

#: One axis, several, or all of them.
Axis = int | tuple[int, ...] | None


@overload
def logsumexp(
    a: ArrayLike,
    axis: Axis = None,
    b: ArrayLike | None = None,
    keepdims: bool = False,
    return_sign: Literal[False] = False,
) -> Any: ...


@overload
def logsumexp(
    a: ArrayLike,
    axis: Axis = None,
    b: ArrayLike | None = None,
    keepdims: bool = False,
    *,
    return_sign: Literal[True],
) -> tuple[Any, Any]: ...


@overload
def logsumexp(
    a: ArrayLike, axis: Axis, b: ArrayLike | None, keepdims: bool, return_sign: bool
) -> Any: ...


def logsumexp(
    a: ArrayLike,
    axis: Axis = None,
    b: ArrayLike | None = None,
    keepdims: bool = False,
    return_sign: bool = False,
) -> Any:
    """Logarithm of the sum of exponentials, log Σ b·exp(a).

    Signature and results are those of :func:`scipy.special.logsumexp`, for real numbers.

    Parameters
    ----------
    a : array_like
        Scores, of any shape.
    axis : int or tuple of int, optional
        Axes to sum over; all of them by default.
    b : array_like, optional
        Factors of the exponentials, finite, of either sign, of a shape that broadcasts with that of `a`. Entries with
        factor 0 are left out, whatever their score.
    keepdims : bool, default False
        Leave the axes summed over in the result, with length 1.
    return_sign : bool, default False
        Return the sign of the sum as well, and the logarithm of its absolute value.

    Returns
    -------
    ndarray or scalar
        log Σ b·exp(a). −∞ for a sum over nothing or over entries that are all −∞; NaN where the sum is below 0 and the
        sign was not asked for.
    sign : ndarray or scalar
        1, −1 or 0, only with `return_sign`.

    Raises
    ------
    InvalidInputError
        For an axis that is not there, shapes that do not broadcast, a factor that is NaN or infinite.
    InvalidTypeError
        For what is not real numbers.

    Examples
    --------
    >>> import numpy as np, fenchel
    >>> a = np.array([[1000.0, 1000.0], [-np.inf, 3.0]])
    >>> fenchel.logsumexp(a, axis=1)
    array([1000.69314718,    3.        ])
    >>> float(fenchel.logsumexp([1000.0, 1001.0], b=[1.0, -1.0], return_sign=True)[1])
    -1.0
    """
    return _engine.logsumexp(a, axis, b, switch("keepdims", keepdims), switch("return_sign", return_sign))


def logmeanexp(a: ArrayLike, axis: Axis = None, keepdims: bool = False) -> Any:
    """Logarithm of the mean of exponentials, log (1/n) Σ exp(a).

    Parameters
    ----------
    a : array_like
        Scores, of any shape.
    axis : int or tuple of int, optional
        Axes to average over; all of them by default.
    keepdims : bool, default False
        Leave these axes in the result, with length 1.

    Returns
    -------
    ndarray or scalar
        NaN for a mean over nothing.

    Examples
    --------
    >>> import fenchel
    >>> float(fenchel.logmeanexp([-2000.0, -2000.0]))
    -2000.0
    """
    return _engine.logmeanexp(a, axis, switch("keepdims", keepdims))


def softmax(x: ArrayLike, axis: Axis = None) -> Any:
    """The gradient of log-sum-exp: exp(x)/Σ exp(x).

    Signature and results are those of :func:`scipy.special.softmax`.

    Parameters
    ----------
    x : array_like
        Scores, of any shape.
    axis : int or tuple of int, optional
        Axes along which the result sums to 1; all of them by default.

    Returns
    -------
    ndarray
        Of the shape of `x`. Scores of +∞ share all mass; where all scores are −∞ there is no mass to share, and all
        entries are NaN, without a warning.

    Examples
    --------
    >>> import fenchel
    >>> fenchel.softmax([1000.0, 1000.0, -1000.0])
    array([0.5, 0.5, 0. ])
    """
    return _engine.softmax(x, axis)


def log_softmax(x: ArrayLike, axis: Axis = None) -> Any:
    """Logarithm of the softmax, x − log Σ exp(x), exact where a probability is near 1.

    Signature and results are those of :func:`scipy.special.log_softmax`.

    Parameters
    ----------
    x : array_like
        Scores, of any shape.
    axis : int or tuple of int, optional
        Axes along which the exponentials of the result sum to 1; all of them by default.

    Returns
    -------
    ndarray
        Of the shape of `x`; NaN where all scores are −∞.

    Examples
    --------
    >>> import fenchel
    >>> fenchel.log_softmax([0.0, -40.0])
    array([-4.24835426e-18, -4.00000000e+01])
    """
    return _engine.log_softmax(x, axis)


def logaddexp(x1: ArrayLike, x2: ArrayLike) -> Any:
    """log(exp(x1) + exp(x2)), number by number; shapes broadcast.

    Examples
    --------
    >>> import numpy as np, fenchel
    >>> fenchel.logaddexp([0.0, 1000.0], [-np.inf, 1000.0])
    array([   0.        , 1000.69314718])
    """
    return _engine.logaddexp(x1, x2)


def logsubexp(x1: ArrayLike, x2: ArrayLike) -> Any:
    """log(exp(x1) − exp(x2)), number by number; shapes broadcast.

    −∞ where both are equal, NaN where x1 < x2. Exact to relative precision where they are close, and where they are far
    apart.

    Examples
    --------
    >>> import fenchel
    >>> fenchel.logsubexp([2.0, 1e-20], [2.0, 0.0])
    array([        -inf, -46.05170186])
    """
    return _engine.logsubexp(x1, x2)
