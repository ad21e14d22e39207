"""Log-sum-exp in sixty digits, by definition."""

from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal, localcontext

import numpy as np

DIGITS = Context(prec=60, Emax=MAX_EMAX, Emin=MIN_EMIN, traps=[])


def logsumexp(scores, factors=None):
    """(log |Σ b exp(a)|, its sign, the logarithm less the largest score), for finite numbers of a sum that is not 0."""
    with localcontext(DIGITS):
        scores = [Decimal(float(a)) for a in scores]
        factors = [Decimal(1)] * len(scores) if factors is None else [Decimal(float(b)) for b in factors]
        top = max(a for a, b in zip(scores, factors, strict=True) if b != 0)
        total = sum(b * (a - top).exp() for a, b in zip(scores, factors, strict=True) if b != 0)
        rest = abs(total).ln()
        return top + rest, 1 if total > 0 else -1, rest


def softmax(scores):
    """Probabilities and their logarithms, as Decimals."""
    with localcontext(DIGITS):
        _, _, rest = logsumexp(scores)
        top = Decimal(float(max(scores)))
        logs = [Decimal(float(a)) - top - rest for a in scores]
        return [it.exp() for it in logs], logs


def error(found, wanted):
    """|found − wanted| as a float."""
    with localcontext(DIGITS):
        return float(abs(Decimal(float(found)) - wanted))


def entropy(scores):
    """H(p) = −Σ p log p of the softmax."""
    shifted = np.asarray(scores, dtype=float) - np.max(scores)
    p = np.exp(shifted) / np.exp(shifted).sum()
    return float(-(p[p > 0] * np.log(p[p > 0])).sum())
