"""The tables that the paper lacks: steadiness, epochs to an accuracy, controls."""

import functools
import math

from node_transfer.analysis import measures
from node_transfer.analysis.formats import (
    difference,
    mean_and_deviation,
    scale_and_digits,
)
from node_transfer.analysis.lineup import COMPARISONS, MODELS
from node_transfer.analysis.paired import paired_difference
from node_transfer.analysis.runs import Sweep
from node_transfer.analysis.stability import CURVES, STATISTICS, Statistic
from node_transfer.analysis.table import Table

INTERVAL = (
    "Mean over n seeds of the paired differences, with a 95 % bootstrap interval widened "
    "for few seeds"
)


def stability_table(sweep: Sweep) -> Table:
    """Every statistic of every curve of every model."""
    rows = []
    for curve, curve_label in CURVES.items():
        for name in sweep.names:
            cells = [
                mean_and_deviation(
                    measures.curve_statistic(sweep, name, statistic, curve),
                    *_scale_and_digits(statistic, curve),
                )
                for statistic in STATISTICS
            ]
            rows.append((curve_label, MODELS[name].label, _epochs(sweep, name), *cells))
    definitions = "; ".join(f"{s.label}: {s.definition}" for s in STATISTICS)
    return Table(
        "stability",
        "Steadiness of the curves",
        ("Curve", "Model", "Epochs", *(s.label for s in STATISTICS)),
        tuple(rows),
        f"Accuracies in points, losses in nats; smaller is steadier. {definitions}. A "
        "curve that still rises changes more than one that has arrived: compare models "
        "that start alike.",
    )


def stability_differences_table(sweep: Sweep) -> Table:
    """The paired differences in every statistic of every curve."""
    rows = [
        (
            _pair(left, right),
            curve_label,
            *(_steadiness(sweep, left, right, s, curve) for s in STATISTICS),
            str(len(measures.shared_seeds(sweep, left, right))),
        )
        for left, right in _comparisons(sweep)
        for curve, curve_label in CURVES.items()
    ]
    return Table(
        "stability_differences",
        "Steadiness: paired differences",
        ("Left - right", "Curve", *(s.label for s in STATISTICS), "n"),
        tuple(rows),
        f"{INTERVAL}; below 0 the left is steadier. Accuracies in points, losses in "
        "nats. Models that start cold are compared over the epochs that both have; `-` "
        "where one starts warm and the other cold, and the climb or the number of epochs "
        "would decide.",
    )


def epochs_table(sweep: Sweep) -> Table:
    """How long each model takes to reach the baseline's best validation accuracy."""
    rows = []
    for name in sweep.names:
        epochs = measures.epochs_to_target(sweep, name)
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
                reached(measures.seconds_to_target(sweep, name), digits=0),
                mean_and_deviation(measures.seconds_per_epoch(sweep, name)),
                mean_and_deviation(measures.last(sweep, name, "nfe_forward")),
                mean_and_deviation(measures.last(sweep, name, "nfe_backward")),
            )
        )
    return Table(
        "epochs",
        "Epochs and seconds to the baseline's best validation accuracy",
        (
            "Model",
            "Epochs trained",
            "Best validation accuracy",
            "First epoch less the start, points",
            "Epochs to the baseline's best",
            "The same with the start's epochs",
            "Seconds to it, without the start's",
            "Seconds per epoch",
            "Evaluations of f a solve, forward",
            "Backward",
        ),
        tuple(rows),
        "The baseline's best of the same seed. Of models that start from the trained "
        "baseline, `first epoch less the start` is the validation accuracy after their "
        "first epoch less the baseline's last. Evaluations of f: mean of the last epoch.",
    )


def controls_table(sweep: Sweep) -> Table:
    """Paired differences between the models that a reader wants to hold together."""
    rows = []
    for left, right in _comparisons(sweep):
        steadiness = (
            _steadiness(sweep, left, right, statistic, "val_accuracy")
            for statistic in STATISTICS[:2]
        )
        tests, bests = (
            paired_difference(measure(sweep, left), measure(sweep, right))
            for measure in (measures.accuracy, measures.best_validation)
        )
        rows.append(
            (
                _pair(left, right),
                f"{_epochs(sweep, left)} | {_epochs(sweep, right)}",
                difference(tests, 100, 2),
                difference(bests, 100, 2),
                *steadiness,
                difference(measures.epochs_difference(sweep, left, right)),
                str(len(measures.shared_seeds(sweep, left, right))),
            )
        )
    return Table(
        "controls",
        "Controls: paired differences",
        (
            "Left - right",
            "Epochs trained",
            "Test accuracy, points",
            "Best validation accuracy, points",
            "Validation accuracy, mean change, points",
            "Validation accuracy around its running median, points",
            "Epochs to the baseline's best",
            "n",
        ),
        tuple(rows),
        f"{INTERVAL}. Accuracies are of whole runs, whose epochs differ (`epochs "
        "trained`, left | right): above 0 the left is better. Mean change, running "
        "median and epochs: below 0 the left is steadier or sooner; steadiness of models "
        "that start cold is over the epochs that both have. `-`: one of the two misses "
        "the baseline's best in a seed, or one starts warm and the other cold and its "
        "climb would decide.",
    )


def _steadiness(
    sweep: Sweep, left: str, right: str, statistic: Statistic, curve: str
) -> str:
    """Writes a paired difference; `-` for what a head start decides by itself."""
    alike = measures.starts_warm(sweep, left) == measures.starts_warm(sweep, right)
    if statistic.needs_equal_starts and not alike:
        return "-"
    d = measures.curve_difference(sweep, left, right, statistic, curve)
    return difference(d, *_scale_and_digits(statistic, curve))


def _comparisons(sweep: Sweep) -> list[tuple[str, str]]:
    return [pair for pair in COMPARISONS if measures.shared_seeds(sweep, *pair)]


def _pair(left: str, right: str) -> str:
    return f"{MODELS[left].label} - {MODELS[right].label}"


def _scale_and_digits(statistic: Statistic, curve: str) -> tuple[float, int]:
    """Accuracies in points, losses in nats, counts as they are."""
    if not statistic.scaled:
        return 1, 1
    return scale_and_digits(curve)


def _epochs(sweep: Sweep, name: str) -> str:
    """Returns the number of epochs of a model's runs."""
    return ", ".join(map(str, sorted(set(measures.epochs(sweep, name).values()))))


def _reached(values: dict[int, float], trained: str, digits: int = 1) -> str:
    """Returns the mean over the runs that reach it, and how many do."""
    if values and all(math.isinf(value) for value in values.values()):
        return f"not in {trained} epochs (n={len(values)})"
    return mean_and_deviation(values, digits=digits)
