"""Do the statistics of docs/protocol.md do what they say? Simulated noise, known truth.

    python -m benchmarks.protocol_statistics

Prints the tables of the protocol, and writes them to results/protocol_statistics.json.
"""

import json
import math

import numpy as np
from scipy import stats
from tabulate import tabulate

from benchmarks import earlier_statistics
from benchmarks.timing import RESULTS
from node_transfer.analysis import inference, roughness

SEED_COUNTS = (3, 5, 10)
TRIALS = 20_000
BOOTSTRAP_TRIALS = 1_000  # a bootstrap of each takes a while
CURVE_TRIALS = 2_000


def normal(rng, shape):
    """Noise of mean 0 and variance 1."""
    return rng.standard_normal(shape)


def skewed(rng, shape):
    """As `normal`, exponential: many small values below the mean, few far above it."""
    return rng.exponential(1, shape) - 1


def spiky(rng, shape):
    """As `normal` on nine draws of ten; on the tenth a fall of 8. Of mean 0."""
    x = rng.standard_normal(shape)
    return np.where(rng.random(shape) < 0.1, x - 8, x) + 0.8


NOISES = (normal, skewed, spiky)


def coverage_of_seed_intervals() -> list[dict]:
    """How often 95 % intervals for the mean of n paired differences hold it."""
    rows = []
    for noise in NOISES:
        for n in SEED_COUNTS:
            rng = np.random.default_rng(n)
            x = noise(rng, (TRIALS, n))
            quantile = stats.t.ppf(0.975, n - 1)
            half = quantile * x.std(1, ddof=1) / math.sqrt(n)
            student = np.abs(x.mean(1)) <= half
            # Images that all seeds share: noise of one draw, known from the many images.
            shared = rng.standard_normal(TRIALS)
            both = x.mean(1) + shared
            alone = np.abs(both) <= half
            combined = np.abs(both) <= np.hypot(half, 1.96 * math.sqrt(1 + 1 / n))
            bootstrap = [
                low <= 0 <= high
                for low, high in map(
                    earlier_statistics.widened_interval, x[:BOOTSTRAP_TRIALS]
                )
            ]
            rows.append(
                {
                    "noise": noise.__name__,
                    "n": n,
                    "student": student.mean(),
                    "widened_bootstrap": np.mean(bootstrap),
                    "student_with_image_noise": alone.mean(),
                    "combined_with_image_noise": combined.mean(),
                }
            )
    return rows


def scores_of_curves() -> list[dict]:
    """What roughness, and the deviation around a running median, make of known curves."""
    t = np.arange(1, 101)
    curves = {
        "noise of 1 on a constant": (0 * t, normal, 1),
        "noise of 1 on a climb of 2 an epoch": (2 * t, normal, 1),
        "noise of 1 on a climb of 10 an epoch": (10 * t, normal, 1),
        "a climb of 10 an epoch, no noise": (10 * t, normal, 0),
        "40 (1 - exp(-t / 10)), no noise": (40 * (1 - np.exp(-t / 10)), normal, 0),
        "spiky noise (sd 2.6) on a constant": (0 * t, spiky, 1),
    }
    rows = []
    for name, (trend, noise, size) in curves.items():
        rng = np.random.default_rng(0)
        x = trend + size * noise(rng, (CURVE_TRIALS, len(t)))
        row = {"curve": name}
        for window in roughness.WINDOWS:
            found = [roughness.roughness(c, roughness.WINDOWS[window]) for c in x]
            row[f"roughness_{window}"] = float(np.sqrt(np.mean(np.square(found))))
        for length in (8, 100):
            found = [
                earlier_statistics.deviation_from_running_median(c[:length]) for c in x
            ]
            row[f"around_median_{length}"] = float(np.sqrt(np.mean(np.square(found))))
        rows.append(row)
    return rows


def coverage_within_runs() -> list[dict]:
    """How often the interval of a ratio of two curves' roughness holds the true 1."""

    def correlated(rng, shape):
        x = rng.standard_normal((shape[0], shape[1] + 20))
        for t in range(1, x.shape[1]):
            x[:, t] += 0.5 * x[:, t - 1]
        return x[:, 20:]

    rows = []
    window = roughness.WINDOWS["late"]
    for noise in (normal, correlated, spiky):
        rng = np.random.default_rng(1)
        left, right = (noise(rng, (CURVE_TRIALS // 2, window[1])) for _ in range(2))
        held = []
        for a, b in zip(left, right, strict=True):
            squares = roughness.squares(a, window), roughness.squares(b, window)
            _, low, high = inference.within_run_ratio(*squares)
            held.append(low <= 1 <= high)
        rows.append({"noise": noise.__name__, "epochs": 40, "held": np.mean(held)})
    return rows


if __name__ == "__main__":
    tables = {
        "seed_intervals": coverage_of_seed_intervals(),
        "curves": scores_of_curves(),
        "within_runs": coverage_within_runs(),
    }
    for rows in tables.values():
        print(tabulate(rows, headers="keys", tablefmt="github", floatfmt=".2f") + "\n")
    text = json.dumps(tables, indent=2, default=float)
    (RESULTS / "protocol_statistics.json").write_text(text + "\n")
