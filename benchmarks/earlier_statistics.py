"""The statistics used before docs/protocol.md, to show how they do beside it."""

import math
from collections.abc import Sequence

import numpy as np
from scipy import stats

CONFIDENCE = 0.95
RESAMPLES = 9999
WINDOW = 5  # epochs of the running median


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


def percentile_interval(values: Sequence[float]) -> tuple[float, float]:
    """Returns the bootstrap's percentile interval for the mean of two or more values.

    It is too narrow for few values: of three normal ones it covers their mean in about
    75 % of the cases, where 95 % are meant.
    """
    values = np.asarray(values, float)
    if np.ptp(values) == 0:
        return float(values[0]), float(values[0])
    ends = stats.bootstrap(
        (values,),
        np.mean,
        n_resamples=RESAMPLES,
        confidence_level=CONFIDENCE,
        method="percentile",
        rng=np.random.default_rng(0),
    ).confidence_interval
    return float(ends.low), float(ends.high)


def widened_interval(values: Sequence[float]) -> tuple[float, float]:
    """Returns `percentile_interval`, widened so that it covers what it says.

    Its ends are moved away from the mean by the factor t_(n-1) / z sqrt(n / (n - 1)), by
    which Student's interval is wider than a normal one with the variance of the
    resampled mean: 9.2 for n = 2, 2.7 for 3, 1.2 for 10. (Hesterberg 2015, What teachers
    should know about the bootstrap, The American Statistician 69(4), section 4.3,
    corrects this narrowness by taking other quantiles, which fewer than six values do
    not have.)
    """
    n, mean = len(values), float(np.mean(values))
    upper = (1 + CONFIDENCE) / 2
    factor = stats.t.ppf(upper, n - 1) / stats.norm.ppf(upper) * math.sqrt(n / (n - 1))
    low, high = percentile_interval(values)
    return mean + float(factor) * (low - mean), mean + float(factor) * (high - mean)
