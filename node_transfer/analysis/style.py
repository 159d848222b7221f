"""One style for all figures: readable in grey, as by line and marker as by colour."""

import contextlib
import io
import logging
import warnings

import matplotlib
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatter, MaxNLocator

# Okabe and Ito's colours, darkest first, each with a line and a marker of its own.
LINES = {
    "baseline": {"color": "#000000", "linestyle": "-", "marker": "o"},
    "node_rk": {"color": "#0072B2", "linestyle": "--", "marker": "s"},
    "node_adjoint": {"color": "#D55E00", "linestyle": "-.", "marker": "^"},
    "node_rk_cold": {"color": "#56B4E9", "linestyle": ":", "marker": "D"},
    "node_adjoint_cold": {"color": "#E69F00", "linestyle": ":", "marker": "v"},
    "more_adam": {"color": "#009E73", "linestyle": (0, (5, 1)), "marker": "P"},
    "more_sgd": {"color": "#999999", "linestyle": (0, (3, 1, 1, 1)), "marker": "X"},
    "residual": {"color": "#CC79A7", "linestyle": (0, (1, 1)), "marker": "*"},
    "baseline_sgd": {"color": "#666666", "linestyle": "-", "marker": "h"},
    "more_adam_falling": {"color": "#F0E442", "linestyle": (0, (5, 1)), "marker": "p"},
    "node_adjoint_adam": {"color": "#8B4513", "linestyle": "-.", "marker": "<"},
    "baseline_random": {"color": "#000000", "linestyle": ":", "marker": "x"},
}

MARKED = 30  # points of a curve; of a longer one some have a marker
MARKERS = 12


def thinned(line: dict, points: int) -> dict:
    """How a curve of so many points is drawn: a long one thin, with few markers."""
    if points <= MARKED:
        return line
    return {**line, "linewidth": 1.0, "markevery": points // MARKERS}


FONT = "DejaVu Sans"  # which comes with Matplotlib

SETTINGS = {
    "figure.dpi": 100,
    "savefig.dpi": 150,
    "figure.constrained_layout.use": True,
    "font.family": FONT,
    "text.parse_math": False,  # names of classes may have dollars
    "font.size": 11,  # 9 or more pixels where a phone shows a figure 350 pixels wide
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.6,
    "lines.linewidth": 1.4,
    "lines.markersize": 4,
    "legend.frameon": False,
    "svg.fonttype": "path",  # looks the same where the font is missing
    "svg.hashsalt": "node-transfer",  # the same file from the same numbers
}


SVG_METADATA = {"Date": None, "Creator": "node-transfer"}


@contextlib.contextmanager
def figure(width: float = 4.5, height: float = 3.0, columns: int = 1, families=FONT):
    """Yields `(figure, axes)` in the house style, in inches.

    With several columns `axes` is an array of them. The figure is none of pyplot's, whose
    backend, that of a notebook for instance, stays as it is. A character is drawn by the
    first of the families of fonts that has it.
    """
    with matplotlib.rc_context(SETTINGS | {"font.family": families}):
        fig = Figure(figsize=(width, height))
        FigureCanvasAgg(fig)
        yield fig, fig.subplots(1, columns)


@contextlib.contextmanager
def grid(width: float, height: float, rows: int, columns: int):
    """Yields `(figure, 2-d array of axes)`, see `figure`.

    Panels below each other share both scales, so that only the lowest has epochs.
    """
    with matplotlib.rc_context(SETTINGS):
        fig = Figure(figsize=(width, height))
        FigureCanvasAgg(fig)
        yield fig, fig.subplots(rows, columns, sharex=True, sharey="col", squeeze=False)


@contextlib.contextmanager
def stacked(width: float, height: float, ratios):
    """Yields `(figure, array of axes)`, one panel below the other, see `figure`.

    Args:
        width, height: Of all, in inches.
        ratios: Height of each panel, relative to the others.
    """
    with matplotlib.rc_context(SETTINGS):
        fig = Figure(figsize=(width, height))
        FigureCanvasAgg(fig)
        axes = fig.subplots(len(ratios), 1, height_ratios=ratios, squeeze=False)
        yield fig, axes[:, 0]


def label_epochs(axes, intervals: int = 10) -> None:
    """Gives an axis of epochs its name, and whole numbers, so many and one at most."""
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(intervals, integer=True))


def log_x(axes) -> None:
    """Makes the x axis logarithmic, its numbers plain: 1e-06, 100."""
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(LogFormatter())  # others write formulas, see SETTINGS
    axes.xaxis.set_minor_formatter(LogFormatter(labelOnlyBase=False))


def save(fig, stem) -> None:
    """Writes `STEM.svg` and `STEM.png` without a date, so that they can be compared."""
    fig.savefig(f"{stem}.svg", metadata=SVG_METADATA)
    fig.savefig(f"{stem}.png", metadata={"Software": "node-transfer"})


def svg(fig) -> bytes:
    """Returns the same SVG as `save` writes."""
    file = io.BytesIO()
    with _no_word_of_fonts():
        fig.savefig(file, format="svg", metadata=SVG_METADATA)
    return file.getvalue()


@contextlib.contextmanager
def _no_word_of_fonts():
    """Matplotlib says each missing glyph, of which `fonts` warns, and each weight that is
    nearly the one asked for."""
    logger = logging.getLogger("matplotlib.font_manager")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Glyph .* missing from")
            yield
    finally:
        logger.setLevel(level)
