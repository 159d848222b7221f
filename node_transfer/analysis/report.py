"""Writes everything that a sweep's runs tell: tables, figures, one HTML report."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from node_transfer.analysis import (
    claims,
    claims_page,
    control_tables,
    figures,
    page,
    paper,
    paper_tables,
    protocol,
    provenance,
    training_curves,
)
from node_transfer.analysis.lineup import MODELS
from node_transfer.analysis.numbers import numbers_csv
from node_transfer.analysis.runs import Run, Sweep, UnfinishedRun, read_sweep
from node_transfer.analysis.table import Table
from node_transfer.errors import UserError
from node_transfer.runs.sweep_folder import run_name

TABLES, FIGURES, NUMBERS, CLAIMS, REPORT = (
    "tables",
    "figures",
    "numbers.csv",
    "claims.md",
    "report.html",
)
TEMPLATE = "report.html.j2"


def write_report(folder) -> str:
    """Makes tables, figures, and report from the run directories below a folder.

    `FOLDER/tables/*.md`, `*.csv`; `FOLDER/figures/*.svg`, `*.png`; `FOLDER/numbers.csv`,
    every number of every run with its path; `FOLDER/claims.md`, each claim of the paper
    with its outcome; `FOLDER/report.html`, in one file. Where no run is finished, the
    curves of those that go on, as far as they came, and nothing else.

    Returns:
        Tables and outcomes for a terminal.

    Raises:
        UserError: There is no finished run, or the folder cannot be written.
    """
    sweep = read_sweep(folder, unfinished_alone=True)
    if not sweep.runs:
        return _curves_alone(sweep, Path(folder))
    evidence = claims.evidence_of([sweep])
    judged = claims.judge_all(evidence)
    made = all_tables(sweep)
    root = Path(folder)
    with _failures_told(root):
        (root / TABLES).mkdir(exist_ok=True)
        for table in made:
            (root / TABLES / f"{table.name}.md").write_text(
                table.markdown(), encoding="utf-8"
            )
            (root / TABLES / f"{table.name}.csv").write_text(
                table.csv(), encoding="utf-8"
            )
        (root / NUMBERS).write_text(numbers_csv(sweep), encoding="utf-8")
        page = claims_page.markdown(evidence, judged)
        (root / CLAIMS).write_text(page, encoding="utf-8")
        drawn = figures.draw_figures(sweep, root / FIGURES)
        (root / REPORT).write_text(
            _html(sweep, evidence, judged, made, drawn, root / FIGURES),
            encoding="utf-8",
        )
    parts = [table.text() for table in made]
    parts += [f"Diverged: {path}, {what}." for path, what in sweep.diverged_paths.items()]
    parts += [*claims_page.sentences(evidence, judged), "", f"Report: {root / REPORT}"]
    return "\n".join(parts)


def _curves_alone(sweep: Sweep, root: Path) -> str:
    """Draws what there is of runs none of which is finished."""
    with _failures_told(root):
        (root / FIGURES).mkdir(exist_ok=True)
        drawn = training_curves.draw(sweep, root / FIGURES)
    lines = [f"{run.path}: {_how_far(run)}." for run in sweep.unfinished_runs]
    if drawn is not None:
        lines += ["", f"Their curves: {root / FIGURES / drawn.name}.png"]
    return "\n".join(["No run is finished, so nothing is compared.", *lines])


@contextlib.contextmanager
def _failures_told(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UserError(
            f"The folder {str(folder)!r} cannot be written ({error.strerror}): pass "
            "output_dir= with another folder."
        ) from error


def all_tables(sweep: Sweep) -> list[Table]:
    """Returns every table that the runs of a sweep can fill."""
    return [
        paper_tables.table_1(sweep),
        paper_tables.table_2(sweep),
        paper_tables.table_3(sweep),
        control_tables.stability_table(sweep),
        control_tables.stability_differences_table(sweep),
        control_tables.epochs_table(sweep),
        control_tables.controls_table(sweep),
    ]


def _html(sweep: Sweep, evidence, judged, made: list[Table], drawn, folder: Path) -> str:
    record = sweep.record
    return page.render(
        TEMPLATE,
        sentences=claims_page.sentences(evidence, judged),
        judged=judged,
        contradictions=paper.CONTRADICTIONS,
        protocol_commit=protocol.COMMIT,
        age_of_rules=claims_page.age_of_rules(evidence),
        of_the_runs=claims_page.of_the_runs(evidence),
        tables={table.name: table for table in made},
        figures=[
            (figure, page.svg_uri((folder / f"{figure.name}.svg").read_bytes()))
            for figure in drawn
        ],
        models=[MODELS[name] for name in sweep.names],
        dates=provenance.dates(sweep),
        limits=provenance.limits(sweep),
        seeds=sweep.seeds,
        note=record.get("note"),
        sweeps=record.get("commands", []),
        commands=[entry["command"] for entry in record["runs"]],
        missing=_missing(sweep),
        diverged=sweep.diverged_paths,
        runs=[_record(run) for run in sweep.all_runs],
        sources=provenance.sources(sweep.all_runs),
        versions=provenance.versions(sweep),
    )


def _missing(sweep: Sweep) -> dict[str, str]:
    """Returns the runs that are not finished, each with the reason."""
    missing = {run.path: _how_far(run) for run in sweep.unfinished_runs}
    for entry in sweep.record["runs"]:
        path = run_name(entry["seed"], entry["model"])
        if (
            entry["seed"] not in sweep.of(entry["model"])
            and path not in sweep.diverged_paths
        ):
            missing[path] = entry.get("failed", missing.get(path, "not begun"))
    return missing


def _how_far(run: UnfinishedRun) -> str:
    if not run.planned:
        return "not finished"
    return f"not finished, {run.epochs} of {run.planned} epochs"


def _record(run: Run) -> dict[str, str]:
    return {
        "path": run.path,
        "data": f"{run.config['data']['name']}, {run.config['data']['version']}",
        "weights": provenance.weights(run),
        "seed": str(run.experiment.seed),
        "device": provenance.devices(run),
        "commit": provenance.commit(run),
        "date": provenance.date(run),
        "test": f"{run.metrics['test']['accuracy']:.4f}",
    }
