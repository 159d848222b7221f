"""How steady a training curve is, in numbers.

A curve is x_1 ... x_n, one value an epoch: an accuracy as a fraction of 1, or a loss in
nats. A *setback* is a fall of an accuracy or a rise of a loss.
"""

from collections.abc import Sequence

import numpy as np

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


def setbacks_over_one_point(values: Sequence[float], loss: bool = False) -> float:
    """Returns the number of t with x_(t-1) - x_t > 0.01; for a loss x_t - x_(t-1).

    NaN for a curve that has values that are not finite, as the other statistics are.
    """
    if not np.all(np.isfinite(values)):
        return float("nan")
    change = np.diff(np.asarray(values, float)) * (-1 if loss else 1)
    return float(np.sum(change < -(ONE_POINT + ROUNDING)))


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
