"""Judges each claim of the paper by finished sweeps, as docs/protocol.md says.

    node-transfer claims --sweeps=results/short,results/long --output=docs/claims.md

Quotation, reading, test, outcome as the paper tests it and against the control, and the
runs that it rests on. Prints the two sentences that sum them up.
"""

from pathlib import Path

from absl import flags as absl_flags

from node_transfer.cli.command_line import Command
from node_transfer.errors import UserError


def define_flags() -> None:
    """Defines the flags of `node-transfer claims`."""
    absl_flags.DEFINE_list(
        "sweeps", None, "Folders of sweeps, with commas between them.", required=True
    )
    absl_flags.DEFINE_string(
        "benchmarks", None, "Folder of the records of benchmarks/, for claims 9 and 10."
    )
    absl_flags.DEFINE_string("output", None, "Markdown file to write.")


def judge() -> None:
    """Judges the claims by the sweeps that the flags name."""
    from node_transfer.analysis import claims, claims_page
    from node_transfer.analysis.runs import read_sweep

    values = absl_flags.FLAGS
    benchmarks = Path(values.benchmarks) if values.benchmarks else None
    if benchmarks and not benchmarks.is_dir():
        raise UserError(f"benchmarks is {str(benchmarks)!r}: pass an existing folder.")
    sweeps = [read_sweep(folder) for folder in values.sweeps]
    evidence = claims.evidence_of(sweeps, benchmarks)
    judged = claims.judge_all(evidence)
    beside = values.output and (Path(values.output).parent / "protocol.md").is_file()
    page = claims_page.markdown(
        evidence, judged, *(["[protocol.md](protocol.md)"] if beside else [])
    )
    if values.output:
        try:
            Path(values.output).write_text(page, encoding="utf-8")
        except OSError as error:
            raise UserError(
                f"{values.output!r} cannot be written ({error.strerror}): pass another "
                "output=."
            ) from error
    else:
        print(page)
    print("\n".join(claims_page.sentences(evidence, judged)))


COMMAND = Command(__doc__, define_flags, judge, extra="report")
