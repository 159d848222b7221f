"""What a few seeds and ten thousand test images can tell: see docs/protocol.md.

A comparison is a set of paired differences, one a seed. Its interval has two sources of
noise in it, the seeds' (Student's t) and the test images'; its outcome is one of
`OUTCOMES`, by the rule of `outcome`.
"""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
from scipy import stats

CONFIDENCE = 0.95
MIN_SEEDS = 3  # fewer never decide
HIGHER, LOWER, EQUIVALENT, UNTOLD = OUTCOMES = (
    "higher",
    "lower",
    "equivalent",
    "cannot be told",
)
BLOCK_EPOCHS = 5  # of the bootstrap within a curve
RESAMPLES = 9999


@dataclasses.dataclass(frozen=True)
class Comparison:
    """Left minus right, over the seeds that both have.

    Attributes:
        differences: A difference for each seed, in the order of the seeds.
        mean: Of the differences.
        low, high: 95 % interval; NaN for fewer than two seeds.
        p: Of the paired t test, two-sided; NaN for fewer than two seeds.
    """

    differences: tuple[float, ...]
    mean: float
    low: float
    high: float
    p: float

    @property
    def n(self) -> int:
        """Number of seeds."""
        return len(self.differences)


def compare(differences: Sequence[float], image_half_width: float = 0) -> Comparison:
    """Compares two models by their paired differences.

    The half-width of the interval is `sqrt(a^2 + b^2)`, a that of Student's interval
    over the seeds and b that of the test images: never less than either, so that three
    seeds which agree by luck do not make an interval without width.

    Args:
        differences: One a seed.
        image_half_width: See `image_half_width`; 0 for what is not an accuracy.
    """
    x = np.asarray(differences, float)
    mean = float(x.mean())
    if len(x) < 2:
        return Comparison(tuple(map(float, x)), mean, math.nan, math.nan, math.nan)
    half = math.hypot(student_half_width(x), image_half_width)
    return Comparison(tuple(map(float, x)), mean, mean - half, mean + half, paired_p(x))


def student_half_width(values: Sequence[float]) -> float:
    """Returns half of the 95 % interval of Student (1908) for the mean of the values."""
    x = np.asarray(values, float)
    quantile = stats.t.ppf((1 + CONFIDENCE) / 2, len(x) - 1)
    return float(quantile * x.std(ddof=1) / math.sqrt(len(x)))


def paired_p(differences: Sequence[float]) -> float:
    """Returns the two-sided p of Student's paired t test; 1 where all are 0."""
    x = np.asarray(differences, float)
    if np.ptp(x) == 0:
        return 0.0 if x[0] else 1.0
    return float(stats.ttest_1samp(x, 0).pvalue)


def image_half_width(left: Sequence[np.ndarray], right: Sequence[np.ndarray]) -> float:
    """Returns half of the 95 % interval of a difference in accuracy over test images.

    Args:
        left, right: For each seed whether each image was told right, boolean, shape
            `(images,)`, in the same order of images.

    Returns:
        1.96 standard errors of the mean over images of the mean over seeds of `left -
        right`, as a fraction of 1: the noise of having these images and no others.
    """
    gains = np.mean([a.astype(float) - b for a, b in zip(left, right, strict=True)], 0)
    quantile = stats.norm.ppf((1 + CONFIDENCE) / 2)
    return float(quantile * gains.std(ddof=1) / math.sqrt(len(gains)))


def mcnemar(left: np.ndarray, right: np.ndarray) -> tuple[int, int, float]:
    """Compares two classifiers on the same images, exactly.

    Args:
        left, right: Whether each image was told right, boolean, shape `(images,)`.

    Returns:
        The number of images that only the left told right, that only the right did, and
        the two-sided p of McNemar (1947) by the binomial distribution; 1 where the two
        never differ.
    """
    only_left = int(np.sum(left & ~right))
    only_right = int(np.sum(right & ~left))
    if only_left + only_right == 0:
        return 0, 0, 1.0
    p = stats.binomtest(only_left, only_left + only_right).pvalue
    return only_left, only_right, float(p)


def holm(p_values: Sequence[float]) -> list[float]:
    """Returns p values adjusted for their number by Holm (1979), in the order given."""
    adjusted = [0.0] * len(p_values)
    largest = 0.0
    for rank, i in enumerate(np.argsort(p_values, kind="stable")):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[i]))
        adjusted[i] = largest
    return adjusted


def outcome(comparison: Comparison, margin: float, p: float | None = None) -> str:
    """Returns what a comparison says, by the rule of docs/protocol.md.

    Equivalent where the interval lies within the margin on both sides; else higher or
    lower where it leaves 0 out and p is below 0.05; else, and for fewer than three
    seeds always, it cannot be told.

    Args:
        comparison: Left minus right.
        margin: What is too small to matter, in the unit of the differences.
        p: The adjusted p of a primary comparison; `None`: the comparison's own.
    """
    if comparison.n < MIN_SEEDS or not math.isfinite(comparison.mean):
        return UNTOLD
    if -margin <= comparison.low and comparison.high <= margin:
        return EQUIVALENT
    p = comparison.p if p is None else p
    if p < 1 - CONFIDENCE and not comparison.low <= 0 <= comparison.high:
        return HIGHER if comparison.mean > 0 else LOWER
    return UNTOLD


def within_run_ratio(
    left: Sequence[float], right: Sequence[float]
) -> tuple[float, float, float]:
    """Compares the roughness of two curves of one run each.

    Args:
        left, right: Squares whose mean is the square of each curve's roughness, see
            `roughness.squares`.

    Returns:
        The ratio of the roughnesses, left over right, and its 95 % interval by a
        bootstrap of blocks of five epochs (Künsch 1989). It says how well the epochs of
        these two runs tell the ratio, and nothing of other seeds. NaN where a curve has
        fewer than two blocks, or no roughness.
    """
    left, right = np.asarray(left, float), np.asarray(right, float)
    if min(len(left), len(right)) < 2 * BLOCK_EPOCHS or not right.mean():
        return math.nan, math.nan, math.nan
    rng = np.random.default_rng(0)
    resampled = _block_means(left, rng), _block_means(right, rng)
    with np.errstate(divide="ignore"):
        logs = 0.5 * (np.log(resampled[0]) - np.log(resampled[1]))
    tail = (1 - CONFIDENCE) / 2
    low, high = np.exp(np.quantile(logs, [tail, 1 - tail]))
    return math.sqrt(left.mean() / right.mean()), float(low), float(high)


def _block_means(values: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Returns the mean of each resample, made of blocks that go round the end."""
    n = len(values)
    blocks = -(-n // BLOCK_EPOCHS)
    starts = rng.integers(0, n, (RESAMPLES, blocks, 1))
    indices = (starts + np.arange(BLOCK_EPOCHS)) % n
    return values[indices.reshape(RESAMPLES, -1)[:, :n]].mean(1)
