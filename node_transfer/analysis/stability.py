"""How steady a training curve is, in numbers.

A curve is x_1 ... x_n, one value an epoch: an accuracy as a fraction of 1, or a loss in
nats. A *setback* is a fall of an accuracy or a rise of a loss.
"""

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np

WINDOW = 5  # epochs of the running median
ONE_POINT = 0.01  # of accuracy, and as many nats of a loss
ROUNDING = 1e-6  # so that exactly one point, in float32, is not more than one

CURVES = {
    "val_accuracy": "Validation accuracy",
    "accuracy": "Training accuracy",
    "val_loss": "Validation loss",
    "loss": "Training loss",
}


def is_loss(curve: str) -> bool:
    return curve.endswith("loss")


def mean_absolute_change(values: Sequence[float]) -> float:
    """Returns the mean of |x_t - x_(t-1)| over t = 2 ... n; NaN for one epoch."""
    if len(values) < 2:
        return float("nan")
    with np.errstate(invalid="ignore"):
        return float(np.mean(np.abs(np.diff(values))))


def deviation_from_running_median(values: Sequence[float]) -> float:
    """Returns the root mean square of x_t - median(x_(t-2) ... x_(t+2)), t = 2 ... n-1.

    It is what is left of a curve when its trend is taken off, which the mean absolute
    change includes: 0 for a curve that only rises or only falls. The window is x_1 ...
    x_3 for t = 2 and x_(n-2) ... x_n for t = n - 1. NaN for fewer than three epochs.
    """
    x = np.asarray(values, float)
    if len(x) < 3 or not np.all(np.isfinite(x)):
        return float("nan")
    deviations = []
    for t in range(1, len(x) - 1):
        half = min(WINDOW // 2, t, len(x) - 1 - t)
        deviations.append(x[t] - np.median(x[t - half : t + half + 1]))
    return float(np.sqrt(np.mean(np.square(deviations))))


def deepest_setback(values: Sequence[float], loss: bool = False) -> float:
    """Returns the largest of (best of x_1 ... x_t) - x_t over t; 0 if there is none.

    For a loss it is x_t - (least of x_1 ... x_t).
    """
    x = np.asarray(values, float) * (-1 if loss else 1)
    with np.errstate(invalid="ignore"):
        return float(np.max(np.maximum.accumulate(x) - x))


def setbacks_over_one_point(values: Sequence[float], loss: bool = False) -> float:
    """Returns the number of t with x_(t-1) - x_t > 0.01; for a loss x_t - x_(t-1).

    NaN for a curve that has values that are not finite, as the other statistics are.
    """
    if not np.all(np.isfinite(values)):
        return float("nan")
    change = np.diff(np.asarray(values, float)) * (-1 if loss else 1)
    return float(np.sum(change < -(ONE_POINT + ROUNDING)))


@dataclasses.dataclass(frozen=True)
class Statistic:
    """One measure of steadiness.

    Attributes:
        name: Its name in CSV files.
        label: Its name in tables.
        definition: One sentence with the formula.
        compute: From a curve and whether it is a loss to the number.
        scaled: Whether it is in the unit of the curve, and not a count.
        needs_equal_starts: Whether it says as much of the climb or of the number of
            epochs as of steadiness.
    """

    name: str
    label: str
    definition: str
    compute: Callable[[Sequence[float], bool], float]
    scaled: bool = True
    needs_equal_starts: bool = False


STATISTICS = (
    Statistic(
        "mean_absolute_change",
        "Mean change",
        "the mean absolute change from one epoch to the next, mean of |x_t - x_(t-1)|, "
        "t = 2 ... n",
        lambda values, loss: mean_absolute_change(values),
        needs_equal_starts=True,
    ),
    Statistic(
        "deviation_from_running_median",
        "Around median",
        "the standard deviation around a running median of five epochs, root mean square "
        "of x_t - median(x_(t-2) ... x_(t+2)), t = 2 ... n - 1, of three at either end",
        lambda values, loss: deviation_from_running_median(values),
    ),
    Statistic(
        "deepest_setback",
        "Deepest drop",
        "the deepest drop below the best so far, max over t of max(x_1 ... x_t) - x_t; "
        "for a loss the highest rise above the least so far",
        deepest_setback,
    ),
    Statistic(
        "setbacks_over_one_point",
        "Drops over 0.01",
        "the number of epochs with a drop of more than one point from the epoch before, "
        "x_(t-1) - x_t > 0.01; for a loss a rise of more than 0.01",
        setbacks_over_one_point,
        scaled=False,
        needs_equal_starts=True,
    ),
)


def epochs_to_reach(values: Sequence[float], target: float) -> int | None:
    """Returns the first t with x_t >= target, counted from 1; None if there is none."""
    for epoch, value in enumerate(values, start=1):
        if value >= target:
            return epoch
    return None


def seconds_to_reach(
    values: Sequence[float], seconds: Sequence[float], target: float
) -> float | None:
    """Returns the seconds of the epochs up to the first with x_t >= target, or None."""
    epochs = epochs_to_reach(values, target)
    return None if epochs is None else float(np.sum(seconds[:epochs]))
