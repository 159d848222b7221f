"""The paper's figures under their numbers and captions, and those that it lacks."""

import dataclasses
from pathlib import Path

import numpy as np
from matplotlib.ticker import PercentFormatter

from node_transfer.analysis import forest, measures, paper, style, training_curves
from node_transfer.analysis.figure import Figure
from node_transfer.analysis.lineup import MODELS
from node_transfer.analysis.model_diagram import draw_model
from node_transfer.analysis.runs import Sweep
from node_transfer.analysis.stability import CURVES, is_loss


def draw_figures(sweep: Sweep, folder) -> list[Figure]:
    """Draws every figure that the runs can fill.

    Args:
        sweep: The runs.
        folder: Where `NAME.svg` and `NAME.png` go; it is made.

    Returns:
        The figures, those of the paper first.
    """
    Path(folder).mkdir(parents=True, exist_ok=True)
    figures = [_figure_1(sweep, folder)]
    for number, (name, curve, caption) in paper.FIGURES.items():
        if sweep.of(name):
            figures.append(_paper_figure(sweep, folder, number, name, curve, caption))
    for draw in (
        forest.draw,
        training_curves.draw,
        _validation_curves,
        _nfe,
        _accuracy_against_seconds,
    ):
        drawn = draw(sweep, folder)
        if drawn is not None:
            figures.append(drawn)
    return figures


def _figure_1(sweep: Sweep, folder) -> Figure:
    runs = sweep.of("node_rk") or sweep.of("baseline")
    run = next(iter(runs.values()), sweep.all_runs[0])
    experiment = dataclasses.asdict(run.experiment)
    with style.figure(6.4, 2.3) as (fig, axes):
        draw_model(axes, experiment, run.config["data"]["image_size"])
        style.save(fig, Path(folder) / "figure_01")
    return Figure(
        "figure_01",
        f"Fig. 1. {paper.FIGURE_1}",
        f"Images go through {experiment['backbone']} and average pooling; the ODE block "
        "takes the features as h(0) and returns h(1); a Dense layer makes the logits.",
    )


def _paper_figure(sweep: Sweep, folder, number, name, curve, caption) -> Figure:
    stem = f"figure_{number:02d}"
    runs = sweep.of(name)
    many = len(runs) > 1
    longest = max(run.epochs for run in runs.values())
    line = {**style.thinned(style.LINES[name], longest), "linestyle": "-"}
    if many:
        line |= {"color": "#888888", "linewidth": 0.9}
    epochs, mean, _ = _band(sweep, name, curve)
    with style.figure() as (fig, axes):
        for seed, run in sorted(runs.items()):
            label = "one seed" if seed == min(runs) else None
            axes.plot(run.history["epoch"], run.history[curve], **line, label=label)
        if many:
            axes.plot(epochs, mean, color="black", linewidth=2.2, label="mean over seeds")
            axes.legend()
        style.label_epochs(axes)
        _label_values(axes, curve)
        style.save(fig, Path(folder) / stem)
    first, last = mean[0], mean[-1]
    return Figure(
        stem,
        f"Fig. {number}. {caption}",
        f"{CURVES[curve]} of {MODELS[name].label} over {len(mean)} epochs, from "
        f"{first:.3f} to {last:.3f}.",
    )


def _validation_curves(sweep: Sweep, folder) -> Figure:
    """All validation curves, cold starts beside warm ones, each on its own scale."""
    warm = [name for name in sweep.names if measures.starts_warm(sweep, name)]
    cold = [name for name in sweep.names if name not in warm]
    panels = [
        (title, names)
        for title, names in (
            ("from the backbone's first weights", cold),
            ("from the trained baseline", warm),
        )
        if names
    ]
    with style.figure(4.2 * len(panels), 4.4, columns=len(panels)) as (fig, axes):
        for panel, (title, names) in zip(np.atleast_1d(axes), panels, strict=True):
            for name in names:
                epochs, mean, spread = _band(sweep, name, "val_accuracy")
                line = style.thinned(style.LINES[name], len(epochs))
                panel.plot(epochs, mean, **line, label=MODELS[name].label)
                if spread is not None:
                    panel.fill_between(
                        epochs, *spread, color=line["color"], alpha=0.15, linewidth=0
                    )
            if title.endswith("baseline") and sweep.of("baseline"):
                best = measures.best_validation(sweep, "baseline").values()
                panel.axhline(
                    np.mean(list(best)), color="black", linewidth=0.8, linestyle=":"
                )
            style.label_epochs(panel)
            _label_values(panel, "val_accuracy")
            panel.set_title(title, fontsize=9)
            panel.set_xlabel("epochs of its own")
        _legend_below(fig, ncols=3)
        style.save(fig, Path(folder) / "validation_curves")
    return Figure(
        "validation_curves",
        "Validation accuracy of all models against their own epochs, mean over seeds; "
        "the band is from the lowest to the highest seed, the dotted line, if any, the "
        "baseline's best.",
        "Mean over seeds: " + _from_to(sweep, sweep.names, "val_accuracy"),
    )


def _nfe(sweep: Sweep, folder) -> Figure | None:
    names = [n for n in sweep.names if _solves(sweep, n)]
    if not names:
        return None
    with style.figure(6.0, 4.4) as (fig, axes):
        for name in names:
            for column, fill in (("nfe_forward", "full"), ("nfe_backward", "none")):
                epochs, mean, _ = _band(sweep, name, column)
                axes.plot(
                    epochs,
                    mean,
                    **style.thinned(style.LINES[name], len(epochs)),
                    fillstyle=fill,
                    label=f"{MODELS[name].label}, {column.removeprefix('nfe_')}",
                )
        style.label_epochs(axes)
        axes.set_ylabel("evaluations of f a solve")
        axes.set_ylim(bottom=0)
        _legend_below(fig, ncols=2)
        style.save(fig, Path(folder) / "nfe")
    return Figure(
        "nfe",
        "Evaluations of f a solve (NFE) against epochs, mean over seeds; filled markers "
        "forward, hollow ones backward.",
        "Forward: " + _from_to(sweep, names, "nfe_forward"),
    )


def _accuracy_against_seconds(sweep: Sweep, folder) -> Figure:
    with style.figure(7.2, 4.6) as (fig, axes):
        for name in sweep.names:
            for i, (_, run) in enumerate(sorted(sweep.of(name).items())):
                axes.plot(
                    np.cumsum(run.history["seconds"]) / 60,
                    run.history["val_accuracy"],
                    **style.thinned(style.LINES[name], run.epochs) | {"linewidth": 1.0},
                    label=MODELS[name].label if i == 0 else None,
                )
        _label_values(axes, "val_accuracy")
        axes.set_xlabel("minutes of training of its own")
        axes.set_xlim(left=0)
        _legend_below(fig, ncols=3)
        style.save(fig, Path(folder) / "accuracy_against_seconds")
    return Figure(
        "accuracy_against_seconds",
        "Validation accuracy against the time of training, every run; the time of a warm "
        "start is not counted.",
        "A line a run. Mean over seeds: " + _from_to(sweep, sweep.names, "val_accuracy"),
    )


def _from_to(sweep: Sweep, names: list[str], column: str) -> str:
    """Says where the mean curves begin and end, for those who cannot see them."""
    ends = []
    for name in names:
        _, mean, _ = _band(sweep, name, column)
        ends.append(f"{MODELS[name].label} from {mean[0]:.3g} to {mean[-1]:.3g}")
    return "; ".join(ends) + "."


def _band(sweep: Sweep, name: str, column: str):
    """Returns epochs, the mean over seeds, and (lowest, highest) for several seeds."""
    curves = [run.history[column] for run in sweep.of(name).values()]
    length = min(map(len, curves))
    values = np.array([curve[:length] for curve in curves])
    spread = (values.min(0), values.max(0)) if len(curves) > 1 else None
    return np.arange(1, length + 1), values.mean(0), spread


def _legend_below(fig, ncols: int) -> None:
    fig.legend(loc="outside lower center", ncols=ncols, fontsize=8)


def _label_values(axes, curve: str) -> None:
    axes.set_ylabel(CURVES[curve].lower())
    if not is_loss(curve):
        axes.yaxis.set_major_formatter(PercentFormatter(1.0))


def _solves(sweep: Sweep, name: str) -> bool:
    """Whether a model has an ODE solved to a tolerance, so that its NFE can change."""
    run = next(iter(sweep.of(name).values()))
    return "nfe_forward" in run.history and name != "residual"
