"""The tables that the paper lacks: steadiness, epochs to an accuracy, controls."""

import math

from node_transfer.analysis import measures
from node_transfer.analysis.formats import difference, mean_and_deviation
from node_transfer.analysis.lineup import COMPARISONS, MODELS
from node_transfer.analysis.paired import paired_difference
from node_transfer.analysis.runs import Sweep
from node_transfer.analysis.stability import CURVES, STATISTICS, Statistic, is_loss
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
            epochs = {seed: run.epochs for seed, run in sweep.of(name).items()}
            rows.append(
                (
                    curve_label,
                    MODELS[name].label,
                    mean_and_deviation(epochs, digits=0, count=False),
                    *cells,
                )
            )
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
            *(
                difference(
                    measures.curve_difference(sweep, left, right, statistic, curve),
                    *_scale_and_digits(statistic, curve),
                )
                for statistic in STATISTICS
            ),
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
        "nats. Two models that start cold are compared over the epochs that both have.",
    )


def epochs_table(sweep: Sweep) -> Table:
    """How long each model takes to reach the baseline's best validation accuracy."""
    rows = []
    for name in sweep.names:
        epochs = measures.epochs_to_target(sweep, name)
        warm = measures.starts_warm(sweep, name)
        before = {
            seed: sweep.of("baseline")[seed].epochs if warm else 0 for seed in epochs
        }
        best = measures.best_validation(sweep, name)
        rows.append(
            (
                MODELS[name].label,
                mean_and_deviation(best, 100, unit=" %"),
                mean_and_deviation(measures.first_change(sweep, name), 100),
                _reached(epochs),
                _reached({seed: epochs[seed] + before[seed] for seed in epochs}),
                _reached(measures.seconds_to_target(sweep, name), digits=0),
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
            "Best validation accuracy",
            "First epoch against the start, points",
            "Epochs",
            "With the warm start's",
            "Seconds",
            "Seconds per epoch",
            "NFE forward",
            "NFE backward",
        ),
        tuple(rows),
        "The baseline's best of the same seed. Epochs and seconds are a model's own; "
        "`with the warm start's` adds the epochs of the network that it starts from. "
        "First epoch against the start: validation accuracy after the first epoch less "
        "the baseline's last. NFE: evaluations of f a solve, mean of the last epoch.",
    )


def controls_table(sweep: Sweep) -> Table:
    """Paired differences between the models that a reader wants to hold together."""
    rows = []
    for left, right in _comparisons(sweep):
        steadiness = (
            difference(
                measures.curve_difference(sweep, left, right, statistic, "val_accuracy"),
                *_scale_and_digits(statistic, "val_accuracy"),
            )
            for statistic in STATISTICS[:2]
        )
        tests, bests = (
            paired_difference(measure(sweep, left), measure(sweep, right))
            for measure in (measures.accuracy, measures.best_validation)
        )
        rows.append(
            (
                _pair(left, right),
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
            "Test accuracy, points",
            "Best validation accuracy, points",
            "Mean change of validation accuracy, points",
            "Its deviation around the running median, points",
            "Epochs to the baseline's best",
            "n",
        ),
        tuple(rows),
        f"{INTERVAL}; `-` where a model never reaches the baseline's best. Steadiness of "
        "two models that start cold is over the epochs that both have.",
    )


def _comparisons(sweep: Sweep) -> list[tuple[str, str]]:
    return [pair for pair in COMPARISONS if measures.shared_seeds(sweep, *pair)]


def _pair(left: str, right: str) -> str:
    return f"{MODELS[left].label} - {MODELS[right].label}"


def _scale_and_digits(statistic: Statistic, curve: str) -> tuple[float, int]:
    """Accuracies in points, losses in nats, counts as they are."""
    if not statistic.scaled:
        return 1, 1
    return (1, 3) if is_loss(curve) else (100, 2)


def _reached(values: dict[int, float], digits: int = 1) -> str:
    """Returns the mean over the runs that reach it, and how many do."""
    if values and all(math.isinf(value) for value in values.values()):
        return f"never (n={len(values)})"
    return mean_and_deviation(values, digits=digits)
