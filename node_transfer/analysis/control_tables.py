"""The tables that the paper lacks: steadiness, epochs to a level, controls."""

import functools
import math

from node_transfer.analysis import claim_words as words
from node_transfer.analysis import measures, protocol
from node_transfer.analysis.formats import (
    difference,
    mean_and_deviation,
    scale_and_digits,
)
from node_transfer.analysis.inference import UNTOLD
from node_transfer.analysis.lineup import COMPARISONS, MODELS
from node_transfer.analysis.paired import paired_difference
from node_transfer.analysis.roughness import WINDOWS
from node_transfer.analysis.runs import Sweep
from node_transfer.analysis.stability import CURVES
from node_transfer.analysis.table import Table

DEFINITIONS = (
    "Roughness is the root mean square of (x_(t-1) - 2 x_t + x_(t+1)) / sqrt(6) over the "
    "epochs of a window, without those in which the learning rate changes: a straight "
    "climb has none. Deepest drop: the deepest fall below the best so far, for a loss "
    "the highest rise, the value before the first epoch included where it was recorded. "
    "Falls: epochs with a fall of more than a point, for a loss a rise by more than 0.01"
)


def stability_table(sweep: Sweep) -> Table:
    """Roughness, deepest drop and falls of every curve of every model."""
    rows = []
    for curve, curve_label in CURVES.items():
        scale = scale_and_digits(curve)
        for name in sweep.names:
            cells = [
                mean_and_deviation(
                    measures.roughness_of(sweep, name, curve, window), *scale
                )
                for window in WINDOWS
            ]
            cells.append(
                mean_and_deviation(measures.deepest_drop(sweep, name, curve), *scale)
            )
            cells.append(mean_and_deviation(measures.falls(sweep, name, curve)))
            rows.append((MODELS[name].label, curve_label, _epochs(sweep, name), *cells))
    return Table(
        "stability",
        "Steadiness of the curves",
        ("Model", "Curve", "Epochs", *_windows(), "Deepest drop", "Falls"),
        tuple(rows),
        f"Accuracies in points, losses in nats; smaller is steadier. {DEFINITIONS}.",
    )


def stability_differences_table(sweep: Sweep) -> Table:
    """Ratios of roughness, paired by the seed."""
    rows = []
    for left, right in _comparisons(sweep):
        for curve, curve_label in CURVES.items():
            ratios = [
                protocol.log_roughness(sweep, left, right, curve, window)
                for window in WINDOWS
            ]
            if any(ratio.comparison for ratio in ratios):
                cells = (words.factor(r) if r.comparison else "-" for r in ratios)
                rows.append((_pair(left, right, "/"), curve_label, *cells))
    return Table(
        "stability_differences",
        "Steadiness: paired ratios of roughness",
        ("Left / right", "Curve", *_windows()),
        tuple(rows),
        "Below 1 the left is steadier. Mean over n seeds of the logarithm, with "
        "Student's 95 % interval. `-`: one of the two has too few epochs, or a learning "
        "rate that changes throughout.",
    )


def _windows() -> list[str]:
    return [f"Epochs {first} to {last}" for first, last in WINDOWS.values()]


def epochs_table(sweep: Sweep) -> Table:
    """How long each model takes to reach the baseline's level of validation accuracy."""
    rows = []
    for name in sweep.names:
        epochs = measures.epochs_to_level(sweep, name)
        warm = measures.starts_warm(sweep, name)
        before = measures.epochs(sweep, "baseline") if warm else dict.fromkeys(epochs, 0)
        best = measures.best_validation(sweep, name)
        reached = functools.partial(_reached, trained=_epochs(sweep, name))
        rows.append(
            (
                MODELS[name].label,
                _epochs(sweep, name),
                mean_and_deviation(best, 100, unit=" %"),
                mean_and_deviation(measures.first_change(sweep, name), 100),
                reached(epochs),
                reached({seed: epochs[seed] + before[seed] for seed in epochs}),
                reached(measures.seconds_to_level(sweep, name), digits=0),
                mean_and_deviation(measures.seconds_per_epoch(sweep, name)),
                mean_and_deviation(measures.last(sweep, name, "nfe_forward")),
                mean_and_deviation(measures.last(sweep, name, "nfe_backward")),
            )
        )
    return Table(
        "epochs",
        "Epochs and seconds to the baseline's level of validation accuracy",
        (
            "Model",
            "Epochs trained",
            "Best validation accuracy",
            "First epoch less the start, points",
            "Epochs to the baseline's level",
            "The same with the start's epochs",
            "Seconds to it, without the start's",
            "Seconds per epoch",
            "Evaluations of f a solve, forward",
            "Backward",
        ),
        tuple(rows),
        "The level of a curve is the median of its last quarter, of three epochs at "
        "least; the baseline's is of the same seed. Of models that start from the "
        "trained baseline, `first epoch less the start` is the validation accuracy after "
        "their first epoch less that before it, with the block (the baseline's last, "
        "where a run did not record it). Evaluations of f: mean of the last "
        "epoch.",
    )


def controls_table(sweep: Sweep) -> Table:
    """Paired differences between the models that a reader wants to hold together."""
    rows = []
    for left, right in _comparisons(sweep):
        accuracy = protocol.test_accuracy(sweep, left, right)
        best = paired_difference(
            measures.best_validation(sweep, left), measures.best_validation(sweep, right)
        )
        rows.append(
            (
                _pair(left, right, "-"),
                f"{_epochs(sweep, left)} | {_epochs(sweep, right)}",
                words.points(accuracy),
                words.mcnemar(accuracy.mcnemar),
                difference(best, 100, 2),
                _epochs_difference(sweep, left, right),
            )
        )
    return Table(
        "controls",
        "Controls: paired differences",
        (
            "Left - right",
            "Epochs trained",
            "Test accuracy",
            "McNemar's p, a seed each",
            "Best validation accuracy, points",
            "Epochs to the baseline's level",
        ),
        tuple(rows),
        "Mean over n seeds of the paired differences with a 95 % interval: for test "
        "accuracy of seeds and test images (of seeds alone where no predictions were "
        "recorded: then it decides nothing), else Student's. Accuracies are of whole "
        "runs, whose epochs differ (`epochs trained`, left | right): above 0 the left is "
        "better. Epochs: below 0 the left is sooner; by counting, where one of the two "
        "reaches the level in all seeds and the other in none, and `-` where one misses "
        "it in some. McNemar's test is the exact one on the test images of either "
        "model; `-` for runs that recorded no predictions.",
    )


def _epochs_difference(sweep: Sweep, left: str, right: str) -> str:
    result = protocol.epochs_to_baselines_level(sweep, left, right)
    if result.comparison is None:
        return "-"
    if not math.isfinite(result.comparison.mean):
        return "-" if result.outcome == UNTOLD else f"{result.outcome}, by counting"
    return words.difference(result, 1, 1)


def _comparisons(sweep: Sweep) -> list[tuple[str, str]]:
    return [pair for pair in COMPARISONS if measures.shared_seeds(sweep, *pair)]


def _pair(left: str, right: str, sign: str) -> str:
    return f"{MODELS[left].label} {sign} {MODELS[right].label}"


def _epochs(sweep: Sweep, name: str) -> str:
    """Returns the number of epochs of a model's runs."""
    return ", ".join(map(str, sorted(set(measures.epochs(sweep, name).values()))))


def _reached(values: dict[int, float], trained: str, digits: int = 1) -> str:
    """Returns the mean over the runs that reach it, and how many do."""
    if values and all(math.isinf(value) for value in values.values()):
        return f"not in {trained} epochs (n={len(values)})"
    return mean_and_deviation(values, digits=digits)
