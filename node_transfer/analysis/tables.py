"""The paper's tables with ours beside theirs, and those that the paper lacks."""

import csv
import dataclasses
import io
import math
from collections.abc import Callable

from tabulate import tabulate

from node_transfer.analysis import measures, paper
from node_transfer.analysis.formats import difference, mean_and_deviation
from node_transfer.analysis.lineup import COMPARISONS, MODELS, PAPER_MODELS
from node_transfer.analysis.paired import paired_difference
from node_transfer.analysis.runs import Run, Sweep
from node_transfer.analysis.stability import (
    CURVES,
    STATISTICS,
    deviation_from_running_median,
    is_loss,
    mean_absolute_change,
)

SPLITS = {"train": "Training", "validation": "Validation", "test": "Test"}


@dataclasses.dataclass(frozen=True)
class Table:
    """A table of words.

    Attributes:
        name: The stem of its files.
        title: What stands above it.
        headers: One a column.
        rows: Each as long as `headers`.
        note: What a reader must know to read it.
    """

    name: str
    title: str
    headers: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""

    def text(self) -> str:
        """For a terminal."""
        return f"{self.title}\n\n{self._tabulate(self.rows, self.headers)}\n"

    def markdown(self) -> str:
        """A Markdown document: title, table, note."""

        def escaped(row):
            return [cell.replace("|", "\\|") for cell in row]

        table = self._tabulate([escaped(row) for row in self.rows], escaped(self.headers))
        note = f"\n{self.note}\n" if self.note else ""
        return f"### {self.title}\n\n{table}\n{note}"

    def csv(self) -> str:
        """The same cells with commas."""
        file = io.StringIO()
        csv.writer(file, lineterminator="\n").writerows([self.headers, *self.rows])
        return file.getvalue()

    def _tabulate(self, rows, headers) -> str:
        return tabulate(rows, headers=headers, tablefmt="github", disable_numparse=True)


def all_tables(sweep: Sweep) -> list[Table]:
    """Returns every table that the runs of a sweep can fill."""
    return [
        table_1(sweep),
        table_2(sweep),
        table_3(sweep),
        stability_table(sweep),
        epochs_table(sweep),
        controls_table(sweep),
    ]


def table_1(sweep: Sweep) -> Table:
    """Accuracy by model and split, `ours | paper`."""
    rows = []
    for name in _in_paper(sweep):
        cells = []
        for split in SPLITS:
            ours = measures.accuracy(sweep, name, split)
            cells.append(
                f"{mean_and_deviation(ours, scale=100, unit=' %')} | "
                + _theirs(
                    paper.TABLE_1,
                    name,
                    lambda row, split=split: f"{100 * row[split]:.1f} %",
                )
            )
        rows.append((_paper_name(name), *cells))
    headers = ("Model Name", *(f"{label} accuracy" for label in SPLITS.values()))
    return Table(
        "table_1",
        "Table I. Performance, ours | paper",
        headers,
        tuple(rows),
        "Ours: of the saved model, read back from its file; mean ± standard deviation "
        f"over n seeds.{_other_backbone(sweep)}",
    )


def table_2(sweep: Sweep) -> Table:
    """Epochs and training time, `ours | paper`."""
    rows = []
    for name in _in_paper(sweep):
        epochs = {seed: run.epochs for seed, run in sweep.of(name).items()}
        seconds = measures.training_seconds(sweep, name)
        minutes = {seed: s / 60 for seed, s in seconds.items()}
        per_epoch = measures.seconds_per_epoch(sweep, name)
        cells = (
            (_whole(epochs), lambda row: str(row[0])),
            (mean_and_deviation(minutes, unit=" min"), lambda row: f"{row[1]:g} hours"),
            (mean_and_deviation(per_epoch), lambda row: f"{3600 * row[1] / row[0]:.1f}"),
        )
        rows.append(
            (
                _paper_name(name),
                *(f"{ours} | {_theirs(paper.TABLE_2, name, f)}" for ours, f in cells),
            )
        )
    return Table(
        "table_2",
        "Table II. Time taken, ours | paper",
        ("Model Name", "Epochs", "Time Taken", "Seconds per epoch"),
        tuple(rows),
        "The proposed models start from the trained baseline, whose epochs and time are "
        "not counted, as in the paper. Ours: median epoch of a run, validation included; "
        "the paper's machine has a GTX 1080 Ti.",
    )


def table_3(sweep: Sweep) -> Table:
    """Tolerances, `ours | paper`."""
    rows = []
    for name in _in_paper(sweep):
        runs = sweep.of(name)
        if name == "baseline":
            continue
        theirs = paper.TABLE_3.get(name, (None, None))
        cells = []
        for key, value in zip(("atol", "rtol"), theirs, strict=True):
            ours = sorted({run.config["experiment"][key] for run in runs.values()})
            ours = ", ".join(f"{tolerance:.0e}" for tolerance in ours)
            their_text = "not said" if value is None else f"{value:.0e}"
            cells.append(f"{ours} (n={len(runs)}) | {their_text}")
        rows.append((_paper_name(name), *cells))
    return Table(
        "table_3",
        "Table III. Parameters set, ours | paper",
        ("Model Name", "Absolute Tolerance", "Relative Tolerance"),
        tuple(rows),
        "The paper takes the adjoint's from Chen et al.; ours are those of odenet_mnist.",
    )


def stability_table(sweep: Sweep) -> Table:
    """Every statistic of every curve of every model."""
    rows = []
    for curve, curve_label in CURVES.items():
        loss = is_loss(curve)
        for name in sweep.names:
            cells = []
            for statistic in STATISTICS:
                values = {
                    seed: statistic.compute(run.history[curve], loss)
                    for seed, run in sweep.of(name).items()
                }
                points = statistic.scaled and not loss
                cells.append(
                    mean_and_deviation(
                        values,
                        scale=100 if points else 1,
                        digits=(2 if points else 3) if statistic.scaled else 1,
                    )
                )
            epochs = {seed: run.epochs for seed, run in sweep.of(name).items()}
            rows.append((curve_label, MODELS[name].label, _whole(epochs), *cells))
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


def epochs_table(sweep: Sweep) -> Table:
    """How long each model takes to reach the baseline's best validation accuracy."""
    rows = []
    for name in sweep.names:
        epochs = measures.epochs_to_target(sweep, name)
        seconds = measures.seconds_to_target(sweep, name)
        before = {
            seed: _epochs_before(sweep, seed) if _is_warm(run) else 0
            for seed, run in sweep.of(name).items()
        }
        total = {seed: epochs[seed] + before[seed] for seed in epochs}
        rows.append(
            (
                MODELS[name].label,
                mean_and_deviation(
                    measures.best_validation(sweep, name), scale=100, unit=" %"
                ),
                _reached(epochs),
                _reached(total),
                _reached(seconds, digits=0),
                mean_and_deviation(measures.seconds_per_epoch(sweep, name)),
                mean_and_deviation(_nfe(sweep, name, "nfe_forward")),
                mean_and_deviation(_nfe(sweep, name, "nfe_backward")),
            )
        )
    return Table(
        "epochs",
        "Epochs and seconds to the baseline's best validation accuracy",
        (
            "Model",
            "Best validation accuracy",
            "Epochs",
            "With the warm start's",
            "Seconds",
            "Seconds per epoch",
            "NFE forward",
            "NFE backward",
        ),
        tuple(rows),
        "The baseline's best of the same seed. Epochs and seconds are a model's own; the "
        "fourth column adds the epochs of the network that it starts from. NFE: "
        "evaluations of f a solve, mean of the last epoch.",
    )


def controls_table(sweep: Sweep) -> Table:
    """Paired differences between the models that a reader wants to hold together."""
    rows = []
    for left, right in COMPARISONS:
        shared = sweep.of(left).keys() & sweep.of(right).keys()
        if not shared:
            continue

        def paired(measure, left=left, right=right):
            return paired_difference(measure(sweep, left), measure(sweep, right))

        def steadiness(compute, left=left, right=right):
            d = measures.validation_statistic_difference(sweep, left, right, compute)
            return difference(d, scale=100, digits=2)

        rows.append(
            (
                f"{MODELS[left].label} - {MODELS[right].label}",
                difference(paired(measures.accuracy), scale=100, digits=2),
                difference(paired(measures.best_validation), scale=100, digits=2),
                steadiness(mean_absolute_change),
                steadiness(deviation_from_running_median),
                difference(measures.epochs_difference(sweep, left, right)),
                str(len(shared)),
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
        "Mean over n seeds with a 95 % bootstrap interval; `-` where a model never "
        "reaches the baseline's best. Steadiness of two models that start cold is over "
        "the epochs that both have.",
    )


def numbers(sweep: Sweep) -> str:
    """Returns CSV with every number of every run: model, seed, path, quantity, value."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(("model", "seed", "path", "quantity", "value"))
    target_epochs = {name: measures.epochs_to_target(sweep, name) for name in sweep.names}
    target_seconds = {
        name: measures.seconds_to_target(sweep, name) for name in sweep.names
    }
    for name in sweep.names:
        for seed, run in sorted(sweep.of(name).items()):
            for quantity, value in (
                *_run_numbers(run),
                ("epochs_to_baseline_best", target_epochs[name].get(seed, math.nan)),
                ("seconds_to_baseline_best", target_seconds[name].get(seed, math.nan)),
            ):
                writer.writerow((name, seed, run.path, quantity, f"{value:.10g}"))
    return file.getvalue()


def provenance(runs: list[Run]) -> str:
    """Returns one sentence a kind of run: what it was trained on, from which weights."""
    lines = {}
    for run in runs:
        experiment, data = run.config["experiment"], run.config["data"]
        size = data["image_size"]
        line = (
            f"{experiment['backbone']}, {weights_of(run)}; {data['name']} at "
            f"{size}x{size}, {data['sizes']['train']} training images"
        )
        lines.setdefault(line, []).append(run.path.rsplit("/", 1)[-1])
    return "\n".join(
        f"{', '.join(dict.fromkeys(names))}: {line}" for line, names in lines.items()
    )


def weights_of(run: Run) -> str:
    """What a run's backbone started from, in a few words."""
    source = run.config["weights"]
    if source["kind"] == "random":
        return "random weights"  # the detail says why, at length
    return source["detail"]


def _other_backbone(sweep: Sweep) -> str:
    """Says so where the runs do not have the paper's network."""
    backbones = {run.config["experiment"]["backbone"] for run in sweep.all_runs}
    others = sorted(name for name in backbones if name and name != "EfficientNetB0")
    if not others:
        return ""
    return f" Ours are made with {', '.join(others)} where the paper has EfficientNetB0."


def _in_paper(sweep: Sweep) -> list[str]:
    """The paper's models that have runs, and the adjoint's with a better rate."""
    return [n for n in (*PAPER_MODELS, "node_adjoint_low_rate") if sweep.of(n)]


def _paper_name(name: str) -> str:
    return paper.MODEL_NAMES.get(name, MODELS[name].label)


def _theirs(table: dict, name: str, written: Callable) -> str:
    """Returns what the paper's table has for a model, or `-`."""
    return written(table[name]) if name in table else "-"


def _run_numbers(run: Run):
    for split in SPLITS:
        for quantity in ("accuracy", "loss"):
            yield f"{split}_{quantity}", run.metrics[split][quantity]
    yield "epochs", run.epochs
    yield "training_seconds", math.fsum(run.history["seconds"])
    yield "seconds_per_epoch", run.metrics["seconds"]["epoch"]
    yield "best_val_accuracy", max(run.history["val_accuracy"])
    for curve in CURVES:
        for statistic in STATISTICS:
            value = statistic.compute(run.history[curve], is_loss(curve))
            yield f"{curve}_{statistic.name}", value


def _nfe(sweep: Sweep, name: str, column: str) -> dict[int, float]:
    return {
        seed: run.history[column][-1]
        for seed, run in sweep.of(name).items()
        if column in run.history
    }


def _is_warm(run: Run) -> bool:
    return bool(run.config["experiment"].get("init_from"))


def _epochs_before(sweep: Sweep, seed: int) -> float:
    baseline = sweep.of("baseline").get(seed)
    return baseline.epochs if baseline else math.nan


def _whole(values: dict[int, int]) -> str:
    """Returns `epochs (n=...)`, with every value that occurs."""
    kinds = ", ".join(str(value) for value in sorted(set(values.values())))
    return f"{kinds} (n={len(values)})"


def _reached(values: dict[int, float], digits: int = 1) -> str:
    """Returns the mean of the values that are finite, and in how many runs they are."""
    reached = {seed: v for seed, v in values.items() if math.isfinite(v)}
    if not values:
        return "-"
    if not reached:
        return f"never (n={len(values)})"
    text = mean_and_deviation(reached, digits=digits)
    if len(reached) < len(values):
        text = text.replace("(n=", f"(in {len(reached)} of ").replace(
            f"of {len(reached)})", f"of {len(values)})"
        )
    return text
