"""The scripts, run as a user does, with input that is wrong."""

import subprocess
import sys

import pytest

from tests.conftest import PROJECT
from tests.slowly import slow_after


def run(script, *flags, cwd=PROJECT):
    return subprocess.run(
        [sys.executable, str(PROJECT / "experiments" / script), *flags],
        capture_output=True, text=True, cwd=cwd, timeout=120,
    )  # fmt: skip


def own_lines(result):
    """What the script itself said on standard error, without TensorFlow's notes."""
    return [line for line in result.stderr.splitlines() if line.startswith("Error: ")]


BAD_FLAGS = [
    ("run_baseline.py", ["--epochs=0"], "epochs"),
    ("run_baseline.py", ["--epochs=many"], "many"),
    ("run_baseline.py", ["--epoch=3"], "Did you mean: epochs"),
    ("run_baseline.py", ["--backbone=ResNet50"], "ResNet50"),
    ("run_baseline.py", ["--batch_size=-1"], "batch_size"),
    ("run_baseline.py", ["--image_size=8"], "image_size"),
    ("run_baseline.py", ["200"], "Unknown argument '200'"),
    ("run_baseline.py", ["--learning_rate=-1"], "learning_rate is -1.0"),
    ("run_baseline.py", ["--validation_fraction=2"], "validation_fraction is 2.0"),
    ("run_node_rk.py", ["--rtol=-1e-5"], "rtol"),
    ("run_node_rk.py", ["--method=rk5"], "rk5"),
    ("run_node_adjoint.py", ["--gradient=guess"], "guess"),
    ("evaluate.py", [], "model"),
    ("evaluate.py", ["--model=x", "--split=dev"], "dev"),
    ("table_1.py", ["--runs=no/such/run"], "no/such/run"),
]


@pytest.mark.parametrize(("script", "flags", "named"), BAD_FLAGS)
def test_wrong_flag_is_one_sentence_and_a_non_zero_exit(script, flags, named, tmp_path):
    result = run(script, *flags, cwd=tmp_path)
    assert result.returncode in (1, 2)
    (line,) = own_lines(result)
    assert named in line
    assert "Traceback" not in result.stderr
    assert list(tmp_path.iterdir()) == []


BAD_RUNS = [
    ("evaluate.py", ["--model=no/such/run"], "no/such/run"),
    (
        "run_baseline.py",
        [f"--output_dir={PROJECT / 'results' / 'smoke' / 'baseline'}"],
        "pass --overwrite to replace it, or --output_dir with another folder",
    ),
    (
        "run_baseline.py",
        ["--dataset=digits", "--weights=none", "--batch_size=5000"],
        "--batch_size=1294 or less",
    ),
]


@pytest.mark.parametrize(("script", "flags", "named"), slow_after(2, BAD_RUNS))
def test_wrong_request_is_one_sentence_and_leaves_nothing(script, flags, named, tmp_path):
    result = run(script, *flags, cwd=tmp_path)
    assert result.returncode == 2
    (line,) = own_lines(result)
    assert named in line
    assert "Traceback" not in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_help_explains_every_flag():
    result = run("run_node_rk.py", "--helpshort")
    text = result.stdout + result.stderr
    assert "Traceback" not in text
    names = """
        dataset data_dir backbone weights image_size resize epochs batch_size optimizer
        learning_rate lr_schedule clip_norm seed train_examples validation_fraction
        augment freeze_backbone cache_features cache_dir report block
        dynamics hidden_units method gradient rtol atol init_from strategy
        mixed_precision output_dir overwrite
    """
    for flag in names.split():
        assert f"--{flag}" in text or f"--[no]{flag}" in text
