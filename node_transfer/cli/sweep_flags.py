"""The flags of a sweep. Imports no TensorFlow."""

import shlex
from collections.abc import Sequence

from absl import flags

from node_transfer.cli import flags as run_flags
from node_transfer.errors import UserError
from node_transfer.reproduction.plan import PRESETS, PlannedRun, plan
from node_transfer.runs.config import BASELINE

FLAGS = flags.FLAGS
# Flags that go to every run as they are.
PASSED_ON = (
    "data_dir",
    "data_note",
    "backbone",
    "weights",
    "strategy",
    "mixed_precision",
)


def define_sweep_flags() -> None:
    """Defines every flag of `node-transfer reproduce`."""
    flags.DEFINE_enum(
        "preset",
        "cpu",
        list(PRESETS),
        "paper: CIFAR-10, 200/100/160 epochs, for a GPU; cpu: the same at a twentieth; "
        "short: the runs of docs/protocol.md that are compared over seeds; "
        "quickstart: the paper's three models on handwritten digits, minutes.",
    )
    flags.DEFINE_list("seeds", ["0"], "One run of every model for each, with commas.")
    flags.DEFINE_list(
        "models", [], "Only these models of the preset, with commas. Default: all."
    )
    flags.DEFINE_string(
        "output_dir",
        None,
        "Folder of the sweep; a run goes to OUTPUT_DIR/seed-SEED/MODEL. Default: "
        "results/runs/PRESET.",
    )
    flags.DEFINE_bool(
        "report_only", False, "Train nothing: make tables, figures and report anew."
    )
    flags.DEFINE_string(
        "note", None, "A sentence on data or machine for the report, such as a caveat."
    )
    run_flags.define_data_dir_flag()
    run_flags.define_data_note_flag()
    run_flags.define_network_flags(weights_note="; with --preset=paper imagenet")
    run_flags.define_device_flags(BASELINE)


def output_dir() -> str:
    """Returns the folder of the sweep."""
    return FLAGS.output_dir or f"results/runs/{FLAGS.preset}"


def sweep_from_flags(typed: Sequence[str]) -> tuple[list[PlannedRun], str, dict]:
    """Returns the plan, its folder, and what the sweep's record says beside the runs.

    Args:
        typed: The program, as a person types it.

    Raises:
        UserError: A seed that is no number, an unknown model, or a strategy of several
            machines.
    """
    if FLAGS.strategy == "multi_worker":
        raise UserError(
            "strategy is 'multi_worker' and a sweep makes its runs on one machine: pass "
            "another strategy=, or make each of the runs with node-transfer train."
        )
    changes = {name: FLAGS[name].value for name in PASSED_ON}
    changes = {name: value for name, value in changes.items() if value is not None}
    runs = plan(FLAGS.preset, seeds(), output_dir(), changes, FLAGS.models)
    given = [
        f"--{name}={','.join(value) if isinstance(value, list) else value}"
        for name in ("preset", "seeds", "models", *PASSED_ON, "output_dir", "note")
        if (value := FLAGS[name].value)
        and value != FLAGS[name].default
        or name == "preset"
    ]
    record = {
        "command": shlex.join([*typed, "reproduce", *given]),
        "preset": FLAGS.preset,
        "note": FLAGS.note,
    }
    return runs, output_dir(), record


def check_failures(failures: dict[str, str]) -> None:
    """Raises `UserError` where runs failed, after everything else is done."""
    if failures:
        raise UserError(
            f"{len(failures)} of the runs failed ({'; '.join(failures)}), for the "
            "reasons above: the same command tries them again."
        )


def seeds() -> list[int]:
    """Returns the seeds that the flag names.

    Raises:
        UserError: One of them is no number that a seed can be.
    """
    try:
        numbers = [int(seed) for seed in FLAGS.seeds]
        if min(numbers) < 0 or max(numbers) >= 2**32:
            raise ValueError
        return numbers
    except ValueError:
        raise UserError(
            f"seeds is {','.join(FLAGS.seeds)!r}: pass whole numbers from 0 to 2^32 - 1 "
            "with commas, such as 0,1,2."
        ) from None
