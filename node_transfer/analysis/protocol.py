"""The declared comparisons of docs/protocol.md, made from a sweep's runs."""

import dataclasses
import math
from collections.abc import Callable

import numpy as np

from node_transfer.analysis import inference, measures
from node_transfer.analysis.inference import Comparison
from node_transfer.analysis.roughness import WINDOWS, roughness, squares
from node_transfer.analysis.runs import Run, Sweep

POINTS_MARGIN = 0.005  # of accuracy
EPOCHS_MARGIN = 1.0
ROUGHNESS_MARGIN = math.log(1.25)
BASELINE = "baseline"
COMMIT = "edff972"  # of docs/protocol.md before the first run that it judges
DATE = "2026-11-25T05:54:35+00:00"  # of that commit


@dataclasses.dataclass(frozen=True)
class Result:
    """A comparison, and what the protocol makes of it.

    Attributes:
        left, right: Names of the line-up.
        comparison: Left minus right; `None` where no seed has both.
        outcome: One of `inference.OUTCOMES`.
        mcnemar: For test accuracies: a seed to `(only left right, only right right, p)`.
        seeds: The seeds that both have, in the order of the differences.
    """

    left: str
    right: str
    comparison: Comparison | None
    outcome: str
    mcnemar: dict[int, tuple[int, int, float]]
    seeds: tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class Primary:
    """A comparison that was declared before its runs.

    Attributes:
        name: P1 to P4.
        left, right: Names of the line-up.
        quantity: What is compared, in words.
        margin: What is too small to matter.
        compare: Makes the comparison from a sweep and the two names.
    """

    name: str
    left: str
    right: str
    quantity: str
    margin: float
    compare: Callable[[Sweep, str, str], Result]


def test_accuracy(sweep: Sweep, left: str, right: str) -> Result:
    """Compares the accuracy on the test images, a fraction of 1.

    Of runs that recorded no predictions the interval is Student's alone, and nothing is
    told.
    """
    seeds = measures.shared_seeds(sweep, left, right)
    pairs = [(sweep.of(left)[seed], sweep.of(right)[seed]) for seed in seeds]
    accuracies = [[run.metrics["test"]["accuracy"] for run in pair] for pair in pairs]
    right_or_wrong = [[_told_right(run) for run in pair] for pair in pairs]
    known = all(x is not None for pair in right_or_wrong for x in pair)
    images = 0.0
    tests = {}
    if known and seeds:
        lefts, rights = zip(*right_or_wrong, strict=True)
        images = inference.image_half_width(lefts, rights)
        tests = {
            seed: inference.mcnemar(*pair)
            for seed, pair in zip(seeds, right_or_wrong, strict=True)
        }
    differences = [a - b for a, b in accuracies]
    result = _result(left, right, seeds, differences, POINTS_MARGIN, images, tests)
    # Without the images' noise the interval is not the protocol's, and decides nothing.
    return result if known else dataclasses.replace(result, outcome=inference.UNTOLD)


def more_than_control(
    sweep: Sweep, pair: tuple[str, str], control: tuple[str, str]
) -> Result:
    """Compares a difference in test accuracy with the same one without the block.

    Args:
        sweep: The runs.
        pair: Left and right.
        control: The trainings of left and of right without the block.

    Returns:
        `(left - right) - (control's left - control's right)`, paired by seed and image,
        with the outcome of a test accuracy.
    """
    names = (*pair, *control)
    seeds = sorted(set.intersection(*(set(sweep.of(name)) for name in names)))
    runs = [[sweep.of(name)[seed] for name in names] for seed in seeds]
    differences = []
    for of_seed in runs:
        a, b, c, d = (run.metrics["test"]["accuracy"] for run in of_seed)
        differences.append((a - b) - (c - d))
    told = [[_told_right(run) for run in of_seed] for of_seed in runs]
    known = bool(seeds) and all(x is not None for of_seed in told for x in of_seed)
    images = 0.0
    if known:
        lefts, rights = (
            [x[i].astype(float) - x[j] for x in told] for i, j in ((0, 1), (2, 3))
        )
        images = inference.image_half_width(lefts, rights)
    result = _result(*pair, seeds, differences, POINTS_MARGIN, images)
    return result if known else dataclasses.replace(result, outcome=inference.UNTOLD)


def is_long(sweep: Sweep) -> bool:
    """Whether a sweep is of long runs: one of them fills the early window."""
    return any(run.epochs >= WINDOWS["early"][1] for run in sweep.all_runs)


def seen_before(sweep: Sweep) -> bool:
    """Whether runs began before the rules, or do not say when, as those do not."""
    return any(run.config.get("date", "") < DATE for run in sweep.all_runs)


def declared(sweep: Sweep, compare) -> dict[tuple[str, str], str]:
    """P1 to P4 by the pairs of models that are declared to be compared so.

    They are declared of short runs: of long ones every comparison is secondary, as it is
    of runs that were seen before.
    """
    if is_long(sweep) or seen_before(sweep):
        return {}
    return {(p.left, p.right): p.name for p in PRIMARIES if p.compare is compare}


def epochs_to_baselines_level(
    sweep: Sweep, left: str, right: str, curve: str = "val_accuracy"
) -> Result:
    """Compares the epochs to the level of the baseline of the same seed.

    Where one of the two never reaches it the difference is infinite, or not a number
    where neither does; the outcome then follows from counting.
    """
    seeds = [
        seed
        for seed in measures.shared_seeds(sweep, left, right)
        if seed in sweep.of(BASELINE)
    ]
    epochs = [
        [epochs_of(sweep, name, seed, curve) for name in (left, right)] for seed in seeds
    ]
    if all(map(math.isfinite, (e for pair in epochs for e in pair))):
        return _result(left, right, seeds, [a - b for a, b in epochs], EPOCHS_MARGIN)
    differences = tuple(
        a - b if math.isfinite(a) or math.isfinite(b) else math.nan for a, b in epochs
    )
    outcome = inference.UNTOLD
    if len(seeds) >= inference.MIN_SEEDS:
        lefts, rights = (
            {math.isfinite(e) for e in column} for column in zip(*epochs, strict=True)
        )
        if lefts == {True} and rights == {False}:
            outcome = inference.LOWER
        elif lefts == {False} and rights == {True}:
            outcome = inference.HIGHER
    nan = math.nan
    comparison = Comparison(differences, nan, nan, nan, nan)
    return Result(left, right, comparison, outcome, {}, tuple(seeds))


def epochs_of(sweep: Sweep, name: str, seed: int, curve: str = "val_accuracy") -> float:
    """Epochs until a run's curve is at the level of the baseline of the same seed."""
    return measures.epochs_to_level(sweep, name, curve)[seed]


def log_roughness(sweep: Sweep, left: str, right: str, curve: str, window: str) -> Result:
    """Compares the natural logarithm of the roughness of a curve over a window."""
    seeds = [
        seed
        for seed in measures.shared_seeds(sweep, left, right)
        if all(
            0 < roughness_of(sweep.of(name)[seed], curve, window) < math.inf
            for name in (left, right)
        )
    ]
    differences = []
    for seed in seeds:
        a, b = (roughness_of(sweep.of(n)[seed], curve, window) for n in (left, right))
        differences.append(math.log(a / b))
    return _result(left, right, seeds, differences, ROUGHNESS_MARGIN)


def roughness_within(
    sweep: Sweep, left: str, right: str, seed: int, curve: str, window: str
) -> tuple[float, float, float]:
    """Ratio of the roughnesses of one run each, with an interval over their epochs.

    See `inference.within_run_ratio`.
    """
    ours, theirs = (
        squares(run.history[curve], WINDOWS[window], run.history["learning_rate"])
        for run in (sweep.of(left)[seed], sweep.of(right)[seed])
    )
    return inference.within_run_ratio(ours, theirs)


def roughness_of(run: Run, curve: str, window: str) -> float:
    """Roughness of a run's curve over a window of `roughness.WINDOWS`."""
    return roughness(run.history[curve], WINDOWS[window], run.history["learning_rate"])


PRIMARIES = (
    Primary(
        "P1", "node_rk_cold", BASELINE, "test accuracy", POINTS_MARGIN, test_accuracy
    ),
    Primary(
        "P2",
        "node_rk_cold",
        BASELINE,
        "epochs to the baseline's level of validation accuracy",
        EPOCHS_MARGIN,
        epochs_to_baselines_level,
    ),
    Primary(
        "P3", "node_adjoint", "more_sgd", "test accuracy", POINTS_MARGIN, test_accuracy
    ),
    Primary(
        "P4",
        "node_adjoint_cold",
        "baseline_sgd",
        "test accuracy",
        POINTS_MARGIN,
        test_accuracy,
    ),
)


def deciding_seeds(result: Result) -> list[tuple[int, float]]:
    """Returns each seed that decides the sign of the mean, with the mean without it.

    That is a seed, of three or more, without which the mean has the other sign. It
    changes no outcome.
    """
    comparison = result.comparison
    if comparison is None or comparison.n < inference.MIN_SEEDS:
        return []
    found = []
    for i, seed in enumerate(result.seeds):
        others = [d for j, d in enumerate(comparison.differences) if j != i]
        mean = sum(others) / len(others)
        if mean * comparison.mean < 0:
            found.append((seed, mean))
    return found


def primaries(sweep: Sweep) -> dict[str, tuple[Result, float]]:
    """Returns for each declared comparison its result and its p by Holm.

    All of them count in the adjustment, also those that have no runs yet.
    """
    results = {p.name: p.compare(sweep, p.left, p.right) for p in PRIMARIES}
    ps = [_p_or_one(results[p.name]) for p in PRIMARIES]
    made = {}
    for primary, adjusted in zip(PRIMARIES, inference.holm(ps), strict=True):
        result = results[primary.name]
        comparison = result.comparison
        told = result.outcome != inference.UNTOLD  # a larger p tells no more
        if told and math.isfinite(comparison.mean):
            outcome = inference.outcome(comparison, primary.margin, adjusted)
            result = dataclasses.replace(result, outcome=outcome)
        made[primary.name] = (result, adjusted)
    return made


def _p_or_one(result: Result) -> float:
    p = result.comparison.p if result.comparison else math.nan
    return 1.0 if math.isnan(p) else p


def _result(left, right, seeds, differences, margin, images=0.0, tests=None) -> Result:
    if not seeds:
        return Result(left, right, None, inference.UNTOLD, {}, ())
    comparison = inference.compare(differences, images)
    outcome = inference.outcome(comparison, margin)
    return Result(left, right, comparison, outcome, tests or {}, tuple(seeds))


def _told_right(run: Run) -> np.ndarray | None:
    """Whether each test image was told right; `None` for a run without predictions."""
    if run.predictions is None:
        return None
    return run.predictions["predicted"] == run.predictions["label"]
