"""The picture of whole trainings: what the paper's figures 2 to 12 show, side by side."""

import textwrap
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.ticker import PercentFormatter

from node_transfer.analysis import style
from node_transfer.analysis.figure import Figure
from node_transfer.analysis.lineup import CONTROLS, MODELS
from node_transfer.analysis.runs import Run, Sweep, UnfinishedRun

QUANTITIES = ("accuracy", "loss")  # left and right of a row
VALIDATION, TRAINING, CONTROL = (
    "validation",
    "while training",
    "validation without the block",
)
COLOURS = {VALIDATION: "#0072B2", TRAINING: "#E69F00", CONTROL: "#999999"}
ROW_INCHES, LINE_INCHES = 1.5, 0.2
# A row's title stands over both panels. The layout reckons with its middle: of a longer
# one that would be beyond the left panel, which then would be made narrow.
TITLE_CHARACTERS = 60
# A spike is so many times the next lower loss, and no more than one loss in so many is as
# high: a scale that held it would show little else.
SPIKE, FEW = 2.5, 20


def draw(sweep: Sweep, folder) -> Figure | None:
    """Draws training and validation of the baseline and of each model with the block.

    A row is a model, a line a run; the scales are the same in every row. Behind a model
    with the block is the validation curve of the same training without it. A run that
    goes on, or diverged, is drawn as far as it came, and called so.

    Returns:
        The figure; `None` where none of these models has had an epoch.
    """
    rows = [name for name in ("baseline", *CONTROLS) if curves_of(sweep, name)]
    if not rows:
        return None
    titles = [_title(sweep, name) for name in rows]
    wrapped = [textwrap.fill(title, TITLE_CHARACTERS) for title in titles]
    more_lines = sum(title.count("\n") for title in wrapped)
    height = ROW_INCHES * len(rows) + LINE_INCHES * more_lines + 0.7
    with style.grid(5.6, height, len(rows), len(QUANTITIES)) as (fig, axes):
        for name, title, row in zip(rows, wrapped, axes, strict=True):
            for panel, quantity in zip(row, QUANTITIES, strict=True):
                _draw_panel(panel, sweep, name, quantity)
            row[0].set_title(title, loc="left", fontsize=11)
            row[0].yaxis.set_major_formatter(PercentFormatter(1.0))
        spikes = mark_spikes(axes[:, 1])
        for panel in axes[-1]:
            style.label_epochs(panel, 5)
        compared = any(curves_of(sweep, CONTROLS.get(name)) for name in rows)
        shown = [what for what in COLOURS if what != CONTROL or compared]
        fig.legend(
            [Line2D([], [], color=COLOURS[what]) for what in shown],
            shown,
            loc="outside lower center",
            ncols=len(shown),
            fontsize=10,
        )
        style.save(fig, Path(folder) / "training_curves")
    return Figure(
        "training_curves",
        "Accuracy and loss while training and on the validation images, a line a run, "
        "the same scales for all; grey: the validation curve of the same training "
        "without the block. A curve of a run that starts from another begins at epoch 0, "
        "before its first. What goes on, or diverged, is drawn as far as it came."
        + (" A triangle: a loss beyond the scale, with its value." if spikes else ""),
        "; ".join(titles) + ".",
    )


def _draw_panel(panel, sweep: Sweep, name: str, quantity: str) -> None:
    for drawn, column, what in (
        (CONTROLS.get(name), f"val_{quantity}", CONTROL),
        (name, quantity, TRAINING),
        (name, f"val_{quantity}", VALIDATION),
    ):
        for run in curves_of(sweep, drawn).values():
            epochs, values = _with_start(run, column)
            panel.plot(epochs, values, color=COLOURS[what], linewidth=1.0)
    panel.set_ylabel(quantity)


def _with_start(run: Run | UnfinishedRun, column: str) -> tuple[list, list]:
    """Returns the epochs and values of a curve; of a run that starts from another the
    value before its first epoch as that of epoch 0, where it was recorded."""
    epochs, values = run.history["epoch"], run.history[column]
    if isinstance(run, Run) and run.experiment.init_from:
        start = run.config.get("start", {}).get(column)
        if start is not None:
            return [0, *epochs], [start, *values]
    return epochs, values


def mark_spikes(panels) -> bool:
    """Ends the scale that panels share below the spikes, and marks these at its edge.

    Args:
        panels: Axes of losses with one scale, in which all lines are drawn.

    Returns:
        Whether there are any.
    """
    lines = [(panel, line) for panel in panels for line in panel.get_lines()]
    top = top_without_spikes(np.concatenate([line.get_ydata() for _, line in lines]))
    if top is None:
        return False
    panels[0].set_ylim(-0.05 * top, 1.05 * top)
    for panel, line in lines:
        epochs, losses = line.get_xdata(), line.get_ydata()
        if not np.any(losses > top):
            continue
        highest = np.nanargmax(losses)
        epoch, loss = epochs[highest], losses[highest]
        panel.annotate(
            f"{loss:.3g}",
            (epoch, 1.0),
            (5, -4),
            panel.get_xaxis_transform(),
            "offset points",
            color=line.get_color(),
            fontsize=9,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},
        )
        place = {"transform": panel.get_xaxis_transform(), "clip_on": False}
        panel.plot(epoch, 1.0, "^", color=line.get_color(), **place)
    return True


def top_without_spikes(losses: np.ndarray) -> float | None:
    """Returns the highest loss below the spikes, `None` where there are none.

    A descent, however steep, goes through what lies between; a spike does not.
    """
    ordered = np.sort(losses[np.isfinite(losses) & (losses > 0)])
    few = len(ordered) // FEW
    lower, higher = ordered[-few - 1 : -1], ordered[len(ordered) - few :]
    apart = higher >= SPIKE * lower
    return float(lower[np.argmax(apart)]) if np.any(apart) else None


def curves_of(sweep: Sweep, name: str | None) -> Mapping[int, Run | UnfinishedRun]:
    """Returns a model's runs that have had an epoch, by seed, finished or not."""
    others = {**sweep.unfinished.get(name, {}), **sweep.diverged.get(name, {})}
    begun = {seed: run for seed, run in others.items() if run.epochs}
    return dict(sorted({**begun, **sweep.of(name)}.items()))


def _title(sweep: Sweep, name: str) -> str:
    """Says for how many epochs a model was trained, and what came to no end."""
    finished = {run.epochs for run in sweep.of(name).values()}
    said = [f"{' and '.join(map(str, sorted(finished)))} epochs"] if finished else []
    said += _unfinished(sweep, name)
    said += [f"without the block {x}" for x in _unfinished(sweep, CONTROLS.get(name))]
    return f"{MODELS[name].label}: {'; '.join(said)}"


def _unfinished(sweep: Sweep, name: str | None) -> list[str]:
    return [
        f"{'diverged after' if run.diverged else 'unfinished,'} {run.epochs} of "
        f"{run.planned} epochs"
        for run in curves_of(sweep, name).values()
        if isinstance(run, UnfinishedRun)
    ]
