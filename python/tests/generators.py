"""f and (f*)' of every divergence, written down a second time from the table in docs/smooth-maxima.md."""

import math

import numpy as np

K = math.sqrt(2) - 1 - math.asinh(1)


def xlogx(t):
    return t * np.log(np.where(t > 0, t, 1))


def beyond(f, t, cap):
    """f on [0, cap], and ∞ beyond, but for rounding."""
    return np.where(t <= cap * (1 + 1e-14), f(np.minimum(t, cap)), np.inf)


def f(name, t, atoms):
    """f(t) of the divergence of that name."""
    base, _, parameter = name.partition(":")
    x = float(parameter) if parameter else float(atoms or 0)
    t = np.asarray(t, dtype=float)
    match base:
        case "none":
            return 0 * t
        case "kl":
            return xlogx(t) - t + 1
        case "safe-kl":
            return beyond(lambda t: xlogx(t) + 1 + (1 - x * t) / x * np.log1p(np.where(x * t < 1, -x * t, 0)), t, 1 / x)
        case "safe-kl-centered":
            return f(f"safe-kl:{parameter}", t, atoms) - f(f"safe-kl:{parameter}", 1.0, atoms)
        case "chi2":
            return t * t - t
        case "tsallis":
            return t * np.expm1((x - 1) * np.log(np.where(t > 0, t, 1))) / (x - 1)
        case "hyperbolic":
            return t * np.arcsinh(t) - np.sqrt(t * t + 1) + 1 + K * t
        case "marginal-moments":
            return beyond(lambda t: -np.sqrt(t * (x - t)) + t * math.sqrt(x - 1), t, x)
        case "cvar":
            return beyond(lambda t: 0 * t, t, 1 / x)
        case "kl-cvar":
            return beyond(lambda t: xlogx(t) - t + 1, t, 1 / x)
    raise AssertionError(f"{name} is in the registry, but not here")


def conjugate_slope(name, s, atoms):
    """(f*)'(s); None where it jumps."""
    base, _, parameter = name.partition(":")
    x = float(parameter) if parameter else float(atoms or 0)
    with np.errstate(over="ignore", divide="ignore"):
        match base:
            case "none" | "cvar":
                return None
            case "kl":
                return np.exp(s)
            case "safe-kl" | "safe-kl-centered":
                return 1 / (np.exp(-s) + x)
            case "chi2":
                return np.maximum(s + 1, 0) / 2
            case "tsallis":
                return np.exp(np.log1p(np.maximum((x - 1) * (s - 1) / x, -1)) / (x - 1))
            case "hyperbolic":
                return np.sinh(np.maximum(s - K, 0))
            case "marginal-moments":
                v = s - math.sqrt(x - 1)
                return x / 2 * (1 + v / np.sqrt(1 + v * v))
            case "kl-cvar":
                return np.minimum(np.exp(s), 1 / x)
    raise AssertionError(f"{name} is in the registry, but not here")
