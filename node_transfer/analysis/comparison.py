"""One table and one figure of models that were trained alike."""

import csv
import dataclasses
import io
from pathlib import Path

from matplotlib.ticker import PercentFormatter

from node_transfer import checksums, durable
from node_transfer.analysis import provenance, style
from node_transfer.analysis.formats import mean_and_deviation
from node_transfer.analysis.runs import Run, read_run
from node_transfer.analysis.table import Table
from node_transfer.errors import UserError
from node_transfer.runs.sweep_folder import SweepFolder

STEM = "comparison"  # of the files: .md, .csv, .svg, .png
HEADERS = (
    "model",
    "start",
    "test accuracy (%)",
    "parameters",
    "images/s",
    "NFE",
    "training (s)",
    "features (s)",
    "state",
)
# The numbers that are compared, and where `metrics.json` has them.
COLUMNS = {
    "test_accuracy": ("test", "accuracy"),
    "parameters": ("parameters",),
    "images_per_second": ("images_per_second",),
    "nfe": ("nfe", "forward"),
    "training_seconds": ("seconds", "training"),
    "features_seconds": ("features", "seconds"),
}
NOTE = (
    "Mean ± standard deviation over the seeds. Images/s: of the whole model on the test "
    "images, from the second batch on. NFE: evaluations of f a solve, on the test "
    "images. Features: where the backbone is frozen, the time to compute its features "
    "once, which its runs share; training is what came after that."
)
# What the flags of a comparison make different, and what its title says of each model.
COMPARED = {"experiment", "backbone", "weights", "block", "method"}
TITLED = {"dataset", "train_examples", "epochs", "freeze_backbone"}


@dataclasses.dataclass(frozen=True)
class Compared:
    """The runs of one model.

    Attributes:
        name: The folder of its runs, below that of the seed.
        runs: A seed to a finished run.
        others: A seed to what became of it instead.
    """

    name: str
    runs: dict[int, Run]
    others: dict[int, str]

    @property
    def state(self) -> str:
        """Whether all of its runs came to their end, else what became of the others."""
        if not self.others:
            return "finished"
        reasons = {f"seed {seed} {what}" for seed, what in self.others.items()}
        return "; ".join(sorted(reasons))

    def values(self, *path: str) -> dict[int, float]:
        """Returns an entry of `metrics.json` by seed, of the runs that have it."""
        found = {}
        for seed, run in self.runs.items():
            value = run.metrics
            for key in path:
                value = value.get(key) if isinstance(value, dict) else None
            if value is not None:
                found[seed] = value
        return found


def read_comparison(folder) -> list[Compared]:
    """Reads the runs of a comparison, in the order in which they were planned.

    Raises:
        UserError: There is none, or a file of one cannot be read.
    """
    sweep = SweepFolder(folder)
    models = {}
    for entry in sweep.read_record()["runs"]:
        model = models.setdefault(entry["model"], Compared(entry["model"], {}, {}))
        model.others[entry["seed"]] = entry.get("failed", "not begun")
    for seed, name, directory in sweep.runs():
        model = models.setdefault(name, Compared(name, {}, {}))
        if directory.finished:
            model.runs[seed] = read_run(directory.path)
            model.others.pop(seed, None)
        elif directory.diverged:
            model.others[seed] = f"diverged: {directory.diverged}"
        elif model.others.get(seed, "not begun") == "not begun":
            model.others[seed] = "not finished"
    for model in models.values():
        _set_unlike_apart(model)
    _set_other_data_apart(list(models.values()))
    if not models:
        raise UserError(
            f"{str(folder)!r} has no run (FOLDER/seed-0/NAME): pass output_dir= with the "
            "folder of a comparison."
        )
    return list(models.values())


def _set_unlike_apart(model: Compared) -> None:
    """Takes out the runs that are not alike those begun last: they have no mean."""
    if not model.runs:
        return
    newest = max(model.runs, key=lambda s: (model.runs[s].config.get("date", ""), -s))
    kept = model.runs[newest].experiment
    for seed, run in sorted(model.runs.items()):
        names = kept.fields_unlike(run.experiment)
        if names:
            ours, theirs = (getattr(e, names[0]) for e in (kept, run.experiment))
            del model.runs[seed]
            model.others[seed] = (
                f"left out: {names[0]} = {theirs!r}, where seed {newest} has {ours!r}"
            )


def _set_other_data_apart(models: list[Compared]) -> None:
    """Takes out the runs on other images than the run that was begun last."""
    runs = [run for model in models for run in model.runs.values()]
    if not runs:
        return
    newest = max(runs, key=lambda run: run.config.get("date", ""))
    ours = checksums.recorded(newest.config.get("data"))
    for model in models:
        for seed, run in sorted(model.runs.items()):
            theirs = checksums.recorded(run.config.get("data"))
            if ours and theirs not in (ours, None):
                del model.runs[seed]
                model.others[seed] = (
                    f"left out: it is on other images than {newest.path}, by their "
                    f"checksums; remove {run.path} and give the command again to train "
                    "it on these"
                )


def write_comparison(folder) -> Table:
    """Writes the table of a comparison into its folder, and a figure where a run is
    finished; returns the table.

    Raises:
        UserError: There is no run, or the folder cannot be written.
    """
    models = read_comparison(folder)
    made = table(models)
    stem = Path(folder) / STEM
    with durable.failures_told(stem):
        durable.write_text(stem.with_suffix(".md"), made.markdown())
        durable.write_text(stem.with_suffix(".csv"), runs_csv(models))
        if any(model.runs for model in models):
            draw(models, stem)
    return made


def table(models: list[Compared]) -> Table:
    """Returns a row for each model, those that failed included."""
    rows = []
    for model in models:
        first = next(iter(model.runs.values()), None)
        parameters = next(iter(model.values(*COLUMNS["parameters"]).values()), None)
        rows.append(
            (
                model.name,
                provenance.weights(first) if first else "-",
                mean_and_deviation(model.values(*COLUMNS["test_accuracy"]), 100, 2),
                "-" if parameters is None else f"{parameters:,}",
                mean_and_deviation(
                    model.values(*COLUMNS["images_per_second"]), digits=0, count=False
                ),
                mean_and_deviation(model.values(*COLUMNS["nfe"]), count=False),
                mean_and_deviation(
                    model.values(*COLUMNS["training_seconds"]), digits=0, count=False
                ),
                mean_and_deviation(
                    model.values(*COLUMNS["features_seconds"]), digits=0, count=False
                ),
                model.state,
            )
        )
    title = f"Comparison: {_setting(models)}"
    note = " ".join([NOTE, *_unlike(models)])
    return Table(STEM, title, HEADERS, tuple(rows), note)


def runs_csv(models: list[Compared]) -> str:
    """Returns a row for each run, for programs: plain numbers, accuracy as a fraction, an
    empty cell for what a run does not have."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["model", "seed", *COLUMNS, "state"])
    for model in models:
        for seed in sorted(model.runs | model.others):
            values = [model.values(*path).get(seed) for path in COLUMNS.values()]
            state = model.others.get(seed, "finished")
            writer.writerow([model.name, seed, *values, state])
    return file.getvalue()


def draw(models: list[Compared], stem) -> None:
    """Draws test accuracy and seconds of training, a row a model, a mark a run.

    Args:
        models: As `read_comparison` has them, with a finished run at least.
        stem: Path of the files without their endings, `.svg` and `.png`.
    """
    height = 1.3 + 0.32 * len(models)
    with style.figure(8.0, height, columns=2) as (fig, (accuracy, seconds)):
        lines = list(style.LINES.values())
        for row, model in enumerate(models):
            mark = {**lines[row % len(lines)], "linestyle": "none", "markersize": 6}
            for axes, path in (
                (accuracy, COLUMNS["test_accuracy"]),
                (seconds, COLUMNS["training_seconds"]),
            ):
                values = list(model.values(*path).values())
                axes.plot(values, [row] * len(values), **mark)
                if model.others:
                    axes.annotate(
                        model.state.split(":")[0], (0.02, row), fontsize=7,
                        xycoords=axes.get_yaxis_transform(), va="center",
                    )  # fmt: skip
        for axes in (accuracy, seconds):
            axes.set_ylim(len(models) - 0.5, -0.5)
        accuracy.set_yticks(range(len(models)), [model.name for model in models])
        seconds.set_yticks(range(len(models)), [""] * len(models))
        accuracy.xaxis.set_major_formatter(PercentFormatter(1.0))
        accuracy.set_xlabel("test accuracy")
        seconds.set_xlabel("seconds of training")
        style.log_x(seconds)
        style.save(fig, stem)


def _setting(models: list[Compared]) -> str:
    """Says what the runs have in common; where they differ, what each has."""
    found = {}
    for model in models:
        for run in model.runs.values():
            data, experiment = run.config["data"], run.experiment
            frozen = ", the backbone frozen" if experiment.freeze_backbone else ""
            setting = (
                f"{data['name']}, {data['sizes']['train']:,} training images, "
                f"{experiment.epochs} epochs{frozen}"
            )
            found.setdefault(setting, []).append(model.name)
    if not found:
        return "no run is finished"
    if len(found) == 1:
        return next(iter(found))
    return "; ".join(
        f"{', '.join(dict.fromkeys(names))}: {setting}"
        for setting, names in found.items()
    )


def _unlike(models: list[Compared]) -> list[str]:
    """Returns a sentence where models differ in more than what a comparison compares."""
    configs = {m.name: next(iter(m.runs.values())).experiment for m in models if m.runs}
    first, *others = configs.values() or (None,)
    fields = dict.fromkeys(
        name
        for other in others
        for name in first.fields_unlike(other)
        if name not in COMPARED | TITLED
    )
    said = []
    for field in fields:
        values = {}
        for name, config in configs.items():
            values.setdefault(repr(getattr(config, field)), []).append(name)
        each = (f"{value} ({', '.join(names)})" for value, names in values.items())
        said.append(f"{field} = {', '.join(each)}")
    return said and [
        "Trained unlike in more than what is compared, which a difference may come from: "
        f"{'; '.join(said)}."
    ]
