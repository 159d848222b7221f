"""Figures of one run: its curves, its mistakes, the paths of its ODE."""

import dataclasses

import numpy as np
from matplotlib.ticker import PercentFormatter

from node_transfer.analysis import style
from node_transfer.analysis.runs import Run

MANY_CLASSES = 30  # more make a confusion matrix that nobody can read
LONGEST = 24  # characters of a class's name
COUNTED = 12  # classes up to which it has its counts written into it
TRAINING, VALIDATION = style.LINES["node_rk"], style.LINES["node_adjoint"]


@dataclasses.dataclass(frozen=True)
class Drawing:
    """A figure, drawn.

    Attributes:
        name: Its `id` in the page.
        caption: What stands below it.
        description: What it shows, for those who cannot see it.
        svg: The drawing.
        width: How wide it was drawn, in inches, where it may not be shown much wider.
    """

    name: str
    caption: str
    description: str
    svg: bytes
    width: float | None = None


def curves(run: Run) -> list[Drawing]:
    """Draws accuracy and loss against the epochs."""
    drawn = []
    for name, label in (("accuracy", "accuracy"), ("loss", "loss (nats)")):
        with style.figure() as (fig, axes):
            for key, line, what in (
                (name, TRAINING, "training"),
                (f"val_{name}", VALIDATION, "validation"),
            ):
                line = style.thinned(line, run.epochs)
                axes.plot(run.history["epoch"], run.history[key], **line, label=what)
            style.label_epochs(axes)
            axes.set_ylabel(label)
            if name == "accuracy":
                axes.yaxis.set_major_formatter(PercentFormatter(1.0))
            axes.legend()
            content = style.svg(fig)
        validation = run.history[f"val_{name}"]
        drawn.append(
            Drawing(
                name,
                f"{name.capitalize()} after each epoch.",
                f"Validation {name} from {validation[0]:.3g} to {validation[-1]:.3g} "
                f"over {run.epochs} epochs.",
                content,
            )
        )
    return drawn


def evaluations(run: Run) -> Drawing | None:
    """Draws the evaluations of f a solve; `None` for a run without an ODE."""
    if "nfe_forward" not in run.history:
        return None
    with style.figure() as (fig, axes):
        for key, line, what in (
            ("nfe_forward", TRAINING, "forward"),
            ("nfe_backward", VALIDATION, "backward"),
        ):
            axes.plot(run.history["epoch"], run.history[key], **line, label=what)
        style.label_epochs(axes)
        axes.set_ylabel("evaluations of f a solve")
        axes.set_ylim(bottom=0)
        axes.legend()
        content = style.svg(fig)
    forward = run.history["nfe_forward"]
    return Drawing(
        "nfe",
        "Evaluations of f a solve (NFE), mean over the batches of an epoch.",
        f"Forward from {forward[0]:.3g} to {forward[-1]:.3g}.",
        content,
    )


def _short(name: str) -> str:
    """A class's name as an axis has room for it."""
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 9]}…{name[-8:]}"


def confusion(
    matrix: np.ndarray, class_names: list[str], families=style.FONT
) -> Drawing | None:
    """Draws which class was taken for which; `None` for too many classes to read.

    Args:
        matrix: Counts, shape `(classes, classes)`, a row for each true class.
        class_names: In the order of the rows.
        families: Of fonts that have their characters.
    """
    classes = len(class_names)
    if classes > MANY_CLASSES:
        return None
    class_names = [_short(name) for name in class_names]
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    side = max(4.0, 1.6 + 0.34 * classes)
    with style.figure(side, side, families=families) as (fig, axes):
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        axes.grid(False)
        axes.set_xticks(range(classes), class_names, rotation=90)
        axes.set_yticks(range(classes), class_names)
        axes.set_xlabel("predicted")
        axes.set_ylabel("true class")
        if classes <= COUNTED:
            for (row, column), count in np.ndenumerate(matrix):
                dark = shares[row, column] > 0.5
                axes.text(
                    column, row, str(count), ha="center", va="center", fontsize=7,
                    color="white" if dark else "black",
                )  # fmt: skip
        content = style.svg(fig)
    return Drawing(
        "confusion",
        "Confusion matrix of the test images; a shade is the share of the true class.",
        f"{int(np.trace(matrix))} of {int(matrix.sum())} on the diagonal.",
        content,
        side,
    )


def paths(
    arrays: dict[str, np.ndarray], class_names: list[str], families=style.FONT
) -> Drawing | None:
    """Draws h(t) of some test images; `None` where the run has none.

    Args:
        arrays: `illustrations.npz`.
        class_names: By label.
        families: Of fonts that have their characters.
    """
    if "path_point" not in arrays:
        return None
    points, labels = arrays["path_point"], arrays["path_label"]
    lines = list(style.LINES.values())
    marks = {}
    with style.figure(5.0, 4.6, families=families) as (fig, axes):
        for k, label in enumerate(np.unique(labels)):
            line = lines[k % len(lines)]
            of_class = points[labels == label]
            for path in of_class:
                axes.plot(*path.T, color=line["color"], linewidth=0.8)
                (marks[class_names[label]],) = axes.plot(
                    *path[-1], color=line["color"], marker=line["marker"], linestyle=""
                )
        first, second = arrays["path_variance"]
        axes.set_xlabel(f"first component ({first:.0%} of the variance)")
        axes.set_ylabel(f"second component ({second:.0%})")
        # Handed over: matplotlib leaves out of its own accord names that begin with "_".
        fig.legend(
            list(marks.values()), [_short(name) for name in marks],
            loc="outside lower center", ncols=4, fontsize=8,
        )  # fmt: skip
        content = style.svg(fig)
    times = arrays["path_time"]
    return Drawing(
        "paths",
        f"h(t) of {len(points)} test images from t = {times[0]:g} to the mark at "
        f"t = {times[-1]:g}, in the plane of the two principal components of these "
        "states, coloured by their true class.",
        f"{len(points)} paths of {len(np.unique(labels))} classes.",
        content,
    )
