"""Table and figure of a trained model solved in other ways."""

from node_transfer.analysis import style
from node_transfer.analysis.table import Table

NOTE = (
    "The same weights in every row. Changed: predictions other than those of the model "
    "as it was trained. Evaluations of f, mean of a batch; milliseconds of block and "
    "final layer for a batch, median. Tolerances are rtol = atol; each batch there "
    "chooses its first step anew; the first row begins with the step remembered."
)


def table(rows: list[dict]) -> Table:
    """The rows of `training.solver_sweep.sweep_solvers`, for people."""
    images = rows[0]["images"]
    cells = tuple(
        (
            row["solver"],
            f"{100 * row['accuracy']:.2f} %",
            str(row["changed"]),
            f"{row['nfe']:.1f}",
            "" if row["milliseconds"] is None else f"{row['milliseconds']:.2f}",
        )
        for row in rows
    )
    changed = f"changed of {images:,}"
    headers = ("solver", "accuracy", changed, "evaluations", "ms a batch")
    title = "The same weights, solved otherwise"
    return Table("solver_sweep", title, headers, cells, NOTE)


def draw(rows: list[dict], stem) -> None:
    """Draws accuracy and evaluations against the tolerance.

    Args:
        rows: As in `table`.
        stem: Path of the files without their endings, `.svg` and `.png`.
    """
    solved = [row for row in rows[1:] if row["rtol"] is not None]
    others = [row for row in rows if row["rtol"] is None]
    tolerances = [row["rtol"] for row in solved]
    with style.figure(7.0, 3.3, columns=2) as (fig, (accuracy, cost)):
        line = style.LINES["node_rk"]
        accuracy.plot(tolerances, [100 * row["accuracy"] for row in solved], **line)
        for row, colour in zip(others, ("#D55E00", "#009E73", "#000000"), strict=False):
            accuracy.axhline(
                100 * row["accuracy"], color=colour, linestyle=":", label=row["solver"]
            )
        error = 100 * max(_standard_error(row) for row in rows)
        middle = 100 * rows[0]["accuracy"]
        accuracy.axhspan(
            middle - 1.96 * error, middle + 1.96 * error, color="#dddddd", zorder=0,
            label="95 % of the test images' noise",
        )  # fmt: skip
        accuracy.set_ylabel("accuracy (%)")
        fig.legend(fontsize=9, ncols=2, loc="outside lower center")
        cost.plot(tolerances, [row["nfe"] for row in solved], **line)
        cost.set_ylabel("evaluations of f, a batch")
        cost.set_ylim(bottom=0)
        for axes in (accuracy, cost):
            style.log_x(axes)
            axes.set_xlabel("rtol = atol")
        style.save(fig, stem)


def _standard_error(row: dict) -> float:
    """Of an accuracy, over images."""
    return (row["accuracy"] * (1 - row["accuracy"]) / row["images"]) ** 0.5
