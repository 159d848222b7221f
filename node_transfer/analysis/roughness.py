"""How rough a training curve is, whatever its climb: see docs/protocol.md.

A curve is x_1 ... x_n, one value an epoch: an accuracy as a fraction of 1, or a loss in
nats.
"""

from collections.abc import Sequence

import numpy as np

from node_transfer.analysis.stability import epochs_to_reach

WINDOWS = {"short": (3, 10), "early": (11, 50), "late": (61, 100)}  # epochs, both in
LEVEL_PART = 4  # the level of a curve is that of its last quarter
LEVEL_EPOCHS = 3  # or of so many epochs, where a quarter is less


def squares(
    values: Sequence[float], window: tuple[int, int], rates: Sequence[float] | None = None
) -> np.ndarray:
    """Returns (x_(t-1) - 2 x_t + x_(t+1))^2 / 6 for the epochs of a window.

    A straight line has none, however steep it is, and noise of the variance s^2, a new
    draw each epoch, has s^2 on average, whatever line it lies on (von Neumann 1941,
    Rice 1984: the estimate of a noise variance by second differences).

    Args:
        values: The curve.
        window: Its first and last epoch, counted from 1; t - 1 and t + 1 lie within it.
        rates: The learning rate of each epoch: triples in which it changes are left
            out, since the step that a curve takes there is no noise. `None`: it is
            constant.

    Returns:
        An array, one entry a triple; empty where the curve does not fill the window.
    """
    first, last = window
    if len(values) < last:
        return np.array([])
    x = np.asarray(values, float)[first - 1 : last]
    result = np.square(x[:-2] - 2 * x[1:-1] + x[2:]) / 6
    if rates is None:
        return result
    r = np.asarray(rates, float)[first - 1 : last]
    return result[(r[:-2] == r[1:-1]) & (r[1:-1] == r[2:])]


def roughness(
    values: Sequence[float], window: tuple[int, int], rates: Sequence[float] | None = None
) -> float:
    """Returns the root of the mean of `squares`, in the unit of the curve.

    NaN where no triple of the window has one learning rate, or a value is not finite.
    """
    found = squares(values, window, rates)
    return float(np.sqrt(found.mean())) if len(found) else float("nan")


def deepest_drop(values: Sequence[float], start: float, loss: bool = False) -> float:
    """Returns the deepest fall below the best so far, the starting point included.

    Args:
        values: The curve.
        start: x_0, the value before the first epoch.
        loss: Whether it is a loss, of which a rise is a fall.
    """
    x = np.array([start, *values], float) * (-1 if loss else 1)
    return float(np.max(np.maximum.accumulate(x) - x))


def level(values: Sequence[float]) -> float:
    """Returns where a curve arrived: the median of its last quarter.

    At least three epochs of it, or all where it has fewer. Unlike the best value, it
    does not grow with the number of epochs that the best is chosen from.
    """
    count = max(LEVEL_EPOCHS, len(values) // LEVEL_PART)
    return float(np.median(np.asarray(values, float)[-count:]))


def epochs_to_level(values: Sequence[float], target: float, loss: bool = False) -> float:
    """Returns the first epoch, from 1, at the target or beyond it; infinity for none."""
    sign = -1 if loss else 1
    return float(
        epochs_to_reach([sign * x for x in values], sign * target) or float("inf")
    )
