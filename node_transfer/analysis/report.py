"""Writes everything that a sweep's runs tell: tables, figures, one HTML report."""

import base64
from pathlib import Path

import jinja2

from node_transfer.analysis import figures, stability, tables, verdict
from node_transfer.analysis.lineup import MODELS
from node_transfer.analysis.runs import Sweep, read_sweep
from node_transfer.analysis.tables import Table
from node_transfer.errors import UserError

TABLES, FIGURES, NUMBERS, VERDICT, REPORT = (
    "tables",
    "figures",
    "numbers.csv",
    "verdict.md",
    "report.html",
)
TEMPLATE = "report.html.j2"


def write_report(folder) -> str:
    """Makes tables, figures, and report from the run directories below a folder.

    `FOLDER/tables/*.md`, `*.csv`; `FOLDER/figures/*.svg`, `*.png`; `FOLDER/numbers.csv`,
    every number of every run with its path; `FOLDER/verdict.md`; `FOLDER/report.html`,
    in one file.

    Returns:
        The verdict and the tables for a terminal.

    Raises:
        UserError: There is no finished run, or the folder cannot be written.
    """
    sweep = read_sweep(folder)
    findings = verdict.verdict(sweep)
    made = tables.all_tables(sweep)
    root = Path(folder)
    try:
        (root / TABLES).mkdir(exist_ok=True)
        for table in made:
            (root / TABLES / f"{table.name}.md").write_text(
                table.markdown(), encoding="utf-8"
            )
            (root / TABLES / f"{table.name}.csv").write_text(
                table.csv(), encoding="utf-8"
            )
        (root / NUMBERS).write_text(tables.numbers(sweep), encoding="utf-8")
        sentences = [finding.sentence for finding in findings]
        (root / VERDICT).write_text("\n\n".join(sentences) + "\n", encoding="utf-8")
        drawn = figures.draw_figures(sweep, root / FIGURES)
        (root / REPORT).write_text(
            _html(sweep, findings, made, drawn, root / FIGURES), encoding="utf-8"
        )
    except OSError as error:
        raise UserError(
            f"The folder {str(folder)!r} cannot be written ({error.strerror}): pass "
            "another --output_dir."
        ) from error
    parts = [table.text() for table in made]
    parts += [*sentences, "", f"Report: {root / REPORT}"]
    return "\n".join(parts)


def _html(sweep: Sweep, findings, made: list[Table], drawn, folder: Path) -> str:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("node_transfer.analysis", "."),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    record = sweep.record
    return environment.get_template(TEMPLATE).render(
        findings=findings,
        rule=verdict.RULE,
        tables={table.name: table for table in made},
        figures=[(figure, _data_uri(folder / f"{figure.name}.svg")) for figure in drawn],
        models=[MODELS[name] for name in sweep.names],
        statistics=stability.STATISTICS,
        seeds=sweep.seeds,
        command=record.get("command"),
        note=record.get("note"),
        commands=[entry["command"] for entry in record["runs"]],
        failed=[entry for entry in record["runs"] if "failed" in entry],
        unfinished=sweep.unfinished,
        runs=[_provenance(run) for run in sweep.all_runs],
        sources=tables.provenance(sweep.all_runs).splitlines(),
        versions=_versions(sweep),
    )


def _data_uri(path: Path) -> str:
    """Returns an SVG file as a URI that holds it."""
    return f"data:image/svg+xml;base64,{base64.b64encode(path.read_bytes()).decode()}"


def _provenance(run) -> dict[str, str]:
    config, experiment = run.config, run.config["experiment"]
    device = config["device"]
    gpus = ", ".join(device["gpus"])
    return {
        "path": run.path,
        "data": f"{config['data']['name']}, {config['data']['version']}",
        "weights": tables.weights_of(run),
        "seed": str(experiment["seed"]),
        "device": gpus or f"CPU {device['cpu']}, {device['cpu_threads']} threads",
        "test": f"{run.metrics['test']['accuracy']:.4f}",
    }


def _versions(sweep: Sweep) -> list[str]:
    """Returns `package version`, with every version that a run had."""
    versions = {}
    for run in sweep.all_runs:
        for package, version in run.config["versions"].items():
            versions.setdefault(package, set()).add(version)
    return [f"{name} {', '.join(sorted(found))}" for name, found in versions.items()]
