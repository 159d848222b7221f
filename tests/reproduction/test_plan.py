"""Which runs a sweep is made of."""

import dataclasses
import json
import subprocess
import sys

import pytest

from node_transfer.analysis.lineup import COMPARISONS, CONTROLS, MODELS
from node_transfer.cli.program import run_arguments
from node_transfer.errors import UserError
from node_transfer.reproduction.comparison import plan_comparison
from node_transfer.reproduction.plan import PRESETS, plan
from node_transfer.runs.config import NODE_RK
from node_transfer.runs.recipes import with_recipe
from tests.conftest import PROJECT


def by_model(preset="cpu", **changes):
    return {run.model: run for run in plan(preset, [0], "out", changes)}


def test_every_model_of_the_line_up_is_in_a_preset():
    planned = {name for preset in PRESETS.values() for name in preset.models}
    assert planned == set(MODELS)


@pytest.mark.parametrize("preset", PRESETS)
def test_a_model_is_run_after_what_it_starts_from(preset):
    runs = plan(preset, [0, 1], "out", {})
    assert [run.model for run in runs] == list(PRESETS[preset].models) * 2
    made = set()
    for run in runs:
        assert run.start is None or run.start.config.output_dir in made
        assert run.config.init_from == (run.start and run.start.config.output_dir)
        made.add(run.config.output_dir)
    assert len(made) == len(runs)


def test_the_paper_preset_is_the_papers():
    runs = by_model("paper")
    epochs = [runs[n].config.epochs for n in ("baseline", "node_rk", "node_adjoint")]
    assert epochs == [200, 100, 160]
    assert runs["node_rk"].config.rtol == runs["node_rk"].config.atol == 1e-5
    adjoint = runs["node_adjoint"].config
    assert (adjoint.optimizer, adjoint.learning_rate) == ("sgd", 0.1)
    assert runs["baseline"].config.weights == "imagenet"


def test_the_presets_keep_the_papers_ratios_of_epochs():
    assert [20 * e for e in PRESETS["cpu"].epochs] == list(PRESETS["paper"].epochs)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        *CONTROLS.items(),
        ("node_rk", "residual"),
    ],
)
def test_a_control_differs_in_the_block_alone(left, right):
    runs = by_model("cpu") | by_model("short")
    one, other = (dataclasses.asdict(runs[name].config) for name in (left, right))
    assert {key for key in one if one[key] != other[key]} <= {
        "experiment", "block", "gradient", "method", "num_steps", "rtol", "atol",
        "output_dir",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("left", "right", "differing"),
    [
        ("node_rk_cold", "baseline", {"experiment", "block"}),
        ("node_adjoint_cold", "baseline_sgd", {"gradient", "rtol", "atol"}),
        ("node_adjoint", "more_sgd", {"gradient", "rtol", "atol"}),
        ("node_adjoint", "node_adjoint_adam", {"optimizer", "learning_rate"}),
        ("more_adam_falling", "more_sgd", {"optimizer", "learning_rate"}),
    ],
)
def test_what_the_protocol_compares_differs_in_what_it_says(left, right, differing):
    runs = by_model("short")
    one, other = (dataclasses.asdict(runs[name].config) for name in (left, right))
    found = {key for key in one if one[key] != other[key]}
    allowed = {"experiment", "block", "output_dir", "lr_schedule"}
    assert differing <= found <= differing | allowed
    if "optimizer" not in differing:
        assert one["lr_schedule"] == other["lr_schedule"]


def test_cold_and_warm_start_differ_in_the_start_alone():
    runs = by_model(backbone="EfficientNetV2B0", weights="none")
    one, other = (
        dataclasses.asdict(runs[name].config) for name in ("node_rk", "node_rk_cold")
    )
    assert {key for key in one if one[key] != other[key]} == {
        "init_from", "backbone", "weights", "output_dir",
    }  # fmt: skip


def test_what_is_compared_is_in_the_line_up():
    assert {name for pair in COMPARISONS for name in pair} <= MODELS.keys()
    assert all(pair in COMPARISONS for pair in CONTROLS.items())


def compared_by_the_modern_recipe():
    """With values given that are an experiment's own default, and not the recipe's."""
    base = with_recipe(
        NODE_RK, "modern", epochs=100, hflip=False, ema=0.0, label_smoothing=0.0,
        patience=0, weight_decay=0.0, lr_schedule="constant", warmup_epochs=0,
        adapt_batchnorm=False, weights="none",
    )  # fmt: skip
    return plan_comparison(
        base, ["EfficientNetV2B0"], ["none", "ode"], ["dopri5"], [0], "out"
    )


def test_the_command_of_a_run_is_read_as_its_config():
    changes = {"backbone": "EfficientNetV2B0", "weights": "none", "data_dir": "a b"}
    runs = plan("cpu", [3], "out/x", changes) + compared_by_the_modern_recipe()
    code = (
        "import dataclasses, json, sys\n"
        "from absl.flags import FLAGS\n"
        "from node_transfer.cli import command_line, flags, main\n"
        "def show(command, arguments):\n"
        "    command.define_flags()\n"
        "    FLAGS(['node-transfer', *arguments])\n"
        "    read = flags.config_from_flags(*command.run.args)\n"
        "    print(json.dumps(dataclasses.asdict(read)))\n"
        "    for name in list(FLAGS):\n"
        "        delattr(FLAGS, name)\n"
        "command_line.run = show\n"
        f"for arguments in {[run_arguments(run) for run in runs]!r}:\n"
        "    sys.argv = ['node-transfer', *arguments]\n"
        "    main.main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True
    )
    read = [json.loads(line) for line in done.stdout.splitlines()]
    assert read == [dataclasses.asdict(run.config) for run in runs], done.stderr


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (("nonsense", [0], "out", {}), "preset is 'nonsense'"),
        (
            ("cpu", [0, 0], "out", {}),
            r"seeds is \[0, 0\]: pass at least one seed, and none of them twice",
        ),
        (("quickstart", [0], "out", {}, ["residual"]), "no model of the preset quickst"),
    ],
)
def test_a_plan_that_cannot_be_is_an_error(arguments, match):
    with pytest.raises(UserError, match=match):
        plan(*arguments)
