"""The picture that comes first: paired differences, a row each."""

import math
import textwrap
from pathlib import Path

import numpy as np

from node_transfer.analysis import protocol, style
from node_transfer.analysis.figure import Figure
from node_transfer.analysis.inference import MIN_SEEDS, UNTOLD, Comparison
from node_transfer.analysis.lineup import COMPARISONS, MODELS
from node_transfer.analysis.runs import Sweep

PRIMARY, SECONDARY = "#0072B2", "#666666"
ROW_INCHES = 0.52
LINE = 64  # letters of a label that the picture is wide


def draw(sweep: Sweep, folder) -> Figure | None:
    """Draws differences in test accuracy and in epochs, the declared ones first.

    A dot is a seed, a bar the 95 % interval of docs/protocol.md, the shaded band the
    margin within which two models are called equivalent.

    Returns:
        The figure; `None` where no two models share a seed.
    """
    accuracy = _rows(sweep, protocol.test_accuracy)
    epochs = _rows(sweep, protocol.epochs_to_baselines_level)
    if not accuracy:
        return None
    panels = [
        (accuracy, 100, 100 * protocol.POINTS_MARGIN, "test accuracy, points"),
        (epochs, 1, protocol.EPOCHS_MARGIN, "epochs to the baseline's level"),
    ]
    panels = [panel for panel in panels if panel[0]]
    counts = [len(rows) + 0.6 for rows, *_ in panels]
    height = ROW_INCHES * sum(counts) + 0.75 * len(panels)
    with style.stacked(5.0, height, counts) as (fig, axes):
        for panel, (rows, scale, margin, label) in zip(axes, panels, strict=True):
            _draw_panel(panel, rows, scale, margin)
            panel.set_xlabel(f"left less right: {label}")
        style.save(fig, Path(folder) / "forest")
    ends = [
        f"{name}: {scale * c.mean:+.2f}"
        for rows, scale, *_ in panels
        for name, _, c in rows
        if math.isfinite(c.mean)
    ]
    kinds = "all are secondary"
    if any(declared for rows, *_ in panels for _, declared, _ in rows):
        kinds = "blue: declared beforehand (P1 to P4), grey: secondary"
    return Figure(
        "forest",
        "Paired differences. A dot is a seed, a bar the 95 % interval over seeds and "
        "test images, the band the margin of equivalence; "
        f"{kinds}. A comparison of fewer than three seeds has no "
        "bar; a seed in which a model does not reach the level has no dot.",
        "; ".join(ends) + ".",
    )


def _rows(sweep: Sweep, compare) -> list[tuple[str, bool, Comparison]]:
    """Returns label, whether it was declared, and the comparison."""
    declared = protocol.declared(sweep, compare)
    found = []
    for left, right in dict.fromkeys([*declared, *COMPARISONS]):
        result = compare(sweep, left, right)
        comparison = result.comparison
        if comparison is None:
            continue
        name = declared.get((left, right))
        label = f"{MODELS[left].label} − {MODELS[right].label}"
        reached = sum(map(math.isfinite, comparison.differences))
        if reached < comparison.n:
            told = "" if result.outcome == UNTOLD else f": {result.outcome}"
            label += f" ({reached} of {comparison.n} seeds{told})"
        found.append((f"{name}  {label}" if name else label, bool(name), comparison))
    return found


def _draw_panel(axes, rows, scale: float, margin: float) -> None:
    axes.axvspan(-margin, margin, color="#e8e8e8", zorder=0)
    axes.axvline(0, color="black", linewidth=0.8)
    for k, (label, declared, c) in enumerate(rows):
        y, colour = -k, PRIMARY if declared else SECONDARY
        finite = [scale * d for d in c.differences if math.isfinite(d)]
        if c.n >= MIN_SEEDS and math.isfinite(c.low):  # of two it would span the picture
            axes.plot(
                [scale * c.low, scale * c.high], [y, y], color=colour, linewidth=2.2
            )
            axes.plot(scale * c.mean, y, marker="D", color=colour, markersize=6)
        axes.plot(finite, np.full(len(finite), y), "o", color="black", markersize=3.5)
        axes.annotate(
            textwrap.fill(label, LINE), (0, y), xycoords=("axes fraction", "data"),
            xytext=(2, 6), textcoords="offset points", fontsize=9,
            fontweight="bold" if declared else "normal",
        )  # fmt: skip
    axes.set_ylim(-len(rows) + 0.5, 0.8)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
