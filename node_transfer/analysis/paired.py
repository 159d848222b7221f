"""Differences between two models, paired by the seed."""

import dataclasses

import numpy as np

from node_transfer.analysis.inference import student_half_width


@dataclasses.dataclass(frozen=True)
class Difference:
    """A mean over seeds of left minus right.

    Attributes:
        mean: In the unit of the values.
        low, high: Ends of Student's 95 % interval; `None` with one seed.
        n: Number of seeds that both have.
    """

    mean: float
    low: float | None
    high: float | None
    n: int


def paired_difference(
    left: dict[int, float], right: dict[int, float]
) -> Difference | None:
    """Compares two models on the seeds that both have.

    Args:
        left, right: A seed to a value.

    Returns:
        A `Difference`, or `None` where no seed has both, or a value is not finite.
    """
    seeds = sorted(left.keys() & right.keys())
    values = [left[seed] - right[seed] for seed in seeds]
    if not values or not np.all(np.isfinite(values)):
        return None
    mean, low, high = float(np.mean(values)), None, None
    if len(values) > 1:
        half = student_half_width(values)
        low, high = mean - half, mean + half
    return Difference(mean, low, high, len(values))
