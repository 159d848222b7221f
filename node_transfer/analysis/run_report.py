"""The report of one run: one HTML file in its directory."""

from pathlib import Path

import numpy as np
import sklearn.metrics

from node_transfer import durable
from node_transfer.analysis import fonts, page, provenance, run_figures
from node_transfer.analysis.runs import Run, read_run
from node_transfer.analysis.table import Table
from node_transfer.models.blocks import BLOCKS
from node_transfer.runs import files
from node_transfer.runs.directory import ILLUSTRATIONS, REPORT

TEMPLATE = "run_report.html.j2"
CONFUSED = 10  # pairs of classes that are listed


def write_run_report(path) -> Path:
    """Makes `report.html` of a finished run, from the files in its directory.

    Curves, confusion matrix, precision and recall of each class, the images that the
    model is most sure of and wrong about, evaluations of f, paths of h(t). What a run has
    no files for, it leaves out and says so.

    Args:
        path: The run directory.

    Returns:
        The path of the report.

    Raises:
        UserError: The folder is not that of a finished run, or cannot be written.
    """
    run = read_run(path)
    report = Path(path) / REPORT
    durable.write_text(report, html(run, illustrations_of(path)))
    return report


def illustrations_of(path) -> dict[str, np.ndarray]:
    """Returns the arrays of `illustrations.npz`; none where there is no such file."""
    return files.read_arrays(Path(path) / ILLUSTRATIONS) or {}


def html(run: Run, arrays: dict[str, np.ndarray]) -> str:
    """Returns the page.

    Args:
        run: The run.
        arrays: As `illustrations_of` has them.
    """
    names = class_names(run)
    families = fonts.families_for(names)
    drawings = [*run_figures.curves(run), run_figures.evaluations(run)]
    mistakes, tables = [], [numbers_table(run)]
    if run.predictions is not None:
        matrix = confusion_matrix(run, len(names))
        mistakes = [run_figures.confusion(matrix, names, families)]
        tables += [classes_table(run, names), confused_table(matrix, names)]
    drawn_paths = run_figures.paths(arrays, names, families)
    return page.render(
        TEMPLATE,
        run=run,
        name=Path(run.path).resolve().name,
        source=provenance.source(run),
        model=_model(run),
        drawings=[_embedded(d) for d in drawings if d],
        mistakes=[_embedded(d) for d in mistakes if d],
        paths=[_embedded(d) for d in (drawn_paths,) if d],
        tables={table.name: table for table in tables},
        wrong=_wrong(run, arrays, names),
        command=run.config.get("command"),
        device=provenance.devices(run),
        versions=[f"{name} {v}" for name, v in run.config["versions"].items()],
    )


def class_names(run: Run) -> list[str]:
    """Returns the names of the classes, by label; the labels where none are recorded."""
    names = run.config["data"].get("class_names")
    if names:
        return list(names)
    told = run.predictions or {}
    labels = [told[name].max() for name in ("label", "predicted") if name in told]
    return [str(label) for label in range(1 + int(max(labels, default=0)))]


def confusion_matrix(run: Run, classes: int) -> np.ndarray:
    """Returns the counts of the test images, a row for each true class."""
    return sklearn.metrics.confusion_matrix(
        run.predictions["label"], run.predictions["predicted"], labels=range(classes)
    )


def numbers_table(run: Run) -> Table:
    """Accuracy and loss of each split."""
    rows = tuple(
        (
            split,
            f"{run.metrics[split]['accuracy']:.2%}",
            f"{run.metrics[split]['loss']:.4f}",
        )
        for split in ("train", "validation", "test")
    )
    return Table(
        "numbers",
        "The saved model",
        ("split", "accuracy", "loss (nats)"),
        rows,
        "Of the model as it reads back from its file.",
    )


def classes_table(run: Run, names: list[str]) -> Table:
    """Precision and recall of each class, on the test images."""
    label, predicted = run.predictions["label"], run.predictions["predicted"]
    precision, recall, f1, count = sklearn.metrics.precision_recall_fscore_support(
        label, predicted, labels=range(len(names)), zero_division=np.nan
    )

    def percent(value):
        return "-" if np.isnan(value) else f"{value:.1%}"

    rows = tuple(
        (name, percent(p), percent(r), percent(f), str(int(n)))
        for name, p, r, f, n in zip(names, precision, recall, f1, count, strict=True)
    )
    return Table(
        "classes",
        "Each class",
        ("class", "precision", "recall", "F1", "test images"),
        rows,
        "Precision: of the images that were told to be of the class, the share that is. "
        "Recall: of the images of the class, the share that was told. F1: their harmonic "
        "mean. A dash: there is no such image.",
    )


def confused_table(matrix: np.ndarray, names: list[str]) -> Table:
    """The pairs of classes that were confused most often."""
    wrong = matrix - np.diag(np.diag(matrix))
    order = np.argsort(-wrong, axis=None, kind="stable")[:CONFUSED]
    pairs = [np.unravel_index(i, wrong.shape) for i in order]
    rows = tuple(
        (names[true], names[told], str(int(wrong[true, told])))
        for true, told in pairs
        if wrong[true, told]
    )
    return Table(
        "confused",
        "Most often confused",
        ("true class", "predicted", "test images"),
        rows,
        f"At most {CONFUSED} pairs.",
    )


def _model(run: Run) -> list[str]:
    """Returns what was trained, and how fast, in sentences."""
    experiment, metrics = run.experiment, run.metrics
    block = BLOCKS.get(experiment.block)
    sentences = []
    if block is None or block.layer is None:
        sentences.append("No block before the final layer.")
    elif block.has_dynamics:
        sentences.append(
            f"ODE block with {experiment.dynamics} dynamics, {experiment.method}, "
            f"rtol = {experiment.rtol:g}, atol = {experiment.atol:g}, gradient by "
            f"{experiment.gradient}."
        )
    else:
        sentences.append(f"{block.title.capitalize()}: {block.equation}.")
    if "parameters" in metrics:
        sentences.append(f"{metrics['parameters']:,} parameters.")
    seconds = metrics["seconds"]["training"]
    sentences.append(f"{run.epochs} epochs in {seconds:,.0f} s.")
    kept = metrics.get("kept_epoch", run.epochs)
    if kept != run.epochs:
        sentences.append(
            f"The model is that of epoch {kept}, of the best validation accuracy."
        )
    features = metrics.get("features")
    if features:
        sentences.append(
            "The backbone is frozen and was left out of the training, which was on its "
            f"features, computed once in {features['seconds']:,.0f} s."
        )
    rate = metrics.get("images_per_second")
    if rate:
        sentences.append(f"The whole model tells {rate:,.0f} images a second.")
    return sentences


def _wrong(run: Run, arrays: dict, names: list[str]) -> list[dict] | None:
    """Returns the images of the report, each with its words; `None`: not known."""
    if "wrong_image" not in arrays or run.predictions is None:
        return None
    told = run.predictions
    return [
        {
            "uri": page.png_uri(image),
            "true": names[told["label"][i]],
            "predicted": names[told["predicted"][i]],
            "probability": f"{float(told['probability'][i]):.0%}",
        }
        for i, image in zip(
            arrays["wrong_index"].tolist(), arrays["wrong_image"], strict=True
        )
    ]


def _embedded(drawing: run_figures.Drawing) -> tuple[run_figures.Drawing, str]:
    return drawing, page.svg_uri(drawing.svg)
